"""Too little memory or disk: seen before training where it can be, and one sentence where it comes in the middle."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from disks import fill, small_disk
from plans import plan_of, stage_of
from same import files

from repro.errors import PrerequisiteError, ReproError
from repro.plan import DatasetPlan, Plan, ProxyModel
from repro.run import NO_ASSETS, Assets
from repro.task import Progress, Scale, ignore
from repro.train.engine import AccelerateEngine
from repro.train.record import load_run
from repro.train.room import available_memory, parameters_of

pytestmark = pytest.mark.filterwarnings("ignore")


def small(hidden_size: int = 16) -> Plan:
    shape = ProxyModel(320, hidden_size, 32, 1, 2, 1, 4)
    return plan_of(stage_of("sft", steps=3), stage_of("dpo", steps=6), proxy=shape)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[tuple[Path, Callable[[str], bool]]]:
    with small_disk(tmp_path / "disk") as resize:
        if not resize("16m"):
            pytest.skip("this user may not mount a disk")
        yield tmp_path / "disk", resize


def test_memory_is_asked_for_before_the_weights_are_read(tmp_path: Path) -> None:
    """A model of more than a trillion parameters, of which there is the description alone."""
    from transformers import LlamaConfig

    shape = {"vocab_size": 128_256, "hidden_size": 262_144, "intermediate_size": 65_536, "num_hidden_layers": 8}
    base = tmp_path / "huge"
    LlamaConfig(**shape, num_attention_heads=2048, num_key_value_heads=8).save_pretrained(base)
    (base / "model.safetensors").write_bytes(b"")
    from repro.train.synthetic import sft_rows
    from repro.train.tokenizer import train_tokenizer

    train_tokenizer(["a b"], 300).save_pretrained(base)
    rows = tmp_path / "rows.jsonl"
    rows.write_text("".join(json.dumps({"messages": row["messages"]}) + "\n" for row in sft_rows(1, 20)))
    named = DatasetPlan("org/rows", "", "train", None, None, None)
    given = plan_of(stage_of("sft", base="org/huge", datasets=(named,), steps=None), scale=Scale.FULL, proxy=None)
    assets = Assets({"org/huge": str(base)}, {"org/rows": (str(rows),)}, {})
    parameters = parameters_of(base)
    assert parameters is not None
    assert parameters > 1e12
    with pytest.raises(PrerequisiteError, match=rf"{parameters:,} parameters x 16 bytes.* GB are free on") as caught:
        AccelerateEngine().run(given, assets, str(tmp_path / "run"), ignore)
    assert "repro plan" in caught.value.hint
    assert (available_memory() or 0) < 16 * parameters


def test_the_parameters_are_those_of_the_shape(tmp_path: Path) -> None:
    from transformers import LlamaConfig

    shape = {"vocab_size": 128_256, "hidden_size": 4096, "intermediate_size": 14_336, "num_hidden_layers": 32}
    LlamaConfig(**shape, num_attention_heads=32, num_key_value_heads=8).save_pretrained(tmp_path)
    assert parameters_of(tmp_path) == 8_030_261_248
    (tmp_path / "config.json").write_text("{")
    assert parameters_of(tmp_path) is None


def test_a_disk_too_small_for_the_checkpoints_is_seen_before_training(
    disk: tuple[Path, Callable[[str], bool]],
) -> None:
    place, resize = disk
    assert resize("4m")
    told: list[Progress] = []
    with pytest.raises(PrerequisiteError, match=r"needs 0\.00\d+ GB of disk \(2 checkpoints and one being") as caught:
        AccelerateEngine().run(small(hidden_size=128), NO_ASSETS, str(place / "run"), told.append)
    assert caught.value.where == str(place / "run")
    assert "--reports" in caught.value.hint
    assert not [event for event in told if event.task == "sft"]
    assert resize("16m")
    assert AccelerateEngine().run(small(hidden_size=128), NO_ASSETS, str(place / "run"), ignore).stages


def test_a_disk_that_fills_up_is_one_sentence_wherever_it_happens_and_nothing_is_lost(
    disk: tuple[Path, Callable[[str], bool]], tmp_path: Path
) -> None:
    """Full when the tokens, the reference, a checkpoint and the model are to be written, then free again."""
    place, _ = disk
    AccelerateEngine().run(small(), NO_ASSETS, str(tmp_path / "alone"), ignore)
    for moment in (("base", 0), ("sft: tokenising", 1), ("dpo: reference log-probs", 1), ("dpo", 0), ("dpo", 6)):
        with pytest.raises(ReproError, match=r"disk is full|GB of disk") as caught:
            AccelerateEngine(checkpoint_seconds=0).run(small(), NO_ASSETS, str(place / "run"), _filling(place, *moment))
        assert str(place) in caught.value.where, moment
        assert "run" in caught.value.hint
        assert load_run(place / "run") is None
        (place / "ballast").unlink()
    run = AccelerateEngine(checkpoint_seconds=0).run(small(), NO_ASSETS, str(place / "run"), ignore)
    assert files(place / "run") == files(tmp_path / "alone")
    assert run.curves("dpo")[0].resumed >= 2


def _filling(place: Path, task: str, done: int) -> Callable[[Progress], None]:
    def observe(event: Progress) -> None:
        if event.task == task and event.done >= done and not (place / "ballast").exists():
            fill(place)

    return observe
