"""Token sequences in flat arrays, and the padded batches that are cut from them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from repro.train.order import Rows

CPU_BUDGET = 1024
"""Padded tokens of one pass on a CPU, at least: smaller passes are no faster, larger ones take more memory."""


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
    forks: torch.Tensor | None = None
    """(rows, 2), where a row of `input_ids` holds two sequences that begin alike: how many tokens they share, and
    where the second one's own begin. None where a row is a sequence."""


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
    return Batch(
        input_ids=_tensor(ids, device),
        positions=_tensor(owner * length + column - 1, device),
        targets=_tensor(ids[owner, column], device),
        owner=_tensor(owner, device),
        label_counts=_tensor(labels.sum(axis=1), device),
    )


def collate_forked(
    first: Sequences, second: Sequences, shared: Rows, rows: Rows, pad_token_id: int, device: torch.device
) -> Batch:
    """One batch of pairs of sequences, each pair in one row: what both begin with, the first's own, the second's own.

    The tokens that both begin with are computed once. The batch's sequences are the first of every pair, then the
    second of every pair, as `collate` of the two has them; `fork_masks` keeps the two branches apart.

    Args:
        shared: (pairs,), how many tokens each pair begins with in common: `shared_prefixes` of the two.
    """
    spans = [
        (int(first.starts[row]), int(first.starts[row + 1]), int(second.starts[row]), int(second.starts[row + 1]))
        for row in rows
    ]
    forks = np.stack([shared[rows], first.lengths[rows]], axis=1)
    length = int((forks[:, 1] + second.lengths[rows] - forks[:, 0]).max())
    ids = np.full((len(rows), length), pad_token_id, np.int64)
    found: list[tuple[npt.NDArray[np.int64], npt.NDArray[np.int32]]] = []
    later: list[tuple[npt.NDArray[np.int64], npt.NDArray[np.int32]]] = []
    for number, ((start, end, other, last), (common, fork)) in enumerate(zip(spans, forks.tolist(), strict=True)):
        ids[number, :fork] = first.ids[start:end]
        ids[number, fork : fork + last - other - common] = second.ids[other + common : last]
        place = number * length - 1
        labels = first.labels[start:end].nonzero()[0]
        found.append((place + labels, first.ids[start:end][labels]))
        labels = second.labels[other:last].nonzero()[0]
        # what predicts the first token of the second's own is the last one that both have
        found_at = np.where(labels > common, labels + (fork - common), labels)
        later.append((place + found_at, second.ids[other:last][labels]))
    both = [*found, *later]
    counts = np.array([len(places) for places, _ in both], np.int64)
    return Batch(
        input_ids=_tensor(ids, device),
        positions=_tensor(np.concatenate([places for places, _ in both]), device),
        targets=_tensor(np.concatenate([targets for _, targets in both]).astype(np.int64), device),
        owner=_tensor(np.repeat(np.arange(len(both)), counts), device),
        label_counts=_tensor(counts, device),
        forks=_tensor(forks, device),
    )


def shared_prefixes(first: Sequences, second: Sequences) -> Rows:
    """How many tokens each pair of sequences begins with in common, (pairs,)."""
    shared = np.minimum(first.lengths, second.lengths)
    for number, (length, start, other) in enumerate(zip(shared, first.starts, second.starts, strict=False)):
        apart = first.ids[start : start + length] != second.ids[other : other + length]
        if apart.any():
            shared[number] = apart.argmax()
    return shared


def fork_masks(forks: torch.Tensor, length: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Where each token of forked rows stands in its sequence, and which tokens it may attend to.

    Args:
        forks: (rows, 2), of a `Batch`.

    Returns:
        (rows, length) positions, and (rows, 1, length, length), True where the query's token sees the key's.
    """
    place = torch.arange(length, device=forks.device)
    common, fork = forks[:, :1], forks[:, 1:]
    second = place >= fork
    firsts_own = (place >= common) & ~second
    causal = place[:, None] >= place[None, :]
    sees = causal & ~(second[:, :, None] & firsts_own[:, None, :])
    return torch.where(second, place - fork + common, place), sees[:, None]


def _tensor(values: npt.NDArray[np.int64], device: torch.device) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(values)).to(device, non_blocking=True)


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


def pass_budget(padded_lengths: Rows, micro_batch: int, device: torch.device) -> int:
    """Padded tokens of one pass: what the recipe's own micro-batch takes at its largest."""
    recipe = micro_batch * int(padded_lengths.max())
    return max(recipe, CPU_BUDGET) if device.type == "cpu" else recipe
