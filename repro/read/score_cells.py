"""One cell of a score table to a result: its figure or pair of figures, the metric and shots of its label."""

from __future__ import annotations

import re
from collections.abc import Iterator

from repro.card import Cell
from repro.number import Number
from repro.read.score_words import (
    bare_label,
    counts_something_else,
    metric_in,
    metric_name,
    score_number,
    without_shots,
)
from repro.read.statement import Result
from repro.read.values import fold, left_open, number
from repro.spec import AnyFact, Fact, Origin


def pair_in(text: str) -> tuple[str, str] | None:
    """Two scores in one cell, "91.5/89.0"; no fraction of ten or a hundred is one."""
    match = re.fullmatch(r"[*_\s]*(\d{1,3}\.\d{1,4}%?)\s?/\s?(\d{1,3}\.\d{1,4}%?)[*_\s]*", text)
    return (match.group(1), match.group(2)) if match else None


def cell_result(
    label: str, measure: str, cell: Cell, place: Cell, conditions: list[AnyFact] | tuple[AnyFact, ...], stage: str = ""
) -> Iterator[Result]:
    """The result or, in a cell with two, results that a cell holds; none where it is empty or plain words."""
    if not cell.text:
        return
    task, named = metric_in(bare_label(label))
    measure = named if named and measure in ("score", metric_name(fold(named))) else bare_label(measure)
    pair = pair_in(cell.text)
    if pair is not None:
        for which, part in enumerate(pair):
            tasks, metrics = task.split("/"), measure.split("/")
            names = (_half(tasks, which), metrics[which] if len(metrics) == 2 else measure)
            if len(tasks) != 2 and len(metrics) != 2:
                yield _made(task, measure, cell.text, None, cell, place, conditions, stage, "")
                return
            yield _made(names[0], names[1], part, number(part), cell, place, conditions, stage, "")
        return
    read = score_number(cell.text)
    if read.number is None and not left_open(cell.text) and not re.match(r"[~≈<>≥≤]?\s?\d", cell.text):
        return
    if read.number is None and (len(cell.text) > 40 or counts_something_else(cell.text)):
        return
    if read.number is None and re.fullmatch(r"\d[\d.,]*\s?[A-Za-z/]{2,}.*", cell.text):
        return  # "5-shot", "450 ms/doc": a count of something else
    yield _made(task, measure, cell.text, read.number, cell, place, conditions, stage, read.error)


def _half(names: list[str], which: int) -> str:
    """Of "MNLI-m/mm" the first or the second: "MNLI-m", "MNLI-mm"."""
    if len(names) != 2:
        return "/".join(names)
    if which and "-" in names[0] and "-" not in names[1]:
        return names[0].rsplit("-", 1)[0] + "-" + names[1]
    return names[which]


def _made(
    task: str, measure: str, printed: str, read: Number | None, cell: Cell, place: Cell,
    conditions: list[AnyFact] | tuple[AnyFact, ...], stage: str, error: str,
) -> Result:  # fmt: skip
    name, few = without_shots(task, place.span)
    own = (*conditions, *(few if not any(f.key == "num_fewshot" for f in conditions) else ()))
    if error:
        own = (*own, Fact("stderr", error, Origin.STATED, error, cell.span))
    filled = cell if printed == cell.text else None
    return Result(name or task, measure, printed, cell.span, read, own, filled, stage=stage)


def condition(key: str, value: int | str | None, cell: Cell) -> AnyFact:
    return Fact(key, value, Origin.STATED, cell.text, cell.span)
