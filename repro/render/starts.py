"""What the stages of a run started from, in words, and the same claims from the other start beside them."""

from __future__ import annotations

from dataclasses import dataclass

from repro.comparison import Beside, Comparison
from repro.plan import Plan
from repro.render.ledger import claimed_text, measured_text
from repro.render.plan_rows import SCALES
from repro.render.verdict_words import VERDICTS
from repro.render.words import Word, interval_text, moment
from repro.report import Report
from repro.spec import Claim
from repro.task import Scale, Start


@dataclass(frozen=True, slots=True)
class Side:
    """One claim as one run measured it."""

    word: Word
    measured: str
    interval: str
    run: str


@dataclass(frozen=True, slots=True)
class BesideRow:
    """One claim from both starts."""

    text: str
    claimed: str
    alone: Side
    chain: Side


BESIDE_TITLE = "The stage alone, and the chain"
BESIDE_TEXT = (
    "Two errors that are never mixed: from the published parent a difference is the stage's own; from a regenerated "
    "parent it is that of the whole chain. Only this run's column is part of the verdicts above."
)


PROXY_TEXT = " At proxy scale nothing is published, and the stand-in's own pretrained base stands for the parent."


def scale_words(plan: Plan) -> tuple[str, str]:
    """The scale's title, and what a reader must know of scale and start before any number."""
    title, text = SCALES[plan.scale]
    return title, " ".join(part for part in (text, start_text(plan)) if part)


def start_text(plan: Plan) -> str:
    """From what the stages started, where it matters to what their figures mean; empty where it does not."""
    parts = []
    inner = [s for s in plan.stages if s.parent]
    if plan.start is Start.PUBLISHED and plan.scale is Scale.PROXY:
        parts.append("Nothing of the stand-in is published: each stage started from its pretrained base.")
    elif plan.start is Start.PUBLISHED:
        said = ", ".join(f"{s.name} from {s.base}" for s in plan.stages)
        parts.append(f"Each stage alone, from its published parent: {said}.")
    elif inner and plan.scale is Scale.FULL:
        said = ", ".join(f"{s.name} from this run's own {s.parent}" for s in inner)
        parts.append(f"The whole chain: {said}, whose error is in it.")
    if plan.left_out:
        parts.append(f"Not regenerated, as asked: {', '.join(plan.left_out)}.")
    return " ".join(parts)


def beside_text(report: Report) -> str:
    """What the two columns are, and what they are not."""
    proxy = report.plan is not None and report.plan.scale is Scale.PROXY
    return BESIDE_TEXT + (PROXY_TEXT if proxy else "")


def beside_rows(report: Report) -> tuple[BesideRow, ...]:
    """The claims that were measured from both starts, this run's and the other's."""
    rows = []
    for other in report.beside:
        claim = report.spec.claim(other.claim)
        ours = report.comparison(claim) if claim is not None else None
        if claim is not None and ours is not None:
            rows.append(_row(report, claim, ours, other))
    return tuple(rows)


def _row(report: Report, claim: Claim, ours: Comparison, other: Beside) -> BesideRow:
    here = Side(VERDICTS[ours.verdict], measured_text(ours), interval_text(ours.interval), "this run")
    where = f"run {other.run_id}, {moment(other.created)}"
    there = Side(VERDICTS[other.verdict], other.measured_text, interval_text(other.interval), where)
    alone, chain = (here, there) if other.chain else (there, here)
    return BesideRow(claim.text, claimed_text(claim, ours), alone, chain)
