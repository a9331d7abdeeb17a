"""SIGKILL in each part of a run; many more by hand: `python tests/train/kill_storm.py --kills 50`."""

from __future__ import annotations

from pathlib import Path

import pytest
from kill_storm import Moment, Victims, plan, run_alone, storm
from same import files

from repro.errors import RunError
from repro.run import NO_ASSETS
from repro.task import ignore
from repro.train.engine import AccelerateEngine
from repro.train.record import load_run

KILLS = (Moment("step", "sft", 4), Moment("reference", "dpo"), Moment("checkpoint", "dpo", 9))
"""In the first stage, while the reference is cached, and in the second while a checkpoint is being written."""


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("alone") / "run"
    run_alone(folder)
    return folder


@pytest.fixture(scope="module")
def victims() -> Victims:
    return Victims()


def test_killed_in_every_part_it_ends_the_same(alone: Path, victims: Victims, tmp_path: Path) -> None:
    ((kills, same),) = storm(iter([KILLS]), alone, tmp_path, victims)
    assert [kill.stage for kill in kills] == ["sft", "dpo", "dpo"], "no kill came too late"
    assert kills[0].logged >= 4
    assert kills[1].logged == 0
    assert any(name.startswith(".part-") for name in kills[2].half), "it was killed while it wrote"
    assert same
    run = load_run(tmp_path / "round-0")
    assert run is not None
    assert [s.resumed for s in run.stages] == [1, 2]


def test_two_processes_give_the_same_bits(alone: Path, tmp_path: Path) -> None:
    """This one, and one with its own hash seed and without checkpoints."""
    AccelerateEngine(checkpoint_seconds=0).run(plan(), NO_ASSETS, str(tmp_path), ignore)
    assert files(tmp_path) == files(alone)
    assert len(files(alone)) == 8


def test_a_second_run_in_the_folder_of_a_living_one_is_refused(victims: Victims, tmp_path: Path) -> None:
    def second(pid: int) -> None:
        with pytest.raises(RunError, match=rf"another process \(pid {pid}\)") as caught:
            AccelerateEngine().run(plan(), NO_ASSETS, str(tmp_path), ignore)
        assert caught.value.where == str(tmp_path)
        assert "what it did so far is kept" in caught.value.hint

    assert victims.kill_at(Moment("step", "base", 1), tmp_path, before=second) is not None
