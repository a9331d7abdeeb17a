"""What `repro check` leaves: each card with what is to be shown of it, and the inputs that were none."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from repro.card import Problem
from repro.finding import Check, Finding, Outcome, Persona, Severity
from repro.report import Report


@dataclass(frozen=True, slots=True)
class Reader:
    """For whom a card is checked: what is shown of what was found, and what fails a run."""

    persona: Persona = Persona.AUTHOR
    min_severity: Severity = Severity.INFO
    min_confidence: Severity = Severity.INFO
    fail_on: Severity | None = Severity.LOW
    """None: nothing fails."""

    def sees(self, finding: Finding) -> bool:
        """Whether a failure is shown to this reader."""
        return (
            (self.persona is Persona.AUDITOR or finding.persona is Persona.AUTHOR)
            and finding.severity.rank >= self.min_severity.rank
            and finding.confidence.rank >= self.min_confidence.rank
        )


@dataclass(frozen=True, slots=True)
class CheckedCard:
    """One card, checked."""

    report: Report
    reader: Reader
    findings: tuple[Finding, ...]
    """What is wrong and shown, gravest first."""
    unknown: tuple[Finding, ...]
    """What no check can tell, gravest first."""
    ignored: tuple[tuple[Finding, bool], ...]
    """What somebody ignores, and whether the card itself asks for it."""
    num_hidden: int
    """How many more findings this reader does not see."""
    problems: tuple[Problem, ...]
    """Wishes of the card to ignore a check that did nothing; what could not be read is in the report's spec."""
    uri: str
    """The card's path from the root of the repository that it is in, with forward slashes."""

    @property
    def fails(self) -> bool:
        """Whether something is shown that reaches the level at which a run fails."""
        level = self.reader.fail_on
        return level is not None and any(f.severity.rank >= level.rank for f in self.findings)


@dataclass(frozen=True, slots=True)
class Refused:
    """An input that could not be checked, and why."""

    name: str
    error: Exception


@dataclass(frozen=True, slots=True)
class CheckRun:
    """Everything one call of `repro check` found, for the formats that need it whole."""

    tool_version: str
    cards: tuple[CheckedCard, ...]
    refused: tuple[Refused, ...]
    problems: tuple[Problem, ...]
    """Wishes of a configuration file that did nothing."""
    checks: tuple[Check, ...]
    """The checks behind the findings, by code."""


def checked_card(report: Report, reader: Reader, problems: tuple[Problem, ...], uri: str) -> CheckedCard:
    """What `reader` is shown of a report."""
    wrong = _gravest_first(f for f in report.failures if reader.sees(f))
    own = {wish.reason for wish in report.spec.ignores if wish.reason}
    return CheckedCard(
        report=report,
        reader=reader,
        findings=wrong,
        unknown=_gravest_first(f for f in report.findings if f.outcome is Outcome.UNKNOWN and not f.ignored),
        ignored=tuple((f, f.ignored in own) for f in _gravest_first(f for f in report.findings if f.ignored)),
        num_hidden=len(report.failures) - len(wrong),
        problems=problems,
        uri=uri,
    )


def _gravest_first(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    return tuple(sorted(findings, key=lambda f: (-f.severity.rank, f.code, f.spans, f.message)))
