"""R4: training parameters that must fit each other."""

from __future__ import annotations

import re
from collections.abc import Iterable

from repro.arithmetic import micro_batch
from repro.check.lineage import is_preference, stage_fact
from repro.check.outcomes import absent, failed, passed, plural, unknown
from repro.check.rows import total_steps
from repro.check.run_numbers import core, interval_of, span_words
from repro.check.wording import search, text_lines
from repro.evidence import Evidence
from repro.finding import Observation, Severity, check
from repro.number import Interval
from repro.spec import AnyFact, ClaimKind, Spec, Stage

_MODEL_PARALLEL = re.compile(
    r"\b(?:tensor|model|pipeline|sequence|context)[- ]parallel|\bTP\s*=|\bmegatron\b|\bTPU\b", re.IGNORECASE
)
_RESUMED = re.compile(
    r"\b(?:resum|continu|restart|stop)\w*\b.{0,40}\btrain|\btrain\w*\b.{0,40}\b(?:resum|continu|restart)", re.IGNORECASE
)
_GUESSED = re.compile(r"-\d$")
"""Names of stages that were told apart by their place only."""
_ENTRY = re.compile(r"\s*(?:\||[-*+]\s+[*`]{0,3}[\w -]{2,40}[*`]{0,3}\s*[:=])")
_FIFTH = re.compile(r"\bTransformers\W{1,6}(?:v|version )?5\.\d", re.IGNORECASE)
_RATIO_AS_STEPS = re.compile(r"warmup[_ ]steps\W{1,12}(0?\.\d*[1-9])(?![\d.])", re.IGNORECASE)


def whole(fact: AnyFact) -> int | None:
    """A positive whole number, or None."""
    value = fact.value
    if isinstance(value, bool) or not isinstance(value, int | float) or value != int(value) or value < 1:
        return None
    return int(value)


def _wholes(stage: Stage, key: str) -> list[int]:
    return list(dict.fromkeys(n for f in stage.all(key) if (n := whole(f)) is not None))


@check("R401", "effective-batch", severity=Severity.HIGH, confidence=Severity.MEDIUM, asks="stage")
def effective_batch(spec: Spec, evidence: Evidence) -> Iterable[Observation]:
    """Effective batch = per-device batch x devices x accumulation

    What: Multiplies the stated factors and compares the product with the stated effective batch.
    Why: The learning rate is tuned for one batch size; with another, losses at a given step are another run's.
    Fix: State the four numbers of the run; the trainer prints them at its start.
    Sources: open-instruct issue 588; alignment-handbook issues 44 and 124; Goyal et al. 2017 (arXiv:1706.02677)
    """
    found = []
    for stage in spec.trainings:
        effective, each = _wholes(stage, "effective_batch_size"), _wholes(stage, "per_device_batch_size")
        if not effective or not each:
            continue
        steps, devices = _wholes(stage, "gradient_accumulation_steps"), _wholes(stage, "num_devices")
        facts = [
            stage.get(k)
            for k in ("effective_batch_size", "per_device_batch_size", "gradient_accumulation_steps", "num_devices")
        ]
        spans = tuple(f.span for f in facts)
        claims = (f"{stage.name}.effective_batch_size",)
        products = {e * s * d for e in each for s in steps or [1] for d in devices or [1]}
        text = " x ".join(str(x[0]) for x in (each, steps, devices) if x)
        words = f"{stage.name}: {text} against the stated {effective[0]}"
        parallel = search(spec, _MODEL_PARALLEL, body_only=True)
        if any(t in products for t in effective) and (devices or steps):
            found.append(passed(f"{words} agrees.", *spans, claims=claims))
        elif devices and steps:
            say = unknown if parallel else failed
            hint = _usual_cause(effective[0], each[0], steps[0], devices[0])
            found.append(say(f"{words}: {min(products)} is not {effective[0]}{hint}.", *spans, claims=claims))
        elif fitting := [(t, p) for t in effective for p in products if t % p == 0]:
            total, product = fitting[0]
            lacking = "the devices" if not devices else "the accumulation"
            found.append(
                unknown(f"{words}: {lacking} are not stated; {total // product} would agree.", *spans, claims=claims)
            )
        elif len(effective) == len(each) == 1 and not parallel:
            found.append(failed(f"{words}: no whole number of devices makes up the difference.", *spans, claims=claims))
        else:
            found.append(unknown(f"{words}: the factors do not divide it.", *spans, claims=claims))
    return found or [absent("No stage states both its effective and its per-device batch.")]


def _usual_cause(effective: int, each: int, steps: int, devices: int) -> str:
    """Which usual slip makes the product agree, with its numbers; or empty."""
    if effective == each:
        return f"; {effective} is the batch of one device and one micro-step"
    if effective == each * devices and steps > 1:
        return f"; {each} x {devices} = {effective} leaves the accumulation of {steps} out"
    if effective == each * steps and devices > 1:
        return f"; {each} x {steps} = {effective} leaves the {devices} devices out"
    product = each * steps * devices
    if effective % product == 0:
        times = effective // product
        return f"; {times} times as many devices, or as much accumulation, would agree"
    if product % effective == 0:
        return f"; the stated one is 1/{product // effective} of it"
    return ""


