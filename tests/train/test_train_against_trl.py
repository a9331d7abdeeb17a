"""TRL as an oracle: the same rows, batches and order give the same losses and the same gradients."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from plans import semantics_of

from repro.plan import StagePlan
from repro.train import synthetic
from repro.train.dpo import DpoObjective
from repro.train.encode import Codec, encode_preference, encode_sft
from repro.train.model import Scorer, make_proxy
from repro.train.order import Order, group_weights
from repro.train.sft import SftObjective
from repro.train.tokenizer import train_tokenizer

pytestmark = [pytest.mark.filterwarnings("ignore")]

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    texts = [m["content"] for row in synthetic.sft_rows(0, 300) for m in row["messages"]]
    return train_tokenizer([*texts, "<|user|>\n<|assistant|>\n" * 50], 400)


@pytest.fixture(scope="module")
def model_folder(tokenizer: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    from repro.plan import ProxyModel

    folder = tmp_path_factory.mktemp("model")
    make_proxy(ProxyModel(400, 32, 64, 2, 4, 2, 0), tokenizer, 3).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def _model(folder: Path) -> Any:
    from transformers import LlamaForCausalLM

    return LlamaForCausalLM.from_pretrained(folder, dtype=torch.float32)


def _preference(count: int) -> list[dict[str, Any]]:
    rows = synthetic.preference_rows(5, count)
    # a conversation of several turns, of which only the last differs
    talk = [{"role": "user", "content": "Hello."}, {"role": "assistant", "content": "Good day."}]
    return [
        {"chosen": [*talk * (i % 3 == 0), *r["chosen"]], "rejected": [*talk * (i % 3 == 0), *r["rejected"]]}
        for i, r in enumerate(rows)
    ]


def _sft(count: int) -> list[dict[str, Any]]:
    return [{"messages": row["messages"]} for row in synthetic.sft_rows(6, count)]


COMMON: dict[str, Any] = {
    "per_device_train_batch_size": 4,
    "gradient_accumulation_steps": 2,
    "learning_rate": 1e-3,
    "lr_scheduler_type": "linear",
    "num_train_epochs": 2,
    "logging_steps": 1,
    "max_length": 32,
    "report_to": [],
    "bf16": False,
    "gradient_checkpointing": False,
    "save_strategy": "no",
    "use_cpu": True,
    "seed": 7,
    "disable_tqdm": True,
    "weight_decay": 0.1,
}


def _trl(kind: str, folder: Path, rows: list[dict[str, Any]], tokenizer: Any, out: Path, **given: Any) -> Any:
    from datasets import Dataset
    from trl import DPOConfig, DPOTrainer, SFTConfig, SFTTrainer

    config, trainer = (DPOConfig, DPOTrainer) if kind == "dpo" else (SFTConfig, SFTTrainer)
    return trainer(
        model=_model(folder),
        args=config(output_dir=str(out), **{**COMMON, **given}),
        train_dataset=Dataset.from_list(rows),
        processing_class=tokenizer,
    )


@pytest.mark.parametrize(("theirs", "ours"), [("sigmoid", "dpo"), ("sigmoid_norm", "dpo_norm")])
def test_dpo_loss_and_gradients(theirs: str, ours: str, model_folder: Path, tokenizer: Any, tmp_path: Path) -> None:
    rows = _preference(6)
    trainer = _trl("dpo", model_folder, rows, tokenizer, tmp_path, loss_type=[theirs], beta=0.7, max_length=60)
    moved = _model(model_folder)
    with torch.no_grad():  # away from the reference, or the loss is log 2 whatever is wrong
        for i, parameter in enumerate(moved.parameters()):
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(i)))
    trainer.model.load_state_dict(moved.state_dict())
    inputs = trainer._prepare_inputs(trainer.data_collator([trainer.train_dataset[i] for i in range(6)]))
    loss = trainer.compute_loss(trainer.model, inputs)
    loss.backward()

    codec = Codec(tokenizer, False, "completion", 60, "right", "labels")
    chosen, rejected, _ = encode_preference(rows, codec, lambda done: None)
    objective = DpoObjective(
        chosen, rejected, loss_type=ours, beta=0.7, label_smoothing=0.0, pad_token_id=tokenizer.pad_token_id
    )
    everything = np.arange(6)
    with torch.no_grad():
        reference = Scorer(_model(model_folder), autocast=None)
        objective.use_reference(objective.log_probs(reference, everything, CPU))
    policy = Scorer(moved, autocast=None)
    result = objective.losses(policy, everything, CPU)
    result.loss.mean().backward()

    assert loss.item() != pytest.approx(0.6931, abs=2e-3)
    assert result.loss.mean().item() == pytest.approx(loss.item(), abs=1e-5)
    _same_gradients(trainer.model, moved)


def test_sft_loss_and_gradients(model_folder: Path, tokenizer: Any, tmp_path: Path) -> None:
    rows = _sft(5)
    trainer = _trl("sft", model_folder, rows, tokenizer, tmp_path)
    inputs = trainer._prepare_inputs(trainer.data_collator([trainer.train_dataset[i] for i in range(5)]))
    loss = trainer.compute_loss(trainer.model, inputs)
    loss.backward()

    sequences, _ = encode_sft(rows, Codec(tokenizer, False, "all_tokens", 32, "right", "labels"), lambda done: None)
    objective = SftObjective(sequences, reduction="token_mean", pad_token_id=tokenizer.pad_token_id)
    ours = _model(model_folder)
    result = objective.losses(Scorer(ours, autocast=None), np.arange(5), CPU)
    total = result.loss.sum() / int(objective.terms.sum())
    total.backward()
    assert total.item() == pytest.approx(loss.item(), abs=1e-5)
    _same_gradients(trainer.model, ours)


def _same_gradients(theirs: Any, ours: Any) -> None:
    expected = dict(theirs.named_parameters())
    for name, parameter in ours.named_parameters():
        assert expected[name].grad is not None, name
        torch.testing.assert_close(parameter.grad, expected[name].grad, atol=1e-5, rtol=1e-5, msg=name)
    assert any(p.grad.abs().max() > 1e-3 for p in ours.parameters())


@pytest.mark.parametrize("data_seed", [None, 11])
def test_the_order_is_the_trainers(
    data_seed: int | None, model_folder: Path, tokenizer: Any, tmp_path: Path, stage: Callable[..., StagePlan]
) -> None:
    from transformers import set_seed

    rows = _preference(11)
    trainer = _trl("dpo", model_folder, rows, tokenizer, tmp_path, max_length=200, data_seed=data_seed)
    set_seed(7)
    loader = trainer.get_train_dataloader()
    settings = dataclasses.replace(
        stage("dpo").hyperparameters, per_device_batch_size=4, effective_batch_size=8, seed=7, data_seed=data_seed or 42
    )
    chosen, _, _ = encode_preference(
        rows, Codec(tokenizer, False, "completion", 200, "right", "labels"), lambda done: None
    )
    order = Order(11, settings, semantics_of("trl", "dpo", sampler_seed="data_seed" if data_seed else "seed"))
    assert order.steps_per_epoch == 2
    for epoch in range(2):
        loader.set_epoch(epoch)
        groups = [group for step in (1, 2) for group in order.window(2 * epoch + step).groups]
        for batch, group in zip(loader, groups, strict=True):
            first = batch["input_ids"][: len(group)]
            for theirs, row in zip(first, group, strict=True):
                ours = chosen.ids[chosen.starts[row] : chosen.starts[row + 1]]
                assert theirs[: len(ours)].tolist() == ours.tolist()


def test_weights_recover_each_reduction(stage: Callable[..., StagePlan]) -> None:
    settings = dataclasses.replace(stage("sft").hyperparameters, per_device_batch_size=2, effective_batch_size=6)
    order = Order(7, settings, semantics_of("open-instruct", "dpo"))
    counts = np.arange(1, 8)
    losses = np.linspace(1.0, 3.0, 7)
    partial = order.window(2)
    assert [len(g) for g in partial.groups] == [1]
    for window, divisor in ((order.window(1), 3), (partial, 3)):
        terms, rows = counts[window.rows], window.rows
        mean = sum(losses[g].sum() / counts[g].sum() for g in window.groups) / divisor
        got = group_weights(window, terms, reduction="mean", divisor="full") @ losses[rows]
        assert got == pytest.approx(mean)
        token_mean = losses[rows].sum() / terms.sum()
        assert group_weights(window, terms, reduction="token_mean", divisor="full") @ losses[rows] == pytest.approx(
            token_mean
        )
        summed = sum(losses[g].sum() for g in window.groups) / divisor
        assert group_weights(window, terms, reduction="sum", divisor="full") @ losses[rows] == pytest.approx(summed)
    actual = group_weights(partial, counts[partial.rows], reduction="mean", divisor="actual") @ losses[partial.rows]
    assert actual == pytest.approx(float(losses[partial.rows[0]] / counts[partial.rows[0]]))
