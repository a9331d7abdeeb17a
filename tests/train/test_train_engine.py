"""The engine from end to end: the same numbers every time, whatever happens in between."""

from __future__ import annotations

import dataclasses
import json
import math
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from same import losses

from repro.errors import ReproError, RunError
from repro.plan import Plan, StagePlan
from repro.run import NO_ASSETS
from repro.task import Progress, ignore
from repro.train.engine import AccelerateEngine
from repro.train.lock import locked
from repro.train.record import load_run, read_steps


@pytest.fixture
def small(plan: Callable[..., Plan], stage: Callable[..., StagePlan]) -> Plan:
    return plan(stage("sft", steps=3), stage("dpo", steps=6))


def test_a_run_is_whole(small: Plan, tmp_path: Path) -> None:
    events: list[Progress] = []
    run = AccelerateEngine().run(small, NO_ASSETS, str(tmp_path), events.append)
    assert [(s.name, s.seed, len(s.steps)) for s in run.stages] == [("sft", 42, 3), ("dpo", 42, 6)]
    assert load_run(tmp_path) == run
    for place in (run.base_checkpoint, *(s.checkpoint for s in run.stages)):
        assert (tmp_path / place / "model.safetensors").exists()
        assert (tmp_path / place / "tokenizer.json").exists()
    assert run.stages[1].base == run.stages[0].checkpoint
    assert losses(run)[0] == pytest.approx(math.log(2), abs=1e-6)
    # warm-up: int(6 * 0.1) = 0 steps, then down to a sixth of the peak
    assert [s.learning_rate for s in run.stages[1].steps] == pytest.approx([3e-4 * (6 - i) / 6 for i in range(6)])
    assert all(s.rows == 8 and s.reward_accuracy is not None for s in run.stages[1].steps)
    assert not list(tmp_path.rglob("checkpoints")), "checkpoints are for resuming only"
    assert {e.task for e in events} >= {"base", "sft", "dpo", "dpo: reference log-probs"}
    last = [e for e in events if e.task == "dpo"][-1]
    assert (last.done, last.total, last.loss) == (6, 6, losses(run)[-1])
    assert run.environment.threads >= 1
    assert "torch" in dict(run.environment.packages)


def test_the_folder_keeps_one_plan(small: Plan, tmp_path: Path) -> None:
    first = AccelerateEngine().run(small, NO_ASSETS, str(tmp_path), ignore)
    stamps = {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*") if p.is_file()}
    assert AccelerateEngine().run(small, NO_ASSETS, str(tmp_path), ignore) == first
    assert stamps == {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*") if p.is_file()}
    with pytest.raises(ReproError, match="another plan"):
        AccelerateEngine().run(dataclasses.replace(small, recipe="another"), NO_ASSETS, str(tmp_path), ignore)


def test_heldout_rows_were_never_trained_on(small: Plan, tmp_path: Path) -> None:
    run = AccelerateEngine().run(small, NO_ASSETS, str(tmp_path), ignore)
    assert [kind for kind, _ in run.heldout] == ["preference", "sft"]
    assert [kind for kind, source, _ in run.heldout_from if "made" in source] == ["preference", "sft"]
    from repro.train.data import training_rows

    trained = {
        (row.get("messages") or row["chosen"])[0]["content"]
        for stage in small.stages
        for row in training_rows(stage, small, NO_ASSETS, tmp_path)
    }
    for kind, name in run.heldout:
        rows = [json.loads(line) for line in (tmp_path / name).read_text().splitlines()]
        assert len(rows) >= 200
        assert not {(row.get("messages") or row["chosen"])[0]["content"] for row in rows} & trained, kind


def test_two_seeds_differ_and_share_the_base(small: Plan, tmp_path: Path) -> None:
    run = AccelerateEngine().run(dataclasses.replace(small, seeds=(42, 1042)), NO_ASSETS, str(tmp_path), ignore)
    assert [(s.name, s.seed) for s in run.stages] == [("sft", 42), ("dpo", 42), ("sft", 1042), ("dpo", 1042)]
    first, second = run.curves("dpo")
    assert [s.loss for s in first.steps[1:]] != [s.loss for s in second.steps[1:]]
    assert run.stages[0].base == run.stages[2].base == run.base_checkpoint


def test_a_step_log_cut_short_is_read_up_to_the_cut(tmp_path: Path, small: Plan) -> None:
    run = AccelerateEngine().run(small, NO_ASSETS, str(tmp_path), ignore)
    path = tmp_path / "seed-42" / "dpo" / "steps.jsonl"
    assert read_steps(path) == list(run.stages[1].steps)
    data = path.read_bytes()
    path.write_bytes(data[:-20])
    assert read_steps(path) == list(run.stages[1].steps[:-1])


def test_two_processes_do_not_write_one_folder(small: Plan, tmp_path: Path) -> None:
    with locked(tmp_path), pytest.raises(RunError, match=rf"pid {os.getpid()}"):
        AccelerateEngine().run(small, NO_ASSETS, str(tmp_path), ignore)
    assert not (tmp_path / "plan.json").exists()


def test_a_loss_that_is_no_number_names_its_step(
    plan: Callable[..., Plan], stage: Callable[..., StagePlan], tmp_path: Path
) -> None:
    wild = plan(stage("sft", steps=30, learning_rate=1e30, lr_scheduler_type="constant"))
    with pytest.raises(RunError, match=r"stage 'sft', step \d+: the loss is") as caught:
        AccelerateEngine().run(wild, NO_ASSETS, str(tmp_path), ignore)
    assert "learning_rate" in caught.value.hint
    assert load_run(tmp_path) is None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"optimizer": "lion"}, "optimizer 'lion'"),
        ({"lr_scheduler_type": "reduce_on_plateau"}, "schedule 'reduce_on_plateau'"),
        ({"loss_type": "hinge"}, "loss 'hinge'"),
        ({"per_device_batch_size": 3}, "cannot be made of micro-batches"),
        ({"chat_template": "other"}, "template 'other'"),
        ({"label_scope": "none"}, "label scope 'none'"),
        ({"max_seq_length": 1}, "keeps a token"),
    ],
)
def test_what_cannot_be_regenerated_is_said(
    changes: dict[str, object],
    message: str,
    plan: Callable[..., Plan],
    stage: Callable[..., StagePlan],
    tmp_path: Path,
) -> None:
    with pytest.raises(RunError, match=message):
        AccelerateEngine().run(plan(stage("dpo", base="org/base", **changes)), NO_ASSETS, str(tmp_path), ignore)


def test_an_unwritable_folder_is_one_sentence(small: Plan, tmp_path: Path) -> None:
    place = tmp_path / "file"
    place.write_text("not a folder")
    with pytest.raises(ReproError, match="cannot be written"):
        AccelerateEngine().run(small, NO_ASSETS, str(place), ignore)
