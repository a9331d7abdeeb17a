"""The prediction interval of one more reading of a loss curve, under the reading's own window."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from repro.compare.curves import (
    BANDWIDTHS,
    NEIGHBOURHOOD,
    Curve,
    best_bandwidth,
    local_means,
    neighbourhood,
    residuals,
    standardised,
)
from repro.compare.stats import conformal_quantile, conformal_tail, satterthwaite, t_quantile, t_tail

if TYPE_CHECKING:
    from repro.compare.curves import Vector

SHORT = 10
"""Windows of fewer steps are read against the smoothed curve and the measured shape of the noise; longer ones
against the runs' own window means, whose noise is close to normal."""
FEWEST_RESIDUALS = 12
"""With fewer single steps the scatter is not known well enough to say anything."""
NEIGHBOURS = 2
"""Windows either way of the claim's from which the spread between seeds is pooled."""


@dataclass(frozen=True, slots=True)
class Prediction:
    """What one more run of the recipe would read at a step, and how well that is known."""

    step: int
    window: int
    runs: int
    reading: float
    """The window's mean as logged, averaged over the runs."""
    centre: float
    """The expected reading: the local mean (short windows) or the mean over the runs."""
    scatter: float
    """Standard deviation of a single whole step about the local mean, near the step."""
    path: float
    """Standard deviation between whole curves beyond batch noise: measured from the runs, or for one run one
    `scatter` as a bound."""
    path_measured: bool
    noise_variance: float
    """Of one reading under the window, about its expectation, our own averaging's error included."""
    error: float
    """Standard error of the prediction."""
    degrees: float
    shape: tuple[float, ...]
    """Sorted absolute standardised noise of windows this long, empty for long windows."""
    shape_count: float
    per_seed: tuple[float, ...]

    def half_width(self, level: float) -> float:
        """Half of the interval that one more reading leaves with probability `level`, rounding apart."""
        factor = t_quantile(level, self.degrees)
        if self.shape:
            factor = max(factor, conformal_quantile(self.shape, self.shape_count, level, self._tail))
        return factor * self.error

    def p_value(self, distance: float) -> float:
        """Probability of a reading at least so far from the centre, under the recipe."""
        if self.error <= 0:
            return 1.0 if distance <= 0 else 0.0
        p_value = t_tail(distance / self.error, self.degrees)
        if self.shape:
            p_value = max(p_value, conformal_tail(self.shape, self.shape_count, distance / self.error, self._tail))
        return p_value

    @property
    def _tail(self) -> float:
        # t with 4 degrees is heavier than any step noise measured (excess kurtosis 4); averaging lightens it.
        return 3.0 + self.window

    def half_width_with(self, window: int, runs: int, level: float) -> float:
        """What the half-width would be with another window and number of runs, the noise staying as it is."""
        if runs <= 1:
            return t_quantile(level, math.inf) * math.hypot(self.path, self.scatter * math.sqrt(2 / window))
        spread = self.path if self.path_measured else 0.0
        parts = (
            (spread**2 * (1 + 1 / runs), runs - 1.0),
            (self.scatter**2 / window * (1 + 1 / runs), 100.0),
        )
        return t_quantile(level, satterthwaite(parts)) * math.sqrt(sum(v for v, _ in parts))


def horizon(step: int, window: int) -> int:
    """The last step that a prediction at `step` reads: the scatter near it, smoothed, and windows beside a long one.

    What is trained beyond it cannot change what is said of the claim.
    """
    near = NEIGHBOURHOOD + max(BANDWIDTHS)
    return step + (max(near, NEIGHBOURS * window) if window >= SHORT else near)


