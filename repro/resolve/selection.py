"""Which stages are regenerated and from what: all or those asked for, published parents or regenerated ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from repro.errors import HoleError, UsageError
from repro.plan import Plan, Scaled, StagePlan
from repro.resolve.data import REPO_ID
from repro.resolve.stage import Settled
from repro.spec import Spec
from repro.task import Scale, Start


def asked_for(spec: Spec, names: Sequence[str]) -> tuple[str, ...]:
    """The stages asked for by name, in the card's order, each once.

    Raises:
        UsageError: the card has no stage of that name.
    """
    known = [s.name for s in spec.stages]
    for name in names:
        if name not in known:
            have = f"it has {' and '.join(known)}" if known else "no training stage could be read from it"
            raise UsageError(
                f"the card has no stage {name[:60]!r}: {have}",
                where=spec.source,
                hint="`repro read` shows the stages" + (f", such as --stages {known[-1]}" if known else ""),
            )
    return tuple(name for name in known if name in names)


def needed(settled: Sequence[Settled], made: Sequence[tuple[str, str]], asked: Sequence[str], start: Start) -> set[str]:
    """Names of the stages to train: those asked for (all, where none was) and, from regenerated starts, every stage
    that one of them stems from. `made` are (stage, the model it ends with)."""
    wanted = set(asked) or {name for name, _ in made}
    if start is Start.PUBLISHED:
        return wanted
    for index in range(len(settled) - 1, -1, -1):
        if made[index][0] in wanted and (before := parent(settled[index], made[:index])):
            wanted.add(before)
    return wanted


def parent(one: Settled, before: Sequence[tuple[str, str]]) -> str:
    """The stage among `before` whose model this one starts from, or empty."""
    fact = one.filling.facts.get("base_model")
    value = fact.value if fact is not None else None
    return next((name for name, product in reversed(before) if value in {product or None, f"<{name}>"} - {None}), "")


def from_published(stage: StagePlan, where: str) -> StagePlan:
    """The stage as it starts from the published model that the stage before it is said to have made.

    Raises:
        HoleError: nobody says which model that is.
    """
    if not stage.parent:
        return stage
    named = stage.get("base_model").value
    if not isinstance(named, str) or not REPO_ID.fullmatch(named):
        raise HoleError(
            f"stage {stage.name!r} starts from what stage {stage.parent!r} makes, and neither the card nor an artefact "
            "names the published model that this is",
            where=where,
            hint=f"give it: --assume {stage.name}.base_model=organisation/name, or run the chain: --start regenerated",
        )
    return replace(stage, base=named)


def stand_in_starts(stages: Sequence[StagePlan], published: Sequence[StagePlan]) -> tuple[Scaled, ...]:
    """What a stand-in starts from where the recipe starts from a published model: nothing of it is published."""
    why = "nothing of the stand-in is published: what holds from any start can be tested, and nothing else"
    return tuple(
        Scaled(now.name, "starting weights", now.base, "the stand-in's own pretrained base", why)
        for was, now in zip(stages, published, strict=True)
        if was.base != now.base
    )


def words(plan: Plan) -> tuple[str, ...]:
    """What a reader must know of the choice: the stages left out, and what the others start from."""
    notes = []
    if plan.left_out:
        many = len(plan.left_out) > 1
        what = "the stages are" if many else "the stage is"
        said = f"{what} not regenerated, as asked; {'their' if many else 'its'} claims stay untested."
        notes.append(f"{' and '.join(plan.left_out)}: {said}")
    if plan.start is Start.PUBLISHED and plan.scale is Scale.FULL:
        notes += [
            f"{s.name}: starts from the published {s.base}, so that a difference is this stage's own."
            for s in plan.stages
        ]
    return tuple(notes)
