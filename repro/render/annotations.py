"""Findings as workflow commands, which GitHub Actions shows beside the lines of a change."""

from __future__ import annotations

from repro.checked import CheckedCard, CheckRun
from repro.finding import Finding, Severity
from repro.render.places import uri_beside
from repro.render.safe_text import one_line

LEVELS = {Severity.HIGH: "error", Severity.MEDIUM: "warning", Severity.LOW: "notice", Severity.INFO: "notice"}


def to_annotations(run: CheckRun) -> str:
    """One line a finding: `::error file=,line=,endLine=,col=,endColumn=,title=::message`.

    Source: docs.github.com, "Workflow commands for GitHub Actions"; escaping as actions/toolkit does in command.ts.
    """
    lines = [_finding(f, card) for card in run.cards for f in card.findings]
    for refused in run.refused:
        message = getattr(refused.error, "message", str(refused.error))
        lines.append(f"::error file={_property(refused.name)},title=not checked::{_data(message)}")
    for card in run.cards:
        for problem in (*card.report.spec.problems, *card.problems):
            uri = uri_beside(problem.span.source, card.report.spec.source, card.uri)
            place = f"file={_property(uri)},line={max(problem.span.line, 1)}"
            lines.append(f"::warning {place},title=repro::{_data(problem.message)}")
    for problem in run.problems:
        place = f"file={_property(problem.span.source)},line={max(problem.span.line, 1)}"
        lines.append(f"::warning {place},title=repro::{_data(problem.message)}")
    return "".join(f"{line}\n" for line in lines)


def _finding(finding: Finding, card: CheckedCard) -> str:
    span = next((s for s in finding.spans if s.source == card.report.spec.source and s.line), None)
    properties = [f"file={_property(card.uri)}"]
    if span is not None:
        properties += [f"line={span.line}", f"endLine={max(span.line, span.end_line)}"]
        # Columns are heeded only where a place does not run over the line's end.
        if span.column and span.end_line <= span.line:
            properties += [f"col={span.column}", f"endColumn={span.end_column}"]
    properties.append(f"title={_property(f'{finding.code} {finding.slug}')}")
    text = finding.message + (f"\nFix: {finding.fix}" if finding.fix else "")
    return f"::{LEVELS[finding.severity]} {','.join(properties)}::{_data(text)}"


def _data(text: str) -> str:
    kept = "\n".join(one_line(line) for line in text.split("\n"))
    return kept.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text.replace("\n", " ")).replace(":", "%3A").replace(",", "%2C")
