"""R4, continued: all numbers of one training stage at once."""

from __future__ import annotations

import re
from collections.abc import Iterable

from repro.check.outcomes import absent, failed, passed, unknown
from repro.check.run_numbers import TOKENS, Figure, core, others_say, solve, span_words, usual_cause
from repro.check.wording import search
from repro.evidence import Evidence
from repro.finding import Observation, Severity, check
from repro.relations import Derivation
from repro.spec import Spec, Stage

_ELSEWHERE = (
    frozenset({"effective batch", "batch per device", "devices", "accumulation"}),
    frozenset({"rows", "effective batch", "epochs", "steps"}),
    frozenset({"warm-up ratio", "warm-up steps", "steps"}),
)
"""Groups of which R401, R203 and R407 speak by themselves."""
_SEVERAL_RUNS = re.compile(
    r"\b(?:resum|continu|restart|early[- ]stop|stopped|second (?:stage|run|phase)|checkpoint[- ]\d|best checkpoint"
    r"|tensor[- ]parallel|pipeline[- ]parallel|sequence[- ]parallel|TPU)",
    re.IGNORECASE,
)
_SHOWN = (
    "effective batch", "devices", "accumulation", "rows", "steps an epoch", "epochs", "warm-up steps", "length",
    "tokens a row", "tokens a step", "tokens", "steps",
)  # fmt: skip


@check("R420", "run-arithmetic", severity=Severity.HIGH, confidence=Severity.MEDIUM, asks="stage")
def run_arithmetic(spec: Spec, evidence: Evidence) -> Iterable[Observation]:
    """The numbers of a training stage fit one run

    What: Takes every number of a stage together (batch per device, devices, accumulation, effective batch, rows,
    epochs, steps, the steps an epoch of the loss table, warm-up) and derives what each few imply for the rest, with
    rounding, partial batches and filters of up to 5% allowed for. Says which smallest set no run can satisfy.
    Why: Any three of these fix a fourth. A set that no run satisfies was put together from several runs, or one of
    its numbers means something else than it says.
    Fix: Copy all of them from one run's log or configuration, or say which number belongs to which run.
    Sources: open-instruct issue 588; alignment-handbook issues 44 and 124; huggingface/transformers
    src/transformers/trainer.py (steps of an epoch)
    """
    found = []
    for stage in spec.trainings:
        if len(stage.facts) < 2:
            continue
        known = core(spec, stage, evidence)
        figures, derivation = list(known.rest), known.derivation
        if {"warm-up steps", "warm-up ratio"} <= {f.stated.quantity for f in known.figures}:
            figures = [f for f in known.figures if f.stated.quantity not in TOKENS]
            derivation = solve(figures)
        if len(figures) < 3:
            continue
        if derivation.conflict:
            clash = [figures[i] for i in derivation.conflict]
            if not any({f.stated.quantity for f in clash} <= group for group in _ELSEWHERE):
                found.append(conflict(spec, stage, clash))
            continue
        derived = derived_words(derivation, figures)
        spans = tuple(f.span for f in figures[:4])
        if derived:
            found.append(passed(f"{stage.name}: one run can have them all; {derived}.", *spans))
    return found or [absent("No stage states enough numbers to imply another.")]


def conflict(spec: Spec, stage: Stage, clash: list[Figure]) -> Observation:
    """What to say of figures that no run can have together."""
    names = {f.stated.quantity for f in clash}
    parts = ", ".join(f.stated.words for f in clash)
    reasons, causes = [], []
    for index, figure in enumerate(clash):
        due = others_say(index, clash)
        if due is None:
            continue
        reasons.append((figure.stated, due))
        if cause := usual_cause(figure.stated.quantity, figure.stated.interval, due):
            causes.append(cause)
    words = f"{stage.name}: no run has all of: {parts}"
    if reasons:
        stated, due = max(reasons, key=lambda r: _SHOWN.index(r[0].quantity) if r[0].quantity in _SHOWN else -1)
        words += f"; the others give {span_words(due)} {stated.quantity}"
    if causes:
        words += f"; {causes[0]}"
    soft = any(c.startswith(("a filter", "packing")) for c in causes) or search(spec, _SEVERAL_RUNS, body_only=True)
    say = unknown if soft else failed
    return say(f"{words}.", *(f.span for f in clash), claims=_claims(spec, stage, names))


def _claims(spec: Spec, stage: Stage, names: set[str]) -> tuple[str, ...]:
    keys = {"effective batch": "effective_batch_size", "epochs": "num_epochs", "steps": "steps"}
    return tuple(i for n in sorted(names) if n in keys and spec.claim(i := f"{stage.name}.{keys[n]}"))


def derived_words(derivation: Derivation, figures: list[Figure]) -> str:
    """What follows for quantities that nobody states."""
    stated = {f.stated.quantity for f in figures}
    parts = []
    for name in _SHOWN:
        interval = derivation.known(name)
        if name in stated or interval is None or interval.lo <= 0 or interval.hi > 2.0 * interval.lo:
            continue
        sources = " and ".join(figures[i].stated.words for i in sorted(derivation.because[name]))
        parts.append(f"{span_words(interval)} {name} from {sources}")
    return "; ".join(parts[:3])


@check("R421", "warmup-ends-within-the-run", severity=Severity.LOW, confidence=Severity.MEDIUM, asks="stage")
def warmup_ends_within_the_run(spec: Spec, evidence: Evidence) -> Iterable[Observation]:
    """The warm-up is shorter than the run

    What: Compares stated warm-up steps with the total steps, stated or derived from the loss table and the epochs.
    Why: A warm-up that outlasts the run never reaches the stated peak learning rate: the run was trained at less.
    Fix: State the rate that was reached, or shorten the warm-up; a library's default of 500 steps suits long runs.
    Sources: huggingface/transformers src/transformers/optimization.py (get_linear_schedule_with_warmup);
    accelerate issue 2926
    """
    found = []
    for stage in spec.trainings:
        fact = stage.get("warmup_steps")
        value = fact.value
        if isinstance(value, bool) or not isinstance(value, int | float) or value < 1:
            continue
        known = core(spec, stage, evidence)
        rest, derivation = known.rest, known.derivation
        total = None if derivation.conflict else derivation.known("steps")
        if total is None:
            found.append(unknown(f"{stage.name}: {value:,g} warm-up steps; the total steps are not known.", fact.span))
            continue
        spans = (fact.span, *(f.span for f in rest if f.stated.quantity in {"steps", "steps an epoch", "epochs"}))
        words = f"{stage.name}: {value:,g} warm-up steps of {span_words(total)} steps"
        if value > total.hi:
            share = 100.0 * total.hi / float(value)
            found.append(failed(f"{words}: the rate rises to {share:.0f}% of its peak at most.", *spans))
        else:
            found.append(passed(f"{words}.", *spans))
    return found or [absent("No warm-up is stated in steps.")]
