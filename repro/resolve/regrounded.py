"""A plan that was run, beside what is known now: which of its values were found since, and which found otherwise."""

from __future__ import annotations

from dataclasses import replace

from repro.plan import Plan, StagePlan
from repro.resolve.values import same, show
from repro.spec import AnyFact, Origin

GIVEN = "given by --assume"


def reground(plan: Plan, newer: Plan) -> tuple[Plan, tuple[str, ...]]:
    """The plan with the same values, those that `newer` found marked as found; and a sentence for what this changes.

    `newer` is the same card's plan by later evidence. No value of the plan changes: it is what was run. A value that
    the user gave stays the user's.
    """
    stages: list[StagePlan] = []
    notes: list[str] = []
    for stage in plan.stages:
        later = newer.stage(stage.name)
        confirmed: list[AnyFact] = []
        facts: list[AnyFact] = []
        for fact in stage.facts:
            found = later.get(fact.key) if later is not None else fact
            guessed = fact.origin is Origin.ASSUMED and not fact.why.startswith(GIVEN)
            if guessed and found.origin is Origin.FOUND and same(fact.value, found.value):
                confirmed.append(found)
                facts.append(found)
                continue
            facts.append(fact)
            if guessed and found.origin is Origin.FOUND:
                notes.append(
                    f"{stage.name}: the run assumed {fact.key} {show(fact.value)}, and {found.span or found.why} says "
                    f"{found.printed or show(found.value)}: run it again with --source to follow that."
                )
        if confirmed:
            where = next((f.span.source for f in confirmed if f.span is not None), "an artefact")
            keys = ", ".join(f.key for f in confirmed)
            notes.append(f"{stage.name}: what the run assumed for {keys} has been found to be so ({where}).")
        stages.append(replace(stage, facts=tuple(facts)))
    return replace(plan, stages=tuple(stages)), tuple(notes)
