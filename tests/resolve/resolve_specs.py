"""Specs written by hand: what a reader would make of cards like these."""

from __future__ import annotations

from typing import Any

from repro.card import Span
from repro.evidence import Repo
from repro.number import Number
from repro.spec import AnyFact, Claim, ClaimKind, DatasetRef, Fact, Origin, Spec, Stage, missing

DPO_REPO = "org/Llama-3.1-8B-Tenth-DPO"
SFT_REPO = "org/Llama-3.1-8B-Tenth-SFT"
PREFERENCES = "allenai/llama-3.1-tulu-3-8b-preference-mixture"


def stated(key: str, value: Any, line: int = 1, source: str = "card.md", **rest: Any) -> AnyFact:
    return Fact(key, value, Origin.STATED, printed=str(value), span=Span(source, line, line), **rest)


def facts(line: int = 60, source: str = "card.md", /, **values: Any) -> tuple[AnyFact, ...]:
    return tuple(stated(k, v, line + i, source) for i, (k, v) in enumerate(values.items()))


def stage(
    name: str,
    method: str,
    *,
    base: str = "",
    produces: str = "",
    datasets: tuple[DatasetRef, ...] = (),
    of: tuple[AnyFact, ...] = (),
) -> Stage:
    return Stage(
        name=name,
        method=method,
        base=stated("base_model", base, 20) if base else missing("base_model"),
        produces=stated("model_id", produces, 20) if produces else missing("model_id"),
        datasets=datasets,
        facts=of,
        span=Span("card.md", 20, 22),
    )


def spec(
    stages: tuple[Stage, ...],
    *,
    of: tuple[AnyFact, ...] = (),
    claims: tuple[Claim, ...] = (),
    source: str = "card.md",
    text: str = "",
) -> Spec:
    return Spec(
        source=source,
        name="card",
        card_sha256="0" * 64,
        dialect="table",
        facts=of,
        stages=stages,
        claims=claims,
        code=(),
        text=text,
    )


def loss(name: str, step: int, value: float | None, line: int = 80) -> Claim:
    number = Number(str(value), value, 0.001) if value is not None else None
    printed = str(value) if value is not None else "TBD"
    return Claim(
        f"{name}.loss@{step}", ClaimKind.LOSS, "loss", printed, Span("card.md", line, line), value, number, name, step
    )


def steps(name: str, count: int, line: int = 84) -> Claim:
    number = Number(str(count), float(count), 1)
    return Claim(
        f"{name}.steps", ClaimKind.STEPS, "steps", str(count), Span("card.md", line, line), count, number, name
    )


def fraction(value: float = 0.1, line: int = 25) -> AnyFact:
    return Fact("dataset_fraction", value, Origin.STATED, printed="10%", span=Span("card.md", line, line))


DPO_FACTS = {
    "learning_rate": 5e-7,
    "effective_batch_size": 32,
    "gradient_accumulation_steps": 16,
    "max_seq_length": 2048,
    "num_epochs": 1,
    "lr_scheduler_type": "linear",
    "warmup_ratio": 0.1,
    "beta": 5,
    "loss_type": "dpo_norm",
    "optimizer": "adamw",
    "precision": "bf16",
}


def tenth(**changes: Any) -> Spec:
    """A card of a DPO model whose SFT stage is only drawn in a diagram."""
    values = {k: v for k, v in {**DPO_FACTS, **changes}.items() if v is not None}
    return spec(
        (
            stage(
                "sft",
                "SFT",
                base="meta-llama/Llama-3.1-8B",
                produces=SFT_REPO,
                datasets=(DatasetRef("Tulu-3 SFT mixture", fraction=fraction(), span=Span("card.md", 35, 35)),),
            ),
            stage(
                "dpo",
                "Direct Preference Optimization (DPO)",
                base=SFT_REPO,
                produces=DPO_REPO,
                datasets=(DatasetRef(PREFERENCES, fraction=fraction(), span=Span("card.md", 25, 25)),),
                of=facts(60, **values),
            ),
        ),
        of=(
            stated("framework", "open-instruct", 26),
            stated("model_id", DPO_REPO, 19),
            stated("base_model", SFT_REPO, 3),
            stated("date", 2026, 120),
            stated("pipeline_tag", "text-generation", 15),
        ),
        claims=(
            loss("dpo", 1, 0.693),
            loss("dpo", 103, 0.634),
            loss("dpo", 197, 0.521),
            loss("dpo", 844, None),
            steps("dpo", 844),
        ),
    )


