"""Words and small tables in a card's text, with the lines on which they stand."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from repro.card import Span
from repro.spec import AnyFact, Spec

LONGEST_LINE = 4000
"""Characters of a line that are searched: data in a line's tail is no prose."""


@dataclass(frozen=True, slots=True)
class Hit:
    """One match of a pattern, and its line."""

    span: Span
    match: re.Match[str]
    line: str


@dataclass(frozen=True, slots=True)
class PipeTable:
    """A Markdown table as plain cell texts; `lines[i]` is the line number of `rows[i]`."""

    header: tuple[str, ...]
    header_line: int
    rows: tuple[tuple[str, ...], ...]
    lines: tuple[int, ...]


def at(spec: Spec, line: int, end_line: int | None = None) -> Span:
    return Span(spec.source, line, end_line or line)


def front_matter_end(spec: Spec) -> int:
    """The line of the `---` that closes the front matter; 0 when there is none."""
    lines = spec.text.split("\n", 2000)
    if not lines or lines[0].rstrip() != "---":
        return 0
    return next((i for i, line in enumerate(lines[1:2000], start=2) if line.rstrip() in {"---", "..."}), 0)


def split_by_place(spec: Spec, facts: tuple[AnyFact, ...]) -> tuple[list[AnyFact], list[AnyFact]]:
    """Known facts of the front matter, and those of the body."""
    end = front_matter_end(spec)
    known = [f for f in facts if f.known and f.span is not None and f.span.source == spec.source]
    front = [f for f in known if f.span is not None and f.span.line <= end]
    return front, [f for f in known if f.span is not None and f.span.line > end]


def lines_of(spec: Spec, *, body_only: bool = False) -> Iterator[tuple[int, str]]:
    """(line number, text) of every line, or of those after the front matter."""
    end = front_matter_end(spec) if body_only else 0
    for number, line in enumerate(spec.text.split("\n"), start=1):
        if number > end:
            yield number, line[:LONGEST_LINE]


def reads_english(spec: Spec) -> bool:
    """Whether words that are looked for in English could be found: most letters are ASCII."""
    sample = spec.text[:20_000]
    letters = sum(c.isalpha() for c in sample)
    return sum(c.isalpha() and c.isascii() for c in sample) >= 0.8 * letters


def search(spec: Spec, pattern: re.Pattern[str], *, body_only: bool = False) -> list[Hit]:
    """Every line that the pattern matches, once a line."""
    hits = []
    for number, line in lines_of(spec, body_only=body_only):
        if found := pattern.search(line):
            hits.append(Hit(at(spec, number), found, line))
    return hits


def _cells(line: str) -> tuple[str, ...]:
    inner = line.strip().strip("|").replace("\\|", "¦")
    return tuple(re.sub(r"[*`_]{1,3}", "", cell).strip() for cell in inner.split("|"))


def pipe_tables(spec: Spec) -> list[PipeTable]:
    """The Markdown tables outside of code fences."""
    tables: list[PipeTable] = []
    lines = list(lines_of(spec, body_only=True))
    fenced, i = False, 0
    while i < len(lines):
        number, line = lines[i]
        if line.lstrip().startswith(("```", "~~~")):
            fenced = not fenced
        rule = lines[i + 1][1] if i + 1 < len(lines) else ""
        if fenced or "|" not in line or "-" not in rule or set(rule.strip()) - set("|-: \t"):
            i += 1
            continue
        header, rows, numbers = _cells(line), [], []
        i += 2
        while i < len(lines) and "|" in lines[i][1] and lines[i][1].strip():
            rows.append(_cells(lines[i][1]))
            numbers.append(lines[i][0])
            i += 1
        tables.append(PipeTable(header, number, tuple(rows), tuple(numbers)))
    return tables
