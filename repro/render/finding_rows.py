"""Findings as rows of text, gravest first, and the few things that a reader must see before anything else."""

from __future__ import annotations

from dataclasses import dataclass

from repro.comparison import Verdict
from repro.finding import Finding, Outcome, Severity
from repro.render.ledger import anchors, claimed_text
from repro.render.places import Place, place
from repro.render.safe_text import short
from repro.render.verdict_words import VERDICTS
from repro.render.words import SEVERITIES, Word
from repro.report import Report

HIGHLIGHTS = 4
"""How many things the first screen of a report names."""


@dataclass(frozen=True, slots=True)
class FindingRow:
    """One finding, in words."""

    code: str
    slug: str
    title: str
    family: str
    word: Word
    confidence: str
    message: str
    fix: str
    places: tuple[Place, ...]
    claims: tuple[tuple[str, str], ...]
    """(claim's id, anchor of its row or empty)."""
    ignored: str
    """The reason for which somebody ignores it, or empty."""


@dataclass(frozen=True, slots=True)
class Highlight:
    """One of the few things to see first."""

    word: Word
    title: str
    text: str
    anchor: str


def rows_with(report: Report, outcome: Outcome, lines: tuple[str, ...]) -> tuple[FindingRow, ...]:
    """The findings with that outcome that nobody ignores, gravest first, then by code."""
    return _rows(report, [f for f in report.findings if f.outcome is outcome and not f.ignored], lines)


def ignored_rows(report: Report, lines: tuple[str, ...]) -> tuple[FindingRow, ...]:
    """The findings that somebody ignores, gravest first, then by code."""
    return _rows(report, [f for f in report.findings if f.ignored], lines)


def _rows(report: Report, findings: list[Finding], lines: tuple[str, ...]) -> tuple[FindingRow, ...]:
    known = anchors(report)
    found = sorted(findings, key=lambda f: (-f.severity.rank, f.code, f.message))
    return tuple(_row(report, f, lines, known) for f in found)


def finding_tally(report: Report) -> dict[Outcome, int]:
    """How many findings have each outcome, without those that somebody ignores."""
    outcomes = [f.outcome for f in report.findings if not f.ignored]
    return {o: outcomes.count(o) for o in Outcome}


def highlights(report: Report) -> tuple[Highlight, ...]:
    """What to see first: claims that differ, then grave findings, then claims that stay open for noise."""
    result = [*_claims(report, Verdict.DIFFERS)]
    result += [
        Highlight(SEVERITIES[f.severity], f"{f.code} {heading(f)}", short(f.message, 260), f"finding-{number}")
        for number, f in enumerate(report.failures, start=1)
        if f.severity in {Severity.HIGH, Severity.MEDIUM}
    ]
    result += _claims(report, Verdict.INCONCLUSIVE)
    return tuple(result[:HIGHLIGHTS])


def heading(finding: Finding) -> str:
    """A check's title says what should hold; where it does not, the heading must not read as if it did."""
    return f"not met: {finding.title}" if finding.outcome is Outcome.FAIL else finding.title


def _claims(report: Report, verdict: Verdict) -> list[Highlight]:
    known = anchors(report)
    return [
        Highlight(
            VERDICTS[verdict],
            f"{claim.text}: {claimed_text(claim, comparison)}",
            short(comparison.why, 260),
            known[claim.id],
        )
        for claim in report.spec.claims
        if (comparison := report.comparison(claim)) is not None and comparison.verdict is verdict
    ]


def _row(report: Report, finding: Finding, lines: tuple[str, ...], known: dict[str, str]) -> FindingRow:
    found = (place(span, report.spec, lines) for span in finding.spans)
    return FindingRow(
        code=finding.code,
        slug=finding.slug,
        title=heading(finding),
        family=finding.family.value,
        word=SEVERITIES[finding.severity],
        confidence=finding.confidence.value,
        message=finding.message,
        fix=finding.fix,
        places=tuple(p for p in found if p is not None),
        claims=tuple((claim, known.get(claim, "")) for claim in finding.claims),
        ignored=finding.ignored,
    )
