"""The entries of a YAML file as a card shows it, each with its path and line; nothing of YAML that needs resolving."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

MAX_LINES = 1500
_ENTRY = re.compile(
    r"^(?P<indent> *)(?P<dashes>(?:- +)*)(?P<key>[A-Za-z_][\w.\- ]{0,60}?)\s*:(?:\s+(?P<value>\S.*?))?\s*$"
)
_COMMENT = re.compile(r"(?:^|\s)#.*$")
_ITEM = re.compile(r"^(?P<indent> *)- +(?P<value>\S.*)$")


class Entry(NamedTuple):
    """One scalar: `path` holds its keys from the outside in, without the places in lists."""

    path: tuple[str, ...]
    value: str
    """As written, without quotes and comments; empty for a key that holds others or nothing."""
    line: int
    """Counted from 0 at the text's first line."""


def entries(text: str) -> Iterator[Entry]:
    """The entries in the order of the text; lines of no plain form are passed over."""
    stack: list[tuple[int, str]] = []
    for number, raw in enumerate(text.split("\n")[:MAX_LINES]):
        line = raw[:1000].replace("\t", "    ")
        line = (_COMMENT.sub("", line) if "#" in line else line).rstrip()
        if not line.strip():
            continue
        if match := _ENTRY.match(line):
            indent = len(match["indent"]) + len(match["dashes"])
        elif match := _ITEM.match(line):
            indent = len(match["indent"]) + 1
        else:
            continue
        while stack and stack[-1][0] >= indent:
            stack.pop()
        path = tuple(key for _, key in stack)
        if "key" in match.groupdict():
            value = plain(match["value"] or "")
            yield Entry((*path, match["key"]), value, number)
            stack.append((indent, match["key"]))
        else:
            yield Entry((*path, "-"), plain(match["value"]), number)


def plain(value: str) -> str:
    """A scalar without the quotes around it; empty where YAML says null."""
    bare = value.strip()
    if len(bare) > 1 and bare[0] == bare[-1] and bare[0] in "\"'":
        bare = bare[1:-1]
    return "" if bare in ("null", "~", "|", ">", "|-", ">-", "Null", "NULL") else bare
