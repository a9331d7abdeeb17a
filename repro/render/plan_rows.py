"""The plan as rows of text: each value with its origin, what was scaled, what it costs, and how to run it elsewhere."""

from __future__ import annotations

from dataclasses import dataclass

from repro.memory import Fit, total_gb
from repro.plan import Feasibility, Plan, StagePlan
from repro.render.places import Place, place
from repro.render.words import ORIGINS, Word, fact_text, figure
from repro.semantics import MEANINGS
from repro.spec import KEYS, AnyFact, Origin, Spec
from repro.task import Scale


@dataclass(frozen=True, slots=True)
class ValueRow:
    """One value of the plan."""

    key: str
    meaning: str
    value: str
    word: Word
    printed: str
    """As the source prints it, where that is not the value's own text."""
    place: Place | None
    why: str


@dataclass(frozen=True, slots=True)
class StageRows:
    """One stage of the plan."""

    name: str
    title: str
    rows: tuple[ValueRow, ...]
    tally: tuple[tuple[Word, int], ...]
    """How many values have each origin."""


@dataclass(frozen=True, slots=True)
class CostRow:
    """What one stage costs at full scale."""

    stage: str
    parameters: str
    weights: str
    memory: str
    tokens: str
    hours: str
    how: str
    devices: int = 1
    parts: tuple[tuple[str, str, str], ...] = ()
    """(part of one device's memory, GB, how); the last one is the sum."""
    modules: tuple[tuple[str, str], ...] = ()
    """(kind of module, parameters), where the model was built."""
    fits: str = ""
    """The smallest sets of cards, in words."""


SCALES: dict[Scale, tuple[str, str]] = {
    Scale.PROXY: (
        "Proxy scale",
        (
            "The recipe's own code, step count, batch and schedule, on a small stand-in model and data made from "
            "a seed: no absolute number of the full-scale model can be confirmed or denied here."
        ),
    ),
    Scale.FULL: ("Full scale", "The recipe as stated, on the real weights and data."),
}
"""What a reader must know of each scale before any number."""


def plan_stages(plan: Plan, spec: Spec, lines: tuple[str, ...]) -> tuple[StageRows, ...]:
    """The plan's stages, every value with its origin."""
    return tuple(
        StageRows(
            name=stage.name,
            title=_title(stage),
            rows=tuple(value_row(fact, spec, lines) for fact in stage.facts),
            tally=_tally(stage),
        )
        for stage in plan.stages
    )


def value_row(fact: AnyFact, spec: Spec, lines: tuple[str, ...]) -> ValueRow:
    """One fact with its origin and its place."""
    value = fact_text(fact)
    return ValueRow(
        key=fact.key,
        meaning=KEYS.get(fact.key) or MEANINGS.get(fact.key, ""),
        value=value,
        word=ORIGINS[fact.origin],
        printed=fact.printed if fact.printed != value else "",
        place=place(fact.span, spec, lines),
        why=fact.why,
    )


def cost(feasibility: Feasibility) -> CostRow:
    """One stage's cost in words; what is not known is "?"."""
    f = feasibility
    return CostRow(
        stage=f.stage,
        parameters=_count(f.parameters),
        weights=_gb(f.weights_gb),
        memory=_gb(f.training_memory_gb),
        tokens=_count(f.tokens),
        hours="?" if f.device_hours is None else figure(round(f.device_hours, 1)),
        how=f.how,
        devices=f.devices,
        parts=_parts(f),
        modules=tuple((name, f"{amount:,}") for name, amount in f.modules),
        fits=_fits(f.fits),
    )


def _parts(f: Feasibility) -> tuple[tuple[str, str, str], ...]:
    if not f.parts:
        return ()
    rows = [(part.name, f"{part.gb:.2f}", part.how) for part in f.parts]
    which = "one device" if f.devices == 1 else f"each of {f.devices} devices, sharded by FSDP2 or ZeRO-3"
    return (*rows, ("in all", f"{total_gb(f.parts):.2f}", which))


def _fits(fits: tuple[Fit, ...]) -> str:
    held = [(f, f.device_gb) for f in fits if f.device_gb is not None]
    enough = ", ".join(f"{f.devices} x {f.card} ({gb:.1f} GB each)" for f, gb in held)
    none = ", ".join(f.card for f in fits if f.device_gb is None)
    return "; ".join(part for part in (enough, f"on no number of {none}" if none else "") if part)


def training_kind(stage: StagePlan) -> str:
    """ "SFT", "DPO with LoRA of rank 16": how a stage trains, in a few words."""
    named = {"simpo": "SimPO", "ipo": "IPO"}.get(stage.hyperparameters.loss_type, stage.method.upper())
    if stage.adapter is None:
        return named
    return f"{named} with {'QLoRA' if stage.adapter.quantization else 'LoRA'} of rank {stage.adapter.r}"


def _title(stage: StagePlan) -> str:
    data = ", ".join(d.repo_id for d in stage.datasets) or "no data set named"
    return f"{training_kind(stage)} from {stage.base or 'an unnamed base'} on {data}"


def _tally(stage: StagePlan) -> tuple[tuple[Word, int], ...]:
    origins = [f.origin for f in stage.facts]
    return tuple((ORIGINS[o], origins.count(o)) for o in Origin if o in origins)


def _count(value: int | None) -> str:
    if value is None:
        return "?"
    for size, name in ((1e12, "T"), (1e9, "B"), (1e6, "M")):
        if value >= size:
            return f"{value / size:.3g}{name}"
    return f"{value:,}"


def _gb(value: float | None) -> str:
    return "?" if value is None else f"{figure(round(value, 1))} GB"
