"""A stage that is ended early keeps what it did, makes no model, and is taken up again where it was."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from ends import Ends

from repro.plan import Plan, StagePlan
from repro.run import NO_ASSETS, Run
from repro.task import Progress, ignore
from repro.train.engine import AccelerateEngine
from repro.train.record import load_run, plan_bytes


@pytest.fixture
def small(plan: Callable[..., Plan], stage: Callable[..., StagePlan]) -> Plan:
    return plan(stage("sft", steps=4), stage("dpo", steps=6))


def steps(run: Run | None) -> dict[str, int]:
    assert run is not None
    return {s.name: len(s.steps) for s in run.stages}


def train(plan: Plan, folder: Path, watch: Ends | None = None, told: Callable[[Progress], None] = ignore) -> Run:
    return AccelerateEngine(checkpoint_seconds=60).run(plan, NO_ASSETS, str(folder), told, watch)


def test_what_starts_from_an_ended_stage_is_not_trained_and_all_of_it_is_taken_up_again(
    small: Plan, tmp_path: Path
) -> None:
    events: list[Progress] = []
    early = train(small, tmp_path / "early", Ends("sft", 2), events.append)
    assert steps(early) == {"sft": 2}
    assert load_run(tmp_path / "early") == early
    (stage,) = early.stopped
    assert stage.stopped is not None
    assert (stage.stopped.step, stage.stopped.total_steps, stage.checkpoint) == (2, 4, "")
    assert stage.stopped.step_seconds > 0
    assert any("ended at step 2 of 4" in e.warning for e in events)
    assert not (tmp_path / "early" / "seed-42" / "sft" / "model").exists()

    stamp = (tmp_path / "early" / "run.json").stat().st_mtime_ns
    assert train(small, tmp_path / "early", Ends("sft", 2)) == early
    assert (tmp_path / "early" / "run.json").stat().st_mtime_ns == stamp

    further = train(small, tmp_path / "early", Ends("dpo", 5))
    assert steps(further) == {"sft": 4, "dpo": 5}
    assert [s.name for s in further.stopped] == ["dpo"]
    assert steps(train(small, tmp_path / "early", Ends("dpo", 6))) == {"sft": 4, "dpo": 6}

    calm = train(small, tmp_path / "calm")
    assert train(small, tmp_path / "calm", Ends("dpo", 3)) == calm, "a finished stage is not ended afterwards"
    on = load_run(tmp_path / "early")
    assert on is not None
    assert on.stopped == ()
    for ours, theirs in zip(on.stages, calm.stages, strict=True):
        assert ours.steps == theirs.steps
        files = [tmp_path / name / ours.checkpoint / "model.safetensors" for name in ("early", "calm")]
        assert files[0].read_bytes() == files[1].read_bytes()


def test_a_kill_after_the_last_checkpoint_of_an_ended_stage_changes_nothing(small: Plan, tmp_path: Path) -> None:
    early = train(small, tmp_path, Ends("dpo", 3))
    (tmp_path / "run.json").unlink()
    events: list[Progress] = []
    again = train(small, tmp_path, Ends("dpo", 3), events.append)
    assert steps(again) == steps(early) == {"sft": 4, "dpo": 3}
    assert again.stages[1].steps == early.stages[1].steps
    assert [e.done for e in events if e.task == "dpo"] == [3, 3]


def test_a_stage_from_a_published_start_does_not_wait_for_another(
    plan: Callable[..., Plan], stage: Callable[..., StagePlan], tmp_path: Path
) -> None:
    both = plan(stage("sft", steps=4), stage("dpo", steps=6, base="org/published"))
    assert steps(train(both, tmp_path, Ends("sft", 2))) == {"sft": 2, "dpo": 6}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_two_processes_end_a_stage_at_the_same_step(small: Plan, tmp_path: Path) -> None:
    """Only the main process has the curve and asks; the other must end with it, and not wait for a step more."""
    (tmp_path / "plan.json").write_bytes(plan_bytes(small))
    worker = str(Path(__file__).parent / "run_engine.py")
    command = [
        *(sys.executable, "-m", "accelerate.commands.launch", "--cpu", "--num_processes", "2", "--num_machines", "1"),
        *("--mixed_precision", "no", "--dynamo_backend", "no", "--main_process_port", "0"),
        *(worker, str(tmp_path / "plan.json"), str(tmp_path / "two"), "60", "dpo", "4"),
    ]
    alone = {**os.environ, "OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "true"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, env=alone)
    assert done.returncode == 0, done.stderr[-2000:]
    assert steps(load_run(tmp_path / "two")) == {"sft": 4, "dpo": 4}
    # One process takes up what two have left.
    assert steps(train(small, tmp_path / "two")) == {"sft": 4, "dpo": 6}
