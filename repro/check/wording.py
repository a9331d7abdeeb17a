"""Words and small tables in a card's text, with the lines on which they stand."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate

from repro.card import Span, make_span
from repro.spec import AnyFact, Spec
from repro.vocabulary import split_lines, vocabulary

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
    return make_span(spec.source, line, end_line or line)


@lru_cache(maxsize=4)
def _lines(text: str) -> tuple[tuple[str, ...], int]:
    """The lines of a text, and the line of the `---` that closes its front matter."""
    lines = split_lines(text)
    # the Hub lets blank lines stand before the front matter
    first = 0
    while first < len(lines) - 1 and not lines[first].strip():
        first += 1
    if lines[first].rstrip() != "---":
        return lines, 0
    inside = enumerate(lines[first + 1 : first + 2000], start=first + 2)
    return lines, next((i for i, line in inside if line.rstrip() in {"---", "..."}), 0)


def where_named(spec: Spec, name: str, span: Span | None) -> Span | None:
    """The span, or the first line that holds the name where the span's own lines do not."""
    lines = _lines(spec.text)[0]
    if span is not None and (
        span.source != spec.source or any(name in t for t in lines[span.line - 1 : span.end_line])
    ):
        return span
    return next((at(spec, i) for i, line in enumerate(lines, start=1) if name in line), span)


def front_matter_end(spec: Spec) -> int:
    """The line of the `---` that closes the front matter; 0 when there is none."""
    return _lines(spec.text)[1]


def split_by_place(spec: Spec, facts: tuple[AnyFact, ...]) -> tuple[list[AnyFact], list[AnyFact]]:
    """Known facts of the front matter, and those of the body."""
    end = front_matter_end(spec)
    known = [f for f in facts if f.known and f.span is not None and f.span.source == spec.source]
    front = [f for f in known if f.span is not None and f.span.line <= end]
    return front, [f for f in known if f.span is not None and f.span.line > end]


def text_lines(spec: Spec) -> tuple[str, ...]:
    """All lines of the card's text: split once, whoever asks."""
    return _lines(spec.text)[0]


def lines_of(spec: Spec, *, body_only: bool = False) -> Iterator[tuple[int, str]]:
    """(line number, text) of every line, or of those after the front matter."""
    lines, end = _lines(spec.text)
    for number in range(end if body_only else 0, len(lines)):
        yield number + 1, lines[number][:LONGEST_LINE]


def reads_english(spec: Spec) -> bool:
    """Whether words that are looked for in English could be found: most letters are ASCII, and the small words of
    English are not outnumbered by those of other languages in Latin letters."""
    return _reads_english(spec.text)


@lru_cache(maxsize=4)
def _reads_english(text: str) -> bool:
    return _mostly_ascii(text[:_SAMPLE]) and _mostly_english(text)


_SAMPLE = 20_000
"""Characters by whose words a language is told."""


def _mostly_english(text: str) -> bool:
    words = vocabulary(text).words
    foreign = [word for word in _OTHERS if word in words or not word.isascii()]
    if not foreign:
        return True
    lower = text[:_SAMPLE].lower()
    others = sum([lower.count(f" {word} ") for word in foreign])
    return others < 5 or others <= sum(map(lower.count, _ENGLISH))


_ENGLISH = (" the ", " of ", " and ", " is ", " to ", " with ", " was ", " for ", " in ")
_OTHERS = (
    "de", "la", "el", "que", "les", "des", "un", "una", "con", "para", "com", "und", "der", "ist", "di", "il", "của",
    "và",
)  # fmt: skip


def _mostly_ascii(sample: str) -> bool:
    if sample.isascii():
        return True
    others = sum(map(str.isalpha, _ASCII.sub("", sample)))
    ascii_letters = len(_NO_LETTER.sub("", sample))
    return ascii_letters >= 0.8 * (ascii_letters + others)


_ASCII = re.compile(r"[\x00-\x7f]+")
_NO_LETTER = re.compile(r"[^A-Za-z]+")


def search(spec: Spec, pattern: re.Pattern[str], *, body_only: bool = False) -> list[Hit]:
    """Every line that the pattern matches, once a line."""
    return [] if vocabulary(spec.text).lacks(pattern) else _hits(spec, pattern, body_only, len(spec.text))


def first(spec: Spec, pattern: re.Pattern[str], *, body_only: bool = False) -> Hit | None:
    """The first line that the pattern matches."""
    hits = [] if vocabulary(spec.text).lacks(pattern) else _hits(spec, pattern, body_only, 1)
    return hits[0] if hits else None


def _hits(spec: Spec, pattern: re.Pattern[str], body_only: bool, most: int) -> list[Hit]:
    text = spec.text
    words = vocabulary(text)
    lines, end = _lines(text)
    begin = end if body_only else 0
    marks = words.marks(pattern)
    hits: list[Hit] = []
    for number in range(begin, len(lines)) if marks is None else _places(words.lower, marks, begin):
        line = lines[number]
        if len(line) > LONGEST_LINE:
            line = line[:LONGEST_LINE]
        if (found := pattern.search(line)) and not ("<!--" in text and _is_comment(spec, number)):
            hits.append(Hit(make_span(spec.source, number + 1, number + 1), found, line))
            if len(hits) >= most:
                break
    return hits


