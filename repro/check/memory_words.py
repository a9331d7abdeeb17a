"""R6, continued: memory that a sentence gives for a precision, against the weights."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from repro.arithmetic import weights_gb
from repro.card import Span
from repro.check.figures import figure
from repro.check.lineage import parameters, size_in_name
from repro.check.outcomes import absent, failed, passed, unknown
from repro.check.wording import lines_of, says
from repro.evidence import Evidence
from repro.finding import Observation, Severity, check
from repro.number import Number
from repro.spec import Spec

_PRECISION = r"(?P<precision>bf16|bfloat16|fp16|float16|half[- ]precision|fp32|float32|int8|8[- ]?bit|int4|4[- ]?bit)"
_MEMORY = r"(?<![\w.])(?P<memory>\d{1,4}(?:\.\d{1,2})?)\s?(?P<unit>GB|GiB)\b"
_MEMORY_FIRST = re.compile(rf"{_MEMORY}[^.;|\d]{{0,60}}?(?<![A-Za-z0-9]){_PRECISION}", re.IGNORECASE)
_PRECISION_FIRST = re.compile(rf"(?<![A-Za-z0-9]){_PRECISION}[^.;|\d]{{0,60}}?{_MEMORY}", re.IGNORECASE)
_ASKED = re.compile(r"\b(?:need|requir|fits?\b|runs? (?:on|with|in)|load(?:ed|s)? (?:on|in)|at least|tak|occup)", re.I)
_PLACE = re.compile(r"\bv?ram\b|\bgpus?\b|\bmemory\b", re.IGNORECASE)
_ELSEWHERE = re.compile(
    r"offload|split|several|multiple|two|\d ?[x×] ?|each|per gpu|train|fine-?tun|adapter|lora", re.I
)
_SIZE = re.compile(r"(?<![\w.])\d{1,3}(?:\.\d{1,2})?[ -]?B\b")


def _kind(word: str) -> str:
    word = word.lower().replace("-", "").replace(" ", "")
    table = {"bfloat16": "bf16", "float16": "fp16", "halfprecision": "fp16", "float32": "fp32"}
    return table.get(word, "int8" if "8bit" in word else "int4" if "4bit" in word else word)


def _sentences(spec: Spec) -> Iterator[tuple[str, Number, str, Span, str]]:
    """(precision, memory, its unit, where, the line) of each sentence that asks for memory at a precision."""
    for line, text in lines_of(spec, body_only=True):
        if "B" not in text or not _PLACE.search(text) or not _ASKED.search(text):
            continue
        match = _MEMORY_FIRST.search(text) or _PRECISION_FIRST.search(text)
        number = figure(match["memory"]) if match else None
        if match and number:
            span = Span(spec.source, line, line, match.start("memory") + 1, match.end("unit"))
            yield _kind(match["precision"]), number, match["unit"], span, text


@check("R612", "memory-said-holds-weights", severity=Severity.MEDIUM, confidence=Severity.MEDIUM)
def memory_said_holds_weights(spec: Spec, evidence: Evidence) -> Iterable[Observation]:
    """Memory that a sentence asks for holds the weights

    What: Where a sentence gives memory for a precision ("fits in 16 GB in fp16"), multiplies the parameters by the
    bytes of that precision and compares; GB read as GiB is allowed for.
    Why: The weights alone are the least that inference takes: a reader buys or rents a GPU by this sentence.
    Fix: State measured peak memory with precision, batch size and context length.
    Sources: https://huggingface.co/docs/transformers/llm_optims;
    https://huggingface.co/docs/accelerate/usage_guides/model_size_estimator
    """
    if not says(spec, "gb", "gib") and "GB" not in spec.text:
        return [absent("No sentence gives memory for a precision.")]
    said = list(_sentences(spec))
    if not said:
        return [absent("No sentence gives memory for a precision.")]
    known = parameters(spec, evidence)
    if known is None:
        return [unknown("How many parameters the model has is not known here.", said[0][3])]
    found = []
    for precision, number, unit, span, text in said:
        scale = 1.0737 if unit.lower() == "gib" else 1.0
        least, most = weights_gb(known[0].lo, precision), weights_gb(known[0].hi, precision)
        words = f"{precision}: the weights take {least:.1f} to {most:.1f} GB ({known[1]}), said {number.printed} {unit}"
        sizes = {size_in_name(m.group().replace(" ", "")) for m in _SIZE.finditer(text)}
        other = any(s is not None and not known[0].meets(known[0].around(s, 0.15 * s)) for s in sizes)
        if number.interval.hi * scale * 1.0737 >= least:
            found.append(passed(f"{words}: room for them.", span))
        elif other or _ELSEWHERE.search(text):
            found.append(unknown(f"{words}: it may be of another model, of one of several GPUs, or of training.", span))
        else:
            found.append(failed(f"{words}.", span))
    return found
