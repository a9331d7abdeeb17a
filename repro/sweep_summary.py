"""What a sweep's tables say as a whole: shares, quartiles, the slowest, and why rows could not be read."""

from __future__ import annotations

import heapq
import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from repro.finding import Check, Outcome
from repro.sweep_card import UNREAD
from repro.sweep_tables import batches

SCHEMA_VERSION = 1
SLOWEST = 10
REASONS = 200
"""Reasons that are told apart; a hostile source could give a new one a row."""
DISTINCT = 200_000
"""Different texts that are told apart: more than that are too many to remember."""
_NUMBERS = re.compile(r"\d+(?:\.\d+)?")
_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"")


@dataclass(frozen=True, slots=True)
class Quartiles:
    """A quarter, a half and three quarters of the values, 0 to 100, are at or below these."""

    first: float
    median: float
    third: float


@dataclass(frozen=True, slots=True)
class DialectShare:
    """Cards of one dialect."""

    dialect: str
    cards: int
    share: float
    completeness: Quartiles | None


@dataclass(frozen=True, slots=True)
class CheckShare:
    """On how many of the cards that were read a check came out how."""

    code: str
    slug: str
    title: str
    severity: str
    failed: int
    share: float
    """`failed` of the cards that were read."""
    unknown: int
    passed: int
    not_applicable: int


@dataclass(frozen=True, slots=True)
class SlowCard:
    id: str
    place: str
    bytes: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Summary:
    """A sweep as a whole."""

    schema_version: int
    tool_version: str
    source: str
    options: Mapping[str, Any]
    rows: int
    read: int
    """Rows that held a card which could be read."""
    unread: int
    distinct: int
    """Different texts among the cards that were read; counted no further than `DISTINCT`."""
    with_failures: int
    """Cards on which at least one check failed."""
    with_problems: int
    """Cards with a place that could not be read, such as broken front matter."""
    errors: Mapping[str, int]
    """Rows by the reason for which they could not be read, most frequent first; numbers in a reason are N."""
    first_errors: tuple[str, ...]
    """The first rows that could not be read, each with its place and its own reason."""
    dialects: tuple[DialectShare, ...]
    makings: Mapping[str, int]
    """Cards by how their model came to be."""
    completeness: Quartiles | None
    missing: Mapping[str, int]
    """On how many cards a fact is missing that a regeneration needs."""
    unread_places: Mapping[str, int]
    """Places of cards that could not be read, by reason; numbers and quoted words of a reason are N and '...'."""
    checks: tuple[CheckShare, ...]
    """By share, largest first."""
    severities: Mapping[str, int]
    """Findings that failed, by severity."""
    seconds: float
    """Processor time of all cards together."""
    median_ms: float
    slowest: tuple[SlowCard, ...]


class _Spread:
    """Values counted at a fixed grain, so that a million take no more room than a thousand."""

    def __init__(self, grain: float) -> None:
        self._grain = grain
        self._counts: Counter[int] = Counter()

    def add(self, value: float) -> None:
        self._counts[round(value / self._grain)] += 1

    def at(self, share: float) -> float:
        wanted = share * self._counts.total()
        seen = 0
        for step in sorted(self._counts):
            seen += self._counts[step]
            if seen >= wanted:
                return round(step * self._grain, 6)
        return 0.0

    @property
    def quartiles(self) -> Quartiles | None:
        return Quartiles(self.at(0.25), self.at(0.5), self.at(0.75)) if self._counts else None


