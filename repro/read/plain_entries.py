"""Broken front matter read as a person would: the top-level entries that are plain, each by itself."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from repro.card import Yaml

MAX_ENTRIES = 300
_ENTRY = re.compile(r"(?P<key>[A-Za-z_][\w.-]{0,60}):(?P<value>\s.*)?$")
_PLAIN = re.compile(r"\s+[^\s\[\]{}&*!|>%@`\"'#,?-][^\[\]{}#\"'`]{0,300}$")
_OPENED = re.compile(r"(?::|-)\s+'|\n\s*'")
Loader = Callable[[str, int], "dict[str, Yaml] | None"]
"""An entry's text and the line before it to what it holds; None where it is not YAML or something in it is odd."""


def plain_entries(
    inner: str, offset: int, load: Loader, scalar: Callable[[str], Yaml]
) -> tuple[dict[str, Yaml], dict[str, int]]:
    """The values that can be read for certain, and the line of each key.

    An entry ends where the next key stands at the margin. One that is no YAML by itself but a single line is its text
    ("title: a: b", a tab before the words). Where a quotation mark is left open nothing below it is certain.
    """
    values: dict[str, Yaml] = {}
    lines: dict[str, int] = {}
    entries = list(_entries(inner, offset))
    if len(entries) > MAX_ENTRIES:
        return {}, {}
    for line, text in entries:
        whole = "\n".join(text)
        if whole.count('"') % 2 or (whole.count("'") % 2 and _OPENED.search(whole)):
            break
        found = load(whole, line - 1)
        match = _ENTRY.match(text[0])
        if found is None and len(text) == 1 and match is not None and _PLAIN.match(match["value"] or ""):
            found = {match["key"]: scalar(match["value"].strip())}
        if found is not None and len(found) == 1:
            for key, value in found.items():
                values.setdefault(key, value)
                lines.setdefault(key, line)
    return values, lines


def _entries(inner: str, offset: int) -> Iterator[tuple[int, list[str]]]:
    """Line and lines of every entry."""
    begun: tuple[int, list[str]] | None = None
    for number, line in enumerate(inner.split("\n"), start=offset + 1):
        if _ENTRY.match(line):
            if begun is not None:
                yield begun
            begun = (number, [line])
        elif begun is not None and line.strip():
            begun[1].append(line)
    if begun is not None:
        yield begun
