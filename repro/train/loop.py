"""The one training loop: every stage, every scale, one process or many."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from repro.errors import RunError
from repro.plan import Hyperparameters
from repro.run import Step, Stop
from repro.semantics import Semantics
from repro.train.batch import chunks
from repro.train.checkpoint import Checkpoints
from repro.train.objective import Objective
from repro.train.optimizer import set_learning_rate
from repro.train.order import Order, Window, divided_by, group_weights
from repro.train.progress import Reporter
from repro.train.record import STEPS_FILE, StepLog, log_hash
from repro.train.sharding import REPLICATED, clipped, layout


@dataclass(frozen=True, slots=True)
class Job:
    """Everything one stage's loop needs."""

    name: str
    objective: Objective
    order: Order
    hyperparameters: Hyperparameters
    semantics: Semantics
    rate: Callable[[int], float]
    """Learning rate of a step, from 1."""
    budget: int
    """Padded tokens of one forward pass."""
    folder: Path
    checkpoint_seconds: float
    """The least time between two checkpoints."""
    track: Callable[[Step, float], None] | None = None
    """Told of every step and its wall time in seconds, in the main process only."""
    watch: Callable[[tuple[Step, ...]], Stop | None] | None = None
    """Asked in the main process whether to end the stage with the steps so far."""
    watch_points: frozenset[int] = frozenset()
    """The steps after which it is asked."""
    origin: str = ""
    """Hash of the starting weights and the rows: a checkpoint that comes from others is not gone on from."""


@dataclass(frozen=True, slots=True)
class Trained:
    """The curve, and the time it took over all the attempts."""

    steps: tuple[Step, ...]
    seconds: float
    stopped: Stop | None = None
    """Set where the stage was ended early: a checkpoint of that very step is there."""


def train(job: Job, model: Any, optimizer: Any, accelerator: Any, reporter: Reporter) -> Trained:
    """Train a prepared model to the end of the stage, from its last checkpoint if it has one.

    Raises:
        RunError: a loss is not finite, memory runs out, or no checkpoint can be read.
        ReproError: the disk is full, or the folder cannot be written.
    """
    main = accelerator.is_main_process
    place = job.folder / "checkpoints"
    checkpoints = Checkpoints(place, accelerator, every_seconds=job.checkpoint_seconds, origin=job.origin)
    path = job.folder / STEPS_FILE
    done, before = checkpoints.load(model, optimizer, lambda count: log_hash(path, count))
    log = StepLog(path, keep=done) if main else None
    steps: list[Step] = log.steps if log else []
    model.train()
    vocabulary = int(getattr(accelerator.unwrap_model(model).config, "vocab_size", 0))
    diverged = ""
    began = time.monotonic()
    reporter.begin(steps)
    for why in checkpoints.refused:
        reporter(done, warning=f"a checkpoint is not used ({why}): training goes on from step {done}")
    # What was asked may have been answered before a kill: the answer depends on the steps alone.
    stop = _asked(job, done, steps, accelerator) if any(p <= done for p in job.watch_points) else None
    try:
        for number in range(done + 1, job.order.steps + 1 if stop is None else 0):
            started = time.perf_counter()
            step = _step(job, number, model, optimizer, accelerator)
            seconds = time.perf_counter() - started
            if log:
                log.append(step, seconds)
                if job.track:
                    job.track(step, seconds)
            reporter.step(step, seconds)
            if not diverged and (diverged := divergence(step, job.objective, vocabulary)):
                reporter(number, warning=diverged)
            stop = _asked(job, number, steps, accelerator) if number in job.watch_points else None
            if number < job.order.steps and (stop is not None or checkpoints.due(number)):
                if log:
                    log.sync()
                spent = before + time.monotonic() - began
                checkpoints.save(number, model, optimizer, spent, log.hash() if log else "")
            if stop is not None:
                break
    finally:
        if log:
            log.close()
    if stop is not None:
        reporter(stop.step, warning=f"ended at step {stop.step:,} of {stop.total_steps:,}: {stop.why}")
    return Trained(steps=tuple(steps), seconds=before + time.monotonic() - began, stopped=stop)


def _asked(job: Job, number: int, steps: list[Step], accelerator: Any) -> Stop | None:
    """What the watch says after a step before the last, the same in every process."""
    if job.watch is None or number >= job.order.steps:
        return None
    answer: list[Stop | None] = [job.watch(tuple(steps)) if accelerator.is_main_process else None]
    if accelerator.num_processes > 1:
        from accelerate.utils import broadcast_object_list

        broadcast_object_list(answer)
    return answer[0]


