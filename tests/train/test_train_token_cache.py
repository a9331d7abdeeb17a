"""Rows are tokenised once: again only where they, or what makes tokens of them, are others, or the file is spoilt."""

from __future__ import annotations

import copy
import dataclasses
import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from plans import plan_of, stage_of

from repro.plan import Plan, StagePlan
from repro.run import NO_ASSETS, Assets
from repro.task import Scale
from repro.train import synthetic
from repro.train.encode import Codec
from repro.train.token_cache import load_sequences, tokens_key
from repro.train.tokenizer import train_tokenizer
from repro.train.tokens import Tokens, stage_tokens


@pytest.fixture(scope="module")
def codec() -> Codec:
    return Codec(train_tokenizer(synthetic.pretraining_texts(0, 50), 300), True, "all_turns", 64, "right", "labels")


def tokenised(
    codec: Codec, cache: Path, stage: StagePlan, plan: Plan | None = None, assets: Assets = NO_ASSETS
) -> tuple[Tokens, int]:
    """What the stage trains on, and how many rows were tokenised for it."""
    rows: list[int] = []
    tokens = stage_tokens(
        stage,
        plan or plan_of(stage),
        assets,
        codec,
        cache.parent / "tables",
        cache,
        writes=True,
        tick=lambda done, total: rows.append(done),
    )
    return tokens, len(rows)


@pytest.mark.parametrize("method", ["sft", "dpo"])
def test_a_second_run_does_not_tokenise(method: str, codec: Codec, tmp_path: Path) -> None:
    first, made = tokenised(codec, tmp_path / "tokens", stage_of(method))
    again, none = tokenised(codec, tmp_path / "tokens", stage_of(method, learning_rate=1e-5))
    assert (made, none) == (48, 0)
    assert again.hash() == first.hash()
    assert (again.sampled, again.used) == (first.sampled, first.used)
    assert [part.labels.dtype for part in again.parts] == [np.dtype(bool)] * len(first.parts)


def _harmful(path: Path) -> bytes:
    class Harmful:
        def __reduce__(self) -> tuple[Any, ...]:
            return Path.touch, (path.with_name("executed"),)

    return pickle.dumps(Harmful())


SPOILT: dict[str, Callable[[bytes, Path], bytes]] = {
    "flipped": lambda data, _: data[:-9] + bytes([data[-9] ^ 1]) + data[-8:],
    "said": lambda data, _: data.replace(b'sampled\\\\\\": 48', b'sampled\\\\\\": 49'),
    "cut": lambda data, _: data[: len(data) // 2],
    "empty": lambda data, _: b"",
    "length": lambda data, _: b"\xff" * 8 + data[8:],
    "pickle": lambda _, path: _harmful(path),
}


@pytest.mark.parametrize("how", SPOILT)
def test_a_spoilt_file_is_made_again(how: str, codec: Codec, tmp_path: Path) -> None:
    first, _ = tokenised(codec, tmp_path / "tokens", stage_of("dpo"))
    (path,) = (tmp_path / "tokens").iterdir()
    whole = path.read_bytes()
    spoilt = SPOILT[how](whole, path)
    assert spoilt != whole
    path.write_bytes(spoilt)
    assert load_sequences(path) is None
    again, made = tokenised(codec, tmp_path / "tokens", stage_of("dpo"))
    assert made == 48
    assert again.hash() == first.hash()
    assert [p.name for p in (tmp_path / "tokens").iterdir()] == [path.name]
    assert path.read_bytes() == whole


def test_tokens_of_something_else_are_not_used(codec: Codec, tmp_path: Path) -> None:
    tokenised(codec, tmp_path, stage_of("dpo"))
    (path,) = tmp_path.iterdir()
    assert load_sequences(path) is not None
    assert load_sequences(path.rename(tmp_path / f"{'0' * 64}.safetensors")) is None
    assert load_sequences(tmp_path / "none.safetensors") is None


def test_the_key_is_of_all_that_decides(codec: Codec) -> None:
    rows = synthetic.preference_rows(1, 20)
    with_another = copy.deepcopy(codec.tokenizer)
    with_another.chat_template = "{{ messages }}"
    with_other_end = copy.deepcopy(codec.tokenizer)
    with_other_end.eos_token = with_other_end.bos_token
    keys = [
        tokens_key(rows, "dpo", codec),
        tokens_key(rows[:-1], "dpo", codec),
        tokens_key(rows[::-1], "dpo", codec),
        tokens_key([{**rows[0], "prompt": "?"}, *rows[1:]], "dpo", codec),
        tokens_key(rows, "sft", codec),
        tokens_key(rows, "dpo", dataclasses.replace(codec, max_seq_length=63)),
        tokens_key(rows, "dpo", dataclasses.replace(codec, label_scope="last_turn")),
        tokens_key(rows, "dpo", dataclasses.replace(codec, tulu=False)),
        tokens_key(rows, "dpo", dataclasses.replace(codec, truncation_side="left")),
        tokens_key(rows, "dpo", dataclasses.replace(codec, row_filter="tokens")),
        tokens_key(rows, "dpo", dataclasses.replace(codec, tokenizer=with_another)),
        tokens_key(rows, "dpo", dataclasses.replace(codec, tokenizer=with_other_end)),
        tokens_key(rows, "dpo", dataclasses.replace(codec, tokenizer=train_tokenizer(["another"], 300))),
    ]
    assert len(set(keys)) == len(keys)
    assert tokens_key(copy.deepcopy(rows), "dpo", copy.deepcopy(codec)) == keys[0]


@pytest.mark.filterwarnings("ignore")
def test_data_files_are_known_by_their_content(codec: Codec, dataset: Callable[..., Any], tmp_path: Path) -> None:
    stage = stage_of("dpo", datasets=(dataset("org/rows", rows=30),))
    full = plan_of(stage, scale=Scale.FULL)

    def made(name: str, seed: int) -> int:
        file = tmp_path / name
        rows = [{k: row[k] for k in ("chosen", "rejected")} for row in synthetic.preference_rows(seed, 40)]
        file.write_text("".join(json.dumps(row) + "\n" for row in rows))
        assets = Assets(models={}, datasets={"org/rows": (str(file),)}, heldout={})
        return tokenised(codec, tmp_path / "tokens", stage, full, assets)[1]

    assert made("one.jsonl", 1) == 30
    assert made("moved.jsonl", 1) == 0
    assert made("one.jsonl", 2) == 30
