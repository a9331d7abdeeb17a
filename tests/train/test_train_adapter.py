"""LoRA: step for step what TRL trains with the same peft configuration, resumed bit for bit, merged when saved."""

from __future__ import annotations

import importlib.util
import math
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from oracle import Curve, hold, own_curve, rows_of, trl_curve, write_model
from plans import plan_of, stage_of
from safetensors.torch import load_file
from same import files

from repro.errors import PrerequisiteError, RunError
from repro.evaluate.checkpoint import inspect
from repro.plan import Adapter, Plan
from repro.run import NO_ASSETS
from repro.task import Progress, ignore
from repro.train.adapter import add_adapter, is_adapted, merged, quantization_config, refuse_adapter
from repro.train.engine import AccelerateEngine
from repro.train.model import load_model

pytestmark = [pytest.mark.filterwarnings("ignore")]

LORA = Adapter(r=4, alpha=8, dropout=0.0, target_modules=("q_proj", "v_proj"), bias="none", use_rslora=False)


@pytest.fixture(scope="module")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    write_model(folder)
    return folder


@pytest.mark.parametrize(
    ("kind", "changes", "theirs", "ours"),
    [
        ("sft", {}, {}, {}),
        (
            "dpo",
            {"use_rslora": True, "target_modules": ("all-linear",), "dropout": 0.1},
            {"loss_type": ["sigmoid_norm"], "beta": 5.0, "max_length": 60},
            {"loss_type": "dpo_norm", "beta": 5.0, "max_seq_length": 60},
        ),
    ],
)
def test_step_for_step_as_trl(
    kind: str, changes: dict[str, Any], theirs: dict[str, Any], ours: dict[str, Any], model_folder: Path, tmp_path: Path
) -> None:
    """The adapter's first values too: both draw them right after the seed. TRL's DPO turns its dropout off."""
    from peft import LoraConfig

    adapter = replace(LORA, **changes)
    names = list(adapter.target_modules)
    config = LoraConfig(
        task_type="CAUSAL_LM",
        r=adapter.r,
        lora_alpha=8,
        lora_dropout=adapter.dropout,
        target_modules="all-linear" if names == ["all-linear"] else names,
        use_rslora=adapter.use_rslora,
    )
    rows = rows_of(kind, 40)
    expected = trl_curve(kind, model_folder, rows, tmp_path / "trl", peft_config=config, **theirs)
    got = own_curve(kind, model_folder, rows, tmp_path / "ours", adapter=adapter, **ours)
    hold(got, expected, steps=10)
    _only_the_targets_moved(got, model_folder, changes.get("target_modules"))
    if kind == "dpo":
        assert got.losses[0] == pytest.approx(math.log(2), abs=1e-6)


def _only_the_targets_moved(got: Curve, folder: Path, targets: object) -> None:
    before = load_file(folder / "model.safetensors")
    moved = {name for name, weight in got.weights.items() if not torch.equal(weight, before[name])}
    assert moved
    if targets is None:
        assert all("q_proj" in name or "v_proj" in name for name in moved)
    assert not any("embed" in name or "norm" in name or "lm_head" in name for name in moved)


def _small(steps: int = 6) -> Plan:
    return plan_of(stage_of("sft", steps=4, adapter=LORA), stage_of("dpo", steps=steps, adapter=LORA))


def test_a_chain_of_adapters_leaves_whole_models(tmp_path: Path) -> None:
    run = AccelerateEngine().run(_small(), NO_ASSETS, str(tmp_path), ignore)
    _, dpo = run.stages
    assert dpo.steps[0].loss == pytest.approx(math.log(2), abs=1e-6), "the reference is the merged model before it"
    assert dpo.steps[-1].loss != dpo.steps[0].loss
    for stage in run.stages:
        folder = inspect(str(tmp_path / stage.checkpoint))
        model = load_model(folder, torch.float32)
        assert not is_adapted(model)
        assert not any("lora" in name for name in load_file(folder / "model.safetensors"))
    base, end = (load_file(tmp_path / place / "model.safetensors") for place in (run.base_checkpoint, dpo.checkpoint))
    assert {n.split(".")[-2] for n in end if not torch.equal(base[n], end[n])} == {"q_proj", "v_proj"}


def test_interrupted_it_ends_the_same_and_keeps_no_frozen_weight(tmp_path: Path) -> None:
    alone, stopped = tmp_path / "alone", tmp_path / "stopped"
    given = _small(20)
    AccelerateEngine().run(given, NO_ASSETS, str(alone), ignore)
    sizes: list[int] = []

    def stop(event: Progress) -> None:
        if event.task == "dpo" and 1 < event.done < 20:
            kept = sorted((stopped / "seed-42" / "dpo" / "checkpoints").glob("step-*/state.pt"))
            state = torch.load(kept[-1], weights_only=True)
            sizes.append(len(state["model"]))
            assert all("lora" in name for name in state["model"])
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        AccelerateEngine(checkpoint_seconds=0).run(given, NO_ASSETS, str(stopped), stop)
    assert sizes
    run = AccelerateEngine(checkpoint_seconds=0).run(given, NO_ASSETS, str(stopped), ignore)
    assert run.stages[1].resumed == 1
    assert files(stopped) == files(alone)


def test_layers_that_a_model_does_not_have_are_said(model_folder: Path) -> None:
    model = load_model(model_folder, torch.float32)
    with pytest.raises(RunError, match="query_key_value") as caught:
        add_adapter(model, replace(LORA, target_modules=("query_key_value",)), seed=0)
    assert "all-linear" in caught.value.hint


def test_what_this_machine_cannot_train_is_one_sentence() -> None:
    cpu = SimpleNamespace(distributed_type=SimpleNamespace(value="NO"), device=torch.device("cpu"))
    refuse_adapter(LORA, cpu)
    with pytest.raises(PrerequisiteError, match=r"nf4 .* CUDA GPU and the package bitsandbytes") as caught:
        refuse_adapter(replace(LORA, quantization="nf4"), cpu)
    assert "--assume adapter=lora" in caught.value.hint
    sharded = SimpleNamespace(distributed_type=SimpleNamespace(value="FSDP"), device=torch.device("cuda"))
    with pytest.raises(PrerequisiteError, match="FSDP"):
        refuse_adapter(LORA, sharded)


@pytest.mark.skipif(importlib.util.find_spec("bitsandbytes") is None, reason="bitsandbytes is not installed")
@pytest.mark.parametrize("quantization", ["nf4", "fp4", "int8"])
def test_a_quantized_base_is_merged_as_what_it_stood_for(quantization: str, tmp_path: Path) -> None:
    """bitsandbytes computes on a CPU too, slowly: the same path as on a GPU."""
    adapter = replace(LORA, quantization=quantization)
    write_model(tmp_path / "wide", hidden=64)
    model = load_model(tmp_path / "wide", torch.float32, quantization=quantization_config(adapter))
    adapted = add_adapter(model, adapter, seed=1)
    trained = [name for name, p in adapted.named_parameters() if p.requires_grad]
    assert trained
    assert all("lora_" in name for name in trained)
    with torch.no_grad():
        for name, parameter in adapted.named_parameters():
            if "lora_B" in name:
                parameter.add_(0.05)
    ids = torch.arange(3, 23)[None]
    before = adapted(input_ids=ids).logits.detach().float()
    whole = merged(adapted)
    whole.save_pretrained(tmp_path / "merged")
    again = load_model(tmp_path / "merged", torch.float32)
    with torch.no_grad():
        after = again(input_ids=ids).logits
    assert (before - after).abs().max() < 0.05 * before.abs().max()
