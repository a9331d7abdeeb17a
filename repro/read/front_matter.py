"""Front matter as plain data: YAML 1.2 scalars, no aliases, tags or dates; what cannot be read is a problem."""

from __future__ import annotations

import re
from typing import NamedTuple

from repro.card import Problem, Span, Yaml
from repro.read.plain_entries import plain_entries
from repro.read.source_text import SourceText

MAX_DEPTH = 64
MAX_BYTES = 1 << 20
_OPEN = re.compile(r"\s*?^---[ \t]*\n", re.MULTILINE)
_CLOSE = re.compile(r"^(?:---|\.\.\.)[ \t]*$", re.MULTILINE)
_LATE = re.compile(r"^---[ \t]*\n(?:[A-Za-z_][\w-]*:[^\n]*\n)(?:[^\n]*\n){0,200}?---[ \t]*$", re.MULTILINE)
_INT = re.compile(r"[-+]?[0-9]{1,4000}$")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$")
_CONSTANTS: dict[str, Yaml] = {
    "": None, "~": None, "null": None, "Null": None, "NULL": None,
    "true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False,
    ".nan": float("nan"), ".NaN": float("nan"), ".NAN": float("nan"),
    ".inf": float("inf"), ".Inf": float("inf"), ".INF": float("inf"), "-.inf": float("-inf"), "-.Inf": float("-inf"),
}  # fmt: skip


class FrontMatter(NamedTuple):
    """What stands between the two `---` lines, and where the card's body begins."""

    values: dict[str, Yaml]
    lines: dict[str, int]
    span: Span | None
    body: int
    """Offset in `SourceText.utf8` after the closing line."""
    problems: tuple[Problem, ...] = ()


def read_front_matter(source: SourceText) -> FrontMatter:
    """The front matter of a card; empty, with problems, where it cannot be read. Never raises."""
    text = source.text
    opening = _OPEN.match(text) if text.lstrip(" \t\n")[:3] == "---" else None
    if opening is None:
        return FrontMatter({}, {}, None, 0, _late(source))
    first = text.count("\n", 0, opening.end())  # the line of the opening ---
    closing = _CLOSE.search(text, opening.end())
    if closing is None:
        # Without an end the whole card would be YAML: more likely a rule (---) than front matter.
        looks = re.match(r"[A-Za-z_][\w-]*[ \t]*:", text[opening.end() : opening.end() + 200])
        place = Span(source.source, first, first)
        problem = (Problem(place, "the front matter has no closing --- line"),) if looks else ()
        return FrontMatter({}, {}, None, 0, problem)
    inner = text[opening.end() : closing.start()]
    last = text.count("\n", 0, closing.start()) + 1
    span = Span(source.source, first, last)
    body = closing.end() if text.isascii() else len(text[: closing.end()].encode("utf-8"))
    problems: list[Problem] = []
    if first > 1:
        problems.append(Problem(Span(source.source, 1, first), "blank lines stand before the front matter"))
    if len(inner) > MAX_BYTES:
        problems.append(Problem(span, f"the front matter is larger than {MAX_BYTES // 1024} KiB and was not read"))
        return FrontMatter({}, {}, span, body, tuple(problems))
    values, lines = _load(inner, first, source.source, problems, span)
    return FrontMatter(values, lines, span, body, tuple(problems))


def _late(source: SourceText) -> tuple[Problem, ...]:
    found = _LATE.search(source.text[:20000])
    if found is None:
        return ()
    line = source.text.count("\n", 0, found.start()) + 1
    end = source.text.count("\n", 0, found.end()) + 1
    return (
        Problem(
            Span(source.source, line, end),
            "this looks like front matter, but text stands before it: the Hub reads front matter on line 1 only",
        ),
    )


def _load(
    inner: str, offset: int, name: str, problems: list[Problem], whole: Span
) -> tuple[dict[str, Yaml], dict[str, int]]:
    """The values and the line of each top-level key."""
    flat = _flat(inner, offset)
    if flat is not None:
        return flat
    from repro.read.yaml_events import Reading  # loading a parser takes longer than reading most cards

    reading = Reading(inner, offset, name, whole)
    values, lines = reading.load(problems)
    if not values and problems and problems[-1].message.startswith(NOT_YAML):
        values, lines = plain_entries(inner, offset, reading.alone, scalar)
        if values:
            broken = problems.pop()
            problems.append(Problem(broken.span, f"{broken.message}; the entries that are plain were read"))
    return values, lines


NOT_YAML = "the front matter is not YAML"


_KEY = r"[A-Za-z_][A-Za-z0-9_-]{0,99}"
_FLAT_LINE = re.compile(
    rf"(?:(?P<key>{_KEY}):|(?P<dash>[ ]{{0,8}}-)(?:[ ](?P<first>{_KEY}):)?|(?P<indent>[ ]{{2,10}})(?P<inner>{_KEY}):)"
    r"(?:[ ]+(?P<value>[A-Za-z0-9][A-Za-z0-9_./+-]*(?:[ ][A-Za-z0-9(][A-Za-z0-9_./+(),-]*)*|\[\]))?[ ]*"
)


def _flat(inner: str, offset: int) -> tuple[dict[str, Yaml], dict[str, int]] | None:
    """Front matter of plain keys, plain words, and lists of words or of plain pairs, which needs no parser.

    None for any other.
    """
    values: dict[str, Yaml] = {}
    lines: dict[str, int] = {}
    items: list[Yaml] | None = None
    pairs: dict[str, Yaml] | None = None
    key, marked, open_ = "", "", False
    for number, line in enumerate(inner.split("\n"), start=offset + 1):
        if not line:
            continue
        match = _FLAT_LINE.fullmatch(line)
        if match is None:
            return None
        word, dash, first, indent, within, text = match.groups()
        if word is not None:
            if word in values:
                return None
            key, open_, items, pairs, lines[word] = word, text is None, None, None, number
            values[word] = _flat_value(text) if text is not None else None
            continue
        if text is None or not open_:
            return None
        if dash is None:
            if pairs is None or within in pairs or len(indent) != len(marked) + 1:
                return None
            pairs[within] = _flat_value(text)
            continue
        if items is None:
            values[key], marked = (items := []), dash
        elif dash != marked:
            return None
        pairs = {first: _flat_value(text)} if first is not None else None
        items.append(pairs if pairs is not None else _flat_value(text))
    return values, lines


def _flat_value(text: str) -> Yaml:
    return [] if text == "[]" else scalar(text)


def scalar(text: str) -> Yaml:
    """A plain scalar by YAML 1.2's core schema: `no` is a string, 5e-7 a number, 012 is twelve, dates are strings."""
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if _INT.match(text):
        return int(text)
    if _FLOAT.match(text):
        return float(text)
    return text
