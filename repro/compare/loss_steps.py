"""Which optimizer step and window a loss claim means, and what the run read there."""

from __future__ import annotations

from dataclasses import dataclass

from repro.compare.case import Case
from repro.compare.curves import Curve, curve_of
from repro.compare.prediction import Prediction
from repro.spec import Claim


@dataclass(frozen=True, slots=True)
class Reading:
    """The run's curves for a claim, and the window to read them in."""

    curves: tuple[Curve, ...]
    step: int
    window: int
    length: int
    """Steps that the shortest run took."""
    note: str
    """How the step was found when the card gives an epoch, or how the window was cut; empty otherwise."""

    @property
    def in_run(self) -> bool:
        return 1 <= self.step <= self.length

    @property
    def value(self) -> float:
        """Mean over the runs of the window as logged."""
        return sum(c.window_mean(self.step, self.window) for c in self.curves) / len(self.curves)

    @property
    def partial(self) -> bool:
        return any(c.partial_in(self.step, self.window) for c in self.curves)

    def words(self) -> str:
        """ "the mean of steps 79 to 103" or "step 103"."""
        if self.window == 1:
            return f"step {self.step}"
        return f"the mean of steps {self.step - self.window + 1} to {self.step}"


def reading_of(case: Case, claim: Claim) -> Reading | None:
    """None when the stage was not run, or the claim gives neither step nor epoch."""
    runs = case.curves(claim)
    if not runs:
        return None
    planned = case.stage_plan(claim)
    curves = tuple(curve_of(r, planned) for r in runs)
    length = min(c.length for c in curves)
    step, note = claim.step, ""
    if step is None:
        if claim.epoch is None:
            return None
        if any(r.stopped is not None and r.steps[-1].epoch <= claim.epoch + 1e-6 for r in runs):
            return None
        passed = [s.step for s in runs[0].steps if s.epoch <= claim.epoch + 1e-6]
        if not passed or claim.epoch > runs[0].steps[-1].epoch + 0.5:
            return None
        step, note = max(passed), f"epoch {claim.epoch:g} was taken as step {max(passed)}"
    window = claim.window
    if window > step > 0:
        window, note = step, f"only {step} steps precede it, so the window of {claim.window} was cut to them"
    return Reading(curves, step, max(1, window), length, note)


def measured_text(case: Case, reading: Reading | None, prediction: Prediction | None) -> str:
    """The reading as people see it, with its scale."""
    if reading is None:
        return ""
    extra = ""
    if prediction is not None and reading.window == 1:
        extra = f"; local mean {prediction.centre:.4f}"
    if len(reading.curves) > 1:
        extra += f"; mean of {len(reading.curves)} seeds"
    return f"{reading.value:.4f} ({case.scale}{extra})"


def range_words(interval: tuple[float, float]) -> str:
    """An interval as people read it."""
    return f"[{interval[0]:.4f}, {interval[1]:.4f}]"


def capital(text: str) -> str:
    """A sentence begins with a capital."""
    return text[:1].upper() + text[1:]
