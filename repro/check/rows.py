"""R2, continued: rows, epochs, batches and steps by arithmetic."""

from __future__ import annotations

import math
from collections.abc import Iterable
from itertools import pairwise

from repro.arithmetic import rows_of_fraction, steps_of_rows
from repro.card import Span
from repro.check.data import share
from repro.check.lineage import dataset_rows, is_preference, stage_fact
from repro.check.outcomes import absent, failed, passed, plural, unknown
from repro.evidence import Evidence
from repro.finding import Observation, Severity, check
from repro.number import Interval
from repro.spec import Claim, ClaimKind, Spec, Stage

LARGEST_FILTER = 0.05
"""A filter may plausibly drop this share of the rows without the card saying so."""


def _number(stage: Stage, key: str, evidence: Evidence) -> float | None:
    value = stage_fact(stage, key, evidence).value
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) and value > 0 else None


def total_steps(spec: Spec, stage: Stage) -> tuple[int, Span | None] | None:
    """The optimizer steps that the card states for the stage."""
    claim = next((c for c in spec.claims if c.kind is ClaimKind.STEPS and c.stage == stage.name), None)
    if claim and isinstance(claim.value, int | float) and claim.value >= 1:
        return int(claim.value), claim.span
    fact = stage.get("max_steps")
    return (int(fact.value), fact.span) if isinstance(fact.value, int) and fact.value >= 1 else None


def known_rows(stage: Stage, evidence: Evidence) -> list[tuple[Interval, str, Span | None]]:
    """Rows a stage trained on before any filter: (how many, how that is known, where). Several sources may differ."""
    fact = stage.get("dataset_rows")
    if isinstance(fact.value, int | float):
        return [
            (
                fact.number.interval if fact.number else Interval.point(float(fact.value)),
                f"{fact.value:,} stated rows",
                fact.span,
            )
        ]
    if len(stage.datasets) != 1:
        return []
    data = stage.datasets[0]
    if isinstance(data.rows.value, int | float):
        interval = data.rows.number.interval if data.rows.number else Interval.point(float(data.rows.value))
        return [(interval, f"{data.rows.value:,} stated rows", data.rows.span)]
    part = share(data)
    found = []
    for total, who in dataset_rows(data.repo_id, evidence):
        rows = rows_of_fraction(total, part) if part is not None else total
        how = f"{part:.3g} x {total:,} rows by {who} = {rows:,}" if part is not None else f"{total:,} rows by {who}"
        found.append((Interval.point(float(rows)), how, data.fraction.span or data.span))
    return found


def rows_of_kept_batches(steps: int, batch: float, epochs: float) -> Interval:
    """Rows with which so many steps come out when each epoch's last, partial batch is kept."""
    per_epoch = steps / epochs
    return Interval(math.floor(max(per_epoch - 1.0, 0.0) * batch) + 1.0, max(math.ceil(per_epoch) * batch, 1.0))


@check(
    "R203",
    "rows-batch-steps",
    severity=Severity.HIGH,
    confidence=Severity.MEDIUM,
    needs=("card", "dataset"),
    asks="stage",
)
def rows_batch_steps(spec: Spec, evidence: Evidence) -> Iterable[Observation]:
    """Rows, epochs, batch size and steps agree

    What: Computes the rows that the stated steps, effective batch and epochs imply, and compares them with the rows of
    the data set. Where they differ it names the filter or the batch that would reconcile them.
    Why: Three of the four quantities fix the last; when they disagree, one was not what was run, most often the batch.
    Fix: State rows after filtering, epochs, effective batch and total steps from the trainer's own log.
    Sources: open-instruct issue 588; alignment-handbook issues 44 and 124
    """
    found: list[Observation] = []
    for stage in spec.trainings:
        steps, batch = total_steps(spec, stage), _number(stage, "effective_batch_size", evidence)
        if steps is None or batch is None:
            continue
        fact = stage_fact(stage, "effective_batch_size", evidence)
        count, span = steps
        epochs = _number(stage, "num_epochs", evidence)
        if epochs is None:
            found.append(
                unknown(f"{stage.name}: {plural(count, 'step')} of {batch:g}, but no epochs are stated.", span)
            )
            continue
        implied = rows_of_kept_batches(count, batch, epochs)
        formula = (
            f"{plural(count, 'step')} x {batch:g} / {epochs:g} epochs needs {implied.lo:,.0f} to {implied.hi:,.0f} rows"
        )
        sources = known_rows(stage, evidence)
        if not sources:
            found.append(unknown(f"{stage.name}: {formula}; how many the data has is not known here.", span, fact.span))
            continue
        # of several counts of one data set, the kindest to the card decides
        rows, how, place = max(sources, key=lambda s: -abs(s[0].centre - implied.centre))
        claims = (f"{stage.name}.steps",)
        how += f" / {batch:g} x {epochs:g} = {steps_of_rows(round(rows.centre), round(batch), epochs):,} steps"
        found.append(_judge(stage, formula, implied, rows, how, batch, (span, fact.span, place), claims))
    return found or [absent("No stage states both its steps and its effective batch.")]


