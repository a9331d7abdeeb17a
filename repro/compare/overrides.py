"""What a full-scale run took otherwise than the card says, or on assumption: where a difference may come from."""

from __future__ import annotations

from collections.abc import Iterator

from repro.compare.case import Case
from repro.plan import StagePlan
from repro.spec import AnyFact, Claim, ClaimKind, Origin, Stage

DECISIVE = (
    "learning_rate",
    "effective_batch_size",
    "num_epochs",
    "beta",
    "loss_type",
    "gamma_beta_ratio",
    "adapter",
    "lora_r",
    "lora_alpha",
    "lora_target_modules",
    "lr_scheduler_type",
    "warmup_ratio",
    "warmup_steps",
    "max_seq_length",
)
"""Parameters whose default, when the card does not state them, may well not be the author's: a curve regenerated
with an assumed one cannot contradict the card."""
LAYOUT = frozenset({"per_device_batch_size", "gradient_accumulation_steps", "num_devices"})
"""What another machine may take otherwise without being another recipe, where the whole batch is stated."""
FREE = frozenset({"gradient_checkpointing", "logging_steps", "seed", "data_seed"})
"""What another draw of the same recipe takes otherwise."""
LENGTH = LAYOUT | {
    *("effective_batch_size", "num_epochs", "max_steps", "max_seq_length", "packing"),
    *("dataset", "dataset_rows", "dataset_fraction"),
}
"""What a stage's number of optimizer steps follows from."""
GIVEN = "given by --assume"


def assumed(case: Case, claim: Claim) -> tuple[str, ...]:
    """Names of the decisive parameters that the run assumed or changed and of all that the user gave, in the claim's
    stage and those it starts from; empty when the run followed the card."""
    names: list[str] = []
    for at in chain(case, claim):
        names += [n for n in _of_stage(at, case.spec.stage(at.name)) if n not in names]
    return tuple(dict.fromkeys((*names, *(_words(at, fact.key) for at, _, fact in _given(case, claim)))))


def overruled(case: Case, claim: Claim) -> tuple[str, ...]:
    """Names of the parameters, in the claim's stage and those it starts from, for which the user gave a value that
    stands over another one of the card's: what such a run agrees with is not what the card describes."""
    given = _given(case, claim)
    return tuple(_words(at, fact.key) for at, stage, fact in given if _stands_over(fact, stage, case))


def length_given(case: Case, claim: Claim, *, against_the_card: bool) -> tuple[str, ...]:
    """Names of what the user gave that decides how many steps the claim's stage takes; with `against_the_card` only
    where the card says something else."""
    own = [(at, s, f) for at, s, f in _given(case, claim) if f.key in LENGTH and at is case.stage_plan(claim)]
    return tuple(_words(at, f.key) for at, s, f in own if not against_the_card or _stands_over(f, s, case))


def changed(case: Case, claim: Claim, keys: tuple[str, ...]) -> tuple[str, ...]:
    """Those of `keys` for which the run used another value than the card states."""
    planned, stage = case.stage_plan(claim), case.stage(claim)
    if planned is None or stage is None:
        return ()
    return tuple(k for k in keys if _differs(planned, stage, k))


def chain(case: Case, claim: Claim) -> Iterator[StagePlan]:
    """The claim's stage and, one after another, those of the same run whose weights it starts from.

    A score without a stage is of the model that the last one makes.
    """
    plan, at = case.plan_run, case.stage_plan(claim)
    if at is None and plan is not None and claim.kind is ClaimKind.EVAL and not claim.stage and case.spec.stages:
        at = plan.stage(case.spec.stages[-1].name)
    seen: list[str] = []
    while plan is not None and at is not None and at.name not in seen:
        seen.append(at.name)
        yield at
        at = plan.stage(at.parent) if at.parent else None


def _given(case: Case, claim: Claim) -> Iterator[tuple[StagePlan, Stage, AnyFact]]:
    """What the user gave for the claim's stage and those it starts from, where it may move a loss or a score."""
    for at in chain(case, claim):
        stage = case.spec.stage(at.name)
        for fact in at.facts if stage is not None else ():
            given = fact.known and fact.origin is Origin.ASSUMED and fact.why.startswith(GIVEN)
            if stage is None or not given or fact.key in FREE:
                continue
            agreed = any(f.known and _plain(f) == _plain(fact) for f in stage.all(fact.key))
            spared = fact.key in LAYOUT and any(f.known for f in stage.all("effective_batch_size"))
            if not agreed and not spared:
                yield at, stage, fact


def _of_stage(planned: StagePlan, stage: Stage | None) -> list[str]:
    names = []
    for key in DECISIVE:
        if key in {"beta", "loss_type", "gamma_beta_ratio"} and planned.method != "dpo":
            continue
        fact = planned.get(key)
        if key == "num_epochs" and planned.get("max_steps").origin in {Origin.STATED, Origin.FOUND}:
            continue
        # Warm-up is stated as steps, as a ratio or as steps below 1: only a default is held against it here.
        off = stage is not None and not key.startswith("warmup") and _differs(planned, stage, key)
        if (fact.known and fact.origin is Origin.ASSUMED) or off:
            names.append(_words(planned, key))
    return names


def _differs(planned: StagePlan, stage: Stage, key: str) -> bool:
    used = planned.get(key)
    stated = {_plain(f) for f in stage.all(key) if f.known}
    return used.known and bool(stated) and _plain(used) not in stated


def _stands_over(given: AnyFact, stage: Stage, case: Case) -> bool:
    """Whether the card says something else than what the user gave, of this parameter or of one that it replaces."""
    if "the card says otherwise" in given.why:
        return True
    data = [f for d in stage.datasets for f in (d.fraction, d.rows) if f.known]
    said: list[AnyFact] = {
        "max_steps": [*stage.all("num_epochs")],
        "num_epochs": [*stage.all("max_steps")],
        "warmup_steps": [*stage.all("warmup_ratio")],
        "warmup_ratio": [*stage.all("warmup_steps")],
        "dataset_rows": data,
        "dataset_fraction": data,
        "base_model": [stage.base],
    }.get(given.key, [])
    if given.key == "dataset":
        # A name that is no repository id was only a name: the user said which one is meant.
        return bool(stage.datasets) and all("/" in d.repo_id and d.repo_id != given.value for d in stage.datasets)
    if given.key == "max_steps":
        counts = [c.number.value for c in case.spec.claims if c.kind == "steps" and c.stage == stage.name and c.number]
        if given.value in counts:
            return False
    return any(f.known and not (f.key == given.key and _plain(f) == _plain(given)) for f in said)


def _plain(fact: AnyFact) -> object:
    return str(fact.value) if isinstance(fact.value, str) else fact.value


def _words(planned: StagePlan, key: str) -> str:
    return f"{planned.name} {key.replace('_', ' ')}"
