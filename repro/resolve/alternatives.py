"""Where a card is silent: what else could plausibly stand in place of each assumed value, and the plans that try it."""

from __future__ import annotations

import dataclasses
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from repro.plan import Plan, StagePlan
from repro.resolve.assume import applies
from repro.resolve.recipes import recipes
from repro.resolve.values import KINDS, read_value, same, show
from repro.spec import AnyFact, Origin, Value

MOST = 2
"""Alternatives that are tried for one value."""
NOT_TRIED = {
    "base_model": "the stand-in makes its own base",
    "dataset": "the stand-in makes its own rows",
    "dataset_rows": "the stand-in makes its own rows",
    "master_weights": "the stand-in's larger learning rate does not show how weights in bfloat16 stall",
    "seed": "the other seeds are the noise by which everything here is measured",
    "logging_steps": "it changes what is printed, not what is trained",
    "num_devices": "the batch is the same over however many devices; what the layout changes is the loss's reduction",
    "per_device_batch_size": "the same batch cut otherwise; what that changes is the loss's reduction",
    "gradient_accumulation_steps": "the same batch cut otherwise; what that changes is the loss's reduction",
    "sampling_rule": "the stand-in makes its own rows",
    "sampler_seed": "another order of the same rows is the noise by which everything here is measured",
    "truncation_side": "no row of the stand-in's is too long",
    "row_filter": "every row of the stand-in's keeps its labels",
    "scheduler_ticks": "the stand-in has one process, with which both are the same",
    "training_dropout": "the stand-in has no dropout",
    "reference_log_probs": "a frozen reference says the same whenever it is asked",
    "pad_token_rule": "the stand-in's tokenizer has a pad token",
    "gradient_checkpointing": "it changes memory and time, not the numbers",
}
"""Parameters whose alternatives a stand-in cannot try, and why."""


@dataclass(frozen=True, slots=True)
class Alternative:
    """One assumed value of a stage, replaced."""

    stage: str
    key: str
    assumed: str
    value: Value
    source: str
    """Who would choose it."""

    @property
    def assumption(self) -> tuple[str, str]:
        """(key, value) as --assume takes them."""
        return f"{self.stage}.{self.key}", str(self.value)


def holes(plan: Plan) -> Iterator[tuple[StagePlan, AnyFact]]:
    """Every value of the plan that nobody states: (stage, the assumed fact)."""
    for stage in plan.stages:
        for fact in stage.facts:
            if fact.origin is Origin.ASSUMED and fact.known and fact.key in KINDS:
                yield stage, fact


def alternatives(stage: StagePlan, fact: AnyFact) -> tuple[Alternative, ...]:
    """What else the value could be: other recipes' defaults for the method first, then the table's.

    At most `MOST`; empty when nobody is known to choose anything else, or where the stand-in could not show it.
    """
    if fact.key in NOT_TRIED or fact.value is None:
        return ()
    found: list[Alternative] = []
    for value, source in (*_of_recipes(stage.method, fact.key), *_of_table(fact)):
        try:
            read = read_value(fact.key, value)
        except ValueError:
            continue
        if not applies(fact.key, read, stage.method) or same(read, fact.value):
            continue
        if not any(same(read, other.value) for other in found):
            found.append(Alternative(stage.name, fact.key, show(fact.value), read, source))
    return tuple(found[:MOST])


def changed(plan: Plan, other: Plan, alternative: Alternative) -> Plan | None:
    """The plan with one value replaced, or None where the stand-in trains the same with both.

    Args:
        plan: the stand-in's plan.
        other: what the resolver makes of the same card with the alternative given by --assume.
    """
    stages = tuple(
        _with_precision(stage, alternative) if stage.name == alternative.stage else stage for stage in other.stages
    )
    made = dataclasses.replace(other, stages=stages, seeds=plan.seeds[:1])
    before = [_trained(stage) for stage in plan.stages]
    return made if [_trained(stage) for stage in made.stages] != before else None


def shortened(plan: Plan, steps: int) -> Plan:
    """The stand-in's plan with at most so many optimizer steps a stage; warm-up and rows keep their share."""
    return dataclasses.replace(plan, stages=tuple(_shorten(stage, steps) for stage in plan.stages))


def _shorten(stage: StagePlan, steps: int) -> StagePlan:
    h = stage.hyperparameters
    whole = h.max_steps or stage.expected_steps
    if whole is None or whole <= steps:
        return stage
    share = steps / whole
    warm = None if h.warmup_steps is None else round(h.warmup_steps * share)
    data = tuple(
        dataclasses.replace(d, rows=None if d.rows is None else max(1, round(d.rows * share))) for d in stage.datasets
    )
    return dataclasses.replace(
        stage,
        hyperparameters=dataclasses.replace(h, max_steps=steps, warmup_steps=warm),
        datasets=data,
        expected_steps=steps,
    )


def _with_precision(stage: StagePlan, alternative: Alternative) -> StagePlan:
    # the stand-in computes in float32 whatever the recipe says, for speed: here the recipe's question is asked
    if alternative.key != "precision":
        return stage
    return dataclasses.replace(
        stage, hyperparameters=dataclasses.replace(stage.hyperparameters, precision=_other_precision(stage))
    )


def _other_precision(stage: StagePlan) -> str:
    return "bf16" if stage.hyperparameters.precision == "fp32" else "fp32"


def _trained(stage: StagePlan) -> tuple[Any, ...]:
    """What of a stage decides its training."""
    return stage.hyperparameters, stage.semantics, stage.datasets, stage.base, stage.method


def _of_recipes(method: str, key: str) -> Iterator[tuple[Any, str]]:
    for recipe in recipes():
        defaults = recipe.methods.get(method)
        if recipe.framework and defaults is not None and key in defaults.values:
            yield defaults.values[key], recipe.cite(method, key)


def _of_table(fact: AnyFact) -> Iterator[tuple[Any, str]]:
    entry = _table().get(fact.key)
    if entry is None:
        return
    values: Sequence[Any] = entry.get("values", ())
    for value in values:
        yield value, entry["why"]
    if isinstance(fact.value, (int, float)):
        for factor in entry.get("factors", ()):
            yield float(f"{fact.value * factor:.6g}"), entry["why"]


@cache
def _table() -> dict[str, dict[str, Any]]:
    return tomllib.loads(files("repro.resolve").joinpath("alternatives.toml").read_text(encoding="utf-8"))
