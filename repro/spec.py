"""What a card says, typed: facts with their origin, stages, and claims that can be true or false."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Generic, TypeAlias, TypeVar

from repro.card import Ignore, Problem, Span
from repro.number import Number

Value: TypeAlias = bool | int | float | str | tuple[str, ...]
T_co = TypeVar("T_co", covariant=True)


class Origin(StrEnum):
    """How a value is known, strongest first."""

    STATED = "stated"
    """The card says so."""
    FOUND = "found"
    """An artefact at a pinned revision says so: the parent's card, a config file, a trainer's log."""
    DERIVED = "derived"
    """Follows from other facts by the formula in `why`."""
    ASSUMED = "assumed"
    """A recipe's default at a named commit, or the user's --assume."""
    MISSING = "missing"
    """Nobody says: unknown is a value."""


@dataclass(frozen=True, slots=True)
class Fact(Generic[T_co]):
    """One value, where it came from and why it is believed."""

    key: str
    """The field's standard term: learning_rate, effective_batch_size, beta, ... (see `KEYS`)."""
    value: T_co | None
    """None only when `origin` is MISSING, or when what was printed could not be read (`why` says so)."""
    origin: Origin
    printed: str = ""
    """The characters as they stand in the source; empty for what nobody printed."""
    span: Span | None = None
    why: str = ""
    """The formula, the recipe's commit and file, the artefact, or the reason it could not be read."""
    number: Number | None = None
    """For numeric facts that were printed: the digits, for interval arithmetic."""

    @property
    def known(self) -> bool:
        return self.value is not None


AnyFact: TypeAlias = Fact[Value]


@lru_cache(maxsize=1024)
def missing(key: str, why: str = "the card does not say") -> AnyFact:
    return Fact(key=key, value=None, origin=Origin.MISSING, why=why)


