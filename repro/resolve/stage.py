"""One stage without holes: every parameter settled, each with its origin."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from repro.evidence import Evidence, Repo
from repro.plan import REFERENCE_FREE, Hyperparameters, StagePlan
from repro.resolve.adapter import KEYS, QUANTIZATION, settle_adapter
from repro.resolve.assume import applies
from repro.resolve.batch import lay_out
from repro.resolve.choose import Chosen, choose
from repro.resolve.data import REPO_ID, named_datasets, settle_data
from repro.resolve.fill import Filling, parent_of
from repro.resolve.method import Judged
from repro.resolve.preference import settle_loss
from repro.resolve.recipes import framework_of
from repro.resolve.steps import Steps, settle_steps, settle_warmup
from repro.resolve.values import derived
from repro.semantics import CHOICES, Semantics
from repro.spec import AnyFact, Fact, Origin, Spec, Value

_COMMON = (
    "learning_rate",
    "max_seq_length",
    "lr_scheduler_type",
    "optimizer",
    "adam_beta1",
    "adam_beta2",
    "adam_epsilon",
    "weight_decay",
    "max_grad_norm",
    "precision",
    "master_weights",
    "loss_type",
    "label_scope",
    "logging_steps",
    "seed",
)
_TULU = re.compile(r"<\|user\|>[ \t]*\n[^<]*\n<\|assistant\|>")
"""A user's turn that ends without an end-of-sequence token, which tells Tulu's template from Zephyr's."""
_ORDER = (
    *("base_model", "dataset", "dataset_fraction", "dataset_rows", "num_epochs", "max_steps", "expected_steps"),
    *("effective_batch_size", "gradient_accumulation_steps", "micro_batch", "per_device_batch_size", "num_devices"),
    *("learning_rate", "lr_scheduler_type", "warmup_ratio", "warmup_steps", "loss_type", "beta"),
    *("gamma_beta_ratio", "simpo_gamma", "label_smoothing"),
    *("loss_reduction", "label_scope", "chat_template", "max_seq_length"),
    *("adapter", *KEYS, *QUANTIZATION),
)
"""The order in which a person asks for them; the others follow."""
_OWN = {"sft": ("loss_reduction",), "dpo": ("beta", "label_smoothing")}


@dataclass(frozen=True, slots=True)
class Settled:
    """A filled stage: its plan where nothing is missing, and the filling with facts, holes and notes."""

    filling: Filling
    plan: StagePlan | None
    length: Steps


def settle_stage(
    judged: Judged,
    spec: Spec,
    evidence: Evidence,
    *,
    given: Mapping[str, Value],
    before: Sequence[tuple[str, str]],
    product: str,
    full: bool,
) -> Settled:
    """Fill one stage. `before` are the earlier stages as (name, product); `product` is the model it ends with;
    `full` asks for what only real weights and data need: the base's and the data sets' ids."""
    stage = judged.stage
    filling = Filling(
        spec=spec,
        stage=stage,
        method=judged.method,
        parent=parent_of(product, evidence, judged.method, stage.name)
        if product != spec.get("model_id").value
        else None,
        repo=_published(product, spec, evidence),
        given=given,
    )
    base, base_fact = _base(filling, before, full=full)
    refs = named_datasets(filling)
    for key in ("framework", "framework_version", "framework_commit", "date"):
        fact = filling.strong(key)
        if fact.known:
            name = framework_of(str(fact.value)) if key == "framework" else ""
            filling.put(replace(fact, value=name) if name else fact)
    filling.chosen = _recipes(filling, base_fact, refs_ids=[r.repo_id for r in refs])
    for key in (*_COMMON, *_OWN[judged.method]):
        filling.fill(key, judged.loss if key == "loss_type" else None)
    settle_loss(filling)
    adapter = settle_adapter(filling, judged.adapter)
    _lesser(filling)
    for key in CHOICES:
        unasked = key == "reference_log_probs" and filling.value("loss_type") in REFERENCE_FREE
        if applies(key, "", judged.method) and not unasked:
            filling.fill(key)
    _order_seed(filling)
    lay_out(filling)
    datasets = settle_data(filling, evidence, refs)
    if full:
        _real_data(filling)
    length = settle_steps(filling)
    count, ratio = settle_warmup(filling, length)
    if filling.holes:
        return Settled(filling, None, length)
    if filling.value("num_epochs") is None:
        filling.put(derived("num_epochs", length.epochs, "max_steps stands over it"))
    plan = StagePlan(
        name=stage.name,
        method=judged.method,
        base=base,
        produces=product,
        datasets=datasets,
        hyperparameters=_typed(filling, length, count, ratio),
        semantics=Semantics(**{key: str(filling.value(key) or "") for key in CHOICES}),
        facts=_ordered(filling.facts),
        expected_steps=length.expected,
        adapter=adapter,
    )
    return Settled(filling, plan, length)


