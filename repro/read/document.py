"""A card with what every extractor needs at hand: its lines, its names, and what a place in it is about."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache

from repro.card import Block, BlockKind, Card, Span, make_span
from repro.read.names import method_of
from repro.read.values import fold
from repro.vocabulary import Vocabulary, split_lines

REPO_ID = re.compile(r"(?<![\w./@-])[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}(?<![.-])(?![\w/])")
_HUB = re.compile(r"^https?://(?:www\.)?(?:huggingface\.co|hf\.co)/(?P<path>[^?#\s]+)", re.IGNORECASE)
_NOT_A_MODEL = frozenset(
    (
        "datasets",
        "viewer",
        "spaces",
        "docs",
        "blog",
        "papers",
        "collections",
        "models",
        "organizations",
        "tasks",
        "learn",
        "join",
    )
)
_ABOUT_TRAINING = re.compile(
    r"\b(?:train\w*|hyper-?parameters?|fine-?tun\w*|recipe|config\w*|procedure|sft|dpo|alignment|setup|optimi[sz]ation)\b",
    re.IGNORECASE,
)
_NOT_TRAINING = re.compile(
    r"\b(?:inference|usage|how to use|generation|sampling|decoding|quanti[sz]\w+|evaluat\w+|benchmarks?|results|"
    r"serving|example|limitations?|citation|acknowledg\w*)\b",
    re.IGNORECASE,
)  # fmt: skip
_ORDINALS = {
    "first": 1, "second": 2, "third": 3, "1st": 1, "2nd": 2, "3rd": 3,
    "1": 1, "2": 2, "3": 3, "4": 4,
    "一": 1, "二": 2, "三": 3, "one": 1, "two": 2, "three": 3, "i": 1, "ii": 2, "iii": 3,
}  # fmt: skip
_NUMBERED = re.compile(
    r"\b(?:(first|second|third|1st|2nd|3rd)\s+(?:training|stage|phase|round|run|fine-?tuning)"
    r"|(?:stage|phase|round)\s*#?(\d|one|two|three|i{1,3})\b)"
    r"|第\s*([一二三123])\s*(?:阶段|階段|段階|ステージ)",
    re.IGNORECASE,
)

_CARD_OF = re.compile(r"(?i)^model card(?: (?:for|of)(?: the)?|:)\s+|\s+model(?: card)?$")
_LEAD = re.compile(r"^((?=\S*\d)[A-Za-z][\w.-]{2,60})(?::\s|\s[-–—|(])")
"""A title that begins with a model's name: "Heron-7B: a model of birds"."""


WORDED = frozenset((BlockKind.HEADING, BlockKind.PARAGRAPH, BlockKind.LIST_ITEM, BlockKind.HTML, BlockKind.COMMENT))
"""The kinds of blocks whose words `Document.words` holds."""


@dataclass(frozen=True, slots=True)
class Document:
    """A card and what follows from it for all its readers."""

    card: Card
    blocks: tuple[Block, ...]
    """The card's."""
    lines: tuple[str, ...]
    title: str
    """The first heading's text, the front matter's model name, or empty."""
    names: frozenset[str]
    """Folded names by which the card may call its own model."""
    _introducers: list[Block | None] = field(default_factory=list, compare=False, repr=False)
    """What introduces each block, once somebody has asked."""
    _words: list[Vocabulary] = field(default_factory=list, compare=False, repr=False)
    roles: dict[int, str] = field(default_factory=dict, compare=False, repr=False)
    """What the card's code blocks are for, by their identity, once it was asked."""

    @property
    def words(self) -> Vocabulary:
        """The words of headings, paragraphs, list items and HTML: a pattern that they rule out is in none of these."""
        if not self._words:
            self._words.append(Vocabulary("\n".join([b.text for b in self.blocks if b.kind in WORDED])))
        return self._words[0]

    def path(self, block: Block) -> tuple[str, ...]:
        """The headings above a block without the card's title, innermost first."""
        return tuple(h for h in reversed(block.heading_path) if h != self.title)

    def stage_hint(self, index: int) -> str:
        """The stage that the place of a block names: its headings first, then the paragraph that introduces it."""
        for heading in self.path(self.blocks[index]):
            if hint := stage_in(heading):
                return hint
        return stage_in(self.introduction(index))

    def introduction(self, index: int) -> str:
        """The text of the paragraph right before a table or the list that a block is in, under the same heading."""
        before = self.introducer(index)
        return before.text if before is not None and len(before.text) < 600 else ""

    def introducer(self, index: int) -> Block | None:
        """The paragraph right before a table or the list that a block is in, under the same heading."""
        if not self._introducers:
            self._introducers.extend(_introducers(self.blocks))
        return self._introducers[index]

    def about_training(self, index: int) -> bool:
        """Whether the headings or the introduction of a block say that it is about training."""
        for heading in self.path(self.blocks[index]):
            if _is_about_training(heading):
                return True
            if _is_not_training(heading):
                return False
        return _is_about_training(self.introduction(index))

    def elsewhere(self, index: int) -> bool:
        """Whether the headings say that a block is about something other than training."""
        for heading in self.path(self.blocks[index]):
            if _is_not_training(heading):
                return not _is_about_training(heading)
            if _is_about_training(heading):
                return False
        return False

    def code_line(self, block: Block) -> int:
        """The line of a code or HTML block's first line of content."""
        if block.kind is not BlockKind.CODE:
            return block.span.line
        first = self.lines[block.span.line - 1].lstrip(" \t>-*+0123456789.)")
        return block.span.line + (1 if first.startswith(("```", "~~~")) else 0)

    def locate(self, span: Span, printed: str) -> Span:
        """The line within `span` where `printed` stands; all of `span` where it is on no single line."""
        for number in range(span.line, min(span.end_line, span.line + 400) + 1):
            column = self.lines[number - 1].find(printed) if number <= len(self.lines) else -1
            if printed and column >= 0:
                return make_span(span.source, number, number, column + 1, column + len(printed))
        return span

    def names_another(self, block: Block) -> bool:
        """Whether a list item is an entry about another model: it begins with a link to that model's repository."""
        lead = next((link for link in block.links), "")
        kind, found = hub_id(lead)
        named = f"{self.lines[block.span.line - 1]:.200}"
        return (
            kind == "model"
            and not self.is_own_name(found)
            and re.match(r"\s*(?:[-*+]|\d+[.)])\s+[*_`]*\[", named) is not None
        )

    def is_own_name(self, name: str) -> bool:
        folded = fold(name.rsplit("/", 1)[-1]).replace(" ", "")
        return bool(folded) and any(folded == own.replace(" ", "") for own in self.names)


