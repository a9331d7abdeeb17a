"""A claim beside what was measured, and the verdict that the law allows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    REPRODUCED = "REPRODUCED"
    """Measured at the claim's own scale; agrees within a margin stated before looking."""
    DIFFERS = "DIFFERS"
    """Measured at the claim's own scale, or decided by arithmetic or an artefact; does not agree."""
    INCONCLUSIVE = "INCONCLUSIVE"
    """Measured, but too noisy to say."""
    NOT_COMPARABLE = "NOT_COMPARABLE"
    """Measured under other conditions: the numbers stand side by side and no more is said."""
    CONSISTENT = "CONSISTENT"
    """Not regenerated, but evidence of a lower kind agrees; the kind is named."""
    UNTESTED = "UNTESTED"
    """Nothing was measured."""
    UNSTATED = "UNSTATED"
    """The card leaves it open."""


class Weight(StrEnum):
    """How much agreement says about the recipe behind the claim."""

    NONE = "none"
    """Every recipe would satisfy it."""
    WEAK = "weak"
    MODERATE = "moderate"
    STRONG = "strong"


@dataclass(frozen=True, slots=True)
class Leg:
    """One of the two comparisons of a score: claimed against re-scored, published against regenerated."""

    name: str
    left: float
    right: float
    interval: tuple[float, float] | None
    """Of the difference right - left."""
    margin: float | None
    samples: int
    why: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """One claim's verdict and everything it rests on."""

    claim: str
    """The claim's id."""
    verdict: Verdict
    why: str
    """One or two sentences with the numbers, for people."""
    method: str
    """"prediction interval", "arithmetic", "invariant", "artefact", "paired", "none"."""
    weight: Weight
    weight_why: str
    claimed: str = ""
    """As printed."""
    measured: float | None = None
    measured_text: str = ""
    """The measurement as people read it, with its scale: "0.5123 (proxy)"."""
    interval: tuple[float, float] | None = None
    """Prediction interval of one more reading (losses) or confidence interval (scores)."""
    margin: float | None = None
    margin_why: str = ""
    p_value: float | None = None
    evidence_kind: str = ""
    """For CONSISTENT and for DIFFERS without a run: "arithmetic", "parent's card", "config.json", ..."""
    needs: str = ""
    """What would decide: runs, a window, a scale, a sample size."""
    legs: tuple[Leg, ...] = ()
    scale: str = ""
    """"proxy", "full", or empty when nothing was run."""


@dataclass(frozen=True, slots=True)
class Beside:
    """What another run of the same card, from the other start, said of a claim: shown, and no part of any verdict."""

    claim: str
    """The claim's id."""
    chain: bool
    """Whether that run started the claim's stage from a parent that it had regenerated itself."""
    run_id: str
    created: str
    """ISO time, UTC, of that run's report."""
    verdict: Verdict
    measured_text: str
    interval: tuple[float, float] | None
    why: str


ORDER: tuple[Verdict, ...] = (
    Verdict.DIFFERS,
    Verdict.INCONCLUSIVE,
    Verdict.REPRODUCED,
    Verdict.NOT_COMPARABLE,
    Verdict.CONSISTENT,
    Verdict.UNTESTED,
    Verdict.UNSTATED,
)
"""The order in which a summary lists them."""


def count(comparisons: Iterable[Comparison]) -> dict[Verdict, int]:
    """How many claims have each verdict, in `ORDER`, absent ones as 0."""
    verdicts = [c.verdict for c in comparisons]
    return {v: verdicts.count(v) for v in ORDER}
