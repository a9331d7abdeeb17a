"""The value of a labelled parameter in its standard form: 5e-7 as a float, "Linear" as "linear", betas taken apart."""

from __future__ import annotations

import re

from repro.read.adapters import ADAPTER_KEYS, adapter
from repro.read.optimization import betas, optimizer, schedule
from repro.read.statement import Parameter
from repro.read.values import as_int, boolean, fold, left_open, maybe_thousands, number, plain_value, share

OPEN = "left open on the card"
_INTEGERS_WORDS = (
    "effective_batch_size per_device_batch_size batch_size gradient_accumulation_steps num_devices max_seq_length "
    "max_steps total_steps warmup_steps seed data_seed logging_steps dataset_rows eval_batch_size total_eval_batch_size"
)
_INTEGERS = frozenset(_INTEGERS_WORDS.split())
_FLOATS_WORDS = (
    "learning_rate label_smoothing adam_beta1 adam_beta2 adam_epsilon weight_decay min_learning_rate lora_dropout "
    "dropout neftune_alpha gamma_beta_ratio simpo_gamma"
)
_FLOATS = frozenset(_FLOATS_WORDS.split())
_EITHER_WORDS = "num_epochs beta eval_steps save_steps val_set_size"
_EITHER = frozenset(_EITHER_WORDS.split())
NUMERIC = _INTEGERS | _FLOATS | _EITHER | {"lora_r", "lora_alpha"}
"""Keys whose values are numbers."""
_BOOLEANS_WORDS = (
    "gradient_checkpointing packing load_in_4bit load_in_8bit lora_target_linear use_rslora group_by_length tf32 "
    "llm_int8_enable_fp32_cpu_offload llm_int8_has_fp16_weight bnb_4bit_use_double_quant"
)
_BOOLEANS = frozenset(_BOOLEANS_WORDS.split())
_PRECISIONS = (
    ("bf16", r"\b(?:bf16|bfloat16|brain float)\b"),
    ("fp16", r"\b(?:fp16|float16|half)\b"),
    ("fp32", r"\b(?:fp32|float32|full precision)\b"),
    ("fp8", r"\b(?:fp8|float8)\b"),
    ("int8", r"\b(?:int8|8[- ]?bit|q8(?:[ _]0)?)\b"),
    ("int4", r"\b(?:int4|nf4|4[- ]?bit|q4\w*(?: \w+)*|awq|gptq)\b"),
)
_LOSSES = {
    "sigmoid": "dpo", "dpo": "dpo", "standard dpo": "dpo", "dpo sigmoid": "dpo", "sigmoid dpo": "dpo",
    "dpo loss": "dpo",
    "standard": "dpo", "sigmoid norm": "dpo_norm", "dpo norm": "dpo_norm", "dpo sigmoid norm": "dpo_norm",
    "length normalized dpo": "dpo_norm", "length normalised dpo": "dpo_norm", "dpo length normalized": "dpo_norm",
    "length normalized sigmoid": "dpo_norm", "length normalised sigmoid": "dpo_norm",
}  # fmt: skip
PREFERENCE_LOSSES = frozenset(_LOSSES) | {"simpo", "ipo", "hinge", "robust", "kto", "orpo", "wpo", "exo pair", "cpo"}
_SCOPES = {
    "all turns": "all_turns", "all assistant turns": "all_turns", "every assistant turn": "all_turns",
    "assistant turns": "all_turns", "assistant": "all_turns", "assistant only": "all_turns",
    "assistant tokens": "all_turns", "assistant tokens only": "all_turns", "assistant turns only": "all_turns",
    "last turn": "last_turn", "last assistant turn": "last_turn", "final turn": "last_turn",
    "completion": "completion", "completions": "completion", "completion only": "completion",
    "completion tokens": "completion", "response only": "completion", "responses only": "completion",
    "all tokens": "all_tokens", "full sequence": "all_tokens", "every token": "all_tokens",
}  # fmt: skip
_NUMERALS = "zero one two three four five six seven eight nine ten eleven twelve"
_COUNTS = {word: count for count, word in enumerate(_NUMERALS.split())}
_COUNTS.update({f"{word} million": count * 1_000_000 for word, count in tuple(_COUNTS.items()) if count})


