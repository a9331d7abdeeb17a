"""Values that a card gives for several sizes of a model, "5E-6 (8B), 2E-6 (70B)": which of them is this model's."""

from __future__ import annotations

import re
from collections.abc import Iterable

_OF_SIZES = re.compile(r"\s*(?:,|;|/|and)?\s*(?P<value>[^(),;]{1,40}?)\s*\((?P<sizes>\d[^()]{0,60})\)\s*")
_SIZE = re.compile(r"(?<![\w.])(\d{1,4}(?:\.\d{1,2})?)\s?([bm])(?![a-z0-9])")


def of_own_size(text: str, names: Iterable[str]) -> str:
    """The value beside the size that the model's own names bear; empty where the text is of another kind."""
    if "(" not in text or text.count("(") < 2:
        return ""
    own = {size for name in names for size in sizes_in(name)}
    if len(own) != 1:
        return ""
    place = 0
    found: list[str] = []
    while place < len(text):
        match = _OF_SIZES.match(text, place)
        if match is None or not sizes_in(match["sizes"]):
            return ""
        if own <= sizes_in(match["sizes"]):
            found.append(match["value"].strip())
        place = match.end()
    return found[0] if len(found) == 1 else ""


def sizes_in(text: str) -> set[str]:
    """The sizes that a text names, "8b" and the like."""
    return {f"{float(number):g}{unit}" for number, unit in _SIZE.findall(text.lower())}
