"""Making frozen values in a quarter of the time, for the few kinds that every card has by the dozen.

A frozen dataclass sets each of its fields by a call, because its own assignment refuses. A value can also be made as
an unguarded object with the same slots, have its fields assigned, and be given its class last: the same value, equal
and frozen, and whoever holds one cannot tell.
"""

from __future__ import annotations

from typing import Any


def unguarded(kind: type[Any]) -> type[Any]:
    """A class with the slots of a frozen dataclass whose fields can be assigned; set `__class__` to `kind` at the end.

    Raises:
        AttributeError: the class has no slots.
    """
    return type(kind.__name__, (), {"__slots__": kind.__slots__})
