"""What a full-scale run took otherwise than the card says, or on assumption: where a difference may come from."""

from __future__ import annotations

from repro.compare.case import Case
from repro.plan import StagePlan
from repro.spec import Claim, Origin, Stage

DECISIVE = ("learning_rate", "effective_batch_size", "num_epochs", "beta", "loss_type")
"""Parameters whose default, when the card does not state them, may well not be the author's: a curve regenerated
with an assumed one cannot contradict the card."""


def assumed(case: Case, claim: Claim) -> tuple[str, ...]:
    """Names of the decisive parameters that the run assumed or changed, in the claim's stage and those it starts
    from; empty when the run followed the card."""
    plan, planned = case.plan_run, case.stage_plan(claim)
    if plan is None or planned is None:
        return ()
    names: list[str] = []
    at: StagePlan | None = planned
    while at is not None:
        names += [n for n in _of_stage(at, case.spec.stage(at.name)) if n not in names]
        before = at.base.strip("<>") if at.base.startswith("<") else ""
        at = next((s for s in plan.stages if before and s.name == before and s is not at), None)
    return tuple(names)


def changed(case: Case, claim: Claim, keys: tuple[str, ...]) -> tuple[str, ...]:
    """Those of `keys` for which the run used another value than the card states."""
    planned, stage = case.stage_plan(claim), case.stage(claim)
    if planned is None or stage is None:
        return ()
    return tuple(k for k in keys if _differs(planned, stage, k))


def _of_stage(planned: StagePlan, stage: Stage | None) -> list[str]:
    names = []
    for key in DECISIVE:
        if key in {"beta", "loss_type"} and planned.method != "dpo":
            continue
        fact = planned.get(key)
        words = f"{planned.name} {key.replace('_', ' ')}"
        if key == "num_epochs" and planned.get("max_steps").origin in {Origin.STATED, Origin.FOUND}:
            continue
        if (fact.known and fact.origin is Origin.ASSUMED) or (stage is not None and _differs(planned, stage, key)):
            names.append(words)
    return names


def _differs(planned: StagePlan, stage: Stage, key: str) -> bool:
    used = planned.get(key)
    stated = {str(f.value) if isinstance(f.value, str) else f.value for f in stage.all(key) if f.known}
    return used.known and bool(stated) and used.value not in stated
