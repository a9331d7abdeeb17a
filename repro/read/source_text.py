"""A card's bytes as text that a parser can take, with the way back from every position to line, column and byte."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable
from itertools import accumulate
from typing import NamedTuple

from repro.card import Span, make_span
from repro.vocabulary import split_lines

BOM = b"\xef\xbb\xbf"
UTF_16 = (b"\xff\xfe", b"\xfe\xff")
_NEWLINE = re.compile(r"\r\n?")
_BAD_BYTE = re.compile("[\udc80-\udcff]")
_CHANGED = re.compile("\r\n?|[\udc80-\udcff]")


class SourceText(NamedTuple):
    """Text with LF newlines and no BOM (`text`), its UTF-8 (`utf8`), and how both lie in the original bytes."""

    source: str
    data: bytes
    text: str
    utf8: bytes
    lines: tuple[str, ...]
    line_starts: tuple[int, ...]
    """Byte offset in `utf8` at which each line starts."""
    shift_at: tuple[int, ...]
    """Offsets in `utf8` from which the next `shift_by` holds, ascending."""
    shift_by: tuple[int, ...]
    """What to add to an offset in `utf8` to get one in `data`."""

    def line_of(self, offset: int) -> int:
        """The line, from 1, that the byte of `utf8` stands on."""
        return max(1, bisect_right(self.line_starts, offset))

    recoded: bool = False
    """Whether `data` is UTF-16: then no offset in it can be told, and all are 0."""

    def data_offset(self, offset: int) -> int:
        """The offset in `data` of an offset in `utf8`."""
        if self.recoded:
            return 0
        if len(self.shift_at) == 1:
            return offset + self.shift_by[0]
        place = bisect_right(self.shift_at, offset) - 1
        return offset + (self.shift_by[place] if place >= 0 else 0)

    def column_of(self, offset: int, line: int) -> int:
        """The column, from 1, in characters."""
        return len(self.utf8[self.line_starts[line - 1] : offset].decode("utf-8", "replace")) + 1

    def span(self, start: int, end: int) -> Span:
        """Whole lines from the byte `start` to the last byte before `end` that is not white space."""
        utf8, starts = self.utf8, self.line_starts
        while end > start and utf8[end - 1] in b"\n \t":
            end -= 1
        first = bisect_right(starts, start) or 1
        if end <= start or first == len(starts) or end <= starts[first]:
            return make_span(self.source, first, first)  # one line, as most blocks are
        return make_span(self.source, first, bisect_right(starts, end - 1, first))


def decode(data: bytes, source: str) -> SourceText:
    """`data` as text: each undecodable byte becomes U+FFFD, a BOM is dropped, newlines become LF. Never raises."""
    recoded = data.startswith(UTF_16)
    if recoded:
        data = data.decode("utf-16", "replace").encode("utf-8", "replace")
    start = len(BOM) if data.startswith(BOM) else 0
    utf8 = data[start:]
    shift_at, shift_by = [0], [start]
    try:
        text = utf8.decode("utf-8")
        changed = b"\r" in utf8
    except UnicodeDecodeError:
        text = utf8.decode("utf-8", "surrogateescape")
        changed = True
    if changed:
        shift_at, shift_by = _shifts(text, start)
        text = _BAD_BYTE.sub("\ufffd", _NEWLINE.sub("\n", text))
        utf8 = text.encode("utf-8")
    lines = split_lines(text)
    pieces: Iterable[str | bytes] = lines if len(utf8) == len(text) else utf8.split(b"\n")
    starts = [0, *accumulate([len(piece) + 1 for piece in pieces])]
    starts.pop()
    return SourceText(
        source=source,
        data=data,
        text=text,
        utf8=utf8,
        lines=lines,
        line_starts=tuple(starts),
        shift_at=tuple(shift_at),
        shift_by=tuple(shift_by),
        recoded=recoded,
    )


def _shifts(decoded: str, start: int) -> tuple[list[int], list[int]]:
    """Where the normalised text gains or loses bytes: a bad byte becomes three (U+FFFD), CR LF becomes one."""
    at, by = [0], [start]
    written, done = 0, 0
    shift = start
    for match in _CHANGED.finditer(decoded):
        written += len(decoded[done : match.start()].encode("utf-8"))
        done = match.end()
        if match.group().startswith("\r"):
            written += 1
            shift += len(match.group()) - 1
        else:
            written += 3
            shift += 1 - 3
        at.append(written)
        by.append(shift)
    return at, by
