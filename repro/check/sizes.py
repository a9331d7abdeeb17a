"""R1, continued: parameter counts that the card states, against its name and its architecture."""

from __future__ import annotations

import re
from collections.abc import Iterable

from repro.card import Span
from repro.check.figures import Entry, entries, figure, loose
from repro.check.lineage import size_in_name
from repro.check.outcomes import absent, failed, passed, unknown
from repro.check.wording import at, front_matter_end, says, text_lines
from repro.evidence import Evidence
from repro.finding import Observation, Severity, check
from repro.number import Interval, Number
from repro.spec import Spec

_COUNTS = frozenset((
    "parameters", "params", "nparameters", "nparams", "totalparameters", "totalparams", "numberofparameters",
    "modelparameters", "parametercount", "numparameters", "modelsizeparameters",
))  # fmt: skip
"""Labels without spaces and underscores, which a table's cell may take for emphasis; so for those below."""
_LAYERS = frozenset((
    "layers", "nlayers", "nlayer", "numlayers", "numberoflayers", "numhiddenlayers", "hiddenlayers",
    "transformerlayers",
))  # fmt: skip
_WIDTH = frozenset((
    "dmodel", "hiddensize", "nembd", "hiddendim", "hiddendimension", "modeldimension", "embeddingdimension",
    "numberofembeddingunitshiddensize",
))  # fmt: skip
_INNER = frozenset(("dff", "intermediatesize", "ffndim", "ffnhiddensize", "feedforwardsize", "feedforwarddimension"))
_VOCABULARY = frozenset(("vocabsize", "nvocab", "vocabularysize", "vocabulary", "vocab"))
_OWN = re.compile(
    r"^\W{0,4}(?P<who>this model|[\w.-]{3,60})\W{0,4} (?:model )?(?:is|has)\b(?: an?)?(?: [\w-]{2,20}){0,4} "
    r"(?P<size>\d{1,4}(?:\.\d{1,3})?)[ -]?(?P<unit>B|M|billion|million)[ -]param(?:eter)?s?\b",
    re.IGNORECASE,
)
_EXPERTS = re.compile(
    r"\bmixture[- ]of[- ]experts\b|\bMoE\b|\d+x\d+(?:\.\d+)?b\b|\bA\d+(?:\.\d+)?B\b|\bexperts\b", re.I
)
_WORDS = ("parameter", "parameters", "params", "nparams", "nparameters")
LOW, HIGH = 0.65, 1.45
"""A "2B" with large embeddings has 2.6 billion, a "7B" may have 8.5: names round, and some leave embeddings out."""


def _name(spec: Spec) -> str:
    """The model's name: its repository's, the card's, or the first heading's where that says a size."""
    name = str(spec.get("model_id").value or spec.name)
    if size_in_name(name) is None:
        heading = next((t[2:80] for t in spec.text.split("\n", 200)[:200] if t.startswith("# ")), "")
        if size_in_name(heading) is not None:
            return heading.strip()
    return name


def _stated(spec: Spec) -> list[tuple[Number, Span]]:
    """Parameters that the card states for its own model."""
    found = []
    for entry in entries(spec):
        if entry.label.replace(" ", "") in _COUNTS and _is_count(entry.number):
            found.append((entry.number, at(spec, entry.line)))
    if "arameter" in spec.text:
        end, own = front_matter_end(spec), spec.name.lower()
        own = str(spec.get("model_id").value or own).rsplit("/", 1)[-1].lower()
        for line, text in enumerate(text_lines(spec), start=1):
            if line <= end or "arameter" not in text:
                continue
            match = _OWN.match(text[:400])
            if match and match["who"].lower() in {"this model", own} and "based" not in match.group():
                unit = {"b": "B", "m": "M"}.get(match["unit"][0].lower(), "B")
                if number := figure(f"{match['size']}{unit}"):
                    found.append((number, at(spec, line)))
    return found


def _is_count(number: Number) -> bool:
    return number.unit.lower() in {"", "parameters", "params"} and 1e6 <= number.value <= 1e13


