"""A spec without holes: every value a run needs, each with its origin, and what was scaled."""

from __future__ import annotations

from dataclasses import dataclass

from repro.memory import Fit, ModelShape, Part, Pass
from repro.price import Prices
from repro.semantics import Semantics
from repro.spec import AnyFact, missing
from repro.task import Scale, Start

PREFERENCE_LOSSES = ("dpo", "dpo_norm", "simpo", "ipo")
"""Losses on preference pairs that training has, as `Hyperparameters.loss_type` names them."""
REFERENCE_FREE = frozenset({"simpo"})
"""Those of them that need no log-probabilities of a reference model."""


@dataclass(frozen=True, slots=True)
class Hyperparameters:
    """One stage's training parameters, typed and complete; `StagePlan.facts` says where each came from."""

    learning_rate: float
    effective_batch_size: int
    """Sequences (SFT) or pairs (DPO) per optimizer step, over all devices."""
    gradient_accumulation_steps: int
    per_device_batch_size: int
    num_devices: int
    max_seq_length: int
    num_epochs: float
    max_steps: int | None
    """Stands over num_epochs when given."""
    lr_scheduler_type: str
    warmup_steps: int | None
    """Stands over warmup_ratio when given."""
    warmup_ratio: float
    optimizer: str
    adam_beta1: float
    adam_beta2: float
    adam_epsilon: float
    weight_decay: float
    max_grad_norm: float
    """0 is no clipping."""
    precision: str
    """"bf16" or "fp32", of the computation; master weights are float32 unless `master_weights` says otherwise."""
    master_weights: str
    seed: int
    data_seed: int
    logging_steps: int
    loss_type: str
    """SFT: "cross_entropy"; DPO: one of `PREFERENCE_LOSSES`."""
    loss_reduction: str
    """SFT: "mean" (mean of per-micro-batch token means), "token_mean" (over the window's tokens),
    "process_token_mean" (over each process's own, then over processes) or "sum"."""
    label_scope: str
    """"all_turns", "last_turn", "completion" or "all_tokens"."""
    beta: float
    label_smoothing: float
    chat_template: str
    """"tulu", or "model" (the tokenizer's own)."""
    gamma_beta_ratio: float = 0.0
    """SimPO's target reward margin over beta; nothing else has one."""


@dataclass(frozen=True, slots=True)
class Adapter:
    """Low-rank adapters (LoRA: Hu et al. 2021, arXiv:2106.09685), trained in place of weights that stay as they are."""

    r: int
    """Rank."""
    alpha: float
    """The update is multiplied by alpha / r, with `use_rslora` by alpha / sqrt(r)."""
    dropout: float
    target_modules: tuple[str, ...]
    """Names of the layers that carry one; ("all-linear",) is every linear layer but the output's, and none at all is
    peft's own choice for the model's type."""
    bias: str
    """"none", "all" or "lora_only": which biases train too."""
    use_rslora: bool
    quantization: str = ""
    """How the frozen weights are held (QLoRA): "nf4", "fp4" or "int8"; empty for as they are."""
    double_quantization: bool = False


@dataclass(frozen=True, slots=True)
class DatasetPlan:
    """One data set of a stage and how much of it is used."""

    repo_id: str
    revision: str
    split: str
    fraction: float | None
    """Share sampled; None when `rows` is given or when all are used."""
    rows: int | None
    """Rows sampled (before filters)."""
    total_rows: int | None
    """Rows in the whole set, where known."""


@dataclass(frozen=True, slots=True)
class StagePlan:
    """One stage with no holes."""

    name: str
    method: str
    """"sft" or "dpo" (on preference pairs, by whichever loss)."""
    base: str
    """Repository id of the starting weights; "<stage>" names the stage before it."""
    produces: str
    datasets: tuple[DatasetPlan, ...]
    hyperparameters: Hyperparameters
    semantics: Semantics
    """What frameworks do differently where no hyperparameter says it: training reads these, never a name."""
    facts: tuple[AnyFact, ...]
    """Every value with its origin (one a key), datasets' rows, expected_steps and warmup included."""
    expected_steps: int | None
    """Optimizer steps that this plan will take; None where the row count is unknown until the download."""
    adapter: Adapter | None = None
    """What trains in place of the weights; None where all weights train."""

    def get(self, key: str) -> AnyFact:
        return next((f for f in self.facts if f.key == key and f.known), missing(key))

    @property
    def parent(self) -> str:
        """The name of the stage of the same run whose model this one starts from; empty for a published start."""
        inner = self.base.startswith("<") and self.base.endswith(">")
        return self.base[1:-1] if inner else ""


@dataclass(frozen=True, slots=True)
class Scaled:
    """One quantity that the proxy does not keep, and by which rule it was chosen."""

    stage: str
    name: str
    full: str
    proxy: str
    why: str


@dataclass(frozen=True, slots=True)
class ProxyModel:
    """The stand-in: a Llama that the project makes and trains itself."""

    vocab_size: int
    hidden_size: int
    intermediate_size: int
    num_layers: int
    num_heads: int
    num_key_value_heads: int
    pretraining_steps: int
    """Steps of plain next-token training on synthetic text that make the "base" model."""


@dataclass(frozen=True, slots=True)
class Feasibility:
    """What one stage costs at full scale; None where the model's size is not known."""

    stage: str
    parameters: int | None
    weights_gb: float | None
    training_memory_gb: float | None
    """Over all devices: weights as the optimizer has them, gradients and AdamW's two moments; `parts` has the rest."""
    tokens: int | None
    device_hours: float | None
    how: str
    """The formula with its numbers."""
    shape: ModelShape | None = None
    work: Pass | None = None
    """One process's largest pass."""
    devices: int = 1
    """For which `parts` are."""
    parts: tuple[Part, ...] = ()
    """The memory of one device, part by part, where the shape is known."""
    fits: tuple[Fit, ...] = ()
    """How many of each card the stage takes at least."""
    modules: tuple[tuple[str, int], ...] = ()
    """(kind of module, parameters), where a dry run built the model."""


@dataclass(frozen=True, slots=True)
class Command:
    """A command that would run a stage elsewhere."""

    title: str
    text: str


@dataclass(frozen=True, slots=True)
class Plan:
    """What will be run. Two plans differ only in what they say they differ in."""

    card: str
    scale: Scale
    seeds: tuple[int, ...]
    """One run a seed; the first is the recipe's own."""
    stages: tuple[StagePlan, ...]
    recipe: str
    """Name, commit and date of the recipe that filled the holes, or empty."""
    scaled: tuple[Scaled, ...] = ()
    proxy: ProxyModel | None = None
    feasibility: tuple[Feasibility, ...] = ()
    commands: tuple[Command, ...] = ()
    notes: tuple[str, ...] = ()
    """Conflicts and how they were settled, announcements a reader must see."""
    start: Start = Start.REGENERATED
    """What the stages start from whose parent the card describes too."""
    prices: Prices | None = None
    """What deciding the card's claims costs; None where it was not asked."""
    left_out: tuple[str, ...] = ()
    """Stages of the card that are not regenerated because others were asked for."""

    def stage(self, name: str) -> StagePlan | None:
        return next((s for s in self.stages if s.name == name), None)
