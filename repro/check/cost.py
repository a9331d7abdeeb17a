"""R4, continued: what training cost, and printed sums: figures of one line that must multiply out."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable

from repro.card import Span
from repro.check.figures import NUMBER, Entry, entries, figure, line_of, loose, rounded
from repro.check.outcomes import absent, failed, passed, unknown
from repro.check.wording import at, matches
from repro.evidence import Evidence
from repro.finding import Edit, Observation, Severity, check
from repro.number import Interval, Number
from repro.spec import Spec

_SUFFIX = r"(?:\s?[kKMBT](?![A-Za-z])|\s(?:thousand|million|billion)\b)?"
_PEFT = re.compile(
    rf"trainable params:\s?(?P<part>{NUMBER})\s?\|\|\s?all params:\s?(?P<all>{NUMBER})\s?\|\|\s?"
    r"trainable\s?%:\s?(?P<share>\d{1,3}(?:\.\d{1,20})?)"
)
_TRAINABLE = re.compile(
    rf"(?P<part>{NUMBER}{_SUFFIX})\s+trainable param(?:eter)?s\W{{1,4}}(?P<share>\d{{1,3}}(?:\.\d{{1,8}})?)\s?%"
    rf"\s(?:of|out of)\s(?:the\s)?(?:total\s)?(?P<all>{NUMBER}{_SUFFIX})(?![\w.])"
)
_WORDS = {"one": 1, "two": 2, "three": 3, "four": 4, "eight": 8, "sixteen": 16, "a single": 1, "single": 1}
_COUNT = rf"(?P<count>{'|'.join(_WORDS)}|\d{{1,5}})"
_DEVICE = r"(?:GPUs?|[AHVBL]\d{1,3}s?|RTX|MI\d{3}X?|TPU|T4s?|GH200|P100s?|K80s?)"
_TIME = r"(?P<time>\d{1,5}(?:\.\d{1,3})?|one|two|three)[ -](?P<unit>days?|hours?|hrs?|weeks?|h\b)"
_HOURS = rf"(?P<hours>{NUMBER}{_SUFFIX})\s?(?:{_DEVICE}[- ])?(?:GPU|device|A100|H100|V100)[- ]?(?:hours?|h\b)"
_GPU_HOURS = re.compile(
    rf"(?<![\w.,-]){_COUNT}\s?[x×]?\s?(?:NVIDIA |Nvidia |AMD )?{_DEVICE}\b[^.;|]{{0,60}}?\b(?:for|in|over|took|within)"
    rf"\s(?:about |around |roughly |approximately |~\s?)?{_TIME}[^.;|]{{0,40}}?(?<![\w.,]){_HOURS}",
)
_HOURS_OF = {"d": 24.0, "w": 168.0, "h": 1.0}
_PRODUCT = re.compile(
    rf"(?<![\w.,%/^*=+-])(?<![=+*/^-] )(?P<factors>{NUMBER}(?:\s?(?:x|×|\*|·)\s?{NUMBER}){{1,4}})\s?=\s?"
    rf"(?P<result>{NUMBER})(?![\w%]|\s?[-+*/x×^(]|[.,]\d|\s?[kKMB]\b)"
)
_TWO = re.compile(r"[x×*·] ?\d[^\n=]{0,60}= ?\d")
"""What every such product has in it; looked for once in the whole text."""
_BY = re.compile(r"\s?(?:x|×|\*|·)\s?")
_METRIC = re.compile(r"(train|eval|predict|test)(runtime|samplespersecond|samples)")
"""A trainer's metrics without the underscores, which a table's cell may take for emphasis."""


def _span(spec: Spec, line: int, match: re.Match[str], group: str) -> Span:
    return Span(spec.source, line, line, match.start(group) + 1, match.end(group))


@check("R422", "trainable-share", severity=Severity.MEDIUM)
def trainable_share(spec: Spec, evidence: Evidence) -> Iterable[Observation]:
    """The share of trainable parameters is their quotient

    What: Divides the trainable parameters of an adapter by all parameters, where both and the percentage are printed.
    Why: The count says which rank and which layers were trained; a wrong one names another adapter.
    Fix: Copy the line that `print_trainable_parameters()` prints for this model.
    Sources: huggingface/peft src/peft/peft_model.py (print_trainable_parameters); Hu et al. 2021, LoRA
    (arXiv:2106.09685)
    """
    if "rainable" not in spec.text:
        return [absent("No trainable parameters are printed with their share.")]
    found = []
    for pattern in (_PEFT, _TRAINABLE):
        for line, match in matches(spec, pattern, "trainable"):
            part, whole, share = (figure(match[g]) for g in ("part", "all", "share"))
            if not part or not whole or not share or whole.value <= 0:
                continue
            exact = part.value / whole.value * 100.0
            words = f"{part.value:,.10g} / {whole.value:,.10g} = {exact:.4g}%, printed {share.printed}%"
            span = _span(spec, line, match, "share")
            due = (loose(part) / loose(whole) * 100.0).widened(1e-9 * exact)
            if due.meets(loose(share)):
                found.append(passed(f"{words}.", span))
                continue
            if due.meets(loose(share) * 100.0):
                words += ": a fraction printed as a percentage"
            new = rounded(exact, share)
            edits = (Edit(line, span.column, span.end_column, share.printed, new),) if pattern is _PEFT else ()
            found.append(failed(f"{words}.", span, edits=edits))
    return found or [absent("No trainable parameters are printed with their share.")]


@check("R423", "gpu-hours", severity=Severity.LOW)
def gpu_hours(spec: Spec, evidence: Evidence) -> Iterable[Observation]:
    """GPU-hours are devices times hours

    What: Where a sentence gives devices, the time and GPU-hours, multiplies the first two.
    Why: Cost and emissions are computed from GPU-hours; hours of one device in their place are off by the devices.
    Fix: State devices and wall-clock time, and GPU-hours as their product.
    Sources: Lacoste et al. 2019, Quantifying the Carbon Emissions of Machine Learning (arXiv:1910.09700);
    https://huggingface.co/docs/hub/model-cards-co2
    """
    found = []
    lower = "hours" in spec.text and "GPU" in spec.text
    for line, match in matches(spec, _GPU_HOURS, "our") if lower else ():
        count = float(_WORDS.get(match["count"], 0) or match["count"])
        time = figure(match["time"]) or Number(match["time"], float(_WORDS.get(match["time"], 1)), 1.0)
        hours = figure(match["hours"])
        if hours is None:
            continue
        each = _HOURS_OF[match["unit"][0]]
        # "10 days" may be 9.5 or 10.5, and "about 1000 hours" a round number
        due = time.interval * each * count
        exact = time.value * each * count
        words = f"{match['count']} x {match['time']} {match['unit']} = {exact:,.6g} GPU-hours, printed {hours.printed}"
        span = at(spec, line)
        if due.widened(0.1 * exact).meets(hours.interval):
            found.append(passed(f"{words}.", span))
        elif (due / count).widened(0.1 * exact / count).meets(hours.interval) and count > 1:
            found.append(failed(f"{words}: those are the hours of one device.", span))
        else:
            found.append(failed(f"{words}.", span))
    return found or [absent("No GPU-hours stand beside devices and time.")]


@check("R424", "throughput-against-time", severity=Severity.LOW)
def throughput_against_time(spec: Spec, evidence: Evidence) -> Iterable[Observation]:
    """Samples, time and samples per second agree

    What: Multiplies a printed runtime with the samples per second and compares the product with the printed samples
    (times the epochs, in training).
    Why: The number of rows that were really read stands in no other place; a miss means a subset or another run.
    Fix: Print the trainer's metrics of one run, all of them.
    Sources: huggingface/transformers src/transformers/trainer_utils.py (speed_metrics)
    """
    if "untime" not in spec.text:
        return [absent("No runtime is printed beside samples.")]
    sets: dict[str, dict[str, Entry]] = {}
    found: list[Observation] = []
    epoch: Entry | None = None
    for entry in entries(spec):
        if entry.label == "epoch":
            epoch = entry
        match = _METRIC.fullmatch(entry.label.replace(" ", ""))
        if match is None:
            continue
        group = sets.setdefault(match[1], {})
        if match[2] in group or any(abs(entry.line - e.line) > 15 for e in group.values()):
            group.clear()
        group[match[2]] = entry
        if {"runtime", "samples", "samplespersecond"} <= group.keys():
            found.append(_throughput(spec, match[1], group, epoch))
            group.clear()
    return found or [absent("No runtime is printed beside samples and samples per second.")]


def _throughput(spec: Spec, split: str, group: dict[str, Entry], epoch: Entry | None) -> Observation:
    runtime, samples, speed = (group[k] for k in ("runtime", "samples", "samplespersecond"))
    due = loose(runtime.number) * loose(speed.number)
    exact = runtime.number.value * speed.number.value
    words = f"{split}: {runtime.number.printed} s x {speed.number.printed} a second = {exact:,.6g}"
    spans = tuple(at(spec, e.line) for e in (runtime, speed, samples))
    count = samples.number.interval
    near = due.widened(0.02 * exact + 1)
    if near.meets(count):
        return passed(f"{words}, printed {samples.number.printed} samples.", *spans)
    if split == "train" and epoch and near.meets(count * loose(epoch.number)):
        return passed(f"{words}, printed {samples.number.printed} x {epoch.number.printed} epochs.", *spans)
    if split == "train" and exact > samples.number.value > 0:
        ratio = exact / samples.number.value
        return unknown(f"{words}, printed {samples.number.printed} samples: {ratio:.3g} epochs would agree.", *spans)
    return failed(f"{words}, printed {samples.number.printed} samples.", *spans)


@check("R427", "printed-products", severity=Severity.MEDIUM)
def printed_products(spec: Spec, evidence: Evidence) -> Iterable[Observation]:
    """Printed products multiply out

    What: Recomputes every "a x b (x c) = d" that the card prints: batch, devices and accumulation, batch and length.
    Why: Authors print the product to show how a number came about; when it is wrong, a factor or the result is.
    Fix: Correct the factor or the result, whichever was not run.
    Sources: open-instruct issue 588; alignment-handbook issue 44
    """
    good: list[Span] = []
    found: list[Observation] = []
    for line, match in matches(spec, _PRODUCT, "=") if "=" in spec.text and _TWO.search(spec.text) else ():
        factors = [f for text in _BY.split(match["factors"]) if (f := figure(text))]
        result = figure(match["result"])
        if result is None or len(factors) < 2 or line_of(spec, line).lstrip().startswith((">>>", "#!")):
            continue
        due = Interval.point(1.0)
        for factor in factors:
            due = due * (Interval.point(factor.value) if factor.last_digit == 1 else loose(factor))
        exact = math.prod(f.value for f in factors)
        span = _span(spec, line, match, "result")
        if due.meets(loose(result)):
            good.append(span)
        else:
            found.append(failed(f"{match['factors']} = {exact:,.10g}, printed {result.printed}.", span))
    if good:
        found.append(passed("Printed products multiply out.", *good[:4]))
    return found or [absent("No product is printed.")]
