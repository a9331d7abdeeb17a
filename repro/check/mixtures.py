"""R2, continued: parts of a data mixture against its total."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Sequence

from repro.card import Span
from repro.check.figures import cell_span, entries, figure, label_of, loose
from repro.check.outcomes import absent, failed, passed, unknown
from repro.check.wording import PipeTable, at, front_matter_end, pipe_tables, says, text_lines
from repro.evidence import Evidence
from repro.finding import Observation, Severity, check
from repro.number import Interval, Number
from repro.spec import Spec

_TOTAL = re.compile(r"(?:grand )?(?:total|sum)\b(?! (?:time|runtime|size|batch|param))", re.IGNORECASE)
_SHARE = re.compile(
    r"%|\b(?:share|proportion|percent(?:age)?|mix(?:ture)?|fraction)\b|\bsampling (?:weight|prob)", re.I
)
_SOURCE = re.compile(
    r"\b(?:data ?sets?|data|sources?|corpus|corpora|subsets?|languages?|domains?|components?|categor(?:y|ies))\b", re.I
)
_SPLIT = re.compile(r"(?<![\d.,/:-])(\d{1,3})\s?%?\s?[/:-]\s?(\d{1,2})\s?%?(?:\s?[/:-]\s?(\d{1,2})\s?%?)?(?![\d.,/:-])")
_SPLIT_WORDS = re.compile(r"\bsplit\b", re.IGNORECASE)
_TOKENS = re.compile(r"(?<![\w.])(\d{1,4}(?:\.\d{1,3})?)\s?(B|T|M|billion|trillion|million)\s+tokens\b")
_AGAIN = re.compile(r"epoch|repeat|up-?sampl|sampl|subset|pass(?:es)?\b|times|weight", re.IGNORECASE)
_UNLISTED = 0.1
"""A total that is larger by this share may hold a part that the table leaves out on purpose."""
_PARTS = {
    "train": "train", "training": "train", "train set": "train", "training set": "train", "validation": "validation",
    "val": "validation", "dev": "validation", "valid": "validation", "validation set": "validation",
    "test": "test", "test set": "test", "total": "total", "all": "total",
}  # fmt: skip


def sum_of(numbers: Sequence[Number]) -> Interval:
    """The sum that printed parts leave open."""
    low, high = math.fsum(loose(n).lo for n in numbers), math.fsum(loose(n).hi for n in numbers)
    return Interval(low, high).widened(1e-12 * abs(high))


def _totals(table: PipeTable) -> Iterator[tuple[Number, list[Number], int, int]]:
    """(total, parts, line, cell) of every column with a last row "Total" and every row with a last column "Total"."""
    if not 3 <= len(table.rows) <= 400:
        return
    for index, row in enumerate(table.rows):
        if index != len(table.rows) - 1 or not row or not _TOTAL.match(row[0]):
            continue
        for column in range(1, len(row)):
            above = [r[column] if column < len(r) else "" for r in table.rows[:index]]
            parts = [figure(c) for c in above]
            total = figure(row[column])
            known = [p for p in parts if p]
            alike = len(known) == len(parts) and len({p.unit for p in (*known, *([total] if total else []))}) == 1
            if total and alike and not total.approximate:
                yield total, known, table.lines[index], column


@check("R209", "mixture-total", severity=Severity.MEDIUM, confidence=Severity.MEDIUM)
def mixture_total(spec: Spec, evidence: Evidence) -> Iterable[Observation]:
    """The parts of a table add up to its total

    What: Adds each column of figures that ends in a row "Total", and the parts of a split that states its total, with
    the rounding of every figure allowed for.
    Why: A total that is not the sum means that a source was added, dropped or changed after it was counted, and that
    the rows trained on are others than the table lists.
    Fix: Recompute the total, or list the part that is missing.
    Sources: Gebru et al. 2021, Datasheets for Datasets (arXiv:1803.09010); open-instruct issue 560
    """
    good: list[Span] = []
    found: list[Observation] = []
    if says(spec, "total", "sum", "all"):
        for table in pipe_tables(spec) if says(spec, "total", "sum") else ():
            for total, parts, line, column in _totals(table):
                due, span = sum_of(parts), cell_span(spec, line, column)
                if due.meets(loose(total)):
                    good.append(span)
                elif not _mean_or_other(total, parts):
                    found.append(_not_the_sum(spec, total, parts, line, column))
        found += _splits(spec, good)
    if good:
        found.append(passed("The parts add up to the stated total.", *good[:3]))
    return found or [absent("No total stands under its parts.")]


def _mean_or_other(total: Number, parts: Sequence[Number]) -> bool:
    """Whether a figure beside "Total" lies among the parts: a mean, a score over all, a largest value."""
    return total.value <= max(p.value for p in parts)


def _not_the_sum(spec: Spec, total: Number, parts: Sequence[Number], line: int, column: int) -> Observation:
    exact = math.fsum(p.value for p in parts)
    words = f"the {len(parts)} figures above add up to {exact:,.10g}, the total says {total.printed}"
    span = cell_span(spec, line, column)
    for i, part in enumerate(parts):
        rest = [p for j, p in enumerate(parts) if j != i]
        if sum_of(rest).meets(loose(total)):
            return failed(f"{words}; without {part.printed} (figure {i + 1}) they agree.", span)
        if sum_of([*parts, part]).meets(loose(total)):
            return failed(f"{words}; counting {part.printed} (figure {i + 1}) twice they agree.", span)
    more = total.value - exact
    if more > _UNLISTED * total.value:
        return unknown(f"{words}; a part of {more:,.10g} may be left out of the table.", span)
    return failed(f"{words}{f': {more:,.10g} of it is not listed' if more > 0 else ''}.", span)


def _splits(spec: Spec, good: list[Span]) -> Iterator[Observation]:
    """Train, validation and test rows that are listed with their total."""
    group: dict[str, tuple[Number, int]] = {}
    if not says(spec, "train", "training"):
        return
    for entry in entries(spec):
        name = _PARTS.get(entry.label)
        if name is None or (entry.number.unit not in {"", "rows", "examples", "samples", "sentences", "images"}):
            continue
        if name in group or any(entry.line - line > 6 for _, line in group.values()):
            group = {}
        group[name] = (entry.number, entry.line)
        if "total" not in group or "train" not in group or len(group) < 3 or entry.number.last_digit < 1:
            continue
        if len(group) == 3 and "test" in group and "validation" not in group and name != "total":
            continue
        total = group["total"][0]
        parts = [n for k, (n, _) in group.items() if k != "total"]
        spans = tuple(at(spec, line) for _, line in group.values())
        words = " + ".join(p.printed for p in parts) + f" = {math.fsum(p.value for p in parts):,.10g}"
        if sum_of(parts).meets(loose(total)):
            good.extend(spans)
        else:
            yield failed(f"{words}, the total says {total.printed}.", *spans)


@check("R210", "shares-of-one-whole", severity=Severity.MEDIUM, confidence=Severity.MEDIUM)
def shares_of_one_whole(spec: Spec, evidence: Evidence) -> Iterable[Observation]:
    """Shares of a mixture add up to one

    What: Adds the column of shares of a table of data sources, and the parts of a split printed as "80/10/10"; and
    where counts stand beside the shares, divides each by their sum.
    Why: Sampling by shares that do not add up depends on what the loader makes of the rest: it scales them, or stops.
    Fix: State shares that add up to 100%, and whether they are of rows, tokens or sampling.
    Sources: Gebru et al. 2021, Datasheets for Datasets (arXiv:1803.09010);
    https://huggingface.co/docs/datasets/process#interleave
    """
    good: list[Span] = []
    found: list[Observation] = []
    for table in pipe_tables(spec) if "|" in spec.text else ():
        if len(table.rows) < 3 or not _SOURCE.search(table.header[0] if table.header else ""):
            continue
        places = [i for i, h in enumerate(table.header) if i and _SHARE.search(h)]
        if len(places) == 1:
            found += _shares(spec, table, places[0], good)
    if says(spec, "split"):
        found += _ratios(spec, good)
    if good:
        found.append(passed("The shares add up.", *good[:3]))
    return found or [absent("No shares of one whole are printed.")]


def _shares(spec: Spec, table: PipeTable, place: int, good: list[Span]) -> Iterator[Observation]:
    last = _TOTAL.match(table.rows[-1][0]) if table.rows[-1] else None
    rows = table.rows[:-1] if last else table.rows
    numbers = [figure(r[place]) if place < len(r) else None for r in rows]
    known = [n for n in numbers if n and 0 <= n.value <= 100]
    span = cell_span(spec, table.lines[0], place)
    if len(known) != len(rows) or len(known) < 3 or any(n.unit not in {"", "%"} for n in known):
        return
    whole = 1.0 if max(n.value for n in known) <= 1.0 and not any(n.unit == "%" for n in known) else 100.0
    total, exact = sum_of(known), math.fsum(n.value for n in known)
    if total.contains(whole):
        good.append(span)
    elif exact > whole * 1.5 or exact < whole * 0.5:
        # scores or rates, which are no parts of one whole
        return
    elif total.lo > whole:
        yield failed(f"The {len(known)} shares add up to {exact:.5g}, more than {whole:g}.", span)
    else:
        yield unknown(f"The {len(known)} shares add up to {exact:.5g} of {whole:g}; the rest is not listed.", span)


def _ratios(spec: Spec, good: list[Span]) -> Iterator[Observation]:
    end = front_matter_end(spec)
    for line, text in enumerate(text_lines(spec), start=1):
        if line <= end or "split" not in text or len(text) > 2000 or not _SPLIT_WORDS.search(text):
            continue
        for match in _SPLIT.finditer(text):
            parts = [int(g) for g in match.groups() if g]
            beside = text[max(match.start() - 40, 0) : match.end() + 40]
            if parts[0] < 50 or "split" not in beside or sum(parts) < 90 or sum(parts) > 120:
                continue
            span = Span(spec.source, line, line, match.start() + 1, match.end())
            if sum(parts) == 100:
                good.append(span)
            elif len(parts) == 3:
                yield failed(f"{' + '.join(map(str, parts))} = {sum(parts)}, not 100.", span)


@check("R211", "mixture-against-stated-tokens", severity=Severity.MEDIUM, confidence=Severity.LOW, asks="table")
def mixture_against_stated_tokens(spec: Spec, evidence: Evidence) -> Iterable[Observation]:
    """A table of sources adds up to the tokens that its text announces

    What: Where the text before a table of sources announces a number of tokens and the table has a column of tokens
    and no total, adds that column and compares.
    Why: A model trained on twice the tokens that its sources hold has seen each of them twice, or other sources.
    Fix: State tokens in the sources, passes over each, and tokens seen in training, apart.
    Sources: Muennighoff et al. 2023, Scaling Data-Constrained Language Models (arXiv:2305.16264); Gebru et al. 2021,
    Datasheets for Datasets (arXiv:1803.09010)
    """
    if "oken" not in spec.text or "|" not in spec.text:
        return [absent("No table lists tokens by source.")]
    lines, found = text_lines(spec), []
    for table in pipe_tables(spec):
        places = [i for i, h in enumerate(table.header) if i and "token" in label_of(h)]
        before = range(table.header_line - 2, max(table.header_line - 8, 0), -1)
        stated = next(((n + 1, m) for n in before if (m := _TOKENS.search(lines[n][:4000]))), None)
        if not places or stated is None or len(table.rows) < 3 or any(_TOTAL.match(r[0]) for r in table.rows if r):
            continue
        number = figure(f"{stated[1][1]} {stated[1][2]}")
        sums = []
        for place in places:
            unit = 1e9 if re.search(r"\(B\)|billion", table.header[place]) else 1.0
            parts = [figure(r[place]) if place < len(r) else None for r in table.rows]
            known = [p for p in parts if p]
            if len(known) == len(parts):
                sums.append(sum_of(known) * unit)
        if number is None or not sums:
            continue
        spans = (at(spec, stated[0]), cell_span(spec, table.lines[0], places[0]))
        # sources of a few per cent are often left out, and totals are spoken of in round numbers
        near = number.interval.widened(0.05 * number.value)
        if fits := [s for s in sums if s.meets(near)]:
            words = f"The sources add up to {fits[0].centre:.3g} tokens, the text says {number.value:.3g}."
            found.append(passed(words, *spans))
            continue
        ratio = number.value / sums[0].centre if sums[0].centre else math.inf
        words = f"The sources add up to {sums[0].centre:.4g} tokens, the text says {number.value:.4g}"
        context = " ".join(lines[stated[0] - 1 : table.header_line]) + " ".join(table.header)
        if _AGAIN.search(context):
            found.append(unknown(f"{words}: {ratio:.3g} passes over them would agree.", *spans))
        else:
            found.append(failed(f"{words}; only {ratio:.3g} passes over them would agree.", *spans))
    return found or [absent("No table lists tokens by source under a stated total.")]
