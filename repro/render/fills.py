"""Cells that a card leaves open and a run may fill: only an unstated claim, only at full scale."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from repro.comparison import Verdict
from repro.report import Report
from repro.spec import Claim
from repro.task import Scale


@dataclass(frozen=True, slots=True)
class Edit:
    """Bytes `start` to `end` of the card become `new`."""

    start: int
    end: int
    new: bytes
    claim: str = ""
    """The claim whose cell is filled; empty for front matter."""


def left_open(report: Report) -> tuple[Claim, ...]:
    """Claims that the card announces and does not state."""
    return tuple(
        claim
        for claim in report.spec.claims
        if (comparison := report.comparison(claim)) is not None and comparison.verdict is Verdict.UNSTATED
    )


def cell_edits(data: bytes, report: Report) -> Iterator[Edit]:
    """One edit for each cell that the verdict law allows to be filled.

    The claim is open, its comparison says so, the plan and the comparison are at full scale, something was measured,
    and the bytes at the claim's place are still the ones that were read. The new text says where it comes from.
    """
    if report.plan is None or report.plan.scale is not Scale.FULL:
        return
    taken: set[int] = set()
    for claim in left_open(report):
        comparison = report.comparison(claim)
        start, end = claim.cell_start, claim.cell_end
        if comparison is None or comparison.scale != Scale.FULL or comparison.measured is None:
            continue
        if not claim.unstated or start is None or end is None or not 0 <= start < end <= len(data) or start in taken:
            continue
        old = data[start:end]
        if not claim.printed or claim.printed.encode() not in old or b"|" in old or b"\n" in old:
            continue
        taken.add(start)
        text = f"{comparison.measured:.{_decimals(claim, report)}f} (regenerated)"
        yield Edit(start, end, text.encode(), claim.id)


def _decimals(claim: Claim, report: Report) -> int:
    """As many as the card prints for its other figures of that kind; four where it prints none."""
    printed = [
        c.number.decimals
        for c in report.spec.claims
        if (c.kind, c.stage, c.metric, c.span.source) == (claim.kind, claim.stage, claim.metric, claim.span.source)
        and c.number is not None
    ]
    return min(max(printed), 12) if printed else 4
