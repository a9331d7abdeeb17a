"""What a terminal shows: rich renderables of the spec, the plan, the ledger, the answer and a check."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from repro.card import Span
from repro.finding import NEEDS, Check
from repro.plan import Plan
from repro.render.palette import TERMINAL
from repro.render.plan_rows import CostRow, cost, training_kind, value_row
from repro.render.safe_text import clean, one_line
from repro.render.starts import scale_words
from repro.render.terminal_ledger import answer_view, ledger_view
from repro.render.terminal_prices import prices_view
from repro.render.words import ORIGINS, SEVERITIES, fact_text, plural
from repro.spec import AnyFact, Spec

__all__ = ["answer_view", "check_page", "clean", "ledger_view", "plan_view", "spec_view"]


AGAIN = "as above"
"""Stands for a reason that the row above gives in the same words."""


def spec_view(spec: Spec) -> RenderableType:
    """What the card says: facts, stages and claims, each with its line."""
    parts: list[RenderableType] = [
        Text.assemble(
            (one_line(spec.name), "bold"), f"  {one_line(spec.source)}", (f"  dialect {one_line(spec.dialect)}", "dim")
        )
    ]
    parts += [Text(), _facts(spec.facts, spec)]
    for stage in spec.stages:
        data = ", ".join(one_line(d.repo_id) for d in stage.datasets)
        if not data and stage in spec.trainings:  # a merge needs none
            data = "no data set named"
        base = one_line(fact_text(stage.base)) if stage.base.known else "a model that is not named"
        parts += [
            Text(),
            Text.assemble((f"Stage {one_line(stage.name)}", "bold"), f"  {one_line(stage.method)}"),
            Text(f"  from {base}" + (f" on {data}" if data else ""), style="dim"),
        ]
        parts.append(_facts(stage.facts, spec) if stage.facts else Text("  no parameter is given", style="dim"))
    parts += [Text(), Text.assemble((plural(len(spec.claims), "claim"), "bold"))]
    table = _grid("claim", "printed", "what it says", "line")
    for claim in spec.claims:
        printed = one_line(claim.printed) or "left open"
        table.add_row(
            Text(one_line(claim.id)), Text(printed, "bold"), Text(one_line(claim.text)), _where(claim.span, spec)
        )
    parts.append(table)
    parts += [
        Text.assemble(("could not read ", "yellow"), f"{one_line(str(p.span))}: {one_line(p.message)}")
        for p in spec.problems
    ]
    return Group(*parts)


def plan_view(plan: Plan) -> RenderableType:
    """The plan as a table that a person can argue with: every value, its origin, and where it is from or why."""
    title, text = scale_words(plan)
    parts: list[RenderableType] = [
        Text.assemble((f"{title}. ", "bold"), one_line(text)),
        Text(f"recipe: {one_line(plan.recipe) or 'none'}", style="dim"),
    ]
    spec = Spec("", "", "", "", (), (), (), ())
    for stage in plan.stages:
        data = ", ".join(one_line(d.repo_id) for d in stage.datasets) or "no data set named"
        parts += [
            Text(),
            Text.assemble(
                (one_line(stage.name), "bold"),
                f"  {one_line(training_kind(stage))} from {one_line(stage.base)} on {data}",
            ),
        ]
        table = _grid("key", "value", "origin", "where and why")
        before = ""
        for fact in stage.facts:
            row = value_row(fact, spec, ())
            why = " · ".join(one_line(part) for part in (row.place.label if row.place else "", row.why) if part)
            origin = Text(f"{row.word.mark} {row.word.label}", TERMINAL[row.word.tone])
            again = why == before and len(why) > len(AGAIN)
            reason = Text(AGAIN, "dim") if again else Text(why)
            table.add_row(Text(one_line(row.key)), Text(one_line(row.value), "bold"), origin, reason)
            before = why
        parts.append(table)
    if plan.scaled:
        parts += [Text(), Text("What was scaled", "bold")]
        table = _grid("stage", "quantity", "full scale", "here", "rule")
        for s in plan.scaled:
            table.add_row(*(Text(one_line(cell)) for cell in (s.stage, s.name, s.full, s.proxy, s.why)))
        parts.append(table)
    if plan.feasibility:
        parts += [Text(), Text("At full scale", "bold")]
        table = _grid("stage", "parameters", "weights", "training memory", "tokens", "device-hours", "how")
        for f in plan.feasibility:
            c = cost(f)
            cells = (c.stage, c.parameters, c.weights, c.memory, c.tokens, c.hours, c.how)
            table.add_row(*(Text(one_line(cell)) for cell in cells))
        parts.append(table)
        for f in plan.feasibility:
            parts += _memory(cost(f))
    if plan.prices is not None:
        parts += [Text(), prices_view(plan.prices)]
    for note in plan.notes:
        parts += [Text(), Text.assemble(("note ", "yellow"), one_line(note))]
    for command in plan.commands:
        parts += [
            Text(),
            Text(one_line(command.title), "bold"),
            Padding(Text(clean(command.text)), (0, 0, 0, 2), expand=False),
        ]
    parts += [Text(), _origins()]
    return Group(*parts)


def _memory(row: CostRow) -> list[RenderableType]:
    """What one device holds, part by part, and the cards that it takes."""
    if not row.parts:
        return []
    title = f"{one_line(row.stage)}: memory of a device, GB"
    parts: list[RenderableType] = [Text(), Text(title, "bold")]
    if row.modules:
        table = _grid("parameters in", "")
        for name, amount in row.modules:
            table.add_row(Text(one_line(name)), Text(amount, justify="right"))
        parts.append(table)
    table = _grid("part", "GB", "how")
    for name, amount, how in row.parts:
        table.add_row(Text(name), Text(amount, justify="right"), Text(how))
    return [*parts, table, Text(f"smallest sets that hold it: {row.fits}")]


def check_page(check: Check) -> RenderableType:
    """One check: what it asks, why, how to fix what it finds, and its sources."""
    severity = SEVERITIES[check.severity]
    head = Text.assemble(
        (check.code, "bold"), f"  {check.slug}  ", (severity.label, TERMINAL[severity.tone]), f"  {check.family.value}"
    )
    parts: list[RenderableType] = [head, Text(check.title, "bold")]
    for title, text in (("What", check.what), ("Why", check.why), ("Fix", check.fix)):
        parts += [Text(), Text(title, "bold"), Padding(Text(text), (0, 0, 0, 2), expand=False)]
    parts += [Text(), Text("Sources", "bold"), *(Padding(Text(s), (0, 0, 0, 2), expand=False) for s in check.sources)]
    needs = ", ".join(NEEDS.get(n, n) for n in check.needs)
    parts += [Text(), Text(f"reads {needs} · confidence of a finding: {check.confidence.value}", "dim")]
    return Group(*parts)


def _facts(facts: Iterable[AnyFact], spec: Spec) -> Table:
    table = _grid("key", "value", "origin", "line")
    for fact in facts:
        word = ORIGINS[fact.origin]
        value = one_line(fact_text(fact))
        table.add_row(
            Text(one_line(fact.key)),
            Text(value if len(value) <= 300 else value[:299] + "…", "bold"),
            Text(word.label, TERMINAL[word.tone]),
            _where(fact.span, spec),
        )
    return table


def _where(span: Span | None, spec: Spec) -> Text:
    if span is None:
        return Text()
    return Text(str(span.line) if span.source == spec.source else one_line(str(span)), "dim")


def _grid(*heads: str) -> Table:
    """A table whose last column takes the room that is left."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim", pad_edge=False)
    for number, head in enumerate(heads):
        last = number == len(heads) - 1
        table.add_column(head, overflow="fold", ratio=1 if last and head != "line" else None)
    return table


def _origins() -> Text:
    parts: list[str | tuple[str, str]] = []
    for word in ORIGINS.values():
        parts += [(f"{word.mark} {word.label} ", TERMINAL[word.tone]), (f"{word.meaning}   ", "dim")]
    return Text.assemble(*parts)
