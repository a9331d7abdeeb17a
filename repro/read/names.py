"""The spellings that cards use for each standard term, and the words that name a training method."""

from __future__ import annotations

import re
from functools import lru_cache

from repro.read.foreign_names import FOREIGN
from repro.read.values import fold

_SPELLINGS: dict[str, str] = {
    "learning_rate": "learning rate|lr|peak learning rate|peak lr|max learning rate|max lr|maximum learning rate|"
    "initial learning rate|initial lr|base learning rate|learning rate lr|learningrate|learning rate peak|"
    "learning rate max",
    "effective_batch_size": "effective batch size|effective batch|total train batch size|global batch size|"
    "total batch size|batch size effective|effective train batch size|global train batch size|tot batch size|"
    "batch size total|batch size global|total effective batch size|effective global batch size|global batch|"
    "effective training batch size|total training batch size|overall batch size|effective total batch size|"
    "total train batch size w parallel distributed accumulation|train global batch size|total batch|"
    "pairs per optimizer step|sequences per optimizer step|batch size per optimizer step",
    "per_device_batch_size": "train batch size|per device batch size|per device train batch size|micro batch size|"
    "micro batch|micro train batch size|batch size per device|batch size per gpu|per gpu batch size|microbatch size|"
    "device batch size|instantaneous batch size per device|per device training batch size|microbatch|"
    "batch size device|batch size gpu|per gpu train batch size|local batch size|train batch size per device|"
    "train micro batch size per gpu|device train microbatch size|per device batch",
    "batch_size": "batch size|batch|bs|training batch size|batchsize|train batch",
    "gradient_accumulation_steps": "gradient accumulation steps|gradient accumulation|grad accumulation|grad accum|"
    "grad accumulation steps|accumulation steps|gradient acc steps|grad acc steps|grad acc|gradient acc|"
    "gradient accumulations|accumulate grad batches|ga steps|grad accum steps|accumulation|"
    "gradient accumulation step",
    "num_devices": "num devices|number of devices|number of gpus|num gpus|gpus|n gpu|n gpus|world size|gpu count|"
    "num processes|number of processes|processes|devices count|device count|no of gpus",
    "max_seq_length": "max sequence length|max seq length|max seq len|maximum sequence length|sequence length|"
    "seq length|seq len|sequence len|max length|max token length|cutoff len|cutoff length|maximum length|"
    "model max length|training sequence length|max tokens|max seqlen|train sequence length|maximum seq length|"
    "max sequence len|training context length|block size|max sequence length tokens",
    "num_epochs": "epochs|num epochs|number of epochs|num train epochs|epoch|training epochs|train epochs|n epochs|"
    "epocs|nb epochs|no of epochs|total epochs|number of training epochs|number of train epochs|num of epochs",
    "max_steps": "max steps|maximum steps|max train steps|max training steps|training steps",
    "total_steps": "total optimizer steps|optimizer steps|total optimization steps|total steps|train steps|steps|"
    "total training steps|number of steps|num steps|optimization steps|number of optimizer steps|steps trained|"
    "number of training steps|num training steps|total train steps|optimiser steps|gradient steps|update steps|"
    "total optimiser steps|final step|global step|num train steps",
    "lr_scheduler_type": "lr scheduler type|lr schedule|lr scheduler|scheduler|learning rate schedule|"
    "learning rate scheduling strategy|"
    "learning rate scheduler|scheduler type|lr schedule type|learning rate scheduler type|schedule|"
    "learning rate decay|lr decay|lr decay style|lr decay schedule|schedule type|learning rate schedule type",
    "warmup_ratio": "warmup ratio|lr scheduler warmup ratio|warm up ratio|warmup fraction|warmup proportion|"
    "lr warmup ratio|warmup share|learning rate warmup ratio",
    "warmup_steps": "warmup steps|lr scheduler warmup steps|warm up steps|num warmup steps|lr warmup steps|"
    "number of warmup steps|learning rate warmup steps|linear warmup steps",
    "warmup": "warmup|warm up|lr warmup|learning rate warmup|lr warm up",
    "beta": "beta|β|kl beta|pref beta|rl beta|beta kl|temperature beta",
    "loss_type": "loss type|loss variant|preference loss|preference loss type|loss function type|pref loss",
    "gamma_beta_ratio": "gamma beta ratio|simpo gamma beta ratio|gamma beta|γ β",
    "simpo_gamma": "simpo gamma|simpo margin|target reward margin|simpo target margin|simpo γ",
    "loss": "loss|loss function|objective function",
    "label_smoothing": "label smoothing|label smoothing factor",
    "loss_reduction": "loss reduction|reduce loss|reduction|loss reduction mode",
    "label_scope": "label scope|assistant only loss|completion only loss|completion only|train on inputs|loss mask|"
    "loss masking|loss on|labels|loss over|train on completions only|loss computed on|train on prompt|"
    "label mask|label masking",
    "optimizer": "optimizer|optim|optimizer class|optimiser|optimizer type|optimizer name",
    "adam_beta1": "adam beta1|adam beta 1|beta1|beta 1|β1",
    "adam_beta2": "adam beta2|adam beta 2|beta2|beta 2|β2",
    "adam_betas": "betas|adam betas|adamw betas|optimizer betas|beta1 beta2|β1 β2|beta 1 beta 2",
    "adam_epsilon": "adam epsilon|epsilon|eps|adam eps|adamw epsilon|ε|optimizer epsilon",
    "weight_decay": "weight decay|weight decay factor|weigth decay|wd|l2 weight decay|weightdecay",
    "max_grad_norm": "max grad norm|gradient clipping|grad clip|max gradient norm|gradient clip|clip grad|"
    "gradient clip norm|gradient norm clipping|grad clipping|gradient clip val|gradient clipping norm|"
    "grad norm clipping|max norm|clip grad norm|gradient clipping threshold",
    "precision": "precision|floating point precision|floating point precisions|mixed precision|"
    "mixed precision training|dtype|training precision|compute dtype|"
    "data type|training regime|training dtype|torch dtype|numerical precision|numeric precision",
    "bf16": "bf16|bfloat16",
    "fp16": "fp16|float16",
    "master_weights": "master weights|master weight precision|optimizer precision|optimizer state precision",
    "seed": "seed|random seed|training seed|train seed|seeds",
    "data_seed": "data seed|sampling seed|sample seed|dataset seed|data sampling seed|subset seed|"
    "dataset sampling seed|data shuffle seed",
    "gradient_checkpointing": "gradient checkpointing|activation checkpointing",
    "packing": "packing|sample packing|sequence packing",
    "logging_steps": "logging steps|log every|logging interval|log interval|logging frequency|log steps|"
    "logging every|log every n steps|logging step",
    "chat_template": "chat template|chat format|chat template name",
    "effective_batch_tokens": "batch tokens|tokens per batch|batch size tokens|batch size in tokens|tokens per step|"
    "global batch size tokens|global batch tokens|total batch tokens|effective batch tokens",
    "eval_batch_size": "eval batch size|per gpu eval batch size|"
    "per device eval batch size|validation batch size|evaluation batch size|"
    "eval batch|eval batch size per device|val batch size",
    "total_eval_batch_size": "total eval batch size",
    "eval_steps": "eval steps|evaluation steps|eval interval|evaluation interval",
    "save_steps": "save steps|checkpoint interval|save interval|checkpointing steps",
    "val_set_size": "val set size|val size|validation split|validation set size|val split",
    "distributed_type": "distributed type",
    "train_tokens": "training tokens|total tokens|trained tokens|number of tokens|tokens trained|total training tokens|"
    "tokens seen|train tokens",
    "min_learning_rate": "min learning rate|min lr|minimum learning rate|minimum lr|final learning rate|final lr|"
    "end lr|end learning rate|lr end|lr min",
    "min_lr_ratio": "min lr ratio|end learning ratio|end learning rate ratio|lr end ratio|lr decay ratio|"
    "minimum learning rate ratio|min learning rate ratio|cosine min lr ratio|final lr ratio",
    "dropout": "dropout|dropout rate|hidden dropout|dropout probability",
    "neftune_alpha": "neftune noise alpha|neftune alpha|noisy embedding alpha|neftune",
    "group_by_length": "group by length",
    "tf32": "tf32",
    "adapter": "adapter|peft type|finetuning type|peft method|adapter type|peft",
    "lora": "lora|lora config|lora configuration|lora parameters|lora settings|lora hyperparameters|qlora|lora params",
    "lora_r": "lora r|lora rank|rank|r|lora dim|lora attention dimension|lora attn dim|lora dimension|lora rank r|"
    "rank r|qlora rank|peft lora r|adapter rank|lora r rank|lora matrix rank",
    "lora_alpha": "lora alpha|alpha|lora α|α|lora scaling alpha|lora alpha scaling|lora scaling|peft lora alpha|"
    "adapter alpha",
    "lora_dropout": "lora dropout|lora dropout rate|dropout lora|adapter dropout|lora dropout probability",
    "lora_target_modules": "target modules|lora target modules|lora target|lora targets|lora modules|target layers|"
    "lora layers|modules targeted|targeted modules",
    "lora_target_linear": "lora target linear",
    "lora_bias": "lora bias|bias",
    "use_rslora": "use rslora|rslora|rank stabilized lora|rank stabilised lora|use rank stabilized lora",
    "quant_method": "quant method",
    "llm_int8_threshold": "llm int8 threshold",
    "llm_int8_enable_fp32_cpu_offload": "llm int8 enable fp32 cpu offload",
    "llm_int8_has_fp16_weight": "llm int8 has fp16 weight",
    "bnb_4bit_quant_type": "bnb 4bit quant type",
    "bnb_4bit_use_double_quant": "bnb 4bit use double quant",
    "bnb_4bit_compute_dtype": "bnb 4bit compute dtype",
    "load_in_4bit": "load in 4bit|load in 4 bit",
    "load_in_8bit": "load in 8bit|load in 8 bit",
    "merge_method": "merge method|merging method|merge algorithm",
    "dataset_fraction": "dataset fraction|data fraction|sample fraction|sampling fraction|dataset percentage|"
    "fraction of dataset|fraction of data|data percentage|subset fraction|fraction|dataset share|data share",
    "dataset_rows": "dataset rows|rows|num examples|number of examples|training examples|train examples|"
    "dataset size|number of samples|training samples|num training examples|preference pairs|training rows|"
    "training pairs|num samples|train samples|number of training examples|number of training samples|"
    "number of rows|number of pairs|train rows|pairs|examples|rows used|training set size",
    "dataset": "dataset|datasets|training data|training dataset|data|train dataset|preference dataset|dataset s|"
    "training datasets|fine tuning dataset|finetuning dataset|fine tuning data|preference data|data set|"
    "trained on|dataset name|training set|training data set|dataset used|train data",
    "dataset_split": "dataset split|split|train split|training split|data split",
    "base_model": "base model|finetuned from|finetuned from model|fine tuned from|fine tuned from model|base|"
    "parent model|starting model|initial model|starting checkpoint|initialized from|initialised from|"
    "foundation model|starts from|start from|init from|trained from|instruction tuned from model|"
    "finetuned from model optional|starting point|start model|base checkpoint|initial checkpoint|"
    "base model name|model name or path|pretrained model|pretrain model|pre trained model|"
    "backbone model|parent|starting weights|initial weights|"
    "adapted from model|base architecture model|source model",
    "model_id": "model id|hub id|model repo|repo id|output model|published as|produces|model repository|"
    "hugging face repo|hf repo|resulting model|hub repo|this model|hub model id|model produced",
    "method": "training method|method|training type|alignment method|training objective|training algorithm|"
    "fine tuning method|finetuning method|training technique|alignment technique|training approach|"
    "fine tuning type|training stage|alignment algorithm|stage",
    "framework": "framework|training framework|trainer|codebase|training code|training library|trained with|"
    "training codebase|code|training software|fine tuning framework|library",
    "framework_version": "framework version|trl version|open instruct version|transformers version|library version",
    "framework_commit": "framework commit|commit|code commit|git commit|open instruct commit|trl commit|"
    "codebase commit",
    "hardware": "hardware|hardware type|accelerator|compute infrastructure|gpu|gpu type|training hardware|"
    "accelerators|compute|device|devices|hardware used|training infrastructure|training device",
    "license": "license|licence|model license|model licence|license s",
    "date": "date|release date|training date|date of training|date trained|model date|trained in|date of release|"
    "released|created|model release date|training completed|date published",
    "language": "language|languages|language s nlp|language s|language nlp",
    "total_params": "parameters|total parameters|number of parameters|num parameters|total params|params|"
    "parameter count|model size|number of params",
}  # fmt: skip

