"""The difference between two versions of a card as a unified diff, byte for byte or safe to look at."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Sequence

CONTEXT = 3
MOST = 4_000_000
"""Pairs of lines that are compared: past that the changed part is shown as one block, which is as true."""
_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\U000e0000-\U000e007f]"
)


def unified_diff(before: bytes, after: bytes, name: str) -> bytes:
    """What `patch -p0` and `git apply -p0` take; empty where nothing differs. Linear in the size of the card."""
    if before == after:
        return b""
    label = _visible(name).replace("\n", "\\n").replace("\t", "\\t").encode("utf-8", "backslashreplace")
    old, new = _lines(before), _lines(after)
    lines = [b"--- " + label + b"\n", b"+++ " + label + b"\n"]
    for group in _hunks(old, new):
        first, last = group[0], group[-1]
        span = (_range(first[1], last[2]), _range(first[3], last[4]))
        lines.append(f"@@ -{span[0]} +{span[1]} @@\n".encode())
        for tag, i1, i2, j1, j2 in group:
            if tag == "equal":
                lines += [_marked(b" ", line) for line in old[i1:i2]]
            else:
                lines += [_marked(b"-", line) for line in old[i1:i2]]
                lines += [_marked(b"+", line) for line in new[j1:j2]]
    return b"".join(lines)


def shown_diff(diff: bytes) -> str:
    """The same for a terminal: what would drive it, or reorder what is seen, is written as an escape."""
    text = diff.decode("utf-8", "replace").replace("\r\n", "\n")
    return _visible(text)


def _visible(text: str) -> str:
    return _UNSEEN.sub(lambda found: found[0].encode("unicode_escape").decode("ascii"), text)


def _lines(data: bytes) -> list[bytes]:
    # Only a line feed ends a line of a patch; bytes.splitlines knows more endings.
    lines = data.split(b"\n")
    return [line + b"\n" for line in lines[:-1]] + ([lines[-1]] if lines[-1] else [])


def _marked(mark: bytes, line: bytes) -> bytes:
    return mark + (line if line.endswith(b"\n") else line + b"\n\\ No newline at end of file\n")


def _range(start: int, end: int) -> str:
    """Lines as a hunk's head names them: from 1; of no lines, the one before."""
    count = end - start
    begin = start + 1 if count else start
    return str(begin) if count == 1 else f"{begin},{count}"


Piece = tuple[str, int, int, int, int]


def _hunks(old: Sequence[bytes], new: Sequence[bytes]) -> Iterator[list[Piece]]:
    head = 0
    while head < min(len(old), len(new)) and old[head] == new[head]:
        head += 1
    tail = 0
    while tail < min(len(old), len(new)) - head and old[len(old) - 1 - tail] == new[len(new) - 1 - tail]:
        tail += 1
    end_old, end_new = len(old) - tail, len(new) - tail
    pieces: list[Piece] = [("equal", 0, head, 0, head)] if head else []
    if (end_old - head) * (end_new - head) > MOST:
        pieces += _line_by_line(old, new, head, end_old, end_new)
    else:
        matcher = difflib.SequenceMatcher(None, old[head:end_old], new[head:end_new], autojunk=False)
        pieces += [(t, a + head, b + head, c + head, d + head) for t, a, b, c, d in matcher.get_opcodes()]
    if tail:
        pieces.append(("equal", end_old, len(old), end_new, len(new)))
    yield from _grouped(pieces)


def _line_by_line(old: Sequence[bytes], new: Sequence[bytes], head: int, end_old: int, end_new: int) -> list[Piece]:
    """Where no line was put in, each line stands against its own; else one block."""
    if end_old - head != end_new - head:
        return [("replace", head, end_old, head, end_new)]
    pieces: list[Piece] = []
    for i in range(head, end_old):
        tag = "equal" if old[i] == new[i] else "replace"
        if pieces and pieces[-1][0] == tag:
            pieces[-1] = (tag, pieces[-1][1], i + 1, pieces[-1][3], i + 1)
        else:
            pieces.append((tag, i, i + 1, i, i + 1))
    return pieces


def _grouped(pieces: Sequence[Piece]) -> Iterator[list[Piece]]:
    """Changes with the lines around them; changes that share such lines are one hunk."""
    group: list[Piece] = []
    for index, (tag, i1, i2, j1, j2) in enumerate(pieces):
        if tag != "equal":
            group.append((tag, i1, i2, j1, j2))
            continue
        if group:
            if i2 - i1 <= 2 * CONTEXT and index < len(pieces) - 1:
                group.append((tag, i1, i2, j1, j2))
                continue
            keep = min(CONTEXT, i2 - i1)
            group.append(("equal", i1, i1 + keep, j1, j1 + keep))
            yield group
            group = []
        if index < len(pieces) - 1:
            keep = min(CONTEXT, i2 - i1)
            group = [("equal", i2 - keep, i2, j2 - keep, j2)]
    if any(piece[0] != "equal" for piece in group):
        yield group
