"""Files at the edge: whole or not at all, never outside the folder they belong to."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeAlias

from repro.errors import CardError, ReproError

MAX_CARD_BYTES = 10 * 1024 * 1024
"""A card of 10 MiB or less is read; a larger file is not a card."""
SCORES_FOLDER = ".eval_results"
"""Where a model's repository keeps scores, one YAML file a benchmark (huggingface.co/docs/hub/eval-results)."""
Scores: TypeAlias = tuple[tuple[str, bytes | str], ...]
"""(name, content) of such files; a str says why a file's content was not had."""
MAX_SCORE_FILES = 64
MAX_SCORE_BYTES = 256 * 1024

_CONTROL = bytes(byte for byte in range(32) if byte < 9 or 13 < byte < 27 or byte > 27)
"""Bytes that text does not hold; an escape (27) stands in logs."""


def read_card_bytes(path: str) -> bytes:
    """The bytes of a card.

    Raises:
        CardError: missing, a directory, empty, not readable, too large, or binary data.
    """
    place = Path(path)
    try:
        if place.is_dir():
            inside = [p.name for p in sorted(place.glob("*.md"))[:3]]
            hint = f"name a card in it, such as {place / inside[0]}" if inside else "name a Markdown file"
            raise CardError("this is a folder, not a card", where=path, hint=hint)
        if place.stat().st_size > MAX_CARD_BYTES:
            size = place.stat().st_size / 2**20
            raise CardError(
                f"{size:.1f} MiB is too large for a model card (limit {MAX_CARD_BYTES // 2**20} MiB)",
                where=path,
                hint="point at the README.md of a model repository",
            )
        with place.open("rb") as file:  # a device has no size and may have no end
            data = file.read(MAX_CARD_BYTES + 1)
    except FileNotFoundError:
        raise CardError("no such file", where=path, hint="give the path of a model card (a README.md)") from None
    except OSError as error:
        raise CardError(f"cannot be read: {error.strerror or error}", where=path) from error
    return checked_card_bytes(data, path)


def checked_card_bytes(data: bytes, source: str) -> bytes:
    """`data`, when it can be a card's.

    Raises:
        CardError: empty, too large, or binary.
    """
    if not data.strip(b"\xef\xbb\xbf \t\r\n"):
        raise CardError("the file is empty", where=source, hint="a card needs at least a line of text")
    if len(data) > MAX_CARD_BYTES:
        raise CardError(f"{len(data) / 2**20:.1f} MiB is too large for a model card", where=source)
    head = data[:65536]
    control = len(head) - len(head.translate(None, _CONTROL))
    if control > len(head) * 0.05 and not data.startswith((b"\xff\xfe", b"\xfe\xff")):  # UTF-16 is text
        raise CardError("this is binary data, not text", where=source, hint="point at a Markdown file")
    return data


def score_files(card: str) -> Scores:
    """The files `.eval_results/*.yaml` beside a card, by name. Links that lead out of its folder are not followed.

    Only a README.md, or the one Markdown file of its folder, is taken for the card that such files belong to.
    """
    folder = Path(card).parent
    place = folder / SCORES_FOLDER
    try:
        names = sorted(name for name in os.listdir(place) if name.endswith(".yaml") and not name.startswith("."))
        others = [] if Path(card).name.lower() == "readme.md" else [n for n in os.listdir(folder) if n.endswith(".md")]
    except OSError:
        return ()
    if len(others) > 1:
        return ()
    found: list[tuple[str, bytes | str]] = []
    for name in names[:MAX_SCORE_FILES]:
        shown = str(folder / SCORES_FOLDER / name).encode("utf-8", "surrogateescape").decode("utf-8", "replace")
        found.append((shown, _score_file(folder, place / name)))
    if len(names) > MAX_SCORE_FILES:
        found.append((str(place), f"only the first {MAX_SCORE_FILES} of {len(names):,} files of scores were read"))
    return tuple(found)


