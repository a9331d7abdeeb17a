"""What a resume counts on is what was written, or it is refused by name and the one before it is used."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from plans import plan_of, stage_of
from same import files, losses

from repro.errors import ReproError, RunError
from repro.plan import Plan
from repro.run import NO_ASSETS
from repro.task import Progress, ignore
from repro.train.engine import AccelerateEngine
from repro.train.files_hash import folder_hash
from repro.train.record import load_run, load_stage
from repro.train.tensors import load_tensors, save_tensors
from repro.train.token_cache import load_sequences

CHECKPOINTS = Path("seed-42", "dpo", "checkpoints")
LOG = Path("seed-42", "dpo", "steps.jsonl")
REFERENCE = Path("seed-42", "dpo", "reference.pt")
LAST, BEFORE = "step-00000007", "step-00000006"
"""The run is stopped when step 8, the last, is logged: the last event that is never left out."""


class Stopped(Exception):
    """Raised by an observer: the run ends there, as by a Ctrl-C."""


def small() -> Plan:
    return plan_of(stage_of("sft", steps=3), stage_of("dpo", steps=8))


def resume(folder: Path) -> list[Progress]:
    """Run the plan to its end, a checkpoint after every step; what was told."""
    told: list[Progress] = []
    AccelerateEngine(checkpoint_seconds=0).run(small(), NO_ASSETS, str(folder), told.append)
    return told


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("alone")
    AccelerateEngine().run(small(), NO_ASSETS, str(folder), ignore)
    return folder


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("stopped")

    def stop(event: Progress) -> None:
        if event.task == "dpo" and event.done == event.total:
            raise Stopped

    with pytest.raises(Stopped):
        AccelerateEngine(checkpoint_seconds=0).run(small(), NO_ASSETS, str(folder), stop)
    assert sorted(p.name for p in (folder / CHECKPOINTS).iterdir()) == [BEFORE, LAST]
    return folder


@pytest.fixture
def interrupted(stopped: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(stopped, tmp_path / "run"))


def flip(path: Path) -> None:
    """One bit of the largest tensor's bytes, past the archive's own tables."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0x10
    path.write_bytes(data)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def spoil_optimizer(path: Path) -> None:
    """A sound file with another optimizer state, as a hand or a program would write it."""
    state = torch.load(path, weights_only=True)
    state["optimizer"]["state"][0]["exp_avg"] += 1e-3
    torch.save(state, path)


def edit(path: Path, key: str, value: object) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), key: value}))


def change_log(folder: Path, step: int) -> None:
    lines = (folder / LOG).read_text().splitlines(keepends=True)
    lines[step - 1] = lines[step - 1].replace('"loss":', '"loss":1')
    (folder / LOG).write_text("".join(lines))


def of_last(name: str, spoil: Callable[[Path], None]) -> Callable[[Path], None]:
    return lambda folder: spoil(folder / CHECKPOINTS / LAST / name)


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (of_last("state.pt", flip), "state.pt is damaged or was changed"),
        (of_last("state.pt", cut), "state.pt is damaged or was changed"),
        (of_last("state.pt", spoil_optimizer), "state.pt is damaged or was changed"),
        (of_last("state.pt", Path.unlink), "state.pt cannot be read"),
        (of_last("more.pt", Path.touch), "more.pt does not belong to it"),
        (of_last("manifest.json", cut), "manifest.json is damaged or was changed"),
        (of_last("manifest.json", lambda p: edit(p, "seconds", 1e6)), "manifest.json is damaged or was changed"),
        (of_last("manifest.json", Path.unlink), "has no manifest.json"),
        (lambda folder: change_log(folder, 7), "the log of its 7 steps was changed"),
    ],
    ids=["bit", "cut", "optimizer", "gone", "more", "manifest-cut", "metadata", "no-manifest", "log"],
)
def test_a_spoilt_checkpoint_is_named_and_the_one_before_is_used(
    spoil: Callable[[Path], None], why: str, interrupted: Path, alone: Path
) -> None:
    spoil(interrupted)
    told = resume(interrupted)
    (warning,) = [event.warning for event in told if event.warning]
    assert f"{LAST}: {why}" in warning
    assert "goes on from step 6" in warning
    assert next(e.done for e in told if e.task == "dpo") == 6
    assert files(interrupted) == files(alone)


def test_a_checkpoint_under_another_steps_name_is_refused(interrupted: Path, alone: Path) -> None:
    (interrupted / CHECKPOINTS / LAST).rename(interrupted / CHECKPOINTS / "step-00000009")
    (warning,) = [event.warning for event in resume(interrupted) if event.warning]
    assert "step-00000009: holds step 7" in warning
    assert files(interrupted) == files(alone)


def test_a_sound_checkpoint_is_taken_up_without_a_word(interrupted: Path, alone: Path) -> None:
    told = resume(interrupted)
    assert next(e.done for e in told if e.task == "dpo") == 7
    assert not [e for e in told if e.warning]
    assert files(interrupted) == files(alone)