def interpret(key: str, printed: str, label: str = "") -> tuple[Parameter, ...]:
    """What a printed value says of `key`; several parameters where one cell holds several (an optimizer's betas).

    A value that cannot be read is None, with the reason in `why`; nothing is guessed.
    """
    printed = printed.strip()
    if left_open(printed) and not (key in ("max_grad_norm", "warmup", "lora_bias") and printed.lower() == "none"):
        return (Parameter(key if key != "warmup" else "warmup_ratio", printed, None, None, OPEN),)
    if key == "optimizer":
        return optimizer(printed)
    if key == "adam_betas":
        return betas(printed) or (Parameter("adam_beta1", printed, None, None, "not a pair of numbers"),)
    if key in ("warmup", "warmup_ratio", "warmup_steps"):
        return (_warmup(key, printed),)
    if key in _INTEGERS:
        return _integer(key, printed)
    if key in _FLOATS or key in _EITHER:
        return (_float(key, printed),)
    if key in ADAPTER_KEYS:
        return adapter(key, printed)
    if key in ("effective_batch_tokens", "train_tokens"):
        return (_tokens(key, printed),)
    if key == "min_lr_ratio":
        read = number(printed)
        value = share(read) if read else None
        return (Parameter(key, printed, value, read, "" if value is not None else "not a share from 0 to 1"),)
    if key in _BOOLEANS:
        flag = boolean(printed)
        return (Parameter(key, printed, flag, None, "" if flag is not None else "neither true nor false"),)
    if key == "dataset_fraction":
        read = number(printed)
        value = share(read) if read else None
        return (Parameter(key, printed, value, read, "" if value is not None else "not a share from 0 to 1"),)
    if key == "max_grad_norm":
        read = number(re.sub(r"(?i)^(?:by )?(?:global )?(?:norm|global)(?: of)?[ :=]+", "", printed))
        if read is None and (boolean(printed) is False or printed.lower() == "none"):
            return (Parameter(key, printed, 0.0, None, "no clipping"),)
        return (Parameter(key, printed, read.value if read else None, read, "" if read else _UNREADABLE),)
    if key in ("precision", "bf16", "fp16", "master_weights"):
        return _precision(key, printed)
    if key == "lr_scheduler_type":
        return schedule(printed)
    if key == "loss_type":
        folded = fold(printed)
        return (Parameter(key, printed, _LOSSES.get(folded, folded.replace(" ", "_"))),)
    if key == "label_scope":
        return (_label_scope(printed, fold(label)),)
    if key == "loss_reduction":
        return (_reduction(printed),)
    if key == "chat_template":
        return (Parameter(key, printed, chat_template(printed)),)
    read = number(printed)
    return (Parameter(key, printed, plain_value(read) if read and not read.unit else printed, read),)


def _tokens(key: str, printed: str) -> Parameter:
    """A count of tokens: "4M", "1.9T", "128 * 2048 = 262,144 tokens"."""
    product = re.match(r"^(?:[\d,]+\s*[x×*]\s*)+[\d,]+\s*=\s*([\d,]+)\s*(?:tokens)?$", printed)
    read = number(product.group(1)) if product else number(printed)
    if read is None or read.unit not in ("", "tokens", "token"):
        return Parameter(key, printed, None, read, _UNREADABLE)
    value = as_int(read)
    return Parameter(key, printed, value, read, "" if value is not None else "not a whole number")


_LOST_POWER = re.compile(r"(\d[\d.]*)\s?[x×·⋅*]\s?10\s?[-−–](\d{1,2})")
"""A power of ten whose exponent is no longer raised: "5 · 10−5"."""
_UNREADABLE = "not a number this reader can be sure of"


def _integer(key: str, printed: str) -> tuple[Parameter, ...]:
    read = number(printed)
    if key == "num_devices" and read is None:
        found = re.match(r"^(\d{1,5})\s*(?:x|×|\*)\s*(\S.*)$", printed)
        if found is None:
            return (Parameter("hardware", printed, printed),)
        count = number(found.group(1))
        return (Parameter(key, found.group(1), int(found.group(1)), count), Parameter("hardware", printed, printed))
    if read is None and printed.lower() in _COUNTS:
        return (Parameter(key, printed, _COUNTS[printed.lower()]),)
    if read is None and (millions := re.fullmatch(r"(\d{1,3}) million", printed.lower())):
        return (Parameter(key, printed, int(millions.group(1)) * 1_000_000),)
    if read is None and (product := re.match(r"^(?:\d+\s*[x×*]\s*)+\d+\s*=\s*([\d,]+)\s*(\w+)?$", printed)):
        read = number(product.group(1)) if product.group(2) != "tokens" else None
    if read is None:
        return (Parameter(key, printed, None, None, _UNREADABLE),)
    if key == "max_seq_length" and re.search(r"\dk\b", printed, re.IGNORECASE):
        return (Parameter(key, printed, None, read, f"{printed} may mean {read.value:g} or a multiple of 1024"),)
    if read.unit == "%":
        return (Parameter(key, printed, None, read, "a percentage, not a count"),)
    if "batch" in key and read.unit.lower().startswith("token"):
        return (Parameter(key, printed, None, read, "counted in tokens, not in rows"),)
    if maybe_thousands(printed):
        return (Parameter(key, printed, None, None, "the point may be a decimal point or a thousands separator"),)
    value = as_int(read)
    if value is not None and read.approximate:
        return (Parameter(key, printed, value, read, "approximate on the card"),)
    return (Parameter(key, printed, value, read, "" if value is not None else "not a whole number"),)


