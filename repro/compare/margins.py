"""How far a regenerated loss may lie from the claimed one and still count as reproduced, stated before looking."""

from __future__ import annotations

from dataclasses import dataclass

from repro.spec import Claim, ClaimKind, Spec

SHARE = 0.25
"""The margin as a share of the change that the card claims between neighbouring checkpoints."""


@dataclass(frozen=True, slots=True)
class Margin:
    """The margin of one loss claim, and the rule with its numbers."""

    value: float | None
    change: float | None
    """The claimed change that it is a share of."""
    why: str


def margin_of(claim: Claim, spec: Spec) -> Margin:
    """A quarter of the smaller change that the card claims from this checkpoint to its neighbours.

    Neighbours are the nearest stated losses before and after, of the same stage and split; a change of nothing
    sets no margin.
    """
    if claim.number is None or claim.step is None:
        return Margin(None, None, "no margin: the claim has no step")
    series = sorted(
        (
            c
            for c in spec.claims
            if c.kind is ClaimKind.LOSS
            and c.number is not None
            and c.step is not None
            and (c.stage, c.split) == (claim.stage, claim.split)
        ),
        key=lambda c: c.step or 0,
    )
    before = [c for c in series if (c.step or 0) < claim.step][-1:]
    after = [c for c in series if (c.step or 0) > claim.step][:1]
    changes = [
        (abs(claim.number.value - c.number.value), c)
        for c in (*before, *after)
        if c.number is not None and c is not claim
    ]
    changes = [(change, c) for change, c in changes if change > 0]
    if not changes:
        return Margin(None, None, "no margin: the card claims no change between this checkpoint and a neighbouring one")
    change, other = min(changes, key=lambda pair: pair[0])
    why = f"a quarter of the change of {change:.4g} that the card claims between steps {other.step} and {claim.step}"
    return Margin(change * SHARE, change, why)
