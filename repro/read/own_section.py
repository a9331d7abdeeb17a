"""The Reproducibility section that an earlier audit wrote: not the author's words, so not claims of the card."""

from __future__ import annotations

import re

from repro.card import Block, Card

_BEGIN = re.compile(r"<!-- repro:begin\b[^\n]*-->\s*$")
_END = re.compile(r"<!-- repro:end\b[^\n]*-->\s*$")


def own_lines(text: str) -> frozenset[int]:
    """Numbers of the lines from a begin mark to the next end mark, both included; a mark without its other is text."""
    if "<!-- repro:begin" not in text:
        return frozenset()
    found: set[int] = set()
    begun = 0
    for number, line in enumerate(text.split("\n"), start=1):
        if _BEGIN.match(line):
            begun = number
        elif begun and _END.match(line):
            found.update(range(begun, number + 1))
            begun = 0
    return frozenset(found)


def authors_blocks(card: Card, own: frozenset[int]) -> tuple[Block, ...]:
    """The blocks that do not start inside the section."""
    return tuple(b for b in card.blocks if b.span.line not in own) if own else card.blocks


def authors_text(text: str, own: frozenset[int]) -> str:
    """The text with the section's lines left empty: all others keep their numbers."""
    if not own:
        return text
    return "\n".join("" if n in own else line for n, line in enumerate(text.split("\n"), start=1))
