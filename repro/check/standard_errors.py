"""R5, continued: printed standard errors and the number of questions that they imply."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator

from repro.card import Span
from repro.check.figures import cell_span, figure, loose
from repro.check.outcomes import absent, failed, listing, passed, unknown
from repro.check.wording import LONGEST_LINE, PipeTable, _cells, text_lines
from repro.evidence import Evidence
from repro.finding import Observation, Severity, check
from repro.number import Interval, Number
from repro.spec import Spec

QUESTIONS: dict[str, tuple[int, ...]] = {
    "arc_challenge": (1172,),
    "arc_easy": (2376,),
    "boolq": (3270,),
    "copa": (100, 500),
    "gsm8k": (1319,),
    "gsm8k_cot": (1319,),
    "hellaswag": (10042,),
    "lambada_openai": (5153,),
    "logiqa": (651,),
    "openbookqa": (500,),
    "piqa": (1838,),
    "race": (1045,),
    "rte": (277,),
    "sciq": (1000,),
    "truthfulqa_mc1": (817,),
    "wic": (638,),
    "winogrande": (1267,),
    "wsc": (104,),
    "agieval_aqua_rat": (254,),
    "agieval_logiqa_en": (651,),
    "agieval_lsat_ar": (230,),
    "agieval_lsat_lr": (510,),
    "agieval_lsat_rc": (269,),
    "agieval_sat_en": (206,),
    "agieval_sat_en_without_passage": (206,),
    "agieval_sat_math": (220,),
}
"""Questions on which lm-eval scores a task (the split that its YAML names), by the data sets' own counts.
Groups such as mmlu are not here: their error is pooled from subtasks, in ways that changed between releases."""
_SIZES = {name.replace("_", ""): counts for name, counts in QUESTIONS.items()}
"""The same by names as a table's cell gives them, where an underscore may be taken for emphasis."""
_EXACT = frozenset(("acc", "accnorm", "exactmatch", "em", "mc1"))
"""Metrics that are 0 or 1 for a question, so that the score fixes the standard error."""
_SLACK = 0.06
"""The stated standard error may be of a bootstrap, and the split of another release."""


def _place(table: PipeTable, *names: str) -> int | None:
    return next((i for i, h in enumerate(table.header) if re.sub(r"[^a-z]", "", h.lower()) in names), None)


def _tables(spec: Spec) -> Iterator[PipeTable]:
    """The tables with a column of standard errors, also those that are shown as code."""
    lines = text_lines(spec)
    past = 0
    for start, text in enumerate(lines):
        if start < past or "tderr" not in text or "|" not in text or len(text) > LONGEST_LINE:
            continue
        rows, numbers = [], []
        for number in range(start + 2, len(lines)):
            if "|" not in lines[number]:
                break
            rows.append(_cells(lines[number][:LONGEST_LINE]))
            numbers.append(number + 1)
            past = number + 1
        yield PipeTable(_cells(text), start + 1, tuple(rows), tuple(numbers))


def _scores(spec: Spec) -> Iterator[tuple[str, str, Number, Number, Span]]:
    """(task, metric, score, standard error, where) of the rows that lm-eval prints."""
    for table in _tables(spec):
        task, metric = _place(table, "task", "tasks", "groups"), _place(table, "metric")
        value, error = _place(table, "value"), _place(table, "stderr")
        if task is None or metric is None or value is None or error is None:
            continue
        name = ""
        for row, line in zip(table.rows, table.lines, strict=True):
            if len(row) <= max(task, metric, value, error):
                continue
            # a blank cell goes on with the task above
            name = row[task].strip().lower() or name
            score, deviation = figure(row[value]), figure(row[error])
            if score and deviation and deviation.value > 0:
                yield name.lstrip("- "), row[metric].strip().lower(), score, deviation, cell_span(spec, line, error)


def implied_questions(score: Number, error: Number) -> Interval | None:
    """The n with which sqrt(p (1 - p) / (n - 1)) is the printed standard error; None where p is 0 or 1.

    The formula is lm-eval's mean_stderr of zeros and ones (lm_eval/api/metrics.py).
    """
    percent = 0.01 if score.value > 1 else 1.0
    p, s = loose(score) * percent, loose(error) * percent
    if p.lo <= 0 or p.hi >= 1 or s.lo <= 0:
        return None
    products = [p.lo * (1 - p.lo), p.hi * (1 - p.hi)]
    top = 0.25 if p.contains(0.5) else max(products)
    return Interval(min(products) / s.hi**2 + 1, top / s.lo**2 + 1)


@check("R514", "error-of-the-whole-test", severity=Severity.MEDIUM, confidence=Severity.MEDIUM)
def error_of_the_whole_test(spec: Spec, evidence: Evidence) -> Iterable[Observation]:
    """A standard error is that of the whole test set

    What: From a score p and its standard error, both as lm-eval prints them, computes the number of questions,
    p(1-p)/SE^2 + 1, and compares it with the size of the named test set.
    Why: A run with --limit prints the same table as a full one: only the standard error tells.
    Fix: Score the whole test set, or say on how many questions the score was computed.
    Sources: lm-evaluation-harness lm_eval/api/metrics.py (mean_stderr); Miller 2024, Adding Error Bars to Evals
    (arXiv:2411.00640)
    """
    if "tderr" not in spec.text:
        return [absent("No standard error is printed.")]
    good: list[Span] = []
    found: list[Observation] = []
    other: list[tuple[str, Span]] = []
    for task, metric, score, error, span in _scores(spec):
        sizes = _SIZES.get(task.replace("_", "").removeprefix("leaderboard"))
        due = implied_questions(score, error) if metric.replace("_", "") in _EXACT else None
        if sizes is None or due is None:
            other.append((task, span))
            continue
        if any(due.lo * (1 - _SLACK) <= n <= due.hi * (1 + _SLACK) for n in sizes):
            good.append(span)
            continue
        percent = 0.01 if score.value > 1 else 1.0
        p = score.value * percent
        exact = math.sqrt(p * (1 - p) / (sizes[0] - 1)) / percent
        words = f"{task}: {score.printed} with a standard error of {error.printed} is of {due.lo:,.0f} to {due.hi:,.0f}"
        words += f" questions; the test set has {sizes[0]:,}, which gives {exact:.4g}"
        found.append(failed(f"{words}.", span))
    if good:
        found.append(passed("Standard errors are those of the whole test sets.", *good[:3]))
    if not found and other:
        names = listing([t for t, _ in other])
        return [unknown(f"How many questions {names} has is not known here.", other[0][1])]
    return found or [absent("No standard error stands beside its score.")]
