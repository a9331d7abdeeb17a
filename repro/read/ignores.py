"""Comments by which a card asks that a check be ignored: `<!-- repro: ignore[R301] the reason -->`, on one line."""

from __future__ import annotations

import re

from repro.card import BlockKind, Card, Ignore, Span

MARK = "repro:"
MOST = 100
"""Comments of one card that are heard: a card has a handful."""
_COMMENT = re.compile(r"<!--[ \t]*repro:[ \t]*ignore(?![\w-])[ \t]*(?:\[([^\]<>]{0,400})\])?(.*?)(?:-->|$)")


def card_ignores(card: Card) -> tuple[Ignore, ...]:
    """What the card asks to ignore. A comment holds for the whole card, wherever it stands outside of code.

    One `Ignore` for each check named: `ignore[R301, sample-seed]` names two, `ignore` alone names none ("").
    """
    if MARK not in card.text:
        return ()
    code = _lines_of_code(card)
    found: list[Ignore] = []
    for number, line in enumerate(card.text.split("\n"), start=1):
        if MARK not in line or number in code:
            continue
        for match in _COMMENT.finditer(line):
            # An em dash or a colon before the reason is how people write it.
            reason = " ".join(match[2].strip(" \t:-–—").split())
            span = Span(card.source, number, number, match.start() + 1, match.end())
            names = [name.strip() for name in (match[1] or "").split(",") if name.strip()]
            found += [Ignore(name, reason, span, in_card=True) for name in names or [""]]
            if len(found) >= MOST:
                return tuple(found[:MOST])
    return tuple(found)


def without_wishes(text: str, ignores: tuple[Ignore, ...]) -> str:
    """The text with these comments blank, every other character in its place: a reason's words are no words of the
    card ("the seed is lost" states no seed)."""
    if not ignores:
        return text
    lines = text.split("\n")
    for span in {wish.span for wish in ignores}:
        line = lines[span.line - 1]
        blank = " " * (span.end_column - span.column + 1)
        lines[span.line - 1] = line[: span.column - 1] + blank + line[span.end_column :]
    return "\n".join(lines)


def _lines_of_code(card: Card) -> frozenset[int]:
    return frozenset(
        number
        for block in card.blocks
        if block.kind in (BlockKind.CODE, BlockKind.FRONT_MATTER)
        for number in range(block.span.line, block.span.end_line + 1)
    )
