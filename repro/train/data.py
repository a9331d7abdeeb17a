"""The rows a stage trains on, by the recipe's sampling rule, and rows that no stage trains on."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from repro.errors import PrerequisiteError, RunError
from repro.plan import DatasetPlan, Plan, StagePlan
from repro.run import TEST_SPLIT, Assets
from repro.task import Scale
from repro.train.order import Rows
from repro.train.synthetic import preference_rows, sft_rows

HELDOUT_ROWS = 400
"""Held-out rows of each kind, at most: enough to see a score move by five points, cheap enough for a laptop."""
FULL_HELDOUT_ROWS = 2000
"""The same at full scale: the whole test split of most data sets, so that a score claimed on it meets its own rows."""
SAMPLED = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Part:
    """Some rows of one table, in an order."""

    table: Sequence[Mapping[str, Any]]
    rows: Rows
    files: tuple[str, ...]
    """What the table was read from."""


class Mixture(Sequence[Mapping[str, Any]]):
    """Parts of tables, one after the other, read row by row when asked."""

    def __init__(self, parts: Sequence[Part]) -> None:
        self.parts = tuple(parts)
        self._ends = np.cumsum([len(part.rows) for part in self.parts])

    def __len__(self) -> int:
        return int(self._ends[-1]) if len(self._ends) else 0

    def __getitem__(self, number: Any) -> Any:
        if not 0 <= number < len(self):
            raise IndexError(number)
        part, row = self.place(number)
        return self.parts[part].table[row]

    def place(self, number: int) -> tuple[int, int]:
        """Where a row comes from: the part's number, and the row's number in its table."""
        which = int(np.searchsorted(self._ends, number, side="right"))
        first = int(self._ends[which - 1]) if which else 0
        return which, int(self.parts[which].rows[number - first])

    def __iter__(self) -> Iterator[Mapping[str, Any]]:
        for part in self.parts:
            for row in part.rows:
                yield part.table[int(row)]


def sample(total: int, wanted: int, seed: int, rule: str) -> Rows:
    """Which rows of `total` a share of `wanted` rows is, by `Semantics.sampling_rule`.

    "remainder": whole copies first; what is left over is drawn without replacement by RandomState(seed)
    (open_instruct/dataset_transformation.py@e6c3044: DatasetConfig.select; its own seed is 42). "shuffle_head": the
    first rows of the set as datasets 5.2's `shuffle(seed)` orders it. "head": the first rows.
    """
    if rule != "remainder":
        order = np.random.default_rng(seed).permutation(total) if rule == "shuffle_head" else np.arange(total)
        return np.resize(order.astype(np.int64), wanted if total else 0)
    copies, left = divmod(wanted, total) if total else (0, 0)
    whole = [np.arange(total, dtype=np.int64)] * copies
    if left:
        whole.append(np.random.RandomState(seed).choice(total, left, replace=False).astype(np.int64))
    return np.concatenate(whole) if whole else np.empty(0, np.int64)


def rows_wanted(dataset: DatasetPlan, total: int) -> int:
    """Rows the plan takes of a table of `total`: a stated count, else `int(fraction * rows)`, else all."""
    if dataset.rows is not None:
        return dataset.rows
    return int(dataset.fraction * total) if dataset.fraction is not None else total


def made_rows(stage: StagePlan) -> int:
    """How many rows a stand-in's stage is given: what the plan states, else what its steps take.

    Raises:
        RunError: the plan says neither.
    """
    stated = [d.rows for d in stage.datasets]
    if stated and all(rows is not None for rows in stated):
        return sum(rows for rows in stated if rows is not None)
    hyperparameters = stage.hyperparameters
    steps = hyperparameters.max_steps if hyperparameters.max_steps is not None else stage.expected_steps
    if steps is None:
        raise RunError(f"the plan of stage {stage.name!r} gives neither rows nor steps", hint="--assume max_steps=...")
    epochs = max(1.0, hyperparameters.num_epochs)
    return math.ceil(steps * hyperparameters.effective_batch_size / epochs)


def training_rows(stage: StagePlan, plan: Plan, assets: Assets, cache: Path) -> Sequence[Mapping[str, Any]]:
    """The stage's rows, sampled but not filtered or shuffled.

    Raises:
        PrerequisiteError: a data set has no local files.
        RunError: a file cannot be read.
    """
    if plan.scale is Scale.PROXY:
        make = sft_rows if stage.method == "sft" else preference_rows
        return make(stage.hyperparameters.data_seed, made_rows(stage))
    parts = []
    for dataset in stage.datasets:
        files = tuple(assets.datasets.get(dataset.repo_id, ()))
        table = _table(files, dataset.repo_id, cache)
        wanted, seed = rows_wanted(dataset, len(table)), stage.hyperparameters.data_seed
        parts.append(Part(table, sample(len(table), wanted, seed, stage.semantics.sampling_rule), files))
    if not parts:
        raise RunError(f"stage {stage.name!r} names no data set", hint="--assume dataset=... or give the data's card")
    return Mixture(parts)


@dataclass(frozen=True, slots=True)
class HeldOut:
    """Rows of one kind that no stage trains on."""

    rows: list[dict[str, Any]]
    source: str
    """`TEST_SPLIT`, or what else they are."""
    total: int
    """Rows that the source has."""


def heldout_rows(plan: Plan, assets: Assets, cache: Path) -> dict[str, HeldOut]:
    """Rows of each kind ("preference", "sft") that no stage trains on; a kind with none is left out.

    At full scale the data set's own test split where there is one, else rows that were not sampled, without those
    whose prompt some stage was trained on.

    Raises:
        PrerequisiteError: a data set has no local files.
        RunError: a file cannot be read.
    """
    if plan.scale is Scale.PROXY:
        seed = plan.stages[-1].hyperparameters.data_seed if plan.stages else 0
        made = {
            "preference": preference_rows(seed, HELDOUT_ROWS, heldout=True),
            "sft": sft_rows(seed, HELDOUT_ROWS, heldout=True),
        }
        return {kind: HeldOut(rows, "rows that this program made", len(rows)) for kind, rows in made.items()}
    seen: set[bytes] = set()
    unsampled: set[str] = set()
    candidates: dict[str, list[Part]] = {}
    for stage in plan.stages:
        kind = "sft" if stage.method == "sft" else "preference"
        rows = training_rows(stage, plan, assets, cache)
        seen.update(_prompt_hash(row) for row in rows)
        for number, dataset in enumerate(stage.datasets):
            files = assets.heldout.get(dataset.repo_id, ())
            if files:
                table = _table(files, dataset.repo_id, cache)
                candidates.setdefault(kind, []).append(Part(table, np.arange(len(table)), tuple(files)))
            elif isinstance(rows, Mixture):
                part = rows.parts[number]
                unused = np.setdiff1d(np.arange(len(part.table)), part.rows)
                candidates.setdefault(kind, []).append(Part(part.table, unused, part.files))
                unsampled.add(kind)
    found = {}
    for kind, parts in candidates.items():
        source = "training rows that the plan did not sample" if kind in unsampled else TEST_SPLIT
        mixture = Mixture(parts)
        found[kind] = HeldOut(_unseen(mixture, seen, FULL_HELDOUT_ROWS), source, len(mixture))
    return {kind: held for kind, held in found.items() if held.rows}


def _unseen(rows: Sequence[Mapping[str, Any]], seen: set[bytes], limit: int) -> list[dict[str, Any]]:
    kept: list[dict[str, Any]] = []
    for number in np.random.RandomState(42).permutation(len(rows)):
        row = rows[int(number)]
        if _prompt_hash(row) not in seen:
            kept.append(json.loads(json.dumps(dict(row), default=str)))
        if len(kept) == limit:
            break
    return kept


def _prompt_hash(row: Mapping[str, Any]) -> bytes:
    """Of what the row asks: the same question with another answer counts as seen."""
    conversation = row.get("messages") or row.get("chosen")
    if isinstance(conversation, Sequence) and not isinstance(conversation, str) and conversation:
        asked: object = [m.get("content") for m in conversation if isinstance(m, Mapping)][:-1]
        if not asked:
            asked = row.get("prompt")
    else:
        asked = row.get("prompt") or row.get("text")
    if isinstance(asked, Sequence) and not isinstance(asked, str):
        asked = [m.get("content") if isinstance(m, Mapping) else m for m in asked]
        asked = asked[0] if len(asked) == 1 else asked
    return hashlib.sha256(json.dumps(asked, default=str).encode()).digest()


def _table(files: Sequence[str], name: str, cache: Path) -> Sequence[Mapping[str, Any]]:
    """A data set's local files as one table, memory-mapped. Nothing is fetched and no loading script is run."""
    if not files:
        raise PrerequisiteError(
            f"the data set {name} is not here",
            hint="run once with a network, or choose --scale proxy, which needs no data",
        )
    # read by kind of file: `load_dataset` would ask the Hub to count the download
    from datasets import Dataset, concatenate_datasets

    readers = {
        ".parquet": Dataset.from_parquet,
        ".json": Dataset.from_json,
        ".jsonl": Dataset.from_json,
        ".csv": Dataset.from_csv,
    }
    tables = []
    for file in files:
        plain = Path(file[:-3] if file.endswith(".gz") else file)
        reader = readers.get(plain.suffix.lower())
        if reader is None:
            raise RunError(f"a data file of a kind that cannot be read ({plain.suffix})", where=file)
        try:
            tables.append(reader(file, cache_dir=str(cache)))
        except FileNotFoundError:
            raise PrerequisiteError("no such data file", where=file) from None
        except Exception as error:  # the readers raise a dozen kinds for a damaged file
            empty = Path(file).stat().st_size == 0
            why = "it is empty" if empty else str(error) or type(error).__name__
            raise RunError(
                f"the data file cannot be read: {why}", where=file, hint="download it again, or mend it"
            ) from error
    table: Sequence[Mapping[str, Any]] = tables[0] if len(tables) == 1 else concatenate_datasets(tables)
    return table
