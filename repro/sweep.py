"""Thousands of cards: read and checked by several processes, kept as Parquet, and told as a summary."""

from __future__ import annotations

import hashlib
import json
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from repro import __version__
from repro.crew import Crew
from repro.errors import CardError, UsageError
from repro.files import write_whole
from repro.finding import Check, Persona
from repro.row import Columns, Row
from repro.rows import count_rows, files_of, read_rows
from repro.sweep_card import Asked, Sweeper, Swept, lost
from repro.sweep_markdown import to_markdown
from repro.sweep_summary import Summary, summarise
from repro.sweep_tables import CARDS, FINDINGS, Parts, need_pyarrow
from repro.task import Observer, Progress, ignore

IDENTITY = "sweep.json"
"""What the folder is a sweep of: another source, version or question does not go on in it."""
SUMMARY = "summary.json"
"""Written last: a folder that has it has everything."""


@dataclass(frozen=True, slots=True)
class SweepOptions:
    """How a sweep is done."""

    output: Path
    columns: Columns = field(default_factory=Columns)
    asked: Asked = field(default_factory=Asked)
    limit: int | None = None
    """At most so many rows."""
    jobs: int = 1
    seconds_per_card: float = 10.0
    """Processor time after which a card is given up."""
    piece: int = 500
    """Rows that are kept together: what a sweep that is killed loses at most for each process."""


def sweep(source: Path, options: SweepOptions, observer: Observer = ignore) -> Summary:
    """Read and check every card of the source; a sweep that was stopped goes on from its finished pieces.

    Leaves cards.parquet, findings.parquet, summary.md and, last, summary.json in `options.output`.

    Raises:
        CardError: the source does not exist, or holds nothing that could be cards.
        UsageError: the folder holds another sweep or something else; a column or a check does not exist.
        PrerequisiteError: pyarrow is not installed.
    """
    from repro.check.checker import all_checks, chosen_checks
    from repro.report import as_json

    need_pyarrow()
    everything = options.asked.persona == Persona.AUDITOR
    chosen = chosen_checks(options.asked.select, options.asked.ignore)
    checks = tuple(check for check in chosen if everything or check.persona is Persona.AUTHOR)
    identity = identity_of(source, options, all_checks())
    _open_folder(options.output, identity)
    if (options.output / SUMMARY).is_file():
        return summary_of(options.output)
    parts = Parts(options.output, options.piece, [check.code for check in checks])
    _work(source, options, parts, observer)
    for name in (FINDINGS, CARDS):
        parts.join(name, options.output / f"{name}.parquet")
    summary = summarise(
        options.output / f"{CARDS}.parquet",
        options.output / f"{FINDINGS}.parquet",
        checks,
        source=str(source),
        tool_version=__version__,
        options=identity["options"],
    )
    if not summary.rows:
        raise CardError("holds no row", where=str(source))
    write_whole(options.output / "summary.md", to_markdown(summary))
    write_whole(options.output / SUMMARY, as_json(summary))
    parts.remove()
    return summary


def _work(source: Path, options: SweepOptions, parts: Parts, observer: Observer) -> None:
    """Every row that is in no finished piece, piece by piece as their last rows come."""
    total = count_rows(source)
    if options.limit:
        total = min(total, options.limit) if total else options.limit
    begun = time.monotonic()
    done = passed_over = 0
    last = -1

    def rows() -> Iterator[Row]:
        nonlocal last, passed_over
        for row in read_rows(source, options.columns, parts.covers):
            if options.limit is not None and row.number >= options.limit:
                return
            passed_over += max(0, row.number - last - 1)
            last = row.number
            yield row

    held: dict[int, list[Swept]] = defaultdict(list)
    sweeper = Sweeper(options.asked)
    with Crew[Row, Swept](options.jobs, sweeper, lost, options.seconds_per_card, sweeper.prepare) as crew:
        for swept in crew.answers(rows()):
            done += 1
            piece = swept.number // options.piece
            held[piece].append(swept)
            if len(held[piece]) == options.piece:
                parts.write(piece, held.pop(piece))
            if done % 20 == 0:
                observer(Progress("sweep", done + passed_over, total, time.monotonic() - begun))
    observer(Progress("sweep", done + passed_over, done + passed_over, time.monotonic() - begun))
    for piece, swept_rows in sorted(held.items()):
        # The source's last piece is a short one; with all rows answered there is no other.
        parts.write(piece, swept_rows)


def identity_of(source: Path, options: SweepOptions, checks: tuple[Check, ...]) -> dict[str, Any]:
    """What makes two sweeps the same: the source's files, the program and the question; not how many processes."""
    files = hashlib.sha256()
    for path in files_of(source):
        try:
            about = path.stat()
        except OSError:
            continue
        files.update(f"{path}\0{about.st_size}\0{about.st_mtime_ns}\n".encode("utf-8", "surrogateescape"))
    return {
        "source": str(source),
        "files": files.hexdigest(),
        "version": __version__,
        "program": _program(checks),
        "options": {
            "text_column": options.columns.text,
            "id_column": options.columns.id,
            "select": list(options.asked.select),
            "ignore": list(options.asked.ignore),
            "persona": options.asked.persona,
            "limit": options.limit,
            "seconds_per_card": options.seconds_per_card,
        },
        "piece": options.piece,
    }


def _program(checks: tuple[Check, ...]) -> str:
    """A digest of what reads and checks: a version under development changes under one number."""
    digest = hashlib.sha256(" ".join(check.code for check in checks).encode())
    root = Path(__file__).parent
    for path in sorted((*root.glob("*.py"), *root.glob("read/**/*.py"), *root.glob("check/**/*.py"))):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _open_folder(folder: Path, identity: dict[str, Any]) -> None:
    """
    Raises:
        UsageError: the folder holds another sweep, or something that is no sweep.
    """
    if folder.exists() and not folder.is_dir():
        raise UsageError("is a file, not a folder for a sweep's results", where=str(folder))
    place = folder / IDENTITY
    if not place.is_file():
        if folder.is_dir() and any(folder.iterdir()):
            raise UsageError(
                "is not empty and holds no sweep", where=str(folder), hint="name another folder with --output"
            )
        write_whole(place, json.dumps(identity, indent=1) + "\n")
        return
    try:
        before = json.loads(place.read_text("utf-8"))
    except (OSError, ValueError):
        before = {}
    if before == identity:
        return
    other = [name for name in identity if not isinstance(before, dict) or before.get(name) != identity[name]]
    raise UsageError(
        f"holds a sweep that differs from this one in its {', '.join(other)}",
        where=str(folder),
        hint="name another folder with --output, or remove this one",
    )


def summary_of(folder: Path) -> Summary:
    """The summary of a finished sweep."""
    from pydantic import TypeAdapter

    return TypeAdapter(Summary).validate_json((folder / SUMMARY).read_bytes())