def _score_file(folder: Path, place: Path) -> bytes | str:
    try:
        real = place.resolve(strict=True)
        if not any(root in real.parents for root in own_folders(folder)):
            return "this link leads out of the card's folder and was not followed"
        if not real.is_file():
            return "this is no file"
        with real.open("rb") as file:
            return file.read(MAX_SCORE_BYTES + 1)
    except (OSError, RuntimeError) as error:
        return f"cannot be read: {getattr(error, 'strerror', None) or error}"


def own_folders(place: Path) -> tuple[Path, ...]:
    """Where the files of a repository's folder may lie: in it, and, for a snapshot in a Hub cache, which is made of
    links, in the blobs beside it."""
    root = place.resolve()
    if root.parent.name == "snapshots" and re.fullmatch(r"[0-9a-f]{40}", root.name):
        return root, root.parent.parent / "blobs"
    return (root,)


def inside(folder: Path, name: str) -> Path:
    """`folder / name`, where that stays inside the folder.

    Raises:
        ReproError: the name leads out of it.
    """
    root = folder.resolve()
    place = (root / name).resolve()
    if place != root and root not in place.parents:
        raise ReproError(f"{name!r} leads outside {folder}", hint="nothing was written")
    return place


def write_whole(path: Path, content: str | bytes, *, mode: int = 0o644) -> None:
    """Write a file so that it is seen whole or not at all, also after a crash.

    Raises:
        ReproError: the folder cannot be written, or the disk is full.
    """
    with writing_whole(path, mode=mode) as place:
        place.write_bytes(content.encode("utf-8") if isinstance(content, str) else content)


def write_named(path: Path, content: str | bytes) -> None:
    """Write where a person asks for it: a file whole or not at all, through a link to what it leads to; a device or a
    pipe as what it is, since a file put in its place would take it from everybody.

    Raises:
        ReproError: it cannot be written.
    """
    data = content.encode("utf-8") if isinstance(content, str) else content
    try:
        if path.exists() and not path.is_file():
            with path.open("wb") as stream:
                stream.write(data)
            return
        place = path.resolve() if path.is_symlink() else path
    except (OSError, RuntimeError) as error:  # RuntimeError: a link that leads to itself, before Python 3.13
        raise cannot_write(path, error if isinstance(error, OSError) else OSError(str(error))) from error
    write_whole(place, data)


@contextmanager
def writing_whole(path: Path, *, mode: int = 0o644) -> Iterator[Path]:
    """A place to write to, which becomes `path` when the block ends well and is gone when it does not.

    Raises:
        ReproError: the folder cannot be written, or the disk is full.
    """
    import tempfile  # a plain check writes nothing

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
        os.close(handle)
        try:
            yield Path(temporary)
            with open(temporary, "rb") as file:
                os.fsync(file.fileno())
            os.chmod(temporary, mode)
            os.replace(temporary, path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise cannot_write(path, error) from error


def cannot_write(path: Path, error: OSError) -> ReproError:
    """The sentence for a write that failed."""
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return ReproError(
            "the disk is full", where=str(path), hint="free some space and run the same command again: it resumes"
        )
    if error.errno in {errno.EACCES, errno.EPERM, errno.EROFS}:
        return ReproError("cannot be written (no permission)", where=str(path), hint="choose another place")
    return ReproError(f"cannot be written: {error.strerror or error}", where=str(path))


def names_code(config: object) -> bool:
    """Whether a config.json names a kernel's repository for some of its layers: transformers 5 would download it and
    run it (modeling_utils.py, get_correct_attn_implementation)."""
    waiting = [config]
    while waiting:
        item = waiting.pop()
        if isinstance(item, dict):
            for key, value in item.items():
                if key.endswith(("_implementation", "_implementation_internal")) and "/" in str(value):
                    return True
            waiting += item.values()
        elif isinstance(item, list):
            waiting += item
    return False
