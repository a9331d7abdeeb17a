"""Scores in front matter: `model-index`, the Hub's older form, in all the shapes that cards give it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from repro.card import Span, Yaml
from repro.read.document import Document
from repro.read.front_matter import scalar
from repro.read.score_words import PLAIN_METRIC, metric_in, score_number, without_shots
from repro.read.statement import Gathered, Result
from repro.read.values import fold, left_open
from repro.spec import AnyFact, Fact, Origin

_KEYS = ("model-index", "model_index")
_VALUE_LINE = re.compile(r"^[\s{]*(?:-\s+)?[\"']?value[\"']?:(?:\s+(?P<printed>.*?))?\s*$")
_KEY_LINE = re.compile(r"^\s*(?:-\s+)?[\"']?(?P<key>[\w .@/-]{1,60}?)[\"']?:\s+(?P<printed>\S.*?)\s*$")
_COMMENT = re.compile(r"\s+#.*$")
_SHOTS_IN_NAME = re.compile(r"(?i)[\s,]*\(\s*\d{1,3}[- ]?shots?\s*\)")
_NOT_A_METRIC = frozenset(("name", "type", "config", "args", "verified", "verifytoken", "verify token", "revision"))
MAX_METRICS = 2000


class _Metric(NamedTuple):
    """One metric of one result: what it is called, its value, and the key that the value stands under."""

    result: dict[str, Yaml]
    metric: dict[str, Yaml]
    value: Yaml
    key: str = "value"


def read_model_index(doc: Document) -> Gathered:
    """One result a metric of `model-index`, with the line of its value."""
    front = doc.card.front_matter
    key = next((k for k in _KEYS if k in front), "")
    span = doc.card.front_matter_span
    if span is None or not key:
        return Gathered()
    whole = Span(span.source, doc.card.front_matter_lines.get(key, span.line), span.end_line)
    metrics: list[_Metric] = []
    for metric in _metrics(front[key]):
        if len(metrics) >= MAX_METRICS:
            break
        metrics.append(metric)
    places = _places(doc, key, span, metrics)
    results: list[Result] = []
    for metric, found in zip(metrics, places):
        place, printed = found if found is not None else (whole, "")
        result = _result(metric, place, printed)
        if result is not None:
            results.append(result)
    return Gathered(results=tuple(results))


def _result(metric: _Metric, place: Span, printed: str) -> Result | None:
    printed = printed or ("" if metric.value is None else str(metric.value))
    if not printed or len(printed) > 200:
        return None
    read = score_number(printed).number
    if read is None and not left_open(printed):
        return None
    dataset, task = metric.result.get("dataset"), _mapping(metric.result.get("task"))
    name = dataset.strip() if isinstance(dataset, str) else ""
    dataset = _mapping(dataset)
    name = name or _text(dataset, "name") or _text(dataset, "type") or _text(task, "name") or _text(task, "type")
    kind = _text(metric.metric, "type")
    # The name tells apart what has one type: "Test WER" and "Test WER (+LM)".
    kind = _text(metric.metric, "name") or kind
    kind = "" if fold(kind) == "unknown" else kind
    if metric.key != "value":
        kind = metric.key
    shots = _SHOTS_IN_NAME.search(name)
    if shots and _text(_mapping(dataset.get("args")), "num_few_shot"):
        name = (name[: shots.start()] + name[shots.end() :]).strip()
    conditions = _conditions(metric.result, metric.metric, dataset, place)
    bare, few = without_shots(kind, place)
    if few and not any(f.key == "num_fewshot" for f in conditions):
        # "ARC (25-shot)" is a benchmark, whatever data set the entry is filed under.
        name, kind, conditions = bare, "score", (*conditions, *few)
    elif few:
        kind = bare
    _, named = metric_in(name)
    if named and fold(named) == fold(kind):
        name = metric_in(name)[0]
    return Result(name or "evaluation", kind or "score", printed, place, read, conditions)


def _mapping(value: Yaml) -> dict[str, Yaml]:
    return value if isinstance(value, dict) else {}


def _listed(value: Yaml) -> list[Yaml]:
    return value if isinstance(value, list) else [value] if isinstance(value, dict) else []


def _text(values: dict[str, Yaml], key: str) -> str:
    value = values.get(key)
    return str(value).strip() if isinstance(value, (str, int, float)) and not isinstance(value, bool) else ""


def _metrics(index: Yaml) -> Iterator[_Metric]:
    """Every metric with a value: of a list of models or one, of results as a list, lists in it, or one mapping."""
    for entry in _listed(index):
        if isinstance(entry, dict) and "results" not in entry and len(entry) == 1:
            (entry,) = entry.values()  # {my-model: {results: ...}}
        found = _listed(_mapping(entry).get("results"))
        while any(isinstance(result, list) for result in found):
            found = [inner for result in found for inner in (result if isinstance(result, list) else [result])]
        for result in found:
            if isinstance(result, dict):
                for plural in ("metrics", "metric"):
                    yield from _of_result(result, result.get(plural))
                for task in _listed(result.get("tasks")):
                    if isinstance(task, dict):  # spaCy's cards keep the metrics within the task
                        yield from _of_result({**result, "task": task}, task.get("metrics"))


def _of_result(result: dict[str, Yaml], metrics: Yaml) -> Iterator[_Metric]:
    if isinstance(metrics, dict) and not ("value" in metrics and ("type" in metrics or "name" in metrics)):
        # metrics: {accuracy: 0.9, f1: 0.8}
        yield from (_Metric(result, {}, value, key) for key, value in metrics.items() if _is_figure(key, value))
        return
    for metric in _listed(metrics):
        if not isinstance(metric, dict):
            continue
        if "value" in metric:
            value = metric["value"]
            if isinstance(value, dict) and any(_is_figure(k, v) for k, v in value.items()):
                yield from (_Metric(result, metric, v, k) for k, v in value.items() if _is_figure(k, v))
            elif isinstance(value, dict) and len(value) == 1 and None in value.values():
                yield _Metric(result, metric, "{ " + str(next(iter(value)))[:60] + " }")  # a template's placeholder
            elif not isinstance(value, (dict, list, bool)):
                yield _Metric(result, metric, value)
        else:
            # - accuracy: 0.91
            yield from (_Metric(result, metric, v, k) for k, v in metric.items() if _is_figure(k, v))


def _is_figure(key: str, value: Yaml) -> bool:
    if isinstance(value, bool) or fold(key) in _NOT_A_METRIC:
        return False
    if isinstance(value, (int, float)):
        return True
    return (
        isinstance(value, str) and PLAIN_METRIC.match(fold(key)) is not None and score_number(value).number is not None
    )


def _places(doc: Document, key: str, span: Span, metrics: list[_Metric]) -> list[tuple[Span, str] | None]:
    """The line of each value and how it is printed there; None where the lines do not tell.

    Values stand in the file in the order in which they are loaded, so each is looked for below the one before.
    """
    first = doc.card.front_matter_lines.get(key, span.line)
    later = [line for line in doc.card.front_matter_lines.values() if line > first]
    last = min(later, default=span.end_line) - 1
    found: list[tuple[Span, str] | None] = []
    line = first
    for metric in metrics:
        at = _find(doc, metric, line, last)
        found.append(at)
        if at is not None:
            line = at[0].line + (1 if metric.key == "value" else 0)
    return found


def _find(doc: Document, metric: _Metric, first: int, last: int) -> tuple[Span, str] | None:
    for number in range(first, min(last, first + 400) + 1):
        line = doc.lines[number - 1]
        if metric.key == "value":
            match = _VALUE_LINE.match(line) if "value" in line else None
        else:
            match = _KEY_LINE.match(line) if metric.key in line else None
            match = match if match is not None and match["key"] == metric.key else None
        if match is None:
            continue
        printed = _COMMENT.sub("", match["printed"] or "").strip("\"'")
        if not _same(scalar(printed), metric.value, printed):
            if metric.key == "value":
                return None  # the lines have gone out of step
            continue
        return Span(doc.card.source, number, number), printed
    return None


def _same(read: Yaml, value: Yaml, printed: str) -> bool:
    return read == value or str(value) == printed or (read != read and value != value) or printed.startswith("{")


def _conditions(
    result: dict[str, Yaml], metric: dict[str, Yaml], dataset: dict[str, Yaml], place: Span
) -> tuple[AnyFact, ...]:
    facts: list[AnyFact] = []
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
