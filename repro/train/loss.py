"""Losses, over label positions only: cross-entropy a token, DPO a pair."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F

from repro.errors import RunError

NORMALISED = frozenset({"dpo_norm"})
"""Loss types that average a sequence's log-probabilities over its label tokens; the others sum them."""
DPO_LOSSES = frozenset({"dpo", "dpo_norm"})


def token_losses(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Cross-entropy of each label position, in nats, float32.

    Args:
        logits: (labels, vocabulary), any floating dtype.
        targets: (labels,), token ids.
    """
    return F.cross_entropy(logits.float(), targets, reduction="none")


def sequence_sums(values: torch.Tensor, owner: torch.Tensor, sequences: int) -> torch.Tensor:
    """Sums of `values` (labels,) by the sequence that owns each (labels,), as (sequences,)."""
    return torch.zeros(sequences, dtype=values.dtype, device=values.device).index_add(0, owner, values)


def sequence_log_probs(
    losses: torch.Tensor, owner: torch.Tensor, label_counts: torch.Tensor, *, loss_type: str
) -> torch.Tensor:
    """Log-probability of each sequence: the mean over its label tokens for `dpo_norm`, else the sum.

    Source: open_instruct/dpo_utils.py@e6c3044 (`average_log_prob`); TRL 1.16 divides by the completion's tokens
    after taking the reference away, which is the same number.
    """
    sums = -sequence_sums(losses, owner, len(label_counts))
    return sums / label_counts.clamp(min=1) if loss_type in NORMALISED else sums


@dataclass(frozen=True, slots=True)
class PairLosses:
    """One value a preference pair, each (pairs,)."""

    loss: torch.Tensor
    reward_chosen: torch.Tensor
    """beta * (policy - reference), without gradient."""
    reward_rejected: torch.Tensor


def dpo_losses(
    policy_chosen: torch.Tensor,
    policy_rejected: torch.Tensor,
    reference_chosen: torch.Tensor,
    reference_rejected: torch.Tensor,
    *,
    beta: float,
    label_smoothing: float = 0.0,
) -> PairLosses:
    """DPO on sequence log-probabilities (Rafailov et al. 2023, eq. 7; cDPO for label_smoothing > 0).

    Source: open_instruct/dpo_utils.py@e6c3044, `dpo_loss`.
    """
    logits = (policy_chosen - policy_rejected) - (reference_chosen - reference_rejected)
    loss = -F.logsigmoid(beta * logits)
    if label_smoothing:
        loss = loss * (1.0 - label_smoothing) - F.logsigmoid(-beta * logits) * label_smoothing
    return PairLosses(
        loss=loss,
        reward_chosen=beta * (policy_chosen - reference_chosen).detach(),
        reward_rejected=beta * (policy_rejected - reference_rejected).detach(),
    )


def checked_dpo_loss(loss_type: str) -> str:
    """
    Raises:
        RunError: this version has no such loss.
    """
    if loss_type not in DPO_LOSSES:
        raise RunError(
            f"the preference loss {loss_type!r} cannot be regenerated",
            hint=f"this version trains with {' and '.join(sorted(DPO_LOSSES))}",
        )
    return loss_type
