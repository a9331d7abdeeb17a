"""Printed figures in a card's lines and tables: their digits, their labels, and the edit that would mend one."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from repro.card import Span
from repro.check.wording import LONGEST_LINE, PipeTable, front_matter_end, lines_with, pipe_tables, text_lines
from repro.finding import Edit
from repro.number import Interval, Number
from repro.spec import Spec

NUMBER = r"[-+−]?(?:\d{1,3}(?:,\d{3}){1,4}|\d{1,15})(?:\.\d{1,18})?"
"""A number as English prints it; thousands grouped by commas only."""
_FIGURE = re.compile(
    rf"(?P<about>~|≈|about |approx\.? |around |roughly |over |more than |>|<)?\s?(?P<digits>{NUMBER})"
    r"(?:e(?P<power>[-+]?\d{1,3}))?"
    r"(?:\s?(?P<suffix>k|K|M|B|T|thousand|million|billion|trillion)(?![A-Za-z]))?"
    r"\s{0,2}(?P<unit>%|[A-Za-z][A-Za-z /-]{0,24})?(?:\s?(?:±|\+/-)\s?\d[\d.]{0,12}%?|\s?\(.{0,80}\))?",
)
_POWERS = {"k": 3, "K": 3, "thousand": 3, "M": 6, "million": 6, "B": 9, "billion": 9, "T": 12, "trillion": 12}
_ITEM = re.compile(
    r"\s{0,8}(?:[-*+•]\s+)?[*_`\"']{0,3}(?P<label>[A-Za-z#][^|:=`\"]{0,60}?)[*_`\"']{0,3}\s*[:=]\s*[*_`\"]{0,3}\s*"
    r"(?P<value>[-+~≈<>\d][^|]{0,80}?)[*_`\",]{0,4}\s*$"
)
_FIGURE_AFTER = re.compile(r"[:=]\s*+[*_`\"]{0,3}+\s*+[-+~≈<>\d]")
"""What every line that `_ITEM` matches has in it: most lines with a colon do not."""
_WORDS = re.compile(r"[^\W_]+")


@dataclass(frozen=True, slots=True)
class Entry:
    """A labelled figure: a bullet "name: value", or a row of a table with two columns."""

    label: str
    """Lower case words with single spaces."""
    number: Number
    line: int
    column: int
    """Of the value's first character, from 1; 0 where it is not known."""
    raw: str = ""
    """The label as printed."""


def figure(text: str) -> Number | None:
    """The number that all of a short text is ("4.37 GB", "1.2M", "~93%", "27,140 rows"), or None."""
    text = text.strip().strip("*_` ")
    if not text or len(text) > 120 or not (text[0].isdigit() or text[0] in "~≈-+−<>aro"):
        return None
    match = _FIGURE.fullmatch(text)
    if match is None:
        return None
    plain = match["digits"].replace(",", "").replace("−", "-")
    power = int(match["power"] or 0) + _POWERS.get(match["suffix"] or "", 0)
    value, last = float(f"{plain}e{power}"), float(f"1e{power - len(plain.partition('.')[2])}")
    unit = (match["unit"] or "").strip()
    return Number(match["digits"], value, last, unit, bool(match["about"])) if last else None


def label_of(text: str) -> str:
    """Lower case words with single spaces, for comparing labels."""
    return " ".join(_WORDS.findall(text.lower()))


_last: tuple[Spec | None, tuple[Entry, ...]] = (None, ())


def entries(spec: Spec) -> tuple[Entry, ...]:
    """The labelled figures of a card's body, in order; kept for the card that was looked at last."""
    global _last
    last = _last
    if last[0] is not spec:
        last = _last = (spec, tuple(_entries(spec)))
    return last[1]


def _entries(spec: Spec) -> Iterator[Entry]:
    lines, end = text_lines(spec), front_matter_end(spec)
    for line in lines_with(spec, _FIGURE_AFTER):
        text = lines[line - 1]
        match = _ITEM.match(text) if line > end and len(text) <= 200 and "|" not in text else None
        if match and (number := figure(match["value"])):
            yield Entry(label_of(match["label"]), number, line, match.start("value") + 1, match["label"])
    for table in pipe_tables(spec):
        if len(table.header) == 2:
            rows = zip((table.header, *table.rows), (table.header_line, *table.lines), strict=True)
            for row, line in rows:
                if len(row) == 2 and (number := figure(row[1])):
                    yield Entry(label_of(row[0]), number, line, 0, row[0])


def line_of(spec: Spec, line: int) -> str:
    """The text of one line, from 1."""
    lines = text_lines(spec)
    return lines[line - 1][:LONGEST_LINE] if 0 < line <= len(lines) else ""


def cell_span(spec: Spec, line: int, index: int) -> Span:
    """Where the `index`th cell of a table's row stands, from 0."""
    text = line_of(spec, line)
    start = len(text) - len(text.lstrip())
    if text[start : start + 1] == "|":
        start += 1
    for _ in range(index):
        start = _bar(text, start) + 1
    cell = text[start : _bar(text, start)]
    left = start + len(cell) - len(cell.lstrip())
    return Span(spec.source, line, line, left + 1, max(left + len(cell.strip()), left + 1))


def _bar(text: str, start: int) -> int:
    """The place of the next cell's border that is not escaped; the end where there is none."""
    place = text.find("|", start)
    while place > 0 and text[place - 1] == "\\":
        place = text.find("|", place + 1)
    return place if place >= 0 else len(text)


def cell_edit(spec: Spec, line: int, index: int, old: str, new: str) -> tuple[Edit, ...]:
    """Write `new` where `old` stands within a table's cell; empty where it stands there not once."""
    span = cell_span(spec, line, index)
    text = line_of(spec, line)[span.column - 1 : span.end_column]
    if text.count(old) != 1:
        return ()
    column = span.column + text.index(old)
    return (Edit(line, column, column + len(old) - 1, old, new),)


def rounded(value: float, like: Number) -> str:
    """A value with as many decimals as a printed number has."""
    text = f"{value:,.{like.decimals}f}" if "," in like.printed else f"{value:.{like.decimals}f}"
    return f"+{text}" if like.printed.startswith("+") and value >= 0 else text


def loose(number: Number) -> Interval:
    """A figure with a whole last digit either way: cut off is as usual as rounded."""
    interval = number.interval
    return interval if number.approximate else interval.widened(number.last_digit / 2)


def columns(table: PipeTable, pattern: re.Pattern[str]) -> list[int]:
    """The columns whose header a pattern matches from its first character."""
    return [i for i, name in enumerate(table.header) if pattern.match(name)]
