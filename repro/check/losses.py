"""R4, continued: the printed losses, what they are readings of, and the figures computed from them."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable

from repro.arithmetic import relative_change
from repro.check.figures import line_of
from repro.check.frameworks import framework
from repro.check.lineage import stage_fact
from repro.check.outcomes import absent, failed, listing, passed, plural, unknown
from repro.check.rows import known_rows, total_steps
from repro.evidence import Evidence
from repro.finding import Edit, Observation, Severity, check
from repro.number import Number
from repro.spec import Claim, ClaimKind, Spec, Stage

_PERCENT = re.compile(r"(?P<sign>[-+\u2212]?)(?P<digits>\d{1,9}(?:\.\d{1,9})?)\s?%")


def training_losses(spec: Spec, stage: Stage) -> list[Claim]:
    """The stage's training losses at steps, in order."""
    found = [
        c
        for c in spec.claims
        if c.kind is ClaimKind.LOSS and c.stage == stage.name and c.split == "train" and c.step is not None
    ]
    return sorted(found, key=lambda c: c.step or 0)


def _one_step_logger(spec: Spec, stage: Stage) -> bool:
    """Whether the framework logs every step by default (open-instruct: logging_steps 1)."""
    return str(framework(spec, stage).value).lower() == "open-instruct"


@check(
    "R409",
    "partial-last-window",
    severity=Severity.MEDIUM,
    confidence=Severity.MEDIUM,
    needs=("card", "dataset"),
    asks="stage",
)
def partial_last_window(spec: Spec, evidence: Evidence) -> Iterable[Observation]:
    """The final loss is not the artefact of a partial batch

    What: Asks whether a loss claimed at the last step is read from a whole batch: the rows that are left over at an
    epoch's end fill only a part of the last accumulation.
    Why: open-instruct divides the last window's sum by the whole accumulation: half the micro-batches show half the
    loss. A "final loss" below the curve may be nothing else.
    Fix: Give the mean over a stated number of steps before the last.
    Sources: open-instruct@e6c3044:open_instruct/dpo_tune_cache.py (metrics divided by gradient_accumulation_steps x
    logging_steps); the same in open_instruct/finetune.py
    """
    found = []
    for stage in spec.trainings:
        total, losses = total_steps(spec, stage), training_losses(spec, stage)
        finals = [c for c in losses if total and c.step == total[0] and c.window == 1]
        if not total or not finals:
            continue
        claim = finals[-1]
        if not _one_step_logger(spec, stage):
            found.append(
                unknown(f"{stage.name}: how the framework logs a partial last batch is not known here.", claim.span)
            )
            continue
        batch = stage_fact(stage, "effective_batch_size", evidence).value
        epochs = stage_fact(stage, "num_epochs", evidence).value
        rows = known_rows(stage, evidence)
        exact = [r for r in rows if r[0].half_width < 1]
        if isinstance(batch, int) and epochs == 1 and exact:
            count = round(exact[0][0].centre)
            left = count % batch
            if math.ceil(count / batch) == total[0]:
                if left == 0:
                    found.append(passed(f"{stage.name}: {count:,} rows fill every batch of {batch}.", claim.span))
                elif claim.unstated:
                    found.append(
                        unknown(
                            f"{stage.name}: the last batch has {left} of {batch} rows; "
                            "the open final loss must not be read from it.",
                            claim.span,
                        )
                    )
                else:
                    found.append(
                        failed(
                            f"{stage.name}: the loss {claim.printed} at the last step is read from {left} of "
                            f"{batch} rows, "
                            "and logged divided by the whole batch.",
                            claim.span,
                            claims=(claim.id,),
                        )
                    )
                continue
        words = f"{stage.name}: the loss at the last step {total[0]:,} may be read from a partial batch"
        found.append(unknown(f"{words}; the rows after filtering would tell.", claim.span, claims=(claim.id,)))
    return found or [absent("No training loss is claimed at the stated last step.")]


@check("R410", "loss-window-stated", severity=Severity.MEDIUM, confidence=Severity.MEDIUM, asks="stage")
def loss_window_stated(spec: Spec, evidence: Evidence) -> Iterable[Observation]:
    """Losses say over how many steps they are averaged

    What: Asks whether a table of training losses states its window (the mean of so many steps).
    Why: One step's loss carries the noise of its batch: about 0.05 at a batch of 128, more at 32. Two honest runs
    of one recipe differ by that much at any single step, so such a figure can hardly be confirmed or refuted.
    Fix: Give the mean of the last 25 to 50 steps before each printed step, and say so.
    Sources: open-instruct@e6c3044:open_instruct/dpo_tune_cache.py (logging_steps 1); Dodge et al. 2020
    (arXiv:2002.06305)
    """
    found = []
    for stage in spec.trainings:
        losses = [c for c in training_losses(spec, stage) if not c.unstated and (c.step or 0) > 1]
        if not losses:
            continue
        ids, spans = tuple(c.id for c in losses), tuple(c.span for c in losses[:4])
        windows = {c.window for c in losses}
        logged = stage.get("logging_steps")
        if max(windows) > 1:
            found.append(
                passed(f"{stage.name}: each loss is the mean of {plural(max(windows), 'step')}.", *spans, claims=ids)
            )
        elif logged.known:
            found.append(
                passed(f"{stage.name}: a loss was logged every {logged.value} steps.", logged.span, claims=ids)
            )
        elif _one_step_logger(spec, stage):
            steps = listing([str(c.step) for c in losses])
            found.append(
                failed(
                    f"{stage.name}: the losses at {steps} have no stated window; the framework's default logs single "
                    "steps.",
                    *spans,
                    claims=ids,
                )
            )
        else:
            found.append(
                unknown(f"{stage.name}: over how many steps each loss is averaged is not stated.", *spans, claims=ids)
            )
    return found or [absent("No training loss is claimed at a step.")]


