"""What a card does not tell of its model's making, in words: the score, and the missing facts with their lines."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from repro.completeness import Completeness, Gap
from repro.render.safe_text import one_line

_ASIDE = re.compile(r",? \(.*|, .*")
"""What a label says besides the fact's name: "training method (SFT, DPO, ...)"."""


@dataclass(frozen=True, slots=True)
class GapRow:
    """One missing fact, in words."""

    label: str
    """ "sft: peak learning rate"."""
    points: str
    """ "+4.1": what stating it adds to the score."""
    line: int
    """The card's line after which it belongs; 0 where there is none."""
    where: str
    why: str
    assumed: str


def gap_rows(found: Completeness | None) -> tuple[GapRow, ...]:
    """The missing facts, weightiest first."""
    return () if found is None else tuple(_row(gap) for gap in found.gaps)


def score_text(found: Completeness) -> str:
    """ "completeness 71/100: 26 of 38 facts that would regenerate the training are told"."""
    if found.score is None:
        return "completeness: the card tells of nothing to regenerate"
    told = f"{found.told} of {found.asked} facts that would regenerate the {found.making.value} are told"
    return f"completeness {found.score}/100: {told}"


def advice(found: Completeness) -> str:
    """ "completeness 71/100: state the peak learning rate first (sft, line 37)"; empty where there is no score."""
    if found.score is None:
        return ""
    if not found.gaps:
        return f"completeness {found.score}/100"
    first = found.gaps[0]
    place = ", ".join(
        part for part in (one_line(first.stage), f"line {first.span.line}" if first.span.line else "") if part
    )
    label = _ASIDE.sub("", one_line(first.label))
    article = "" if label.startswith("how ") else "the "
    return f"completeness {found.score}/100: state {article}{label} first" + (f" ({place})" if place else "")


def range_text(scores: Sequence[int]) -> str:
    """ "completeness 27 to 81, median 62" of several cards."""
    ordered = sorted(scores)
    if not ordered:
        return ""
    return f"completeness {ordered[0]} to {ordered[-1]} of 100, median {ordered[len(ordered) // 2]}"


def _row(gap: Gap) -> GapRow:
    return GapRow(
        label=f"{one_line(gap.stage)}: {one_line(gap.label)}" if gap.stage else one_line(gap.label),
        points=f"+{gap.points:.1f}",
        line=gap.span.line,
        where=one_line(gap.where),
        why=one_line(gap.why),
        assumed=one_line(gap.assumed),
    )
