"""The command `repro sweep`: its options, what it shows, and its exit code."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from repro import screen
from repro.arguments import Personas, Quiet, Verbose

if TYPE_CHECKING:
    from repro.sweep_summary import Summary

TOP = 12
"""Findings that are printed; the summary's file has them all."""


def sweep(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="SOURCE", help="A folder of Markdown files, JSON lines (.jsonl, .jsonl.gz) or Parquet (.parquet)."
        ),
    ],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FOLDER", help="Where the results go (default: sweeps/NAME-OF-SOURCE)."),
    ] = None,
    text_column: Annotated[str, typer.Option(help="The column with the card's text (default: card, text, ...).")] = "",
    id_column: Annotated[str, typer.Option(help="The column with the model's name (default: modelId, id, ...).")] = "",
    limit: Annotated[int | None, typer.Option(min=1, help="At most so many rows.")] = None,
    select: Annotated[list[str] | None, typer.Option(help="Only these checks (R4, R401 or a slug).")] = None,
    ignore: Annotated[list[str] | None, typer.Option(help="Not these checks.")] = None,
    persona: Annotated[
        Personas, typer.Option(help="author: what to mend in a card; auditor: everything.")
    ] = Personas.author,
    jobs: Annotated[int, typer.Option("--jobs", "-j", min=0, max=1024, help="Processes (default: all cores).")] = 0,
    time_limit: Annotated[
        float, typer.Option(min=0.01, max=3600, help="Seconds of processor time after which a card is given up.")
    ] = 10.0,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> int:
    """Thousands of cards, read and checked: results as Parquet, and a summary. Goes on where it was stopped."""
    from repro.row import Columns
    from repro.sweep import SweepOptions
    from repro.sweep import sweep as run
    from repro.sweep_card import Asked

    folder = output if output is not None else Path("sweeps") / _name(source)
    options = SweepOptions(
        output=folder,
        columns=Columns(text_column, id_column),
        asked=Asked(tuple(select or ()), tuple(ignore or ()), str(persona)),
        limit=limit,
        jobs=jobs or _cores(),
        seconds_per_card=time_limit,
    )
    summary = screen.watched(quiet, lambda watch: run(source, options, watch))
    screen.emit(_told(summary, folder), None)
    return 3 if summary.unread else 0


def _told(summary: Summary, folder: Path) -> str:
    from repro.render.safe_text import short

    s = summary
    lines = [
        f"{s.read:,} of {s.rows:,} cards read"
        + (f"; on {s.with_failures:,} of them at least one check failed." if s.read else "."),
        *(f"  not met by {100 * c.share:5.1f}%: {c.code} {c.title}" for c in s.checks[:TOP] if c.failed),
        *(f"  not read, {count:,}: {short(reason)}" for reason, count in s.errors.items()),
        *(f"    {short(line)}" for line in s.first_errors[:3]),
        f"Results: {short(str(folder / 'summary.md'))} (also summary.json, cards.parquet, findings.parquet)",
    ]
    return "\n".join(lines) + "\n"


def _cores() -> int:
    """Those that this process may use, where the system tells."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _name(source: Path) -> str:
    name = source.resolve().name or "root"
    for ending in (".gz", ".jsonl", ".ndjson", ".parquet"):
        name = name.removesuffix(ending)
    return name or "root"
