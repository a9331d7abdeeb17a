"""Trainers of other libraries beside ours: the same rows, seed and settings; every logged step and the last weights."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from plans import plan_of, stage_of

from repro.plan import Adapter, DatasetPlan, ProxyModel
from repro.run import Assets
from repro.task import Scale, ignore
from repro.train import synthetic
from repro.train.engine import AccelerateEngine
from repro.train.model import make_proxy
from repro.train.tokenizer import train_tokenizer

VOCABULARY = 400
COMMON: dict[str, Any] = {
    "per_device_train_batch_size": 4,
    "gradient_accumulation_steps": 2,
    "learning_rate": 1e-3,
    "lr_scheduler_type": "linear",
    "num_train_epochs": 2,
    "warmup_steps": 0.2,
    "weight_decay": 0.1,
    "max_grad_norm": 1.0,
    "logging_steps": 1,
    "report_to": [],
    "bf16": False,
    "gradient_checkpointing": False,
    "save_strategy": "no",
    "use_cpu": True,
    "seed": 7,
    "disable_tqdm": True,
}
"""In the terms of transformers' TrainingArguments."""
OURS: dict[str, Any] = {
    "learning_rate": 1e-3,
    "per_device_batch_size": 4,
    "gradient_accumulation_steps": 2,
    "num_epochs": 2.0,
    "max_seq_length": 32,
    "warmup_ratio": 0.2,
    "weight_decay": 0.1,
    "max_grad_norm": 1.0,
    "seed": 7,
    "data_seed": 7,
    "loss_reduction": "token_mean",
    "chat_template": "model",
}
"""The same in ours."""


@dataclass(frozen=True)
class Curve:
    """What a training logged, and the weights it ended with, by the names of the plain model."""

    losses: list[float]
    rates: list[float]
    norms: list[float]
    epochs: list[float]
    weights: dict[str, torch.Tensor]


def write_model(folder: Path, hidden: int = 32) -> Any:
    """A tiny Llama and its tokenizer, saved; the tokenizer is given back."""
    texts = [m["content"] for row in synthetic.sft_rows(0, 300) for m in row["messages"]]
    tokenizer = train_tokenizer([*texts, "<|user|>\n<|assistant|>\n" * 50], VOCABULARY)
    make_proxy(ProxyModel(VOCABULARY, hidden, 2 * hidden, 2, 4, 2, 0), tokenizer, 3).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return tokenizer


def load(folder: Path) -> Any:
    from transformers import LlamaForCausalLM

    return LlamaForCausalLM.from_pretrained(folder, dtype=torch.float32)


def rows_of(kind: str, count: int) -> list[dict[str, Any]]:
    if kind == "dpo":
        # each third one a conversation of several turns, of which only the last differs
        rows = synthetic.preference_rows(5, count)
        talk = [{"role": "user", "content": "Hello."}, {"role": "assistant", "content": "Good day."}]
        return [
            {side: [*talk * (i % 3 == 0), *row[side]] for side in ("chosen", "rejected")} for i, row in enumerate(rows)
        ]
    return [{"messages": row["messages"]} for row in synthetic.sft_rows(6, count)]


def trl_curve(kind: str, folder: Path, rows: list[dict[str, Any]], out: Path, **given: Any) -> Curve:
    """TRL's SFTTrainer or DPOTrainer, or CPOTrainer for "simpo"; `peft_config` beside TrainingArguments' fields."""
    from datasets import Dataset
    from transformers import AutoTokenizer
    from trl import DPOConfig, DPOTrainer, SFTConfig, SFTTrainer

    if kind == "simpo":
        from trl.experimental.cpo import CPOConfig, CPOTrainer

        config, trainer = CPOConfig, CPOTrainer
    else:
        config, trainer = (DPOConfig, DPOTrainer) if kind == "dpo" else (SFTConfig, SFTTrainer)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    if kind == "simpo":
        tokenizer.bos_token = None  # CPOTrainer alone puts one before a prompt that has none
    peft = {"peft_config": given.pop("peft_config")} if "peft_config" in given else {}
    made = trainer(
        model=load(folder),
        args=config(output_dir=str(out), **{**COMMON, "max_length": 32, **given}),
        train_dataset=Dataset.from_list(rows),
        processing_class=tokenizer,
        **peft,
    )
    return trained_curve(made)