def _judge(
    stage: Stage,
    formula: str,
    implied: Interval,
    rows: Interval,
    how: str,
    batch: float,
    spans: tuple[Span | None, ...],
    claims: tuple[str, ...],
) -> Observation:
    words = f"{stage.name}: {formula}; the data gives {how}"
    if implied.widened(batch).meets(rows):
        return passed(f"{words}, which agrees.", *spans, claims=claims)
    most, least = 1.0 - implied.lo / rows.hi, 1.0 - implied.hi / rows.lo
    if 0.0 <= most <= LARGEST_FILTER:
        drop = f"{max(least, 0.0):.2%} to {most:.2%}"
        return passed(f"{words}; a filter that drops {drop} of them reconciles the two.", *spans, claims=claims)
    other = batch * rows.centre / implied.centre
    hint = (
        f"an effective batch of about {other:.0f} would agree" if other >= 10 else f"a batch of {other:.3g} would agree"
    )
    times = round(rows.centre / implied.centre)
    if times > 1 and (rows / batch).meets(implied.widened(batch) / (batch / times)):
        hint = (
            f"{times} x {batch:g} = {times * batch:g} would agree: {times} devices, or as much accumulation, left out"
        )
    if most > 0 and not is_preference(stage):
        return unknown(f"{words}: packing or a filter may explain fewer; {hint}.", *spans, claims=claims)
    if 0 < most <= 0.25:
        return unknown(f"{words}: only a filter that drops {most:.0%} would explain it; {hint}.", *spans, claims=claims)
    return failed(f"{words}; {hint}.", *spans, claims=claims)


@check("R204", "row-counts", severity=Severity.LOW, confidence=Severity.MEDIUM, needs=("card", "dataset"), asks="stage")
def row_counts(spec: Spec, evidence: Evidence) -> Iterable[Observation]:
    """Stated row counts agree with the data set's

    What: Compares the rows a stage is said to train on with the share of the data set's own count.
    Why: A count that does not follow from the named share means another revision, another share or an unstated
    filter.
    Fix: State the rows that were loaded and the rows that were left after filtering.
    Sources: https://huggingface.co/datasets/allenai/llama-3.1-tulu-3-8b-preference-mixture (two counts on one
    page); open-instruct issue 560
    """
    found = []
    for stage in spec.trainings:
        for data in stage.datasets:
            stated = data.rows if data.rows.known else stage.get("dataset_rows")
            totals = dataset_rows(data.repo_id, evidence)
            if not stated.known or not isinstance(stated.value, int | float):
                if len(totals) > 1:
                    texts = " and ".join(f"{n:,} by {who}" for n, who in totals)
                    found.append(
                        unknown(f"{data.repo_id} has {texts}; the card does not say how many were loaded.", data.span)
                    )
                continue
            rows = stated.number.interval if stated.number else Interval.point(float(stated.value))
            if not totals or len(stage.datasets) > 1:
                found.append(
                    unknown(
                        f"{stated.printed or stated.value} rows are stated; the rows of {data.repo_id} "
                        "are not known here.",
                        stated.span,
                    )
                )
                continue
            part = share(data)
            fits = [rows_of_fraction(n, part or 1.0) for n, _ in totals]
            near = any(rows.widened(0.001 * n + 1).contains(n) for n in fits)
            words = f"{stage.name}: {stated.printed or stated.value} rows stated, {fits[0]:,} by {totals[0][1]}"
            spans = (stated.span, data.fraction.span)
            if near:
                found.append(passed(f"{words}, which agrees.", *spans))
            elif rows.lo > max(fits) * 1.001:
                found.append(failed(f"{words}: more than there are.", *spans))
            else:
                found.append(unknown(f"{words}: a filter or an unstated share may explain it.", *spans))
    return found or [absent("No stage states its rows.")]


