"""Losses, over label positions only: cross-entropy a token; DPO, SimPO and IPO a pair."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch.utils.checkpoint import checkpoint

from repro.errors import RunError
from repro.memory import LOGITS_BYTES
from repro.plan import PREFERENCE_LOSSES, REFERENCE_FREE

AVERAGED = frozenset({"dpo_norm", "simpo", "ipo"})
"""Loss types that average a sequence's log-probabilities over its label tokens; the others sum them."""


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
    """Log-probability of each sequence: the mean over its label tokens for `AVERAGED`, else the sum.

    Source: open_instruct/dpo_utils.py@e6c3044 (`average_log_prob`: dpo_norm, simpo); TRL 1.16 divides by the
    completion's tokens after taking the reference away, which is the same number (trainer/dpo_trainer.py:
    sigmoid_norm, ipo). IPO's paper (Azar et al. 2023, arXiv:2310.12036, equation 17) writes sums; TRL has averaged
    since its authors confirmed that their results are of the averaged form, and no framework here sums.
    """
    sums = -sequence_sums(losses, owner, len(label_counts))
    return sums / label_counts.clamp(min=1) if loss_type in AVERAGED else sums


@dataclass(frozen=True, slots=True)
class PairLosses:
    """One value a preference pair, each (pairs,)."""

    loss: torch.Tensor
    reward_chosen: torch.Tensor
    """beta * (policy - reference), without gradient; of the policy alone where the loss has no reference."""
    reward_rejected: torch.Tensor


def preference_losses(
    policy_chosen: torch.Tensor,
    policy_rejected: torch.Tensor,
    reference_chosen: torch.Tensor,
    reference_rejected: torch.Tensor,
    *,
    loss_type: str,
    beta: float,
    gamma_beta_ratio: float = 0.0,
    label_smoothing: float = 0.0,
) -> PairLosses:
    """The loss of each pair from sequence log-probabilities, all (pairs,), summed or averaged as `loss_type` has it.

    With `d` the policy's chosen minus its rejected, less the same of the reference:

    - dpo, dpo_norm: -log sigmoid(beta d) (Rafailov et al. 2023, arXiv:2305.18290, eq. 7); with label smoothing e the
      mixture (1 - e) (-log sigmoid(beta d)) + e (-log sigmoid(-beta d)) (open_instruct/dpo_utils.py@e6c3044).
    - simpo: the same of beta (d - gamma / beta), and no reference (Meng et al. 2024, arXiv:2405.14734, eq. 6;
      TRL 1.16: experimental/cpo/cpo_trainer.py).
    - ipo: (d - 1 / (2 beta))^2 (Azar et al. 2023, arXiv:2310.12036, eq. 17, whose tau is beta; TRL 1.16:
      trainer/dpo_trainer.py). It has no label smoothing: TRL leaves it out, and so does this.
    """
    if loss_type in REFERENCE_FREE:
        reference_chosen, reference_rejected = torch.zeros_like(policy_chosen), torch.zeros_like(policy_rejected)
    logits = (policy_chosen - policy_rejected) - (reference_chosen - reference_rejected)
    if loss_type == "ipo":
        loss = (logits - 1.0 / (2.0 * beta)) ** 2
    else:
        if loss_type == "simpo":
            logits = logits - gamma_beta_ratio
        loss = -F.logsigmoid(beta * logits)
        if label_smoothing:
            loss = loss * (1.0 - label_smoothing) - F.logsigmoid(-beta * logits) * label_smoothing
    return PairLosses(
        loss=loss,
        reward_chosen=beta * (policy_chosen - reference_chosen).detach(),
        reward_rejected=beta * (policy_rejected - reference_rejected).detach(),
    )


def checked_preference_loss(loss_type: str) -> str:
    """
    Raises:
        RunError: this version has no such loss.
    """
    if loss_type not in PREFERENCE_LOSSES:
        raise RunError(
            f"the preference loss {loss_type!r} cannot be regenerated",
            hint=f"this version trains with {', '.join(PREFERENCE_LOSSES)}",
        )
    return loss_type