def trainer_curve(folder: Path, rows: list[dict[str, Any]], out: Path) -> Curve:
    """transformers' own Trainer on `text` rows: the model's loss of every token, over the label tokens of a step."""
    from transformers import AutoTokenizer, Trainer, TrainingArguments

    tokenizer = AutoTokenizer.from_pretrained(folder)
    ids = [tokenizer(row["text"] + tokenizer.eos_token)["input_ids"][: OURS["max_seq_length"]] for row in rows]

    def collate(batch: list[dict[str, list[int]]]) -> dict[str, torch.Tensor]:
        longest = max(len(one["input_ids"]) for one in batch)

        def padded(value: int, ids: list[int]) -> list[int]:
            return [*ids, *[value] * (longest - len(ids))]

        return {
            "input_ids": torch.tensor([padded(tokenizer.pad_token_id, one["input_ids"]) for one in batch]),
            "attention_mask": torch.tensor([padded(0, [1] * len(one["input_ids"])) for one in batch]),
            "labels": torch.tensor([padded(-100, one["input_ids"]) for one in batch]),
        }

    trainer = Trainer(
        model=load(folder),
        args=TrainingArguments(output_dir=str(out), **COMMON),
        train_dataset=[{"input_ids": one} for one in ids],  # type: ignore[arg-type]
        data_collator=collate,
    )
    return trained_curve(trainer)


def trained_curve(trainer: Any) -> Curve:
    """Train a transformers Trainer, and what it logged."""
    trainer.train()
    logged = [entry for entry in trainer.state.log_history if "loss" in entry]
    model = trainer.accelerator.unwrap_model(trainer.model)
    if hasattr(model, "merge_and_unload"):
        model = model.merge_and_unload()
    return Curve(
        losses=[e["loss"] for e in logged],
        rates=[e["learning_rate"] for e in logged],
        norms=[e["grad_norm"] for e in logged],
        epochs=[e["epoch"] for e in logged],
        weights={name: tensor.detach().clone() for name, tensor in model.state_dict().items()},
    )


def own_curve(
    kind: str,
    folder: Path,
    rows: list[dict[str, Any]],
    out: Path,
    *,
    adapter: Adapter | None = None,
    framework: str = "trl",
    **given: Any,
) -> Curve:
    """The engine at full scale, on the same model and rows."""
    from safetensors.torch import load_file

    out.mkdir(parents=True, exist_ok=True)
    data = out / "rows.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in rows))
    scope = {"label_scope": "completion" if kind == "dpo" else "all_tokens"}
    stage = stage_of(
        kind,
        framework=framework,
        steps=None,
        base="org/tiny",
        datasets=(DatasetPlan("org/rows", "", "train", None, None, None),),
        adapter=adapter,
        **{**OURS, **scope, **given},
    )
    assets = Assets(models={"org/tiny": str(folder)}, datasets={"org/rows": (str(data),)}, heldout={})
    plan = plan_of(stage, scale=Scale.FULL, proxy=None, seeds=(stage.hyperparameters.seed,))
    run = AccelerateEngine().run(plan, assets, str(out / "run"), ignore)
    steps = run.stages[0].steps
    return Curve(
        losses=[s.loss for s in steps],
        rates=[s.learning_rate for s in steps],
        norms=[s.grad_norm for s in steps],
        epochs=[s.epoch for s in steps],
        weights=load_file(out / "run" / run.stages[0].checkpoint / "model.safetensors"),
    )


def hold(ours: Curve, theirs: Curve, *, steps: int, tolerance: float = 1e-5) -> None:
    """Every logged loss, rate and gradient norm, and every last weight, within the tolerance."""
    assert len(ours.losses) == len(theirs.losses) == steps
    assert ours.losses == pytest.approx(theirs.losses, abs=tolerance)
    assert ours.rates == pytest.approx(theirs.rates, rel=1e-6)
    assert ours.norms == pytest.approx(theirs.norms, abs=tolerance, rel=1e-4)
    assert ours.epochs == pytest.approx(theirs.epochs, abs=1e-4)
    assert ours.weights.keys() == theirs.weights.keys()
    for name, weight in ours.weights.items():
        torch.testing.assert_close(weight, theirs.weights[name], atol=tolerance, rtol=0, msg=name)