@check("R402", "micro-batch", severity=Severity.MEDIUM, asks="stage")
def micro_batch_divides(spec: Spec, evidence: Evidence) -> Iterable[Observation]:
    """The accumulation divides the effective batch, and the devices are known

    What: Divides the effective batch by the accumulation: the sequences of one micro-step over all devices.
    Why: The split decides how token losses are averaged when sequences differ in length, and which rows meet.
    Fix: State the number of devices and the batch on each.
    Sources: transformers issue 34191; open-instruct@e6c3044:open_instruct/finetune.py
    """
    found = []
    for stage in spec.trainings:
        batch, steps = stage.get("effective_batch_size"), stage.get("gradient_accumulation_steps")
        total, accumulation = whole(batch), whole(steps)
        if total is None or accumulation is None:
            continue
        each = micro_batch(total, accumulation)
        words = f"{stage.name}: an effective batch of {total} over {plural(accumulation, 'micro-step')}"
        spans = (batch.span, steps.span)
        if each is None:
            found.append(
                failed(f"{words} does not come out whole.", *spans, claims=(f"{stage.name}.effective_batch_size",))
            )
        elif stage.get("num_devices").known or stage.get("per_device_batch_size").known or each == 1:
            found.append(passed(f"{words} is {plural(each, 'sequence')} a micro-step.", *spans))
        else:
            splits = [f"{d} x {each // d}" for d in range(1, each + 1) if each % d == 0]
            found.append(
                unknown(
                    f"{words} is {plural(each, 'sequence')} a micro-step; whether that is "
                    f"{' or '.join(splits[:4])} (devices x sequences) is not stated.",
                    *spans,
                )
            )
    return found or [absent("No stage states both its effective batch and its accumulation.")]


@check("R407", "warmup", severity=Severity.LOW)
def warmup(spec: Spec, evidence: Evidence) -> Iterable[Observation]:
    """Warm-up in steps and as a ratio agree

    What: Compares stated warm-up steps with the ratio of the stated total steps; and looks for a ratio printed as
    steps.
    Why: A warm-up of 0.1 steps is none at all, and shifts every loss of the first tenth of the run.
    Fix: State the warm-up once, in steps or as a ratio of stated total steps.
    Sources: huggingface/transformers src/transformers/training_args.py (warmup_steps below 1 is a ratio since
    version 5); accelerate issue 2926
    """
    printed = search(spec, _RATIO_AS_STEPS, body_only=True)
    # from version 5 on the trainer itself prints a ratio under this name
    own = bool(printed) and bool(search(spec, _FIFTH, body_only=True))
    found: list[Observation] = []
    for hit in printed[:2]:
        words = f"Warm-up steps are given as {hit.match.group(1)}, which can only be a ratio"
        found.append(
            passed(f"{words}, as transformers 5 prints it.", hit.span) if own else failed(f"{words}.", hit.span)
        )
    for stage in spec.trainings:
        ratio, steps = stage.get("warmup_ratio"), stage.get("warmup_steps")
        if not ratio.known and not steps.known:
            continue
        if not (isinstance(ratio.value, int | float) and isinstance(steps.value, int | float)) or steps.value < 1:
            if not printed:
                given = ratio if ratio.known else steps
                once = f"{stage.name}: the warm-up is stated once ({given.printed or given.value})."
                found.append(passed(once, given.span))
            continue
        known = core(spec, stage, evidence)
        rest, derivation = known.rest, known.derivation
        total = None if derivation.conflict else derivation.known("steps")
        if total is None:
            words = f"{stage.name}: {steps.value:g} warm-up steps and the ratio {ratio.value:g}"
            found.append(unknown(f"{words}; the total steps are not stated.", steps.span, ratio.span))
            continue
        share = interval_of(ratio) or Interval.point(float(ratio.value))
        # rounded down by some trainers, up by others, and counted from 0 or from 1
        due = (share * total).widened(1.0)
        words = f"{stage.name}: {ratio.value:g} x {span_words(total)} steps = {due.centre:,.6g}, stated {steps.value:g}"
        where = next((f.span for f in rest if f.stated.quantity in {"steps", "steps an epoch"}), None)
        if due.contains(float(steps.value)):
            found.append(passed(f"{words}.", steps.span, ratio.span, where))
            continue
        hint = f"; {steps.value / total.centre:.3g} would agree"
        hint += ", the ratio read as a percentage" if (due / 100.0).widened(1.0).contains(float(steps.value)) else ""
        found.append(failed(f"{words}{hint}.", steps.span, ratio.span, where))
    return found or [absent("No warm-up is stated.")]


