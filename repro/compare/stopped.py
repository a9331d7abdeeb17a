"""Claims that a run never reached because it was ended early, and how far a claim must be trained to be judged."""

from __future__ import annotations

from repro.compare.case import Case
from repro.compare.prediction import horizon
from repro.run import StageRun, Stop
from repro.spec import Claim

AGAIN = "the same run without --stop-when-decided: it goes on from where it was stopped"


def last_needed(claim: Claim, step: int, total_steps: int) -> int:
    """The last step that the comparison of a loss at `step` reads in a run of so many steps."""
    return min(horizon(step, min(claim.window, step)), total_steps)


def step_in(claim: Claim, running: StageRun) -> int | None:
    """The step that a claim is of, in a run that goes beyond it; None where it does not."""
    if claim.step is not None or claim.epoch is None:
        return claim.step
    passed = [s.step for s in running.steps if s.epoch <= claim.epoch + 1e-6]
    return max(passed) if passed and len(passed) < len(running.steps) else None


def reached(claim: Claim, running: StageRun, total_steps: int) -> bool:
    """Whether the steps trained are all that the claim's comparison reads of a run of `total_steps`."""
    step = step_in(claim, running)
    return step is not None and last_needed(claim, step, total_steps) <= len(running.steps)


def why_not_reached(case: Case, claim: Claim) -> str:
    """Why a run that was ended early cannot be held against a loss, or empty where nothing is lacking.

    It lacks steps that the whole run would have had, seeds, or the stage altogether. A claim beyond the end of the
    whole run lacks nothing.
    """
    if case.run is None or not case.run.stopped:
        return ""
    runs = case.curves(claim)
    planned = case.stage_plan(claim)
    if planned is None:
        return ""
    ended = next((r for r in runs if r.stopped is not None), case.run.stopped[0])
    stop = ended.stopped
    if stop is None or (claim.step is None and claim.epoch is None):
        return ""
    where = f"{ended.name} was ended at step {stop.step:,} of {stop.total_steps:,}"
    if len(runs) < len(case.run.plan.seeds):
        if claim.step is not None and planned.expected_steps is not None and claim.step > planned.expected_steps:
            return ""
        of = f"only {len(runs)} of {len(case.run.plan.seeds)} seeds of {planned.name} were" if runs else ""
        return f"{of or f'{planned.name} was not'} trained, because {where}: {stop.why}"
    for run in runs:
        total = run.stopped.total_steps if run.stopped is not None else len(run.steps)
        if claim.step is not None and claim.step > total:
            return ""
        if run.stopped is not None and not reached(claim, run, total):
            step = step_in(claim, run)
            needs = f"; its comparison reads up to step {last_needed(claim, step, total):,}" if step is not None else ""
            return f"{run.name} was ended at step {run.stopped.step:,} of {total:,}{needs}: {run.stopped.why}"
    return ""


def stop_of(case: Case, claim: Claim) -> Stop | None:
    """The early end of the claim's stage, where it had one."""
    return next((r.stopped for r in case.curves(claim) if r.stopped is not None), None)
