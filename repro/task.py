"""What is asked of a run and what it tells on the way: its scale, its start, and the progress of each of its steps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

TRACKERS = ("tensorboard", "trackio", "wandb")
"""Where the steps of a run can be told to, beside its own files."""


SENSITIVITY_STEPS = 200
"""Most optimizer steps of a stage in a study of assumed values: a curve falls in them, and a laptop trains some forty
such runs in half an hour."""


class Scale(StrEnum):
    PROXY = "proxy"
    """The same recipe on a small model and small data that the project makes: minutes on a laptop."""
    FULL = "full"
    """The recipe as stated, on real weights and data."""


class Start(StrEnum):
    """What a stage starts from where the card describes the stage before it too."""

    REGENERATED = "regenerated"
    """What this run's own earlier stage made: the whole chain is run, and a stage's error has its parents' in it."""
    PUBLISHED = "published"
    """The model that the author published: each stage's error is its own."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What one optimizer step showed, for whoever watches; the record of a run is `run.Step`."""

    step: int
    loss: float
    learning_rate: float
    grad_norm: float
    seconds: float
    """Wall time of the step; 0 where it was read back from an earlier attempt's record."""
    input_tokens: int
    """Tokens that went through the model, padding left out."""
    reward_margin: float | None = None
    """Mean reward of the chosen over that of the rejected."""
    reward_accuracy: float | None = None


@dataclass(frozen=True, slots=True)
class Milestone:
    """A step at which the card claims a loss."""

    step: int
    printed: str
    """The claimed loss as the card prints it."""


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
    stage: str = ""
    """The stage that is being trained; empty for work that is no training."""
    readings: tuple[Reading, ...] = ()
    """Every step since the last event of this task."""
    milestones: tuple[Milestone, ...] = ()
    """What the card claims along this stage."""

    @property
    def rate(self) -> float:
        """Units a second; 0 before the first."""
        return self.done / self.seconds if self.seconds > 0 else 0.0


Observer: TypeAlias = Callable[[Progress], None]


def ignore(_: Progress) -> None:
    """An observer that shows nothing."""
