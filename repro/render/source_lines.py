"""A line of a card as a terminal can show it: its number in a gutter, a window around the span, the span underlined."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass

from repro.render.safe_text import is_unseen

TAB = "    "
CUT = "…"
UNSEEN = "\ufffd"
"""Stands for a character that a terminal would obey and nobody sees: one that is left out would move the underline."""
LEAST = 24
"""Cells that a line gets at the least, however narrow the terminal is."""


@dataclass(frozen=True, slots=True)
class Shown:
    """One line, cut to a width."""

    text: str
    mark_start: int
    """Cells before the underline."""
    mark_width: int
    """Cells of the underline; 0 for none."""


def cells(text: str) -> int:
    """How many columns of a terminal a text takes; a text of printable ASCII takes its length."""
    return len(text) if text.isascii() else sum(map(_cells_of, text))


def _cells_of(character: str) -> int:
    if character < "\u0300":
        return 1
    if unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def shown_line(line: str, column: int, end_column: int, width: int) -> Shown:
    """The part of `line` around columns `column` to `end_column` (from 1, both included; 0 and 0: the whole line).

    `width` are the cells at hand. Work is bounded by the width, not by the line.
    """
    width = max(width, LEAST)
    if column <= 0 or end_column < column:
        stripped = line.rstrip()
        column, end_column = len(stripped) - len(stripped.lstrip()) + 1, max(len(stripped), 1)
    start, end = min(column - 1, len(line)), min(end_column, len(line))
    first = 0
    if start > 2 * width or end > width or len(line) > width:
        first = _window_start(line, start, end, width)
    text = CUT if first else ""
    used = len(text)
    mark_start, mark_width = used, 0
    position = first
    while position < len(line):
        shown = _shown(line[position])
        size = cells(shown)
        last = position == len(line) - 1
        if used + size > width - (0 if last else 1):
            text += CUT
            if start <= position < end:
                mark_width += 1
            break
        if position < start:
            mark_start = used + size
        elif position < end:
            mark_width += size
        text += shown
        used += size
        position += 1
    return Shown(text.rstrip(), mark_start, max(mark_width, 1) if line else 0)


def _window_start(line: str, start: int, end: int, width: int) -> int:
    """Where to begin, so that the span's beginning is seen with some of the text before it."""
    room = width - 2
    span = sum(cells(_shown(c)) for c in line[start : min(end, start + room)])
    before = max(0, room - span) if span < room else 0
    tail = sum(cells(_shown(c)) for c in line[end : end + room])
    before = max(before - tail, before // 2)
    first, used = start, 0
    while first > 0:
        size = cells(_shown(line[first - 1]))
        if used + size > before:
            break
        used += size
        first -= 1
    return first


def _shown(character: str) -> str:
    if character == "\t":
        return TAB
    return UNSEEN if is_unseen(character) else character
