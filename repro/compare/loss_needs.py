"""How much a loss claim's agreement would weigh, and what would let it be decided."""

from __future__ import annotations

from repro.compare.margins import Margin
from repro.compare.prediction import Prediction
from repro.comparison import Weight
from repro.spec import Claim

WINDOWS = (2, 3, 5, 8, 10, 15, 20, 25, 30, 40, 50, 75, 100, 150, 200, 300, 500, 1000)
RUNS = (3, 5, 8, 10, 15, 20)


def weigh(claim: Claim, half_width: float | None, margin: Margin) -> tuple[Weight, str]:
    """The weight of agreement: half the interval against the change that the card claims beside it.

    Up to a quarter strong, up to the whole moderate, else weak; a single step never more than moderate.
    """
    if half_width is None:
        if claim.window == 1:
            return Weight.WEAK, "it is read off a single noisy step, and was not measured at its own scale"
        return Weight.WEAK, "it was not measured at its own scale"
    if margin.change is None:
        return Weight.WEAK, "the card claims no change that the interval could be held against"
    ratio = half_width / margin.change
    weight = Weight.STRONG if ratio <= 0.25 else Weight.MODERATE if ratio <= 1 else Weight.WEAK
    why = f"half the interval is {ratio:.2g} of the change of {margin.change:.4g} that the card claims beside it"
    if claim.window == 1:
        weight = Weight.MODERATE if weight is Weight.STRONG else weight
        why += ", and the claim is read off a single step"
    return weight, why


def advice(claim: Claim, prediction: Prediction | None, margin: Margin, level: float, scale: str) -> str:
    """What would bring the interval's half-width under the margin: a window, runs, or both, with the numbers."""
    rounding = claim.number.interval.half_width if claim.number is not None else 0.0
    proxy = scale == "proxy"
    start = "a full-scale run" if proxy else ""
    if margin.value is None:
        rest = "a second checkpoint with another loss, which would set a margin"
        return "; ".join(p for p in (start, rest) if p)
    if prediction is None:
        return start or "a longer run"
    if rounding >= margin.value:
        rest = f"more printed digits: the rounding alone ({rounding:.2g}) uses up the margin of {margin.value:.4f}"
        return "; ".join(p for p in (start, rest) if p)
    found = _smallest(prediction, margin.value - rounding, level)
    now = prediction.half_width(level) + rounding
    noise = f"a single step scatters by {prediction.scatter:.3f}" + (" in this stand-in" if proxy else "")
    if found is None:
        most = max(w for w in (claim.window, *WINDOWS) if w <= max(prediction.step, claim.window))
        rest = f"checkpoints further apart: no mean over up to {most} steps and {RUNS[-1]} runs would decide ({noise})"
    else:
        window, runs, half = found
        what = []
        if window > claim.window:
            what.append(f"from the author, the mean over a stated window of {window} steps instead of {claim.window}")
        if runs > prediction.runs:
            what.append(f"{runs} runs instead of {prediction.runs}")
        if not prediction.path_measured:
            what.append("and at best: how far seeds spread is not measured by one run")
        got = f"({noise}; the half-width would fall from {now:.4f} to {half + rounding:.4f}, margin {margin.value:.4f})"
        rest = f"{'; '.join(what)} {got}" if what else ""
    return "; ".join(p for p in (start, rest) if p)


def _smallest(prediction: Prediction, limit: float, level: float) -> tuple[int, int, float] | None:
    """(window, runs, half-width): the fewest runs, then the shortest window, that come under the limit."""
    for runs in (prediction.runs, *(r for r in RUNS if r > prediction.runs)):
        for window in (prediction.window, *(w for w in WINDOWS if w > prediction.window)):
            if window > prediction.step:
                break
            half = prediction.half_width_with(window, runs, level)
            if half <= limit and (window, runs) != (prediction.window, prediction.runs):
                return window, runs, half
    return None
