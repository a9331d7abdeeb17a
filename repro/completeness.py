"""How much of a model's making its card tells: which facts are missing, in the order in which they matter."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from repro.card import Span


class Making(StrEnum):
    """How a model came to be, as far as its card tells: it decides which facts would regenerate it."""

    TUNING = "training"
    """From another model's weights, as far as the card tells."""
    SCRATCH = "training from scratch"
    AGENT = "reinforcement learning"
    """An agent that was trained in an environment."""
    MERGE = "merge"
    QUANTISATION = "quantisation"
    NONE = "nothing"
    """The card tells of no making of its own: a copy, a conversion, or a stub."""


@dataclass(frozen=True, slots=True)
class Gap:
    """One fact that the card does not tell and that a regeneration needs."""

    key: str
    """The fact's standard term where it has one ("learning_rate"), else a short word ("peft_config")."""
    label: str
    """In words: "peak learning rate"."""
    stage: str
    """The training stage that lacks it; empty for the model as a whole."""
    points: float
    """What stating it would add to the score, one decimal."""
    span: Span
    """The line after which it belongs; a front matter's closing line: before it."""
    where: str
    """The same in words: "in the front matter", "after the last hyperparameter"."""
    why: str
    """Why it matters, one sentence."""
    assumed: str
    """What stands in for it in a regeneration without it."""


@dataclass(frozen=True, slots=True)
class Completeness:
    """What a card tells of how its model was made.

    The score is 100 times the weight of the facts that are told over the weight of those that the making needs, the
    mean over the stages that the card names, rounded down. Which facts are needed depends on the making and the
    stages alone, so that stating a missing fact never lowers it.
    """

    making: Making
    score: int | None
    """0 to 100; None where there is nothing to regenerate."""
    told: int
    """How many of the needed facts are told."""
    asked: int
    gaps: tuple[Gap, ...]
    """Weightiest first."""

    @property
    def summary(self) -> str:
        """One sentence: "Told 7 of 12 facts of the fine-tuning (score 61): what matters most is the data set"."""
        if self.score is None:
            return "Nothing to regenerate: the card tells of no training, merge or quantisation of its own."
        words = f"{self.told} of {self.asked} facts that would regenerate the {self.making.value} are told"
        first = ", ".join(dict.fromkeys(g.label for g in self.gaps[:4]))
        return f"{words} (score {self.score} of 100){f'; what matters most: {first}' if first else ''}."