def _printed(claim: Claim) -> Interval | None:
    """The epoch of a claim with the rounding of two printed digits, as logging gives them."""
    return Interval.around(claim.epoch, 0.006) if claim.epoch else None


def _logged(spec: Spec, stage: str) -> dict[int, Claim]:
    """The stage's losses that give both a step and an epoch, by step."""
    rows = [c for c in spec.claims if c.kind is ClaimKind.LOSS and c.stage == stage and c.epoch and c.step]
    return {c.step: c for c in rows if c.step}


def _quotients(by_step: dict[int, Claim]) -> list[Interval]:
    """Steps an epoch as each row of a loss table leaves them open."""
    quotients = []
    for step, claim in by_step.items():
        epoch = _printed(claim)
        if epoch and epoch.lo > 0:
            whole = math.ceil(epoch.hi)
            quotients.append(Interval(max(step - whole - 1.0, 0.0), step + whole + 1.0) / epoch)
    return quotients


def steps_an_epoch(spec: Spec, stage: Stage) -> tuple[Interval, Span | None] | None:
    """Optimizer steps of one pass by the stage's loss table, where all of its rows agree on it."""
    by_step = _logged(spec, stage.name)
    quotients = _quotients(by_step)
    if len(quotients) < 2:
        return None
    low, high = max(q.lo for q in quotients), min(q.hi for q in quotients)
    return (Interval(low, high), by_step[max(by_step)].span) if low <= high else None


@check("R208", "epochs-against-steps", severity=Severity.MEDIUM, confidence=Severity.MEDIUM, asks="loss")
def epochs_against_steps(spec: Spec, evidence: Evidence) -> Iterable[Observation]:
    """The epochs and steps of a loss table belong to one run

    What: Divides each row's step by its epoch; within rounding, and one partial batch an epoch, the quotient is the
    same in every row.
    Why: A table put together from two runs, or a batch size changed midway, shows here first.
    Fix: Print the table from one run's log.
    Sources: huggingface/transformers src/transformers/trainer.py (epoch logging); alignment-handbook issue 124
    """
    found = []
    for stage in dict.fromkeys(c.stage for c in spec.claims if c.kind is ClaimKind.LOSS):
        by_step = _logged(spec, stage)
        if len(by_step) < 2:
            continue
        steps = sorted(by_step)
        epochs = [by_step[s].epoch or 0.0 for s in steps]
        first, last = by_step[steps[0]], by_step[steps[-1]]
        spans = (first.span, last.span)
        if any(b < a - 0.006 for a, b in pairwise(epochs)):
            found.append(
                unknown(f"{stage}: the epoch falls while the step grows; the table may hold several runs.", *spans)
            )
            continue
        quotients = _quotients(by_step)
        if not quotients:
            continue
        low, high = max(q.lo for q in quotients), min(q.hi for q in quotients)
        per = f"{steps[-1] / epochs[-1]:,.5g}" if epochs[-1] else "?"
        if low <= high:
            found.append(passed(f"{stage}: every row fits {per} steps an epoch.", *spans))
        elif low <= 1.15 * high:
            found.append(
                unknown(
                    f"{stage}: rows differ by {low / high - 1:.0%} in steps an epoch; streamed data may do that.",
                    *spans,
                )
            )
        else:
            found.append(
                failed(
                    f"{stage}: no number of steps an epoch fits every row: one needs at least {low:,.5g}, "
                    f"another at most {high:,.5g}.",
                    *spans,
                )
            )
    return found or [absent("No loss table gives both epochs and steps.")]