def divergence(step: Step, objective: Objective, vocabulary: int) -> str:
    """A sentence where the loss says that training has diverged, long before it is no number; else "".

    Guessing every token alike costs log(vocabulary) a token, an undecided pair log 2: twice the one, ten times the
    other are far from where any sound training goes. It is told, not stopped: a recipe that diverges is a finding.
    """
    if objective.rewarded:
        limit, what = 10 * math.log(2), "ten times that of undecided pairs"
    elif objective.reduction in {"mean", "token_mean"} and vocabulary > 1:
        limit, what = 2 * math.log(vocabulary), f"twice that of guessing among {vocabulary:,} tokens"
    else:
        return ""
    if step.loss <= limit:
        return ""
    return (
        f"step {step.step}: the loss is {step.loss:.4g}, more than {what} ({limit:.4g}): training diverges; a lower "
        "learning rate (--assume learning_rate=...) may help"
    )


def _step(job: Job, number: int, model: Any, optimizer: Any, accelerator: Any) -> Step:
    """One update: the weighted sum of its rows' losses, cut into passes that fit."""
    window = job.order.window(number)
    objective, hyperparameters = job.objective, job.hyperparameters
    rows = window.rows
    divisor = job.semantics.partial_window_gradient
    weights = group_weights(
        window,
        objective.terms[rows],
        reduction=objective.reduction,
        divisor=divisor,
        devices=max(1, hyperparameters.num_devices),
    )
    logged = 1.0
    if objective.reduction in {"mean", "sum"}:  # the others count tokens, not micro-batches
        logged = divided_by(window, divisor) / divided_by(window, job.semantics.partial_window_divisor)
    mine = _share(window, accelerator.num_processes, accelerator.process_index)
    if not len(mine):
        # every process must take part in the reduction of the gradients: with nothing to say, say nothing
        mine, weights = np.zeros(1, np.int64), weights * 0.0
    lengths = objective.padded_lengths[rows]
    passes = chunks(lengths[mine], job.budget)
    count, replicated = len(passes), layout(accelerator) == REPLICATED
    if not replicated:
        # every pass gathers the shards of all: a process with fewer passes says nothing in those that it lacks
        shares = [lengths[_share(window, accelerator.num_processes, p)] for p in range(accelerator.num_processes)]
        count = max(len(chunks(share, job.budget)) for share in shares)
    rate = job.rate(number)
    set_learning_rate(optimizer, rate)
    # dropout, where a model has it, is a function of the step: nothing to keep in a checkpoint
    torch.manual_seed((hyperparameters.seed * 1_000_003 + number) * 1009 + accelerator.process_index)
    wide = torch.float32 if accelerator.device.type == "mps" else torch.float64
    totals = torch.zeros(4, dtype=wide, device=accelerator.device)
    optimizer.zero_grad(set_to_none=True)
    for i in range(count):
        part, last = passes[min(i, len(passes) - 1)], i + 1 == count
        accelerator.gradient_state._set_sync_gradients(last)
        # shards are summed after each pass: without, every process would hold the gradient of the whole model
        with nullcontext() if last or not replicated else accelerator.no_sync(model):
            result = objective.losses(model, rows[mine[part]], accelerator.device)
            weight = torch.from_numpy(weights[mine[part]] * (i < len(passes))).to(accelerator.device, torch.float32)
            loss = (result.loss * weight).sum()
            # gradients are averaged over processes, the recipe's loss is summed over its rows
            accelerator.backward(loss * accelerator.num_processes)
        totals[0] += loss.detach()
        if result.rewards is not None:
            counted = result.rewards * (weight > 0)
            totals[1:] += counted.sum(dim=1)
    norm = clipped(model, accelerator, hyperparameters.max_grad_norm)
    if accelerator.num_processes > 1:
        totals = accelerator.reduce(totals, "sum")
    loss_value, chosen, rejected, right = totals.tolist()
    loss_value *= logged
    if not math.isfinite(loss_value) or not math.isfinite(norm):
        kept = f"; the steps before it are kept in {job.folder}" if number > 1 else ""
        raise RunError(
            f"stage {job.name!r}, step {number}: the loss is {loss_value}, the gradient norm {norm}{kept}",
            hint="a lower learning rate (--assume learning_rate=...) or float32 (--assume precision=fp32) may help"
            if number > 1
            else "nothing was trained yet: are the starting weights sound, and is float32 wide enough for them "
            "(--assume precision=fp32)?",
        )
    optimizer.step()
    return Step(
        step=number,
        loss=loss_value,
        learning_rate=rate,
        grad_norm=norm,
        tokens=int(objective.label_tokens[rows].sum()),
        rows=len(rows),
        epoch=window.epoch,
        reward_chosen=chosen / len(rows) if objective.rewarded else None,
        reward_rejected=rejected / len(rows) if objective.rewarded else None,
        reward_accuracy=right / len(rows) if objective.rewarded else None,
        input_tokens=int(objective.input_tokens[rows].sum()),
    )


def _share(window: Window, processes: int, process: int) -> Any:
    """Places in `window.rows` of the groups that a process computes: every `processes`-th."""
    sizes = [len(group) for group in window.groups]
    starts = np.concatenate([[0], np.cumsum(sizes)])
    places = [np.arange(starts[i], starts[i + 1]) for i in range(process, len(sizes), processes)]
    return np.concatenate(places) if places else np.empty(0, np.int64)
