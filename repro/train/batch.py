"""Token sequences in flat arrays, and the padded batches that are cut from them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from repro.train.order import Rows


@dataclass(frozen=True, slots=True)
class Sequences:
    """Many token sequences, end to end: sequence i is `ids[starts[i]:starts[i + 1]]`."""

    ids: npt.NDArray[np.int32]
    labels: npt.NDArray[np.bool_]
    """Which tokens the loss covers; a sequence's first token never (nothing predicts it)."""
    starts: npt.NDArray[np.int64]
    """(sequences + 1,)"""

    @classmethod
    def of(cls, encoded: Iterable[tuple[Sequence[int], Sequence[bool]]]) -> Sequences:
        """From (token ids, label mask) pairs."""
        ids: list[npt.NDArray[np.int32]] = []
        labels: list[npt.NDArray[np.bool_]] = []
        starts = [0]
        for tokens, mask in encoded:
            kept = np.array(mask, np.bool_)
            kept[:1] = False
            ids.append(np.array(tokens, np.int32))
            labels.append(kept)
            starts.append(starts[-1] + len(tokens))
        return cls(
            ids=np.concatenate(ids) if ids else np.empty(0, np.int32),
            labels=np.concatenate(labels) if labels else np.empty(0, np.bool_),
            starts=np.array(starts, np.int64),
        )

    def __len__(self) -> int:
        return len(self.starts) - 1

    @property
    def lengths(self) -> Rows:
        """Tokens of each sequence."""
        return np.diff(self.starts)

    @property
    def label_counts(self) -> Rows:
        """Label tokens of each sequence."""
        running = np.concatenate([[0], np.cumsum(self.labels)])
        counts: Rows = (running[self.starts[1:]] - running[self.starts[:-1]]).astype(np.int64)
        return counts


@dataclass(frozen=True, slots=True)
class Batch:
    """Sequences padded on the right, with the places where a label token is predicted."""

    input_ids: torch.Tensor
    """(sequences, length). No attention mask is needed: padding comes after all that is scored, and attention
    looks back only."""
    positions: torch.Tensor
    """(labels,) index into the flattened (sequences x length) positions that predict a label."""
    targets: torch.Tensor
    """(labels,) token ids."""
    owner: torch.Tensor
    """(labels,) which sequence of the batch the label belongs to."""
    label_counts: torch.Tensor
    """(sequences,)"""


def collate(parts: Sequence[tuple[Sequences, Rows]], pad_token_id: int, device: torch.device) -> Batch:
    """One batch of the given sequences of each part, one part after the other."""
    spans = [(s, int(s.starts[row]), int(s.starts[row + 1])) for s, rows in parts for row in rows]
    length = max(end - start for _, start, end in spans)
    ids = np.full((len(spans), length), pad_token_id, np.int64)
    labels = np.zeros((len(spans), length), np.bool_)
    for number, (sequences, start, end) in enumerate(spans):
        ids[number, : end - start] = sequences.ids[start:end]
        labels[number, : end - start] = sequences.labels[start:end]
    owner, column = labels.nonzero()

    def tensor(values: npt.NDArray[np.int64]) -> torch.Tensor:
        return torch.from_numpy(np.ascontiguousarray(values)).to(device, non_blocking=True)

    return Batch(
        input_ids=tensor(ids),
        positions=tensor(owner * length + column - 1),
        targets=tensor(ids[owner, column]),
        owner=tensor(owner),
        label_counts=tensor(labels.sum(axis=1)),
    )


def chunks(lengths: Rows, budget: int) -> list[Rows]:
    """Numbers 0..n-1 cut into batches of at most `budget` padded tokens each (a longer one stands alone), longest
    first: like lengths together waste no padding, and the largest batch comes first, so that a lack of memory shows
    at once."""
    order = np.argsort(-lengths, kind="stable").astype(np.int64)
    cut: list[Rows] = []
    first = 0
    while first < len(order):
        rows = max(1, budget // max(1, int(lengths[order[first]])))
        cut.append(order[first : first + rows])
        first += rows
    return cut
