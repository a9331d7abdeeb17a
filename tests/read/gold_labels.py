"""What the labels of the gold files mean and what their values say, told apart from the reader's own tables."""

from __future__ import annotations

import re
import unicodedata
from typing import Any

Meant = tuple[tuple[str, ...], dict[str, Any]]
"""Standard keys that a label may stand for, and by key the values that the text says (nothing: as printed)."""

_KEYS: dict[str, str] = {
    "learning_rate": "learning rate|lr|peak learning rate|peak lr|max learning rate|max lr|initial learning rate|"
    "learning rate peak|base learning rate|学习率|學習率|学習率|학습률|taux d apprentissage|tasa de aprendizaje|"
    "tốc độ học|lernrate|taxa de aprendizado|อัตราการเรียนรู้",
    "per_device_batch_size|batch_size|effective_batch_size": "batch size|batch|batchsize|training batch size|"
    "批次大小|批量大小|批大小|バッチサイズ|배치 크기|taille de lot|tamaño de lote|tamaño del lote|kích thước batch",
    "per_device_batch_size": "train batch size|per device training batch size|per gpu train batch size|"
    "per device train batch size|per device batch size|micro batch size|"
    "micro batch|per device batch|instantaneous batch size per device|batch size per device|batch size per gpu|"
    "per gpu batch size|micro batchsize",
    "eval_batch_size": "eval batch size|per gpu eval batch size|"
    "per device eval batch size|validation batch size|evaluation batch size",
    "total_eval_batch_size": "total eval batch size",
    "effective_batch_size": "total train batch size|tot batch size|"
    "global batch size|effective batch size|total batch size|"
    "total train batch size w parallel distributed accumulation|batch size total|global batchsize|effective batch|"
    "total effective batch size|tot batch size|global train batch size|batch size effective",
    "effective_batch_tokens": "batch tokens|tokens per batch|batch size tokens|batch size in tokens|"
    "global batch size tokens|tokens per step",
    "gradient_accumulation_steps": "gradient accumulation steps|grad accumulation|gradient accumulation|"
    "accumulation steps|grad accumulation steps|grad accum|gradient acc|梯度累积步数|梯度累积|勾配累積|"
    "grad acc steps",
    "num_devices": "num devices|number of gpus|gpus|num gpus|number of devices|n gpus|world size",
    "num_epochs": "num epochs|number of training epochs|epochs|epocs|epoch|num train epochs|number of epochs|n epochs|"
    "train epochs|"
    "training epochs|训练轮数|訓練輪數|エポック数|エポック|에폭|에포크|nombre d epoques|epoques|epocas|"
    "número de épocas|épocas|nombre d époques|époques|số epoch",
    "max_steps": "max steps|maximum steps|max train steps",
    "total_steps|max_steps": "total optimization steps|training steps|total steps|steps|optimizer steps|train steps|"
    "total training steps|num train steps|number of steps|iterations|train iters|num steps|training step|global step",
    "max_seq_length": "max seq length|max sequence length|sequence len|sequence length|max length|cutoff len|"
    "context length|seq length|seq len|max seq len|maximum sequence length|model max length|最大长度|最大序列长度|"
    "最大序列長度|最大シーケンス長|block size|max source length|longueur de sequence|context size|context window",
    "max_target_length": "max target length",
    "lr_scheduler_type": "lr scheduler type|learning rate scheduling strategy|"
    "lr scheduler|learning rate scheduler|learning rate schedule|scheduler|"
    "learning rate decay|lr schedule|lr decay|lr decay style|schedule|schedule type|learning rate scheduler type|"
    "学习率调度|学习率调度器|学習率スケジューラ|스케줄러|planificador|planificateur",
    "min_learning_rate": "min learning rate|min lr|minimum learning rate|minimum lr|final learning rate|end lr",
    "min_lr_ratio": "end learning ratio|min lr ratio|end learning rate ratio|lr end ratio",
    "warmup_ratio|warmup_steps": "warmup|warm up|lr warmup|learning rate warmup|warmup ratio|warm up ratio|"
    "lr scheduler warmup ratio|lr scheduler warmup steps|warmup steps|warm up steps|num warmup steps|"
    "number of warmup steps|预热比例|预热步数|ウォームアップ|ウォームアップステップ|lr warmup steps|warmup fraction",
    "warmup_tokens": "warmup tokens|lr warmup tokens",
    "weight_decay": "weight decay|weight decay factor|"
    "weigth decay|wd|权重衰减|重み減衰|加權衰減|가중치 감쇠|decaimiento de pesos",
    "optimizer": "optimizer|optimizer class|optim|"
    "optimiser|optimizer type|优化器|最適化|オプティマイザ|옵티마이저|optimiseur|"
    "optimizador",
    "adam_betas": "betas|adam betas|beta1 beta2|optimizer betas|β1 β2",
    "adam_beta1": "adam beta1|beta1|beta 1|adam beta 1",
    "adam_beta2": "adam beta2|beta2|beta 2|adam beta 2",
    "adam_epsilon": "adam epsilon|epsilon|eps|adam eps",
    "max_grad_norm": "max grad norm|gradient clipping|grad clip|gradient clip|clip grad|grad clipping|"
    "gradient clip val|grad norm clip|clip grad norm|max gradient norm|gradient clipping norm",
    "precision|bf16": "bf16",
    "precision|fp16": "fp16",
    "tf32": "tf32",
    "precision": "precision|mixed precision|mixed precision training|training regime|dtype|training precision|"
    "floating point precisions|精度|data type|torch dtype|mixed precision type",
    "seed": "seed|random seed|随机种子|シード|시드|semilla|graine",
    "gradient_checkpointing": "gradient checkpointing|activation checkpointing",
    "packing": "packing|sample packing|sequence packing",
    "logging_steps": "logging steps|log interval",
    "beta": "beta|β|dpo beta|kl beta|kl coef",
    "loss_type|loss_function": "loss type|loss|dpo loss type|loss function",
    "label_smoothing": "label smoothing|label smoothing factor",
    "label_scope": "train on inputs",
    "neftune_alpha": "neftune noise alpha|neftune alpha|noisy embedding alpha",
    "lora_r": "lora r|lora rank|r|rank|lora dim|lora attention dimension|lora秩|lora attn dim|lora dimension|"
    "lora rank r|rank r",
    "lora_alpha": "lora alpha|alpha|lora α|α|lora scaling alpha",
    "lora_dropout": "lora dropout|dropout lora",
    "lora_target_modules": "target modules|lora target modules|lora target|lora targets|lora modules",
    "lora_target_linear": "lora target linear|lora target all linear",
    "lora_bias": "bias|lora bias",
    "adapter": "adapter|finetuning type|peft type|fine tuning type|peft method",
    "load_in_8bit": "load in 8bit",
    "load_in_4bit": "load in 4bit",
    "quantization|quant_method": "quant method|quantization|quantization method",
    "dataset_rows": "num examples|number of examples|training examples|train examples|training samples|dataset size",
    "distributed_type": "distributed type",
    "tokens": "tokens|training tokens|total tokens|trained tokens|number of tokens",
    "merge_method": "merge method",
    "val_set_size": "val set size|validation split|val size",
    "eval_steps": "eval steps|evaluation steps",
    "save_steps": "save steps",
    "dropout": "dropout|dropout rate",
}
STANDARD = {label: keys for keys, labels in _KEYS.items() for label in labels.split("|")}
_DROPPED = re.compile(r"^(?:hyper ?parameters?|training|train|our|the|total number of) | (?:value|used)$")
_FORMS = (("bf16", "bfloat16", "bf16"), ("fp16", "float16", "fp16", "native amp"), ("fp32", "float32", "fp32"),
          ("tf32", "tf32"))  # fmt: skip
