"""The framework that trained a stage, its version, and the defaults that changed between versions."""

from __future__ import annotations

import re
from dataclasses import dataclass

from repro.check.wording import search
from repro.spec import AnyFact, Fact, Origin, Spec, Stage, missing

_VERSION = re.compile(
    r"\b(open[- ]?instruct|trl|transformers|axolotl|llama[- ]?factory|unsloth|nemo|megatron[- ]?lm|torchtune)\b"
    r"[`*\])]{0,3}(?:\s*\|\s*|[\s:=@v]{1,6}|\s+(?:version|commit)\W{1,4})(v?\d+\.\d+[\w.]*|[0-9a-f]{7,40}\b)",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Drift:
    """A default that changed: where the field is not stated, its meaning depends on the version."""

    framework: str
    stage: str
    """"dpo", "sft" or empty for both."""
    key: str
    text: str


LIBRARIES = frozenset({"transformers", "pytorch", "peft", "accelerate", "deepspeed", "sentence-transformers"})
"""Named in cards for loading, or for who made the model, as much as for training."""
DRIFTS: tuple[Drift, ...] = (
    Drift("open-instruct", "dpo", "beta", "beta 0.1 before commit 7917d41 (March 2026), 5 after"),
    Drift("open-instruct", "dpo", "loss_type", "loss type dpo before commit 7917d41, dpo_norm after"),
    Drift("open-instruct", "dpo", "num_epochs", "2 epochs before commit 7917d41, 1 after"),
    Drift("open-instruct", "dpo", "warmup_ratio", "warm-up 0.03 before commit 7917d41, 0.1 after"),
    Drift(
        "open-instruct",
        "sft",
        "loss_reduction",
        "sum over tokens could be chosen until commit bb98dbc (September 2025)",
    ),
    Drift(
        "trl", "sft", "loss_reduction", "mean of micro-batch means before transformers 4.46, mean over all tokens after"
    ),
    Drift("transformers", "sft", "loss_reduction", "mean of micro-batch means before 4.46, mean over all tokens after"),
)
"""open-instruct@7917d41 and @bb98dbc; transformers pull request 34191."""


def framework(spec: Spec, stage: Stage) -> AnyFact:
    """The training framework of the stage, or of the card as a whole."""
    fact = stage.get("framework")
    fact = fact if fact.known else spec.get("framework")
    # a sentence is a description of something else
    return fact if len(str(fact.value)) <= 40 else missing("framework")


def framework_version(spec: Spec, stage: Stage) -> AnyFact | None:
    """A stated version or commit of the framework; None when nobody states one."""
    for key in ("framework_commit", "framework_version"):
        for fact in (stage.get(key), spec.get(key)):
            if fact.known:
                return fact
    hits = search(spec, _VERSION, body_only=True)
    if not hits:
        return None
    printed = hits[0].match.group(2)
    return Fact("framework_version", f"({hits[0].match.group(1)} {printed})", Origin.STATED, printed, hits[0].span)