def _published(product: str, spec: Spec, evidence: Evidence) -> Repo | None:
    """The repository of the model that the stage makes; the subject's, where the card is that model's."""
    own = next((r for r in evidence.repos if r.repo_id == product and r.kind == "model"), None)
    if own is None and product in {f.value for f in spec.all("model_id")}:
        own = next((r for r in evidence.role("subject") if r.kind == "model"), None)
    return own


def _ordered(facts: Mapping[str, AnyFact]) -> tuple[AnyFact, ...]:
    first = [key for key in _ORDER if key in facts]
    return tuple(facts[key] for key in (*first, *(key for key in facts if key not in first)))


def _base(filling: Filling, before: Sequence[tuple[str, str]], *, full: bool) -> tuple[str, AnyFact]:
    """(where the weights come from, the fact `base_model`): "<sft>" where an earlier stage made them."""
    stated = filling.strong("base_model")
    fact = stated if stated.known else replace(filling.stage.base, key="base_model")
    if not fact.known and filling.parent is not None and filling.parent[1].base.known:
        fact = replace(
            filling.parent[1].base,
            key="base_model",
            origin=Origin.FOUND,
            why=f"the card of the model it made ({filling.parent[0].source})",
        )
    if not fact.known and not before and len(filling.spec.stages) == 1:
        fact = replace(filling.spec.get("base_model"), key="base_model")
    for name, made in reversed(before):
        if fact.known and fact.value == made:
            return f"<{name}>", filling.put(fact)
    if not fact.known and before:
        name, made = before[-1]
        fact = Fact("base_model", made or f"<{name}>", Origin.DERIVED, why=f"not stated; the stage before it is {name}")
        return f"<{name}>", filling.put(fact)
    if not fact.known and full:
        filling.hole("base_model", "neither the card nor an artefact says what the stage starts from")
    elif full and not REPO_ID.fullmatch(str(fact.value)):
        filling.hole(
            "base_model", f"{str(fact.value)[:80]!r} is not a repository id (organisation/name)", str(fact.span or "")
        )
    return str(fact.value or ""), filling.put(fact)


def _recipes(filling: Filling, base: AnyFact, *, refs_ids: Sequence[str]) -> Chosen:
    return choose(
        filling.method,
        framework=str(filling.value("framework") or ""),
        version=str(filling.value("framework_version") or ""),
        commit=str(filling.value("framework_commit") or ""),
        date=str(filling.value("date") or ""),
        base=str(base.value or ""),
        datasets=refs_ids,
    )


def _lesser(filling: Filling) -> None:
    """Parameters that follow from others, or that may stay open."""
    seed = filling.facts["seed"]
    follows = derived("data_seed", seed.value, "the same as seed") if seed.value is not None else None
    own = filling.recipe("data_seed")
    filling.fill("data_seed", own if own.known else follows)
    filling.put(_template(filling))
    for key in ("packing", "gradient_checkpointing"):
        fact = filling.strong(key)
        filling.put(fact if fact.known else filling.recipe(key))
        if not filling.facts[key].known:
            del filling.facts[key]
    plain = any(f.known and f.value == "adam" for f in filling.stage.all("optimizer"))
    if plain and filling.value("weight_decay"):
        filling.note("Adam is computed as AdamW: the weight decay is decoupled, as the Trainer's is.")
    if filling.value("precision") == "fp16":
        filling.note("fp16 is computed in bf16: the same width, other rounding.")


