"""Edits made in a card's bytes: what they name is replaced, and every other byte stays."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from repro.finding import Edit
from repro.read.source_text import SourceText, decode

Group = tuple[Edit, ...]
"""Edits that are made together or not at all."""

_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
"""What an edit may not write: a line feed is written as the card's own line ending."""


@dataclass(frozen=True, slots=True)
class Applied:
    """A card's bytes after its edits."""

    data: bytes
    refused: tuple[str, ...]
    """For each group why it was not made; empty where it was."""

    @property
    def made(self) -> int:
        return self.refused.count("")


@dataclass(frozen=True, slots=True)
class _Change:
    """Bytes `start` to `end` (exclusive) of the card, and what comes there."""

    start: int
    end: int
    new: bytes

    def overlaps(self, other: _Change) -> bool:
        # What is only put in meets another change where that has bytes on both sides of the place.
        return self.start < other.end and other.start < self.end and self != other


def apply_edits(data: bytes, groups: Sequence[Group]) -> Applied:
    """Make the edits of every group, in the order given; a group of which one edit cannot be made is refused.

    All edits are read against `data` as it is. One is refused where its `old` does not stand at its place, where it
    would change nothing, where it meets an edit that was accepted before, and where bytes are no text. The same edit
    asked for twice is made once.
    """
    text = decode(data, "")
    accepted: list[_Change] = []
    reasons: list[str] = []
    for group in groups:
        placed = [_place(text, edit) for edit in group]
        reason = next((p for p in placed if isinstance(p, str)), "" if group else "there is nothing to change")
        changes = [p for p in placed if isinstance(p, _Change)]
        if not reason and any(c.overlaps(other) for c in changes for other in (*accepted, *changes)):
            reason = "it meets another edit in the same place"
        reasons.append(reason)
        if not reason:
            accepted += [c for c in changes if c not in accepted]
    return Applied(_written(data, accepted), tuple(reasons))


def _written(data: bytes, changes: Sequence[_Change]) -> bytes:
    pieces: list[bytes] = []
    done = 0
    for change in sorted(changes, key=lambda c: (c.start, c.end)):  # stable: at one place in the order given
        pieces += [data[done : change.start], change.new]
        done = change.end
    return b"".join([*pieces, data[done:]])


def _place(text: SourceText, edit: Edit) -> _Change | str:
    if not 1 <= edit.line <= len(text.lines):
        return f"the card has no line {edit.line}"
    line = text.lines[edit.line - 1]
    if not 1 <= edit.column <= len(line) + 1 or not edit.column - 1 <= edit.end_column <= len(line):
        return f"line {edit.line} has no columns {edit.column} to {edit.end_column}"
    if line[edit.column - 1 : edit.end_column] != edit.old:
        return f"line {edit.line} does not say {edit.old!r} there"
    if edit.old == edit.new:
        return "it would change nothing"
    if "\ufffd" in edit.old or "\ufffd" in edit.new:
        return f"line {edit.line} holds bytes that are not UTF-8 text"
    if _CONTROL.search(edit.new):
        return "it would write control characters"
    start = text.line_starts[edit.line - 1] + len(line[: edit.column - 1].encode("utf-8"))
    end = start + len(edit.old.encode("utf-8"))
    new = edit.new.encode("utf-8").replace(b"\n", _ending(text, edit.line))
    return _Change(text.data_offset(start), text.data_offset(end), new)


def _ending(text: SourceText, line: int) -> bytes:
    """How that line ends, else the one before it, else a line feed."""
    for number in (line, line - 1):
        if 1 <= number < len(text.lines):
            start = text.line_starts[number - 1] + len(text.lines[number - 1].encode("utf-8"))
            there = text.data[text.data_offset(start) :][:2]
            return b"\r\n" if there == b"\r\n" else there[:1]
    return b"\n"
