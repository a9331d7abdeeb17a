"""Loss claims that need no statistics: left open, unreadable, not run, another scale, a log, an invariant."""

from __future__ import annotations

from dataclasses import replace

from repro.compare.case import Case, result
from repro.compare.invariants import first_dpo_loss
from repro.compare.logs import Logged, agrees, logged_loss
from repro.compare.loss_needs import advice, weigh
from repro.compare.loss_steps import Reading, capital, measured_text, range_words, reading_of
from repro.compare.margins import margin_of
from repro.compare.prediction import predict
from repro.compare.stats import FAMILY_ERROR
from repro.compare.stopped import AGAIN, why_not_reached
from repro.comparison import Comparison, Verdict, Weight
from repro.spec import Claim

METHOD = "prediction interval"


def whatever_was_run(case: Case, claim: Claim) -> Comparison | None:
    """The verdict where no measurement of the claim would be held against it: left open, unreadable, on held-out rows,
    of an unknown window, contradicted by a log, or an invariant."""
    reading = reading_of(case, claim)
    if claim.unstated:
        return _unstated(case, claim, reading)
    if claim.number is None:
        return result(claim, Verdict.UNTESTED, f'"{claim.printed}" could not be read as a number.')
    if claim.split != "train":
        return result(
            claim,
            Verdict.UNTESTED,
            f"A loss on the {claim.split} split: training does not regenerate it, because this version scores no "
            "loss on held-out rows.",
            needs="the same held-out rows and an evaluation pass at that step",
        )
    step = reading.step if reading is not None else claim.step
    logged = logged_loss(case, claim, step)
    open_window = next((c.why for c in claim.conditions if c.key == "window" and not c.known), "")
    if open_window:
        return _open_window(case, claim, reading, logged, open_window)
    if logged is not None and not agrees(claim, logged):
        return _against_log(case, claim, reading, logged)
    return first_dpo_loss(case, claim)


def by_what_was_run(case: Case, claim: Claim) -> Comparison | None:
    """The verdict on any other claim where there is no full-scale reading for a noise model to judge."""
    reading = reading_of(case, claim)
    logged = logged_loss(case, claim, reading.step if reading is not None else claim.step)
    if why := why_not_reached(case, claim):
        if logged is not None:
            return _by_log(case, claim, None, logged)
        return result(claim, Verdict.UNTESTED, f"Not measured: {why}", needs=AGAIN)
    if reading is None:
        return _not_run(case, claim, logged)
    if not reading.in_run:
        return _beyond(case, claim, reading, logged)
    if not case.full:
        return _other_scale(case, claim, reading, logged)
    return None


def _unstated(case: Case, claim: Claim, reading: Reading | None) -> Comparison:
    where = f"step {claim.step}" if claim.step else "this point"
    if reading is None or not reading.in_run:
        short = why_not_reached(case, claim)
        because = f" ({short})" if short else ""
        why = f"The card leaves the loss at {where} open, and no run measured it{because}."
        return result(claim, Verdict.UNSTATED, why)
    text = measured_text(case, reading, None)
    offer = "It can fill the gap" if case.full else "It is a small stand-in's loss and cannot fill the gap in the card"
    artefact = ""
    if reading.partial:
        artefact = (
            " The last window of this epoch is partial and is divided by the whole accumulation, so the logged "
            "figure is too low by design."
        )
    return replace(
        result(
            claim,
            Verdict.UNSTATED,
            f"The card leaves the loss at {where} open; the run read {text}. {offer}.{artefact}",
            measured=reading.value,
            measured_text=text,
            scale=case.scale,
        ),
        weight_why="the card claims nothing here",
    )


def _not_run(case: Case, claim: Claim, logged: Logged | None) -> Comparison:
    if logged is not None:
        return _by_log(case, claim, None, logged)
    if case.run is not None and case.curves(claim):
        why = "The claim names no step, so there is nothing to read the regenerated curve at."
        return result(claim, Verdict.UNTESTED, why, needs="the optimizer step at which the loss was read")
    stage = claim.stage or "training"
    return result(
        claim,
        Verdict.UNTESTED,
        f"The {stage} stage was not run, so no loss was regenerated.",
        needs=f"a full-scale run of the {stage} stage, as `repro plan` prints and prices it",
    )


