"""R5, continued: printed scores against each other."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence

from repro.check.evals import benchmark_key, scores
from repro.check.figures import cell_edit, cell_span, rounded
from repro.check.outcomes import absent, failed, listing, passed, unknown
from repro.check.wording import PipeTable, at, front_matter_end, pipe_tables
from repro.evidence import Evidence
from repro.finding import Observation, Severity, check
from repro.number import Interval, Number
from repro.spec import Claim, Spec

_AVERAGE = re.compile(r"^(?:overall )?(?:average|avg\.?|mean)(?: score)?(?: ?[↑(].{0,20})?$", re.IGNORECASE)
_SET = re.compile(r"(?:evaluation|validation|test|dev)(?: set)?", re.IGNORECASE)
_CELL = re.compile(r"^(-?\d{1,4}(?:\.\d{1,8})?)\s*%?(?:\s*(?:±|\+/-)\s*\d{1,4}(?:\.\d{1,8})?\s*%?)?$")


def _figure(text: str) -> Number | None:
    match = _CELL.match(text.strip())
    if not match:
        return None
    digits = match.group(1)
    return Number(digits, float(digits), 10.0 ** -len(digits.partition(".")[2]))


def _mean(numbers: Sequence[Number]) -> Interval:
    low = math.fsum(n.interval.lo for n in numbers) / len(numbers)
    high = math.fsum(n.interval.hi for n in numbers) / len(numbers)
    return Interval(low, high).widened(1e-9 * max(abs(low), abs(high), 1.0))


def _fits(average: Number, parts: Sequence[Number]) -> bool:
    """Whether the average is the mean of all parts, or of all but one (a size, a count)."""
    target = average.interval.widened(average.last_digit / 2)  # truncation is as usual as rounding
    if _mean(parts).meets(target):
        return True
    rest = [[n for j, n in enumerate(parts) if j != i] for i in range(len(parts))]
    return any(len(r) >= 2 and _mean(r).meets(target) for r in rest)


def _averages(table: PipeTable) -> list[tuple[Number, list[Number], int, int]]:
    """(average, its parts, line, column from 0) for every row or column that is headed by "Average"."""
    found = []
    columns = [i for i, name in enumerate(table.header) if _AVERAGE.match(name)]
    if len(columns) == 1:
        for row, line in zip(table.rows, table.lines, strict=True):
            if len(row) <= columns[0]:
                continue
            average = _figure(row[columns[0]])
            parts = [n for i, cell in enumerate(row) if i != columns[0] and i > 0 and (n := _figure(cell))]
            blank = any(not cell.strip(" -") for i, cell in enumerate(row) if i > 0)
            if average and len(parts) >= 2 and not blank:
                found.append((average, parts, line, columns[0]))
    rows = [i for i, row in enumerate(table.rows) if row and _AVERAGE.match(row[0])]
    if len(rows) == 1 and rows[0] == len(table.rows) - 1:
        last = table.rows[rows[0]]
        for column in range(1, len(last)):
            average = _figure(last[column])
            above = [row[column] if column < len(row) else "" for row in table.rows[: rows[0]]]
            parts = [n for cell in above if (n := _figure(cell))]
            if average and len(parts) == len(above) >= 2:
                found.append((average, parts, table.lines[rows[0]], column))
    return found


@check("R503", "average-recomputed", severity=Severity.MEDIUM, confidence=Severity.MEDIUM, asks="table")
def average_recomputed(spec: Spec, evidence: Evidence) -> Iterable[Observation]:
    """A printed average is the mean of its row or column

    What: Recomputes averages in tables from the figures beside them, with the rounding of every digit carried along.
    Where the weighting is unknown only an average outside of all its parts, or one that breaks the rule that every
    other average of its table keeps, is called wrong.
    Why: The average is what is quoted; a wrong one often shows that a figure was changed after it.
    Fix: Recompute it, and say over which tasks and with which weights.
    Sources: lm-evaluation-harness issue 1896; https://huggingface.co/docs/leaderboards/open_llm_leaderboard/about
    """
    found = []
    for table in pipe_tables(spec):
        averages = _averages(table)
        good = [a for a in averages if _fits(a[0], a[1])]
        for average, parts, line, column in averages:
            mean = math.fsum(p.value for p in parts) / len(parts)
            words, place = f"The average {average.printed}", cell_span(spec, line, column)
            low, high = min(p.interval.lo for p in parts), max(p.interval.hi for p in parts)
            if _fits(average, parts):
                continue
            if not Interval(low, high).meets(average.interval):
                ends = " to ".join(f(parts, key=lambda p: p.value).printed for f in (min, max))
                found.append(failed(f"{words} lies outside of its parts: {ends}, mean {mean:.4g}.", place))
            elif len(good) >= 3 and len(good) == len(averages) - 1:
                edits = cell_edit(spec, line, column, average.printed, rounded(mean, average))
                other = f"{words} is of parts whose mean is {mean:.4g}; the table's other averages are their means."
                found.append(failed(other, place, edits=edits))
            else:
                other = f"{words} is of parts whose mean is {mean:.4g}; its weights are not stated."
                found.append(unknown(other, place))
        if good:
            count = "average is the mean" if len(good) == 1 else "averages are the means"
            found.append(passed(f"{len(good)} {count} of the figures beside.", at(spec, good[0][2])))
    return found or [absent("No table has an average.")]


def _by_place(spec: Spec) -> tuple[list[Claim], list[Claim]]:
    end = front_matter_end(spec)
    known = [c for c in scores(spec) if c.number is not None]
    return [c for c in known if c.span.line <= end], [c for c in known if c.span.line > end]


def _metric(name: str) -> str:
    word = re.sub(r"[^a-z0-9]", "", name.lower())
    return {"acc": "accuracy", "wordererrorrate": "wer", "testwer": "wer", "evalaccuracy": "accuracy"}.get(word, word)


def _pairs(spec: Spec) -> list[tuple[Claim, list[Claim]]]:
    """Each score of the front matter with the body's scores of the same metric and (where named) task."""
    front, body = _by_place(spec)
    pairs = []
    for claim in front:
        alike = [c for c in body if _metric(c.metric) == _metric(claim.metric)]
        tasks = [c for c in alike if benchmark_key(c.task) == benchmark_key(claim.task) and c.task]
        unnamed = [c for c in alike if not c.task or _SET.fullmatch(c.task)]
        alone = sum(_metric(c.metric) == _metric(claim.metric) for c in front) == 1
        if tasks or (unnamed and alone):
            pairs.append((claim, tasks or unnamed))
    return pairs


