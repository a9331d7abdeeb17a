"""What each training parameter may be: type, range and spellings, wherever the value comes from."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field

from repro.semantics import CHOICES
from repro.spec import Fact, Origin, Value


@dataclass(frozen=True, slots=True)
class Kind:
    """How a parameter's value is read: `type` is "float", "int", "bool", "text", "names" or "choice"."""

    type: str
    lo: float = -math.inf
    hi: float = math.inf
    open_lo: bool = False
    """Whether `lo` itself is excluded."""
    spellings: dict[str, str] = field(default_factory=dict)
    """For a choice: folded spelling -> standard term."""


def _choice(**terms: str) -> Kind:
    spellings = {fold(term): term for term in terms}
    for term, others in terms.items():
        spellings.update({fold(other): term for other in others.split()})
    return Kind("choice", spellings=spellings)


def fold(text: str) -> str:
    """Lower case letters and digits only, for comparing names that people write in many ways."""
    return re.sub(r"[^a-z0-9]+", "", text.lower())


_COUNT = Kind("int", 1, 10**9)
_FROM_ZERO = Kind("int", 0, 10**9)
_SEED = Kind("int", 0, 2**32 - 1)
"""What numpy's RandomState takes."""
_BETA = Kind("float", 0, 1)

KINDS: dict[str, Kind] = {
    "learning_rate": Kind("float", 0, 10, open_lo=True),
    "effective_batch_size": _COUNT,
    "per_device_batch_size": _COUNT,
    "gradient_accumulation_steps": _COUNT,
    "num_devices": _COUNT,
    "max_seq_length": _COUNT,
    "num_epochs": Kind("float", 0, 10_000, open_lo=True),
    "max_steps": _COUNT,
    "lr_scheduler_type": _choice(
        linear="linear_with_warmup linear_decay",
        cosine="cosine_with_warmup cosine_decay cosine_annealing",
        constant="",
        constant_with_warmup="",
    ),
    "warmup_ratio": Kind("float", 0, 1),
    "warmup_steps": _FROM_ZERO,
    "beta": Kind("float", 0, 1000, open_lo=True),
    "loss_type": _choice(
        dpo="sigmoid dpo_sigmoid",
        dpo_norm="sigmoid_norm length_normalized_dpo length_normalised_dpo dpo_length_normalized",
        simpo="simple_preference_optimization simpo_loss",
        ipo="identity_preference_optimization ipo_loss",
        cross_entropy="nll ce causal_lm next_token cross_entropy_loss sft",
    ),
    "label_smoothing": Kind("float", 0, 0.5),
    "gamma_beta_ratio": Kind("float", 0, 1000),
    "simpo_gamma": Kind("float", 0, 1000),
    "loss_reduction": _choice(mean="", token_mean="", process_token_mean="", sum=""),
    "label_scope": _choice(
        all_turns="assistant assistant_only assistant_turns assistant_only_loss",
        last_turn="last_turn_only",
        completion="completion_only completion_only_loss",
        all_tokens="all full full_sequence",
    ),
    "optimizer": _choice(
        adamw="adam adam_w adamw_torch adamw_torch_fused adamw_hf torch_adamw fused_adamw paged_adamw_32bit paged_adamw"
    ),
    "adam_beta1": _BETA,
    "adam_beta2": _BETA,
    "adam_epsilon": Kind("float", 0, 1, open_lo=True),
    "weight_decay": Kind("float", 0, 10),
    "max_grad_norm": Kind("float", 0, 10**6),
    "precision": _choice(
        bf16="bfloat16 bf16_mixed mixed_bf16 bf16_mixed_precision",
        fp16="float16 half fp16_mixed native_amp",
        fp32="float32 full",
    ),
    "master_weights": _choice(fp32="float32", bf16="bfloat16"),
    "seed": _SEED,
    "data_seed": _SEED,
    "adapter": _choice(lora="rslora rs_lora", qlora="q_lora", none="full full_parameter full_finetuning false no"),
    "lora_r": Kind("int", 1, 10**6),
    "lora_alpha": Kind("float", 0, 10**6, open_lo=True),
    "lora_dropout": Kind("float", 0, 1),
    "lora_target_modules": Kind("names"),
    "lora_target_linear": Kind("bool"),
    "lora_bias": _choice(none="", all="", lora_only=""),
    "use_rslora": Kind("bool"),
    "load_in_4bit": Kind("bool"),
    "load_in_8bit": Kind("bool"),
    "bnb_4bit_quant_type": _choice(nf4="", fp4=""),
    "bnb_4bit_use_double_quant": Kind("bool"),
    "gradient_checkpointing": Kind("bool"),
    "packing": Kind("bool"),
    "logging_steps": _COUNT,
    "chat_template": Kind("text"),
    "dataset_fraction": Kind("float", 0, 1, open_lo=True),
    "dataset_rows": _COUNT,
    "dataset": Kind("text"),
    "base_model": Kind("text"),
    "framework": Kind("text"),
    "framework_version": Kind("text"),
    "framework_commit": Kind("text"),
    "date": Kind("text"),
    **{key: _choice(**dict.fromkeys(terms, "")) for key, terms in CHOICES.items()},
}
"""What may be stated, found or given by --assume for a stage."""