SPELLINGS: dict[str, str] = {fold(name): key for key, names in _SPELLINGS.items() for name in names.split("|")}
SPELLINGS.update({fold(name): key for key, names in FOREIGN.items() for name in names.split("|")})
"""Folded spelling -> standard term (or one of the reader's own: warmup, batch_size, adam_betas, loss, dataset, ...)."""

TRAINING_WORDS = (
    "learning_rate effective_batch_size per_device_batch_size batch_size gradient_accumulation_steps num_devices "
    "max_seq_length num_epochs max_steps total_steps lr_scheduler_type warmup_ratio warmup_steps warmup beta loss_type "
    "gamma_beta_ratio simpo_gamma label_smoothing loss_reduction label_scope optimizer adam_beta1 adam_beta2 "
    "adam_betas adam_epsilon weight_decay max_grad_norm precision bf16 fp16 master_weights seed data_seed "
    "gradient_checkpointing packing logging_steps "
    "dataset_fraction dataset_rows chat_template dataset_split framework_commit effective_batch_tokens eval_batch_size "
    "total_eval_batch_size eval_steps save_steps val_set_size distributed_type train_tokens min_learning_rate "
    "min_lr_ratio dropout neftune_alpha group_by_length tf32 adapter lora_r lora_alpha lora_dropout "
    "lora lora_target_modules lora_target_linear lora_bias use_rslora load_in_4bit load_in_8bit "
    "quant_method llm_int8_threshold llm_int8_enable_fp32_cpu_offload llm_int8_has_fp16_weight bnb_4bit_quant_type "
    "bnb_4bit_use_double_quant bnb_4bit_compute_dtype "
    "merge_method merge_model merge_weight merge_density merge_epsilon merge_lambda merge_t merge_normalize "
    "merge_int8_mask merge_gamma merge_rescale merge_select_topk"
)
TRAINING = frozenset(TRAINING_WORDS.split())
"""Keys that belong to a training stage."""

