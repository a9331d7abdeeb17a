"""The facts that regenerating a model takes, by how it was made: a row each, with its weight and why it matters."""

from __future__ import annotations

from dataclasses import dataclass

from repro.check.making import is_adapter, is_chat_model, is_language_model, is_of_preference
from repro.completeness import Making
from repro.spec import Spec, Stage


@dataclass(frozen=True, slots=True)
class Need:
    """One fact that a regeneration needs."""

    key: str
    label: str
    weight: int
    """Against the other needs of the same making: what goes wrong without it."""
    why: str
    assumed: str
    keys: tuple[str, ...] = ()
    """Facts of the stage or of the card that answer it, any of them; `key` itself when empty."""
    words: frozenset[str] = frozenset()
    """Words of the card, in lower case, any of which answers it too: a regeneration can then be begun by hand."""
    parts: tuple[str, ...] = ()
    """The same for pieces of text that are no whole words."""
    front: bool = False
    """It belongs in the front matter."""


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


_BASE = Need(
    "base_model", "model that training started from, or that there is none", 16,
    "From other starting weights no other figure of the card can come out.",
    "nothing: there is no default for it", front=True, parts=("from scratch", "random initiali", "randomly initiali"),
)  # fmt: skip
_DATA = Need(
    "datasets", "training data", 16,
    "Without the rows nothing can be trained, and nobody can look for test questions among them.",
    "nothing: there is no default for it", keys=("datasets", "dataset"), front=True,
)  # fmt: skip
_METHOD = Need(
    "method", "training method (SFT, DPO, ...)", 12,
    "The method decides the loss, and which further parameters there are.",
    "supervised fine-tuning, where the data has no pairs",
    words=_set("sft dpo ppo grpo orpo kto rlhf simpo mlm clm"),
    parts=("supervised fine", "instruction tun", "instruction-tun", "instruction fine", "language modeling",
           "language modelling", "type: alpaca", "type: sharegpt", "type: chat_template",
           "next token", "next-token", "preference optimi"),
)  # fmt: skip
_COMMON = (
    Need(
        "learning_rate", "peak learning rate", 9,
        "It moves the result more than any other number of a recipe.", "the framework's default",
    ),
    Need(
        "effective_batch_size", "batch size per optimizer step", 9,
        "With the epochs it fixes the number of steps, and the learning rate is tuned for it.",
        "the framework's default per device, on one device",
        keys=("effective_batch_size", "per_device_batch_size"),
    ),
    Need(
        "num_epochs", "epochs or steps", 9, "Trained for longer, a model is another model.",
        "the framework's default number of epochs", keys=("num_epochs", "max_steps"),
    ),
    Need(
        "framework_version", "version or commit of the training framework", 6,
        "Every unstated field means the default of one version, and defaults change.",
        "the release nearest to the card's date, else the newest known",
        keys=("framework_version", "framework_commit", "transformers_version", "trl_version"),
    ),
    Need(
        "framework", "training framework", 4, "Two frameworks read the same fields differently.",
        "none: the method's own definitions", keys=("framework", "transformers_version", "trl_version"),
        words=_set("transformers pytorch tensorflow keras trl axolotl nemo fairseq espnet jax flax unsloth"),
    ),
    Need(
        "lr_scheduler_type", "learning-rate schedule", 4,
        "It decides how much of the training runs at which rate.", "the framework's default (often linear decay)",
        words=_set("cosine polynomial"),
        parts=("linear decay", "linear schedul", "linear learning", "linearly", "constant learning",),
    ),
    Need(
        "optimizer", "optimizer, with betas and weight decay", 4,
        "Defaults of weight decay and beta2 differ between libraries.", "AdamW, betas 0.9 and 0.999",
        words=_set("adam adamw adafactor sgd lion muon rmsprop lamb"),
    ),
    Need(
        "dataset_rows", "rows used, or the sampled share", 3,
        "Rows over batch size is the number of steps; a sample of another size is another training.",
        "every row of the training split", keys=("dataset_rows", "dataset_fraction"),
    ),
    Need(
        "dataset_revision", "revision of the data set", 3, "Data sets are changed in place after a model is published.",
        "the revision of today",
    ),
    Need(
        "warmup_steps", "warm-up, as steps or as a share", 3,
        "Steps and ratio have different defaults, and a short run is all warm-up.", "the framework's default (often 0)",
        keys=("warmup_steps", "warmup_ratio"), words=_set("warmup"), parts=("warm-up", "warm up",),
    ),
    Need(
        "seed", "training seed", 3, "It orders the rows: single losses of two seeds differ by the batch noise.",
        "42, and several seeds to see what it matters", words=_set("seed seeds"),
    ),
    Need(
        "precision", "precision of training", 2, "Small learning rates are rounded away in half precision.",
        "bf16 with float32 master weights",
        words=_set("bf16 fp16 fp32 bfloat16 float16 float32"), parts=("mixed precision", "mixed-precision",),
    ),
    Need(
        "num_devices", "number and kind of devices", 2,
        "Micro-batches are per device: the same flags on more devices make a larger batch.", "one device",
        keys=("num_devices", "hardware"), words=_set("a100 h100 v100 p100 h200 t4 tpu tpus gpu gpus rtx"),
    ),
)  # fmt: skip
_LENGTH = Need(
    "max_seq_length", "token limit of a row", 4, "Longer rows are cut: another limit is other training text.",
    "the framework's default",
)  # fmt: skip
_TEMPLATE = Need(
    "chat_template", "chat template", 4, "A prompt in another form than training used costs points without an error.",
    "the base model's own template",
    words=_set("chatml"),
    parts=("chat template", "chat_template", "prompt template", "prompt format", "im_start|", "|user|", "[inst]"),
)  # fmt: skip
_REDUCTION = Need(
    "loss_reduction", "how token losses are averaged", 4,
    "A sum over tokens and a mean want learning rates an order of magnitude apart.",
    "the mean that the framework's version takes", keys=("loss_reduction", "framework_version", "framework_commit"),
)  # fmt: skip
_BETA = Need(
    "beta", "beta", 5, "It sets how far the policy may leave the reference.", "0.1, for summed log-probabilities"
)
_LOSS = Need(
    "loss_type", "variant of the loss", 3, "Summed and averaged log-probabilities want betas 50 times apart.",
    "the plain DPO loss (sigmoid)",
)  # fmt: skip
_ADAPTER = Need(
    "peft_config", "adapter's rank, alpha and target modules", 8,
    "They decide which weights can change at all, and by how much.", "rank 8, alpha 16, the attention projections",
    keys=("lora_r", "lora_alpha", "lora_rank", "peft_config"),
    words=_set("lora_r lora_rank lora_alpha target_modules lora_dim"), parts=("rank ", "r=", "r =",),
)  # fmt: skip
_SHAPE = Need(
    "architecture", "architecture and size", 8, "Layers, width and heads are the model.",
    "nothing: there is no default for it", keys=("total_params",),
    words=_set("parameters layers hidden hidden_size"), parts=("params",),
)  # fmt: skip
_TOKENIZER = Need(
    "tokenizer", "tokenizer", 8, "Another vocabulary is another text.", "nothing: there is no default for it",
    words=_set("bpe wordpiece sentencepiece"), parts=("tokeniz", "tokenis", "vocab",),
)  # fmt: skip
_MERGE = (
    Need(
        "merge_models", "models that were merged", 35, "A merge is a function of its models.",
        "nothing: there is no default for it", keys=("base_model", "merge_models"), front=True,
        parts=("- model: ", "models merged",),
    ),
    Need(
        "merge_method", "merge method", 25, "Linear, SLERP, TIES and passthrough make different weights of one list.",
        "linear with equal weights",
        words=_set("merge_method slerp ties dare passthrough linear model_stock"),
        parts=("task arithmetic", "task_arithmetic", "model stock", "franken",),
    ),
    Need(
        "merge_parameters", "weights, densities or layer ranges", 20, "They say how much of each model there is.",
        "equal weights", words=_set("weight weights density layer_range parameters"), parts=("(0.",),
    ),
    Need(
        "merge_dtype", "precision of the merge", 8, "Sums of bf16 weights round differently from float32.", "bfloat16",
        keys=("precision",), words=_set("dtype bf16 fp16 fp32 bfloat16 float16 float32"),
    ),
    Need(
        "merge_tool", "merge tool and its version", 12, "Methods changed between releases.", "the newest mergekit",
        words=_set("mergekit mergelm lazymergekit"), parts=("mergemonster", "merge-monster",),
    ),
)  # fmt: skip
_PACKED = (
    Need(
        "base_model", "model that was quantised", 45, "The copy is a function of its source.",
        "nothing: there is no default for it", front=True,
        parts=("quantized version", "quantised version", "quantized from", "original model",),
    ),
    Need(
        "quant_method", "method and format", 20, "GPTQ, AWQ and GGUF's types lose different things.",
        "what the file's name says",
        words=_set("gguf ggml gptq awq exl2 exl3 nf4 bitsandbytes bnb mlx fp8 hqq autoround int4 int8"),
    ),
    Need(
        "quant_bits", "bits, or the type of each file", 15, "At fewer bits more is lost.", "what the file's name says",
        words=_set("int4 int8 fp8 nf4 4bit 8bit bpw"),
        parts=("-bit", " bit", "q2_", "q3_", "q4_", "q5_", "q6_", "q8_", "iq",),
    ),
    Need(
        "quant_tool", "tool and its version", 12, "Quantisers change between releases.", "the newest release",
        words=_set("autogptq autoawq bitsandbytes gptqmodel unsloth"),
        parts=("llama.cpp", "auto-gptq", "exllama", "mlx-lm", "mlx_lm", "llm-compressor", "llm-awq", "gguf-my-repo",),
    ),
    Need(
        "quant_calibration", "calibration data, or that there is none", 8,
        "Methods that measure activations depend on the text that they saw.", "none",
        words=_set("imatrix wikitext c4 gguf ggml mlx bitsandbytes"), parts=("calibrat",),
    ),
)  # fmt: skip
_AGENT = (
    Need(
        "environment", "environment", 30, "An agent is trained in one environment, and in one version of it.",
        "nothing: there is no default for it", words=_set("playing environment env gym env_id"),
    ),
    Need(
        "method", "algorithm", 20, "It decides the loss and which parameters there are.",
        "nothing: there is no default for it",
        words=_set("ppo a2c dqn sac td3 ddpg qlearning reinforce trpo qrdqn poca appo tqc ars"),
        parts=("q-learning", "qr-dqn",),
    ),
    Need(
        "learning_rate", "hyperparameters (learning rate, steps in the environment, discount)", 30,
        "Agents of one algorithm differ by these more than by the algorithm.", "the library's defaults",
        words=_set("learning_rate n_timesteps gamma total_timesteps"), parts=("learning rate", "total timesteps",),
    ),
    Need(
        "seed", "seed", 8, "Runs of one recipe differ widely.", "42, and several seeds to see what it matters",
        words=_set("seed seeds"),
    ),
    Need(
        "framework_version", "library and its version", 12, "Defaults change between releases.", "the newest release",
        words=_set("sb3 cleanrl rl_zoo3"),
        parts=("stable-baselines", "stable baselines", "ml-agents", "sample-factory", "rl-zoo", "tf-agents",),
    ),
)  # fmt: skip


