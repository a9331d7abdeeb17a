"""R4, continued: perplexity against the loss beside it."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator

from repro.card import Span
from repro.check.figures import cell_span, entries, figure, label_of, loose
from repro.check.outcomes import absent, failed, passed, plural, unknown
from repro.check.wording import at, lines_of, pipe_tables, says
from repro.evidence import Evidence
from repro.finding import Observation, Severity, check
from repro.number import Interval, Number
from repro.spec import Spec

_LOSSES = frozenset(
    ("loss", "eval loss", "evalloss", "evaluation loss", "validation loss", "test loss", "cross entropy loss")
)
_PERPLEXITIES = frozenset(
    ("perplexity", "ppl", "eval perplexity", "evaluation perplexity", "validation perplexity", "test perplexity")
)
_DECIMAL = r"(\d{1,6}\.\d{1,12})(?![\d%])"
_SENTENCE = re.compile(
    rf"\bloss(?: of| is| was|[:=])? {_DECIMAL}.{{0,50}}?\bperplexity\b.{{0,16}}?(?<![\d.]){_DECIMAL}", re.IGNORECASE
)
_REVERSED = re.compile(
    rf"\bperplexity(?: of| is| was|[:=])? {_DECIMAL}.{{0,50}}?\bloss\b.{{0,16}}?(?<![\d.]){_DECIMAL}", re.IGNORECASE
)
_NEAR = 6
"""Lines within which a loss and a perplexity belong to one list."""
_LARGEST = 50.0
"""A loss above it is a sum, of which nobody takes the exponential."""


@check("R416", "perplexity-of-loss", severity=Severity.MEDIUM, confidence=Severity.MEDIUM)
def perplexity_of_loss(spec: Spec, evidence: Evidence) -> Iterable[Observation]:
    """Perplexity is the exponential of the loss beside it

    What: Where a loss and a perplexity stand in one list, row or sentence, compares exp(loss) with the perplexity.
    Why: They are one quantity; when they disagree, one belongs to another checkpoint or data set.
    Fix: Compute both from the same evaluation, and say so where they are not (by word or by token, in bits).
    Sources: https://huggingface.co/docs/transformers/perplexity; Jelinek et al. 1977
    """
    if not says(spec, "perplexity", "ppl"):
        return [absent("No perplexity stands beside a loss.")]
    found = [*_lists(spec), *_rows(spec), *_sentences(spec)]
    return found or [absent("No perplexity stands beside a loss.")]


def _lists(spec: Spec) -> Iterator[Observation]:
    by_line = {e.line: e for e in entries(spec) if e.label in _LOSSES and e.number.value < _LARGEST}
    for entry in entries(spec):
        if entry.label not in _PERPLEXITIES:
            continue
        near = range(entry.line - _NEAR, entry.line + _NEAR + 1)
        losses = [by_line[line] for line in near if line in by_line]
        place = at(spec, entry.line)
        if len(losses) != 1:
            beside = plural(len(losses), "loss figure")
            yield unknown(f"A perplexity of {entry.number.printed} with {beside} beside it.", place)
            continue
        yield _compared([losses[0].number], entry.number, (at(spec, losses[0].line), place))


def _rows(spec: Spec) -> Iterator[Observation]:
    for table in pipe_tables(spec):
        labels = [label_of(h) for h in table.header]
        places = [i for i, name in enumerate(labels) if name in _PERPLEXITIES]
        losses = [i for i, name in enumerate(labels) if name in _LOSSES or name in {"training loss", "train loss"}]
        if len(places) != 1 or not losses:
            continue
        place = places[0]
        passing: list[Observation] = []
        for row, line in zip(table.rows, table.lines, strict=True):
            cells = [figure(row[i]) if i < len(row) else None for i in (place, *losses)]
            numbers = [n for n in cells[1:] if n and 0 <= n.value < _LARGEST]
            if cells[0] is None or not numbers:
                continue
            said = _compared(numbers, cells[0], (cell_span(spec, line, place),))
            if said.outcome == "pass":
                passing.append(said)
            else:
                yield said
        yield from passing[:1]


def _sentences(spec: Spec) -> Iterator[Observation]:
    for line, text in lines_of(spec, body_only=True):
        if "erplexity" not in text or "oss" not in text:
            continue
        first, second = _SENTENCE.search(text), _REVERSED.search(text)
        match = first or second
        if match is None:
            continue
        numbers = (figure(match.group(1)), figure(match.group(2)))
        loss, value = numbers if first else numbers[::-1]
        if loss and value and loss.value < _LARGEST:
            yield _compared([loss], value, (Span(spec.source, line, line, match.start() + 1, match.end()),))


def _compared(losses: list[Number], value: Number, spans: tuple[Span, ...]) -> Observation:
    """The perplexity against the likeliest of the losses; several are the training's and the validation's."""
    for loss in losses:
        interval = loose(loss)
        natural = Interval(math.exp(max(interval.lo, 0.0)), math.exp(interval.hi))
        binary = Interval(2.0 ** max(interval.lo, 0.0), 2.0**interval.hi)
        if natural.widened(0.001 * natural.centre).meets(loose(value)):
            return passed(f"exp({loss.printed}) = {math.exp(loss.value):.4g}, printed {value.printed}.", *spans)
        if binary.widened(0.001 * binary.centre).meets(loose(value)):
            words = f"2^{loss.printed} = {2.0**loss.value:.4g}, printed {value.printed}: the loss is in bits."
            return passed(words, *spans)
    loss = losses[-1]
    words = f"exp({loss.printed}) = {math.exp(loss.value):.4g}, printed {value.printed}"
    if value.value > 0:
        words += f", which is of a loss of {math.log(value.value):.4g}"
    return failed(f"{words}.", *spans)
