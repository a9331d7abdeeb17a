"""What is asked of a run and what it tells on the way: its scale, and the progress of each of its steps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias


class Scale(StrEnum):
    PROXY = "proxy"
    """The same recipe on a small model and small data that the project makes: minutes on a laptop."""
    FULL = "full"
    """The recipe as stated, on real weights and data."""


@dataclass(frozen=True, slots=True)
class Progress:
    """One event of a long step, for whoever shows it."""

    task: str
    """"dpo", "reference log-probs", "score dpo: repro_preference", ..."""
    done: int
    total: int
    """0 when unknown."""
    seconds: float
    """Since the task began in this process."""
    loss: float | None = None
    learning_rate: float | None = None
    note: str = ""
    """Passing: what is being done just now."""
    warning: str = ""
    """To stay in sight: what went otherwise than was asked for, and what was done about it."""

    @property
    def rate(self) -> float:
        """Units a second; 0 before the first."""
        return self.done / self.seconds if self.seconds > 0 else 0.0


Observer: TypeAlias = Callable[[Progress], None]


def ignore(_: Progress) -> None:
    """An observer that shows nothing."""
