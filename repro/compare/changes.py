"""The law of relative changes: decided by the card's own printed figures, every rounding carried along."""

from __future__ import annotations

import math

from repro.arithmetic import relative_change
from repro.compare.case import Case, result
from repro.comparison import Comparison, Verdict, Weight
from repro.number import Interval
from repro.spec import Claim, ClaimKind

WEIGHT_WHY = "it repeats two figures of the card and says nothing more about the training"


def compare_change(case: Case, claim: Claim) -> Comparison:
    """CONSISTENT where some values within rounding agree, DIFFERS where none do under any usual reading.

    The readings, in this order: relative to the figure the card refers to, to the row before, to the first row;
    the same without a sign, when the card prints none. Digits that were cut instead of rounded leave it open, and so
    does a figure that is the plain difference times a hundred.
    """
    if claim.unstated:
        return result(claim, Verdict.UNSTATED, "The card leaves this change open.")
    if claim.number is None:
        return result(claim, Verdict.UNTESTED, f'"{claim.printed}" could not be read as a number.')
    target = case.spec.claim(claim.refers_to[1]) if len(claim.refers_to) == 2 else None
    first = case.spec.claim(claim.refers_to[0]) if len(claim.refers_to) == 2 else None
    if first is None or target is None or first.number is None or target.number is None:
        return result(
            claim,
            Verdict.UNTESTED,
            "One of the two figures that the change is between is not stated, so it cannot be recomputed.",
            needs="both figures",
        )
    printed = claim.number.interval
    scale = 1.0 if claim.number.unit == "%" else 0.01
    stated = relative_change(first.number.interval, target.number.interval) * scale
    if not (math.isfinite(stated.lo) and math.isfinite(stated.hi)):
        return result(claim, Verdict.UNTESTED, "The change is from zero, which has no relative change.")
    if _close(printed, stated):
        return _agrees(claim, first, target, stated, "")
    for other in (_row_before(case, target), _first_row(case, target)):
        if other is not None and other.number is not None and other.id != first.id:
            span = relative_change(other.number.interval, target.number.interval) * scale
            if _close(printed, span):
                return _agrees(claim, other, target, span, f" (relative to {_name(other)}, not to {_name(first)})")
    if claim.printed.strip()[:1] not in {"-", "+", "−", "–"} and _close(printed, -stated):
        return _agrees(claim, first, target, stated, " (printed without its sign)")
    sums = f"From {first.printed} to {target.printed} is {_percent(stated)}"
    value, digit = claim.number.value, claim.number.last_digit
    cut = Interval(value - digit, value) if value < 0 else Interval(value, value + digit)
    if cut.meets(stated):
        return result(
            claim,
            Verdict.INCONCLUSIVE,
            f"{sums}, and the card says {claim.printed}: no rounding gives that, cutting the digits off could.",
            method="arithmetic",
            weight_why=WEIGHT_WHY,
            needs="the two losses with one more digit",
        )
    drop = (target.number.interval - first.number.interval) * (100.0 * scale)
    if _close(printed, drop):
        return result(
            claim,
            Verdict.INCONCLUSIVE,
            f"{sums}; the card's {claim.printed} is the plain difference times a hundred, and may mean that.",
            method="arithmetic",
            weight_why=WEIGHT_WHY,
            needs="whether the change is relative or the plain difference",
        )
    return result(
        claim,
        Verdict.DIFFERS,
        f"{sums}, whatever was rounded; the card says {claim.printed}, and no value within rounding is both.",
        method="arithmetic",
        weight=Weight.STRONG,
        weight_why="the card's own figures contradict each other: arithmetic decides it",
        measured=stated.centre,
        measured_text=f"{_percent(stated)} (from the card's figures)",
        interval=(stated.lo, stated.hi),
        evidence_kind="arithmetic",
    )


def _agrees(claim: Claim, first: Claim, target: Claim, span: Interval, how: str) -> Comparison:
    return result(
        claim,
        Verdict.CONSISTENT,
        f"From {first.printed} to {target.printed} is {_percent(span)}, and the card says {claim.printed}{how}.",
        method="arithmetic",
        weight=Weight.NONE,
        weight_why=WEIGHT_WHY,
        measured=span.centre,
        measured_text=f"{_percent(span)} (from the card's figures)",
        interval=(span.lo, span.hi),
        evidence_kind="arithmetic",
    )


def _close(printed: Interval, span: Interval) -> bool:
    # The last bits of a division must not make a contradiction.
    return printed.widened(1e-9 * max(1.0, abs(span.centre))).meets(span)


def _series(case: Case, target: Claim) -> list[Claim]:
    rows = [
        c
        for c in case.spec.claims
        if c.kind is ClaimKind.LOSS
        and c.number is not None
        and c.step is not None
        and (c.stage, c.split) == (target.stage, target.split)
        and (c.step or 0) < (target.step or 0)
    ]
    return sorted(rows, key=lambda c: c.step or 0)


def _row_before(case: Case, target: Claim) -> Claim | None:
    return next(iter(_series(case, target)[-1:]), None)


def _first_row(case: Case, target: Claim) -> Claim | None:
    return next(iter(_series(case, target)), None)


def _name(claim: Claim) -> str:
    return f"step {claim.step}" if claim.step is not None else claim.id


def _percent(span: Interval) -> str:
    return f"{span.lo:.4g}% to {span.hi:.4g}%"