def _float(key: str, printed: str) -> Parameter:
    read = number(printed)
    if read is None and key == "learning_rate" and (lost := _LOST_POWER.fullmatch(printed)):
        read = number(f"{lost.group(1)}e-{lost.group(2)}")
    if read is None and printed.lower() in _COUNTS and key == "num_epochs":
        return Parameter(key, printed, _COUNTS[printed.lower()])
    if read is None:
        return Parameter(key, printed, None, None, _UNREADABLE)
    if read.unit == "%":
        return Parameter(key, printed, None, read, "a percentage, not a plain number")
    return Parameter(key, printed, plain_value(read) if key in _EITHER else read.value, read)


def _warmup(key: str, printed: str) -> Parameter:
    if printed.lower() in ("none", "no", "no warmup"):
        return Parameter("warmup_steps", printed, 0)
    read = number(printed) or number(
        re.sub(r"(?i)\s*(?:of (?:the )?(?:total |training )*steps|warm-?up)$", "", printed)
    )
    if read is None:
        return Parameter("warmup_ratio" if key == "warmup" else key, printed, None, None, _UNREADABLE)
    fraction = share(read)
    steps = as_int(read)
    if key == "warmup_ratio":
        return Parameter(key, printed, fraction, read, "" if fraction is not None else "not a share from 0 to 1")
    if read.unit == "%" or (fraction is not None and 0 < fraction < 1):
        # transformers 5 prints a ratio under lr_scheduler_warmup_steps when it is below 1
        why = "below 1, so a share of the steps" if key == "warmup_steps" else ""
        return Parameter("warmup_ratio", printed, fraction, read, why)
    if key == "warmup" and read.unit.lower() not in (
        "steps",
        "step",
        "optimizer steps",
        "training steps",
        "iterations",
    ):
        if steps is not None and (steps == 0 or steps > 1):
            return Parameter("warmup_steps", printed, steps, read, "a whole number, so steps")
        return Parameter("warmup_ratio", printed, None, read, "1 may be a step or the whole training")
    return Parameter("warmup_steps", printed, steps, read, "" if steps is not None else "not a whole number")


def precisions_in(printed: str) -> tuple[str, ...]:
    """The numeric formats that a text names, in the order in which it names them."""
    found = [(m.start(), name) for name, pattern in _PRECISIONS if (m := re.search(pattern, printed.lower()))]
    return tuple(name for _, name in sorted(found))


def _precision(key: str, printed: str) -> tuple[Parameter, ...]:
    if key in ("bf16", "fp16"):
        flag = boolean(printed)
        return (Parameter("precision", printed, key),) if flag else (Parameter(key, printed, False),) * (flag is False)
    if key == "precision" and number(printed) is not None:
        return ()  # the score of that name
    if "native amp" in printed.lower():
        return (Parameter(key, printed, "fp16", None, "the Trainer prints Native AMP for fp16 only"),)
    named = precisions_in(printed)
    if len(named) == 1:
        return (Parameter(key, printed, named[0]),)
    return (Parameter(key, printed, None, None, "names several formats" if named else "not a numeric format"),)


def _label_scope(printed: str, label: str) -> Parameter:
    flag = boolean(printed)
    if flag is None:
        folded = fold(printed)
        return Parameter(
            "label_scope", printed, _SCOPES.get(folded), None, "" if folded in _SCOPES else "not a scope known here"
        )
    if label.startswith("completion") and flag:
        return Parameter("label_scope", printed, "completion")
    if label.startswith("assistant") and flag:
        return Parameter("label_scope", printed, "all_turns", None, "assistant_only_loss: every assistant turn")
    if label == "train on inputs":
        return Parameter(
            "label_scope", printed, "all_tokens" if flag else "all_turns", None, f"train_on_inputs: {printed}"
        )
    return Parameter("label_scope", printed, None, None, "says what is not masked, not what is")


def _reduction(printed: str) -> Parameter:
    folded = fold(printed)
    value = {"mean": "mean", "sum": "sum", "token mean": "token_mean", "mean over tokens": "token_mean"}.get(folded)
    return Parameter("loss_reduction", printed, value, None, "" if value else "not a reduction known here")


def chat_template(printed: str) -> str:
    """The name of a chat template: "Tulu chat template" is "tulu"."""
    folded = fold(printed)
    for name in ("tulu", "chatml", "alpaca", "vicuna", "zephyr", "llama 3", "llama 2", "mistral"):
        if re.search(rf"\b{name}\b", folded):
            return name.replace(" ", "")
    return printed
