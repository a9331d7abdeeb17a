"""Cards in bulk, one after the other: a folder, JSON lines (also gzipped) or Parquet, few in memory at a time."""

from __future__ import annotations

import gzip
import json
import os
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from repro.errors import CardError
from repro.files import read_card_bytes
from repro.row import ID_COLUMNS, TEXT_COLUMNS, Columns, Done, Row, checked_row, reason, shown
from repro.row_tables import open_table, read_table

MAX_LINE = 64 * 1024 * 1024
"""Bytes of a JSON line: a card of the largest size with every character written as an escape."""
DUMPS = (".parquet", ".jsonl", ".ndjson", ".jsonl.gz", ".ndjson.gz")


def read_rows(source: Path, columns: Columns, done: Done = lambda start, count: False) -> Iterator[Row]:
    """Every row of the source in a fixed order, except those that are `done`. What cannot be read is a row too.

    Raises:
        CardError: the source does not exist, or holds nothing that could be cards.
        UsageError: a named column does not exist in a Parquet file, or none of the usual ones does.
        PrerequisiteError: a Parquet file, and pyarrow is not installed.
    """
    number = 0
    for kind, path in _parts(source):
        for row in _READERS[kind](path, columns, number, done):
            if isinstance(row, int):
                number = row
            else:
                number = row.number + 1
                yield row


def count_rows(source: Path) -> int:
    """How many rows there are where that is cheap to know; else 0."""
    total = 0
    for kind, path in _parts(source):
        if kind == "lines":
            return 0
        total += 1 if kind == "card" else open_table(path).metadata.num_rows
    return total


def files_of(source: Path) -> Iterator[Path]:
    """The files of the source, in the order in which they are read."""
    for _, path in _parts(source):
        yield path


def _parts(source: Path) -> Iterator[tuple[str, Path]]:
    """(kind, file): the Markdown files of a folder; where it has none, its dumps."""
    if not source.exists():
        raise CardError("no such file or folder", where=str(source), hint="give a folder, JSON lines or Parquet")
    if not source.is_dir():
        kind = _kind(source)
        if kind is None:
            raise CardError(
                "is neither a folder, JSON lines (.jsonl, .jsonl.gz) nor Parquet (.parquet)",
                where=str(source),
                hint="one card is checked by: repro check CARD",
            )
        yield kind, source
        return
    empty = True
    for path in _walk(source):
        if path.suffix.lower() == ".md":
            empty = False
            yield "card", path
    if not empty:
        return
    for path in _walk(source):
        kind = _kind(path)
        if kind is not None:
            empty = False
            yield kind, path
    if empty:
        raise CardError("holds no Markdown file, JSON lines or Parquet", where=str(source))


def _kind(path: Path) -> str | None:
    name = path.name.lower()
    if not name.endswith(DUMPS):
        return None
    return "parquet" if name.endswith(".parquet") else "lines"


def _walk(folder: Path) -> Iterator[Path]:
    """Files below a folder, each folder's own sorted by name; links to folders are not followed."""
    for place, folders, files in os.walk(folder):
        folders.sort()
        folders[:] = [f for f in folders if f not in {".git", ".cache"}]
        yield from (Path(place) / name for name in sorted(files))


def _card(path: Path, columns: Columns, number: int, done: Done) -> Iterator[Row | int]:
    if done(number, 1):
        yield number + 1
        return
    name = str(path).encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    if not path.is_file():  # a pipe would be waited for
        yield Row(number, name, name, error="is no regular file" if path.exists() else "is a link that leads nowhere")
        return
    try:
        yield Row(number, name, name, read_card_bytes(str(path)))
    except CardError as error:
        yield Row(number, name, name, error=error.message)


def _lines(path: Path, columns: Columns, number: int, done: Done) -> Iterator[Row | int]:
    try:
        with path.open("rb") as raw:
            packed = raw.read(2) == b"\x1f\x8b"
    except OSError as error:
        raise CardError(f"cannot be read: {reason(error)}", where=str(path)) from error
    file: IO[bytes] = gzip.open(path, "rb") if packed else path.open("rb")  # type: ignore[assignment]  # noqa: SIM115
    line_number = 0
    with file:
        while True:
            line_number += 1
            place = f"{path}:{line_number}"
            try:
                line = file.readline(MAX_LINE)
                whole = line.endswith(b"\n") or len(line) < MAX_LINE
                while line and not whole:
                    rest = file.readline(MAX_LINE)
                    if rest.endswith(b"\n") or len(rest) < MAX_LINE:
                        break
            except (EOFError, OSError, zlib.error) as error:
                yield Row(number, place, place, error=f"the rest of the file cannot be read: {reason(error)}")
                return
            if not line:
                return
            if not line.strip():
                continue
            if done(number, 1):
                yield number + 1
            elif not whole:
                yield Row(number, place, place, error=f"the line is longer than {MAX_LINE // 2**20} MiB")
            else:
                yield _of_line(line, columns, number, place)
            number += 1


def _of_line(line: bytes, columns: Columns, number: int, place: str) -> Row:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError) as error:
        where = f" at column {error.colno}" if isinstance(error, json.JSONDecodeError) else ""
        why = error.msg if isinstance(error, json.JSONDecodeError) else type(error).__name__
        return Row(number, place, place, error=f"not JSON: {why}{where}")
    if not isinstance(value, dict):
        return Row(number, place, place, error=f"the line holds {_kind_of(value)}, not an object")
    name = next((n for n in ((columns.id,) if columns.id else ID_COLUMNS) if value.get(n) is not None), None)
    own = value[name] if name else place
    own = own if isinstance(own, str | int) and not isinstance(own, bool) else place
    column = next((n for n in ((columns.text,) if columns.text else TEXT_COLUMNS) if n in value), None)
    if column is None:
        wanted = columns.text or f"any of {', '.join(TEXT_COLUMNS)} (--text-column names another)"
        return Row(number, shown(str(own)), place, error=f"has no text: no column is called {wanted}")
    text = value[column]
    if not isinstance(text, str):
        return Row(number, shown(str(own)), place, error=f"{column} holds {_kind_of(text)}, not text")
    # A lone surrogate has no UTF-8; what stands there is then read as bytes that are not text.
    return checked_row(number, shown(str(own)), place, text.encode("utf-8", "surrogatepass"))


def _kind_of(value: object) -> str:
    names = {dict: "an object", list: "a list", str: "a text", bool: "true or false", type(None): "nothing (null)"}
    return names.get(type(value), "a number")


_READERS = {"card": _card, "lines": _lines, "parquet": read_table}
