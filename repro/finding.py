"""Checks and what they find: a check is a pure function of (spec, evidence) whose docstring is the user's text."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from repro.card import Span
from repro.evidence import Evidence
from repro.frozen import unguarded
from repro.spec import Spec


class Outcome(StrEnum):
    PASS = "pass"
    FAIL = "fail"
    UNKNOWN = "unknown"
    """Cannot tell: what the check needs is not there. The message says what would be needed."""
    NOT_APPLICABLE = "not_applicable"


class Severity(StrEnum):
    INFO = "info"
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"

    @property
    def rank(self) -> int:
        return ("info", "low", "medium", "high").index(self.value)


class Persona(StrEnum):
    """Who reads the findings: how fussy the reader is, apart from how grave a finding is and how sure."""

    AUTHOR = "author"
    """Wants to know what to mend in the card."""
    AUDITOR = "auditor"
    """Wants to see everything, also what an author may rightly leave as it is."""


class Family(StrEnum):
    IDENTITY = "identity"
    DATA = "data"
    TEMPLATE = "template"
    TRAINING = "training"
    EVALS = "evals"
    USAGE = "usage"
    LICENCE = "licence"


@dataclass(frozen=True, slots=True)
class Edit:
    """A change to the card that mends a finding and needs no judgement: every other byte stays."""

    line: int
    """From 1."""
    column: int
    """The first character replaced, from 1."""
    end_column: int
    """The last character replaced; `column` - 1 where nothing is, so that `new` is only put in before `column`."""
    old: str
    """The characters that stand there: an edit is made only where they still do."""
    new: str
    """What stands there instead; whole lines end in a line feed, which is written as the card's own line ending."""


@dataclass(frozen=True, slots=True)
class Observation:
    """What one look found: an outcome, a sentence with the numbers in it, and the lines."""

    outcome: Outcome
    message: str
    spans: tuple[Span, ...] = ()
    fix: str = ""
    """What the author could write instead; empty when the check's general remedy says it all."""
    claims: tuple[str, ...] = ()
    """Ids of the claims that this bears on."""
    edits: tuple[Edit, ...] = ()
    """Mechanical changes that mend it, made together or not at all; empty where mending takes judgement."""


_Observation = unguarded(Observation)


def make_observation(
    outcome: Outcome, message: str, spans: tuple[Span, ...] = (), fix: str = "", claims: tuple[str, ...] = (),
    edits: tuple[Edit, ...] = (),
) -> Observation:  # fmt: skip
    """The same as `Observation(...)`, made quickly."""
    made = _Observation()
    made.outcome, made.message, made.spans = outcome, message, spans
    made.fix, made.claims, made.edits = fix, claims, edits
    made.__class__ = Observation
    return made  # type: ignore[no-any-return]


NEEDS = {
    "card": "the card alone",
    "parent": "the card of the model it was trained from",
    "subject": "the model's own repository",
    "base": "the repository of the base model",
    "dataset": "the data set's repository",
}
"""What a check may ask to have, in words."""

CheckFunction: TypeAlias = Callable[[Spec, Evidence], Iterable[Observation]]


@dataclass(frozen=True, slots=True)
class Check:
    """A question asked of every card. Code and slug never change their meaning."""

    code: str
    """"R401": R, the family's number 1 to 7, two digits."""
    slug: str
    """"effective-batch": the documentation address."""
    family: Family
    severity: Severity
    confidence: Severity
    """How sure a FAIL is (low, medium, high)."""
    title: str
    what: str
    why: str
    fix: str
    sources: tuple[str, ...]
    needs: tuple[str, ...]
    """What it must have: "card", "parent", "subject", "base", "dataset"."""
    function: CheckFunction
    persona: Persona = Persona.AUTHOR
    """AUDITOR: its failures are shown only to who asks for everything."""
    asks: str = ""
    """The subject without which a card gives the check nothing to look at ("stage", "score", "code", ...): there its
    answer is the one it gives of an empty card. Empty: it looks at every card."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One observation by one check, as reports keep it."""

    code: str
    slug: str
    title: str
    family: Family
    severity: Severity
    confidence: Severity
    outcome: Outcome
    message: str
    spans: tuple[Span, ...] = ()
    fix: str = ""
    claims: tuple[str, ...] = ()
    edits: tuple[Edit, ...] = ()
    persona: Persona = Persona.AUTHOR
    ignored: str = ""
    """The reason for which somebody ignores it; an ignored finding is shown and never fails a run."""


_Finding = unguarded(Finding)


def make_finding(check: Check, seen: Observation) -> Finding:
    """What a check has observed as a finding of its own, made quickly."""
    made = _Finding()
    made.code, made.slug, made.title, made.family = check.code, check.slug, check.title, check.family
    made.severity, made.confidence, made.persona = check.severity, check.confidence, check.persona
    made.outcome = outcome = seen.outcome
    made.message, made.spans, made.claims, made.edits = seen.message, seen.spans, seen.claims, seen.edits
    made.fix = seen.fix or (check.fix if outcome is Outcome.FAIL else "")
    made.ignored = ""
    made.__class__ = Finding
    return made  # type: ignore[no-any-return]


FAMILY_DIGIT: dict[str, Family] = {str(i): f for i, f in enumerate(Family, start=1)}


def check(
    code: str,
    slug: str,
    *,
    severity: Severity,
    confidence: Severity = Severity.HIGH,
    needs: tuple[str, ...] = ("card",),
    persona: Persona = Persona.AUTHOR,
    asks: str = "",
) -> Callable[[CheckFunction], Check]:
    """Make a Check of a function. Its docstring has a title line, then paragraphs headed
    `What:`, `Why:`, `Fix:` and `Sources:` (sources separated by semicolons).

    Raises:
        ValueError: the code or the docstring is not of that form (at import, so a test sees it).
    """

    def make(function: CheckFunction) -> Check:
        parts = _parts(function.__doc__ or "")
        for name in ("what", "why", "fix", "sources"):
            if not parts.get(name):
                raise ValueError(f"{code}: the docstring lacks '{name.title()}:'")
        if len(code) != 4 or code[0] != "R" or code[1] not in FAMILY_DIGIT:
            raise ValueError(f"{code}: not a code like R401")
        return Check(
            code=code,
            slug=slug,
            family=FAMILY_DIGIT[code[1]],
            severity=severity,
            confidence=confidence,
            title=parts["title"],
            what=parts["what"],
            why=parts["why"],
            fix=parts["fix"],
            sources=tuple(s.strip() for s in parts["sources"].split(";") if s.strip()),
            needs=needs,
            function=function,
            persona=persona,
            asks=asks,
        )

    return make


def _parts(docstring: str) -> dict[str, str]:
    parts: dict[str, str] = {}
    name = "title"
    for line in docstring.strip().splitlines():
        word, colon, rest = line.strip().partition(":")
        if colon and word.lower() in {"what", "why", "fix", "sources"}:
            name, line = word.lower(), rest
        parts[name] = f"{parts.get(name, '')} {line.strip()}".strip()
    return parts
