"""Tables written in HTML, read as Markdown's are: rows of cells, each with the bytes it occupies."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from repro.card import Cell, Span, Table
from repro.read.source_text import SourceText

MAX_BYTES = 200_000
MAX_COLUMN = 2000
"""Beyond it a cell's place is its line: columns are counted from the line's beginning, for each cell anew."""
_MARK = re.compile(rb"<(?P<close>/?)(?P<name>table|tr|td|th)\b(?P<rest>[^<>]{0,500})>", re.IGNORECASE)
_TAG = re.compile(r"<[^<>]{0,2000}>")
_LINK = re.compile(r"href\s*=\s*[\"']?([^\"'\s>]{1,500})", re.IGNORECASE)
_SPAN = re.compile(rb"\b(?P<name>(?:col|row)span)\s*=\s*[\"']?(?P<count>\d{1,4})\b", re.IGNORECASE)
_SPACE = b" \t\r\n"
MAX_SPAN = 50
MAX_COLUMNS = 100
MAX_CELL = 4000


class _Placed(NamedTuple):
    """A cell, whether it is a heading, and the rows and columns that it takes."""

    cell: Cell
    heading: bool
    down: int
    across: int


def html_tables(source: SourceText, start: int, end: int) -> Iterator[tuple[int, int, Table]]:
    """The tables within a block of HTML, with where each begins and ends in `source.utf8`.

    A cell over several rows or columns stands in each of them; several rows of headings become one. A table in a
    table, or one whose rows differ in length even so, is left alone.
    """
    if end - start > MAX_BYTES:
        return
    rows: list[list[_Placed]] = []
    begun = opened = 0
    span, heading = (1, 1), False
    depth, plain = 0, True
    for mark in _MARK.finditer(source.utf8, start, end):
        name, closes = mark["name"].lower(), bool(mark["close"])
        if opened and rows:
            cell = _cell(source, opened, mark.start())
            plain = plain and cell is not None
            rows[-1].extend([_Placed(cell, heading, *span)] if cell is not None else [])
        opened = 0
        if name == b"table" and not closes:
            depth += 1
            plain = depth == 1
            begun, rows = (mark.start(), []) if depth == 1 else (begun, rows)
        elif name == b"table":
            depth = max(0, depth - 1)
            table = _laid_out([row for row in rows if row]) if not depth and plain else None
            if table is not None:
                yield begun, mark.end(), table
            rows = [] if not depth else rows
        elif depth and name == b"tr" and not closes:
            rows.append([])
        elif depth and name in (b"td", b"th") and not closes:
            opened, heading = mark.end(), name == b"th"
            span = _spans(mark["rest"]) if b"span" in mark["rest"].lower() else (1, 1)
            plain = plain and span != (0, 0)


def _spans(attributes: bytes) -> tuple[int, int]:
    """Rows and columns that a cell takes; zeros where that is not plainly said."""
    found = {name.lower(): int(count) for name, count in _SPAN.findall(attributes)}
    across, down = found.get(b"colspan", 1), found.get(b"rowspan", 1)
    return (down, across) if 1 <= across <= MAX_SPAN and 1 <= down <= MAX_SPAN and found else (0, 0)


def _laid_out(rows: list[list[_Placed]]) -> Table | None:
    """The table of the rows, each cell in every place that it takes; None where the places do not fill a rectangle."""
    grid: list[list[Cell]] = []
    waiting: dict[int, tuple[int, Cell]] = {}  # column -> rows still to take, and the cell
    for row in rows:
        line: list[Cell] = []
        taken = dict(waiting)
        for placed in (*row, None):
            while len(line) in taken:
                column = len(line)
                left, cell = taken.pop(column)
                line.append(cell)
                waiting[column] = (left - 1, cell)
                if left == 1:
                    del waiting[column]
            if placed is None:
                break
            for _ in range(placed.across):
                if placed.down > 1:
                    waiting[len(line)] = (placed.down - 1, placed.cell)
                line.append(placed.cell)
            if len(line) > MAX_COLUMNS:
                return None
        if taken:
            return None
        grid.append(line)
    heads = 0
    while heads < len(rows) and heads < 3 and all(placed.heading for placed in rows[heads]):
        heads += 1
    heads = max(1, heads)
    if len(grid) <= heads or len({len(line) for line in grid}) != 1:
        return None
    header = tuple(_stacked([grid[row][column] for row in range(heads)]) for column in range(len(grid[0])))
    return Table(header, tuple(tuple(line) for line in grid[heads:]))


def _stacked(cells: list[Cell]) -> Cell:
    """Headings above one another as one: "MMLU" over "5-shot" is "MMLU 5-shot"."""
    texts = list(dict.fromkeys(cell.text for cell in cells if cell.text))
    if len(texts) < 2:
        return next((cell for cell in cells if cell.text), cells[-1])
    return Cell(" ".join(texts), "", cells[-1].span, 0, 0, tuple(link for cell in cells for link in cell.links))


def _unescaped(text: str) -> str:
    if "&" not in text:
        return text
    from html import unescape  # loads a table of all names

    return unescape(text)


def _cell(source: SourceText, start: int, end: int) -> Cell | None:
    """The cell between two marks; one of several lines has no bytes to fill. None where it is no text."""
    utf8 = source.utf8
    while start < end and utf8[start] in _SPACE:
        start += 1
    while end > start and utf8[end - 1] in _SPACE:
        end -= 1
    if end - start > MAX_CELL:
        return None
    raw = utf8[start:end].decode("utf-8", "replace")
    if "\ufffd" in raw:
        return None
    text = " ".join(_unescaped(_TAG.sub(" ", raw) if "<" in raw else raw).split())
    links = tuple(_unescaped(link) for link in _LINK.findall(raw)) if "href" in raw else ()
    line = source.line_of(start)
    if "\n" in raw:
        return Cell(text, "", Span(source.source, line, line + raw.count("\n")), 0, 0, links)
    place = Span(source.source, line, line)
    if start - source.line_starts[line - 1] < MAX_COLUMN:
        column = source.column_of(start, line)
        place = Span(source.source, line, line, column, max(column, column + len(raw) - 1))
    return Cell(text, raw, place, source.data_offset(start), source.data_offset(end), links)
