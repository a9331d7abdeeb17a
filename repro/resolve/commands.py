"""The commands that would run the plan elsewhere; every word that a card wrote is quoted for the shell."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence

from repro.plan import Adapter, Command, StagePlan
from repro.resolve.data import REPO_ID
from repro.resolve.recipes import framework_of
from repro.spec import Origin
from repro.task import Start

_TRAINER_SAMPLERS = {"sequential": "sequential", "length_grouped": "group_by_length"}
"""Orders that transformers' Trainer has beside its own (v5.23.0: training_args.py, train_sampling_strategy)."""
_OLD_NAMES = {"0becd2c", "bb98dbc"}
"""Commits at which the DPO flags still had their prefix."""


def commands(
    stages: Sequence[StagePlan],
    card: str,
    given: Mapping[str, str],
    seed: int | None,
    asked: Sequence[str] = (),
    start: Start = Start.REGENERATED,
) -> tuple[Command, ...]:
    """One command a stage for open-instruct or TRL where the card names it, then the same run through repro itself."""
    found = []
    for stage in stages:
        framework = framework_of(str(stage.get("framework").value or ""))
        loss = stage.hyperparameters.loss_type
        if framework == "open-instruct" and loss != "ipo" and stage.adapter is None:  # what its scripts have
            found.append(_open_instruct(stage))
        elif framework == "trl" and loss != "simpo":  # of its experimental CPOTrainer, which has no command
            found.append(_trl(stage))
    return (*found, _own(stages, card, given, seed, asked, start))


def own_command(
    card: str,
    given: Mapping[str, str],
    seed: int | None,
    *,
    asked: Sequence[str],
    start: Start,
    processes: int,
    more: Sequence[str] = (),
    sharded: bool = False,
) -> str:
    """A full-scale run through repro itself; `more` are further words, ready for the shell.

    `sharded` has repro's own launcher write accelerate's configuration, by which the processes share the weights.
    """
    path = f"./{card}" if card.startswith("-") else card
    words = [f"accelerate launch --num_processes {processes} -m repro run {_quote(path)} --scale full"]
    if sharded:
        words = [f"repro run {_quote(path)} --scale full"]
        more = (*more, f"--launcher accelerate --processes {processes}") if processes > 1 else more
    words += [f"--stages {_quote(name)}" for name in asked]
    if start is Start.PUBLISHED:
        words.append(f"--start {start.value}")
    words += [f"--assume {_quote(f'{key}={value}')}" for key, value in given.items()]
    if seed is not None:
        words.append(f"--seed {seed}")
    return _lines([*words, *more])


def _own(
    stages: Sequence[StagePlan],
    card: str,
    given: Mapping[str, str],
    seed: int | None,
    asked: Sequence[str],
    start: Start,
) -> Command:
    facts = [s.get("num_devices") for s in stages]
    known = [f.value for f in facts if isinstance(f.value, int) and f.origin is not Origin.ASSUMED]
    text = own_command(card, given, seed, asked=asked, start=start, processes=max(known, default=1))
    comments = [] if known else ["# one process a device: raise --num_processes to yours, the effective batch stays"]
    title = "The same run at full scale, with repro" if asked else "The whole run at full scale, with repro"
    return Command(title=title, text="\n".join([*comments, text]))


def _open_instruct(stage: StagePlan) -> Command:
    """open-instruct's own scripts (docs/tulu3.md), one process a device, DeepSpeed ZeRO-3 as its recipes run it."""
    h = stage.hyperparameters
    script = "open_instruct/finetune.py" if stage.method == "sft" else "open_instruct/dpo_tune_cache.py"
    precision = "bf16" if h.precision == "bf16" else "no"
    base = _model(stage.base)
    words = [
        f"accelerate launch --mixed_precision {precision} --num_processes {h.num_devices}",
        "--use_deepspeed --deepspeed_config_file configs/ds_configs/stage3_no_offloading_accelerate.conf",
        script,
        f"--model_name_or_path {base}",
        f"--tokenizer_name {base}",
        "--dataset_mixer_list " + " ".join(_mixer(stage)),
        f"--max_seq_length {h.max_seq_length}",
        f"--per_device_train_batch_size {h.per_device_batch_size}",
        f"--gradient_accumulation_steps {h.gradient_accumulation_steps}",
        f"--learning_rate {h.learning_rate!r}",
        f"--lr_scheduler_type {_quote(h.lr_scheduler_type)}",
        f"--warmup_ratio {_ratio(stage)!r}",
        f"--weight_decay {h.weight_decay!r}",
        f"--num_train_epochs {h.num_epochs:g}",
        f"--logging_steps {h.logging_steps}",
        f"--seed {h.seed}",
    ]
    if h.max_steps is not None:
        words.append(f"--max_train_steps {h.max_steps}")
    comments = ["# in a checkout of https://github.com/allenai/open-instruct at the commit of the plan"]
    if stage.method == "dpo":
        old = any(f"@{commit}" in fact.why for fact in stage.facts for commit in _OLD_NAMES)
        prefix = "dpo_" if old else ""
        loss = "dpo_loss_type" if old else "loss_type"
        words += [f"--{prefix}beta {h.beta!r}", f"--{loss} {_quote(h.loss_type)}"]
        if h.loss_type == "simpo":
            words.append(f"--{prefix}gamma_beta_ratio {h.gamma_beta_ratio!r}")
        comments.append(
            "# the flags for beta and the loss changed names between commits (--dpo_beta, --dpo_loss_type; --beta, "
            "--loss_type), and which holds at this one is not confirmed: compare with --help"
        )
    elif h.loss_reduction == "sum":
        words.append("--reduce_loss sum")
        comments.append("# --reduce_loss exists before commit bb98dbc (September 2025) only")
    if stage.get("gradient_checkpointing").value is True:
        words.append("--gradient_checkpointing")
    words.append(f"--output_dir output/{_quote(stage.name)}")
    return Command(title=f"{stage.name}: open-instruct", text=_lines(words, comments))