def needs_of(spec: Spec, making: Making, stage: Stage | None) -> tuple[Need, ...]:
    """What regenerating takes; for a training, what one stage of it takes."""
    if making is Making.MERGE:
        return _MERGE
    if making is Making.QUANTISATION:
        return _PACKED
    if making is Making.AGENT:
        return _AGENT
    if making is Making.NONE:
        return ()
    language = is_language_model(spec)
    start = (_SHAPE, _TOKENIZER) if making is Making.SCRATCH else (_BASE,)
    rest = (*_COMMON, _LENGTH) if language else _COMMON
    adapter = (_ADAPTER,) if is_adapter(spec) else ()
    return (*start, _DATA, *_of_method(spec, stage, language), *rest, *adapter)


def _of_method(spec: Spec, stage: Stage | None, language: bool) -> tuple[Need, ...]:
    # What a method asks for weighs twelve in all, as much as naming one: to name it lowers no score.
    if stage is not None and is_of_preference(stage):
        return (_of(_METHOD, 4), _BETA, _LOSS)
    text = f"{stage.name} {stage.method}".lower() if stage is not None else ""
    if "sft" in text or "supervised" in text or "instruction" in text:
        return (_of(_METHOD, 4), _TEMPLATE, _REDUCTION) if is_chat_model(spec) else (_of(_METHOD, 8), _REDUCTION)
    return (_METHOD,) if language else ()


def _of(need: Need, weight: int) -> Need:
    return Need(need.key, need.label, weight, need.why, need.assumed, need.keys, need.words, need.parts, need.front)


def tables() -> tuple[tuple[str, tuple[Need, ...]], ...]:
    """For people: what each making needs; a training's needs with those of every method and kind of model."""
    methods = (_METHOD, _TEMPLATE, _REDUCTION, _BETA, _LOSS, _LENGTH, _ADAPTER)
    return (
        ("training", (_BASE, _DATA, *_COMMON, *methods)),
        ("training from scratch", (_SHAPE, _TOKENIZER, _DATA, *_COMMON)),
        ("merge", _MERGE),
        ("quantised copy", _PACKED),
        ("trained agent", _AGENT),
    )