@check("R411", "loss-left-open", severity=Severity.MEDIUM, asks="loss")
def loss_left_open(spec: Spec, evidence: Evidence) -> Iterable[Observation]:
    """No announced loss is left open

    What: Looks for losses whose place is there and whose value is not ("TBD").
    Why: The final loss is the first figure by which a regenerated run is judged.
    Fix: Fill in the value from the training log, or take the row out.
    Sources: https://huggingface.co/docs/hub/model-card-annotated; Mitchell et al. 2019, Model Cards for Model Reporting
    """
    losses = [c for c in spec.claims if c.kind is ClaimKind.LOSS]
    if not losses:
        return [absent("No loss is claimed.")]
    opened = [c for c in losses if c.unstated]
    if not opened:
        return [passed(f"All of {plural(len(losses), 'loss figure')} have a value.", losses[0].span)]
    blanks = [c for c in opened if re.fullmatch(r"(?i)tbd|tba|todo|pending|\?+|coming soon.{0,10}", c.printed.strip())]
    if blanks:
        texts = listing([f"{c.text} ({c.printed})" for c in blanks])
        return [failed(f"Left open: {texts}.", *(c.span for c in blanks[:5]), claims=tuple(c.id for c in blanks))]
    # the Trainer prints "No log" where nothing was logged yet: that is an answer
    return [passed("Where a loss has no value, the card says why.", opened[0].span)]


def _mended(spec: Spec, claim: Claim, first: Number, second: Number) -> tuple[Edit, ...]:
    """The change as it follows from its two figures, in the printed digits; empty where it stands in other words."""
    match = _PERCENT.fullmatch(claim.printed)
    span, line = claim.span, line_of(spec, claim.span.line)
    if match is None or claim.number is None or not first.value or first.approximate or second.approximate:
        return ()
    if not span.column or span.line != span.end_line:
        return ()
    value = (second.value / first.value - 1.0) * 100.0
    digits = f"{abs(value):.{claim.number.decimals}f}"
    if not float(digits) or (value < 0 and not match["sign"]):
        return ()
    minus, plus = ("\u2212" if match["sign"] == "\u2212" else "-"), ("+" if match["sign"] else "")
    start = line.find(claim.printed, span.column - 1, span.end_column)
    if start < 0 or line.count(claim.printed, span.column - 1, span.end_column) != 1:
        return ()
    old = match["sign"] + match["digits"]
    return (Edit(span.line, start + 1, start + len(old), old, (minus if value < 0 else plus) + digits),)


@check("R412", "changes-recomputed", severity=Severity.HIGH, asks="change")
def changes_recomputed(spec: Spec, evidence: Evidence) -> Iterable[Observation]:
    """Printed relative changes follow from the printed figures

    What: Recomputes each relative change from its two figures, with the rounding of every printed digit carried along.
    Why: A change that no values within rounding give was computed from other figures than those printed.
    Fix: Recompute the changes from the figures as printed, or print more digits.
    Sources: lm-evaluation-harness issue 1896; Moore et al. 2009, Introduction to Interval Analysis
    """
    found = []
    by_id = {c.id: c for c in spec.claims}
    for claim in spec.claims:
        if claim.kind is not ClaimKind.CHANGE or len(claim.refers_to) != 2 or claim.number is None:
            continue
        first, second = (by_id.get(i) for i in claim.refers_to)
        if first is None or second is None or first.number is None or second.number is None:
            found.append(
                unknown(
                    f"{claim.text}: {claim.printed}, but one of its two figures is open.",
                    claim.span,
                    claims=(claim.id,),
                )
            )
            continue
        due = relative_change(first.number.interval, second.number.interval)
        words = f"from {first.printed} to {second.printed} is {due.lo:.2f}% to {due.hi:.2f}%, printed {claim.printed}"
        places = (claim.span, first.span, second.span)
        if due.meets(claim.number.interval):
            found.append(passed(f"{words}.", *places, claims=(claim.id,)))
        else:
            edits = _mended(spec, claim, first.number, second.number)
            found.append(failed(f"{words}: no values within rounding agree.", *places, claims=(claim.id,), edits=edits))
    return found or [absent("No relative change is printed.")]
