"""The parts of training, each against the obvious slow way or the library that others use."""

from __future__ import annotations

import dataclasses
import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from plans import semantics_of

from repro.errors import PrerequisiteError, ReproError, RunError
from repro.plan import Plan, ProxyModel, StagePlan
from repro.run import Assets, Step
from repro.task import Progress, Scale
from repro.train import synthetic
from repro.train.data import heldout_rows, made_rows, sample, training_rows
from repro.train.model import add_pad_token, load_model, load_tokenizer, make_proxy
from repro.train.optimizer import adamw
from repro.train.order import Order
from repro.train.progress import Reporter
from repro.train.schedule import Ticks, learning_rate, ticks
from repro.train.tensors import load_tensors, save_tensors, write_state
from repro.train.tokenizer import BOS, EOS, PAD, train_tokenizer

SHAPE = ProxyModel(300, 16, 32, 1, 2, 1, 0)


@pytest.mark.parametrize("kind", ["linear", "cosine", "constant", "constant_with_warmup"])
@pytest.mark.parametrize(("steps", "warmup"), [(10, 0), (10, 3), (1, 0), (7, 7)])
def test_rates_are_those_of_transformers(kind: str, steps: int, warmup: int, stage: Callable[..., StagePlan]) -> None:
    from transformers import get_scheduler

    given = dataclasses.replace(stage("sft").hyperparameters, lr_scheduler_type=kind, learning_rate=0.25)
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.25)
    theirs = get_scheduler(kind, optimizer, num_warmup_steps=warmup, num_training_steps=steps)
    for step in range(1, steps + 1):
        assert learning_rate(given, step, Ticks(steps, warmup, 1)) == pytest.approx(theirs.get_last_lr()[0])
        optimizer.step()
        theirs.step()


def test_warmup_is_rounded_as_the_framework_does(stage: Callable[..., StagePlan]) -> None:
    def warmup(planned: StagePlan) -> int:
        order = Order(6752, planned.hyperparameters, planned.semantics)
        assert order.steps == 844
        return ticks(planned, order, max_steps=None).warmup

    assert warmup(stage("dpo")) == 84
    assert warmup(stage("dpo", framework="trl")) == 85
    assert warmup(stage("dpo", warmup_rounding="up")) == 85
    assert warmup(stage("dpo", framework="trl", warmup_steps=7)) == 7


def test_decay_on_biases_and_norms_only_where_the_plan_says_so(stage: Callable[..., StagePlan]) -> None:
    model = torch.nn.ModuleDict({"a": torch.nn.Linear(3, 3), "norm": torch.nn.LayerNorm(3)})
    given = dataclasses.replace(stage("sft").hyperparameters, weight_decay=0.1)

    def decayed(groups: str) -> set[int]:
        optimizer = adamw(model, given, decay=groups)
        assert sum(len(g["params"]) for g in optimizer.param_groups) == 4
        return {id(p) for g in optimizer.param_groups if g["weight_decay"] for p in g["params"]}

    assert decayed("matrices") == {id(model["a"].weight)}
    assert decayed("all") == {id(p) for p in model.parameters()}


