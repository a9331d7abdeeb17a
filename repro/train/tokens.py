"""A stage's rows as token sequences, kept in a file so that a second seed or a second start need not do it again."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from repro.errors import RunError
from repro.plan import Plan, StagePlan
from repro.run import Assets
from repro.train.batch import Sequences
from repro.train.data import Mixture, training_rows
from repro.train.encode import Codec, encode_preference, encode_sft
from repro.train.tensors import load_tensors, save_tensors


@dataclass(frozen=True, slots=True)
class Tokens:
    """What a stage trains on."""

    parts: tuple[Sequences, ...]
    """One for SFT; chosen and rejected for DPO, pair by pair."""
    sampled: int
    """Rows before the filter."""

    @property
    def used(self) -> int:
        return len(self.parts[0])

    def hash(self) -> str:
        """SHA-256 over every token and label."""
        digest = hashlib.sha256()
        for part in self.parts:
            for array in (part.ids, part.labels, part.starts):
                digest.update(array.tobytes())
        return digest.hexdigest()


def stage_tokens(
    stage: StagePlan,
    plan: Plan,
    assets: Assets,
    codec: Codec,
    folder: Path,
    *,
    writes: bool,
    tick: Callable[[int, int], None],
) -> Tokens:
    """The stage's rows, tokenised, truncated and filtered.

    Args:
        folder: where the tokens are kept.
        writes: whether this process is the one that writes.
        tick: told of rows done and rows in all.

    Raises:
        PrerequisiteError: the data is not here.
        RunError: it cannot be read, or no row keeps a label.
        ReproError: the folder cannot be written.
    """
    path = folder / f"{stage.name}.tokens"
    key = _key(stage, codec)
    kept = load_tensors(path)
    if kept is not None and kept.get("key") == key:
        return Tokens(tuple(_unpacked(part) for part in kept["parts"]), int(kept["sampled"]))
    rows = training_rows(stage, plan, assets, folder / "cache")
    total = len(rows)

    def told(done: int) -> None:
        tick(done, total)

    def where(number: int) -> str:
        if not isinstance(rows, Mixture):
            return f"row {number + 1}"
        part, row = rows.place(number)
        return f"{stage.datasets[part].repo_id}, row {row + 1}"

    if stage.method == "sft":
        sequences, _ = encode_sft(rows, codec, told, where)
        tokens = Tokens((sequences,), total)
    else:
        chosen, rejected, _ = encode_preference(rows, codec, told, where)
        tokens = Tokens((chosen, rejected), total)
    if not tokens.used:
        raise RunError(
            f"none of the {total} rows of stage {stage.name!r} keeps a token to learn from",
            hint="is max_seq_length too short, or the label scope the wrong one for this data?",
        )
    if writes:
        save_tensors(path, {"key": key, "sampled": total, "parts": [_packed(part) for part in tokens.parts]})
    return tokens


def _key(stage: StagePlan, codec: Codec) -> str:
    tokenizer = codec.tokenizer
    backend = getattr(tokenizer, "backend_tokenizer", None)
    vocabulary = backend.to_str() if backend is not None else str(sorted(tokenizer.get_vocab().items()))
    said = (vocabulary, tokenizer.chat_template, tokenizer.eos_token, codec.tulu, codec.label_scope)
    return hashlib.sha256(
        repr((said, codec.max_seq_length, codec.truncation_side, codec.row_filter, stage.method)).encode()
    ).hexdigest()


def _packed(part: Sequences) -> dict[str, torch.Tensor]:
    return {
        "ids": torch.from_numpy(part.ids),
        "labels": torch.from_numpy(part.labels),
        "starts": torch.from_numpy(part.starts),
    }


def _unpacked(part: dict[str, Any]) -> Sequences:
    return Sequences(ids=part["ids"].numpy(), labels=part["labels"].numpy(), starts=part["starts"].numpy())
