"""What a stage's loss is made of, so that one loop trains every stage."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeAlias

import torch

from repro.train.batch import Batch
from repro.train.order import Rows

Score: TypeAlias = Callable[[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor | None], torch.Tensor]
"""A `Scorer`, or one that accelerate has wrapped: (input_ids, positions, targets, forks) -> label losses."""


@dataclass(frozen=True, slots=True)
class RowLosses:
    """One value a row of a chunk, each (rows,)."""

    loss: torch.Tensor
    """The row's summed loss: over its label tokens for SFT, the pair's loss for DPO."""
    rewards: torch.Tensor | None = None
    """(3, rows): reward of the chosen, of the rejected, and whether the first is larger; no gradient."""


class Objective(Protocol):
    """A stage's data and loss."""

    @property
    def padded_lengths(self) -> Rows:
        """Tokens that each row takes up in a batch."""
        ...

    @property
    def terms(self) -> Rows:
        """How many terms each row's loss sums: its label tokens, or 1 for a pair."""
        ...

    @property
    def label_tokens(self) -> Rows:
        """Label tokens of each row."""
        ...

    @property
    def input_tokens(self) -> Rows:
        """Tokens of each row that go through the model, padding left out."""
        ...

    @property
    def reduction(self) -> str:
        """How the rows' losses become the step's: see `order.group_weights`."""
        ...

    @property
    def rewarded(self) -> bool:
        """Whether `losses` gives rewards."""
        ...

    def losses(self, score: Score, rows: Rows, device: torch.device) -> RowLosses:
        """The losses of some rows, computed in one forward pass."""
        ...


def scored(score: Score, batch: Batch) -> torch.Tensor:
    """Label losses of a batch, (labels,)."""
    return score(batch.input_ids, batch.positions, batch.targets, batch.forks)