@given(st.integers(1, 60), st.integers(0, 150))
@settings(max_examples=60, deadline=None)
def test_sampling_rule(total: int, wanted: int) -> None:
    rows = sample(total, wanted, 42, "remainder")
    assert len(rows) == wanted
    whole = wanted // total * total
    assert rows[:whole].tolist() == list(range(total)) * (wanted // total)
    left = rows[whole:].tolist()
    assert len(set(left)) == len(left)
    if left:
        assert left == np.random.RandomState(42).choice(total, len(left), replace=False).tolist()


@given(st.integers(1, 40), st.integers(1, 4), st.integers(1, 4), st.integers(1, 3), st.sampled_from(["trl", "x"]))
@settings(max_examples=60, deadline=None)
def test_every_epoch_sees_every_row(rows: int, micro: int, accumulation: int, devices: int, framework: str) -> None:
    from plans import HYPERPARAMETERS

    given = dataclasses.replace(
        HYPERPARAMETERS,
        per_device_batch_size=micro,
        num_devices=devices,
        effective_batch_size=micro * accumulation * devices,
        num_epochs=2.0,
    )
    order = Order(rows, given, semantics_of(framework, "dpo"))
    assert order.steps == 2 * order.steps_per_epoch
    epochs = []
    for epoch in range(2):
        windows = [order.window(epoch * order.steps_per_epoch + i + 1) for i in range(order.steps_per_epoch)]
        drawn = np.concatenate([w.rows for w in windows])
        assert set(drawn.tolist()) == set(range(rows))
        if devices == 1:
            assert len(drawn) == rows
        assert windows[-1].epoch == pytest.approx(epoch + 1)
        epochs.append(drawn.tolist())
    # asked for out of order, as after a resume, it is the same
    again = Order(rows, given, semantics_of(framework, "dpo"))
    assert again.window(order.steps).rows.tolist() == order.window(order.steps).rows.tolist()
    assert np.concatenate([again.window(i + 1).rows for i in range(order.steps_per_epoch)]).tolist() == epochs[0]


def test_synthetic_data_is_the_seeds() -> None:
    assert synthetic.preference_rows(1, 50) == synthetic.preference_rows(1, 50)
    assert synthetic.preference_rows(1, 50) != synthetic.preference_rows(2, 50)
    rows = synthetic.preference_rows(3, 4000)
    assert set(rows[0]) == {"id", "prompt", "chosen", "rejected", "source"}
    assert set(synthetic.sft_rows(3, 1)[0]) == {"id", "messages", "source"}
    assert len({row["id"] for row in rows}) == len(rows)
    assert all(row["chosen"] != row["rejected"] and row["chosen"][0] == row["rejected"][0] for row in rows)
    refusing = sum(row["chosen"][1]["content"] in synthetic.REFUSALS for row in rows)
    refused = sum(row["rejected"][1]["content"] in synthetic.REFUSALS for row in rows)
    # a refusal is preferred only where the label is flipped
    assert refusing / (refusing + refused) == pytest.approx(synthetic.FLIPPED_SHARE, abs=0.04)
    prompts = {row["prompt"] for row in rows}
    for seed in (3, 4):
        held = {row["prompt"] for row in synthetic.preference_rows(seed, 500, heldout=True)}
        assert not held & prompts
    assert len(prompts) > 300


def test_rows_made_for_a_stand_in(stage: Callable[..., StagePlan], dataset: Callable[..., Any]) -> None:
    assert made_rows(stage("dpo", steps=844)) == 844 * 8
    assert made_rows(stage("dpo", steps=844, max_steps=10)) == 80
    assert made_rows(stage("dpo", steps=10, num_epochs=2.0)) == 40
    assert made_rows(stage("dpo", datasets=(dataset("a", rows=5), dataset("b", rows=6)))) == 11
    with pytest.raises(RunError, match="neither rows nor steps"):
        made_rows(stage("dpo", steps=None))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("suffix", [".jsonl", ".parquet", ".json"])
def test_data_files(
    suffix: str, stage: Callable[..., StagePlan], plan: Callable[..., Plan], dataset: Callable[..., Any], tmp_path: Path
) -> None:
    from datasets import Dataset

    rows = [{"id": str(i), "prompt": f"q{i}", "chosen": f"a{i}", "rejected": f"b{i}"} for i in range(40)]
    file = tmp_path / f"data{suffix}"
    if suffix == ".parquet":
        Dataset.from_list(rows).to_parquet(file)
    else:
        file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    given = stage("dpo", datasets=(dataset("org/rows", fraction=0.25),))
    full = plan(given, scale=Scale.FULL)
    assets = Assets(models={}, datasets={"org/rows": (str(file),)}, heldout={})
    taken = training_rows(given, full, assets, tmp_path / "cache")
    drawn = np.random.RandomState(42).choice(40, 10, replace=False)
    assert [row["id"] for row in taken] == [str(i) for i in drawn]
    assert [taken[i]["id"] for i in range(10)] == [str(i) for i in drawn]
    held = heldout_rows(full, assets, tmp_path / "cache")
    assert (held["preference"].source, held["preference"].total) == ("training rows that the plan did not sample", 30)
    assert {row["id"] for row in held["preference"].rows} == {str(i) for i in range(40)} - {str(i) for i in drawn}
    assert "sft" not in held


@pytest.mark.filterwarnings("ignore")
def test_missing_and_damaged_data(
    stage: Callable[..., StagePlan], plan: Callable[..., Plan], dataset: Callable[..., Any], tmp_path: Path
) -> None:
    given = stage("dpo", datasets=(dataset("org/rows"),))
    full = plan(given, scale=Scale.FULL)
    with pytest.raises(PrerequisiteError, match="org/rows is not here"):
        training_rows(given, full, Assets({}, {}, {}), tmp_path)
    broken = tmp_path / "x.parquet"
    broken.write_bytes(b"PAR1 not really")
    with pytest.raises(RunError, match="cannot be read"):
        training_rows(given, full, Assets({}, {"org/rows": (str(broken),)}, {}), tmp_path / "cache")
    script = tmp_path / "x.py"
    script.write_text("raise SystemExit(99)")
    with pytest.raises(RunError, match="kind that cannot be read"):
        training_rows(given, full, Assets({}, {"org/rows": (str(script),)}, {}), tmp_path / "cache")


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return train_tokenizer(synthetic.pretraining_texts(0, 100), 300)


def test_tokenizer_has_three_different_ends(tokenizer: Any, tmp_path: Path) -> None:
    assert len({tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id}) == 3
    tokenizer.save_pretrained(tmp_path)
    again = load_tokenizer(tmp_path)
    text = "The red stone. \u00e9\u6c34\n" + EOS
    assert again.decode(again(text)["input_ids"]) == text
    assert (again.bos_token, again.eos_token, again.pad_token) == (BOS, EOS, PAD)
    assert len(again) <= 300
    with pytest.raises(RunError, match="259"):
        train_tokenizer([], 100)


@pytest.mark.filterwarnings("ignore")
def test_pickled_weights_are_read_as_weights_only(tokenizer: Any, tmp_path: Path) -> None:
    model = make_proxy(SHAPE, tokenizer, 1)
    model.save_pretrained(tmp_path)
    (tmp_path / "model.safetensors").unlink()
    torch.save(model.state_dict(), tmp_path / "pytorch_model.bin")
    loaded = load_model(tmp_path, torch.float32)
    assert torch.equal(loaded.lm_head.weight, model.lm_head.weight)

    class Harmful:
        def __reduce__(self) -> tuple[Any, ...]:
            return Path.touch, (tmp_path / "executed",)

    (tmp_path / "pytorch_model.bin").write_bytes(pickle.dumps({"lm_head.weight": Harmful()}))
    with pytest.raises(PrerequisiteError):
        load_model(tmp_path, torch.float32)
    torch.save({"lm_head.weight": Harmful()}, tmp_path / "pytorch_model.bin")
    with pytest.raises(PrerequisiteError):
        load_model(tmp_path, torch.float32)
    assert not (tmp_path / "executed").exists()


@pytest.mark.filterwarnings("ignore")
def test_a_model_with_code_of_its_own_is_refused(tokenizer: Any, tmp_path: Path) -> None:
    make_proxy(SHAPE, tokenizer, 1).save_pretrained(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    config["auto_map"] = {"AutoModelForCausalLM": "modeling.Model"}
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "modeling.py").write_text(f"open({str(tmp_path / 'executed')!r}, 'w')")
    with pytest.raises(PrerequisiteError, match="never run here"):
        load_model(tmp_path, torch.float32)
    assert not (tmp_path / "executed").exists()
    del config["auto_map"]
    (tmp_path / "config.json").write_text(json.dumps({**config, "attn_implementation": "org/kernel"}))
    with pytest.raises(PrerequisiteError, match="never run here"):
        load_model(tmp_path, torch.float32)
    (tmp_path / "config.json").write_text('{"a":' * 5000 + "1" + "}" * 5000)
    with pytest.raises(PrerequisiteError, match="no readable"):
        load_model(tmp_path, torch.float32)
    with pytest.raises(PrerequisiteError, match="no such model folder"):
        load_model(tmp_path / "nowhere", torch.float32)


def test_pad_token_is_added_and_embeddings_grow(tokenizer: Any) -> None:
    import copy

    own = copy.deepcopy(tokenizer)
    own.pad_token = own.eos_token
    own.add_tokens([f"<extra{i}>" for i in range(5)])
    model = make_proxy(dataclasses.replace(SHAPE, vocab_size=len(own)), own, 1)
    before = model.lm_head.weight.detach().clone()
    own._special_tokens_map["pad_token"] = None
    assert add_pad_token(model, own)
    assert own.pad_token == "<pad>"
    assert own.pad_token_id != own.eos_token_id
    assert torch.equal(model.lm_head.weight[: len(before)], before)
    assert model.get_input_embeddings().weight.shape[0] >= len(own)
    assert not add_pad_token(model, own)


def test_a_full_disk_is_one_sentence(tmp_path: Path) -> None:
    state = {"tensor": torch.zeros(100_000)}
    with pytest.raises(OSError, match="No space left"):
        write_state(Path("/dev/full"), state)
    (tmp_path / ".state.pt.part").symlink_to("/dev/full")
    with pytest.raises(ReproError, match="the disk is full") as caught:
        save_tensors(tmp_path / "state.pt", state)
    assert "resumes" in caught.value.hint
    assert not (tmp_path / "state.pt").exists()
    assert load_tensors(tmp_path / "state.pt") is None
    save_tensors(tmp_path / "state.pt", state)
    loaded = load_tensors(tmp_path / "state.pt")
    assert loaded is not None
    assert torch.equal(loaded["tensor"], state["tensor"])


def test_progress_is_not_more_than_ten_a_second() -> None:
    now = [0.0]
    events: list[Progress] = []
    reporter = Reporter(events.append, "dpo", 1000, clock=lambda: now[0])
    for done in range(1001):
        reporter(done)
        now[0] += 0.01
    assert 90 <= len(events) <= 105
    assert (events[0].done, events[-1].done) == (0, 1000)


def test_no_step_is_lost_between_two_events() -> None:
    now = [0.0]
    events: list[Progress] = []
    reporter = Reporter(events.append, "dpo", 100, stage="dpo", clock=lambda: now[0])
    steps = [Step(n, 1.0 / n, 1e-5, 1.0, 10, 2, n / 100) for n in range(1, 101)]
    reporter.begin(steps[:20])
    for step in steps[20:]:
        now[0] += 0.01
        reporter.step(step, 0.01)
    assert len(events) < 15
    assert [r.step for e in events for r in e.readings] == list(range(1, 101))
    assert (events[-1].loss, events[-1].learning_rate) == (0.01, 1e-5)
