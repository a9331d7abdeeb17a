"""A loss curve's local mean, the scatter of its single steps, and what a window of it averages to."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from repro.plan import StagePlan
from repro.run import StageRun

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

    Vector = NDArray[numpy.float64]

BANDWIDTHS = (6, 12, 25)
"""Half-widths (steps) of the smoothing window that are tried; MEASURED: scatter about windows of 13 to 51 steps
is free of autocorrelation."""
NEIGHBOURHOOD = 50
"""Steps either way from which the scatter near a step is taken: it grows several-fold along a DPO run."""


@dataclass(frozen=True, slots=True)
class Curve:
    """One run's training losses, one an optimizer step from step 1 on, as the trainer logged them."""

    losses: tuple[float, ...]
    share: tuple[float, ...]
    """What part of the accumulation was really averaged into each figure: 1, or less where an epoch's last,
    partial window was divided by the whole accumulation (open-instruct@e6c3044:open_instruct/dpo_tune_cache.py)."""
    noise: tuple[float, ...]
    """Standard deviation of each figure in units of a whole step's."""
    seed: int = 0

    @property
    def length(self) -> int:
        return len(self.losses)

    @property
    def whole(self) -> tuple[bool, ...]:
        """Which steps averaged a whole batch."""
        return tuple(n == 1.0 for n in self.noise)

    def window_mean(self, step: int, window: int) -> float:
        """Mean of the `window` logged losses that end at `step` (steps count from 1)."""
        part = self.losses[max(0, step - window) : step]
        return math.fsum(part) / len(part)

    def partial_in(self, step: int, window: int) -> bool:
        """Whether some figure of that window was divided by more micro-batches than it had."""
        return any(s < 1.0 for s in self.share[max(0, step - window) : step])

    def first(self, steps: int) -> Curve:
        """The curve up to a step."""
        return Curve(self.losses[:steps], self.share[:steps], self.noise[:steps], self.seed)

    def undivided(self) -> Curve:
        """The same curve as a framework would log it that divides by the micro-batches there were."""
        losses = tuple(y / s for y, s in zip(self.losses, self.share))
        noise = tuple(n / s for n, s in zip(self.noise, self.share))
        return Curve(losses, tuple(1.0 for _ in losses), noise, self.seed)


def curve_of(run: StageRun, planned: StagePlan | None) -> Curve:
    """The curve of one stage's run, with the steps marked whose batch was not whole."""
    steps = sorted(run.steps, key=lambda s: s.step)
    full_rows = max((s.rows for s in steps), default=0)
    share, noise = [], []
    for step in steps:
        if not full_rows or step.rows >= full_rows or step.rows <= 0:
            share.append(1.0)
            noise.append(1.0)
            continue
        part = step.rows / full_rows
        if planned is not None and planned.semantics.partial_window_divisor == "full":
            accumulation = max(1, planned.hyperparameters.gradient_accumulation_steps)
            micro_batch = max(1, full_rows // accumulation)
            divided = min(1.0, math.ceil(step.rows / micro_batch) / accumulation)
            share.append(divided)
            noise.append(min(math.sqrt(part), 0.999999))
        else:
            share.append(1.0)
            noise.append(1.0 / math.sqrt(part))
    return Curve(tuple(s.loss for s in steps), tuple(share), tuple(noise), run.seed)


@lru_cache(maxsize=64)
def local_means(curve: Curve, half_width: int) -> Vector:
    """Leave-one-out local-linear mean at every step, shape [steps], of a whole batch's loss.

    At each step a line is fitted to the whole steps within `half_width` other than the step itself, and read off
    at the step (Fan and Gijbels 1996, chapter 2, uniform kernel). NaN where fewer than three steps are near.
    """
    import numpy as np

    losses = np.asarray(curve.losses, dtype=np.float64)
    weights = np.asarray(curve.whole, dtype=np.float64)
    centre = float(losses[weights > 0].mean()) if weights.any() else 0.0
    shifted = (losses - centre) * weights
    offsets = np.arange(-half_width, half_width + 1, dtype=np.float64)
    ones = np.ones_like(offsets)

    def around(values: Vector, kernel: Vector) -> Vector:
        whole: Vector = np.convolve(values, kernel[::-1], mode="full")
        return whole[half_width : half_width + len(values)]

    count = around(weights, ones) - weights
    first, second = around(weights, offsets), around(weights, offsets**2)
    total, tilted = around(shifted, ones) - shifted, around(shifted, offsets)
    determinant = count * second - first**2
    usable = (count >= 3) & (determinant > 1e-9)
    safe = np.where(usable, determinant, 1.0)
    fitted: Vector = np.where(usable, (second * total - first * tilted) / safe + centre, np.nan)
    return fitted


@lru_cache(maxsize=64)
def residuals(curve: Curve, half_width: int) -> Vector:
    """Each whole step's loss less its leave-one-out local mean, shape [steps]; NaN for partial steps."""
    import numpy as np

    means = local_means(curve, half_width)
    losses = np.asarray(curve.losses, dtype=np.float64)
    left: Vector = np.where(np.asarray(curve.whole), losses - means, np.nan)
    return left


def neighbourhood(length: int, step: int, window: int) -> slice:
    """Positions of the steps from which the scatter near a window ending at `step` is taken."""
    return slice(max(0, step - window - NEIGHBOURHOOD), min(length, step + NEIGHBOURHOOD))


def best_bandwidth(curves: tuple[Curve, ...], step: int, window: int) -> int:
    """The half-width of smoothing that predicts left-out steps near `step` best, over all runs."""
    import numpy as np

    near = neighbourhood(curves[0].length, step, window)
    best, best_error = BANDWIDTHS[0], math.inf
    for width in BANDWIDTHS:
        errors = [residuals(c, width)[near] for c in curves]
        joined = np.concatenate(errors)
        joined = joined[np.isfinite(joined)]
        error = float(np.sqrt(np.mean(joined**2))) if joined.size else math.inf
        if error < best_error * 0.999:
            best, best_error = width, error
    return best


@lru_cache(maxsize=64)
def standardised(curve: Curve, half_width: int) -> Vector:
    """Residuals in units of the scatter near them, shape [finite residuals]: the shape of the noise alone."""
    import numpy as np

    left = residuals(curve, half_width)
    finite = np.isfinite(left)
    squares = np.where(finite, left, 0.0) ** 2
    kernel = np.ones(2 * NEIGHBOURHOOD + 1)
    size = len(left)

    def around(values: Vector) -> Vector:
        whole: Vector = np.convolve(values, kernel, mode="full")
        return whole[NEIGHBOURHOOD : NEIGHBOURHOOD + size]

    spread = np.sqrt(around(squares) / np.maximum(around(finite.astype(np.float64)), 1.0))
    scaled: Vector = left[finite & (spread > 0)] / spread[finite & (spread > 0)]
    return scaled