TELLING = TRAINING - {"precision", "seed", "max_seq_length", "chat_template", "dataset_rows", "dataset_split", "bf16",
                      "fp16", "total_steps", "framework_commit", "dataset_fraction", "beta", "batch_size",
                      "num_devices", "adapter", "lora", "dropout", "lora_bias", "load_in_4bit", "load_in_8bit",
                      "quant_method", "llm_int8_threshold", "llm_int8_enable_fp32_cpu_offload",
                      "llm_int8_has_fp16_weight", "bnb_4bit_quant_type", "bnb_4bit_use_double_quant",
                      "bnb_4bit_compute_dtype",
                      "train_tokens", "tf32", "merge_method", "merge_model", "merge_weight",
                      "merge_density", "eval_batch_size", "val_set_size", "eval_steps"}  # fmt: skip
"""Training keys that no other part of a card uses: two of them make a table one of hyperparameters."""

_METHODS: tuple[tuple[str, str], ...] = (
    ("dpo", r"\bc?dpo\b|\bdirect (?:preference|performance) optimi[sz]ation\b"),
    ("sft", r"\bsft\b|\bsupervised[- ]+fine[- ]?tun\w*|\binstruction[- ]+(?:fine[- ]?)?tun\w*"),
    ("orpo", r"\borpo\b"),
    ("kto", r"\bkto\b"),
    ("simpo", r"\bsimpo\b"),
    ("ipo", r"\bipo\b"),
    ("cpo", r"\bcpo\b"),
    ("grpo", r"\bgrpo\b|\bgroup relative policy optimi[sz]ation\b"),
    ("ppo", r"\bppo\b|\bproximal policy optimi[sz]ation\b"),
    ("rlvr", r"\brlvr\b"),
    ("reward", r"\breward[- ]model(?:l?ing)?\b"),
    ("pretraining", r"\b(?:continued |continual )?pre-?training\b"),
)
METHOD_PATTERNS: tuple[tuple[str, re.Pattern[str]], ...] = tuple((n, re.compile(p, re.I)) for n, p in _METHODS)
METHOD_MARKS = (
    "dpo", "sft", "rpo", "kto", "mpo", "ipo", "cpo", "ppo", "rlvr", "direct", "relative", "proximal", "supervised",
    "instruction", "reward", "pretraining", "pre-training", "pre_training",
)  # fmt: skip
"""A text without any of these names no method: looked for first, in lower case."""
METHOD_TITLES = {
    "dpo": "Direct Preference Optimization (DPO)",
    "sft": "Supervised Fine-Tuning (SFT)",
    "reward": "reward modelling",
    "pretraining": "pretraining",
    "merge": "model merge",
    "fine-tuning": "fine-tuning",
    "training": "training",
}
STAGE_ORDER = ("pretraining", "sft", "fine-tuning", "reward", "dpo")
"""Stages in the order in which they are trained; methods not named come last."""

