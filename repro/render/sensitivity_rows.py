"""How far each value that a card leaves open moves what it claims, in words: the author's to-do list."""

from __future__ import annotations

from dataclasses import dataclass

from repro.render.safe_text import one_line
from repro.render.words import figure, plural
from repro.sensitivity import Effect, Sensitivity

CLEAR = 3.0
"""Shifts of so many standard deviations between seeds are no noise."""


@dataclass(frozen=True, slots=True)
class SensitivityRow:
    """One hole, with the alternative that moves most."""

    hole: str
    """ "sft.learning_rate"."""
    assumed: str
    alternative: str
    noise_units: str
    """ "4.1", or empty where nothing was measured."""
    moved: str
    """ "+0.031 at step 423"."""
    why: str
    """Who would choose the alternative, or why nothing was measured."""
    clear: bool


@dataclass(frozen=True, slots=True)
class SensitivityRows:
    """A whole study."""

    advice: str
    rows: tuple[SensitivityRow, ...]
    silent: tuple[SensitivityRow, ...]
    how: str


def study_rows(found: Sensitivity | None) -> SensitivityRows | None:
    """The study in words; None where there was none."""
    if found is None:
        return None
    return SensitivityRows(advice(found), sensitivity_rows(found), unmeasured_rows(found), how(found))


def sensitivity_rows(found: Sensitivity) -> tuple[SensitivityRow, ...]:
    """The measured holes, the one that moves most first."""
    return tuple(_row(e) for e in found.ranked if e.noise_units is not None)


def unmeasured_rows(found: Sensitivity) -> tuple[SensitivityRow, ...]:
    """The holes of which the stand-in shows nothing, each with why."""
    return tuple(_row(e) for e in found.ranked if e.noise_units is None)


def advice(found: Sensitivity) -> str:
    """What to state first."""
    clear = [e for e in found.ranked if (e.noise_units or 0.0) >= CLEAR]
    if not clear:
        return "No value that the card leaves open moves the stand-in clearly further than another seed does."
    first = ", ".join(f"{one_line(e.stage)}.{e.key}" for e in clear[:5])
    more = f" and {len(clear) - 5} more" if len(clear) > 5 else ""
    return f"State first: {first}{more}. Each moves the stand-in's loss by {CLEAR:g} times the seeds' spread or more."


def how(found: Sensitivity) -> str:
    """What was done, so that a reader can argue with it."""
    steps = ", ".join(f"{one_line(name)} {count}" for name, count in found.steps)
    claimed = sorted({s.claimed_step for s in found.checkpoints if s.claimed_step is not None})
    where = (
        "the card's claimed steps " + ", ".join(f"{step:,}" for step in claimed)
        if claimed
        else "the quarters of the last stage, as the card claims no loss"
    )
    return (
        f"{plural(found.runs, 'run')} of the stand-in ({steps} steps), one value changed in each. Looked at: the mean "
        f"loss of {found.noise.window_steps} steps around {where}, in proportion. Unit: the standard deviation between "
        f"{plural(len(found.noise.seeds), 'seed')} there, {figure(found.noise.deviation)}. A stand-in ranks holes; it "
        "does not say by how much the full-scale model's losses would move."
    )


def _row(effect: Effect) -> SensitivityRow:
    largest = max(effect.shifts, key=lambda s: abs(s.moved), default=None)
    at = ""
    if largest is not None:
        claimed = f" (the card's {largest.claimed_step:,})" if largest.claimed_step not in {None, largest.step} else ""
        at = f"{largest.moved:+.3g} at {one_line(largest.stage)} step {largest.step:,}{claimed}"
    return SensitivityRow(
        hole=f"{one_line(effect.stage)}.{effect.key}",
        assumed=one_line(effect.assumed),
        alternative=one_line(effect.alternative),
        noise_units="" if effect.noise_units is None else f"{effect.noise_units:.1f}",
        moved=at,
        why=one_line(effect.why_not or effect.source),
        clear=(effect.noise_units or 0.0) >= CLEAR,
    )
