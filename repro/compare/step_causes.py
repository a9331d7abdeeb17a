"""Why a step count may honestly be other than rows x epochs / batch: the causes, tried in order."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from repro.arithmetic import rows_of_steps, steps_of_rows
from repro.compare.rows import RowCount

FILTERED = 0.05
"""Share of the rows that a filter for empty or overlong rows may drop without a word (measured: 0.5%)."""
HELD_OUT = 0.2
"""Share up to which an unmentioned held-out split leaves the matter open."""


@dataclass(frozen=True, slots=True)
class Cause:
    """What joins a claimed count to the expected one, if anything does."""

    reconciles: bool
    expected: int
    """Steps by plain arithmetic on the best known row count."""
    words: str
    open: bool = False
    """Nothing reconciles, and something that cards rarely mention would."""

    @property
    def words_after(self) -> str:
        return f" ({self.words})" if self.words else ""


def steps_cause(claimed: int, counts: Sequence[RowCount], batch: float, epochs: float) -> Cause:
    """The first cause that gives the claimed count.

    In order: plain (each epoch ends with its partial batch); the partial batch dropped; rows run on from epoch to
    epoch; another stated row figure; a filter; the rounding of a printed share or row count.
    """
    if batch < 1 or epochs <= 0 or not counts:
        return Cause(False, 0, "the inputs are not known", open=True)
    size = int(batch)
    expected = steps_of_rows(counts[0].rows, size, epochs)
    for index, count in enumerate(counts):
        other = f"with {count.words()}" if index else ""
        plain = {
            steps_of_rows(count.rows, size, epochs): "",
            math.floor(count.rows // size * epochs + 1e-9): "the last partial batch dropped",
            math.ceil(count.rows * epochs / size - 1e-9): "rows run on from epoch to epoch",
            math.floor(count.rows * epochs / size + 1e-9): "rows run on, the last partial batch dropped",
        }
        if claimed in plain:
            return Cause(True, expected, ", ".join(p for p in (other, plain[claimed]) if p))
    needed = rows_of_steps(claimed, size, epochs)
    low, high = (needed.lo, needed.hi) if needed is not None else _loose(claimed, size, epochs)
    for count in counts:
        if low <= count.rows and high >= count.rows * (1 - FILTERED):
            least, most = max(0, count.rows - int(high)), count.rows - int(low)
            share = f"{100 * least / count.rows:.1f} to {100 * most / count.rows:.1f}%"
            return Cause(True, expected, f"as it would be if a filter dropped {least:,} to {most:,} rows, {share}")
    for count in counts:
        if count.slack and low <= count.rows + count.slack and high >= (count.rows - count.slack) * (1 - FILTERED):
            return Cause(True, expected, "within the rounding of the printed share or row count")
    most_rows = max(c.rows + c.slack for c in counts)
    if high >= most_rows * (1 - HELD_OUT) and low <= most_rows:
        missing = 100 * (1 - high / most_rows)
        return Cause(
            False, expected, f"a held-out split of {missing:.0f}% or more would explain it, and none is mentioned", True
        )
    return Cause(False, expected, "no cause in the list joins them")


def _loose(claimed: int, size: int, epochs: float) -> tuple[float, float]:
    """Rows that give the count when epochs run into each other, or when their number is a fraction."""
    return ((claimed - 1) * size / epochs, (claimed + 1) * size / epochs)
