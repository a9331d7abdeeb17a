"""Tables drawn with pipes inside code blocks, read as Markdown's are: lm-eval's output is pasted so."""

from __future__ import annotations

from collections.abc import Iterator

from repro.card import Cell, Span, Table

MAX_LINES = 2000
MAX_COLUMNS = 60
_RULE = frozenset("-:=|+ \t")


def text_tables(lines: tuple[str, ...], first: int, last: int, source: str) -> Iterator[Table]:
    """The tables among the lines from `first` to `last` (from 1, both included): a header, a rule below it, and rows.

    Cells have their place but no bytes to fill: what stands in a code block is not edited.
    """
    rows: list[tuple[Cell, ...]] = []
    ruled = False
    for number in range(first, min(last, first + MAX_LINES, len(lines)) + 1):
        line = lines[number - 1]
        if line.count("|") < 2 or len(line) > 4000:
            if ruled and len(rows) > 1:
                yield _table(rows)
            rows, ruled = [], False
        elif "---" in line and _RULE.issuperset(line):
            ruled = ruled or len(rows) == 1
        else:
            if rows and not ruled and not _is_header(rows[0]):
                rows = []  # a header has its rule right below
            ruled = ruled or bool(rows)
            rows.append(_cells(line, number, source))
    if ruled and len(rows) > 1:
        yield _table(rows)


def _is_header(row: tuple[Cell, ...]) -> bool:
    """Whether a row is the header that lm-eval prints, which some paste without the rule below it."""
    words = {cell.text.lower() for cell in row}
    return "value" in words and "metric" in words and bool({"task", "tasks"} & words)


def _table(rows: list[tuple[Cell, ...]]) -> Table:
    width = len(rows[0])
    body = [row[:width] + tuple(_empty(row) for _ in range(width - len(row))) for row in rows[1:]]
    return Table(rows[0], tuple(body))


def _empty(row: tuple[Cell, ...]) -> Cell:
    return Cell("", "", row[-1].span, 0, 0)


def _cells(line: str, number: int, source: str) -> tuple[Cell, ...]:
    start = line.find("|") + 1 if line.lstrip().startswith("|") else 0
    end = line.rstrip().rfind("|") if line.rstrip().endswith("|") else len(line)
    cells: list[Cell] = []
    for piece in line[start:end].split("|")[:MAX_COLUMNS]:
        text = piece.strip()
        column = start + len(piece) - len(piece.lstrip()) + 1
        span = Span(source, number, number, column, max(column, column + len(text) - 1))
        cells.append(Cell(" ".join(text.strip("*`").split()), text, span, 0, 0))
        start += len(piece) + 1
    return tuple(cells)