def _alike(a: Claim, b: Claim) -> bool:
    """Whether two scores state the same harness and shots, or neither does."""
    keys = ("harness", "num_fewshot")
    return all(
        [f.value for f in a.conditions if f.key == k] == [f.value for f in b.conditions if f.key == k] for k in keys
    )


def same_score(a: Claim, b: Claim, factor: float = 1.0) -> bool:
    """Whether two printed scores can be one value, the first times `factor`."""
    if a.number is None or b.number is None:
        return False
    # a digit cut off instead of rounded is no contradiction
    first = a.number.interval.widened(a.number.last_digit / 2) * factor
    return first.meets(b.number.interval.widened(b.number.last_digit / 2))


@check("R504", "metadata-against-text", severity=Severity.MEDIUM, confidence=Severity.MEDIUM, asks="score")
def metadata_against_text(spec: Spec, evidence: Evidence) -> Iterable[Observation]:
    """Scores in the front matter are those of the text

    What: Compares each score of the model-index with the body's scores of the same task and metric.
    Why: Leaderboards read the front matter, people read the text: they would trust different numbers.
    Fix: Generate both from one results file.
    Sources: https://huggingface.co/docs/hub/model-cards#evaluation-results; SimPO issue 37
    """
    pairs = _pairs(spec)
    if not pairs:
        return [absent("No score stands in both the front matter and the text.")]
    found = []
    for claim, others in pairs:
        same = [o for o in others if any(same_score(claim, o, f) for f in (1.0, 100.0, 0.01))]
        name = " ".join(x for x in (claim.task, claim.metric) if x)
        if same:
            found.append(
                passed(f"{name}: {claim.printed} and {same[0].printed}.", claim.span, same[0].span, claims=(claim.id,))
            )
        elif len(others) == 1 and not _SET.fullmatch(others[0].task or "test") and _alike(claim, others[0]):
            found.append(
                failed(
                    f"{name}: {claim.printed} in the front matter, {others[0].printed} in the text.",
                    claim.span,
                    others[0].span,
                    claims=(claim.id, others[0].id),
                )
            )
        else:
            texts = listing([o.printed for o in others])
            found.append(
                unknown(
                    f"{name}: {claim.printed} in the front matter is not among {texts} in the text; they may be "
                    "of other checkpoints or splits.",
                    claim.span,
                    others[0].span,
                )
            )
    return found


@check("R506", "one-scale", severity=Severity.INFO, asks="score")
def one_scale(spec: Spec, evidence: Evidence) -> Iterable[Observation]:
    """A score has one scale throughout the card

    What: Looks for a score that is a fraction in one place and a percentage in the other.
    Why: A program that reads the front matter takes 0.91 and 91.3 for different results.
    Fix: Use one scale in both places; a results file's own is the safest.
    Sources: https://huggingface.co/docs/hub/model-cards#evaluation-results; lm-evaluation-harness issue 1896
    """
    pairs = _pairs(spec)
    if not pairs:
        return [absent("No score stands in both the front matter and the text.")]
    for claim, others in pairs:
        if _metric(claim.metric) in {"wer", "cer"}:
            # boards of speech models take percent, trainers print fractions: both are the rule in their place
            continue
        for other in others:
            if (
                not same_score(claim, other)
                and (same_score(claim, other, 100.0) or same_score(claim, other, 0.01))
                and claim.number
                and claim.number.value
            ):
                words = (
                    f"{claim.metric or claim.task}: {claim.printed} in the front matter is {other.printed} in the text"
                )
                return [failed(f"{words}: a factor of 100.", claim.span, other.span, claims=(claim.id, other.id))]
    if any(same_score(claim, o) for claim, others in pairs for o in others):
        return [passed("Front matter and text use one scale.", pairs[0][0].span)]
    if all(_metric(claim.metric) in {"wer", "cer"} for claim, _ in pairs):
        return [unknown("Error rates may be fractions in one place and percentages in the other.", pairs[0][0].span)]
    return [unknown("The scores of front matter and text are not the same figures.", pairs[0][0].span)]
