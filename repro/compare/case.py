"""Everything one comparison may look at, and the few questions that every law asks of it."""

from __future__ import annotations

from dataclasses import dataclass

from repro.comparison import Comparison, Verdict, Weight
from repro.evidence import Evidence, LoggedLoss, Repo
from repro.plan import Plan, StagePlan
from repro.run import Run, StageRun
from repro.score import Score
from repro.spec import AnyFact, Claim, Origin, Spec, Stage, missing
from repro.task import Scale

KNOWN_OUTSIDE_RECIPES = frozenset({Origin.STATED, Origin.FOUND})
"""Origins on which a contradiction may rest: never on a default that was assumed."""


@dataclass(frozen=True, slots=True)
class Case:
    """A card, what was found about it, and what was run."""

    spec: Spec
    evidence: Evidence
    plan: Plan | None
    run: Run | None
    scores: tuple[Score, ...]

    @property
    def plan_run(self) -> Plan | None:
        """The plan that the run followed; the plan made, when nothing was run."""
        return self.run.plan if self.run is not None else self.plan

    @property
    def scale(self) -> str:
        """The scale of what was run, or empty."""
        return str(self.run.plan.scale) if self.run is not None else ""

    @property
    def full(self) -> bool:
        return self.run is not None and self.run.plan.scale is Scale.FULL

    def stage(self, claim: Claim) -> Stage | None:
        """The card's stage that a claim is about: named by it, or the only one."""
        if claim.stage:
            return self.spec.stage(claim.stage)
        return self.spec.stages[0] if len(self.spec.stages) == 1 else None

    def stage_plan(self, claim: Claim) -> StagePlan | None:
        plan, stage = self.plan_run, self.stage(claim)
        name = claim.stage or (stage.name if stage else "")
        return plan.stage(name) if plan is not None and name else None

    def curves(self, claim: Claim) -> tuple[StageRun, ...]:
        """The runs of the claim's stage that have steps, one a seed."""
        stage = self.stage(claim)
        name = claim.stage or (stage.name if stage else "")
        return tuple(r for r in self.run.curves(name) if r.steps) if self.run is not None else ()

    def facts(self, claim: Claim, key: str) -> tuple[AnyFact, ...]:
        """All known facts of a key for the claim's stage, the card's own first, then artefacts', then the plan's."""
        stage, planned = self.stage(claim), self.stage_plan(claim)
        facts = list(stage.all(key)) if stage is not None else []
        facts += [f for _, f in self.found(claim, key)]
        if planned is not None and (fact := planned.get(key)).known:
            facts.append(fact)
        return tuple(f for f in facts if f.known)

    def fact(self, claim: Claim, key: str) -> AnyFact:
        """The strongest known fact of a key for the claim's stage, or a MISSING one.

        The user's --assume stands over the card in a plan, never in what the card is held to.
        """
        return next(iter(self.facts(claim, key)), missing(key))

    def found(self, claim: Claim, key: str) -> tuple[tuple[str, AnyFact], ...]:
        """(where, fact) that artefacts outside the card state for the claim's stage: the repository that the stage
        produced, and the card of that repository when it is a parent's."""
        stage = self.stage(claim)
        if stage is None:
            return ()
        produced = str(stage.produces.value) if stage.produces.known else ""
        pairs: list[tuple[str, AnyFact]] = []
        for repo in self._repos(stage):
            pairs += [(repo.repo_id, f) for f in repo.facts if f.key == key and f.known and not _is_the_card(f, repo)]
        for parent in self.evidence.parents:
            if produced and produced in {str(parent.get("model_id").value), parent.name, parent.source.split("@")[0]}:
                for other in parent.stages[-1:]:
                    pairs += [(f"card of {produced}", f) for f in other.all(key) if f.known]
        return tuple(pairs)

    def log(self, claim: Claim) -> tuple[Repo, tuple[LoggedLoss, ...]] | None:
        """The losses that a published repository carries for the claim's stage, in order of steps."""
        stage = self.stage(claim)
        for repo in self._repos(stage) if stage is not None else ():
            if repo.losses:
                return repo, tuple(sorted(repo.losses, key=lambda entry: entry.step))
        return None

    def repos(self, claim: Claim) -> tuple[Repo, ...]:
        """The repositories of the model that the claim's stage produced."""
        stage = self.stage(claim)
        return self._repos(stage) if stage is not None else ()

    def subject(self) -> Repo | None:
        return next(iter(self.evidence.role("subject")), None)

    def _repos(self, stage: Stage) -> tuple[Repo, ...]:
        produced = str(stage.produces.value) if stage.produces.known else ""
        own = str(self.spec.get("model_id").value or "")
        last = self.spec.stages and stage.name == self.spec.stages[-1].name
        # The subject may be another repository than the card names: the one that the user asked about.
        if last and produced in {"", own} and self.evidence.role("subject"):
            return self.evidence.role("subject")
        named = tuple(r for r in self.evidence.repos if r.kind == "model" and produced and r.repo_id == produced)
        return named or (self.evidence.role("subject") if last else ())


def _is_the_card(fact: AnyFact, repo: Repo) -> bool:
    # The card cannot be a witness for itself.
    source = fact.span.source.lower() if fact.span is not None else ""
    return repo.role == "subject" and source.endswith("readme.md")


def result(
    claim: Claim,
    verdict: Verdict,
    why: str,
    *,
    method: str = "none",
    weight: Weight = Weight.NONE,
    weight_why: str = "",
    measured: float | None = None,
    measured_text: str = "",
    interval: tuple[float, float] | None = None,
    evidence_kind: str = "",
    needs: str = "",
    scale: str = "",
) -> Comparison:
    """A Comparison of a claim, its printed text filled in."""
    return Comparison(
        claim=claim.id,
        verdict=verdict,
        why=why,
        method=method,
        weight=weight,
        weight_why=weight_why or ("nothing was compared" if method == "none" else ""),
        claimed=claim.printed,
        measured=measured,
        measured_text=measured_text,
        interval=interval,
        evidence_kind=evidence_kind,
        needs=needs,
        scale=scale,
    )
