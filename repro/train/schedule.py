"""The learning rate of every step, as a function of the step alone: nothing to save, nothing to lose on resume."""

from __future__ import annotations

import math

from repro.errors import RunError
from repro.plan import Hyperparameters, StagePlan

SCHEDULES = ("linear", "cosine", "constant", "constant_with_warmup")


def warmup_steps(stage: StagePlan, steps: int) -> int:
    """Warm-up steps of a stage of `steps` optimizer steps.

    A ratio is rounded as `Semantics.warmup_rounding` says: `int(steps * ratio)` or `ceil(steps * ratio)`.
    """
    hyperparameters = stage.hyperparameters
    if hyperparameters.warmup_steps is not None:
        return hyperparameters.warmup_steps
    exact = steps * hyperparameters.warmup_ratio
    return math.ceil(exact) if stage.semantics.warmup_rounding == "up" else int(exact)


def learning_rate(hyperparameters: Hyperparameters, step: int, *, steps: int, warmup: int) -> float:
    """The rate of update number `step` (from 1) of `steps`.

    The same numbers as transformers.get_scheduler (optimization.py, 5.23), whose first update under a warm-up has
    rate 0.

    Raises:
        RunError: the schedule is not one of `SCHEDULES`.
    """
    peak = hyperparameters.learning_rate
    done = step - 1
    kind = hyperparameters.lr_scheduler_type
    if kind not in SCHEDULES:
        raise RunError(
            f"the learning rate schedule {kind!r} cannot be regenerated",
            hint=f"--assume lr_scheduler_type=... with one of {', '.join(SCHEDULES)}",
        )
    if kind == "constant":
        return peak
    if done < warmup:
        return peak * (done / max(1, warmup))
    if kind == "constant_with_warmup":
        return peak
    if kind == "linear":
        return peak * max(0.0, (steps - done) / max(1, steps - warmup))
    progress = (done - warmup) / max(1, steps - warmup)
    return peak * max(0.0, 0.5 * (1.0 + math.cos(math.pi * progress)))
