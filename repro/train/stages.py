"""One stage from its starting weights to its saved model: load, tokenise, train, save."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from repro.errors import RunError
from repro.files import write_whole
from repro.plan import Plan, StagePlan
from repro.run import Assets, StageRun, Step, Stop, Watch
from repro.task import Observer, Progress, Scale
from repro.train.adapter import is_adapted, merged, refuse_adapter
from repro.train.batch import pass_budget
from repro.train.checkpoint import Checkpoints
from repro.train.dpo import DpoObjective
from repro.train.encode import Codec
from repro.train.files_hash import check_seal, folder_hash, seal
from repro.train.fit import refuse_misfit
from repro.train.loop import Job, train
from repro.train.model import (
    Scorer,
    load_tokenizer,
    pad_token_id,
    save_model,
    set_template,
    shares_prompts,
)
from repro.train.objective import Objective
from repro.train.order import Order
from repro.train.progress import Reporter
from repro.train.record import load_stage, save_stage
from repro.train.reference import SAVE_EVERY_SECONDS, reference_log_probs
from repro.train.room import require_room
from repro.train.schedule import learning_rate, ticks
from repro.train.sft import SftObjective
from repro.train.sharding import checkpoints_layers, load_whole, prepared
from repro.train.starting import starting_model
from repro.train.tokens import Tokens, stage_tokens
from repro.train.trackers import tracking, write_table


@dataclass(frozen=True, slots=True)
class Workshop:
    """What every stage of a run shares."""

    plan: Plan
    assets: Assets
    folder: Path
    tokens: Path
    """Where rows are kept as tokens."""
    accelerator: Any
    observer: Observer
    checkpoint_seconds: float
    report_to: tuple[str, ...] = ()
    """Trackers that are told of every step."""
    watch: Watch | None = None
    """Asked on the way whether more of a stage is needed."""


def run_stage(
    shop: Workshop,
    stage: StagePlan,
    *,
    seed: int,
    label: str,
    base: Path,
    base_name: str,
    done: tuple[StageRun, ...] = (),
) -> StageRun:
    """Train one stage for one seed, or take it up where it was left; to its end, or until the watch has enough.

    Args:
        seed: the run's seed, which names the folder; `stage.hyperparameters.seed` is what trains.
        label: the task's name for progress.
        base: folder of the starting weights.
        base_name: the same as the record has it.
        done: what the run has trained so far, for the watch.

    Raises:
        PrerequisiteError: weights, tokenizer or data are missing.
        RunError: training did not finish.
        ReproError: the folder cannot be written.
    """
    folder = shop.folder / f"seed-{seed}" / stage.name
    finished = load_stage(folder)
    if finished is not None:
        if shop.accelerator.is_main_process:
            check_seal(folder / "model")
        Checkpoints(folder / "checkpoints", shop.accelerator).clear()  # a kill may have come between
        return finished
    began = time.monotonic()
    accelerator, hyperparameters = shop.accelerator, stage.hyperparameters
    semantics = stage.semantics
    tokenizer = load_tokenizer(base)
    tulu = set_template(tokenizer, hyperparameters.chat_template)
    master, autocast = _precision(shop, stage)
    if stage.adapter is not None:
        refuse_adapter(stage.adapter, accelerator)
    require_room(stage, base, plan=shop.plan, folder=shop.folder, accelerator=accelerator)
    load_whole(accelerator)
    model = starting_model(stage, base, tokenizer, master)
    codec = _codec(stage, tokenizer, tulu)
    tokens = _tokens(shop, stage, codec, label)
    beyond = refuse_misfit(model, tokenizer, tokens.parts, stage=stage.name, folder=base)
    if beyond:
        observer_of(shop)(Progress(label, 0, 0, 0.0, warning=beyond))
    order = Order(
        tokens.used,
        hyperparameters,
        semantics,
        max_steps=_max_steps(shop.plan, stage),
        lengths=np.maximum.reduce([part.lengths for part in tokens.parts]),
    )
    share = shares_prompts(model, accelerator.device)
    objective = _objective(stage, tokens, pad_token_id(tokenizer), share_prompts=share)
    attempts = count_attempt(shop, folder)
    origin = _origin(base, tokens)
    scorer, optimizer = prepared(
        accelerator,
        Scorer(model, autocast=autocast),
        hyperparameters,
        decay=semantics.weight_decay_groups,
        compute=autocast,
        checkpointing=checkpoints_layers(stage, shop.plan.scale, accelerator),
    )
    budget = pass_budget(objective.padded_lengths, hyperparameters.per_device_batch_size, accelerator.device)
    if isinstance(objective, DpoObjective) and objective.needs_reference:
        objective.use_reference(
            reference_log_probs(
                objective,
                scorer,
                accelerator,
                path=folder / "reference.pt",
                key=_reference_key(stage, origin, autocast, shares_prompts=objective.shares_prompts),
                budget=4 * budget,
                every_seconds=min(SAVE_EVERY_SECONDS, shop.checkpoint_seconds),
                tick=Reporter(observer_of(shop), f"{label}: reference log-probs", tokens.used),
            )
        )
    along = ticks(stage, order, max_steps=_max_steps(shop.plan, stage))

    def rate(step: int) -> float:
        return learning_rate(hyperparameters, step, along)

    rate(1)  # an unknown schedule is found before anything is trained
    preparing = time.monotonic() - began
    reporter = Reporter(observer_of(shop), label, order.steps, stage=stage.name)
    with tracking(shop.report_to, folder=shop.folder, stage=stage, run=f"{stage.name}-seed-{seed}") as track:
        seconds = shop.checkpoint_seconds
        sofar = StageRun(stage.name, stage.method, seed, base_name, "", (), tokens.sampled, tokens.used, 0.0)
        asked = _watched(shop, sofar, done, order.steps)
        job = Job(
            label, objective, order, hyperparameters, semantics, rate, budget, folder, seconds, track, *asked, origin
        )
        trained = train(job, scorer, optimizer, accelerator, reporter)
    if accelerator.is_main_process:
        write_table(folder, trained.steps)
    run = replace(sofar, steps=trained.steps, seconds=preparing + trained.seconds, resumed=attempts - 1)
    if trained.stopped is not None:  # no final model, and its checkpoint stays: a later run goes on from there
        accelerator.free_memory()
        accelerator.wait_for_everyone()
        pace = trained.seconds / max(1, trained.stopped.step)
        return replace(run, stopped=replace(trained.stopped, step_seconds=pace))
    save_trained(shop, scorer, tokenizer, folder / "model")
    return finish(shop, replace(run, checkpoint=str((folder / "model").relative_to(shop.folder))), folder)


def _watched(
    shop: Workshop, sofar: StageRun, done: tuple[StageRun, ...], total_steps: int
) -> tuple[Callable[[tuple[Step, ...]], Stop | None] | None, frozenset[int]]:
    """The watch as the loop asks it, and when."""
    watch = shop.watch
    if watch is None:
        return None, frozenset()

    def asked(steps: tuple[Step, ...]) -> Stop | None:
        return watch.stop(done, replace(sofar, steps=steps), total_steps)

    return asked, watch.points(sofar.name, total_steps)


def save_trained(shop: Workshop, scorer: Any, tokenizer: Any, folder: Path) -> None:
    """Gather the weights, an adapter merged into them, and write them with the tokenizer, whole.

    Raises:
        ReproError: the disk is full, or the folder cannot be written.
    """
    model = shop.accelerator.unwrap_model(scorer).model
    if is_adapted(model):
        if shop.accelerator.is_main_process:
            save_model(merged(model), tokenizer, folder)
        shop.accelerator.wait_for_everyone()
        return
    state = shop.accelerator.get_state_dict(scorer)
    if shop.accelerator.is_main_process:
        plain = {name.removeprefix("model."): tensor for name, tensor in state.items()}
        save_model(model, tokenizer, folder, plain)
    shop.accelerator.wait_for_everyone()


def finish(shop: Workshop, run: StageRun, folder: Path) -> StageRun:
    """Record the stage as finished, and drop what only a resume would need."""
    if shop.accelerator.is_main_process:
        seal(folder / "model")
        save_stage(folder, run)
    Checkpoints(folder / "checkpoints", shop.accelerator).clear()
    shop.accelerator.free_memory()
    shop.accelerator.wait_for_everyone()
    return load_stage(folder) or run


def count_attempt(shop: Workshop, folder: Path) -> int:
    """How many times the stage was begun, this time included."""
    place = folder / "attempts"
    attempts = (len(place.read_bytes()) if place.exists() else 0) + 1
    if shop.accelerator.is_main_process:
        write_whole(place, "|" * attempts)
    shop.accelerator.wait_for_everyone()
    return attempts


def observer_of(shop: Workshop) -> Observer:
    def silent(_: Progress) -> None:
        return

    return shop.observer if shop.accelerator.is_main_process else silent


def _max_steps(plan: Plan, stage: StagePlan) -> int | None:
    if stage.hyperparameters.max_steps is not None:
        return stage.hyperparameters.max_steps
    # the stand-in keeps the recipe's step count; at full scale the rows decide it
    return stage.expected_steps if plan.scale is Scale.PROXY else None


def _tokens(shop: Workshop, stage: StagePlan, codec: Codec, label: str) -> Tokens:
    reporters: list[Reporter] = []

    def tick(done: int, total: int) -> None:
        if not reporters:
            reporters.append(Reporter(observer_of(shop), f"{label}: tokenising", total))
        reporters[0](done)

    return stage_tokens(
        stage,
        shop.plan,
        shop.assets,
        codec,
        shop.folder / "data" / "cache",
        shop.tokens,
        writes=shop.accelerator.is_main_process,
        tick=tick,
    )


def _codec(stage: StagePlan, tokenizer: Any, tulu: bool) -> Codec:
    return Codec(
        tokenizer,
        tulu,
        stage.hyperparameters.label_scope,
        stage.hyperparameters.max_seq_length,
        stage.semantics.truncation_side,
        stage.semantics.row_filter,
    )


def _objective(stage: StagePlan, tokens: Tokens, pad: int, *, share_prompts: bool) -> Objective:
    hyperparameters = stage.hyperparameters
    if stage.method == "sft":
        return SftObjective(tokens.parts[0], reduction=hyperparameters.loss_reduction, pad_token_id=pad)
    if stage.method == "dpo":
        return DpoObjective(
            tokens.parts[0],
            tokens.parts[1],
            loss_type=hyperparameters.loss_type,
            beta=hyperparameters.beta,
            label_smoothing=hyperparameters.label_smoothing,
            gamma_beta_ratio=hyperparameters.gamma_beta_ratio,
            pad_token_id=pad,
            share_prompts=share_prompts,
        )
    raise RunError(
        f"stage {stage.name!r} trains with {stage.method}, which this version cannot regenerate",
        hint="it regenerates sft and dpo",
    )


def _precision(shop: Workshop, stage: StagePlan) -> tuple[torch.dtype, torch.dtype | None]:
    """The dtype in which the weights are kept, and that of the computation where it is another one."""
    hyperparameters = stage.hyperparameters
    if hyperparameters.master_weights == "bf16":
        return torch.bfloat16, None
    device = shop.accelerator.device.type
    asked = hyperparameters.precision
    if asked == "bf16" and (device == "cpu" or torch.cuda.is_bf16_supported()):
        return torch.float32, torch.bfloat16
    if asked not in {"fp32", "float32"}:
        observer_of(shop)(
            Progress(stage.name, 0, 0, 0.0, warning=f"{asked} is not available here: computing in float32 instead")
        )
    return torch.float32, None


def _origin(base: Path, tokens: Tokens) -> str:
    """What a stage starts from and what it learns, as one hash."""
    return hashlib.sha256(f"{folder_hash(base)} {tokens.hash()}".encode()).hexdigest()


def _reference_key(stage: StagePlan, origin: str, autocast: torch.dtype | None, *, shares_prompts: bool) -> str:
    said = (origin, stage.hyperparameters.loss_type, str(autocast), shares_prompts)
    return hashlib.sha256(repr(said).encode()).hexdigest()
