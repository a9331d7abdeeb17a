"""The JSON of `repro check`: a versioned form of its own, so that programs need not know the inside of this one."""

from __future__ import annotations

import json
from typing import Any

from repro.card import Problem, Span
from repro.checked import CheckedCard, CheckRun, Refused
from repro.completeness import Completeness
from repro.finding import Edit, Finding, Outcome, Persona, Severity
from repro.report import plain_json

CHECK_SCHEMA_VERSION = 1
"""Grows when a reader of older output would misread a newer one; new keys alone do not make it grow."""


def to_check_json(run: CheckRun) -> str:
    """Every card with its findings, in the order in which they were named; `check_json_schema` says what is where."""
    value = {
        "schema_version": CHECK_SCHEMA_VERSION,
        "kind": "check",
        "tool": {"name": "repro", "version": run.tool_version},
        "cards": [_card(card) for card in run.cards],
        "not_checked": [_refused(refused) for refused in run.refused],
        "problems": [_problem(problem) for problem in run.problems],
    }
    text = json.dumps(value, indent=1, ensure_ascii=False)
    return plain_json(text.encode("utf-8", "replace").decode("utf-8")) + "\n"  # a path need not be UTF-8


def _card(card: CheckedCard) -> dict[str, Any]:
    report = card.report
    passed = sum(f.outcome is Outcome.PASS for f in report.findings)
    return {
        "path": report.spec.source,
        "uri": card.uri,
        "name": report.card_name,
        "sha256": report.card_sha256,
        "model": report.spec.model_id,
        "dialect": report.spec.dialect,
        "persona": card.reader.persona.value,
        "fails": card.fails,
        "findings": [_finding(f) for f in card.findings],
        "cannot_tell": [_finding(f) for f in card.unknown],
        "ignored": [
            {**_finding(f), "reason": f.ignored, "ignored_by": "card" if own else "configuration"}
            for f, own in card.ignored
        ],
        "not_shown": card.num_hidden,
        "passed": passed,
        "completeness": _completeness(report.completeness),
        "unreadable": [_problem(p) for p in report.spec.problems],
        "problems": [_problem(p) for p in card.problems],
    }


def _finding(finding: Finding) -> dict[str, Any]:
    return {
        "code": finding.code,
        "slug": finding.slug,
        "title": finding.title,
        "family": finding.family.value,
        "severity": finding.severity.value,
        "confidence": finding.confidence.value,
        "persona": finding.persona.value,
        "outcome": finding.outcome.value,
        "message": finding.message,
        "fix": finding.fix,
        "places": [_span(span) for span in finding.spans],
        "claims": list(finding.claims),
        "edits": [_edit(edit) for edit in finding.edits],
    }


def _completeness(found: Completeness | None) -> dict[str, Any] | None:
    if found is None:
        return None
    return {
        "score": found.score,
        "making": found.making.value,
        "told": found.told,
        "asked": found.asked,
        "gaps": [
            {
                "key": gap.key,
                "label": gap.label,
                "stage": gap.stage,
                "points": gap.points,
                "place": _span(gap.span),
                "where": gap.where,
                "why": gap.why,
                "assumed": gap.assumed,
            }
            for gap in found.gaps
        ],
    }


def _span(span: Span) -> dict[str, Any]:
    return {
        "path": span.source,
        "line": span.line,
        "end_line": max(span.line, span.end_line),
        "column": span.column,
        "end_column": span.end_column,
    }


def _edit(edit: Edit) -> dict[str, Any]:
    return {
        "line": edit.line,
        "column": edit.column,
        "end_column": edit.end_column,
        "old": edit.old,
        "new": edit.new,
    }


def _problem(problem: Problem) -> dict[str, Any]:
    return {"place": _span(problem.span), "message": problem.message}


def _refused(refused: Refused) -> dict[str, Any]:
    error = refused.error
    return {
        "path": refused.name,
        "message": getattr(error, "message", "") or f"a bug: {type(error).__name__}: {error}",
        "hint": getattr(error, "hint", ""),
        "exit_code": getattr(error, "exit_code", 1),
    }


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties)}


def check_json_schema() -> dict[str, Any]:
    """JSON Schema of `repro check --format json`. Lines and columns count from 1, both ends included; a column of 0
    is the whole line, a line of 0 the whole file."""
    text: dict[str, Any] = {"type": "string"}
    count: dict[str, Any] = {"type": "integer", "minimum": 0}
    place = {"$ref": "#/$defs/place"}
    finding = {"$ref": "#/$defs/finding"}
    problem = {"$ref": "#/$defs/problem"}

    def every(item: dict[str, Any]) -> dict[str, Any]:
        return {"type": "array", "items": item}

    found = {
        "code": {"type": "string", "pattern": "^R[1-7][0-9]{2}$"},
        "slug": text,
        "title": text,
        "family": text,
        "severity": {"enum": [s.value for s in Severity]},
        "confidence": {"enum": [s.value for s in Severity]},
        "persona": {"enum": [p.value for p in Persona]},
        "outcome": {"enum": [o.value for o in Outcome]},
        "message": text,
        "fix": text,
        "places": every(place),
        "claims": every(text),
        "edits": every(
            _object({"line": count, "column": count, "end_column": count, "old": text, "new": text}),
        ),
    }
    gap = dict.fromkeys(("key", "label", "stage", "where", "why", "assumed"), text)
    completeness = _object(
        {
            "score": {"type": ["integer", "null"], "minimum": 0, "maximum": 100},
            "making": text,
            "told": count,
            "asked": count,
            "gaps": every(_object({**gap, "points": {"type": "number"}, "place": place})),
        }
    )
    card = {
        "path": text,
        "uri": text,
        "name": text,
        "sha256": {"type": "string", "pattern": "^[0-9a-f]{64}$"},
        "model": text,
        "dialect": text,
        "persona": {"enum": [p.value for p in Persona]},
        "fails": {"type": "boolean"},
        "findings": every(finding),
        "cannot_tell": every(finding),
        "ignored": every(
            {
                "allOf": [
                    finding,
                    _object({"reason": {**text, "minLength": 1}, "ignored_by": {"enum": ["card", "configuration"]}}),
                ]
            }
        ),
        "not_shown": count,
        "passed": count,
        "completeness": {"anyOf": [{"type": "null"}, completeness]},
        "unreadable": every(problem),
        "problems": every(problem),
    }
    refused = _object({"path": text, "message": {**text, "minLength": 1}, "hint": text, "exit_code": count})
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"repro check, schema version {CHECK_SCHEMA_VERSION}",
        **_object(
            {
                "schema_version": {"const": CHECK_SCHEMA_VERSION},
                "kind": {"const": "check"},
                "tool": _object({"name": {"const": "repro"}, "version": text}),
                "cards": every(_object(card)),
                "not_checked": every(refused),
                "problems": every(problem),
            }
        ),
        "$defs": {
            "place": _object({"path": text, "line": count, "end_line": count, "column": count, "end_column": count}),
            "finding": _object(found),
            "problem": _object({"place": place, "message": text}),
        },
    }
