"""How far each value that a card leaves open moves what it claims: the author's to-do list, measured."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Shift:
    """How far one alternative moved the loss at one checkpoint of the stand-in."""

    stage: str
    step: int
    """Of the stand-in's (shortened) stage."""
    claimed_step: int | None
    """Of the card, where it claims a loss there."""
    moved: float
    """Mean loss around the step with the alternative, less that with the assumed value; the same seed."""


@dataclass(frozen=True, slots=True)
class Effect:
    """One assumed value replaced by one alternative."""

    stage: str
    key: str
    assumed: str
    alternative: str
    source: str
    """Who would choose it."""
    noise_units: float | None = None
    """The largest shift, in units of the spread between runs that differ in their seed alone; None if not measured."""
    shifts: tuple[Shift, ...] = ()
    why_not: str = ""
    """Why nothing was measured."""


@dataclass(frozen=True, slots=True)
class Noise:
    """The spread between the baseline's seeds."""

    seeds: tuple[int, ...]
    deviation: float
    """Standard deviation of the mean loss around a checkpoint, pooled over the checkpoints."""
    window_steps: int
    """Optimizer steps averaged around each checkpoint."""


@dataclass(frozen=True, slots=True)
class Sensitivity:
    """The holes of a plan, ranked."""

    effects: tuple[Effect, ...]
    """Largest first; those that were not measured last."""
    noise: Noise
    checkpoints: tuple[Shift, ...]
    """Where it was looked, `moved` 0."""
    steps: tuple[tuple[str, int], ...]
    """Optimizer steps of each stage of the stand-in."""
    runs: int
    seconds: float

    @property
    def ranked(self) -> tuple[Effect, ...]:
        """The strongest alternative of each hole, largest first; holes that were not measured last."""
        best: dict[tuple[str, str], Effect] = {}
        for effect in self.effects:
            kept = best.get((effect.stage, effect.key))
            if kept is None or (effect.noise_units or -1.0) > (kept.noise_units or -1.0):
                best[effect.stage, effect.key] = effect
        return tuple(sorted(best.values(), key=order_of))


def order_of(effect: Effect) -> tuple[bool, float, str, str]:
    """Sort key: measured before unmeasured, largest first, then by name."""
    return effect.noise_units is None, -(effect.noise_units or 0.0), effect.stage, effect.key