_AFFIXES = re.compile(
    r"^(?:(?:hyperparameters?|training|train|model|the|total number of|our|optimizer|trainer|max) )+"
    r"|(?: (?:used|value|hyperparameter|setting|s))+$"
)
_METHOD_WORD = re.compile(r"\b(dpo|sft|orpo|kto|simpo|ipo|cpo|grpo|ppo)\b")


_NEGATED = re.compile(
    r"\b(?:not|never|without|isn't|wasn't|hasn't|neither|nor|unlike|instead of|"
    r"rather than|except|excluding|before|prior to|no)\b(?! only\b)"
    r"[^.,;:!?()\n]{0,120}",
    re.I,
)
"""What a clause denies: "this is not an instruction-tuned model" names no method."""


def term(label: str) -> tuple[str, str] | None:
    """The standard term that a label spells and the stage it names ("DPO Beta" is ("beta", "dpo")), or None."""
    return _term(label) if len(label) < 400 else None


@lru_cache(maxsize=4096)
def _term(label: str) -> tuple[str, str] | None:
    folded = fold(label)
    if not folded or len(folded) > 80:
        return None
    if folded.startswith(("stage ", "phase ")):
        folded = re.sub(r"^(?:stage|phase) \d+ ", "", folded)
    if folded in SPELLINGS:
        return SPELLINGS[folded], ""
    method = _METHOD_WORD.search(folded)
    stage = method.group(1) if method else ""
    bare = " ".join(_METHOD_WORD.sub(" ", folded).split()) if method else folded
    without_note = fold(re.sub(r"\([^()]*\)", " ", label)) if "(" in label else folded
    for candidate in (bare, _AFFIXES.sub("", bare).strip(), without_note):
        if candidate in SPELLINGS:
            key = SPELLINGS[candidate]
            return ("loss_type" if key == "loss" and stage == "dpo" else key), stage
    return None


def methods_in(text: str) -> tuple[str, ...]:
    """The training methods that a text names, each once, in the order in which it first names them."""
    return _methods_kept(text) if len(text) < 300 else _methods(text)


def _methods(text: str) -> tuple[str, ...]:
    lower = text.lower()
    if not any(mark in lower for mark in METHOD_MARKS):
        return ()
    text = _NEGATED.sub(" ", text.replace("_", " "))
    found = [(match.start(), name) for name, pattern in METHOD_PATTERNS if (match := pattern.search(text))]
    return tuple(name for _, name in sorted(found))


_methods_kept = lru_cache(maxsize=2048)(_methods)
"""Headings, names and short sentences are asked about again and again."""


def method_of(text: str) -> str:
    """The one training method that a text names; empty when it names none or several."""
    found = methods_in(text)
    if "rlvr" in found and set(found) <= {"rlvr", "ppo", "grpo"}:
        return "rlvr"  # of which the others are the algorithm
    return found[0] if len(found) == 1 else ""
