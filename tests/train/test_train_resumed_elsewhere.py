"""A run killed as two processes and taken up as one: the state is whole in each, and rows are cut among any number."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from launch import kill_when, start

from repro.plan import Plan, StagePlan
from repro.run import NO_ASSETS
from repro.task import ignore
from repro.train.engine import AccelerateEngine
from repro.train.record import plan_bytes

STEPS = 60


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_killed_as_two_processes_and_taken_up_as_one(
    plan: Callable[..., Plan], stage: Callable[..., StagePlan], tmp_path: Path
) -> None:
    given = plan(stage("dpo", steps=STEPS, base="org/base"))
    (tmp_path / "plan.json").write_bytes(plan_bytes(given))
    checkpoints = tmp_path / "killed" / "seed-42" / "dpo" / "checkpoints"
    arguments = (str(tmp_path / "plan.json"), str(tmp_path / "killed"), "0")
    two = start("run_engine.py", *arguments, folder=tmp_path, processes=2)
    kill_when(two, lambda: any(checkpoints.glob("step-0000002*")))
    newest = sorted(checkpoints.glob("step-*"))[-1]
    assert json.loads((newest / "layout.json").read_text()) == {"layout": "replicated", "processes": 2}
    resumed = AccelerateEngine().run(given, NO_ASSETS, str(tmp_path / "killed"), ignore)
    alone = AccelerateEngine().run(given, NO_ASSETS, str(tmp_path / "alone"), ignore)
    assert resumed.stages[0].resumed == 1
    ours, theirs = alone.stages[0].steps, resumed.stages[0].steps
    assert [s.step for s in theirs] == list(range(1, STEPS + 1))
    assert [s.loss for s in theirs] == pytest.approx([s.loss for s in ours], abs=2e-5)
    assert [s.grad_norm for s in theirs] == pytest.approx([s.grad_norm for s in ours], rel=1e-3)
    assert [s.learning_rate for s in theirs] == [s.learning_rate for s in ours]
