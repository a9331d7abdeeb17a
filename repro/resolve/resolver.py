"""A spec and what was found outside it -> a plan without holes: every value with its origin, every choice announced."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from repro.errors import HoleError, UsageError
from repro.evidence import Evidence
from repro.plan import Plan, Scaled, StagePlan
from repro.resolve.assume import read_assumptions
from repro.resolve.commands import commands
from repro.resolve.feasibility import estimate, lineage
from repro.resolve.fill import Hole
from repro.resolve.method import Judged, names, trainable
from repro.resolve.precision import rounding_note
from repro.resolve.proxy import MODEL, model_scaled, scale_down
from repro.resolve.selection import asked_for, from_published, needed, stand_in_starts, words
from repro.resolve.sizes import parameters
from repro.resolve.stage import Settled, settle_stage
from repro.spec import Origin, Spec
from repro.task import Scale, Start

TINY = 10_000_000
"""Parameters below which a full-scale run takes three seeds unless told otherwise."""
SEED_STEP = 1000


def resolve(
    spec: Spec,
    evidence: Evidence,
    *,
    scale: Scale,
    assume: Mapping[str, str],
    seed: int | None = None,
    num_seeds: int | None = None,
    stages: Sequence[str] = (),
    start: Start = Start.REGENERATED,
) -> Plan:
    """Fill the holes of a spec: --assume, then stated, found, derived, and a recipe's default at a named commit.

    `seed` stands over the recipe's (it is the same as --assume seed=...); `num_seeds` is how many runs there are.
    `stages` are the names of those to regenerate, empty for all; what they stem from is added unless `start` is
    published. A hole in a stage that is not regenerated is none.

    Raises:
        HoleError: the card describes no stage, one that cannot be regenerated, or lacks what no recipe gives; or a
            published start is asked for and nobody names the parent.
        UsageError: an --assume, a stage's name or a number of seeds that means nothing.
    """
    asked = asked_for(spec, stages)
    judged, skipped = trainable(spec, evidence, asked)
    if num_seeds is not None and not 1 <= num_seeds <= 100:
        raise UsageError(f"{num_seeds} seeds: there are 1 to 100")
    if seed is not None and not 0 <= seed < 2**31:
        raise UsageError(f"seed {seed}: a seed is from 0 to 2147483647")
    wanted = {**assume, **({"seed": str(seed)} if seed is not None else {})}
    given = read_assumptions(wanted, names(judged))
    full = scale is Scale.FULL
    settled: list[Settled] = []
    made: list[tuple[str, str]] = []
    for index, one in enumerate(judged):
        product = _product(judged, index, spec)
        settled.append(
            settle_stage(
                one, spec, evidence, given=given[one.stage.name], before=tuple(made), product=product, full=full
            )
        )
        made.append((one.stage.name, product))
    described = [one.plan for one in settled if one.plan is not None]
    chosen = needed(settled, made, asked, start)
    left_out = tuple(s.name for s in spec.stages if s.name not in chosen) if asked else ()
    settled = [one for one, (name, _) in zip(settled, made, strict=True) if name in chosen]
    holes = [hole for one in settled for hole in one.filling.holes]
    plans = [one.plan for one in settled if one.plan is not None]
    if holes or len(plans) != len(settled):
        raise _hole_error(holes, settled, spec)
    notes = [*skipped, *(note for one in settled for note in one.filling.notes), *_cautions(settled)]
    notes += [note for p in plans if (note := rounding_note(p))]
    costs = tuple(estimate(p, described, evidence) for p in plans)
    started = [from_published(p, spec.source) for p in plans] if start is Start.PUBLISHED else plans
    told = commands(started, spec.source, dict(assume), seed, asked, start)
    scaled: tuple[Scaled, ...] = ()
    if not full:
        pairs = [
            scale_down(p, described, spec, evidence, claimed=s.length.claimed)
            for p, s in zip(plans, settled, strict=True)
        ]
        scaled = (model_scaled(plans, evidence), *(line for _, lines in pairs for line in lines))
        scaled += stand_in_starts(plans, started)
        plans = [p for p, _ in pairs]
        if plans[0].base and plans[0].method == "dpo" and start is Start.REGENERATED:
            notes.append(
                f"{plans[0].name}: the stand-in starts from its own pretrained base, not from a model like "
                f"{plans[0].base}."
            )
    seeds, why = _seeds(plans, evidence, full=full, wanted=num_seeds)
    if start is Start.PUBLISHED:
        plans = [from_published(p, spec.source) for p in plans]
    plan = Plan(
        card=spec.source,
        scale=scale,
        seeds=seeds,
        stages=tuple(plans),
        recipe=_recipe_line(settled),
        scaled=scaled,
        proxy=None if full else MODEL,
        feasibility=costs,
        commands=told,
        notes=(*notes, why),
        start=start,
        left_out=left_out,
    )
    return replace(plan, notes=(*words(plan), *plan.notes))


def _product(judged: Sequence[Judged], index: int, spec: Spec) -> str:
    """The model that a stage ends with: its own word, the next stage's base, or the card's model for the last."""
    own = judged[index].stage.produces
    if own.known:
        return str(own.value)
    if index + 1 < len(judged):
        following = judged[index + 1].stage.base
        start = judged[index].stage.base
        return str(following.value) if following.known and following.value != start.value else ""
    return str(spec.get("model_id").value or "")


def _seeds(
    plans: Sequence[StagePlan], evidence: Evidence, *, full: bool, wanted: int | None
) -> tuple[tuple[int, ...], str]:
    first = plans[-1].hyperparameters.seed
    size = parameters(lineage(plans[-1], plans), evidence)
    known = size.origin in {Origin.FOUND, Origin.DERIVED} and isinstance(size.value, int)
    tiny = full and known and isinstance(size.value, int) and size.value < TINY
    count = wanted or (3 if tiny else 1)
    if wanted:
        why = f"{count} run{'s' if count > 1 else ''}, as asked"
    elif tiny:
        why = f"{count} runs, because the model has only {size.value:,} parameters"
    elif full:
        why = "1 run, because the model is not known to be under 10 million parameters: no spread over seeds"
    else:
        why = "1 run of the stand-in"
    seeds = tuple(first + SEED_STEP * i for i in range(count))
    fact = plans[-1].get("seed")
    whose = (
        fact.why if fact.origin is Origin.ASSUMED else f"{fact.origin.value}{f' at {fact.span}' if fact.span else ''}"
    )
    return seeds, f"Seeds: {why}; the first is {first} ({whose}), each further one {SEED_STEP} more."


def _recipe_line(settled: Sequence[Settled]) -> str:
    """The recipes that filled at least one hole, each once."""
    used: dict[str, None] = {}
    for one in settled:
        chosen = one.filling.chosen
        for recipe in chosen.layers if chosen else ():
            cited = recipe.cite(one.filling.method)
            values = recipe.methods[one.filling.method].values
            used_of = [f for f in one.filling.facts.values() if f.origin is Origin.ASSUMED and f.key in values]
            if any(f.why.startswith(recipe.cite(one.filling.method, f.key)) for f in used_of):
                when = f" (from {recipe.start:%B %Y})" if recipe.framework and recipe.start.year > 1 else ""
                used[cited + when] = None
    return "; ".join(used)


def _cautions(settled: Sequence[Settled]) -> list[str]:
    """Which commit's defaults were taken and by which date, and where that leaves a doubt: one line a stage."""
    found = []
    for one in settled:
        name, chosen = one.filling.stage.name, one.filling.chosen
        assumed = [
            f for f in one.filling.facts.values() if f.origin is Origin.ASSUMED and not f.why.startswith("given")
        ]
        if chosen is None or not any(r.framework for r in chosen.layers):
            continue
        keys = [f.key for f in assumed if chosen.doubtful(f.key)]
        doubtful = ", ".join(keys[:8]) + (f" and {len(keys) - 8} more" if len(keys) > 8 else "")
        if doubtful:
            why = "; ".join(w for w in (chosen.when, chosen.caution) if w)
            found.append(f"{name}: the default may have been another for {doubtful}: {why}.")
        elif assumed and chosen.others:
            commits = " and ".join(dict.fromkeys(r.commit for r in chosen.layers if r.framework and r.commit))
            found.append(f"{name}: defaults are those of commits {commits}: {chosen.when}.")
    return found


