"""The stand-in's "base" model: a random Llama that has read a little plain text in the data's words."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from repro.errors import RunError
from repro.plan import Hyperparameters, ProxyModel
from repro.run import StageRun, Step
from repro.semantics import Semantics
from repro.train.batch import Sequences
from repro.train.files_hash import check_seal
from repro.train.loop import Job, train
from repro.train.model import Scorer, load_tokenizer, make_proxy, pad_token_id
from repro.train.order import Order
from repro.train.progress import Reporter
from repro.train.record import load_stage
from repro.train.schedule import Ticks, learning_rate
from repro.train.sft import SftObjective
from repro.train.sharding import prepared
from repro.train.stages import Workshop, finish, observer_of, save_trained
from repro.train.synthetic import pretraining_texts, sft_rows
from repro.train.template import render
from repro.train.tokenizer import EOS, train_tokenizer

LEARNING_RATE = 3e-3
"""Peak rate of the pretraining, linear after a tenth of warm-up: AdamW's usual for models of this size, chosen once."""
BATCH = 32
TOKENIZER_ROWS = 2000
FOLDER = "base"
SEMANTICS = Semantics(
    truncation_side="right",
    row_filter="labels",
    sampling_rule="remainder",
    sampler="random",
    sampler_seed="seed",
    last_window="keep",
    partial_window_gradient="actual",
    partial_window_divisor="actual",
    scheduler_ticks="step",
    warmup_rounding="down",
    weight_decay_groups="matrices",
    training_dropout="config",
    reference_log_probs="",
    pad_token_rule="kept",
)
"""The pretraining's own, whatever the recipe of the stages after it."""


def make_base(shop: Workshop) -> StageRun:
    """Make, or take up making, the model before the first stage; `checkpoint` is where it lies.

    Raises:
        RunError: the plan has no stand-in, or training did not finish.
        ReproError: the folder cannot be written.
    """
    shape = shop.plan.proxy
    if shape is None or not shop.plan.stages:
        raise RunError("the plan is for the proxy scale and describes no stand-in")
    folder = shop.folder / FOLDER
    finished = load_stage(folder)
    if finished is not None:
        if shop.accelerator.is_main_process:
            check_seal(folder / "model")
        return finished
    accelerator = shop.accelerator
    first = shop.plan.stages[0].hyperparameters
    tokenizer = _tokenizer(shop, shape, folder / "tokenizer", first.data_seed)
    texts = pretraining_texts(first.data_seed, BATCH * max(1, shape.pretraining_steps))
    encoded = tokenizer([text + EOS for text in texts], add_special_tokens=False)["input_ids"]
    sequences = Sequences.of((ids, [True] * len(ids)) for ids in encoded)
    hyperparameters = _hyperparameters(first, shape)
    objective = SftObjective(sequences, reduction="token_mean", pad_token_id=pad_token_id(tokenizer))
    scorer = Scorer(make_proxy(shape, tokenizer, hyperparameters.seed), autocast=None)
    model, optimizer = prepared(accelerator, scorer, hyperparameters, decay=SEMANTICS.weight_decay_groups)
    steps = shape.pretraining_steps
    trained_steps: tuple[Step, ...] = ()
    seconds = 0.0
    if steps > 0:
        order = Order(len(sequences), hyperparameters, SEMANTICS, max_steps=steps)
        job = Job(
            name=FOLDER,
            objective=objective,
            order=order,
            hyperparameters=hyperparameters,
            semantics=SEMANTICS,
            rate=lambda step: learning_rate(hyperparameters, step, Ticks(steps, steps // 10, 1)),
            budget=BATCH * int(sequences.lengths.max()),
            folder=folder,
            checkpoint_seconds=shop.checkpoint_seconds,
        )
        trained = train(job, model, optimizer, accelerator, Reporter(observer_of(shop), FOLDER, steps, stage=FOLDER))
        trained_steps, seconds = trained.steps, trained.seconds
    save_trained(shop, model, tokenizer, folder / "model")
    run = StageRun(
        name=FOLDER,
        method="pretraining",
        seed=hyperparameters.seed,
        base="random",
        checkpoint=f"{FOLDER}/model",
        steps=trained_steps,
        rows_sampled=len(sequences),
        rows_used=len(sequences),
        seconds=seconds,
    )
    return finish(shop, run, folder)


def _tokenizer(shop: Workshop, shape: ProxyModel, folder: Path, seed: int) -> Any:
    """Trained once by the main process, then read by all, so that a resumed run has the very same one."""
    if shop.accelerator.is_main_process:
        texts = [render(row["messages"], EOS).text for row in sft_rows(seed, TOKENIZER_ROWS)]
        texts += pretraining_texts(seed, TOKENIZER_ROWS)
        train_tokenizer(texts, shape.vocab_size).save_pretrained(folder)
    shop.accelerator.wait_for_everyone()
    return load_tokenizer(folder)


def _hyperparameters(first: Hyperparameters, shape: ProxyModel) -> Hyperparameters:
    return dataclasses.replace(
        first,
        learning_rate=LEARNING_RATE,
        effective_batch_size=BATCH,
        per_device_batch_size=BATCH,
        gradient_accumulation_steps=1,
        num_devices=1,
        max_steps=shape.pretraining_steps,
        lr_scheduler_type="linear",
        optimizer="adamw",
        adam_beta1=0.9,
        adam_beta2=0.999,
        adam_epsilon=1e-8,
        weight_decay=0.0,
        max_grad_norm=1.0,
    )
