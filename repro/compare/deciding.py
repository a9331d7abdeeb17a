"""What decides each claim of a card: arithmetic and artefacts that have, and how far a run must go for the rest."""

from __future__ import annotations

import math
from collections.abc import Collection
from statistics import NormalDist

from repro.compare.case import Case
from repro.compare.comparer import compare, finite
from repro.compare.margins import margin_of
from repro.compare.overrides import assumed
from repro.compare.parents import regenerated_parents, unproven_parents
from repro.compare.prediction import horizon
from repro.compare.stats import FAMILY_ERROR
from repro.comparison import Comparison, Verdict
from repro.evidence import Evidence
from repro.need import By, Need
from repro.plan import Plan, StagePlan
from repro.spec import Claim, ClaimKind, Spec

DECIDED = frozenset({Verdict.CONSISTENT, Verdict.DIFFERS})
"""What a comparison without a run ends in where something decides it."""


def needs_of(spec: Spec, evidence: Evidence, plan: Plan, tasks: Collection[str] = ()) -> tuple[Need, ...]:
    """What decides each claim, in the card's order, by what is known without a run. Needs no scipy and no numpy.

    `tasks` are the names of the tasks that this version scores.
    """
    case = Case(finite(spec), evidence, plan, None, ())
    pairs = zip(case.spec.claims, compare(spec, evidence, plan, None, ()), strict=True)
    found = [_need(case, claim, known, frozenset(tasks)) for claim, known in pairs]
    return tuple(_with_outcome(case, need, sum(n.by is By.STEPS for n in found)) for need in found)


def _need(case: Case, claim: Claim, known: Comparison, tasks: frozenset[str]) -> Need:
    if claim.unstated or known.verdict is Verdict.UNSTATED:
        return Need(
            claim.id, By.OPEN, "The card leaves it open: there is nothing to decide, a run only offers a figure."
        )
    if known.verdict in DECIDED:
        kind = known.evidence_kind or known.method
        return Need(
            claim.id, By.NOTHING, f"Decided without a run ({known.verdict.value.lower()}, by {kind}): {known.why}"
        )
    if claim.kind is ClaimKind.LOSS:
        return _loss(case, claim, known)
    if claim.kind is ClaimKind.EVAL:
        return _score(case, claim, known, tasks)
    if claim.kind is ClaimKind.STEPS and claim.number is not None:
        return _count(case, claim, known)
    if known.verdict is Verdict.UNTESTED and claim.kind is not ClaimKind.USAGE and not case.evidence.repos:
        more = "" if claim.kind is ClaimKind.IDENTITY else "; a run only uses it and tests no parameter by itself"
        why = f"An artefact outside the card may say, and nothing was looked up: repro plan --source hub{more}."
        return Need(claim.id, By.LOOK_UP, why)
    return Need(claim.id, By.NO_RUN, _no_run(known))


def _loss(case: Case, claim: Claim, known: Comparison) -> Need:
    planned = case.stage_plan(claim)
    if planned is None:
        return Need(claim.id, By.NO_RUN, f"Its stage ({claim.stage or 'not named'}) is not in this plan.")
    step = step_of(claim, planned, planned.expected_steps)
    open_window = next((c.why for c in claim.conditions if c.key == "window" and not c.known), "")
    if claim.number is None or claim.split != "train" or step is None or open_window or known.method != "none":
        why = f"Over how many steps it is a mean is not known ({open_window})." if open_window else _no_run(known)
        if step is None and claim.split == "train" and claim.number is not None:
            why = "The claim names no step at which a regenerated curve could be read."
        return Need(claim.id, By.NO_RUN, why)
    total = planned.expected_steps
    if total is not None and step > total:
        return Need(claim.id, By.NO_RUN, f"The plan takes {total:,} steps and the claim is of step {step:,}.")
    last = horizon(step, claim.window)
    return Need(claim.id, By.STEPS, "", planned.name, step, min(last, total) if total is not None else last)


def step_of(claim: Claim, planned: StagePlan, total_steps: int | None) -> int | None:
    """The optimizer step that a claim is of, in a stage of so many; None where it names neither step nor epoch."""
    if claim.step is not None or claim.epoch is None or total_steps is None:
        return claim.step
    epochs = planned.hyperparameters.num_epochs
    return max(1, round(claim.epoch / epochs * total_steps)) if epochs > 0 else None


