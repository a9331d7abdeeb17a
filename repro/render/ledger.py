"""The ledger of claims as rows of text: what the card says, what was measured, the verdict, and why."""

from __future__ import annotations

from dataclasses import dataclass

from repro.comparison import ORDER, Comparison, Leg, Verdict, count
from repro.render.places import Place, place
from repro.render.verdict_words import NOT_COMPARED, VERDICTS, WEIGHTS
from repro.render.words import Word, figure, interval_text, value_text
from repro.report import Report
from repro.spec import Claim, ClaimKind

GROUPS: tuple[tuple[str, tuple[ClaimKind, ...]], ...] = (
    ("Results", (ClaimKind.LOSS, ClaimKind.EVAL, ClaimKind.CHANGE, ClaimKind.STEPS)),
    ("Recipe and data", (ClaimKind.CONFIG, ClaimKind.DATA)),
    ("Identity, use and memory", (ClaimKind.IDENTITY, ClaimKind.USAGE, ClaimKind.INFERENCE)),
)
"""Claims by what they are about, what a reader came for first."""

_NOTHING_DONE = (NOT_COMPARED, VERDICTS[Verdict.UNTESTED])


@dataclass(frozen=True, slots=True)
class LedgerRow:
    """One claim, in words."""

    anchor: str
    id: str
    text: str
    stage: str
    claimed: str
    place: Place | None
    word: Word
    measured: str
    interval: str
    margin: str
    margin_why: str
    p_value: str
    method: str
    evidence: str
    """The kind of evidence a verdict without a run rests on."""
    weight: str
    weight_why: str
    why: str
    needs: str
    legs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LedgerGroup:
    title: str
    rows: tuple[LedgerRow, ...]


@dataclass(frozen=True, slots=True)
class Chip:
    """One verdict and how many claims have it."""

    word: Word
    count: int


def ledger_groups(report: Report, lines: tuple[str, ...]) -> tuple[LedgerGroup, ...]:
    """The claims in groups, in the card's order within each; groups without a claim are left out."""
    numbered = list(enumerate(report.spec.claims, start=1))
    result = []
    for title, kinds in GROUPS:
        rows = tuple(_row(report, number, claim, lines) for number, claim in numbered if claim.kind in kinds)
        if rows:
            result.append(LedgerGroup(title, rows))
    return tuple(result)


def tested_rows(groups: tuple[LedgerGroup, ...]) -> tuple[LedgerRow, ...]:
    """The claims of which more can be said than that nothing was done with them."""
    return tuple(row for group in groups for row in group.rows if row.word not in _NOTHING_DONE)


def untested_groups(groups: tuple[LedgerGroup, ...]) -> tuple[LedgerGroup, ...]:
    """The other claims, those with one reason together; the title is the reason and what would decide."""
    found: dict[str, list[LedgerRow]] = {}
    for row in (row for group in groups for row in group.rows if row.word in _NOTHING_DONE):
        needs = f"To decide: {row.needs}" if row.needs else ""
        found.setdefault(f"{row.why} {needs}".strip(), []).append(row)
    return tuple(LedgerGroup(why, tuple(rows)) for why, rows in found.items())


def ledger_chips(report: Report) -> tuple[Chip, ...]:
    """How many claims have each verdict; verdicts that no claim has are left out."""
    counts = count(report.comparisons)
    return tuple(Chip(VERDICTS[v], counts[v]) for v in ORDER if counts[v])


def anchors(report: Report) -> dict[str, str]:
    """Each claim's id -> the anchor of its row."""
    return {claim.id: _anchor(number) for number, claim in enumerate(report.spec.claims, start=1)}


def claimed_text(claim: Claim, comparison: Comparison | None) -> str:
    """What the card prints for the claim."""
    if claim.printed:
        return claim.printed
    if comparison is not None and comparison.claimed:
        return comparison.claimed
    return value_text(claim.value) if claim.value is not None else "left open"


def measured_text(comparison: Comparison) -> str:
    """The measurement as people read it, or nothing."""
    if comparison.measured_text:
        return comparison.measured_text
    return "" if comparison.measured is None else figure(comparison.measured)


def _anchor(number: int) -> str:
    return f"claim-{number}"


def _row(report: Report, number: int, claim: Claim, lines: tuple[str, ...]) -> LedgerRow:
    comparison = report.comparison(claim)
    where = place(claim.span, report.spec, lines)
    if comparison is None:
        why = "Read, not compared: this audit trained and scored nothing." if not report.comparisons else ""
        return LedgerRow(
            anchor=_anchor(number),
            id=claim.id,
            text=claim.text,
            stage=claim.stage,
            claimed=claimed_text(claim, None),
            place=where,
            word=NOT_COMPARED,
            measured="",
            interval="",
            margin="",
            margin_why="",
            p_value="",
            method="",
            evidence="",
            weight="",
            weight_why="",
            why=why,
            needs="",
            legs=(),
        )
    tested = comparison.verdict not in {Verdict.UNTESTED, Verdict.UNSTATED}
    return LedgerRow(
        anchor=_anchor(number),
        id=claim.id,
        text=claim.text,
        stage=claim.stage,
        claimed=claimed_text(claim, comparison),
        place=where,
        word=VERDICTS[comparison.verdict],
        measured=measured_text(comparison),
        interval=interval_text(comparison.interval),
        margin="" if comparison.margin is None else f"±{figure(comparison.margin)}",
        margin_why=comparison.margin_why,
        p_value="" if comparison.p_value is None else _p_value(comparison.p_value),
        method="" if comparison.method == "none" else comparison.method,
        evidence=comparison.evidence_kind,
        weight=WEIGHTS[comparison.weight] if tested else "",
        weight_why=comparison.weight_why if tested else "",
        why=comparison.why,
        needs=comparison.needs,
        legs=tuple(_leg(leg) for leg in comparison.legs),
    )


def _p_value(p: float) -> str:
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"


def _leg(leg: Leg) -> str:
    parts = [f"{leg.name}: {figure(leg.left)} against {figure(leg.right)}"]
    if leg.interval is not None:
        parts.append(f"difference {interval_text(leg.interval)}")
    if leg.margin is not None:
        parts.append(f"margin ±{figure(leg.margin)}")
    if leg.samples:
        parts.append(f"{leg.samples:,} samples")
    text = ", ".join(parts)
    return f"{text}. {leg.why}" if leg.why else text