_SCHEDULES = ("cosine_with_restarts", "inverse_sqrt", "polynomial", "cosine", "linear", "constant")


def folded(text: str) -> str:
    """Words only, lower case."""
    return " ".join(re.findall(r"[^\W_]+", unicodedata.normalize("NFKC", text).lower().replace("'", " ")))


def squeezed(text: str) -> str:
    """Text without white space, case and Markdown's marks: how printed text is compared."""
    return re.sub(r"[\s*`\"'_\\\[\]]+", "", unicodedata.normalize("NFKC", str(text))).lower()


def keys_of(label: str) -> tuple[str, ...]:
    """The standard keys that a label may stand for: its own words in snake case where the table has none."""
    said = folded(re.sub(r"\([^()]*\)", " ", label) if folded(label) not in STANDARD else label)
    for form in (folded(label), said, _DROPPED.sub("", said), re.sub(r"^(?:dpo|sft|orpo|ipo|kto|lora) ", "", said)):
        if form in STANDARD:
            return tuple(STANDARD[form].split("|"))
    return (folded(label).replace(" ", "_"),)


def plain_number(printed: object) -> float | None:
    """The number that a text is, read the plain way: signs, powers of ten, thousands, percent signs left aside."""
    text = unicodedata.normalize("NFKC", re.sub(r"[⁻⁺]?[⁰¹²³⁴⁵⁶⁷⁸⁹]+", lambda m: "^" + m[0], str(printed)))
    text = text.replace("−", "-").replace("–", "-").replace("×", "x").strip().strip("*`").strip()
    text = re.sub(r"(?i)^(?:~|≈|about|approx\.?)\s*", "", text)
    text = re.sub(r"\s*\([^()]*\)$", "", text)
    text = re.sub(r"(?<=\d) (?=\.\d)", "", text)
    text = re.sub(r"(?<=\d)[,'  ](?=\d{3}(?:\D|$))", "", text)
    power = re.fullmatch(r"([-+]?[\d.]+)\s*[x*]\s*10\s*\^?\s*[({]?\s*([-+]?\d+)\s*[)}]?", text)
    if power:
        return float(f"{power[1]}e{power[2]}")
    if bare := re.fullmatch(r"10\s*\^\s*([-+]?\d+)", text):
        return float(f"1e{bare[1]}")
    if product := re.fullmatch(r"(?:\d+ ?[x*] ?)+\d+ ?= ?(\d+)(?: \w+)?", text):
        return float(product[1])
    match = re.fullmatch(r"([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*([kKMBT]?)\s*(%|[A-Za-z ]{0,16})", text)
    if match is None:
        return float(text.replace(",", ".")) if re.fullmatch(r"[-+]?\d+,\d+", text) else None
    scale = {"": 0, "k": 3, "K": 3, "M": 6, "B": 9, "T": 12}[match[2]]
    return float(f"{float(match[1]) * 10**scale:.15g}")