def _trl(stage: StagePlan) -> Command:
    """TRL's command line (trl/scripts/sft.py and dpo.py, v1.16.0): flags are the fields of SFTConfig and DPOConfig."""
    h = stage.hyperparameters
    words = [
        f"accelerate launch --num_processes {h.num_devices} -m trl.scripts.{stage.method}",
        f"--model_name_or_path {_model(stage.base)}",
        f"--dataset_name {_dataset(stage)}",
        f"--max_length {h.max_seq_length}",
        f"--per_device_train_batch_size {h.per_device_batch_size}",
        f"--gradient_accumulation_steps {h.gradient_accumulation_steps}",
        f"--learning_rate {h.learning_rate!r}",
        f"--lr_scheduler_type {_quote(h.lr_scheduler_type)}",
        f"--warmup_steps {h.warmup_steps if h.warmup_steps is not None else h.warmup_ratio!r}",
        f"--weight_decay {h.weight_decay!r}",
        f"--max_grad_norm {h.max_grad_norm!r}",
        f"--num_train_epochs {h.num_epochs:g}",
        f"--bf16 {h.precision == 'bf16'}",
        f"--logging_steps {h.logging_steps}",
        f"--seed {h.seed}",
    ]
    if h.max_steps is not None:
        words.append(f"--max_steps {h.max_steps}")
    s = stage.semantics
    if s.truncation_side == "left":
        words.append("--truncation_mode keep_end")
    if s.sampler in _TRAINER_SAMPLERS:
        words.append(f"--train_sampling_strategy {_TRAINER_SAMPLERS[s.sampler]}")
    if s.sampler_seed == "data_seed":
        words.append(f"--data_seed {h.data_seed}")
    if stage.method == "dpo" and s.training_dropout == "config":
        words.append("--disable_dropout False")
    if stage.method == "dpo" and s.reference_log_probs == "start":
        words.append("--precompute_ref_log_probs True")
    comments = []
    if stage.method == "dpo":
        loss = {"dpo": "sigmoid", "dpo_norm": "sigmoid_norm", "ipo": "ipo"}[h.loss_type]
        words += [f"--beta {h.beta!r}", f"--loss_type {loss}", f"--label_smoothing {h.label_smoothing!r}"]
    elif h.label_scope == "all_turns":
        words.append("--assistant_only_loss True")
    if len(stage.datasets) > 1:
        comments.append("# TRL's command line takes one data set: mix the others beforehand")
    if any((d.fraction or 1.0) < 1.0 or d.rows != d.total_rows for d in stage.datasets):
        rows = stage.get("dataset_rows").value
        comments.append(
            f"# the plan uses {rows or 'only some'} rows: where the data set has more, sample it beforehand"
        )
    if stage.adapter is not None:
        words += _peft_flags(stage.adapter)
    words.append(f"--output_dir output/{_quote(stage.name)}")
    return Command(title=f"{stage.name}: TRL", text=_lines(words, comments))


def _peft_flags(adapter: Adapter) -> list[str]:
    """Fields of TRL's ModelConfig (trl/trainer/model_config.py, v1.16.0), whose defaults are not peft's."""
    words = ["--use_peft", f"--lora_r {adapter.r}", f"--lora_alpha {adapter.alpha:g}"]
    words.append(f"--lora_dropout {adapter.dropout!r}")
    if adapter.target_modules:
        words.append("--lora_target_modules " + " ".join(_quote(name) for name in adapter.target_modules))
    if adapter.use_rslora:
        words.append("--use_rslora")
    if adapter.quantization == "int8":
        words.append("--load_in_8bit")
    elif adapter.quantization:
        words.append(f"--load_in_4bit --bnb_4bit_quant_type {adapter.quantization}")
        if adapter.double_quantization:
            words.append("--use_bnb_nested_quant")
    return words


def _mixer(stage: StagePlan) -> list[str]:
    """ "name amount" pairs: open-instruct reads an amount with a decimal point as a share, one without as a count."""
    pairs = []
    for data in stage.datasets:
        amount = (
            str(data.rows) if data.rows is not None else repr(float(1.0 if data.fraction is None else data.fraction))
        )
        pairs.append(f"{_repo(data.repo_id)} {amount}")
    return pairs or ["DATASET 1.0"]


def _ratio(stage: StagePlan) -> float:
    h = stage.hyperparameters
    if h.warmup_steps is None or not stage.expected_steps:
        return h.warmup_ratio
    return round(h.warmup_steps / stage.expected_steps, 6)


def _dataset(stage: StagePlan) -> str:
    return _repo(stage.datasets[0].repo_id) if stage.datasets else "DATASET"


def _model(base: str) -> str:
    if base.startswith("<") and base.endswith(">"):
        return f"output/{_quote(base[1:-1])}"
    return _repo(base) if base else "MODEL"


def _repo(name: str) -> str:
    """A repository id, quoted; what is none is not put into a command, quoted or not."""
    return _quote(name) if REPO_ID.fullmatch(name) else "NOT_A_REPOSITORY_ID"


def _quote(text: str) -> str:
    """One shell word; control characters, which a terminal would obey, are taken out."""
    return shlex.quote("".join(c if c.isprintable() else "?" for c in text))


def _lines(words: Sequence[str], comments: Sequence[str] = ()) -> str:
    return "\n".join([*comments, " \\\n    ".join(words)])
