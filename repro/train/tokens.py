"""A stage's rows as token sequences, kept in a file so that a second seed or a second start need not do it again."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from repro.errors import RunError
from repro.plan import Plan, StagePlan
from repro.run import Assets
from repro.train.batch import Sequences
from repro.train.data import Mixture, training_rows
from repro.train.encode import Codec, encode_preference, encode_sft
from repro.train.token_cache import load_sequences, save_sequences, tokens_key


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
    cache: Path,
    *,
    writes: bool,
    tick: Callable[[int, int], None],
) -> Tokens:
    """The stage's rows, tokenised, truncated and filtered.

    Args:
        folder: where the data sets' tables are kept.
        cache: where the tokens are kept; other runs may share it.
        writes: whether this process is the one that writes.
        tick: told of rows done and rows in all.

    Raises:
        PrerequisiteError: the data is not here.
        RunError: it cannot be read, or no row keeps a label.
        ReproError: the folder cannot be written.
    """
    rows = training_rows(stage, plan, assets, folder)
    path = cache / f"{tokens_key(rows, stage.method, codec)}.safetensors"
    kept = load_sequences(path)
    if kept is not None:
        return Tokens(*kept)
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
        save_sequences(path, tokens.parts, total)
    return tokens