@check("R418", "one-value-each", severity=Severity.MEDIUM, confidence=Severity.LOW, asks="stage")
def one_value_each(spec: Spec, evidence: Evidence) -> Iterable[Observation]:
    """A training parameter has one value

    What: Looks for parameters of one stage that the card states twice with different values.
    Why: At most one of them was run.
    Fix: Keep one place for the hyperparameters, copied from the run's own configuration.
    Sources: SimPO issue 37; Mitchell et al. 2019, Model Cards for Model Reporting
    """
    skipped = {
        "dataset_fraction",
        "dataset_rows",
        "hardware",
        "base_model",
        "dataset_split",
        "chat_template",
        "framework_version",
    }
    found, seen, text = [], 0, text_lines(spec)
    for stage in spec.trainings:
        conflicts: list[tuple[str, list[AnyFact]]] = []
        for key in dict.fromkeys(f.key for f in stage.facts if f.known and f.key not in skipped):
            facts = [f for f in stage.all(key) if f.known and f.origin == "stated"]
            seen += len(facts)
            first: dict[object, AnyFact] = {}
            for fact in facts:
                first.setdefault(fact.value, fact)
            different = list(first.values())
            if len(different) > 1:
                conflicts.append((key, different))
        for key, facts in conflicts:
            lines = [f.span.line for f in facts if f.span]
            # several conflicts, several values, or values far apart speak of several runs, not of a slip
            listed = all(_ENTRY.match(text[n - 1]) for n in lines if n <= len(text))
            slip = listed and len(conflicts) == 1 and len(facts) == 2 and max(lines) - min(lines) <= 12
            texts = " and ".join(f.printed or str(f.value) for f in facts[:3])
            more = "" if slip else "; they may belong to different runs"
            words = f"{stage.name}: {key} is given as {texts}{more}."
            spans = tuple(f.span for f in facts[:3])
            found.append((failed if slip else unknown)(words, *spans, claims=(f"{stage.name}.{key}",)))
    if found:
        return found
    if not seen:
        return [absent("No stage states a training parameter.")]
    return [passed("No training parameter is stated with two values.")]


@check("R419", "losses-within-the-run", severity=Severity.MEDIUM, asks="stage")
def losses_within_the_run(spec: Spec, evidence: Evidence) -> Iterable[Observation]:
    """No loss is claimed after the last step

    What: Compares the steps of the claimed losses with the stated total.
    Why: A loss past the end belongs to another run, or the step counts are of another batch size.
    Fix: Print losses and total steps from the same log.
    Sources: open-instruct issue 588; alignment-handbook issue 44
    """
    found = []
    for stage in spec.trainings:
        losses = [c for c in spec.claims if c.kind is ClaimKind.LOSS and c.stage == stage.name and c.step]
        if not losses:
            continue
        last, total = max(losses, key=lambda c: c.step or 0), total_steps(spec, stage)
        if total is None:
            found.append(unknown(f"{stage.name}: losses up to step {last.step:,}, no total stated.", last.span))
        elif (last.step or 0) > total[0] and (_GUESSED.search(stage.name) or search(spec, _RESUMED, body_only=True)):
            words = f"{stage.name}: a loss at step {last.step:,}, {plural(total[0], 'step')} stated"
            found.append(unknown(f"{words}; the card may speak of several runs.", last.span, total[1]))
        elif (last.step or 0) > total[0]:
            found.append(
                failed(
                    f"{stage.name}: a loss at step {last.step:,} of {plural(total[0], 'step')}.",
                    last.span,
                    total[1],
                    claims=(last.id,),
                )
            )
        else:
            found.append(
                passed(f"{stage.name}: the last loss is at step {last.step:,} of {total[0]:,}.", last.span, total[1])
            )
    return found or [absent("No loss is claimed at a step.")]


@check("R417", "loss-type-stated", severity=Severity.MEDIUM, asks="stage")
def loss_type_stated(spec: Spec, evidence: Evidence) -> Iterable[Observation]:
    """A preference stage names its loss and its beta

    What: Asks a DPO stage that states hyperparameters for the loss variant and for beta.
    Why: Summed and length-averaged variants differ by a factor of hundreds in the scale of beta; the two numbers mean
    something only together.
    Fix: State the loss type as the framework calls it (sigmoid, sigmoid_norm, dpo_norm, ipo, ...) and beta.
    Sources: Rafailov et al. 2023 (arXiv:2305.18290); trl PR 3346; open-instruct@e6c3044:open_instruct/dpo_utils.py
    """
    found = []
    for stage in spec.trainings:
        if not is_preference(stage):
            continue
        loss, beta = stage_fact(stage, "loss_type", evidence), stage_fact(stage, "beta", evidence)
        if loss.known and beta.known:
            found.append(passed(f"{stage.name}: {loss.value} with beta {beta.value}.", loss.span, beta.span))
        elif not stage_fact(stage, "learning_rate", evidence).known:
            found.append(unknown(f"{stage.name}: no hyperparameters are stated at all (R414).", stage.span))
        else:
            verb = "is" if loss.known or beta.known else "are"
            lacking = " and ".join(n for n, f in (("the loss type", loss), ("beta", beta)) if not f.known)
            found.append(failed(f"{stage.name}: {lacking} {verb} not stated.", stage.span, loss.span, beta.span))
    return found or [absent("No stage trains on preferences.")]