def _order_seed(filling: Filling) -> None:
    """A data_seed that nobody gave is the seed's: the order then follows the seed, which another run has otherwise."""
    fact, data_seed = filling.facts["sampler_seed"], filling.facts["data_seed"]
    if fact.value == "data_seed" and data_seed.origin is Origin.DERIVED:
        filling.put(replace(fact, value="seed", why=f"{fact.why}; no data_seed is given, so the training seed"))


def _template(filling: Filling) -> AnyFact:
    """ "tulu" or "model", the tokenizer's own: by name, by the template that the card shows, or by the recipe."""
    fact = filling.strong("chat_template")
    if not fact.known:
        shown = next((c for c in filling.spec.code if c.role == "template" and _TULU.search(c.text)), None)
        if shown is not None:
            return Fact("chat_template", "tulu", Origin.STATED, span=shown.span, why="the template that the card shows")
        fact = filling.recipe("chat_template")
    if not fact.known:
        return Fact("chat_template", "model", Origin.ASSUMED, why="nobody says; the tokenizer's own")
    name = str(fact.value).lower().strip()
    if name in {"tulu", "model"}:
        return replace(fact, value=name)
    return replace(fact, value="model", why=f"the card calls it {str(fact.value)[:40]!r}: the tokenizer's own is used")


def _real_data(filling: Filling) -> None:
    fact = filling.facts.get("dataset")
    names = fact.value if fact else None
    if names is None:
        filling.hole("dataset", "neither the card nor an artefact names the data")
    for name in names if isinstance(names, tuple) else (names,):
        if name is not None and not REPO_ID.fullmatch(str(name)):
            where = str(fact.span) if fact and fact.span else ""
            filling.hole("dataset", f"{str(name)[:80]!r} is not a repository id (organisation/name)", where)
    if filling.value("packing") is True:
        where = str(filling.facts["packing"].span or "")
        filling.hole("packing", "rows are packed, which this version cannot regenerate", where)


def _typed(filling: Filling, length: Steps, warmup_steps: int | None, warmup_ratio: float) -> Hyperparameters:
    def real(key: str, default: float = 0.0) -> float:
        value = filling.value(key)
        return float(value) if isinstance(value, (int, float)) else default

    def whole(key: str) -> int:
        value = filling.value(key)
        assert isinstance(value, int), key
        return value

    def word(key: str, default: str = "") -> str:
        return str(filling.value(key) or default)

    precision = word("precision")
    return Hyperparameters(
        learning_rate=real("learning_rate"),
        effective_batch_size=whole("effective_batch_size"),
        gradient_accumulation_steps=whole("gradient_accumulation_steps"),
        per_device_batch_size=whole("per_device_batch_size"),
        num_devices=whole("num_devices"),
        max_seq_length=whole("max_seq_length"),
        num_epochs=length.epochs,
        max_steps=length.max_steps,
        lr_scheduler_type=word("lr_scheduler_type"),
        warmup_steps=warmup_steps,
        warmup_ratio=warmup_ratio,
        optimizer=word("optimizer"),
        adam_beta1=real("adam_beta1"),
        adam_beta2=real("adam_beta2"),
        adam_epsilon=real("adam_epsilon"),
        weight_decay=real("weight_decay"),
        max_grad_norm=real("max_grad_norm"),
        precision="bf16" if precision == "fp16" else precision,
        master_weights=word("master_weights"),
        seed=whole("seed"),
        data_seed=whole("data_seed"),
        logging_steps=whole("logging_steps"),
        loss_type=word("loss_type"),
        loss_reduction=word("loss_reduction", "mean"),
        label_scope=word("label_scope"),
        beta=real("beta"),
        label_smoothing=real("label_smoothing"),
        chat_template=word("chat_template"),
        gamma_beta_ratio=real("gamma_beta_ratio"),
    )
