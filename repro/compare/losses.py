"""The law of loss claims: one reading beside its prediction interval, jointly over a card's claims."""

from __future__ import annotations

from dataclasses import replace

from repro.compare.case import Case, result
from repro.compare.logs import Logged, logged_loss
from repro.compare.loss_needs import advice, weigh
from repro.compare.loss_steps import Reading, capital, measured_text, range_words, reading_of
from repro.compare.loss_without_statistics import METHOD, by_what_was_run, too_short, whatever_was_run
from repro.compare.margins import Margin, margin_of
from repro.compare.overrides import assumed, overruled
from repro.compare.parents import ALONE, regenerated_parents, unproven_parents, why_unproven
from repro.compare.prediction import Prediction, predict
from repro.compare.stats import FAMILY_ERROR, holm
from repro.compare.stopped import AGAIN, stop_of, why_not_reached
from repro.comparison import Comparison, Leg, Verdict, Weight
from repro.spec import Claim, ClaimKind


def compare_losses(case: Case) -> dict[str, Comparison]:
    """A comparison for every loss claim of the card, by claim id.

    What needs no statistics is decided first; the claims that a full-scale run measured are then judged together:
    DIFFERS by Holm's procedure at a family-wise error of 0.05, intervals at the Bonferroni level. Claims that a run
    which was ended early did not reach count as members of the family, the most favourable ones: whatever the whole run
    would have read there, a claim that differs now would have differed then (Holm's adjusted p-values fall where
    others' p-values do), and one that agrees now, unadjusted, could not have been rejected.
    """
    decided: dict[str, Comparison] = {}
    pending = 0
    measured: list[tuple[Claim, Reading, Prediction, float]] = []
    for claim in case.spec.claims:
        if claim.kind is not ClaimKind.LOSS:
            continue
        early = whatever_was_run(case, claim)
        if early is None:
            pending += bool(why_not_reached(case, claim))
            early = by_what_was_run(case, claim)
        if early is not None:
            decided[claim.id] = early
            continue
        reading = reading_of(case, claim)
        prediction = predict(reading.curves, reading.step, reading.window) if reading is not None else None
        if reading is None or prediction is None:
            decided[claim.id] = too_short(case, claim, reading)
        else:
            measured.append((claim, reading, prediction, _p_value(claim, reading, prediction)))
    family = len(measured) + pending
    adjusted = holm([*(p for _, _, _, p in measured), *(1.0,) * pending])[: len(measured)]
    level = FAMILY_ERROR / max(1, family)
    # A difference may lie in a parent that the run regenerated: parents are judged first.
    for (claim, reading, prediction, alone), p_value in sorted(
        zip(measured, adjusted), key=lambda one: len(regenerated_parents(case, one[0][0]))
    ):
        unproven = unproven_parents(case, claim, decided)
        judged = _judged(case, claim, reading, prediction, p_value, level, family, unproven)
        decided[claim.id] = _for_now(case, claim, judged) if pending and alone <= FAMILY_ERROR < p_value else judged
    return decided


def _for_now(case: Case, claim: Claim, judged: Comparison) -> Comparison:
    """A claim that the whole run might reject once the card's other claims are measured: open until they are."""
    stop = stop_of(case, claim) or (case.run.stopped[0].stopped if case.run is not None else None)
    where = f" at step {stop.step:,}" if stop is not None else ""
    why = (
        f"{judged.why} It is near the edge, and the run was ended{where} before the claims that are judged with it "
        "were measured: with them it might differ."
    )
    return replace(
        judged, verdict=Verdict.INCONCLUSIVE, why=why, needs=AGAIN, weight=Weight.NONE, weight_why="not decided yet"
    )


def _p_value(claim: Claim, reading: Reading, prediction: Prediction) -> float:
    """Of the claim under the prediction, rounding given away; at a partial window the milder of both conventions."""
    p_value = prediction.p_value(_distance(claim, prediction))
    if reading.partial:
        other = predict(tuple(c.undivided() for c in reading.curves), reading.step, reading.window)
        if other is not None:
            p_value = max(p_value, other.p_value(_distance(claim, other)))
    return p_value


def _distance(claim: Claim, prediction: Prediction) -> float:
    if claim.number is None:
        return 0.0
    printed = claim.number.interval
    return max(0.0, printed.lo - prediction.centre, prediction.centre - printed.hi)


