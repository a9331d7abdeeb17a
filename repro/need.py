"""What it takes to decide a claim: nothing, a look-up, some steps of a stage, the whole of it, or what no run gives."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class By(StrEnum):
    """What decides a claim, cheapest first."""

    NOTHING = "nothing more"
    """Arithmetic, an invariant or an artefact has decided it: it costs nothing."""
    LOOK_UP = "a look-up"
    """An artefact may say so, and none was looked at."""
    STEPS = "some steps"
    """A prefix of a stage: up to the claimed step and the steps after it that the comparison reads."""
    STAGE = "the whole stage"
    SCORES = "the stage and its scores"
    NO_RUN = "no run"
    """No run of this version decides it, or none could."""
    OPEN = "left open"
    """The card claims nothing."""


RUNS = frozenset({By.STEPS, By.STAGE, By.SCORES})
"""What only training decides."""


@dataclass(frozen=True, slots=True)
class Need:
    """One claim and what decides it."""

    claim: str
    """The claim's id."""
    by: By
    why: str
    """What has decided it, what a run of it may say, or why no run does; a sentence."""
    stage: str = ""
    """The stage to train, for RUNS."""
    step: int | None = None
    """The claimed optimizer step, for STEPS."""
    last_step: int | None = None
    """The last step that the comparison reads, for STEPS: training beyond it cannot change the verdict."""