def summarise(
    cards: Path, findings: Path, checks: Sequence[Check], *, source: str, tool_version: str, options: Mapping[str, Any]
) -> Summary:
    """The summary of a sweep's two tables, in one pass over each."""
    outcomes: dict[str, Counter[str]] = {check.code: Counter() for check in checks}
    dialects: Counter[str] = Counter()
    makings: Counter[str] = Counter()
    missing: Counter[str] = Counter()
    by_dialect: dict[str, _Spread] = defaultdict(lambda: _Spread(1))
    complete, times = _Spread(1), _Spread(0.0001)
    errors: Counter[str] = Counter()
    first_errors: list[str] = []
    severities: Counter[str] = Counter()
    slowest: list[tuple[float, int, SlowCard]] = []
    texts: set[bytes] = set()
    rows = failing = troubled = 0
    seconds = 0.0
    names = ("info", "low", "medium", "high")
    columns = ["number", "id", "place", "error", "sha256", "dialect", "bytes", "seconds", "making",
               "completeness", "missing", "problems"]  # fmt: skip
    for batch in batches(cards, [*columns, *names, *outcomes]):
        for i in range(len(batch["id"])):
            rows += 1
            if error := batch["error"][i]:
                _count(errors, error)
                if len(first_errors) < SLOWEST:
                    first_errors.append(f"{batch['place'][i]}: {error}")
                continue
            dialects[batch["dialect"][i] or ""] += 1
            makings[batch["making"][i] or ""] += 1
            if len(texts) < DISTINCT:
                texts.add(bytes.fromhex(batch["sha256"][i])[:8])
            took = batch["seconds"][i]
            seconds += took
            times.add(took)
            troubled += batch["problems"][i] > 0
            missing.update(batch["missing"][i])
            for name in names:
                severities[name] += batch[name][i]
            failing += any(batch[name][i] for name in names)
            if (score := batch["completeness"][i]) is not None:
                complete.add(score)
                by_dialect[batch["dialect"][i] or ""].add(score)
            entry = (took, batch["number"][i], SlowCard(batch["id"][i], batch["place"][i], batch["bytes"][i], took))
            if len(slowest) < SLOWEST:
                heapq.heappush(slowest, entry)
            elif entry[0] > slowest[0][0]:
                heapq.heapreplace(slowest, entry)
        for code, counter in outcomes.items():
            counter.update(o for o in batch[code] if o is not None)
    read = dialects.total()

    def share(count: int) -> float:
        return round(count / read, 4) if read else 0.0

    shares = [
        CheckShare(
            c.code, c.slug, c.title, c.severity.value,
            failed=outcomes[c.code][Outcome.FAIL], share=share(outcomes[c.code][Outcome.FAIL]),
            unknown=outcomes[c.code][Outcome.UNKNOWN], passed=outcomes[c.code][Outcome.PASS],
            not_applicable=outcomes[c.code][Outcome.NOT_APPLICABLE],
        )
        for c in checks
    ]  # fmt: skip
    return Summary(
        schema_version=SCHEMA_VERSION,
        tool_version=tool_version,
        source=source,
        options=options,
        rows=rows,
        read=read,
        unread=rows - read,
        distinct=len(texts),
        with_failures=failing,
        with_problems=troubled,
        errors=_by_count(errors),
        first_errors=tuple(first_errors),
        dialects=tuple(
            DialectShare(name, count, share(count), by_dialect[name].quartiles if name in by_dialect else None)
            for name, count in sorted(dialects.items(), key=lambda item: (-item[1], item[0]))
        ),
        makings=_by_count(makings),
        completeness=complete.quartiles,
        missing=_by_count(missing),
        unread_places=_unread_places(findings),
        checks=tuple(sorted(shares, key=lambda s: (-s.failed, s.code))),
        severities={name: severities[name] for name in reversed(names)},
        seconds=round(seconds, 3),
        median_ms=round(times.at(0.5) * 1000, 3),
        slowest=tuple(card for _, _, card in sorted(slowest, key=lambda entry: (-entry[0], entry[1]))),
    )


def _count(reasons: Counter[str], words: str) -> None:
    reason = _NUMBERS.sub("N", _QUOTED.sub("'...'", words))
    reasons[reason if reason in reasons or len(reasons) < REASONS else "other reasons"] += 1


def _by_count(counts: Counter[str]) -> dict[str, int]:
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def _unread_places(findings: Path) -> dict[str, int]:
    reasons: Counter[str] = Counter()
    for batch in batches(findings, ["code", "message"]):
        for code, message in zip(batch["code"], batch["message"], strict=True):
            if code == UNREAD:
                _count(reasons, message)
    return _by_count(reasons)
