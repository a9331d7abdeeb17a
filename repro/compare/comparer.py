"""Claims beside what was measured: one comparison for every claim of a card, by the verdict law."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import assert_never

from repro.compare.case import Case
from repro.compare.changes import compare_change
from repro.compare.config import compare_config
from repro.compare.identity import compare_identity, compare_usage
from repro.compare.losses import compare_losses
from repro.compare.memory import compare_memory
from repro.compare.scores import compare_scores
from repro.compare.steps import compare_steps
from repro.comparison import Comparison
from repro.evidence import Evidence
from repro.plan import Plan
from repro.run import Run
from repro.score import Score
from repro.spec import Claim, ClaimKind, Spec


def compare(
    spec: Spec, evidence: Evidence, plan: Plan | None, run: Run | None, scores: tuple[Score, ...]
) -> tuple[Comparison, ...]:
    """One comparison for each claim, in the card's order.

    `scores` are of the models "base", the stages' names (regenerated, one a seed) and "published". What was not run
    or found is None or empty, and the claims that need it are UNTESTED with what it would take. Loss claims are
    judged jointly, as are score claims; with a full-scale run or two models scored that needs scipy (extra `run`).
    """
    audit = Case(finite(spec), evidence, plan, run, scores)
    losses = compare_losses(audit)
    judged_scores = compare_scores(audit, losses)
    return tuple(_one(audit, claim, losses, judged_scores) for claim in spec.claims)


def finite(spec: Spec) -> Spec:
    """The spec with "nan" and "inf" taken for what they are, printed text that is no number."""
    return replace(
        spec,
        claims=tuple(
            replace(c, number=None) if c.number is not None and not math.isfinite(c.number.value) else c
            for c in spec.claims
        ),
    )


def _one(audit: Case, claim: Claim, losses: dict[str, Comparison], scores: dict[str, Comparison]) -> Comparison:
    match claim.kind:
        case ClaimKind.LOSS:
            return losses[claim.id]
        case ClaimKind.EVAL:
            return scores[claim.id]
        case ClaimKind.CHANGE:
            return compare_change(audit, claim)
        case ClaimKind.STEPS:
            return compare_steps(audit, claim)
        case ClaimKind.CONFIG | ClaimKind.DATA:
            return compare_config(audit, claim, losses)
        case ClaimKind.INFERENCE:
            return compare_memory(audit, claim)
        case ClaimKind.IDENTITY:
            return compare_identity(audit, claim)
        case ClaimKind.USAGE:
            return compare_usage(audit, claim)
        case _:
            assert_never(claim.kind)
