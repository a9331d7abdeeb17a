"""What a terminal shows of a study of the values that a card leaves open."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from repro.plan import Plan
from repro.render.sensitivity_rows import advice, how, sensitivity_rows, unmeasured_rows
from repro.render.terminal import plan_view
from repro.sensitivity import Sensitivity


def plan_and_study(plan: Plan, found: Sensitivity) -> RenderableType:
    """The plan, and what was learned of its assumed values."""
    return Group(plan_view(plan), view(found))


def view(found: Sensitivity) -> RenderableType:
    """The holes, ranked, and those of which nothing could be shown."""
    parts: list[RenderableType] = [
        Text(),
        Text("What the card leaves open, by how far it moves the claimed losses", "bold"),
        Text(advice(found)),
    ]
    table = _grid("hole", "assumed", "instead", "noise units", "moves the loss by", "who would choose it")
    for row in sensitivity_rows(found):
        cells = [Text(cell) for cell in (row.hole, row.assumed, row.alternative, row.noise_units, row.moved, row.why)]
        cells[0].stylize("bold")
        cells[3].stylize("bold yellow" if row.clear else "dim")
        table.add_row(*cells)
    parts.append(table)
    silent = unmeasured_rows(found)
    if silent:
        table = _grid("not shown by the stand-in", "assumed", "why")
        for row in silent:
            table.add_row(Text(row.hole), Text(row.assumed), Text(row.why))
        parts += [Text(), table]
    parts += [Text(), Text(how(found), "dim")]
    return Group(*parts)


def _grid(*headers: str) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for header in headers:
        table.add_column(header, overflow="fold")
    return table
