"""Findings and differing claims as SARIF 2.1.0, for editors and code-scanning services."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import quote

from repro.card import Span
from repro.checked import CheckRun
from repro.comparison import Comparison, Verdict
from repro.finding import Check, Finding, Severity
from repro.render.ledger import claimed_text
from repro.render.places import card_lines, uri_beside
from repro.render.safe_text import clean, one_line
from repro.report import Report
from repro.spec import Claim

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"

LEVELS = {Severity.HIGH: "error", Severity.MEDIUM: "warning", Severity.LOW: "note", Severity.INFO: "note"}

CLAIM_RULE = "claim-differs"
MOST_QUOTED = 4000
"""Characters of one place that are repeated: a hostile card is ten megabytes in one line that many findings quote."""

Json = dict[str, Any]


def to_sarif(report: Report) -> str:
    """What failed and which claims differ, each with its region (OASIS SARIF 2.1.0).

    Checks that passed, that cannot tell or that do not apply are no results.
    """
    differing = [
        (claim, comparison)
        for claim in report.spec.claims
        if (comparison := report.comparison(claim)) is not None and comparison.verdict is Verdict.DIFFERS
    ]
    log = _Log(_rules(report.failures, (), bool(differing)))
    place = _Place(report, report.card_source)
    log.artifact(place)
    for finding in report.failures:
        log.finding(finding, place)
    for claim, comparison in differing:
        log.claim(claim, comparison, place)
    return log.text(report.tool_version, successful=True, notifications=[])


def cards_to_sarif(run: CheckRun) -> str:
    """The findings of every card of a check, in one run; those that somebody ignores are suppressed results."""
    shown = [f for card in run.cards for f in card.findings]
    ignored = [f for card in run.cards for f, _ in card.ignored]
    log = _Log(_rules([*shown, *ignored], run.checks, False))
    for card in run.cards:
        place = _Place(card.report, card.uri)
        log.artifact(place)
        for finding in card.findings:
            log.finding(finding, place)
        for finding, own in card.ignored:
            log.finding(finding, place, kind="inSource" if own else "external")
    notifications = [_notification("error", getattr(r.error, "message", str(r.error)), r.name, 0) for r in run.refused]
    for card in run.cards:
        for problem in (*card.report.spec.problems, *card.problems):
            uri = uri_beside(problem.span.source, card.report.spec.source, card.uri)
            notifications.append(_notification("warning", problem.message, uri, problem.span.line))
    for problem in run.problems:
        notifications.append(_notification("warning", problem.message, problem.span.source, problem.span.line))
    return log.text(run.tool_version, successful=not run.refused, notifications=notifications)


class _Place:
    """One card, as locations name it."""

    def __init__(self, report: Report, uri: str) -> None:
        self.report = report
        self.uri = uri
        self.lines = card_lines(report.spec)

    def of(self, span: Span) -> Json:
        own = span.source in {self.report.spec.source, self.report.card_source}
        uri = self.uri if own else uri_beside(span.source, self.report.spec.source, self.uri)
        place: Json = {"artifactLocation": _location(uri)}
        if span.line > 0:
            last = max(span.line, span.end_line)
            region: Json = {"startLine": span.line, "endLine": last}
            if span.column > 0 and span.end_column > 0:
                # Spans include their last column; SARIF's endColumn is the one after it.
                region["startColumn"] = self._units(span.line, span.column - 1) + 1
                region["endColumn"] = self._units(last, span.end_column) + 1
            quoted = self.lines[span.line - 1 : last] if own else ()
            if quoted and sum(map(len, quoted)) <= MOST_QUOTED:
                region["snippet"] = {"text": clean("\n".join(quoted))}
            place["region"] = region
        return {"physicalLocation": place}

    def _units(self, line: int, characters: int) -> int:
        """How many UTF-16 code units the first characters of a line are: GitHub and editors count columns so."""
        if line > len(self.lines):
            return characters
        before = self.lines[line - 1][:characters]
        return len(before.encode("utf-16-le", "surrogatepass")) // 2 + characters - len(before)

    def quoted(self, spans: Iterable[Span]) -> str:
        lines, card = self.lines, {self.report.spec.source, self.report.card_source}
        own = (s.line if s.source in card and 0 < s.line <= len(lines) else 0 for s in spans)
        return "\n".join(lines[line - 1][:MOST_QUOTED] if line else "" for line in own)


class _Log:
    """A SARIF log of one run, as it grows."""

    def __init__(self, rules: list[Json]) -> None:
        self._rules = rules
        self._index = {rule["id"]: number for number, rule in enumerate(rules)}
        self._results: list[Json] = []
        self._artifacts: list[Json] = []
        self._seen: dict[str, int] = {}

    def artifact(self, place: _Place) -> None:
        hashes = {"sha-256": place.report.card_sha256}
        self._artifacts.append({"location": _location(place.uri), "hashes": hashes})

    def finding(self, f: Finding, place: _Place, *, kind: str = "") -> None:
        text = f"{f.message} Fix: {f.fix}" if f.fix else f.message
        result = self._result(f.code, LEVELS[f.severity], text, f.spans, place)
        if kind:
            result["suppressions"] = [{"kind": kind, "status": "accepted", "justification": one_line(f.ignored)}]

    def claim(self, claim: Claim, comparison: Comparison, place: _Place) -> None:
        text = f"{claim.text}: the card says {claimed_text(claim, comparison)}. {comparison.why}"
        self._result(CLAIM_RULE, "error", text, (claim.span,), place)

    def _result(self, rule: str, level: str, text: str, spans: tuple[Span, ...], place: _Place) -> Json:
        # What is about the card as a whole stands on its first line: code scanning shows no result without a region.
        whole = Span(place.report.card_source, 1, 1)
        places = [place.of(span) for span in spans or (whole,)]
        # The lines' text, not their numbers: a finding stays the same one when the card grows above it.
        print_of = f"{rule}\n{place.uri}\n{place.quoted(spans)}"
        self._seen[print_of] = self._seen.get(print_of, 0) + 1
        digest = hashlib.sha256(print_of.encode("utf-8", "replace")).hexdigest()[:32]
        result: Json = {
            "ruleId": rule,
            "ruleIndex": self._index[rule],
            "level": level,
            "kind": "fail",
            "message": {"text": one_line(text)},
            "locations": places[:1],
            "relatedLocations": [{"id": number, **p} for number, p in enumerate(places[1:], start=1)],
            "partialFingerprints": {"ruleAndLines/v1": f"{digest}:{self._seen[print_of]}"},
        }
        self._results.append(result)
        return result

    def text(self, version: str, *, successful: bool, notifications: list[Json]) -> str:
        invocation: Json = {"executionSuccessful": successful}
        if notifications:
            invocation["toolExecutionNotifications"] = notifications
        run: Json = {
            "tool": {
                "driver": {
                    "name": "repro",
                    "version": version,
                    "semanticVersion": version,
                    "fullName": f"repro {version}",
                    "rules": self._rules,
                }
            },
            "invocations": [invocation],
            "artifacts": self._artifacts,
            "columnKind": "utf16CodeUnits",
            "results": self._results,
        }
        return json.dumps({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}, indent=1, ensure_ascii=False) + "\n"


def _rules(findings: Iterable[Finding], checks: Iterable[Check], claims: bool) -> list[Json]:
    pages = {check.code: check for check in checks}
    rules: dict[str, Json] = {}
    for f in findings:
        if f.code not in rules:
            rules[f.code] = _rule(f, pages.get(f.code))
    if claims:
        rules[CLAIM_RULE] = {
            "id": CLAIM_RULE,
            "name": CLAIM_RULE,
            "shortDescription": {"text": "A claim of the card differs from the evidence"},
            "help": {"text": "Correct the claim, or publish what it was measured with."},
            "defaultConfiguration": {"level": "error"},
            "properties": {"tags": ["claim"], "precision": "high"},
        }
    return [rules[key] for key in sorted(rules)]


def _rule(f: Finding, check: Check | None) -> Json:
    rule: Json = {
        "id": f.code,
        "name": f.slug,
        "shortDescription": {"text": f.title},
        "help": {"text": f.fix or f"repro explain {f.code} says what this asks and how to fix it."},
        "defaultConfiguration": {"level": LEVELS[f.severity]},
        "properties": {"tags": [f.family.value], "precision": "low" if f.confidence is Severity.INFO else f.confidence},
    }
    if check is not None:
        sources = "\n".join(f"- {source}" for source in check.sources)
        rule["fullDescription"] = {"text": check.what}
        rule["help"] = {
            "text": f"{check.what}\n\nWhy: {check.why}\n\nFix: {check.fix}\n\nSources:\n{sources}",
            "markdown": f"{check.what}\n\n**Why.** {check.why}\n\n**Fix.** {check.fix}\n\n**Sources**\n\n{sources}\n",
        }
        address = next((w for s in check.sources for w in s.split() if w.startswith("https://")), "")
        if address:
            rule["helpUri"] = address.rstrip(".,;)")
    return rule


def _notification(level: str, text: str, source: str, line: int) -> Json:
    place: Json = {"artifactLocation": _location(source)}
    if line > 0:
        place["region"] = {"startLine": line}
    return {"level": level, "message": {"text": one_line(text)}, "locations": [{"physicalLocation": place}]}


def _location(source: str) -> Json:
    path = source.replace("\\", "/")
    if path.startswith("/"):
        return {"uri": f"file://{quote(path, errors='replace')}"}
    name = quote(str(PurePosixPath(path)), safe="/", errors="replace")
    return {"uri": name, "uriBaseId": "%SRCROOT%"}
