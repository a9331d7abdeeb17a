"""One card of many: read and checked, and kept as the few values that a table of a million cards has room for."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

from repro.finding import Finding, Outcome, Persona, Severity
from repro.row import Row
from repro.spec import Spec

LONGEST_MESSAGE = 400
UNREAD = "unread"
"""Stands for a check's code, and for an outcome, where a place of the card could not be read."""
MOST_UNREAD = 50
"""Places of one card that are kept: a hostile one has thousands."""
_RANK = {Outcome.NOT_APPLICABLE: 0, Outcome.PASS: 1, Outcome.UNKNOWN: 2, Outcome.FAIL: 3}
"""What a check found on a card is the worst of its outcomes."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked of every card. A card's own wishes to ignore a check are not granted: a sweep counts."""

    select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    persona: str = "author"


@dataclass(frozen=True, slots=True)
class FoundLine:
    """A finding that failed or could not tell, or a place that could not be read: a row of the findings' table."""

    code: str
    severity: str
    outcome: str
    line: int
    """0 where it is about the card as a whole."""
    message: str


@dataclass(frozen=True, slots=True)
class Swept:
    """What the sweep keeps of a card; of one that could not be read, the reason."""

    number: int
    id: str
    place: str
    bytes: int
    error: str = ""
    sha256: str = ""
    dialect: str = ""
    language: str = ""
    seconds: float = 0.0
    """Processor time of reading and checking."""
    making: str = ""
    """How the model came to be, as far as its card tells."""
    completeness: int | None = None
    """0 to 100; None where there is nothing to regenerate."""
    missing: tuple[str, ...] = ()
    """Facts that a regeneration needs and the card does not tell, weightiest first."""
    problems: int = 0
    """Places of the card that could not be read."""
    outcomes: tuple[tuple[str, str], ...] = ()
    """(code, worst outcome) of every check that was asked."""
    findings: tuple[FoundLine, ...] = ()

    def count(self, severity: Severity) -> int:
        """How many findings of that severity failed."""
        return sum(f.severity == severity and f.outcome == Outcome.FAIL for f in self.findings)


def lost(row: Row, why: str) -> Swept:
    """The row's place in the result when there is nothing else to say of it."""
    return Swept(row.number, row.id, row.place, len(row.data), error=why)


@dataclass(frozen=True, slots=True)
class Sweeper:
    """`Sweeper(asked)(row)`: reads and checks a card. Never raises: a bug is the row's error."""

    asked: Asked

    def __call__(self, row: Row) -> Swept:
        if row.error:
            return lost(row, row.error)
        try:
            return self._sweep(row)
        except (Exception, RecursionError) as error:
            return lost(row, f"a bug: {type(error).__name__}: {str(error)[:200]}")

    def _sweep(self, row: Row) -> Swept:
        from repro.check.checker import run_checks
        from repro.check.completeness import completeness
        from repro.gather.gatherer import gather
        from repro.read.reader import read

        started = time.process_time()
        card, spec = read(row.data, row.place)
        evidence = gather(spec, None, lambda data, name: read(data, name)[1])
        findings = run_checks(spec, evidence, select=self.asked.select, ignore=self.asked.ignore)
        if self.asked.persona == Persona.AUTHOR:
            findings = tuple(f for f in findings if f.persona is Persona.AUTHOR)
        complete = completeness(spec, evidence)
        seconds = time.process_time() - started
        worst: dict[str, Outcome] = {}
        for found in findings:
            if found.code not in worst or _RANK[found.outcome] > _RANK[worst[found.code]]:
                worst[found.code] = found.outcome
        language = spec.get("language").value
        return Swept(
            number=row.number,
            id=row.id,
            place=row.place,
            bytes=len(row.data),
            sha256=card.sha256,
            dialect=spec.dialect,
            language=", ".join(language) if isinstance(language, tuple) else str(language or ""),
            seconds=round(seconds, 6),
            making=complete.making.value,
            completeness=complete.score,
            missing=tuple(dict.fromkeys(gap.key for gap in complete.gaps)),
            problems=len(spec.problems),
            outcomes=tuple((code, outcome.value) for code, outcome in worst.items()),
            findings=(*_unread(spec), *_found(findings)),
        )

    def prepare(self) -> None:
        """Load everything that reading and checking need, so that no card pays for it."""
        self(Row(-1, "", "warm-up", b"# Title\n\n```python\nprint(1)\n```\n"))


def _unread(spec: Spec) -> Iterator[FoundLine]:
    for problem in spec.problems[:MOST_UNREAD]:
        yield FoundLine(UNREAD, "", UNREAD, problem.span.line, problem.message[:LONGEST_MESSAGE])


def _found(findings: tuple[Finding, ...]) -> Iterator[FoundLine]:
    for f in findings:
        if f.outcome in {Outcome.FAIL, Outcome.UNKNOWN}:
            line = f.spans[0].line if f.spans else 0
            yield FoundLine(f.code, f.severity.value, f.outcome.value, line, f.message[:LONGEST_MESSAGE])