def _judged(
    case: Case,
    claim: Claim,
    reading: Reading,
    prediction: Prediction,
    p_value: float,
    level: float,
    family: int,
    unproven: tuple[str, ...],
) -> Comparison:
    margin = margin_of(claim, case.spec)
    rounding = claim.number.interval.half_width if claim.number is not None else 0.0
    half = prediction.half_width(level) + rounding
    interval = (prediction.centre - half, prediction.centre + half)
    inside = claim.number is not None and interval[0] <= claim.number.value <= interval[1]
    weight, weight_why = weigh(claim, half, margin)
    joint = f"with {family} claim{'s' if family != 1 else ''} judged together"
    spread = (
        f"the spread of {prediction.runs} seeds"
        if prediction.path_measured
        else "a bound for the spread between seeds, which one run cannot show"
    )
    base = f"One more reading of {reading.words()} would fall in {range_words(interval)} ({joint}; {spread} included)"
    needs = ""
    guesses = assumed(case, claim) if p_value <= FAMILY_ERROR else ()
    if guesses:
        verdict = Verdict.INCONCLUSIVE
        why = (
            f"{base}; the card says {claim.printed}, outside it. The run assumed or changed {', '.join(guesses)}, so "
            "the difference may lie there and not in the claim."
        )
        needs = f"the author's own {', '.join(guesses)}"
    elif unproven and p_value <= FAMILY_ERROR:
        verdict = Verdict.INCONCLUSIVE
        why = f"{base}; the card says {claim.printed}, outside it. {why_unproven(unproven)}"
        needs = ALONE + (claim.stage or "of the claim")
    elif p_value <= FAMILY_ERROR:
        verdict = Verdict.DIFFERS
        why = f"{base}; the card says {claim.printed} (Holm-adjusted p {_p(p_value)})."
        weight = Weight.MODERATE if claim.window == 1 else Weight.STRONG
        weight_why = "the regenerated curve, with all its noise, does not pass there"
    elif not inside:
        verdict = Verdict.INCONCLUSIVE
        why = f"{base}; the card says {claim.printed}, just outside, which these few readings cannot tell from chance."
        needs = advice(claim, prediction, margin, level, case.scale)
        if reading.partial:
            why = f"{base}; the card says {claim.printed}, outside it, unless the partial window was divided otherwise."
            needs = "the framework's rule for the last window of an epoch, or a claim at a whole window"
    elif changed := overruled(case, claim):
        verdict = Verdict.NOT_COMPARABLE
        why = (
            f"{base}; the card's {claim.printed} lies in it, but the run was given another {', '.join(changed)} than "
            "the card states: it is not the card's recipe that agrees."
        )
        needs = f"a run with the card's own {', '.join(changed)}"
    elif margin.value is not None and half <= margin.value:
        verdict = Verdict.REPRODUCED
        why = f"{base}; the card says {claim.printed}. Half of it, {half:.4f}, is within the margin {margin.value:.4f}."
    else:
        verdict = Verdict.INCONCLUSIVE
        limit = f"the margin of {margin.value:.4f}" if margin.value is not None else margin.why
        over = f"half of it, {half:.4f}, exceeds {limit}" if margin.value is not None else limit
        why = f"{base}; the card's {claim.printed} lies in it, and {over}: too wide to call it reproduced."
        needs = advice(claim, prediction, margin, level, case.scale)
    parents = regenerated_parents(case, claim)
    if parents and verdict in {Verdict.REPRODUCED, Verdict.DIFFERS}:
        why += f" It is of the chain: the run made its own {' and '.join(parents)} model, whose error is in it."
    if reading.note:
        why += f" ({capital(reading.note)}.)"
    if reading.partial:
        why += " The last window of the epoch is partial and was compared as the framework logs it."
    logged = logged_loss(case, claim, reading.step)
    legs: tuple[Leg, ...] = ()
    if logged is not None and claim.number is not None:
        why += f" {capital(logged.source)} agrees with the card."
        legs = _legs(claim.number.value, logged, prediction, margin, half, rounding)
    return replace(
        result(
            claim,
            verdict,
            why,
            method=METHOD,
            weight=weight,
            weight_why=weight_why,
            measured=reading.value,
            measured_text=measured_text(case, reading, prediction),
            interval=interval,
            needs=needs,
            scale=case.scale,
        ),
        margin=margin.value,
        margin_why=margin.why,
        p_value=p_value,
        legs=legs,
    )


def _legs(
    claimed: float, logged: Logged, prediction: Prediction, margin: Margin, half: float, rounding: float
) -> tuple[Leg, ...]:
    slack = rounding + logged.rounding
    gap, noise = logged.value - claimed, half - rounding
    apart = prediction.centre - logged.value
    return (
        Leg(
            "claimed vs published log",
            claimed,
            logged.value,
            (gap - slack, gap + slack),
            slack,
            logged.entries,
            logged.source,
        ),
        Leg(
            "published log vs regenerated",
            logged.value,
            prediction.centre,
            (apart - noise, apart + noise),
            margin.value,
            prediction.window,
            f"means of {prediction.window} steps, {prediction.runs} regenerated run(s)",
        ),
    )


def _p(value: float) -> str:
    return "below 0.0001" if value < 1e-4 else f"{value:.4f}"