def test_where_none_can_be_used_each_is_named_and_nothing_is_removed(interrupted: Path) -> None:
    flip(interrupted / CHECKPOINTS / LAST / "state.pt")
    change_log(interrupted, 1)
    with pytest.raises(RunError, match=rf"{LAST}: state\.pt .*; {BEFORE}: the log of its 6 steps") as caught:
        resume(interrupted)
    assert str(interrupted / "seed-42" / "dpo") in caught.value.hint
    assert sorted(p.name for p in (interrupted / CHECKPOINTS).iterdir()) == [BEFORE, LAST]
    shutil.rmtree(interrupted / "seed-42" / "dpo")
    resume(interrupted)


def test_a_spoilt_cache_is_made_again(interrupted: Path, alone: Path) -> None:
    kept = {path: load_sequences(path) for path in (interrupted / "data" / "tokens").iterdir()}
    (tokens,) = [path for path, found in kept.items() if found is not None and len(found[0]) == 2]
    assert load_tensors(interrupted / REFERENCE) is not None
    for cache, load in ((tokens, load_sequences), (interrupted / REFERENCE, load_tensors)):
        flip(cache)
        assert load(cache) is None
    resume(interrupted)
    assert files(interrupted) == files(alone)


def test_a_part_of_the_reference_is_carried_on_only_under_its_own_cut(interrupted: Path, alone: Path) -> None:
    """Where one pass takes more rows than before, the parts done are of other pairs: it is computed afresh."""
    path = interrupted / "seed-42" / "dpo" / "reference.pt"
    whole = load_tensors(path)
    assert whole is not None
    wrong = {**whole, "log_probs": torch.full_like(whole["log_probs"], -1.0), "complete": False, "parts": 1}
    save_tensors(path, {**wrong, "budget": whole["budget"] + 1})
    resume(interrupted)
    assert files(interrupted) == files(alone)
    again = load_tensors(path)
    assert again is not None
    assert torch.equal(again["log_probs"], whole["log_probs"])


@pytest.mark.parametrize("share", [0.0, 0.3, 0.99])
def test_half_a_record_never_counts(share: float, alone: Path, tmp_path: Path) -> None:
    for name, load in (("run.json", load_run), ("seed-42/dpo/stage.json", load_stage)):
        data = (alone / name).read_bytes()
        place = tmp_path / name
        place.parent.mkdir(parents=True, exist_ok=True)
        # what a kill leaves of a file that is written aside first
        place.with_name(f".{place.name}.abc123.part").write_bytes(data)
        assert load(place.parent) is None
        place.write_bytes(data[: int(len(data) * share)])
        with pytest.raises(ReproError, match=r"not a (run|finished stage)") as caught:
            load(place.parent)
        assert "remove this file" in caught.value.hint


def test_a_run_without_its_record_is_put_together_again(alone: Path, tmp_path: Path) -> None:
    """The hint of a damaged run.json is true: what finished is not trained again."""
    folder = Path(shutil.copytree(alone, tmp_path / "run"))
    before = load_run(folder)
    (folder / "run.json").unlink()
    told = resume(folder)
    assert not [e for e in told if e.loss is not None]
    again = load_run(folder)
    assert before is not None
    assert again is not None
    assert dataclasses.replace(again, environment=before.environment) == before
    assert losses(again) == losses(before)


def test_a_finished_stages_model_is_what_it_saved(interrupted: Path) -> None:
    """The next stage starts from it: a flipped bit would be in every number after it."""
    for stage in (interrupted / "seed-42" / "sft", interrupted / "base"):
        weights = stage / "model" / "model.safetensors"
        before = weights.read_bytes()
        flip(weights)
        with pytest.raises(RunError, match="is not, file for file, what its stage saved") as caught:
            resume(interrupted)
        assert caught.value.where == str(stage / "model")
        assert caught.value.hint == f"remove {stage} to train the stage again"
        weights.write_bytes(before)


def test_other_starting_weights_or_rows_are_not_gone_on_from(interrupted: Path, alone: Path) -> None:
    """The stage before was saved anew, while this one was half trained from what it was."""
    start = interrupted / "seed-42" / "sft" / "model"
    settings = start / "tokenizer_config.json"
    settings.write_bytes(settings.read_bytes() + b" ")
    start.with_name("model.sha256").write_text(folder_hash(start))
    log = interrupted / LOG
    kept = log.read_bytes()
    with pytest.raises(RunError, match=rf"{LAST}: it was trained from other weights or other rows"):
        resume(interrupted)
    assert log.read_bytes() == kept
    shutil.rmtree(interrupted / "seed-42" / "dpo")
    resume(interrupted)
    assert files(interrupted)["seed-42/dpo/steps.jsonl"] == files(alone)["seed-42/dpo/steps.jsonl"]
