"""What is publicly known of the model families that cards build on: licence, vocabulary, size."""

from __future__ import annotations

import re
from dataclasses import dataclass

from repro.card import Span
from repro.evidence import Evidence
from repro.number import Interval
from repro.spec import AnyFact, Spec, Stage


@dataclass(frozen=True, slots=True)
class Lineage:
    """One family of base models whose licence travels with every derived model."""

    name: str
    pattern: re.Pattern[str]
    """Of a repository's name (the part after the owner), lower case."""
    licence: str
    """The Hub's id of its licence."""
    licence_words: str
    """Words by which prose names that licence, lower case."""
    link_version: str
    """What the licence's own web address has in it."""
    name_prefix: str
    """With what a derived model's name must begin; empty when nothing is asked."""
    built_with: str
    """What must be displayed; empty when nothing is asked."""
    notice: str
    """A part of the notice that copies must keep; empty when nothing is asked."""
    special_tokens: frozenset[str] | None = None
    """Tokens of the vocabulary that mark an end or a pad; None where the table does not say."""


_LLAMA_3_TOKENS = frozenset(
    {"<|begin_of_text|>", "<|end_of_text|>", "<|finetune_right_pad_id|>", "<|eom_id|>", "<|eot_id|>"}
    | {"<|start_header_id|>", "<|end_header_id|>", "<|python_tag|>"}
)


def _llama(version: str, *, link: str, prefix: str, built_with: str) -> Lineage:
    dotted = re.escape(version).replace(r"\.", "[._]")
    return Lineage(
        name=f"Llama {version}",
        pattern=re.compile(rf"(?<![a-z])(?:meta-)?llama[-_ ]?{dotted}(?![.\d])(?!_\d)"),
        licence=f"llama{version}",
        licence_words=f"llama {version} community license",
        link_version=link,
        name_prefix=prefix,
        built_with=built_with,
        notice=f"llama {version} is licensed under the",
        special_tokens=_LLAMA_3_TOKENS if version.startswith("3") else frozenset({"<s>", "</s>", "<unk>"}),
    )


LINEAGES: tuple[Lineage, ...] = (
    _llama("3.3", link="llama3_3", prefix="Llama", built_with="Built with Llama"),
    _llama("3.2", link="llama3_2", prefix="Llama", built_with="Built with Llama"),
    _llama("3.1", link="llama3_1", prefix="Llama", built_with="Built with Llama"),
    _llama("3", link="llama3", prefix="Llama 3", built_with="Built with Meta Llama 3"),
    _llama("2", link="llama-2", prefix="", built_with=""),
)
"""Meta's licence texts (github.com/meta-llama/llama-models, models/*/LICENSE, section 1.b)."""

SIZES: dict[str, int] = {
    "llama-3.1-8b": 8_030_261_248,
    "meta-llama-3.1-8b": 8_030_261_248,
    "meta-llama-3-8b": 8_030_261_248,
    "llama-3.2-1b": 1_235_814_400,
    "llama-2-7b-hf": 6_738_415_616,
    "mistral-7b-v0.1": 7_241_732_096,
}
"""Parameters of base models by their published safetensors headers or by their shapes."""

DATASET_ROWS: dict[str, tuple[tuple[int, str], ...]] = {
    "allenai/llama-3.1-tulu-3-8b-preference-mixture": ((271_409, "its metadata"), (272_898, "its own prose")),
    "allenai/tulu-3-sft-mixture": ((939_343, "its metadata"), (939_344, "its own prose")),
}
"""Rows of well-known data sets as their own cards give them; a Hub's answer stands over this."""

_SIZE_WORD = re.compile(r"(?<![\w.])(\d{1,4}(?:\.\d{1,3})?)(b|m)(?![a-z0-9])")


def tail(repo_id: str) -> str:
    """The name without its owner, lower case."""
    return repo_id.rstrip("/").rsplit("/", 1)[-1].lower()


def bases(spec: Spec, evidence: Evidence) -> list[AnyFact]:
    """Every model that the card or its parents' cards name as a starting point."""
    facts = [f for s in (spec, *evidence.parents) for f in (*s.all("base_model"), *(t.base for t in s.stages))]
    return [f for f in facts if f.known and str(f.value).strip().lower() not in {"", "none", "unknown"}]