def _hole_error(holes: Sequence[Hole], settled: Sequence[Settled], spec: Spec) -> HoleError:
    sentences = []
    for one in settled:
        own = one.filling.holes
        if not own:
            continue
        lacking = [h.key for h in own if h.why.startswith("neither")]
        place = f" ({own[0].where})" if own[0].where not in {"", holes[0].where} else ""
        if lacking:
            sentences.append(f"stage {one.filling.stage.name!r}{place} lacks {', '.join(lacking)}: {_reason(one)}")
        for hole in own:
            if not hole.why.startswith("neither"):
                at = f" ({hole.where})" if hole.where != holes[0].where else ""
                sentences.append(f"stage {hole.stage!r}{at}: {hole.why}")
    example = " ".join(f"--assume {h.stage}.{h.key}=..." for h in holes[:3])
    more = f" (and {len(holes) - 3} more)" if len(holes) > 3 else ""
    where = holes[0].where if holes else spec.source
    return HoleError("; ".join(sentences), where=where, hint=f"state them in the card, or give {example}{more}")


def _reason(one: Settled) -> str:
    framework = one.filling.value("framework")
    if framework is None:
        return "neither the card nor an artefact says, and the card names no framework whose defaults could be taken"
    layers = one.filling.chosen.layers if one.filling.chosen else ()
    if not any(r.framework for r in layers):
        return f"neither the card nor an artefact says, and there is no recipe for {str(framework)[:40]!r}"
    return f"neither the card nor an artefact says, and the recipe of {str(framework)[:40]!r} has no default"
