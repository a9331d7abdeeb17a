"""Markdown to blocks, each with its lines, and every table cell with the bytes it occupies in the card."""

from __future__ import annotations

import hashlib
import re
from typing import Any

import pyromark

from repro.card import Block, BlockKind, Card, Cell, Problem, Table, make_block, make_cell, make_span
from repro.read.front_matter import read_front_matter
from repro.read.html_tables import html_tables
from repro.read.html_text import COMMENT, TAG, html_headings, without_html
from repro.read.source_text import SourceText, decode

_OPTIONS = pyromark.Options.ENABLE_TABLES | pyromark.Options.ENABLE_STRIKETHROUGH
_SPACE = b" \t\r\n"
_STARTS = frozenset(("Paragraph", "Link", "Item", "Heading", "List", "Table", "CodeBlock", "HtmlBlock"))
_ENDS = frozenset(("Paragraph", "Item", "Heading", "List"))
MAX_RESUMES = 4
MAX_ROWS = 10_000
"""A longer table is data or a log; the rows before are read."""


def read_card(data: bytes, source: str) -> Card:
    """The card's blocks and front matter. Never raises: what cannot be read is in `problems`."""
    text = decode(data, source)
    front = read_front_matter(text)
    blocks: list[Block] = []
    if front.span is not None:
        inner = "\n".join(text.lines[front.span.line : front.span.end_line - 1])
        blocks.append(make_block(BlockKind.FRONT_MATTER, front.span, inner, language="yaml"))
    walk = _Walk(text, front.body)
    blocks.extend(walk.blocks())
    return Card(
        source=source,
        data=data,
        text=text.text,
        sha256=hashlib.sha256(data).hexdigest(),
        blocks=tuple(blocks),
        front_matter=front.values,
        front_matter_span=front.span,
        front_matter_lines=front.lines,
        problems=(*_encoding(text), *front.problems, *walk.problems),
    )


def _encoding(text: SourceText) -> tuple[Problem, ...]:
    if not text.recoded:
        return ()
    return (Problem(make_span(text.source, 1, 1), "this file is UTF-16: the Hub and most programs read UTF-8 only"),)


