"""What watches a stage from elsewhere: real TensorBoard files, wandb's where it is there, and the run's own table."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as parquet
import pytest

from repro.errors import PrerequisiteError
from repro.plan import Plan, StagePlan
from repro.run import NO_ASSETS, Step
from repro.task import Progress
from repro.train.engine import AccelerateEngine
from repro.train.record import read_seconds
from repro.train.trackers import Trackers, check_trackers, logged


def scalars(folder: Path, name: str) -> dict[int, float]:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    seen = EventAccumulator(str(folder))
    seen.Reload()
    return {event.step: event.value for event in seen.Scalars(name)}


@pytest.fixture(autouse=True)
def _known_process() -> None:
    from accelerate import PartialState

    PartialState()  # accelerate's trackers ask which process they are in; the engine has said so by then


def step(number: int, loss: float) -> Step:
    return Step(number, loss, 1e-5, 1.0, 100, 8, number / 10, 0.5, 0.2, 0.75, input_tokens=300)


def test_a_run_is_told_to_tensorboard_and_kept_as_a_table(
    plan: Callable[..., Plan], stage: Callable[..., StagePlan], tmp_path: Path
) -> None:
    events: list[Progress] = []
    small = plan(stage("sft", steps=3), stage("dpo", steps=6))
    run = AccelerateEngine(report_to=("tensorboard",)).run(small, NO_ASSETS, str(tmp_path), events.append)
    dpo = run.curves("dpo")[0].steps
    board = tmp_path / "tensorboard" / "dpo-seed-42"
    assert scalars(board, "train/loss") == pytest.approx({s.step: s.loss for s in dpo})
    assert scalars(board, "rewards/accuracies") == pytest.approx({s.step: s.reward_accuracy for s in dpo})
    assert all(speed > 0 for speed in scalars(board, "train/tokens_per_second").values())
    table = parquet.read_table(tmp_path / "seed-42" / "dpo" / "steps.parquet").to_pylist()
    assert [row["loss"] for row in table] == [s.loss for s in dpo]
    for row, s in zip(table, dpo, strict=True):
        assert row["tokens_per_second"] == pytest.approx(s.input_tokens / row["seconds"])
    readings = [r for e in events if e.task == "dpo" for r in e.readings]
    assert [(r.step, r.loss) for r in readings] == [(s.step, s.loss) for s in dpo], "each step is told once"
    assert {e.stage for e in events if e.readings} == {"base", "sft", "dpo"}


def test_tokens_are_counted_without_padding(
    plan: Callable[..., Plan], stage: Callable[..., StagePlan], tmp_path: Path
) -> None:
    run = AccelerateEngine().run(plan(stage("sft", steps=3)), NO_ASSETS, str(tmp_path), lambda event: None)
    for s in run.stages[0].steps:
        assert s.tokens < s.input_tokens <= s.rows * 64


def test_a_stage_that_is_taken_up_again_is_logged_once(tmp_path: Path) -> None:
    first = Trackers(("tensorboard",), folder=tmp_path, run="dpo-seed-42", config={"beta": 5.0})
    for number in range(1, 6):
        first(step(number, 1.0), 0.1)
    first.finish()
    again = Trackers(("tensorboard",), folder=tmp_path, run="dpo-seed-42", config={"beta": 5.0})
    for number in range(4, 8):  # the last checkpoint stood at step 3
        again(step(number, 2.0), 0.1)
    again.finish()
    seen = scalars(tmp_path / "tensorboard" / "dpo-seed-42", "train/loss")
    assert seen == {1: 1.0, 2: 1.0, 3: 1.0, 4: 2.0, 5: 2.0, 6: 2.0, 7: 2.0}


def test_wandb_gets_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("wandb", reason="wandb is not installed")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    check_trackers(("wandb",))
    trackers = Trackers(("wandb",), folder=tmp_path, run="dpo-seed-42", config={"beta": 5.0})
    trackers(step(1, 1.0), 0.1)
    trackers.finish()
    assert list((tmp_path / "wandb").rglob("*.wandb"))


def test_names_are_those_that_trainers_use() -> None:
    values = logged(step(3, 0.6), 0.5)
    assert values["train/tokens_per_second"] == 600
    assert values["rewards/margins"] == pytest.approx(0.3)
    assert "train/tokens_per_second" not in logged(step(3, 0.6), 0.0)
    plain = Step(1, 2.0, 1e-5, 1.0, 100, 8, 0.1)
    assert not [name for name in logged(plain, 0.5) if name.startswith("rewards/")]


def test_a_missing_tracker_is_named_before_anything_is_trained(
    plan: Callable[..., Plan], stage: Callable[..., StagePlan], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import accelerate.tracking

    monkeypatch.setattr(accelerate.tracking, "get_available_trackers", list)
    with pytest.raises(PrerequisiteError, match="trackio needs a package") as error:
        AccelerateEngine(report_to=("trackio",)).run(plan(stage("sft", steps=3)), NO_ASSETS, str(tmp_path), print)
    assert error.value.hint == "pip install trackio"
    assert not list(tmp_path.iterdir())


def test_lost_times_are_no_times(tmp_path: Path) -> None:
    (tmp_path / "t").write_bytes(b"0.500000\nnan\n1e9\n0.25")
    assert read_seconds(tmp_path / "t", 5) == [0.5, 0.0, 0.0, 0.0, 0.0]
    assert read_seconds(tmp_path / "none", 2) == [0.0, 0.0]


def test_wandb_without_a_login_is_refused_before_it_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    import accelerate.tracking

    class NotLoggedIn:
        @staticmethod
        def login(**_: Any) -> bool:
            return False

    monkeypatch.setitem(sys.modules, "wandb", NotLoggedIn)
    monkeypatch.setattr(accelerate.tracking, "get_available_trackers", lambda: ["wandb"])
    monkeypatch.delenv("WANDB_MODE", raising=False)
    with pytest.raises(PrerequisiteError, match="not logged in"):
        check_trackers(("wandb",))
    monkeypatch.setenv("WANDB_MODE", "offline")
    check_trackers(("wandb",))
