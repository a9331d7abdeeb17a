"""Watches a run's claims while it trains: whether more of a stage can still change what is said of them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from repro.compare.case import Case
from repro.compare.comparer import finite
from repro.compare.deciding import needs_of, step_of
from repro.compare.loss_without_statistics import METHOD
from repro.compare.losses import compare_losses
from repro.compare.stopped import last_needed, reached
from repro.comparison import Verdict
from repro.evidence import Evidence
from repro.need import RUNS, By
from repro.plan import Plan
from repro.run import Environment, Run, StageRun, Stop
from repro.spec import Claim, Spec

_NOWHERE = Environment("", "", "", "", 0, (), ())


class Watching:
    """Ends a stage when what was trained excludes a claim for good, or when no comparison needs more of it.

    For good: each claim is judged by the law itself on the steps so far as if the stage had been ended there, which
    holds a claim against its own steps only where the run went as far as its comparison reads (`horizon`), with all
    seeds, and counts the claims not reached as members of the family. So the whole run would give the same verdict.
    With several seeds only the last one can complete a comparison; the others are ended where none needs more of them.
    """

    def __init__(self, spec: Spec, evidence: Evidence, plan: Plan, tasks: Collection[str]) -> None:
        """
        Args:
            tasks: names of the tasks that this version scores: for them a stage has to be finished.
        """
        self._spec = finite(spec)
        self._evidence = evidence
        self._plan = plan
        self._needs = needs_of(spec, evidence, plan, tasks)

    def points(self, stage: str, total_steps: int) -> frozenset[int]:
        """The steps of a stage at which some claim's comparison becomes complete before the stage does."""
        ends = {end for claim in self._claims(stage) if (end := self._end(claim, total_steps)) is not None}
        return frozenset(ends - {total_steps})

    def stop(self, done: tuple[StageRun, ...], running: StageRun, total_steps: int) -> Stop | None:
        """The end of the stage where it stands, or None while it must go on."""
        own = self._claims(running.name)
        passed = [claim for claim in own if reached(claim, running, total_steps)]
        if not passed or len(running.steps) >= total_steps:
            return None
        seeds = sum(r.name == running.name for r in done) + 1
        excluded = self._excluded(done, running, total_steps, passed) if seeds == len(self._plan.seeds) else ()
        if excluded:
            names = " and ".join(excluded)
            verb = "is" if len(excluded) == 1 else "are"
            why = f"{names} {verb} excluded by what was trained, and more of it would not change that."
            return Stop(len(running.steps), total_steps, why, excluded)
        if len(passed) == len(own) and not self._wanted_whole(running.name):
            why = "every comparison that needs this stage is complete, and more of it would change none."
            return Stop(len(running.steps), total_steps, why)
        return None

    def _claims(self, stage: str) -> list[Claim]:
        named = {n.claim for n in self._needs if n.by is By.STEPS and n.stage == stage}
        return [c for c in self._spec.claims if c.id in named]

    def _end(self, claim: Claim, total_steps: int) -> int | None:
        planned = self._plan.stage(claim.stage) or self._plan.stages[0]
        step = step_of(claim, planned, total_steps)
        # An epoch falls on some step or the one beside it.
        return last_needed(claim, min(step + (claim.step is None) * 2, total_steps), total_steps) if step else None

    def _wanted_whole(self, stage: str) -> bool:
        """Whether something else needs the stage's end: a count, a score, or a stage that starts from its model."""
        if any(n.by in RUNS and n.by is not By.STEPS and n.stage == stage for n in self._needs):
            return True
        return any(s.parent == stage for s in self._plan.stages)

    def _excluded(
        self, done: tuple[StageRun, ...], running: StageRun, total_steps: int, passed: list[Claim]
    ) -> tuple[str, ...]:
        now = replace(running, stopped=Stop(len(running.steps), total_steps, "so far"))
        run = Run("", self._plan, _NOWHERE, (*done, now), "")
        found = compare_losses(Case(self._spec, self._evidence, self._plan, run, ()))
        judged = [found[c.id] for c in passed]
        return tuple(c.claim for c in judged if c.verdict is Verdict.DIFFERS and c.method == METHOD)
