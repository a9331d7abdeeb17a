"""R5, continued: metrics that bound each other, whatever was measured."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator
from itertools import pairwise

from repro.card import Span
from repro.check.figures import cell_span, entries, figure, label_of, loose
from repro.check.outcomes import absent, failed, passed, unknown
from repro.check.wording import pipe_tables, says
from repro.evidence import Evidence
from repro.finding import Observation, Severity, check
from repro.number import Interval, Number
from repro.spec import Spec

_KINDS = {
    "precision": "precision", "prec": "precision", "recall": "recall", "f1": "f1", "fscore": "f1", "rmse": "rmse",
    "mse": "mse", "mae": "mae", "em": "em",
}  # fmt: skip
_NOISE = frozenset(("eval", "evaluation", "test", "validation", "val", "dev", "overall", "the", "score", "set", "on"))
_AT = re.compile(
    r"(?P<kind>pass|recall|accuracy|acc|hits?|hit rate|hit ratio|r|top)\s?(?:@|-|\s)\s?(?P<k>\d{1,4})", re.IGNORECASE
)
_GROUP = 12
"""Lines within which labelled figures belong to one list of results."""
_SINGLE = 1e-4
"""Metrics are often computed in single precision and printed in full."""


def _kind(label: str) -> tuple[str, str] | None:
    """(what a label measures, its other words): "eval macro precision" is ("precision", "macro")."""
    words = [w for w in label.replace("exact match", "em").replace("f1 score", "f1").split() if w not in _NOISE]
    kinds = [_KINDS[w] for w in words if w in _KINDS]
    if len(kinds) != 1:
        return None
    return kinds[0], " ".join(w for w in words if w not in _KINDS)


Found = dict[str, tuple[Number, Span]]
"""Figures of one row or list, by kind."""


def _groups(spec: Spec) -> Iterator[Found]:
    """Sets of metrics of one result with one qualifier: the rows of tables, and lists of bullets."""
    if not says(spec, "recall", "rmse", "em", "exact"):
        return  # every bound has one of these on a side
    for table in pipe_tables(spec):
        names = [_kind(label_of(h.replace("↑", "").replace("↓", ""))) for h in table.header]
        for qualifier in dict.fromkeys(n[1] for n in names if n):
            places = [i for i, n in enumerate(names) if n and n[1] == qualifier]
            if len(places) < 2 or len({names[i] for i in places}) != len(places):
                continue
            for row, line in zip(table.rows, table.lines, strict=True):
                group = {}
                for i in places:
                    name = names[i]
                    number = figure(row[i]) if i < len(row) else None
                    if name and number:
                        group[name[0]] = (number, cell_span(spec, line, i))
                if len(group) >= 2:
                    yield group
    lists: dict[str, tuple[int, Found]] = {}
    for entry in entries(spec):
        named = _kind(entry.label)
        if named is None:
            continue
        kind, qualifier = named
        first, group = lists.get(qualifier, (entry.line, {}))
        if kind in group or entry.line - first > _GROUP:
            if len(group) >= 2:
                yield group
            first, group = entry.line, {}
        group[kind] = (entry.number, Span(spec.source, entry.line, entry.line))
        lists[qualifier] = (first, group)
    yield from (group for _, group in lists.values() if len(group) >= 2)


def _one_scale(*numbers: Number) -> bool:
    """Whether all are fractions, or all may be percentages."""
    small = [abs(n.value) <= 1 and n.unit != "%" for n in numbers]
    return all(small) or not any(small)


@check("R512", "f1-of-precision-and-recall", severity=Severity.MEDIUM, confidence=Severity.MEDIUM)
def f1_of_precision_and_recall(spec: Spec, evidence: Evidence) -> Iterable[Observation]:
    """F1 is at most the harmonic mean of its precision and recall

    What: Where precision, recall and F1 stand in one row or list, compares F1 with 2PR/(P+R). For one class or for
    micro averages they are equal; a mean of F1 over classes or examples is lower, never higher.
    Why: An F1 above it is averaged in another way than the other two, or is of another run.
    Fix: Take all three from one report, with one averaging, and name the averaging.
    Sources: Opitz and Burst 2019, Macro F1 and Macro F1 (arXiv:1911.03347); seqeval (micro-averaged overall scores)
    """
    good: list[Span] = []
    found: list[Observation] = []
    for group in _groups(spec):
        if not {"precision", "recall", "f1"} <= group.keys():
            continue
        (p, _), (r, _), (f, span) = (group[k] for k in ("precision", "recall", "f1"))
        if min(p.value, r.value) <= 0 or max(p.value, r.value, f.value) > 100 or not _one_scale(p, r, f):
            continue
        high = _harmonic(loose(p).hi, loose(r).hi)
        exact = _harmonic(p.value, r.value)
        if loose(f).lo <= high * (1.0 + _SINGLE):
            good.append(span)
            continue
        words = f"2 x {p.printed} x {r.printed} / ({p.printed} + {r.printed}) = {exact:.4g}, printed F1 {f.printed}"
        spans = (span, group["precision"][1], group["recall"][1])
        if f.value > max(p.value, r.value):
            found.append(failed(f"{words}: above both, so of another run or averaged in another way.", *spans))
        else:
            found.append(unknown(f"{words}: only F1 averaged in another way than the other two is higher.", *spans))
    if good:
        found.append(passed("F1 is within what precision and recall allow.", *good[:3]))
    return found or [absent("Precision, recall and F1 do not stand together.")]


def _harmonic(p: float, r: float) -> float:
    return 2.0 * p * r / (p + r) if p + r else 0.0


@check("R513", "metrics-bound-each-other", severity=Severity.MEDIUM, confidence=Severity.MEDIUM)
def metrics_bound_each_other(spec: Spec, evidence: Evidence) -> Iterable[Observation]:
    """Metrics that bound each other keep their order

    What: Exact match is at most F1; the mean absolute error is at most the root mean square error, whose square is
    the mean square error; and accuracy, recall, hits and pass at k never fall as k grows.
    Why: These hold for every model and every data set: where they do not, two figures are of different runs, or
    stand in the wrong column.
    Fix: Copy the figures again from one results file.
    Sources: Rajpurkar et al. 2016, SQuAD (arXiv:1606.05250); Chen et al. 2021 (arXiv:2107.03374); Willmott and
    Matsuura 2005 (doi:10.3354/cr030079)
    """
    good: list[Span] = []
    found: list[Observation] = []
    for group in _groups(spec):
        for small, large in (("em", "f1"), ("mae", "rmse")):
            if small in group and large in group:
                (low, span), (high, other) = group[small], group[large]
                if not (_one_scale(low, high) or small == "mae"):
                    continue
                if loose(low).lo <= loose(high).hi:
                    good.append(span)
                else:
                    words = f"{_NAMES[small]} {low.printed} is above {_NAMES[large]} {high.printed}"
                    found.append(failed(f"{words}; no predictions give that.", span, other))
        if "mse" in group and "rmse" in group:
            (square, span), (root, other) = group["mse"], group["rmse"]
            if square.value < 0 or root.value < 0:
                continue
            due = Interval(math.sqrt(max(loose(square).lo, 0.0)), math.sqrt(loose(square).hi))
            if due.widened(_SINGLE * due.hi).meets(loose(root)):
                good.append(span)
            else:
                words = f"the root of the MSE {square.printed} is {math.sqrt(square.value):.4g}"
                found.append(failed(f"{words}, printed RMSE {root.printed}.", other, span))
    for ladder in _ladders(spec):
        for (k, low, span), (more, high, other) in pairwise(ladder):
            if not _one_scale(low, high):
                continue
            if loose(low).lo <= loose(high).hi:
                good.append(other)
            else:
                found.append(failed(f"{low.printed} at {k} is above {high.printed} at {more}.", span, other))
    if good:
        found.append(passed("Metrics that bound each other keep their order.", *good[:3]))
    return found or [absent("No two metrics that bound each other stand together.")]


_NAMES = {"em": "exact match", "f1": "F1", "mae": "MAE", "rmse": "RMSE"}


def _ladders(spec: Spec) -> Iterator[list[tuple[int, Number, Span]]]:
    """One metric at growing k: columns of a row, or bullets of a list."""
    if "@" not in spec.text and "op-" not in spec.text:
        return
    for table in pipe_tables(spec):
        names = [_rung(h) for h in table.header]
        for name in dict.fromkeys(n[0] for n in names if n):
            places = sorted((n[1], i) for i, n in enumerate(names) if n and n[0] == name)
            if len(places) < 2 or len({k for k, _ in places}) != len(places):
                continue
            for row, line in zip(table.rows, table.lines, strict=True):
                numbers = [(k, figure(row[i]) if i < len(row) else None, i) for k, i in places]
                rungs = [(k, n, cell_span(spec, line, i)) for k, n, i in numbers if n]
                if len(rungs) == len(places):
                    yield rungs
    lists: dict[str, list[tuple[int, Number, Span]]] = {}
    last = 0
    for entry in entries(spec):
        place = _rung(entry.raw)
        if place is None:
            continue
        if entry.line - last > _GROUP or any(k == place[1] for k, _, _ in lists.get(place[0], [])):
            yield from (sorted(r, key=lambda x: x[0]) for r in lists.values())
            lists = {}
        last = entry.line
        lists.setdefault(place[0], []).append((place[1], entry.number, Span(spec.source, last, last)))
    yield from (sorted(r, key=lambda x: x[0]) for r in lists.values())


def _rung(label: str) -> tuple[str, int] | None:
    """(the metric without its k, k) of "Codex-Eval Pass@10"."""
    match = _AT.search(label)
    if match is None:
        return None
    return f"{label[: match.start()]}{match['kind']}{label[match.end() :]}".lower().strip(), int(match["k"])
