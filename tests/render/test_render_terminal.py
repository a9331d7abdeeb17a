"""The terminal says each thing once: equal reasons are not repeated, checks that lack the same thing share a line."""

from __future__ import annotations

import dataclasses

from rich.console import Console, RenderableType

from repro.finding import Family, Finding, Outcome, Severity
from repro.render import terminal
from repro.report import Report
from repro.spec import Fact, Origin


def shown(view: RenderableType) -> str:
    console = Console(width=140, color_system=None, force_terminal=False, highlight=False)
    with console.capture() as capture:
        console.print(view)
    return capture.get()


def _unknown(code: str, message: str) -> Finding:
    return Finding(
        code, code.lower(), "title", Family.TEMPLATE, Severity.LOW, Severity.HIGH, Outcome.UNKNOWN, message
    )  # fmt: skip


def test_checks_that_cannot_tell_for_one_reason_share_a_line(check_report: Report) -> None:
    findings = (
        _unknown("R302", "It was not looked at."),
        _unknown("R305", "No."),
        _unknown("R307", "It was not looked at."),
    )
    text = shown(terminal.findings_view(findings, check_report.spec))
    assert text.count("It was not looked at.") == 1
    assert "R302 R307" in text
    assert "3 cannot tell" in text


def test_a_reason_that_the_row_above_gives_is_not_repeated(full_report: Report) -> None:
    plan = full_report.plan
    assert plan is not None
    why = "the default of a framework at a commit"
    facts = tuple(Fact(key, 1, Origin.ASSUMED, why=why) for key in ("seed", "logging_steps"))
    other = Fact("beta", 5, Origin.DERIVED, why="a formula of its own")
    stage = dataclasses.replace(plan.stages[0], facts=(*facts, other, dataclasses.replace(facts[0], key="data_seed")))
    text = shown(terminal.plan_view(dataclasses.replace(plan, stages=(stage,))))
    rows = {line.split()[0]: line for line in text.splitlines() if line.strip()}
    assert [terminal.AGAIN in rows[key] for key in ("seed", "logging_steps", "beta", "data_seed")] == [
        False,
        True,
        False,
        False,
    ]
    assert why in rows["seed"]
    assert why in rows["data_seed"]
