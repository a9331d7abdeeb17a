"""Findings and differing claims as SARIF 2.1.0, for editors and code-scanning services."""

from __future__ import annotations

import hashlib
import json
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import quote

from repro.card import Span
from repro.comparison import Comparison, Verdict
from repro.finding import Finding, Severity
from repro.render.ledger import claimed_text
from repro.render.places import card_lines
from repro.render.safe_text import clean, one_line
from repro.report import Report
from repro.spec import Claim

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"

LEVELS = {Severity.HIGH: "error", Severity.MEDIUM: "warning", Severity.LOW: "note", Severity.INFO: "note"}

CLAIM_RULE = "claim-differs"


def to_sarif(report: Report) -> str:
    """What failed and which claims differ, each with its region (OASIS SARIF 2.1.0).

    Checks that passed, that cannot tell or that do not apply are no results.
    """
    lines = card_lines(report.spec)
    differing = [
        (claim, comparison)
        for claim in report.spec.claims
        if (comparison := report.comparison(claim)) is not None and comparison.verdict is Verdict.DIFFERS
    ]
    failures = report.failures
    rules = _rules(failures, bool(differing))
    index = {rule["id"]: number for number, rule in enumerate(rules)}
    results = [_finding(f, index, report, lines) for f in failures]
    results += [_claim(claim, comparison, index, report, lines) for claim, comparison in differing]
    driver = {
        "name": "repro",
        "version": report.tool_version,
        "fullName": f"repro {report.tool_version}",
        "rules": rules,
    }
    run: dict[str, Any] = {
        "tool": {"driver": driver},
        "invocations": [{"executionSuccessful": True}],
        "artifacts": [{"location": _location(report.card_source), "hashes": {"sha-256": report.card_sha256}}],
        "columnKind": "unicodeCodePoints",
        "results": results,
    }
    return json.dumps({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}, indent=1, ensure_ascii=False) + "\n"


def _rules(failures: tuple[Finding, ...], claims: bool) -> list[dict[str, Any]]:
    rules: dict[str, dict[str, Any]] = {}
    for f in failures:
        rules.setdefault(
            f.code,
            {
                "id": f.code,
                "name": f.slug,
                "shortDescription": {"text": f.title},
                "help": {"text": f.fix or f"repro explain {f.code} says what this asks and how to fix it."},
                "defaultConfiguration": {"level": LEVELS[f.severity]},
                "properties": {"tags": [f.family.value], "precision": f.confidence.value},
            },
        )
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


def _finding(f: Finding, index: dict[str, int], report: Report, lines: tuple[str, ...]) -> dict[str, Any]:
    text = f"{f.message} Fix: {f.fix}" if f.fix else f.message
    return _result(f.code, LEVELS[f.severity], text, f.spans, index, report, lines)


def _claim(
    claim: Claim, comparison: Comparison, index: dict[str, int], report: Report, lines: tuple[str, ...]
) -> dict[str, Any]:
    text = f"{claim.text}: the card says {claimed_text(claim, comparison)}. {comparison.why}"
    return _result(CLAIM_RULE, "error", text, (claim.span,), index, report, lines)


def _result(
    rule: str,
    level: str,
    text: str,
    spans: tuple[Span, ...],
    index: dict[str, int],
    report: Report,
    lines: tuple[str, ...],
) -> dict[str, Any]:
    whole = Span(report.card_source, 0, 0)
    places = [_place(span, report, lines) for span in spans or (whole,)]
    # The lines' text, not their numbers: a finding stays the same one when the card grows above it.
    quoted = "\n".join(lines[s.line - 1] if 0 < s.line <= len(lines) else "" for s in spans)
    print_of = hashlib.sha256(f"{rule}\n{quoted}".encode("utf-8", "replace")).hexdigest()[:32]
    return {
        "ruleId": rule,
        "ruleIndex": index[rule],
        "level": level,
        "kind": "fail",
        "message": {"text": one_line(text)},
        "locations": places[:1],
        "relatedLocations": [{"id": number, **place} for number, place in enumerate(places[1:], start=1)],
        "partialFingerprints": {"ruleAndLines/v1": print_of},
    }


def _place(span: Span, report: Report, lines: tuple[str, ...]) -> dict[str, Any]:
    own = span.source in {report.spec.source, report.card_source}
    place: dict[str, Any] = {"artifactLocation": _location(report.card_source if own else span.source)}
    if span.line > 0:
        region: dict[str, Any] = {"startLine": span.line, "endLine": max(span.line, span.end_line)}
        if span.column > 0 and span.end_column > 0:
            # Spans include their last column; SARIF's endColumn is the one after it.
            region |= {"startColumn": span.column, "endColumn": span.end_column + 1}
        if own and span.line <= len(lines):
            region["snippet"] = {"text": clean("\n".join(lines[span.line - 1 : max(span.line, span.end_line)]))}
        place["region"] = region
    return {"physicalLocation": place}


def _location(source: str) -> dict[str, Any]:
    path = source.replace("\\", "/")
    if path.startswith("/"):
        return {"uri": f"file://{quote(path)}"}
    return {"uri": quote(str(PurePosixPath(path)), safe="/"), "uriBaseId": "%SRCROOT%"}