@check("R111", "parameters-against-name", severity=Severity.HIGH, confidence=Severity.MEDIUM)
def parameters_against_name(spec: Spec, evidence: Evidence) -> Iterable[Observation]:
    """The stated number of parameters is the one in the name

    What: Compares parameters that the card states for its model (a table, a list, "this model is a 7B parameter ...")
    with the size in its name, and with each other.
    Why: A card copied from a sibling keeps the sibling's size; memory and cost are planned by it.
    Fix: State the number that `sum(p.numel() for p in model.parameters())` gives.
    Sources: SimPO issue 37; https://huggingface.co/docs/safetensors/metadata_parsing
    """
    stated = _stated(spec) if says(spec, *_WORDS) else []
    if not stated:
        return [absent("The card states no number of parameters for its model.")]
    name = _name(spec)
    size = size_in_name(name)
    mixed = _EXPERTS.search(name) or _EXPERTS.search(spec.text[:200_000])
    found = []
    for number, span in stated:
        if size is None:
            break
        ratio = number.value / size
        words = f"{number.value / 1e9:.4g}B parameters are stated, the name {name} says {size / 1e9:g}B"
        if LOW <= ratio <= HIGH:
            found.append(passed(f"{words}.", span))
        elif mixed:
            found.append(unknown(f"{words}; of experts, the name may count all or the active ones.", span))
        else:
            found.append(failed(f"{words}.", span))
    if found:
        return found
    smallest, largest = min(stated, key=lambda s: s[0].value), max(stated, key=lambda s: s[0].value)
    if largest[0].value > smallest[0].value * HIGH and not mixed:
        words = f"{smallest[0].value / 1e9:.4g}B and {largest[0].value / 1e9:.4g}B parameters"
        return [unknown(f"The card gives {words}; one may be of another model.", smallest[1], largest[1])]
    return [absent("The name says no size to compare the stated parameters with.")]


@check("R112", "parameters-of-the-shape", severity=Severity.MEDIUM, confidence=Severity.MEDIUM)
def parameters_of_the_shape(spec: Spec, evidence: Evidence) -> Iterable[Observation]:
    """Layers, width and vocabulary give the stated parameters

    What: From the stated layers, hidden size, inner size and vocabulary computes the least and the most parameters of
    a dense transformer of that shape, and compares the stated number, or the size in the name.
    Why: A table of the architecture that gives another size was copied from another model.
    Fix: Copy the shape from config.json of the published weights.
    Sources: Kaplan et al. 2020, appendix C (arXiv:2001.08361); Touvron et al. 2023 (arXiv:2302.13971)
    """
    if not says(spec, "layers", "nlayers", "layer"):
        return [absent("The card gives no shape of its model.")]
    shape = {}
    for key, names in (("layers", _LAYERS), ("width", _WIDTH), ("inner", _INNER), ("vocabulary", _VOCABULARY)):
        listed = [e for e in entries(spec) if e.label.replace(" ", "") in names and e.number.value >= 1]
        if len({e.number.value for e in listed}) == 1:
            shape[key] = listed[0]
    if not {"layers", "width"} <= shape.keys():
        return [absent("The card gives no shape of its model.")]
    spans = tuple(at(spec, e.line) for e in shape.values())
    if _EXPERTS.search(spec.text[:200_000]):
        return [unknown("The shape is of a mixture of experts, which is not counted here.", *spans)]
    due = dense_parameters(shape)
    stated: list[tuple[Interval, str, Span | None]] = [
        (loose(n), f"{n.value / 1e9:.4g}B stated", s) for n, s in _stated(spec)
    ]
    name = _name(spec)
    if not stated and (size := size_in_name(name)):
        stated = [(Interval.around(size, 0.3 * size), f"the name {name} says {size / 1e9:g}B", None)]
    if not stated:
        return [unknown("The card gives a shape and no number of parameters.", *spans)]
    found = []
    for interval, said, span in stated:
        words = f"{shape['layers'].number.printed} layers of width {shape['width'].number.printed}"
        words += f" have {due.lo / 1e9:.3g}B to {due.hi / 1e9:.3g}B parameters; {said}"
        say = passed if interval.meets(due) else failed
        found.append(say(f"{words}.", span, *spans))
    return found


def dense_parameters(shape: dict[str, Entry]) -> Interval:
    """The fewest and the most parameters of a dense transformer with those layers and that width.

    Attention takes from 2 h^2 (one key and value head) to 4 h^2 a layer, or 8 h^2 with an encoder's and wide heads;
    the inner layers 2 or 3 h f with f the inner size, which is 1 to 8 h where it is not stated; embeddings once or
    twice. A tenth of slack stands for norms, biases and positions.
    """
    layers, width = shape["layers"].number.value, loose(shape["width"].number)
    inner = loose(shape["inner"].number) if "inner" in shape else Interval(width.lo, 8.0 * width.hi)
    words = loose(shape["vocabulary"].number) if "vocabulary" in shape else Interval(100.0, 500_000.0)
    least = layers * (2.0 * width.lo**2 + 2.0 * width.lo * inner.lo) + words.lo * width.lo
    most = layers * (8.0 * width.hi**2 + 3.0 * width.hi * inner.hi) + 2.0 * words.hi * width.hi
    return Interval(0.9 * least, 1.1 * most)
