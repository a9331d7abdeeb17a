"""How far a run's curves lie from another's at the checkpoints of a card, in units of the spread between seeds."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from repro.run import Run, StageRun
from repro.sensitivity import Noise, Shift

WINDOW_SHARE = 0.08
"""Share of a stage's steps that is averaged around a checkpoint: one step's loss is mostly its batch."""


def window_of(steps: int) -> int:
    """Optimizer steps averaged around a checkpoint: an odd number."""
    return 2 * max(1, round(steps * WINDOW_SHARE / 2)) + 1


def around(stage: StageRun, step: int, window: int) -> float:
    """Mean loss of the steps within half a window of `step`; fewer at the ends.

    Near the start the window is narrowed to be symmetric: a first loss must not be averaged with those far below it.
    """
    half = min(window // 2, max(0, step - 1), max(0, len(stage.steps) - step))
    part = [s.loss for s in stage.steps[step - 1 - half : step + half]]
    return float(np.mean(part)) if part else math.nan


def spread(baseline: Run, checkpoints: Sequence[Shift], windows: Mapping[str, int]) -> float:
    """Standard deviation between the baseline's seeds at a checkpoint, pooled over checkpoints that can differ.

    A checkpoint at which every recipe has the same loss (the first of DPO) tells nothing of the noise and is left out.
    """
    variances = []
    for point in checkpoints:
        values = [around(run, point.step, windows[point.stage]) for run in baseline.curves(point.stage)]
        if len(values) > 1:
            variances.append(float(np.var(values, ddof=1)))
    varied = [v for v in variances if v > 1e-14]
    return math.sqrt(sum(varied) / len(varied)) if varied else math.nan


def shifts(baseline: Run, other: Run, checkpoints: Sequence[Shift], windows: Mapping[str, int]) -> tuple[Shift, ...]:
    """The other run's mean loss around each checkpoint, less the baseline's of the same seed."""
    found = []
    for point in checkpoints:
        window = windows[point.stage]
        before, after = baseline.curves(point.stage)[0], other.curves(point.stage)[0]
        moved = around(after, point.step, window) - around(before, point.step, window)
        found.append(Shift(point.stage, point.step, point.claimed_step, moved))
    return tuple(found)


def identical(baseline: Run, other: Run) -> bool:
    """Whether every stage went the very same way."""
    return all(
        [s.loss for s in baseline.curves(stage.name)[0].steps] == [s.loss for s in stage.steps]
        for stage in other.stages
    )


def noise_of(baseline: Run, checkpoints: Sequence[Shift], windows: Mapping[str, int]) -> Noise:
    """The spread, with what it was measured on."""
    return Noise(
        seeds=baseline.plan.seeds,
        deviation=spread(baseline, checkpoints, windows),
        window_steps=max(windows.values(), default=1),
    )
