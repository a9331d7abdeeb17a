"""A model card as it was written: its bytes, its blocks, and the line of every one of them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from repro.frozen import unguarded

Yaml: TypeAlias = "bool | int | float | str | list[Yaml] | dict[str, Yaml] | None"
"""What front matter may hold once it is read: plain data, no aliases, no tags, no dates."""


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """A place in a text: lines and columns count from 1, both ends included; column 0 is the whole line."""

    source: str
    """The file's path as the user gave it, or repo@revision:file for an artefact."""
    line: int
    end_line: int
    column: int = 0
    end_column: int = 0

    def __str__(self) -> str:
        if not self.line:
            return self.source
        end = f"-{self.end_line}" if self.end_line != self.line else ""
        return f"{self.source}:{self.line}{end}"


_Span = unguarded(Span)


def make_span(source: str, line: int, end_line: int, column: int = 0, end_column: int = 0) -> Span:
    """The same as `Span(...)`, made quickly."""
    made = _Span()
    made.source, made.line, made.end_line, made.column, made.end_column = source, line, end_line, column, end_column
    made.__class__ = Span
    return made  # type: ignore[no-any-return]


class BlockKind(StrEnum):
    FRONT_MATTER = "front_matter"
    HEADING = "heading"
    PARAGRAPH = "paragraph"
    TABLE = "table"
    CODE = "code"
    LIST_ITEM = "list_item"
    HTML = "html"
    COMMENT = "comment"


@dataclass(frozen=True, slots=True)
class Cell:
    """One table cell: its text without markup, and where its bytes lie in the card."""

    text: str
    """Plain text: emphasis, links and code marks taken off, white space folded."""
    raw: str
    """The bytes as written between the pipes, decoded and stripped."""
    span: Span
    start: int
    end: int
    """Byte offsets into `Card.data` of `raw`: `data[start:end].decode() == raw`."""
    links: tuple[str, ...] = ()
    """Targets of the links in the cell."""


_Cell = unguarded(Cell)


def make_cell(text: str, raw: str, span: Span, start: int, end: int, links: tuple[str, ...] = ()) -> Cell:
    """The same as `Cell(...)`, made quickly."""
    made = _Cell()
    made.text, made.raw, made.span, made.start, made.end, made.links = text, raw, span, start, end, links
    made.__class__ = Cell
    return made  # type: ignore[no-any-return]


@dataclass(frozen=True, slots=True)
class Table:
    """A table: one header row (possibly of empty cells) and body rows, padded to the same length."""

    header: tuple[Cell, ...]
    rows: tuple[tuple[Cell, ...], ...]


@dataclass(frozen=True, slots=True)
class Block:
    """A piece of a card that Markdown keeps together."""

    kind: BlockKind
    span: Span
    text: str
    """Plain text for headings, paragraphs and list items; the inner text, verbatim, for code and HTML."""
    heading_path: tuple[str, ...] = ()
    """The headings above it, outermost first; a heading's own text is the last of its own path."""
    level: int = 0
    """Heading level 1 to 6; nesting depth of a list item from 1."""
    language: str = ""
    """The info string's first word, for a code block."""
    table: Table | None = None
    links: tuple[str, ...] = ()


_Block = unguarded(Block)


def make_block(
    kind: BlockKind, span: Span, text: str, heading_path: tuple[str, ...] = (), level: int = 0, language: str = "",
    table: Table | None = None, links: tuple[str, ...] = (),
) -> Block:  # fmt: skip
    """The same as `Block(...)`, made quickly."""
    made = _Block()
    made.kind, made.span, made.text, made.heading_path = kind, span, text, heading_path
    made.level, made.language, made.table, made.links = level, language, table, links
    made.__class__ = Block
    return made  # type: ignore[no-any-return]


@dataclass(frozen=True, slots=True)
class Problem:
    """Something in the text that could not be read, and why: data, not an exception."""

    span: Span
    message: str


@dataclass(frozen=True, slots=True)
class Ignore:
    """A wish not to be stopped by what one check finds: it takes a reason, and reports show it."""

    check: str
    """A check's code or slug, as written."""
    reason: str
    """Empty when none was given: then nothing is ignored."""
    span: Span
    """Where it is written: in the card, or in a configuration file."""
    in_card: bool = False


@dataclass(frozen=True, slots=True)
class Card:
    """A card as written. Reading never changes it: `data` is the author's bytes."""

    source: str
    """Where it came from: a path as given, or repo@revision:README.md."""
    data: bytes
    text: str
    """`data` decoded as UTF-8 (undecodable bytes replaced, BOM dropped, newlines as LF)."""
    sha256: str
    blocks: tuple[Block, ...]
    front_matter: dict[str, Yaml]
    """Empty when there is none or it cannot be read (then `problems` says why)."""
    front_matter_span: Span | None
    front_matter_lines: dict[str, int]
    """Line of each top-level key of the front matter."""
    problems: tuple[Problem, ...] = ()

    @property
    def name(self) -> str:
        """A short name for folders and headings: the file's stem, or the repository's name."""
        tail = self.source.rsplit(":", 1)[-1] if "@" in self.source else self.source
        stem = tail.replace("\\", "/").rstrip("/").rsplit("/", 1)[-1]
        if stem.lower() in {"readme.md", "readme"}:
            stem = self.source.split("@", 1)[0].rsplit("/", 1)[-1] if "@" in self.source else stem
        return stem[:-3] if stem.lower().endswith(".md") else stem

    def blocks_of(self, kind: BlockKind) -> tuple[Block, ...]:
        return tuple(b for b in self.blocks if b.kind is kind)

    def line(self, number: int) -> str:
        """The text of one line (from 1), or an empty string past the end."""
        lines = self.text.split("\n")
        return lines[number - 1] if 0 < number <= len(lines) else ""