def predict(curves: tuple[Curve, ...], step: int, window: int) -> Prediction | None:
    """The prediction of one more reading of the mean of `window` losses ending at `step`; None when the curves
    are too short to know their own noise.

    Single steps and short windows: centre = leave-one-out local mean averaged over runs; the quantiles are the
    larger of t's and the split-conformal ones of locally standardised residuals (Lei et al. 2018, section 5.2),
    because DPO's noise is skewed and grows. Long windows: centre = mean over the runs' own window means. Spread
    between seeds: variance over runs of their mean over the claim's window and its neighbours, on runs - 1
    degrees of freedom, beside the scatter within runs; combined by Satterthwaite, which needs no subtraction. One
    run shows no spread between seeds: one single-step scatter stands in as a bound, about five times what three
    seeds of small models showed. Nothing beyond `horizon(step, window)` is read, so that a run which was stopped there
    says what the whole run would have said.
    """
    import numpy as np

    length = min(c.length for c in curves)
    if not 1 <= step <= length:
        return None
    window = min(window, step)
    length = min(length, horizon(step, window))
    curves = tuple(c if c.length == length else c.first(length) for c in curves)
    runs = len(curves)
    half = best_bandwidth(curves, step, window)
    means = [local_means(c, half) for c in curves]
    left = [residuals(c, half) for c in curves]
    near = neighbourhood(length, step, window)
    local = np.concatenate([r[near] for r in left])
    local = local[np.isfinite(local)]
    if local.size < FEWEST_RESIDUALS:
        return None
    scatter = float(np.sqrt(np.mean(local**2)))
    inside = slice(step - window, step)
    readings = [c.window_mean(step, window) for c in curves]
    sizes = np.asarray(curves[0].noise[inside])
    own_noise = scatter**2 * float(np.sum(sizes**2)) / window**2
    shape: tuple[float, ...] = ()
    shape_count = 0.0
    if window < SHORT:
        centres = [float(np.mean(m[inside] * np.asarray(c.share[inside]))) for c, m in zip(curves, means)]
        if not all(math.isfinite(c) for c in centres):
            return None
        between = _variance(centres)
        within, within_degrees = own_noise, float(local.size)
        of_centre = own_noise * min(1.0, 4.0 * window / (2 * half))
        of_mean = scatter**2 / (2 * half)
        shape, shape_count = _shape([standardised(c, half) for c in curves], window)
    else:
        centres = readings
        between, within, within_degrees = _between(curves, step, window, own_noise, float(local.size))
        of_centre = own_noise
        of_mean = own_noise / (2 * NEIGHBOURS + 1)
    if runs == 1:
        path, noise = scatter, own_noise + of_centre
        error = math.sqrt(path**2 + noise)
        degrees = satterthwaite(((error**2, float(local.size)),))
    else:
        seeds, noise = between * (1 + 1 / runs), within * (1 + (1 / runs if window >= SHORT else 0.0))
        path = math.sqrt(max(0.0, between - of_mean))
        error = math.sqrt(seeds + noise)
        degrees = satterthwaite(((seeds, runs - 1.0), (noise, within_degrees)))
        if window > 1:
            # Few seeds that agree by luck must not pass for knowledge of their spread (simulated: two runs whose
            # means agreed called one honest card in ten false): in the degrees it counts for no less than the noise.
            doubted = satterthwaite(((max(seeds, noise), runs - 1.0), (noise, within_degrees)))
            degrees = min(degrees, doubted)
    return Prediction(
        step=step,
        window=window,
        runs=runs,
        reading=math.fsum(readings) / runs,
        centre=math.fsum(centres) / runs,
        scatter=scatter,
        path=path,
        path_measured=runs > 1,
        noise_variance=noise,
        error=error,
        degrees=degrees,
        shape=shape,
        shape_count=shape_count,
        per_seed=tuple(readings),
    )


def _variance(values: list[float]) -> float:
    if len(values) < 2:
        return 0.0
    mean = math.fsum(values) / len(values)
    return math.fsum((v - mean) ** 2 for v in values) / (len(values) - 1)


def _between(
    curves: tuple[Curve, ...], step: int, window: int, own_noise: float, residual_degrees: float
) -> tuple[float, float, float]:
    """(variance of the runs' means over neighbouring windows, remaining variance of one window, its degrees)."""
    import numpy as np

    length, runs = curves[0].length, len(curves)
    ends = [step + j * window for j in range(-NEIGHBOURS, NEIGHBOURS + 1)]
    ends = [e for e in ends if e - window >= 0 and e <= length]
    table = np.array([[c.window_mean(e, window) for e in ends] for c in curves])
    between = _variance([float(v) for v in table.mean(axis=1)])
    windows = len(ends)
    if runs < 2 or windows < 2:
        return between, 0.0, math.inf
    apart = table - table.mean(axis=1, keepdims=True) - table.mean(axis=0, keepdims=True) + table.mean()
    degrees = float((runs - 1) * (windows - 1))
    interaction = float((apart**2).sum()) / degrees
    share = 1 - 1 / windows
    if interaction >= own_noise:
        return between, interaction * share, degrees
    return between, own_noise * share, residual_degrees


def _shape(scaled: list[Vector], window: int) -> tuple[tuple[float, ...], float]:
    """Sorted absolute noise of `window`-step means in units of its own standard deviation, and how many count."""
    import numpy as np

    kernel = np.ones(window) / window
    parts = [np.convolve(s, kernel, mode="valid") for s in scaled if len(s) >= window]
    if not parts:
        return (), 0.0
    joined = np.concatenate(parts)
    size = float(np.sqrt(np.mean(joined**2)))
    if size <= 0:
        return (), 0.0
    ordered = np.sort(np.abs(joined) / size)
    return tuple(float(v) for v in ordered), max(1.0, len(ordered) / window)
