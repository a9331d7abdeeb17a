"""R5, continued: percentages of counts, and differences, recomputed from the figures printed beside them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from repro.card import Span
from repro.check.figures import NUMBER, cell_edit, cell_span, figure, loose, rounded
from repro.check.outcomes import absent, failed, listing, passed, unknown
from repro.check.wording import PipeTable, matches, pipe_tables
from repro.evidence import Evidence
from repro.finding import Edit, Observation, Severity, check
from repro.number import Interval, Number
from repro.spec import ClaimKind, Spec

_COUNTS_FIRST = re.compile(
    rf"(?<![\d./,:-])(?P<part>{NUMBER})\s?(?:/|of|out of)\s?(?P<all>{NUMBER})(?: [a-z-]{{2,20}}){{0,3}}"
    rf"\s?(?:[=(:,]|\(=)\s?[*_]{{0,2}}(?P<share>\d{{1,3}}(?:\.\d{{1,6}})?)\s?%(?!\d)"
)
_SHARE_FIRST = re.compile(
    rf"(?<![\d.,/-])(?P<share>\d{{1,3}}(?:\.\d{{1,6}})?)\s?%[*_]{{0,2}}\s?\(\s?(?P<part>{NUMBER})\s?(?:/|of|out of)"
    rf"\s?(?P<all>{NUMBER})(?: [a-z-]{{2,20}}){{0,3}}\s?\)"
)
_FROM_TO = re.compile(
    rf"\bfrom (?P<first>{NUMBER})\s?%? to (?P<second>{NUMBER})\s?%?\s?[(,:]\s?(?:an? |a gain of |[+−-]\s?)?"
    rf"(?P<change>\d{{1,4}}(?:\.\d{{1,6}})?)\s?(?P<unit>percentage points|points|pp\b|%)(?P<after>[^.;]{{0,24}})"
)
_FROM = re.compile(r" from [+−-]?\d")
_CHANGE = re.compile(r"(?:Δ|∆|delta|diff(?:erence)?|change|gain|improvement)\b.{0,24}$|[Δ∆]", re.IGNORECASE)
_IN_CELL = re.compile(
    r"(?P<value>\d{1,4}(?:\.\d{1,6})?)\s?%?\s?\(\s?(?P<change>[+−-]\s?\d{1,4}(?:\.\d{1,6})?)\s?%?\s?\)"
)


def _plain(digits: str) -> Number:
    number = figure(digits.replace(" ", ""))
    assert number is not None
    return number


def _at(spec: Spec, line: int, match: re.Match[str], group: str) -> tuple[Span, Edit]:
    start, end, old = match.start(group) + 1, match.end(group), match[group]
    return Span(spec.source, line, line, start, end), Edit(line, start, end, old, old)


def _mended(edit: Edit, new: str) -> tuple[Edit, ...]:
    return (Edit(edit.line, edit.column, edit.end_column, edit.old, new),)


@check("R511", "share-of-counts", severity=Severity.MEDIUM)
def share_of_counts(spec: Spec, evidence: Evidence) -> Iterable[Observation]:
    """A percentage printed beside its counts is their quotient

    What: Where a card prints "a of b (c%)", "a/b = c%" or "c% (a/b)", divides a by b and compares.
    Why: The three are one figure: when they disagree, the score that people quote is not the one that was counted.
    Fix: Recompute the percentage from the counts, or correct the count.
    Sources: Brown and Heathers 2017, The GRIM test (doi:10.1177/1948550616673876); lm-evaluation-harness issue 1896
    """
    if "%" not in spec.text:
        return [absent("No percentage stands beside its counts.")]
    good: list[Span] = []
    found: list[Observation] = []
    for pattern in (_COUNTS_FIRST, _SHARE_FIRST):
        for line, match in matches(spec, pattern, "%"):
            part, whole, share = (_plain(match[g]) for g in ("part", "all", "share"))
            if not 0 <= part.value <= whole.value or whole.value < 2:
                continue
            due = part.interval / whole.interval * 100.0
            if whole.last_digit == part.last_digit == 1:
                due = Interval.point(part.value / whole.value * 100.0)
            span, edit = _at(spec, line, match, "share")
            if due.widened(1e-9).meets(loose(share)):
                good.append(span)
                continue
            exact = part.value / whole.value * 100.0
            words = f"{part.printed} / {whole.printed} = {exact:.4g}%, printed {share.printed}%"
            count = share.value / 100.0 * whole.value
            words += f"; {share.printed}% of {whole.printed} is {count:,.4g}"
            found.append(failed(f"{words}.", span, edits=_mended(edit, rounded(exact, share))))
    if found:
        return found
    if good:
        return [passed("Every percentage beside its counts is their quotient.", *good[:4])]
    return [absent("No percentage stands beside its counts.")]


@check("R510", "differences-recomputed", severity=Severity.MEDIUM, confidence=Severity.MEDIUM)
def differences_recomputed(spec: Spec, evidence: Evidence) -> Iterable[Observation]:
    """Printed gains follow from the scores beside them

    What: Recomputes "from 58.0 to 61.2 (+3.2 points)" in prose, columns of differences beside their two columns, and
    gains in brackets against one row of the table, as differences and as relative changes, within rounding.
    Why: The gain is what a reader takes along; one that no reading of the printed scores gives is of other scores.
    Fix: Recompute it from the scores as printed, and say whether it is in points or in percent of the first.
    Sources: lm-evaluation-harness issue 1896; SimPO issue 37
    """
    found: list[Observation] = []
    if " to " in spec.text and _FROM.search(spec.text):
        found += _prose(spec)
    if "|" in spec.text:
        known = {c.span.line for c in spec.claims if c.kind in (ClaimKind.CHANGE, ClaimKind.LOSS)}
        for table in pipe_tables(spec):
            if not known.intersection(table.lines):
                found += _column(spec, table)
                found += _brackets(spec, table)
    return found or [absent("No difference is printed beside its two figures.")]


def _prose(spec: Spec) -> Iterator[Observation]:
    for line, match in matches(spec, _FROM_TO, " from "):
        first, second, change = (_plain(match[g]) for g in ("first", "second", "change"))
        points = match["unit"] != "%"
        span, edit = _at(spec, line, match, "change")
        readings = _readings(first, second, relative=not points)
        words = f"from {first.printed} to {second.printed} is {abs(second.value - first.value):.4g} points"
        if first.value and not points:
            words += f" or {abs(second.value / first.value - 1) * 100:.4g}%"
        words += f", printed {change.printed}{match['unit'] if match['unit'] == '%' else ''}"
        if any(r.meets(loose(change)) for r in readings):
            yield passed(f"{words}.", span)
        else:
            edits = _mended(edit, rounded(abs(second.value - first.value), change)) if points else ()
            yield failed(f"{words}.", span, edits=edits)


def _readings(first: Number, second: Number, *, relative: bool = True) -> list[Interval]:
    """The sizes that a change from the first to the second may be printed with."""
    difference = second.interval - first.interval
    readings = [difference]
    if relative and first.value:
        readings.append((second.interval / first.interval - 1.0) * 100.0)
    if relative and second.value:
        readings.append(-(first.interval / second.interval - 1.0) * 100.0)
    if max(abs(first.value), abs(second.value)) <= 1:
        readings.append(difference * 100.0)
    return [Interval(max(0.0, max(r.lo, -r.hi)), max(abs(r.lo), abs(r.hi))) for r in readings]


def _column(spec: Spec, table: PipeTable) -> Iterator[Observation]:
    places = [i for i, name in enumerate(table.header) if i > 1 and _CHANGE.match(name)]
    if len(places) != 1:
        return
    place = places[0]
    rows = []
    for row, line in zip(table.rows, table.lines, strict=True):
        cells = [(i, n) for i, cell in enumerate(row) if i not in (0, place) and (n := figure(cell))]
        change = figure(row[place]) if place < len(row) else None
        if change is None or len(cells) != 2:
            continue
        first, second = cells[0][1], cells[1][1]
        size = Number(change.printed, abs(change.value), change.last_digit)
        rows.append((line, first, second, change, any(r.meets(loose(size)) for r in _readings(first, second))))
    yield from _judged(spec, place, rows)


def _judged(spec: Spec, place: int, rows: Sequence[tuple[int, Number, Number, Number, bool]]) -> Iterator[Observation]:
    good = [r for r in rows if r[4]]
    if good:
        yield passed(
            f"{len(good)} printed differences follow from the figures beside.", cell_span(spec, good[0][0], place)
        )
    for line, first, second, change, fits in rows:
        if fits:
            continue
        exact = second.value - first.value
        words = f"from {first.printed} to {second.printed} is {exact:+.4g}, printed {change.printed}"
        span = cell_span(spec, line, place)
        if len(good) >= 2 and len(good) >= 3 * (len(rows) - len(good)):
            plain = all(_is_difference(r) for r in good)
            new = rounded(exact, change)
            new = new if exact < 0 or change.printed.startswith("+") else new.lstrip("+")
            edits = cell_edit(spec, line, place, change.printed, new) if plain else ()
            yield failed(f"{words}; the other rows fit.", span, edits=edits)
        else:
            yield unknown(f"{words}; from which figures it was computed is not stated.", span)


def _is_difference(row: tuple[int, Number, Number, Number, bool]) -> bool:
    _, first, second, change, _ = row
    return (second.interval - first.interval).meets(loose(change))


def _brackets(spec: Spec, table: PipeTable) -> Iterator[Observation]:
    cells = [
        (y, x, _plain(match["value"]), _plain(match["change"]))
        for y, row in enumerate(table.rows)
        for x, cell in enumerate(row)
        if "(" in cell and (match := _IN_CELL.fullmatch(cell.strip()))
    ]
    if len(cells) < 3 or len(table.rows) > 60:
        return
    best: tuple[int, list[tuple[int, int, Number, Number]]] | None = None
    for reference, row in enumerate(table.rows):
        # a cell with a bracket counts by its figure
        values = {x: figure(re.sub(r"\(.{0,20}\)", "", cell)) for x, cell in enumerate(row)}
        missed = [c for c in cells if c[0] != reference and not _gain_fits(values.get(c[1]), c[2], c[3])]
        if best is None or len(missed) < len(best[1]):
            best = (reference, missed)
    if best is None:
        return
    reference, missed = best
    name = table.rows[reference][0] or f"line {table.lines[reference]}"
    spans = [cell_span(spec, table.lines[y], x) for y, x, _, _ in missed or cells[:1]]
    if not missed:
        yield passed(f"{len(cells)} gains in brackets follow from the row {name}.", *spans)
    elif len(missed) == 1 and len(cells) >= 4:
        y, x, value, change = missed[0]
        base = figure(re.sub(r"\(.{0,20}\)", "", table.rows[reference][x])) if x < len(table.rows[reference]) else None
        if base is None:
            return
        due = value.value - base.value
        words = f"{value.printed} - {base.printed} = {due:+.4g}, printed {change.printed}; the other gains fit"
        edits = cell_edit(spec, table.lines[y], x, change.printed, rounded(due, change))
        yield failed(f"{words} the row {name}.", *spans, edits=edits)
    else:
        texts = listing([c[3].printed for c in missed])
        yield unknown(f"Gains in brackets ({texts}) follow from no one row of the table.", *spans[:3])


def _gain_fits(base: Number | None, value: Number, change: Number) -> bool:
    return base is not None and (value.interval - base.interval).meets(loose(change))
