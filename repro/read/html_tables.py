"""Plain tables written in HTML, read as Markdown's are: rows of cells, each with the bytes it occupies."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator

from repro.card import Cell, Span, Table
from repro.read.source_text import SourceText

MAX_BYTES = 200_000
MAX_COLUMN = 2000
"""Beyond it a cell's place is its line: columns are counted from the line's beginning, for each cell anew."""
_MARK = re.compile(rb"<(?P<close>/?)(?P<name>table|tr|td|th)\b(?P<rest>[^<>]{0,500})>", re.IGNORECASE)
_TAG = re.compile(r"<[^<>]{0,2000}>")
_LINK = re.compile(r"href\s*=\s*[\"']?([^\"'\s>]{1,500})", re.IGNORECASE)
_SPACE = b" \t\r\n"


def html_tables(source: SourceText, start: int, end: int) -> Iterator[tuple[int, int, Table]]:
    """The tables within a block of HTML, with where each begins and ends in `source.utf8`.

    Only plain ones: every row as long as the first, no cell over several rows or columns, no table in a table.
    """
    if end - start > MAX_BYTES:
        return
    rows: list[list[Cell]] = []
    begun = opened = 0
    depth, plain = 0, True
    for mark in _MARK.finditer(source.utf8, start, end):
        name, closes = mark["name"].lower(), bool(mark["close"])
        if opened and rows:
            cell = _cell(source, opened, mark.start())
            plain = plain and cell is not None
            rows[-1].extend([cell] if cell is not None else [])
        opened = 0
        if name == b"table" and not closes:
            depth += 1
            plain = depth == 1
            begun, rows = (mark.start(), []) if depth == 1 else (begun, rows)
        elif name == b"table":
            depth = max(0, depth - 1)
            full = [tuple(row) for row in rows if row]
            if not depth and plain and len(full) > 1 and len({len(row) for row in full}) == 1:
                yield begun, mark.end(), Table(full[0], tuple(full[1:]))
            rows = [] if not depth else rows
        elif depth and name == b"tr" and not closes:
            rows.append([])
        elif depth and name in (b"td", b"th") and not closes:
            opened = mark.end()
            plain = plain and b"span" not in mark["rest"].lower()


def _cell(source: SourceText, start: int, end: int) -> Cell | None:
    """The cell between two marks; None where it is no piece of one line."""
    utf8 = source.utf8
    while start < end and utf8[start] in _SPACE:
        start += 1
    while end > start and utf8[end - 1] in _SPACE:
        end -= 1
    raw = utf8[start:end].decode("utf-8", "replace")
    if "\n" in raw or "\ufffd" in raw:
        return None
    line = source.line_of(start)
    place = Span(source.source, line, line)
    if start - source.line_starts[line - 1] < MAX_COLUMN:
        column = source.column_of(start, line)
        place = Span(source.source, line, line, column, max(column, column + len(raw) - 1))
    text = " ".join(html.unescape(_TAG.sub(" ", raw)).split())
    links = tuple(html.unescape(link) for link in _LINK.findall(raw))
    return Cell(text, raw, place, source.data_offset(start), source.data_offset(end), links)
