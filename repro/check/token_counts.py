"""R4, continued: tokens of a run against its steps, its batch and its length; the rate at the end of its schedule."""

from __future__ import annotations

import re
from collections.abc import Iterable

from repro.check.figures import figure
from repro.check.outcomes import absent, failed, passed, unknown
from repro.check.run_arithmetic import conflict, derived_words
from repro.check.run_numbers import TOKENS, Figure, core, interval_of, solve
from repro.check.wording import at, front_matter_end, text_lines
from repro.evidence import Evidence
from repro.finding import Observation, Severity, check
from repro.number import Interval
from repro.relations import Stated
from repro.spec import Spec, Stage

_NUMBER = r"(\d[\d,.]{0,14}\s?(?:k|K|M|B|T|million|billion|trillion)?)"
_OVER_STEPS = re.compile(
    rf"\btrained (?:on|for|with|over)\b.{{0,60}}?(?<![\w.]){_NUMBER} tokens\b.{{0,20}}?"
    rf"\b(?:over|in|for)\s{_NUMBER} steps"
)
_STEPS_FIRST = re.compile(
    rf"\btrained (?:on|for|with|over)\s{_NUMBER} (?:training |optimizer )?steps\b.{{0,60}}?(?<![\w.]){_NUMBER} tokens\b"
)
_SEVERAL = re.compile(r"sequence length.{0,60}\d+ ?%|curriculum|length extension|then (?:with|at) (?:a )?length", re.I)


def _in_prose(spec: Spec) -> list[Figure]:
    """Tokens and steps that one sentence gives together."""
    if " tokens" not in spec.text or " steps" not in spec.text:
        return []
    end = front_matter_end(spec)
    for line, text in enumerate(text_lines(spec), start=1):
        if line <= end or " tokens" not in text or " steps" not in text or len(text) > 4000:
            continue
        match, first = _OVER_STEPS.search(text), True
        if match is None:
            match, first = _STEPS_FIRST.search(text), False
        if match is None:
            continue
        numbers = [figure(match.group(1)), figure(match.group(2))]
        tokens, steps = numbers if first else numbers[::-1]
        if tokens and steps and tokens.value > steps.value:
            span = at(spec, line)
            return [
                Figure(Stated("tokens", tokens.interval, f"{tokens.value:.4g} tokens"), span),
                Figure(Stated("steps", steps.interval, f"{steps.value:,.10g} steps"), span),
            ]
    return []


@check("R425", "tokens-of-a-run", severity=Severity.HIGH, confidence=Severity.MEDIUM)
def tokens_of_a_run(spec: Spec, evidence: Evidence) -> Iterable[Observation]:
    """Tokens, steps, batch and length fit one run

    What: Multiplies steps by the batch and the sequence length, or by the tokens of a step, and compares the product
    with the tokens that the card says were trained on: no run sees more than that.
    Why: Tokens are what compute, cost and comparisons are counted in; off by the number of devices or by the length,
    they are another run's.
    Fix: State the tokens that the trainer's log counts, with batch (in rows or in tokens), length and steps.
    Sources: Hoffmann et al. 2022, Training Compute-Optimal Large Language Models (arXiv:2203.15556); open-instruct
    issue 588
    """
    found = []
    prose = _in_prose(spec)
    stated = any(f.key in {"train_tokens", "effective_batch_tokens"} for s in spec.trainings for f in s.facts)
    if not prose and not stated:
        return [absent("No tokens are stated.")]
    for stage in spec.trainings:
        known = list(core(spec, stage, evidence).figures)
        names = {f.stated.quantity for f in known}
        known += [f for f in prose if f.stated.quantity not in names and len(spec.trainings) == 1]
        names = {f.stated.quantity for f in known}
        if not names & {"tokens", "tokens a step"} or len(known) < 3:
            continue
        derivation = solve(known)
        if derivation.conflict:
            clash = [known[i] for i in derivation.conflict]
            if any(f.stated.quantity in TOKENS for f in clash):
                found.append(_several(spec, stage, clash))
            continue
        derived = derived_words(derivation, known)
        used = {known[i].stated.quantity for n in TOKENS for i in derivation.because[n]}
        if len(used) >= 3:
            words = f"{stage.name}: one run can have them all{'; ' + derived if derived else ''}"
            found.append(passed(f"{words}.", *(f.span for f in known if f.stated.quantity in used)))
    return found or [absent("No tokens are stated beside steps, batch and length.")]


def _several(spec: Spec, stage: Stage, clash: list[Figure]) -> Observation:
    """A clash, which is left open where the text speaks of several lengths."""
    said = conflict(spec, stage, clash)
    if not _SEVERAL.search(spec.text[:200_000]):
        return said
    return unknown(f"{said.message} The length may have changed within the run.", *said.spans)


@check("R426", "rate-floor", severity=Severity.MEDIUM, confidence=Severity.HIGH, asks="stage")
def rate_floor(spec: Spec, evidence: Evidence) -> Iterable[Observation]:
    """The learning rate at the end is below its peak, by the stated ratio

    What: Compares the last learning rate with the peak, and with the peak times the stated ratio of the two.
    Why: A floor above the peak would make the rate rise; a floor that misses the ratio belongs to another peak.
    Fix: State the peak and the floor, both from the run's configuration.
    Sources: Loshchilov and Hutter 2017, SGDR (arXiv:1608.03983); accelerate issue 2926
    """
    found = []
    for stage in spec.trainings:
        floor, peak, ratio = (stage.get(k) for k in ("min_learning_rate", "learning_rate", "min_lr_ratio"))
        low, high, share = interval_of(floor), interval_of(peak), interval_of(ratio)
        several = any(
            len({f.value for f in stage.all(k) if f.known}) > 1 for k in ("min_learning_rate", "learning_rate")
        )
        if low is None or high is None or several:
            continue
        words = f"{stage.name}: from {peak.printed or peak.value} to {floor.printed or floor.value}"
        spans = (peak.span, floor.span, ratio.span)
        due = high * share if share else Interval(0.0, high.hi)
        if low.lo > high.hi:
            found.append(failed(f"{words}: the rate would rise.", *spans))
        elif share and not due.meets(low):
            product = f"{ratio.printed or ratio.value} x {peak.printed or peak.value} = {due.centre:.4g}"
            found.append(failed(f"{words}; {product}.", *spans))
        else:
            found.append(passed(f"{words} fits.", *spans))
    return found or [absent("No stage states both its peak learning rate and the last one.")]
