"""Real FSDP2 on two processes: the curve of one, also after a kill and with another number of processes."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pydantic
import pytest
from launch import PLAIN, finish, kill_when, start

from repro.plan import Plan, ProxyModel, StagePlan
from repro.run import NO_ASSETS, Assets
from repro.spec import Fact, Origin
from repro.task import Scale, ignore
from repro.train import synthetic
from repro.train.engine import AccelerateEngine
from repro.train.model import make_proxy, save_model
from repro.train.record import load_run, plan_bytes
from repro.train.template import TULU_TEMPLATE
from repro.train.tokenizer import train_tokenizer

FSDP2: dict[str, object] = {
    **PLAIN,
    "distributed_type": "FSDP",
    "fsdp_config": {
        "fsdp_version": 2,
        "fsdp_auto_wrap_policy": "TRANSFORMER_BASED_WRAP",
        "fsdp_cpu_ram_efficient_loading": True,
        "fsdp_state_dict_type": "SHARDED_STATE_DICT",
    },
}
ZERO3: dict[str, object] = {
    **{key: value for key, value in PLAIN.items() if key != "use_cpu"},
    "distributed_type": "DEEPSPEED",
    "deepspeed_config": {"zero_stage": 3, "zero3_init_flag": False, "zero3_save_16bit_model": True},
}
STEPS = 30


@pytest.fixture
def assets(tmp_path: Path) -> Assets:
    """A small Llama and rows of its own, as a full-scale run finds them."""
    made = synthetic.preference_rows(0, 216)
    tokenizer = train_tokenizer((row["chosen"][-1]["content"] for row in made), 400)
    tokenizer.chat_template = TULU_TEMPLATE
    save_model(make_proxy(ProxyModel(400, 32, 48, 2, 4, 2, 0), tokenizer, 7), tokenizer, tmp_path / "tiny")
    chats, pairs = tmp_path / "chats.jsonl", tmp_path / "pairs.jsonl"
    chats.write_text("".join(json.dumps({"messages": row["chosen"]}) + "\n" for row in made))
    pairs.write_text("".join(json.dumps({k: row[k] for k in ("chosen", "rejected")}) + "\n" for row in made))
    sets = {"org/chats": (str(chats),), "org/pairs": (str(pairs),)}
    return Assets(models={"org/base": str(tmp_path / "tiny")}, datasets=sets, heldout={})


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_shards_give_the_curve_of_one_process(
    plan: Callable[..., Plan],
    stage: Callable[..., StagePlan],
    dataset: Callable[..., Any],
    assets: Assets,
    tmp_path: Path,
) -> None:
    common = {"effective_batch_size": 72, "gradient_accumulation_steps": 3, "per_device_batch_size": 24}
    # three groups of rows to two processes: one has more passes than the other, and a pass gathers the shards of both
    sft = stage("sft", steps=None, max_steps=4, datasets=(dataset("org/chats"),), precision="bf16", **common)
    dpo = stage(
        "dpo",
        steps=None,
        max_steps=STEPS,
        num_epochs=10.0,
        max_grad_norm=0.5,
        datasets=(dataset("org/pairs"),),
        **common,
    )
    checkpointed = Fact("gradient_checkpointing", True, Origin.STATED)
    dpo = pydantic.TypeAdapter(StagePlan).validate_python(
        {**{f: getattr(dpo, f) for f in dpo.__slots__}, "facts": (*dpo.facts, checkpointed), "base": "org/base"}
    )
    given = plan(sft, dpo, scale=Scale.FULL, proxy=None)
    (tmp_path / "plan.json").write_bytes(plan_bytes(given))
    (tmp_path / "assets.json").write_bytes(pydantic.TypeAdapter(Assets).dump_json(assets))
    arguments = [str(tmp_path / "plan.json"), str(tmp_path / "two"), "0", str(tmp_path / "assets.json")]
    checkpoints = tmp_path / "two" / "seed-42" / "dpo" / "checkpoints"

    first = start("run_sharded.py", *arguments, folder=tmp_path, processes=2, config=FSDP2)
    kill_when(first, lambda: any(checkpoints.glob("step-*")))
    kept = sorted(checkpoints.glob("step-*"))[-1]
    assert list(kept.rglob("__1_*.distcp")), "the second process wrote its shard"

    # what is sharded is no replica: one process alone is told so
    alone = start("run_engine.py", *arguments, folder=tmp_path, processes=1)
    _, errors = alone.communicate(timeout=300)
    assert "sharded by FSDP of 2 processes, and this launch has it whole in each of 1 process" in errors
    assert sorted(checkpoints.glob("step-*"))[-1] == kept

    finish(start("run_sharded.py", *arguments, folder=tmp_path, processes=1, config=FSDP2))
    resumed = load_run(tmp_path / "two")
    one = AccelerateEngine().run(given, assets, str(tmp_path / "one"), ignore)
    assert resumed is not None
    assert resumed.stages[1].resumed == 2
    for ours, theirs, narrow in zip(one.stages, resumed.stages, (True, False), strict=True):
        near = {"rel": 0.02} if narrow else {"rel": 2e-4, "abs": 1e-5}
        assert [s.loss for s in theirs.steps] == pytest.approx([s.loss for s in ours.steps], **near)
        assert [s.grad_norm for s in theirs.steps] == pytest.approx([s.grad_norm for s in ours.steps], **near)
    assert max(s.grad_norm for s in one.stages[1].steps) > 0.5, "the gradient is clipped"
    # bf16 is that of the computation: the losses are not rounded to it
    assert any(abs(s.loss * 256 - round(s.loss * 256)) > 1e-3 for s in resumed.stages[0].steps)
    saved = tmp_path / "two" / resumed.stages[1].checkpoint / "model.safetensors"
    same = tmp_path / "one" / one.stages[1].checkpoint / "model.safetensors"
    from safetensors.torch import load_file

    ours_weights, theirs_weights = load_file(same), load_file(saved)
    assert ours_weights.keys() == theirs_weights.keys()
    for name, tensor in ours_weights.items():
        assert theirs_weights[name].shape == tensor.shape
        assert float((theirs_weights[name] - tensor).abs().max()) < 2e-4, name


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_zero3_gives_the_curve_of_one_process(
    plan: Callable[..., Plan], stage: Callable[..., StagePlan], tmp_path: Path
) -> None:
    if importlib.util.find_spec("deepspeed") is None:
        pytest.skip("DeepSpeed is not installed")
    common = {"effective_batch_size": 72, "gradient_accumulation_steps": 3, "per_device_batch_size": 24}
    sft, dpo = (
        stage("sft", steps=4, max_grad_norm=0.2, **common),
        stage("dpo", steps=STEPS, max_grad_norm=0.5, **common),
    )
    given = plan(sft, dpo)
    (tmp_path / "plan.json").write_bytes(plan_bytes(given))
    arguments = [str(tmp_path / "plan.json"), str(tmp_path / "two"), "0"]
    checkpoints = tmp_path / "two" / "seed-42" / "dpo" / "checkpoints"
    first = start("run_sharded.py", *arguments, folder=tmp_path, processes=2, config=ZERO3)
    kill_when(first, lambda: any(checkpoints.glob("step-*")))
    # its shards are of as many processes as wrote them
    alone = start("run_sharded.py", *arguments, folder=tmp_path, processes=1, config=ZERO3)
    _, errors = alone.communicate(timeout=300)
    assert "sharded by DEEPSPEED of 2 processes, and this launch has it sharded by DEEPSPEED of 1 process" in errors
    finish(start("run_sharded.py", *arguments, folder=tmp_path, processes=2, config=ZERO3))
    resumed = load_run(tmp_path / "two")
    one = AccelerateEngine().run(given, NO_ASSETS, str(tmp_path / "one"), ignore)
    assert resumed is not None
    for ours, theirs in zip(one.stages, resumed.stages, strict=True):
        assert [s.loss for s in theirs.steps] == pytest.approx([s.loss for s in ours.steps], abs=1e-5)
        assert [s.grad_norm for s in theirs.steps] == pytest.approx([s.grad_norm for s in ours.steps], rel=2e-4)
