"""The terminal says each thing once: a reason that the row above gives is not repeated."""

from __future__ import annotations

import dataclasses

from rich.console import Console, RenderableType

from repro.render import terminal
from repro.report import Report
from repro.spec import Fact, Origin


def shown(view: RenderableType) -> str:
    console = Console(width=140, color_system=None, force_terminal=False, highlight=False)
    with console.capture() as capture:
        console.print(view)
    return capture.get()


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
