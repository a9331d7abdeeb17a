"""HTML as the text that a reader of the card sees, and the headings in it."""

from __future__ import annotations

import re
from collections.abc import Iterator

_HTML_HEADING = re.compile(r"<(/?)h([1-6])(?:\s[^<>]{0,500})?>", re.IGNORECASE)
TAG = re.compile(r"<[^<>]{0,2000}>")
COMMENT = re.compile(r"<!--.*?(?:-->|\Z)", re.DOTALL)


def without_html(text: str) -> str:
    """HTML as plain text: comments and tags taken off, white space folded."""
    return " ".join(TAG.sub(" ", COMMENT.sub(" ", text)).split())


def html_headings(text: str) -> Iterator[tuple[int, str]]:
    """Level and inner text of every heading that is closed, in one pass: an opening mark waits for its closing one."""
    opened: dict[str, int] = {}
    for mark in _HTML_HEADING.finditer(text):
        closes, level = mark.groups()
        if not closes:
            opened.setdefault(level, mark.end())
        elif level in opened:
            yield int(level), text[opened[level] : mark.start()]
            opened.clear()
