"""Losses, over label positions only: cross-entropy a token, DPO a pair."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch.utils.checkpoint import checkpoint

from repro.errors import RunError

NORMALISED = frozenset({"dpo_norm"})
"""Loss types that average a sequence's log-probabilities over its label tokens; the others sum them."""
DPO_LOSSES = frozenset({"dpo", "dpo_norm"})
LOGITS_BYTES = 1 << 26
"""Bytes of the float32 logits that are held at a time. More labels than fit are scored in pieces whose logits are
computed anew in the backward pass: a third more work for the head, where all of them may be gigabytes."""


def token_losses(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Cross-entropy of each label position, in nats, float32.

    Args:
        logits: (labels, vocabulary), any floating dtype.
        targets: (labels,), token ids.
    """
    wide = logits.to(torch.promote_types(logits.dtype, torch.float32))
    return F.cross_entropy(wide, targets, reduction="none")


def label_losses(
    head: Callable[[torch.Tensor], torch.Tensor],
    states: torch.Tensor,
    targets: torch.Tensor,
    *,
    vocabulary: int,
    held_bytes: int = LOGITS_BYTES,
) -> torch.Tensor:
    """`token_losses` of `head(states)`, without all the logits in memory at once or kept for the backward pass.

    Args:
        head: (labels, hidden) -> (labels, vocabulary). A module is called as one, so that whatever wraps it (an
            adapter, hooks that gather sharded weights) is kept; it is called again in the backward pass.
        states: (labels, hidden).
        targets: (labels,), token ids.
        vocabulary: how many logits the head gives a label.
        held_bytes: see `LOGITS_BYTES`.
    """

    def scored(states: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return token_losses(head(states), targets)

    rows = max(1, held_bytes // (4 * vocabulary))
    if len(targets) <= rows:
        return scored(states, targets)
    parts = zip(torch.split(states, rows), torch.split(targets, rows), strict=True)
    if not torch.is_grad_enabled():
        return torch.cat([scored(*part) for part in parts])
    return torch.cat([checkpoint(scored, *part, use_reentrant=False, preserve_rng_state=False) for part in parts])


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
