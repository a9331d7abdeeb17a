"""Places in a card as renderings show them: a line number to link to, and the text that stands there."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from repro.card import Span
from repro.files import SCORES_FOLDER
from repro.render.safe_text import short
from repro.spec import Spec

MAX_LINES = 5000
"""Lines of a card that a report repeats; a longer one is cut, and the report says so."""
MAX_LINE = 2000
"""Characters of one line that a report repeats."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where something stands."""

    label: str
    """"line 132", "lines 132–134", or "org/name@abc:README.md:12" for a text that is not the card."""
    line: int
    """The card's line to link to; 0 when the place is not in the card or past the lines that are repeated."""
    quote: str
    """The first of the lines, shortened; empty when the text is not at hand."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the card, as the end of a report repeats it."""

    number: int
    text: str
    marked: bool
    """Whether a claim or a finding points at it."""


def place(span: Span | None, spec: Spec, lines: tuple[str, ...]) -> Place | None:
    """The place of `span` in a report on `spec`, of which `lines` are the card's."""
    if span is None:
        return None
    if span.source != spec.source or not span.line:
        return Place(str(span), 0, "")
    label = f"line {span.line}" if span.end_line <= span.line else f"lines {span.line}–{span.end_line}"
    quote = short(lines[span.line - 1][:MAX_LINE], 120) if span.line <= len(lines) else ""
    return Place(label, span.line if span.line <= min(len(lines), MAX_LINES) else 0, quote)


def uri_beside(source: str, card: str, uri: str) -> str:
    """The path, as code scanning wants it, of a text that a place names: `uri` for the card itself, beside it for a
    file of its folder, the name as it is for any other. `card` is the card's own name in places."""
    if source == card:
        return uri
    folder, slash, _ = card.replace("\\", "/").rpartition("/")
    path = source.replace("\\", "/")
    if not path.startswith(f"{folder}{slash}{SCORES_FOLDER}/"):
        return source
    above, line, _ = uri.rpartition("/")
    return f"{above}{line}{path[len(folder) + len(slash) :]}"


def card_lines(spec: Spec) -> tuple[str, ...]:
    """The card's lines; none when the spec does not carry its text."""
    return tuple(spec.text.split("\n")) if spec.text else ()


def numbered(spec: Spec, lines: tuple[str, ...], spans: Iterable[Span]) -> tuple[Line, ...]:
    """The card's lines (the first `MAX_LINES`), those marked that some span covers."""
    marked: set[int] = set()
    for span in spans:
        if span.source == spec.source and span.line:
            # A span of a whole code block or section would mark half the card: its first line stands for it.
            end = span.end_line if span.end_line - span.line < 3 else span.line
            marked.update(range(span.line, end + 1))
    shown = lines[:-1] if lines and not lines[-1] else lines
    return tuple(
        Line(number, text if len(text) <= MAX_LINE else text[:MAX_LINE] + " … (cut)", number in marked)
        for number, text in enumerate(shown[:MAX_LINES], start=1)
    )
