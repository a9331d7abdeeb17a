"""Scores in front matter: the `model-index` of the Hub's older form."""

from __future__ import annotations

import re
from collections.abc import Iterator

from repro.card import Span, Yaml
from repro.read.document import Document
from repro.read.scores import without_shots
from repro.read.statement import Gathered, Result
from repro.read.values import fold, left_open, number
from repro.spec import AnyFact, Fact, Origin

_VALUE_LINE = re.compile(r"^\s*(?:-\s+)?value:\s*(?P<printed>.*?)\s*$")


def read_model_index(doc: Document) -> Gathered:
    """One result a metric of `model-index`, with the line of its value."""
    index = doc.card.front_matter.get("model-index")
    span = doc.card.front_matter_span
    if span is None or not isinstance(index, list):
        return Gathered()
    lines = _value_lines(doc, span)
    metrics = list(_metrics(index))
    results: list[Result] = []
    for position, (result, metric) in enumerate(metrics):
        place = Span(span.source, doc.card.front_matter_lines.get("model-index", span.line), span.end_line)
        printed = str(metric.get("value"))
        # Values stand in the file in the order in which they are loaded; with as many lines as values they pair up.
        if len(lines) == len(metrics):
            place, printed = lines[position]
        value = metric.get("value")
        if isinstance(value, (dict, list)) or value is None:
            continue
        read = number(printed)
        if read is None and not left_open(printed):
            continue
        dataset = _mapping(result.get("dataset"))
        task = _mapping(result.get("task"))
        name = _text(dataset, "name") or _text(dataset, "type") or _text(task, "name") or _text(task, "type")
        kind = _text(metric, "type")
        kind = _text(metric, "name") if not kind or fold(kind) == "unknown" else kind
        shots = re.search(r"(?i)[\s,]*\(\s*\d{1,3}[- ]?shots?\s*\)", name)
        if shots and _text(_mapping(dataset.get("args")), "num_few_shot"):
            name = (name[: shots.start()] + name[shots.end() :]).strip()
        conditions = _conditions(result, metric, place)
        bare, few = without_shots(kind, place)
        if few and not any(f.key == "num_fewshot" for f in conditions):
            # "ARC (25-shot)" is a benchmark, whatever data set the entry is filed under.
            name, kind, conditions = bare, "score", (*conditions, *few)
        results.append(Result(name or "evaluation", kind or "score", printed, place, read, conditions))
    return Gathered(results=tuple(results))


def _mapping(value: Yaml) -> dict[str, Yaml]:
    return value if isinstance(value, dict) else {}


def _text(values: dict[str, Yaml], key: str) -> str:
    value = values.get(key)
    return str(value).strip() if isinstance(value, (str, int, float)) and not isinstance(value, bool) else ""


def _metrics(index: list[Yaml]) -> Iterator[tuple[dict[str, Yaml], dict[str, Yaml]]]:
    for entry in index:
        results = _mapping(entry).get("results")
        for result in results if isinstance(results, list) else ():
            metrics = _mapping(result).get("metrics")
            for metric in metrics if isinstance(metrics, list) else ():
                if isinstance(result, dict) and isinstance(metric, dict) and "value" in metric:
                    yield result, metric


def _value_lines(doc: Document, span: Span) -> list[tuple[Span, str]]:
    """The lines "value: ..." of the model-index, in order."""
    first = doc.card.front_matter_lines.get("model-index", span.line)
    later = [line for line in doc.card.front_matter_lines.values() if line > first]
    last = min(later, default=span.end_line) - 1
    found: list[tuple[Span, str]] = []
    for number_ in range(first, last + 1):
        if match := _VALUE_LINE.match(doc.lines[number_ - 1]):
            printed = re.sub(r"\s+#.*$", "", match["printed"]).strip("\"'")
            found.append((Span(span.source, number_, number_), printed))
    return found


def _conditions(result: dict[str, Yaml], metric: dict[str, Yaml], place: Span) -> tuple[AnyFact, ...]:
    facts: list[AnyFact] = []
    dataset = _mapping(result.get("dataset"))
    arguments = _mapping(dataset.get("args"))
    for key, value in (
        ("dataset_split", _text(dataset, "split")),
        ("dataset_config", _text(dataset, "config")),
        ("num_fewshot", _text(arguments, "num_few_shot")),
        ("harness", _text(_mapping(result.get("source")), "name")),
    ):
        if value:
            typed = int(value) if key == "num_fewshot" and value.isdecimal() and len(value) < 6 else value
            facts.append(Fact(key, typed, Origin.STATED, value, place))
    if metric.get("verified") is True:
        facts.append(Fact("verified", True, Origin.STATED, "true", place))
    return tuple(facts)
