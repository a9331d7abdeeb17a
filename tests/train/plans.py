"""Plans made by hand, small enough to train in seconds."""

from __future__ import annotations

import dataclasses
from typing import Any

from repro.plan import Hyperparameters, Plan, ProxyModel, StagePlan
from repro.resolve.choose import choose
from repro.semantics import CHOICES, Semantics
from repro.spec import Fact, Origin
from repro.task import Scale

HYPERPARAMETERS = Hyperparameters(
    learning_rate=3e-4,
    effective_batch_size=8,
    gradient_accumulation_steps=4,
    per_device_batch_size=2,
    num_devices=1,
    max_seq_length=64,
    num_epochs=1.0,
    max_steps=None,
    lr_scheduler_type="linear",
    warmup_steps=None,
    warmup_ratio=0.1,
    optimizer="adamw",
    adam_beta1=0.9,
    adam_beta2=0.999,
    adam_epsilon=1e-8,
    weight_decay=0.0,
    max_grad_norm=0.0,
    precision="fp32",
    master_weights="fp32",
    seed=42,
    data_seed=42,
    logging_steps=1,
    loss_type="dpo_norm",
    loss_reduction="mean",
    label_scope="all_turns",
    beta=5.0,
    label_smoothing=0.0,
    chat_template="tulu",
)


def semantics_of(framework: str, method: str, **changes: str) -> Semantics:
    """What the recipes say of a framework's code, the newest."""
    chosen = choose(method, framework=framework, version="", commit="", date="", base="", datasets=())
    values = {key: chosen.value(key) for key in CHOICES}
    return Semantics(**{**{key: str(value[0]) if value else "" for key, value in values.items()}, **changes})


def stage_of(method: str, *, framework: str = "open-instruct", steps: int | None = 6, **changes: Any) -> StagePlan:
    named = {"base": "org/base" if method == "sft" else "<sft>", "name": method, "datasets": (), "adapter": None}
    named.update({key: changes.pop(key) for key in list(changes) if key in named})
    semantics = semantics_of(framework, method, **{key: changes.pop(key) for key in list(changes) if key in CHOICES})
    if method == "sft":
        changes = {"loss_type": "cross_entropy", **changes}
    return StagePlan(
        method=method,
        produces=f"org/{method}",
        hyperparameters=dataclasses.replace(HYPERPARAMETERS, **changes),
        semantics=semantics,
        facts=(Fact("framework", framework, Origin.STATED),),
        expected_steps=steps,
        **named,  # type: ignore[arg-type]
    )


def plan_of(*stages: StagePlan, **changes: Any) -> Plan:
    given: dict[str, Any] = {
        "card": "card.md",
        "scale": Scale.PROXY,
        "seeds": (42,),
        "stages": stages or (stage_of("sft"), stage_of("dpo")),
        "recipe": "by hand",
        "proxy": ProxyModel(
            vocab_size=320,
            hidden_size=16,
            intermediate_size=32,
            num_layers=1,
            num_heads=2,
            num_key_value_heads=1,
            pretraining_steps=4,
        ),
    }
    return Plan(**{**given, **changes})