class _Walk:
    """One pass over the parser's events. Inline text gathers in `_text`; containers push a frame that keeps it."""

    def __init__(self, source: SourceText, base: int) -> None:
        self._source = source
        self._base = base
        self._blocks: list[Block] = []
        self._headings: list[tuple[int, str]] = []
        self._path: tuple[str, ...] = ()
        self._text: list[str] = []
        self._links: list[str] = []
        self._items: list[tuple[int, int, list[str], list[str]]] = []  # block index, start, outer text, outer links
        self._lists = 0
        self._content_end = len(source.utf8.rstrip())
        self._resume: int | None = None
        self.problems: list[Problem] = []

    def blocks(self) -> list[Block]:
        """All blocks; a code fence that is never closed ends where its closing marks stand at the end of a line."""
        for _ in range(MAX_RESUMES):
            resume = self._walk()
            if resume is None:
                break
            self._base, self._items, self._lists = resume, [], 0
        return self._blocks

    def _walk(self) -> int | None:
        self._resume = None
        base = self._base
        body = self._source.utf8[base:].decode("utf-8")
        events = iter(pyromark.events_with_range(body, options=_OPTIONS, merge_text=True))
        for event, where in events:
            if event.__class__ is str:
                if event == "SoftBreak" or event == "HardBreak":
                    self._text.append(" ")
                continue
            kind, value = event.popitem()
            if kind == "Text" or kind == "Code":
                self._text.append(value)
            elif kind == "Start":
                if value.__class__ is str:
                    if value in _STARTS:
                        self._start(value, {}, where["start"] + base, where["end"] + base, events)
                    continue
                name, inside = value.popitem()
                if name == "Link":
                    self._links.append(inside["dest_url"])
                elif name in _STARTS:
                    self._start(name, inside, where["start"] + base, where["end"] + base, events)
            elif kind == "End":
                if value.__class__ is str:
                    if value in _ENDS:
                        self._end(value, value, where["start"] + base, where["end"] + base)
                    continue
                name, inside = value.popitem()
                if name in _ENDS:
                    self._end(name, inside, where["start"] + base, where["end"] + base)
            elif kind == "InlineHtml":
                self._text.append(" " if value[1:3].lower() in ("br", "p>", "/p") else "")
            elif kind in ("InlineMath", "DisplayMath"):
                self._text.append(value)
        return self._resume

    def _start(self, name: str, value: Any, start: int, end: int, events: Any) -> None:
        if name == "Paragraph":
            if not self._items:
                self._text, self._links = [], []
            elif self._text:
                self._text.append(" ")
        elif name == "Item":
            self._items.append((len(self._blocks), start, self._text, self._links))
            self._text, self._links = [], []
        elif name == "Heading":
            if not self._items:
                self._text, self._links = [], []
        elif name == "List":
            self._flush_item(end=start)
            self._lists += 1
        elif name == "Table":
            self._flush_item(end=start)
            self._table(start, end, events)
        elif name == "CodeBlock":
            self._flush_item(end=start)
            info = value["Fenced"] if isinstance(value, dict) else ""
            text = self._raw(events)
            words = info.split()
            language = words[0].strip("{}.").lower() if words else ""
            if isinstance(value, dict) and end >= self._content_end:
                text, end = self._closed(text, start, end)
            self._add(BlockKind.CODE, start, end, text, language=language)
        elif name == "HtmlBlock":
            self._html(self._raw(events), start, end)

    def _html(self, text: str, start: int, end: int) -> None:
        comment = "<!--" in text and not without_html(text) and not TAG.search(COMMENT.sub("", text))
        self._add(BlockKind.COMMENT if comment else BlockKind.HTML, start, end, text)
        if comment:
            return
        lower = text.lower()
        if "<t" in lower:
            for first, last, table in html_tables(self._source, start, end):
                self._add(BlockKind.TABLE, first, last, "", table=table)
        if "<h" in lower:
            for level, words in html_headings(COMMENT.sub("", text)[:100_000]):
                self._heading(level, without_html(words), start, end)

    def _end(self, name: str, value: Any, start: int, end: int) -> None:
        if name == "Paragraph":
            if not self._items:
                self._add(BlockKind.PARAGRAPH, start, end, self._plain(), links=tuple(self._links))
                self._text, self._links = [], []
        elif name == "Heading":
            self._heading(int(value[1:]), self._plain(), start, end)
            self._text, self._links = [], []
        elif name == "List":
            self._lists -= 1
        elif name == "Item" and self._items:
            self._flush_item(end=end)
            _, _, self._text, self._links = self._items.pop()

    def _flush_item(self, end: int) -> None:
        """Emit the text that the innermost open item has gathered so far."""
        if self._items and (plain := self._plain()):
            index, start, text, links = self._items[-1]
            self._add(BlockKind.LIST_ITEM, start, end, plain, level=max(1, self._lists), links=tuple(self._links))
            self._text, self._links = [], []
            self._items[-1] = (index, end, text, links)

    def _heading(self, level: int, text: str, start: int, end: int) -> None:
        while self._headings and self._headings[-1][0] >= level:
            self._headings.pop()
        self._headings.append((level, text))
        self._path = tuple(heading for _, heading in self._headings)
        self._add(BlockKind.HEADING, start, end, text, level=level)

    def _plain(self) -> str:
        pieces = self._text
        text = pieces[0] if len(pieces) == 1 else "".join(pieces)
        return " ".join(text.split())

    def _add(
        self, kind: BlockKind, start: int, end: int, text: str, *,
        level: int = 0, language: str = "", table: Table | None = None, links: tuple[str, ...] = (),
    ) -> None:  # fmt: skip
        span = self._source.span(start, end)
        self._blocks.append(make_block(kind, span, text, self._path, level, language, table, links))

    def _raw(self, events: Any) -> str:
        """The verbatim text up to the end of a code or HTML block."""
        pieces: list[str] = []
        for event, _ in events:
            if isinstance(event, dict):
                ((kind, value),) = event.items()
                if kind in ("Text", "Html"):
                    pieces.append(value)
                elif kind == "End":
                    break
        return "".join(pieces)

    def _closed(self, text: str, start: int, end: int) -> tuple[str, int]:
        """A code block that runs to the end of the card, cut where its fence was meant to close."""
        raw = self._source.utf8[start:end]
        last = raw.rstrip().rsplit(b"\n", 1)[-1].strip()
        meant = re.search(rb"(?<=[^\s`~])(?:```|~~~)[ \t]*\n", raw[raw.find(b"\n") + 1 :])
        if last in (b"```", b"~~~", b"````") or meant is None:
            return text, end
        place = start + raw.find(b"\n") + 1 + meant.end()
        line = self._source.line_of(place - 1)
        span = make_span(self._source.source, line, line)
        self.problems.append(Problem(span, "the code fence closes at the end of a line, which Markdown does not see"))
        self._resume = place
        inner = raw[raw.find(b"\n") + 1 :][: meant.start()]
        return inner.decode("utf-8", "replace") + "\n", place

    def _table(self, start: int, end: int, events: Any) -> None:
        rows: list[tuple[Cell, ...]] = []
        cells: list[Cell] = []
        pieces: list[str] = []
        links: list[str] = []
        row = (0, 0, 0, True)
        for event, where in events:
            if event.__class__ is str:
                pieces.append(" ")
                continue
            kind, value = event.popitem()
            if kind == "Text" or kind == "Code":
                pieces.append(value)
            elif kind == "Start":
                if value == "TableCell":
                    pieces, links = [], []
                elif value == "TableRow" or value == "TableHead":
                    cells = []
                    row = self._row(where["start"] + self._base, where["end"] + self._base)
                elif value.__class__ is dict and "Link" in value:
                    links.append(value["Link"]["dest_url"])
            elif kind == "End":
                if value == "TableCell":
                    cells.append(self._cell(where, row, pieces, links))
                elif value == "TableRow" or value == "TableHead":
                    rows.append(tuple(cells))
                    if len(rows) > MAX_ROWS:
                        self._leave_table(events, row[0])
                        break
                elif value == "Table":
                    break
            elif kind == "InlineHtml":
                pieces.append(" ")
        header = rows[0] if rows else ()
        self._add(BlockKind.TABLE, start, end, "", table=Table(header, tuple(rows[1:])))

    def _leave_table(self, events: Any, line: int) -> None:
        """Pass over the rest of a table that is too long to be one of a card's statements."""
        for event, _ in events:
            if event.__class__ is dict and event.get("End") == "Table":
                break
        place = make_span(self._source.source, line, line)
        self.problems.append(Problem(place, f"this table has more than {MAX_ROWS} rows: the rest was not read"))

    def _row(self, start: int, end: int) -> tuple[int, int, int, bool]:
        """Line, its first byte, the end of the row's content, and whether the line is ASCII."""
        utf8 = self._source.utf8
        end = start + len(utf8[start:end].rstrip(_SPACE))
        line = self._source.line_of(start)
        first = self._source.line_starts[line - 1]
        return line, first, end, utf8[first:end].isascii()

    def _cell(self, where: Any, row: tuple[int, int, int, bool], pieces: list[str], links: list[str]) -> Cell:
        line, first, row_end, ascii_row = row
        source = self._source
        # A row with fewer cells than the header is padded by the parser; its empty cells lie at the row's end.
        start, end = min(where["start"] + self._base, row_end), min(where["end"] + self._base, row_end)
        between = source.utf8[start:end]
        inner = between.lstrip(_SPACE)
        start += len(between) - len(inner)
        inner = inner.rstrip(_SPACE)
        end = start + len(inner)
        if ascii_row:
            raw = inner.decode("ascii")
            span = make_span(source.source, line, line, start - first + 1, max(start + 1, end) - first)
        else:
            raw = inner.decode("utf-8", "replace")
            column = source.column_of(start, line)
            span = make_span(source.source, line, line, column, max(column, column + len(raw) - 1))
        text = pieces[0] if len(pieces) == 1 else "".join(pieces)
        text = raw if text == raw and "  " not in text and text.isascii() and text.isprintable() else text
        if text is not raw:
            text = " ".join(text.split())
        if source.recoded or len(source.shift_at) > 1:
            return make_cell(text, raw, span, source.data_offset(start), source.data_offset(end), tuple(links))
        shift = source.shift_by[0]
        return make_cell(text, raw, span, start + shift, end + shift, tuple(links))