_SWITCHES = (
    "group_by_length tf32 lora_target_linear load_in_4bit load_in_8bit llm_int8_enable_fp32_cpu_offload "
    "llm_int8_has_fp16_weight bnb_4bit_use_double_quant merge_normalize merge_rescale merge_int8_mask use_rslora"
)
KEYS: dict[str, str] = {
    # --- what a training stage needs; the word after the key is what the value is
    "learning_rate": "peak learning rate",
    "effective_batch_size": "sequences (SFT) or pairs (DPO) per optimizer step, over all devices",
    "per_device_batch_size": "sequences or pairs per device and micro-step",
    "gradient_accumulation_steps": "micro-steps per optimizer step",
    "num_devices": "processes that train",
    "max_seq_length": "tokens, longer rows are truncated on the right",
    "num_epochs": "passes over the data (may be a fraction)",
    "max_steps": "optimizer steps, standing over num_epochs",
    "lr_scheduler_type": "linear, cosine, constant, constant_with_warmup, ...",
    "warmup_ratio": "share of the optimizer steps",
    "warmup_steps": "optimizer steps",
    "beta": "DPO's beta",
    "loss_type": "dpo, dpo_norm, simpo, ipo, ... (sigmoid is dpo, sigmoid_norm is dpo_norm)",
    "label_smoothing": "cDPO's epsilon",
    "gamma_beta_ratio": "SimPO's target margin over beta",
    "simpo_gamma": "SimPO's target margin, gamma",
    "loss_reduction": "SFT: mean (of per-pass token means), token_mean or process_token_mean (of a step's tokens), sum",
    "label_scope": "all_turns (every assistant turn), last_turn, completion (after the shared prompt), all_tokens",
    "optimizer": "adamw, ...",
    "adam_beta1": "",
    "adam_beta2": "",
    "adam_epsilon": "",
    "weight_decay": "as AdamW decouples it",
    "max_grad_norm": "clipping threshold; 0 is no clipping",
    "precision": "bf16, fp16, fp32 (of the computation)",
    "master_weights": "precision in which the optimizer keeps the weights",
    "seed": "training seed",
    "data_seed": "seed of the sample drawn from the data set",
    "gradient_checkpointing": "true or false",
    "packing": "true or false",
    "logging_steps": "optimizer steps averaged into one logged loss",
    "chat_template": "tulu, chatml, model (the tokenizer's own), ...",
    "dataset_fraction": "share of the data set's rows that was used, 0 to 1",
    "dataset_rows": "rows used after sampling (before filters)",
    "effective_batch_tokens": "tokens per optimizer step, over all devices",
    "eval_batch_size": "rows per device in an evaluation during training",
    "total_eval_batch_size": "rows over all devices in an evaluation during training",
    "eval_steps": "optimizer steps between evaluations (below 1: a share of all steps)",
    "save_steps": "optimizer steps between saved checkpoints (below 1: a share of all steps)",
    "val_set_size": "share (below 1) or rows of the training data held out for evaluation",
    "distributed_type": "as the trainer prints it: multi-GPU, ...",
    "train_tokens": "tokens trained on, over all steps",
    "min_learning_rate": "learning rate at the end of the schedule",
    "min_lr_ratio": "learning rate at the end of the schedule, as a share of the peak",
    "dropout": "probability",
    "neftune_alpha": "NEFTune's noise",
    "bf16": "false where a card says so; true is `precision`",
    "fp16": "false where a card says so; true is `precision`",
    "adapter": "lora, qlora, ...",
    "lora_r": "rank",
    "lora_alpha": "scale; the update is multiplied by lora_alpha / lora_r",
    "lora_dropout": "probability",
    "lora_target_modules": "names of the layers that carry an adapter",
    "lora_bias": "none, all or lora_only",
    "quant_method": "bitsandbytes, gptq, ...: of the frozen base under an adapter",
    "llm_int8_threshold": "",
    "bnb_4bit_quant_type": "fp4, nf4",
    "bnb_4bit_compute_dtype": "",
    **dict.fromkeys(_SWITCHES.split(), "true or false"),
    # --- a merge, which is a stage without training
    "merge_method": "linear, slerp, ties, dare_ties, model_stock, ...",
    "merge_model": "a model that goes into a merge",
    "merge_weight": "of one model in a merge",
    "merge_density": "share of one model's changes that a merge keeps",
    "merge_epsilon": "DELLA's spread of the densities",
    "merge_lambda": "scale of the merged changes",
    "merge_t": "SLERP's place between the two models",
    "merge_gamma": "share of outlying changes dropped",
    "merge_select_topk": "share of the elements that SCE keeps",
    "framework": "open-instruct, trl, axolotl, ...",
    "framework_version": "",
    "framework_commit": "",
    "hardware": "as printed",
    # --- what identifies a model
    "model_id": "the repository that the card describes",
    "base_model": "the repository it was trained from",
    "license": "",
    "library_name": "",
    "language": "",
    "pipeline_tag": "",
    "tags": "",
    "datasets": "",
    "date": "ISO date or year the card or the training bears",
    "total_params": "parameters",
}
"""Standard terms that facts use, with what each value is. Dialects map their spellings onto these."""


@dataclass(frozen=True, slots=True)
class ModelRef:
    """A model repository that a card names."""

    repo_id: str
    revision: str = ""
    span: Span | None = None


@dataclass(frozen=True, slots=True)
class DatasetRef:
    """A data set that a stage trains on; a share or a row count where the card gives one."""

    repo_id: str
    """The repository id where one is known, else the name as printed ("Tulu-3 SFT mixture")."""
    revision: str = ""
    fraction: AnyFact = Fact("dataset_fraction", None, Origin.MISSING)
    rows: AnyFact = Fact("dataset_rows", None, Origin.MISSING)
    span: Span | None = None
    origin: Origin = Origin.STATED


@dataclass(frozen=True, slots=True)
class Stage:
    """One training stage: what it starts from, on what data, with which parameters."""

    name: str
    """"sft", "dpo", or another short word ("pretraining", "fine-tuning"); unique within a Spec."""
    method: str
    """As the card calls it: "Direct Preference Optimization (DPO)"."""
    base: AnyFact
    """Model the stage starts from (value: repo id), MISSING when nobody says."""
    produces: AnyFact
    """Model the stage ends with (value: repo id)."""
    datasets: tuple[DatasetRef, ...]
    facts: tuple[AnyFact, ...]
    """Every parameter that anyone states for this stage; two facts with one key are a conflict and both stay."""
    span: Span | None = None

    def get(self, key: str) -> AnyFact:
        """The first fact of that key with a value, or a MISSING one."""
        for fact in self.facts:
            if fact.key == key and fact.value is not None:
                return fact
        return missing(key)

    def all(self, key: str) -> tuple[AnyFact, ...]:
        return tuple(f for f in self.facts if f.key == key)


