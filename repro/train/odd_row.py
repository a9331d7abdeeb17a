"""A row that cannot be trained on: why, and where it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeAlias

from repro.errors import RunError

Where: TypeAlias = Callable[[int], str]
"""What a row's number (from 0) is called where a reader would look for it."""


class OddRow(RunError):
    """A row of the data is not one that can be trained on."""


def numbered(number: int) -> str:
    """A row of no data set in particular."""
    return f"row {number + 1}"


@contextmanager
def named(where: Where, number: int) -> Iterator[None]:
    """Says of which row an error speaks.

    Raises:
        RunError: in place of an `OddRow`.
    """
    try:
        yield
    except OddRow as error:
        raise RunError(error.message, hint=error.hint, where=where(number)) from error


def odd(row: Mapping[str, Any], wanted: str, conversations: Sequence[str]) -> OddRow:
    """Why a row cannot be trained on: a conversation without a turn, or other columns."""
    for name in conversations:
        value = row.get(name)
        if isinstance(value, Sequence) and not len(value):
            return OddRow(f"the row's {name} is empty", hint="leave such rows out of the data set")
    return OddRow(
        f"the row has no {wanted}: its columns are {', '.join(sorted(row)) or 'none'}",
        hint="give the data set that the stage was trained on, with its columns named so",
    )