def _places(lower: str, marks: list[str], begin: int) -> list[int]:
    """The lines (from 0) from `begin` on that hold one of the marks."""
    starts = _starts(lower)
    if begin >= len(starts):
        return []
    found: set[int] = set()
    for mark in marks:
        place = lower.find(mark, starts[begin])
        while place >= 0:
            after = bisect_right(starts, place)
            found.add(after - 1)
            place = lower.find(mark, starts[after]) if after < len(starts) else -1
    return sorted(found)


@lru_cache(maxsize=4)
def _starts(lower: str) -> list[int]:
    """Where each line of a text begins."""
    return list(accumulate([len(line) + 1 for line in lower.split("\n")[:-1]], initial=0))


def _is_comment(spec: Spec, number: int) -> bool:
    """Whether nobody sees a line (from 0): it stands in an HTML comment, and not in a block of code that shows one."""
    if number not in _commented(spec.text):
        return False
    return not any(b.span.line <= number + 1 <= b.span.end_line for b in spec.code)


@lru_cache(maxsize=4)
def _commented(text: str) -> frozenset[int]:
    """The lines (from 0) that hold nothing but a part of a closed HTML comment."""
    lines: set[int] = set()
    place = counted = number = 0
    while (start := text.find("<!--", place)) >= 0 and (end := text.find("-->", start + 4)) >= 0:
        number += text.count("\n", counted, start)
        last = number + text.count("\n", start, end)
        counted, place = start, end + 3
        before = text[text.rfind("\n", 0, start) + 1 : start]
        stop = text.find("\n", place)
        after = text[place : stop if stop >= 0 else len(text)]
        # one line more at either end is seen when other text stands on it
        lines.update(range(number + bool(before.strip()), last + 1 - bool(after.strip())))
    return frozenset(lines)


def lines_with(spec: Spec, pattern: re.Pattern[str]) -> list[int]:
    """The lines (from 1), ascending, on which a match of the pattern in the whole text begins.

    They are all the lines that the pattern matches alone, where a match never holds the beginning of another.
    """
    starts = _starts(spec.text)
    return sorted({bisect_right(starts, match.start()) for match in pattern.finditer(spec.text)})


def matches(spec: Spec, pattern: re.Pattern[str], needed: str) -> Iterator[tuple[int, re.Match[str]]]:
    """(line number, match) of every match in the body's lines, several a line, where `needed` stands in the line."""
    end = front_matter_end(spec)
    for line, text in enumerate(text_lines(spec), start=1):
        if line > end and needed in text and len(text) < LONGEST_LINE:
            for match in pattern.finditer(text):
                yield line, match


@lru_cache(maxsize=4)
def lowered_lines(lower: str) -> list[str]:
    """The lines of a text in lower case (`Vocabulary.lower`): split once, whoever asks."""
    return lower.split("\n")


def says(spec: Spec, *words: str) -> bool:
    """Whether one of the words, written in lower case and of letters and digits alone, stands in the text."""
    return not vocabulary(spec.text).words.isdisjoint(words)


def _cells(line: str) -> tuple[str, ...]:
    inner = line.strip().strip("|").replace("\\|", "¦")
    if "*" in inner or "_" in inner or "`" in inner:
        return tuple([_MARKUP.sub("", cell).strip() for cell in inner.split("|")])
    return tuple([cell.strip() for cell in inner.split("|")])


_MARKUP = re.compile(r"[*`_]{1,3}")


def pipe_tables(spec: Spec) -> list[PipeTable]:
    """The Markdown tables outside of code fences."""
    return list(_tables(spec.text)) if "|" in spec.text else []


@lru_cache(maxsize=4)
def _tables(text: str) -> tuple[PipeTable, ...]:
    tables: list[PipeTable] = []
    every, end = _lines(text)
    lines = [line[:LONGEST_LINE] for line in every]
    fenced, i = False, end
    while i < len(lines):
        line = lines[i]
        if ("```" in line or "~~~" in line) and line.lstrip().startswith(("```", "~~~")):
            fenced = not fenced
        if fenced or "|" not in line:
            i += 1
            continue
        rule = lines[i + 1] if i + 1 < len(lines) else ""
        if "-" not in rule or rule.strip("|-: \t\r\x0b\x0c") or set(rule.strip()) - set("|-: \t"):
            i += 1
            continue
        header, number, rows, numbers = _cells(line), i + 1, [], []
        i += 2
        while i < len(lines) and "|" in lines[i] and lines[i].strip():
            rows.append(_cells(lines[i]))
            numbers.append(i + 1)
            i += 1
        tables.append(PipeTable(header, number, tuple(rows), tuple(numbers)))
    return tuple(tables)
