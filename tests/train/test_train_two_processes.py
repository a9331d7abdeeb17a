"""Real accelerate with two processes gives the curve of one."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from repro.plan import Plan, StagePlan
from repro.run import NO_ASSETS
from repro.task import ignore
from repro.train.engine import AccelerateEngine
from repro.train.record import load_run, plan_bytes

WORKER = Path(__file__).parent / "run_engine.py"


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_two_processes_give_the_same_curve(
    plan: Callable[..., Plan], stage: Callable[..., StagePlan], dataset: Callable[..., Any], tmp_path: Path
) -> None:
    # 41 rows in batches of 8: the last window has one row, so that one of the processes has nothing to compute
    rows = (dataset("org/rows", rows=41),)
    given = plan(stage("sft", steps=6, max_grad_norm=1.0, datasets=rows), stage("dpo", steps=6, datasets=rows))
    (tmp_path / "plan.json").write_bytes(plan_bytes(given))
    command = [
        *(sys.executable, "-m", "accelerate.commands.launch", "--cpu", "--num_processes", "2", "--num_machines", "1"),
        *("--mixed_precision", "no", "--dynamo_backend", "no", "--main_process_port", "0"),
        *(str(WORKER), str(tmp_path / "plan.json"), str(tmp_path / "two"), "0"),
    ]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, "OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "true"},
    )
    assert done.returncode == 0, done.stderr[-2000:]
    two = load_run(tmp_path / "two")
    one = AccelerateEngine().run(given, NO_ASSETS, str(tmp_path / "one"), ignore)
    assert two is not None
    for ours, theirs in zip(one.stages, two.stages, strict=True):
        assert [s.loss for s in theirs.steps] == pytest.approx([s.loss for s in ours.steps], abs=1e-5)
        assert [s.grad_norm for s in theirs.steps] == pytest.approx([s.grad_norm for s in ours.steps], rel=1e-4)
        assert [s.rows for s in theirs.steps] == [s.rows for s in ours.steps]
    assert one.stages[1].steps[-1].rows == 1
    # each line of the log once: only the main process writes
    assert len((tmp_path / "two" / "seed-42" / "dpo" / "steps.jsonl").read_text().splitlines()) == 6
    assert "dpo 6\n" in done.stdout
    assert done.stdout.count("dpo 6\n") == 1