@lru_cache(maxsize=2048)
def _is_about_training(text: str) -> bool:
    return _ABOUT_TRAINING.search(text) is not None


@lru_cache(maxsize=2048)
def _is_not_training(text: str) -> bool:
    return _NOT_TRAINING.search(text) is not None


def _introducers(blocks: tuple[Block, ...]) -> Iterator[Block | None]:
    """For each block the paragraph that leads it in: right before it, or for an entry of a list before the list."""
    lead: tuple[int, Block] | None = None
    listed = False  # whether entries of a list stand between
    for index, block in enumerate(blocks):
        is_entry = block.kind is BlockKind.LIST_ITEM
        found = None
        if lead is not None and index - lead[0] < 60 and (is_entry or not listed):
            found = lead[1] if lead[1].heading_path == block.heading_path else None
        yield found
        if block.kind is BlockKind.PARAGRAPH:
            lead, listed = (index, block), False
        elif is_entry:
            listed = True
        elif block.kind is not BlockKind.COMMENT:
            lead = None


def stage_in(text: str) -> str:
    """The stage that a heading or sentence names: a method, or "#2" for a second training."""
    return _stage_kept(text) if len(text) < 300 else _stage_in(text)


def _stage_in(text: str) -> str:
    if method := method_of(text):
        return method
    if numbered := _NUMBERED.search(text):
        return f"#{_ORDINALS.get(next(filter(None, numbered.groups())).lower(), 1)}"
    return ""


_stage_kept = lru_cache(maxsize=2048)(_stage_in)


def document(card: Card) -> Document:
    """The document of a card."""
    heading = next((b.text for b in card.blocks if b.kind is BlockKind.HEADING and b.text), "")
    bare = _CARD_OF.sub("", heading).strip("`* ")
    names = {heading, bare}
    front = card.front_matter
    if isinstance(name := front.get("model_name"), str):
        names.add(name)
    if isinstance(index := front.get("model-index"), list):
        names.update(str(e["name"]) for e in index if isinstance(e, dict) and isinstance(e.get("name"), str))
    if "@" in card.source:
        names.add(card.source.split("@", 1)[0])
    if card.name.lower() not in ("readme", "card", "model_card", "modelcard"):
        names.add(card.name)
        names.update(_repository(card))
    elif "/" in card.source.replace("\\", "/") and "@" not in card.source:
        names.add(card.source.replace("\\", "/").rsplit("/", 2)[-2])  # a repository's folder
    if lead := _LEAD.match(heading):
        names.add(lead.group(1))
    folded = {fold(n.rsplit("/", 1)[-1]) for n in names} - {""}
    return Document(card, card.blocks, split_lines(card.text), heading, frozenset(folded))


def _repository(card: Card) -> list[str]:
    """The repository that the text names and the card's file is called by: org-model.md of org/model."""
    name = card.name
    cuts = [m.start() for m in re.finditer("[-_]", name[:96])]
    return [f"{name[:cut]}/{name[cut + 1 :]}" for cut in cuts if f"{name[:cut]}/{name[cut + 1 :]}" in card.text]


@lru_cache(maxsize=1024)
def hub_id(link: str) -> tuple[str, str]:
    """What a link to the Hub points at: ("model" or "dataset", id), or two empty strings."""
    match = _HUB.match(link)
    if match is None:
        return "", ""
    parts = [part for part in match["path"].split("/") if part]
    if len(parts) >= 2 and parts[0] == "datasets" and parts[1] != "viewer":
        return "dataset", "/".join(parts[1:3]) if len(parts) >= 3 and parts[2] not in ("tree", "blob") else parts[1]
    if not parts or parts[0] in _NOT_A_MODEL:
        return "", ""
    if len(parts) == 1:
        return ("model", parts[0]) if parts[0] != "None" else ("", "")
    if len(parts) > 2 and parts[2] not in ("tree", "blob", "resolve"):
        return "", ""
    return "model", "/".join(parts[:2])
