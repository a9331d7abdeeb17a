"""Whose error a regenerated stage carries: its own, or also that of parents which the same run regenerated."""

from __future__ import annotations

from collections.abc import Mapping

from repro.compare.case import Case
from repro.compare.overrides import chain
from repro.comparison import Comparison, Verdict, Weight
from repro.spec import Claim, ClaimKind

ALONE = "the stage from its published parent: --start published --stages "


def regenerated_parents(case: Case, claim: Claim) -> tuple[str, ...]:
    """Stages of the same run whose models the claim's stage stems from, nearest first."""
    return tuple(at.name for at in chain(case, claim))[1:]


def unproven_parents(case: Case, claim: Claim, losses: Mapping[str, Comparison]) -> tuple[str, ...]:
    """Those of `regenerated_parents` that were not shown to be the card's own: a difference may lie in them.

    Shown is a parent of whose training losses the card states some, each of them REPRODUCED, and not all of a kind
    that every recipe satisfies.
    """
    return tuple(name for name in regenerated_parents(case, claim) if not _shown(case, name, losses))


def why_unproven(names: tuple[str, ...]) -> str:
    """The sentence that a difference gets which may be a parent's."""
    which = " and ".join(names)
    return (
        f"The run started from its own {which} model, which was not shown to be the card's (not every training loss "
        f"that the card states of {which} was reproduced), so the difference may lie there and not in this stage."
    )


def _shown(case: Case, stage: str, losses: Mapping[str, Comparison]) -> bool:
    own = [
        losses.get(c.id)
        for c in case.spec.claims
        if c.kind is ClaimKind.LOSS and c.stage == stage and c.split == "train" and not c.unstated
    ]
    proven = [c for c in own if c is not None and c.verdict is Verdict.REPRODUCED]
    return len(proven) == len(own) and any(c.weight is not Weight.NONE for c in proven)