def read_value(key: str, raw: Value) -> Value:
    """`raw` as the parameter's own type, in the standard term.

    Raises:
        ValueError: it is not such a value; the sentence says what one is.
    """
    kind = KINDS[key]
    if kind.type == "names":
        return _names(key, raw)
    if isinstance(raw, tuple):
        raise ValueError(f"{key} is one value, not a list")
    if kind.type == "bool":
        return _bool(key, raw)
    if kind.type == "text":
        text = " ".join(str(raw).split())
        if not text:
            raise ValueError(f"{key} is empty")
        return text
    if kind.type == "choice":
        found = kind.spellings.get(fold(str(raw).rsplit(".", 1)[-1]))
        if found is None:
            terms = ", ".join(dict.fromkeys(kind.spellings.values()))
            raise ValueError(f"{key} is one of {terms}, not {str(raw)[:60]!r}")
        return found
    return _number(key, raw, kind)


def _names(key: str, raw: Value) -> tuple[str, ...]:
    """Names of layers, sorted; "all linear layers" is peft's all-linear."""
    text = " ".join(raw) if isinstance(raw, tuple) else str(raw)
    if re.fullmatch(r"(?:all)?(?:linear)?(?:layers?|modules?)?", fold(text)) and fold(text):
        return ("all-linear",)
    names = raw if isinstance(raw, tuple) else re.split(r"[\s,;]+", text.strip(" []()"))
    bare = sorted({name.strip("'\"`") for name in names})
    if not bare or not all(re.fullmatch(r"[A-Za-z_][\w.]*", name) for name in bare):
        raise ValueError(f"{key} are names of layers such as q_proj, or all-linear, not {text[:60]!r}")
    return tuple(bare)


def _bool(key: str, raw: Value) -> bool:
    if isinstance(raw, bool):
        return raw
    word = str(raw).strip().lower()
    if word in {"true", "yes", "on", "1", "enabled"}:
        return True
    if word in {"false", "no", "off", "0", "disabled"}:
        return False
    raise ValueError(f"{key} is true or false, not {word[:60]!r}")


def _number(key: str, raw: Value, kind: Kind) -> int | float:
    what = "a whole number" if kind.type == "int" else "a number"
    text = str(raw).strip()
    share = text.endswith("%") and key in {"dataset_fraction", "warmup_ratio"}
    if isinstance(raw, bool):
        raise ValueError(f"{key} is {what}, not {text}")
    try:
        # int() and float() take digits of any script and underscores: a typed value should look like one.
        if not re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,4})?", text.rstrip("%") if share else text, re.A):
            raise ValueError
        value = float(text.rstrip("%")) / (100 if share else 1)
    except ValueError:
        raise ValueError(f"{key} is {what}, not {text[:60]!r}") from None
    if not math.isfinite(value) or not kind.lo <= value <= kind.hi or (kind.open_lo and value <= kind.lo):
        raise ValueError(
            f"{key} is {what} {'above' if kind.open_lo else 'from'} {kind.lo:g} to {kind.hi:g}, not {text}"
        )
    if kind.type == "int":
        if value != int(value):
            raise ValueError(f"{key} is a whole number, not {text}")
        return int(text) if re.fullmatch(r"[+-]?\d+", text) else int(value)
    return value


def same(left: Value | None, right: Value | None) -> bool:
    """Whether two values of one parameter are the same."""
    if isinstance(left, (int, float)) and isinstance(right, (int, float)):
        return math.isclose(float(left), float(right), rel_tol=1e-9, abs_tol=0.0)
    return left == right


def show(value: Value | None) -> str:
    """A value as people write it: 5e-07, 0.1, 27,140."""
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return str(value)
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:g}"
    return ", ".join(value)


def derived(key: str, value: Value, why: str) -> Fact[Value]:
    return Fact(key=key, value=value, origin=Origin.DERIVED, why=why)


def assumed(key: str, value: Value, why: str) -> Fact[Value]:
    return Fact(key=key, value=value, origin=Origin.ASSUMED, why=why)