def _score(case: Case, claim: Claim, known: Comparison, tasks: frozenset[str]) -> Need:
    if claim.number is None:
        return Need(claim.id, By.NO_RUN, _no_run(known))
    task = "".join(c for c in claim.task.casefold() if c.isalnum())
    if task not in {"".join(c for c in t.casefold() if c.isalnum()) for t in tasks}:
        own = " and ".join(sorted(tasks)) or "none"
        why = f"This version scores {own}, not {claim.task or 'what the claim names'}: it takes the card's own harness."
        return Need(claim.id, By.NO_RUN, why)
    stated = {c.key for c in claim.conditions if c.known}
    lacking = [key for key in ("harness", "harness_version") if key not in stated]
    if lacking:
        words = " and ".join(key.replace("_", " ") for key in lacking)
        return Need(claim.id, By.NO_RUN, f"The card does not state the {words}, so no score could be held against it.")
    name = claim.stage or (case.spec.stages[-1].name if case.spec.stages else "")
    if case.plan is None or case.plan.stage(name) is None:
        return Need(claim.id, By.NO_RUN, f"Its stage ({name or 'not named'}) is not in this plan.")
    why = "The published model re-scored, and the stage regenerated to its end and scored on the same questions."
    return Need(claim.id, By.SCORES, why, name)


def _count(case: Case, claim: Claim, known: Comparison) -> Need:
    planned = case.stage_plan(claim)
    if planned is None or planned.hyperparameters.max_steps is not None:
        told = "the plan is given its number of steps" if planned is not None else "its stage is not in this plan"
        return Need(claim.id, By.NO_RUN, f"{known.why} No run counts it: {told}.")
    return Need(claim.id, By.STAGE, f"{known.why} A whole run counts its steps.", planned.name)


def _no_run(known: Comparison) -> str:
    needs = f" To decide: {known.needs}." if known.needs else ""
    return f"{known.why}{needs}"


def _with_outcome(case: Case, need: Need, family: int) -> Need:
    """For a prefix: what a run of it can say, by the margin and the noise that would still allow it."""
    claim = next(c for c in case.spec.claims if c.id == need.claim)
    if need.by is not By.STEPS or claim.number is None:
        return need
    reads = f"Steps up to {need.last_step:,} are read: {need.step:,} and those after it that tell its noise."
    why = f"{reads} {_difference(case, claim)} {_agreement(case, claim, family)}"
    return Need(need.claim, need.by, why, need.stage, need.step, need.last_step)


def _difference(case: Case, claim: Claim) -> str:
    guesses = assumed(case, claim)
    own = [g for g in guesses if g.startswith(f"{claim.stage} ")]
    if own:
        return f"A difference would stay open: the run assumes or changes {_few(own)}."
    parents = regenerated_parents(case, claim)
    if guesses:
        given = f"the run assumes or changes {_few(guesses)}"
        return f"From the published parent it can be found to differ; from the chain that would stay open: {given}."
    if unproven_parents(case, claim, {}) and not _stated(case, parents):
        which = " and ".join(parents)
        return (
            "From the published parent it can be found to differ; from the chain that would stay open: the card states "
            f"no training loss of {which} by which its regenerated model could be shown to be the card's."
        )
    return "It can be found to differ."


def _stated(case: Case, stages: tuple[str, ...]) -> bool:
    losses = [c for c in case.spec.claims if c.kind is ClaimKind.LOSS and c.split == "train" and not c.unstated]
    return all(any(c.stage == name for c in losses) for name in stages)


def _few(names: Collection[str]) -> str:
    listed = list(names)
    return ", ".join(listed[:3]) + (f" and {len(listed) - 3} more" if len(listed) > 3 else "")


def _agreement(case: Case, claim: Claim, family: int) -> str:
    margin, runs = margin_of(claim, case.spec), len(case.plan.seeds) if case.plan is not None else 1
    if margin.value is None or claim.number is None:
        return f"It cannot be called reproduced ({margin.why})."
    if runs > 1:
        return f"It can be called reproduced where {runs} runs agree within {margin.value:.4f}."
    rounding = claim.number.interval.half_width
    if rounding >= margin.value:
        return f"It cannot be called reproduced: its rounding alone exceeds the margin of {margin.value:.4f}."
    quantile = NormalDist().inv_cdf(1 - FAMILY_ERROR / max(1, family) / 2)
    most = (margin.value - rounding) / (quantile * math.sqrt(1 + 2 / claim.window))
    formula = f"(margin {margin.value:.4f} - rounding {rounding:.4g}) / ({quantile:.2f} x sqrt(1 + 2 / {claim.window}))"
    return f"By one run it can be called reproduced where single steps scatter by at most {formula} = {most:.4f}."
