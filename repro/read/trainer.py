"""What generated cards say in their own way: TRL's method sentence, the list of framework versions."""

from __future__ import annotations

import re
from collections.abc import Iterator

from repro.card import BlockKind, Card
from repro.read.document import Document
from repro.read.names import METHOD_TITLES, methods_in
from repro.read.statement import Gathered, Statement
from repro.read.values import fold

_TRL_METHOD = re.compile(r"\bThis model was trained with ([A-Z][\w -]{1,20})(?:,|\.|$)")
_TRL_USED = re.compile(r"(?i)\btrained using (TRL)\b")
_VERSION = re.compile(r"^(?P<name>[A-Za-z][\w .-]{0,30}?)\s*:?\s+(?P<version>v?\d[\w.+-]*)$")


def is_trl(card: Card) -> bool:
    """Cards that TRL writes: "It has been trained using TRL", or the tag."""
    tags = card.front_matter.get("tags")
    tagged = isinstance(tags, list) and "trl" in tags
    if tagged:
        return True
    paragraph = BlockKind.PARAGRAPH
    for block in card.blocks:
        if block.kind is paragraph and "TRL" in block.text.upper() and _TRL_USED.search(block.text):
            return True
    return False


def is_trainer(card: Card) -> bool:
    """Cards that transformers' Trainer writes."""
    comment, paragraph = BlockKind.COMMENT, BlockKind.PARAGRAPH
    for b in card.blocks:
        if b.kind is paragraph:
            if b.text.startswith("The following hyperparameters were used during"):
                return True
        elif b.kind is comment and "generated automatically according to the information the Trainer" in b.text:
            return True
    return False


def has_tag(card: Card, *names: str) -> bool:
    tags = card.front_matter.get("tags")
    if isinstance(tags, list):
        for name in names:
            if name in tags:
                return True
    return False


def read_versions(doc: Document) -> Gathered:
    """The versions that generated cards list under "Framework versions"."""
    return Gathered(statements=tuple(_versions(doc)))


def _versions(doc: Document) -> Iterator[Statement]:
    for block in doc.blocks:
        if (
            block.kind is BlockKind.LIST_ITEM
            and block.heading_path
            and fold(block.heading_path[-1]) == "framework versions"
            and (match := _VERSION.match(block.text))
        ):
            name = fold(match["name"]).replace(" ", "_")
            place = doc.locate(block.span, match["version"])
            yield Statement(f"{name}_version", match["version"], place, match["version"], medium="list")


def read_trl(doc: Document) -> Gathered:
    """The method that TRL's card names, and TRL itself."""
    found: list[Statement] = []
    for block in doc.blocks:
        if block.kind is not BlockKind.PARAGRAPH or len(block.text) > 5000:
            continue
        if match := _TRL_METHOD.search(block.text):
            named = methods_in(match.group(1))
            if len(named) == 1:
                title = METHOD_TITLES.get(named[0], named[0].upper())
                place = doc.locate(block.span, match.group(1))
                found.append(Statement("method", match.group(1), place, title, medium="dialect"))
    return Gathered(statements=tuple(found))
