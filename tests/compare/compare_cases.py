"""Specs, plans, runs and scores written by hand, for the verdict law to be held to."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from repro.card import Span
from repro.evidence import Evidence, LoggedLoss, Repo
from repro.number import Number
from repro.plan import DatasetPlan, Hyperparameters, Plan, StagePlan
from repro.run import Environment, Run, StageRun, Step
from repro.score import HarnessInfo, Sample, Score
from repro.semantics import Semantics
from repro.spec import AnyFact, Claim, ClaimKind, DatasetRef, Fact, Origin, Spec, Stage, missing
from repro.task import Scale

MODEL = "org/some-model-dpo"
DATASET = "org/some-preferences"
LINE = Span("card.md", 7, 7)
SETTINGS = Hyperparameters(
    learning_rate=5e-7, effective_batch_size=32, gradient_accumulation_steps=16, per_device_batch_size=2, num_devices=1,
    max_seq_length=2048, num_epochs=1.0, max_steps=None, lr_scheduler_type="linear", warmup_steps=None,
    warmup_ratio=0.1, optimizer="adamw", adam_beta1=0.9, adam_beta2=0.999, adam_epsilon=1e-8, weight_decay=0.0,
    max_grad_norm=0.0, precision="fp32", master_weights="fp32", seed=42, data_seed=42, logging_steps=1,
    loss_type="dpo_norm", loss_reduction="mean", label_scope="all_turns", beta=5.0, label_smoothing=0.0,
    chat_template="tulu",
)  # fmt: skip
SEMANTICS = Semantics(
    truncation_side="right", row_filter="labels", sampling_rule="remainder", sampler="shuffled_random",
    sampler_seed="seed", last_window="keep", partial_window_gradient="full", partial_window_divisor="full",
    scheduler_ticks="step", warmup_rounding="down", weight_decay_groups="matrices", training_dropout="config",
    reference_log_probs="start", pad_token_rule="added",
)  # fmt: skip
RECIPE = {
    "learning_rate": 5e-7,
    "effective_batch_size": 32,
    "num_epochs": 1,
    "beta": 5,
    "loss_type": "dpo_norm",
}


def number(printed: str) -> Number:
    """A printed number with its digits: "0.634", "-8.6%", "~20 GB"."""
    approximate = printed.startswith("~")
    bare = printed.lstrip("~")
    digits = bare.rstrip("%GBiMK ")
    unit = bare[len(digits) :].strip()
    decimals = len(digits.partition(".")[2])
    return Number(printed, float(digits), 10.0**-decimals, unit, approximate)


def fact(key: str, value: Any, origin: Origin = Origin.STATED, **rest: Any) -> AnyFact:
    return Fact(key, value, origin, printed=str(value), span=rest.pop("span", LINE), **rest)


def loss(step: int, printed: str, **rest: Any) -> Claim:
    read = None if printed == "TBD" else number(printed)
    stage = rest.pop("stage", "dpo")
    return Claim(
        f"{stage}.loss@{step}", ClaimKind.LOSS, f"training loss at step {step}", printed, LINE,
        read.value if read else None, read, stage, step, **rest,
    )  # fmt: skip


def change(first: Claim, second: Claim, printed: str) -> Claim:
    read = number(printed)
    return Claim(
        f"dpo.change@{second.step}", ClaimKind.CHANGE, "change", printed, LINE, read.value, read, "dpo", second.step,
        refers_to=(first.id, second.id),
    )  # fmt: skip


def steps_claim(count: int) -> Claim:
    return Claim("dpo.steps", ClaimKind.STEPS, "steps", str(count), LINE, count, number(str(count)), "dpo")


def config(key: str, value: Any, kind: ClaimKind = ClaimKind.CONFIG) -> Claim:
    read = number(str(value)) if isinstance(value, int | float) and "e" not in str(value) else None
    return Claim(f"dpo.{key}", kind, key, str(value), LINE, value, read, "dpo")


def score_claim(task: str, metric: str, printed: str, **conditions: Any) -> Claim:
    read = number(printed)
    return Claim(
        f"eval.{task}.{metric}", ClaimKind.EVAL, task, printed, LINE, read.value, read, "dpo", task=task, metric=metric,
        conditions=tuple(fact(k, v) for k, v in conditions.items()),
    )  # fmt: skip


def stage(
    *, facts: tuple[AnyFact, ...] | None = None, rows: Any = None, fraction: Any = None, name: str = "dpo"
) -> Stage:
    data = DatasetRef(
        DATASET,
        rows=fact("dataset_rows", rows) if rows else missing("dataset_rows"),
        fraction=fact("dataset_fraction", fraction) if fraction else missing("dataset_fraction"),
    )
    given = tuple(fact(k, v) for k, v in RECIPE.items()) if facts is None else facts
    method = "Direct Preference Optimization (DPO)" if name == "dpo" else "Supervised fine-tuning"
    return Stage(name, method, fact("base_model", "org/base"), fact("model_id", MODEL), (data,), given)


def spec(*claims: Claim, stages: tuple[Stage, ...] | None = None, facts: tuple[AnyFact, ...] = ()) -> Spec:
    return Spec("card.md", "card", "0" * 64, "table", facts, stages or (stage(),), claims, ())


def plan(
    scale: Scale = Scale.FULL,
    settings: Hyperparameters = SETTINGS,
    facts: tuple[AnyFact, ...] | None = None,
    seeds: tuple[int, ...] = (42,),
    name: str = "dpo",
    semantics: Semantics = SEMANTICS,
) -> Plan:
    given = tuple(fact(k, v) for k, v in RECIPE.items()) if facts is None else facts
    data = DatasetPlan(DATASET, "", "train", None, None, None)
    return Plan(
        "card", scale, seeds, (StagePlan(name, name, "org/base", MODEL, (data,), settings, semantics, given, None),), ""
    )


def run(
    curves: Sequence[Sequence[float]],
    *,
    scale: Scale = Scale.FULL,
    settings: Hyperparameters = SETTINGS,
    facts: tuple[AnyFact, ...] | None = None,
    last_rows: int = 32,
    rows_used: int | None = None,
    name: str = "dpo",
) -> Run:
    """A run with these loss curves, one a seed; only the last step may hold fewer rows than the batch."""
    seeds = tuple(42 + i for i in range(len(curves)))
    stages = []
    for seed, losses in zip(seeds, curves):
        count = len(losses)
        steps = tuple(
            Step(i, float(y), 1e-7, 1.0, 1000, last_rows if i == count else 32, i / count)
            for i, y in enumerate(losses, start=1)
        )
        rows = rows_used if rows_used is not None else 32 * (count - 1) + last_rows
        stages.append(StageRun(name, name, seed, "base", f"seed-{seed}/{name}", steps, rows, rows, 1.0))
    environment = Environment("3.11", "linux", "x", "avx2", 1, ("cpu",), ())
    return Run("r", plan(scale, settings, facts, seeds, name), environment, tuple(stages), "base")


def curve(length: int, start: float = math.log(2), end: float = 0.35, shape: float = 3.0) -> list[float]:
    """The expected loss at every step: flat at first, then falling, without noise."""
    half = length / 2
    falls = [1 / (1 + (half / max(i, 0.5)) ** shape) for i in range(length)]
    return [start - (start - end) * f / falls[-1] for f in falls]


def repo(*facts: AnyFact, losses: tuple[LoggedLoss, ...] = (), repo_id: str = MODEL, **rest: Any) -> Repo:
    kind, role = rest.pop("kind", "model"), rest.pop("role", "subject")
    return Repo(repo_id, kind, role, "abcdef1234", "folder /data", facts=facts, losses=losses)


def evidence(*repos: Repo, parents: tuple[Spec, ...] = ()) -> Evidence:
    return Evidence(repos, parents)


HARNESS = HarnessInfo("lm-eval", "0.4.13", "1.0", "f" * 64, 0, True, (("limit", "none"),))


def score(model: str, values: Sequence[float], *, task: str = "quiz", metric: str = "acc", **rest: Any) -> Score:
    harness = replace(HARNESS, **rest.pop("harness", {}))
    samples = tuple(Sample(i, f"{i:064d}", float(v)) for i, v in enumerate(values))
    mean = sum(values) / len(values)
    error = math.sqrt(max(mean * (1 - mean), 0.0) / len(values))
    return Score(model, task, metric, mean, error, samples, harness, **rest)
