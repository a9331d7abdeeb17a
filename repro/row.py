"""One card of many, or the reason why there is none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from repro.errors import CardError
from repro.files import checked_card_bytes

TEXT_COLUMNS = ("card", "text", "readme", "README", "content", "markdown", "card_text", "model_card", "modelcard")
"""Names under which public dumps keep a card's text, likeliest first."""
ID_COLUMNS = ("modelId", "model_id", "id", "repo_id", "path", "name")
"""Names under which they keep the model's name, likeliest first."""


@dataclass(frozen=True, slots=True)
class Row:
    """One card of many, or the reason why there is none."""

    number: int
    """From 0, in the order of the source."""
    id: str
    place: str
    """Where it stands: "dump.jsonl:12" (line, or row of a Parquet file, from 1), or the file's path."""
    data: bytes = b""
    error: str = ""


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns that the user named; an empty name means the first of the usual ones."""

    text: str = ""
    id: str = ""


Done = Callable[[int, int], bool]
"""Whether `count` rows from number `start` on are finished already: these are passed over unread."""


def shown(name: str) -> str:
    """A name that can be written down: a source may hold lone surrogates."""
    return name.encode("utf-8", "replace").decode("utf-8")


def checked_row(number: int, name: str, place: str, data: bytes) -> Row:
    """The row, with its reason where the bytes cannot be a card's."""
    try:
        return Row(number, name, place, checked_card_bytes(data, place))
    except CardError as error:
        return Row(number, name, place, error=error.message)


def reason(error: BaseException) -> str:
    """An error of a library in one line."""
    return (str(error).splitlines() or [type(error).__name__])[0][:300]