class ClaimKind(StrEnum):
    CONFIG = "config"
    """A training parameter."""
    DATA = "data"
    """Rows, share, sampling."""
    LOSS = "loss"
    """A loss at a step or epoch."""
    CHANGE = "change"
    """A relative change between two other claims ("-8.6%")."""
    STEPS = "steps"
    """How many optimizer steps a stage took."""
    EVAL = "eval"
    """A score."""
    INFERENCE = "inference"
    """Memory, hardware."""
    USAGE = "usage"
    """A code block runs."""
    IDENTITY = "identity"
    """Base model, data sets, licence, framework."""


@dataclass(frozen=True, slots=True)
class Claim:
    """Something the card says that can be true or false."""

    id: str
    """Stable within a card and unique: "dpo.loss@103", "dpo.change@103", "dpo.learning_rate", "vram.bf16"."""
    kind: ClaimKind
    text: str
    """What is claimed, in words a reader knows: "training loss at step 103"."""
    printed: str
    """As printed: "0.634", "TBD"."""
    span: Span
    value: Value | None = None
    """Parsed; None when left open ("TBD") or unreadable."""
    number: Number | None = None
    stage: str = ""
    """The stage's name, or empty."""
    step: int | None = None
    epoch: float | None = None
    window: int = 1
    """Optimizer steps averaged into the claimed figure, ending at `step`."""
    split: str = "train"
    task: str = ""
    metric: str = ""
    refers_to: tuple[str, ...] = ()
    """For CHANGE: ids of (reference claim, claim) as the change is from the first to the second."""
    conditions: tuple[AnyFact, ...] = ()
    """What the figure was measured under: harness, version, shots, hardware."""
    cell_start: int | None = None
    cell_end: int | None = None
    """Byte offsets of the printed value in the card, when it stands in a table cell that could be filled."""

    @property
    def unstated(self) -> bool:
        """The card announces a figure and leaves it open."""
        return self.value is None and self.number is None


@dataclass(frozen=True, slots=True)
class CodeBlock:
    """Code that a card shows; never executed unless the user asks for it."""

    language: str
    text: str
    span: Span
    role: str = ""
    """"usage", "serving", "template", "pipeline", "config", "citation", "log" or empty."""


@dataclass(frozen=True, slots=True)
class Spec:
    """Everything one card says."""

    source: str
    name: str
    card_sha256: str
    dialect: str
    facts: tuple[AnyFact, ...]
    """Facts about the model as a whole; conflicts stay side by side."""
    stages: tuple[Stage, ...]
    """In the order in which they were trained."""
    claims: tuple[Claim, ...]
    code: tuple[CodeBlock, ...]
    problems: tuple[Problem, ...] = ()
    text: str = ""
    """The card's text as decoded, for checks that look for words and for reports that quote lines."""
    ignores: tuple[Ignore, ...] = ()
    """Checks that the card itself asks to ignore, for the whole card."""

    def get(self, key: str) -> AnyFact:
        """The first fact of that key with a value, or a MISSING one."""
        for fact in self.facts:
            if fact.key == key and fact.value is not None:
                return fact
        return missing(key)

    def all(self, key: str) -> tuple[AnyFact, ...]:
        return tuple(f for f in self.facts if f.key == key)

    @property
    def model_id(self) -> str:
        """The repository that the card describes, or empty."""
        return str(self.get("model_id").value or "")

    @property
    def trainings(self) -> tuple[Stage, ...]:
        """The stages that train: a merge has no learning rate to state."""
        return tuple(s for s in self.stages if not s.name.startswith("merge"))

    def stage(self, name: str) -> Stage | None:
        return next((s for s in self.stages if s.name == name), None)

    def claim(self, claim_id: str) -> Claim | None:
        return next((c for c in self.claims if c.id == claim_id), None)
