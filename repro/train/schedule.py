"""The learning rate of every step, as a function of the step alone: nothing to save, nothing to lose on resume."""

from __future__ import annotations

import math
from dataclasses import dataclass

from repro.errors import RunError
from repro.plan import Hyperparameters, StagePlan
from repro.train.order import Order

SCHEDULES = ("linear", "cosine", "constant", "constant_with_warmup")


@dataclass(frozen=True, slots=True)
class Ticks:
    """How far a schedule goes, and how fast."""

    total: int
    warmup: int
    per_step: int
    """Ticks of one optimizer step."""


def ticks(stage: StagePlan, order: Order, *, max_steps: int | None) -> Ticks:
    """The schedule's ticks, by `Semantics.scheduler_ticks` and `warmup_rounding`.

    "step": one a step. "process": accelerate advances the schedule once a process, and it is built for the windows of
    the set before that is shared out among the processes, or for a stated number of steps times the processes
    (open_instruct/finetune.py@e6c3044). The two lengths differ by the rounding of each epoch's last window: the last
    step or two may have the rate 0.
    """
    hyperparameters = stage.hyperparameters
    per_step, total = 1, order.steps
    if stage.semantics.scheduler_ticks == "process":
        per_step = max(1, hyperparameters.num_devices)
        total = order.unshared_windows if max_steps is None else max_steps * per_step
    if hyperparameters.warmup_steps is not None:
        return Ticks(total, hyperparameters.warmup_steps * per_step, per_step)
    exact = total * hyperparameters.warmup_ratio
    up = stage.semantics.warmup_rounding == "up"
    return Ticks(total, math.ceil(exact) if up else int(exact), per_step)


def learning_rate(hyperparameters: Hyperparameters, step: int, along: Ticks) -> float:
    """The rate of update number `step` (from 1).

    The same numbers as transformers.get_scheduler (optimization.py, 5.23), whose first update under a warm-up has
    rate 0.

    Raises:
        RunError: the schedule is not one of `SCHEDULES`.
    """
    peak = hyperparameters.learning_rate
    done, warmup, total = (step - 1) * along.per_step, along.warmup, along.total
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
        return peak * max(0.0, (total - done) / max(1, total - warmup))
    progress = min(1.0, (done - warmup) / max(1, total - warmup))
    return peak * max(0.0, 0.5 * (1.0 + math.cos(math.pi * progress)))