def meaning(label: str, printed: str) -> Meant:
    """The keys a label may have, and the values that its text says, of its own key and of those it brings along."""
    keys = keys_of(label)
    low = printed.lower().strip()
    if "loss_function" in keys and "." in printed and plain_number(printed) is None:
        return keys, {"loss_function": printed.rpartition(".")[2]}
    if low in ("❌", "✅"):
        return keys, dict.fromkeys(keys, low == "✅")
    if "optimizer" in keys:
        return keys, _optimizer(low)
    if keys == ("adam_betas",):
        pair = re.findall(r"0?\.\d+", printed)
        return ("adam_beta1", "adam_beta2"), dict(zip(("adam_beta1", "adam_beta2"), map(float, pair)))
    if "lr_scheduler_type" in keys:
        said: dict[str, Any] = {}
        if name := next((s for s in _SCHEDULES if s.replace("_", "") in folded(low).replace(" ", "")), None):
            said["lr_scheduler_type"] = f"{name}_with_warmup" if name == "constant" and "warm" in low else name
        if (end := re.search(r"\bto ([\d.]+e?-?\d*)$", low)) and float(end[1]):
            said["min_learning_rate"] = float(end[1])
        return keys, said
    if keys == ("label_scope",) and low in ("true", "false"):
        return keys, {"label_scope": "all_tokens" if low == "true" else "all_turns"}
    if "precision" in keys:
        if low in ("true", "yes", "false", "no"):
            on = low in ("true", "yes")
            return keys, {"precision": folded(label)} if on else {folded(label): False}
        if "->" in low or "→" in low:
            return keys, {"precision": None}  # one after another: which holds for what is not a single value
        found = next((form for form, *words in _FORMS if any(word in low for word in words)), None)
        return keys, {"precision": found} if found else {}
    if low in ("true", "false", "yes", "no"):
        return keys, dict.fromkeys(keys, low in ("true", "yes"))
    value = plain_number(printed)
    if value is None:
        return keys, {}
    if "warmup_ratio" in keys:
        if "%" in printed:
            return ("warmup_ratio",), {"warmup_ratio": float(f"{value / 100:.12g}")}
        key = "warmup_ratio" if 0 < value < 1 or (value == 0 and "ratio" in folded(label)) else "warmup_steps"
        return (key,), {key: value}
    return keys, dict.fromkeys(keys, value)


def _optimizer(low: str) -> dict[str, Any]:
    said: dict[str, Any] = {}
    words = folded(low.replace("optimizernames.", ""))
    for name, mark in (("adamw_8bit", "adamw.*8 ?bit"), ("adamw", "adam ?w"), ("adamw", r"^adam with betas"),
                       ("adam", r"\badam\b"), ("adafactor", "adafactor"), ("lion", r"\blion\b"), ("sgd", r"\bsgd\b"),
                       ("lamb", r"\blamb\b"), ("rmsprop", "rmsprop")):  # fmt: skip
        if re.search(mark, words):
            said["optimizer"] = name
            break
    if pair := re.search(r"\(\s*(0?\.\d+)\s*,\s*(0?\.\d+)\s*\)", low):
        said.update(adam_beta1=float(pair[1]), adam_beta2=float(pair[2]))
    if epsilon := re.search(r"(?:epsilon|eps)\s*[=:]?\s*([\d.]+e?-?\d*)", low):
        said["adam_epsilon"] = float(epsilon[1])
    return said


def same_value(expected: object, found: object) -> bool:
    """Whether two values are equal, numbers as numbers and words as words."""
    if isinstance(expected, bool) or isinstance(found, bool):
        return folded(str(expected)) == folded(str(found))
    if isinstance(expected, (int, float)) and isinstance(found, (int, float)):
        return abs(expected - found) <= 1e-9 * max(abs(expected), abs(found))
    return folded(str(expected)) == folded(str(found))
