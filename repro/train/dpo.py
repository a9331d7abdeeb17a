"""Preference pairs: DPO and IPO against cached reference log-probabilities, SimPO without any."""

from __future__ import annotations

import numpy as np
import torch

from repro.plan import REFERENCE_FREE
from repro.train.batch import Sequences, collate, collate_forked, shared_prefixes
from repro.train.loss import checked_preference_loss, preference_losses, sequence_log_probs
from repro.train.objective import RowLosses, Score, scored
from repro.train.order import Rows

LONGEST_FORK = 1024
"""Tokens of a row that holds both answers, at most: the mask that keeps them apart grows with their square."""
LEAST_SHARED = 0.1
"""The share of all tokens that must be saved before prompts are shared."""


class DpoObjective:
    """A preference loss on pairs: chosen and rejected in one forward pass (open_instruct/dpo_utils.py@e6c3044)."""

    reduction = "mean"
    rewarded = True

    def __init__(
        self,
        chosen: Sequences,
        rejected: Sequences,
        *,
        loss_type: str,
        beta: float,
        label_smoothing: float,
        gamma_beta_ratio: float = 0.0,
        pad_token_id: int,
        share_prompts: bool = False,
    ) -> None:
        """
        Args:
            share_prompts: compute what both answers of a pair begin with once, where that saves enough; only for
                a `Scorer` that `shares_prompts`.

        Raises:
            RunError: this version has no such loss.
        """
        self._chosen, self._rejected = chosen, rejected
        self._loss_type = checked_preference_loss(loss_type)
        self._beta = beta
        self._label_smoothing = label_smoothing
        self._gamma_beta_ratio = gamma_beta_ratio
        self.needs_reference = loss_type not in REFERENCE_FREE
        self._pad = pad_token_id
        self._reference = torch.zeros(2, 0)
        self.padded_lengths: Rows = 2 * np.maximum(chosen.lengths, rejected.lengths)
        self._shared: Rows | None = None
        if share_prompts and len(chosen):
            shared = shared_prefixes(chosen, rejected)
            forked = chosen.lengths + rejected.lengths - shared
            if forked.max() <= LONGEST_FORK and forked.sum() <= (1 - LEAST_SHARED) * self.padded_lengths.sum():
                self._shared, self.padded_lengths = shared, forked
        self.terms: Rows = np.ones(len(chosen), np.int64)
        self.input_tokens: Rows = chosen.lengths + rejected.lengths
        self.label_tokens: Rows = chosen.label_counts + rejected.label_counts

    @property
    def shares_prompts(self) -> bool:
        """Whether what a pair's answers begin with is computed once."""
        return self._shared is not None

    def log_probs(self, score: Score, rows: Rows, device: torch.device) -> torch.Tensor:
        """Sequence log-probabilities, (2, rows): chosen, rejected."""
        if self._shared is None:
            batch = collate([(self._chosen, rows), (self._rejected, rows)], self._pad, device)
        else:
            batch = collate_forked(self._chosen, self._rejected, self._shared, rows, self._pad, device)
        losses = scored(score, batch)
        both = sequence_log_probs(losses, batch.owner, batch.label_counts, loss_type=self._loss_type)
        return both.view(2, len(rows))

    def use_reference(self, log_probs: torch.Tensor) -> None:
        """Take the reference's log-probabilities of every pair, (2, pairs), float32."""
        self._reference = log_probs

    def losses(self, score: Score, rows: Rows, device: torch.device) -> RowLosses:
        policy = self.log_probs(score, rows, device)
        reference = self._reference[:, torch.from_numpy(rows)].to(device) if self.needs_reference else policy
        pairs = preference_losses(
            policy[0],
            policy[1],
            reference[0],
            reference[1],
            loss_type=self._loss_type,
            beta=self._beta,
            gamma_beta_ratio=self._gamma_beta_ratio,
            label_smoothing=self._label_smoothing,
        )
        right = (pairs.reward_chosen > pairs.reward_rejected).float()
        return RowLosses(loss=pairs.loss, rewards=torch.stack([pairs.reward_chosen, pairs.reward_rejected, right]))