def parent(**changes: Any) -> Spec:
    """The card of the model that the SFT stage made."""
    source = f"{SFT_REPO}@abc123:README.md"
    values = {
        "learning_rate": 5e-6,
        "effective_batch_size": 128,
        "gradient_accumulation_steps": 16,
        "max_seq_length": 4096,
        "num_epochs": 2,
        "lr_scheduler_type": "linear",
        "warmup_ratio": 0.03,
        "optimizer": "adamw",
        "precision": "bf16",
    }
    made = Stage(
        name="sft",
        method="Supervised Fine-Tuning (SFT)",
        base=stated("base_model", "meta-llama/Llama-3.1-8B", 20, source),
        produces=stated("model_id", SFT_REPO, 20, source),
        datasets=(
            DatasetRef(
                "allenai/tulu-3-sft-mixture",
                fraction=fraction(),
                rows=Fact("dataset_rows", 94000, Origin.STATED),
                span=Span(source, 9, 9),
            ),
        ),
        facts=facts(80, source, **{**values, **changes}),
        span=Span(source, 78, 90),
    )
    return spec((made,), of=(stated("model_id", SFT_REPO, 1, source),), source=source)


def trl(**changes: Any) -> Spec:
    """A tiny model trained with TRL in two stages, every parameter stated."""
    both = {
        "per_device_batch_size": 8,
        "gradient_accumulation_steps": 2,
        "num_devices": 1,
        "effective_batch_size": 16,
        "lr_scheduler_type": "linear",
        "warmup_ratio": 0.1,
        "optimizer": "adamw",
        "weight_decay": 0.0,
        "max_grad_norm": 1.0,
        "precision": "fp32",
        "seed": 7,
        "max_seq_length": 128,
        "num_epochs": 1,
    }
    dpo = {
        **both,
        "learning_rate": 1e-4,
        "beta": 5.0,
        "loss_type": "sigmoid_norm",
        "label_scope": "completion",
        **changes,
    }
    sft = {**both, "learning_rate": 1e-3, "label_scope": "all_tokens"}
    rows = Fact("dataset_rows", 1920, Origin.STATED, printed="1,920")
    return spec(
        (
            stage(
                "sft",
                "SFT",
                base="org/tiny",
                produces="org/tiny-sft",
                datasets=(DatasetRef("org/sft-data", rows=rows),),
                of=facts(40, **sft),
            ),
            stage(
                "dpo",
                "DPO",
                base="org/tiny-sft",
                produces="org/tiny-dpo",
                datasets=(DatasetRef("org/pairs", rows=rows),),
                of=facts(60, **dpo),
            ),
        ),
        of=(
            stated("framework", "TRL", 12),
            stated("framework_version", "1.16.0", 13),
            stated("model_id", "org/tiny-dpo", 1),
        ),
        claims=(loss("dpo", 25, 0.69), steps("dpo", 120)),
    )


def repo(repo_id: str, kind: str = "model", role: str = "base", **values: Any) -> Repo:
    found = tuple(Fact(k, v, Origin.FOUND, span=Span(f"{repo_id}@f00:config.json", 1, 1)) for k, v in values.items())
    return Repo(repo_id, kind, role, "f00", f"hub example@f00 {repo_id}", facts=found)
