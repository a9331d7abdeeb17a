"""A claimed loss beside the log that the published repository carries."""

from __future__ import annotations

import math
from dataclasses import dataclass

from repro.compare.case import Case
from repro.evidence import LoggedLoss
from repro.spec import Claim

LOG_ROUNDING = 5e-5
"""transformers' Trainer rounds logged losses to four decimals before it writes trainer_state.json."""


@dataclass(frozen=True, slots=True)
class Logged:
    """What a published log says under a claim's own window."""

    source: str
    value: float
    entries: int
    rounding: float = LOG_ROUNDING
    """Half of the last digit that the log prints: a console log's 0.63 may be anything from 0.625 to 0.635."""


def logged_loss(case: Case, claim: Claim, step: int | None) -> Logged | None:
    """The published log's figure for the claim's step and window; None where the log has none of that window."""
    found = case.log(claim)
    if found is None or step is None:
        return None
    repo, log = found
    value = window_of_log(log, step, claim.window)
    if value is None:
        return None
    where = f"the log in {repo.repo_id}" + (f"@{repo.revision[:8]}" if repo.revision else "")
    return Logged(where, *value)


def window_of_log(log: tuple[LoggedLoss, ...], step: int, window: int) -> tuple[float, int, float] | None:
    """(mean, entries, rounding) of the logged losses that cover exactly the `window` steps ending at `step`."""
    by_step = {entry.step: entry for entry in log}
    total, entries, at, rounding = 0.0, 0, step, LOG_ROUNDING
    while at > step - window:
        entry = by_step.get(at)
        if entry is None or entry.window < 1 or at - entry.window < step - window:
            return None
        if not math.isfinite(entry.loss):
            return None
        total += entry.loss * entry.window
        entries += 1
        rounding = max(rounding, entry.last_digit / 2)
        at -= entry.window
    return total / window, entries, rounding


def agrees(claim: Claim, logged: Logged) -> bool:
    """Whether the claim's printed digits and the logged figure can be the same number."""
    return claim.number is not None and claim.number.interval.widened(logged.rounding).contains(logged.value)