def lineages(spec: Spec, evidence: Evidence) -> list[tuple[Lineage, str, Span | None]]:
    """The families of the named bases: (family, the base that shows it, where it is named)."""
    found: dict[str, tuple[Lineage, str, Span | None]] = {}
    # the maker's own repository shows the family best
    for fact in sorted(bases(spec, evidence), key=lambda f: not str(f.value).lower().startswith("meta-llama/")):
        values = fact.value if isinstance(fact.value, tuple) else (fact.value,)
        for value in map(str, values):
            family = next((f for f in LINEAGES if f.pattern.search(tail(value))), None)
            if family and family.name not in found:
                found[family.name] = (family, value, fact.span)
    return list(found.values())


def size_in_name(name: str) -> float | None:
    """Parameters as a name says them ("8B"); None when it says none or several."""
    words = {m.group(0): m for m in _SIZE_WORD.finditer(tail(name).replace("-", " ").replace("_", " "))}
    if len(words) != 1:
        return None
    match = next(iter(words.values()))
    return float(match.group(1)) * (1e9 if match.group(2) == "b" else 1e6)


def parameters(spec: Spec, evidence: Evidence) -> tuple[Interval, str] | None:
    """The model's parameters as an interval, and how they are known."""
    for repo in (*evidence.role("subject"), *evidence.role("base")):
        fact = repo.get("total_params")
        if isinstance(fact.value, int | float) and fact.value > 0:
            return Interval.point(float(fact.value)), f"{repo.source}"
    stated = spec.get("total_params")
    if isinstance(stated.value, int | float) and stated.value > 0:
        return Interval.around(float(stated.value), abs(stated.value) * 0.05), "stated in the card"
    names = [str(f.value) for f in bases(spec, evidence)]
    for name in names:
        if tail(name) in SIZES:
            return Interval.point(float(SIZES[tail(name)])), f"{name} has {SIZES[tail(name)]:,} parameters"
    for name in [*names, str(spec.get("model_id").value or ""), spec.name]:
        if size := size_in_name(name):
            # "7B" names models of 6.2 to 7.7 billion parameters
            return Interval.around(size, 0.12 * size), f"the name {name} says {size / 1e9:g}B"
    return None


def dataset_rows(repo_id: str, evidence: Evidence) -> list[tuple[int, str]]:
    """Row counts known for a data set, each with who says so."""
    repo = evidence.repo(repo_id)
    fact = repo.get("num_rows") if repo else None
    if repo and fact and isinstance(fact.value, int):
        return [(fact.value, repo.source)]
    return list(DATASET_ROWS.get(repo_id.lower(), ()))


def stage_fact(stage: Stage, key: str, evidence: Evidence) -> AnyFact:
    """A parameter of the stage, from the card or else from the card of the model that the stage made."""
    own = stage.get(key)
    if own.known or not stage.produces.known:
        return own
    for parent in evidence.parents:
        for other in parent.stages:
            names = {str(other.produces.value), str(parent.get("model_id").value)}
            if str(stage.produces.value) in names and other.get(key).known:
                return other.get(key)
    return own


HYPERPARAMETERS = [
    "learning_rate",
    "effective_batch_size",
    "per_device_batch_size",
    "gradient_accumulation_steps",
    "num_epochs",
    "max_steps",
    "max_seq_length",
    "lr_scheduler_type",
    "warmup_ratio",
    "warmup_steps",
    "beta",
    "loss_type",
    "optimizer",
    "weight_decay",
    "precision",
    "seed",
]


def stated_hyperparameters(stage: Stage, evidence: Evidence | None = None) -> list[AnyFact]:
    """The stage's hyperparameters that somebody states."""
    facts = [stage_fact(stage, k, evidence) if evidence else stage.get(k) for k in HYPERPARAMETERS]
    return [f for f in facts if f.known]


def settings_are_shown(spec: Spec, stage: Stage) -> bool:
    """Whether a stage's settings stand in code (a command, a config file, a call): what it leaves out is a default."""
    blocks = [(b.span.line, b.span.end_line) for b in spec.code]
    facts = stated_hyperparameters(stage) if blocks else []
    return bool(facts) and all(f.span and any(a <= f.span.line <= b for a, b in blocks) for f in facts)


def is_preference(stage: Stage) -> bool:
    """Whether the stage trains on preference pairs by a DPO-like loss."""
    text = f"{stage.name} {stage.method}".lower()
    return "dpo" in text or "direct preference" in text


def is_sft(stage: Stage) -> bool:
    """Whether the stage is supervised fine-tuning of a language model."""
    text = f"{stage.name} {stage.method}".lower()
    return "sft" in text or "supervised fine" in text or "instruction tun" in text