def _open_window(case: Case, claim: Claim, reading: Reading | None, logged: Logged | None, reason: str) -> Comparison:
    if logged is not None and agrees(claim, logged):
        return _by_log(case, claim, None, logged)
    if reading is None or not reading.in_run:
        return _not_run(case, claim, None)
    return result(
        claim,
        Verdict.INCONCLUSIVE if case.full else Verdict.NOT_COMPARABLE,
        f"Over how many steps the card's {claim.printed} is a mean is not known ({reason}); the run read "
        f"{measured_text(case, reading, None)} at {reading.words()}.",
        measured=reading.value,
        measured_text=measured_text(case, reading, None),
        needs="the number of steps that each logged loss averages",
        scale=case.scale,
    )


def _against_log(case: Case, claim: Claim, reading: Reading | None, logged: Logged) -> Comparison:
    words = f"step {claim.step}" if claim.window == 1 else f"the {claim.window} steps ending at {claim.step}"
    return result(
        claim,
        Verdict.DIFFERS,
        f"The card says {claim.printed} and {logged.source} says {logged.value:.4f} for {words}.",
        method="artefact",
        weight=Weight.STRONG,
        weight_why="the author's own log decides it, without a run",
        measured=reading.value if reading is not None and reading.in_run else None,
        measured_text=measured_text(case, reading, None) if reading is not None and reading.in_run else "",
        evidence_kind=logged.source,
        scale=case.scale,
    )


def _by_log(case: Case, claim: Claim, reading: Reading | None, logged: Logged) -> Comparison:
    here = reading is not None and reading.in_run
    text = measured_text(case, reading, None) if reading is not None and here else ""
    aside = f" The {case.scale} run read {text}, which is another model's loss." if text and not case.full else ""
    return result(
        claim,
        Verdict.CONSISTENT,
        f"{capital(logged.source)} says {logged.value:.4f} there, and the card {claim.printed}.{aside}",
        method="artefact",
        weight=Weight.WEAK,
        weight_why="the author's log and card agree with each other; nobody else trained it",
        measured=reading.value if reading is not None and here else None,
        measured_text=text,
        evidence_kind=logged.source,
        needs="a full-scale run",
        scale=case.scale,
    )


def _beyond(case: Case, claim: Claim, reading: Reading, logged: Logged | None) -> Comparison:
    if logged is not None:
        return _by_log(case, claim, None, logged)
    return result(
        claim,
        Verdict.INCONCLUSIVE if case.full else Verdict.NOT_COMPARABLE,
        f"The run takes {reading.length} steps and the card claims a loss at step {reading.step}: there is no reading "
        "to set beside it.",
        needs="a plan that takes as many steps as the card's run did",
        scale=case.scale,
    )


def _other_scale(case: Case, claim: Claim, reading: Reading, logged: Logged | None) -> Comparison:
    if logged is not None:
        return _by_log(case, claim, reading, logged)
    prediction = predict(reading.curves, reading.step, reading.window)
    margin = margin_of(claim, case.spec)
    interval, noise = None, ""
    if prediction is not None:
        half = prediction.half_width(FAMILY_ERROR)
        interval = (prediction.centre - half, prediction.centre + half)
        noise = f" (local mean {prediction.centre:.4f}, one more reading would fall in {range_words(interval)})"
    weight, weight_why = weigh(claim, None, margin)
    return replace(
        result(
            claim,
            Verdict.NOT_COMPARABLE,
            f"The {case.scale} run read {reading.value:.4f} at {reading.words()}{noise}; the card says {claim.printed} "
            "of another, larger model on other data. Two models' losses differ in level whatever the recipe.",
            method=METHOD,
            weight=weight,
            weight_why=weight_why,
            measured=reading.value,
            measured_text=measured_text(case, reading, prediction),
            interval=interval,
            needs=advice(claim, prediction, margin, FAMILY_ERROR, case.scale),
            scale=case.scale,
        ),
        margin=margin.value,
        margin_why=margin.why,
    )


def too_short(case: Case, claim: Claim, reading: Reading | None) -> Comparison:
    """INCONCLUSIVE: the curve does not show its own noise."""
    steps = reading.length if reading is not None else 0
    here = reading is not None and reading.in_run
    return result(
        claim,
        Verdict.INCONCLUSIVE,
        f"The run is too short ({steps} steps) to know how much one reading scatters.",
        method=METHOD,
        measured=reading.value if reading is not None and here else None,
        measured_text=measured_text(case, reading, None) if reading is not None and here else "",
        needs="a run of some thirty steps or more",
        scale=case.scale,
    )
