"""What deciding a card's claims costs: each claim's cheapest run, and the one run that decides all that runs can."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from repro.memory import Fit
from repro.need import RUNS, By, Need
from repro.plan import Feasibility, Plan, StagePlan
from repro.price import Part, Price, PricedRun, Prices
from repro.resolve.commands import own_command
from repro.resolve.data import REPO_ID
from repro.resolve.feasibility import device_of, forward_passes, reference_share
from repro.resolve.values import show
from repro.spec import Spec
from repro.task import Start

MEMORY_GB = {"A100": 80.0, "H100": 80.0, "H200": 141.0}
"""Memory of one device (NVIDIA's data sheets; the A100 of 80 GB)."""
USABLE = 0.9
"""Share of a device's memory that the training state may take where the model's shape, and so what its activations
take, is not known."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What the command of a run repeats of the question."""

    assume: Mapping[str, str]
    seed: int | None
    num_seeds: int | None


def priced(plan: Plan, spec: Spec, needs: Sequence[Need], asked: Asked, rate: float | None) -> Plan:
    """A full-scale plan with its prices; `rate` is money per device-hour, None for hours alone."""
    runs = [r for r in (_run(plan, spec, needs, asked, rate, start) for start in Start) if r is not None]
    runs.sort(key=lambda r: math.inf if r.device_hours is None else r.device_hours)
    rows = tuple(_price(plan, spec, need, rate) for need in needs)
    return replace(plan, prices=Prices(rate=rate, claims=rows, runs=_without_repeats(runs)))


def _without_repeats(runs: Sequence[PricedRun]) -> tuple[PricedRun, ...]:
    """Both runs where they differ; a card of one stage has but one."""
    if len(runs) == 2 and runs[0].parts == runs[1].parts and runs[0].claims == runs[1].claims:
        return tuple(r for r in runs if r.start == Start.REGENERATED.value)
    return tuple(runs)


def _price(plan: Plan, spec: Spec, need: Need, rate: float | None) -> Price:
    claim = spec.claim(need.claim)
    price = Price(need, claim.printed if claim else "", claim.text if claim else need.claim)
    stage = plan.stage(need.stage)
    if need.by is By.NOTHING or (need.by is By.LOOK_UP):
        return replace(price, device_hours=0.0, money=0.0 if rate is not None else None)
    if need.by not in RUNS or stage is None:
        return price
    seeds = len(plan.seeds)
    own = part(plan, stage, need.last_step, seeds)
    before = [part(plan, s, None, seeds) for s in _ancestors(plan, stage)]
    chain = None if _severed(plan, stage) else _sum([own, *before])
    alone = own.device_hours if published_parent(stage) else None
    known = [hours for hours in (alone, chain) if hours is not None]
    least = min(known, default=None)
    return replace(
        price,
        steps=own.steps,
        total_steps=own.total_steps,
        alone_hours=alone,
        chain_hours=chain,
        device_hours=least,
        money=_money(least, rate),
    )


def published_parent(stage: StagePlan) -> str:
    """The repository of the stage's published start, or empty where nobody names one."""
    named = stage.get("base_model").value if stage.parent else stage.base
    return named if isinstance(named, str) and REPO_ID.fullmatch(named) else ""


def part(plan: Plan, stage: StagePlan, last_step: int | None, seeds: int) -> Part:
    """The first `last_step` steps of a stage (None: all), for so many seeds, with the formula."""
    cost = next((f for f in plan.feasibility if f.stage == stage.name), None)
    total = stage.expected_steps
    steps = total if last_step is None else last_step if total is None else min(last_step, total)
    hours, how = _hours(stage, cost, steps, total, seeds)
    return Part(stage.name, steps, total, hours, how)


def _hours(
    stage: StagePlan, cost: Feasibility | None, steps: int | None, total: int | None, seeds: int
) -> tuple[float | None, str]:
    if cost is None or cost.device_hours is None:
        return None, f"{stage.name}: the model's size or the rows are not known, so the hours are not"
    if steps is None or total is None:
        return cost.device_hours * seeds, f"{stage.name}: the whole stage, {cost.device_hours:.3g} device-hours"
    training, reference = forward_passes(stage)
    weight = 2 * (training + reference) + 4
    once = cost.device_hours * reference_share(stage)
    rest = cost.device_hours - once
    hours = once + rest * steps / total
    words = f"{rest:.3g} device-hours of training x {steps:,} / {total:,} steps"
    if reference:
        words = (
            f"{once:.3g} device-hours of reference log-probabilities over all rows (2 x {show(round(reference, 3))} of "
            f"the {show(round(weight, 3))} FLOP a parameter and token) + {words}"
        )
    times = f" x {seeds} seeds" if seeds > 1 else ""
    return hours * seeds, f"{stage.name}: {f'({words})' if times else words}{times} = {hours * seeds:.3g}"


def _ancestors(plan: Plan, stage: StagePlan) -> list[StagePlan]:
    """The stages of the plan that this one stems from, first one first."""
    found: list[StagePlan] = []
    at: StagePlan | None = stage
    while at is not None and at.parent and len(found) < len(plan.stages):
        at = plan.stage(at.parent)
        found[:0] = [at] if at is not None else []
    return found


def _run(
    plan: Plan, spec: Spec, needs: Sequence[Need], asked: Asked, rate: float | None, start: Start
) -> PricedRun | None:
    """The run from one start that decides every claim which a run from it can; None where there is no such claim."""
    wanted: dict[str, int | None] = {}
    claims = []
    for need in needs:
        stage = plan.stage(need.stage)
        if need.by not in RUNS or stage is None or (start is Start.PUBLISHED and not published_parent(stage)):
            continue
        claims.append(need.claim)
        before = wanted.get(stage.name, 0)
        wanted[stage.name] = None if need.last_step is None or before is None else max(before, need.last_step)
    if not claims or (start is Start.REGENERATED and any(_severed(plan, s) for s in plan.stages if s.name in wanted)):
        return None
    if start is Start.REGENERATED:
        for name in list(wanted):
            stage = plan.stage(name)
            for inner in _ancestors(plan, stage) if stage is not None else ():
                wanted[inner.name] = None
    seeds = len(plan.seeds)
    parts = tuple(part(plan, s, wanted[s.name], seeds) for s in plan.stages if s.name in wanted)
    hours = _sum(parts)
    device, devices, how = _devices(plan, tuple(wanted))
    names = [s.name for s in plan.stages if s.name in wanted]
    everything = len(names) == len(spec.stages)
    last = names if start is Start.PUBLISHED else [n for n in names if not any(_stems(plan, m, n) for m in names)]
    return PricedRun(
        start=start.value,
        parts=parts,
        claims=tuple(claims),
        device=device,
        devices=devices,
        devices_how=how,
        device_hours=hours,
        hours=hours / devices if hours is not None and devices else None,
        money=_money(hours, rate),
        command=own_command(
            spec.source,
            asked.assume,
            asked.seed,
            asked=() if everything else last,
            start=start,
            processes=devices or 1,
            sharded=True,
            more=(*((f"--seeds {asked.num_seeds}",) if asked.num_seeds else ()), "--stop-when-decided"),
        ),
    )


def _severed(plan: Plan, stage: StagePlan) -> bool:
    """Whether the plan starts the stage from a published model and so lacks the chain that leads to it."""
    made = any(stage.base == other.produces for other in plan.stages)
    return plan.start is Start.PUBLISHED and (made or bool(plan.left_out))


def _stems(plan: Plan, name: str, other: str) -> bool:
    stage = plan.stage(name)
    return stage is not None and name != other and any(s.name == other for s in _ancestors(plan, stage))


def _devices(plan: Plan, names: Sequence[str]) -> tuple[str, int | None, str]:
    """(device, the fewest that hold what training takes, the formula)."""
    stages = [s for s in plan.stages if s.name in names]
    device = device_of(stages[-1]) if stages else "A100"
    costs = [f for f in plan.feasibility if f.stage in names]
    fits = [_fit(f, device) for f in costs]
    whole = [fit for fit in fits if fit is not None and fit.devices is not None]
    if whole and len(whole) == len(fits):
        most = max(whole, key=lambda fit: fit.devices or 0)
        held = f", each of which then holds {most.device_gb:.3g} GB, activations included" if most.device_gb else ""
        return device, most.devices, f"{most.devices} x {most.card} are the fewest that hold it{held}"
    held_gb = [f.training_memory_gb for f in costs]
    known = [gb for gb in held_gb if gb is not None]
    if not known or len(known) < len(held_gb):
        return device, None, "the model's size is not known, so neither is the memory"
    room = MEMORY_GB[device]
    count = max(1, math.ceil(max(known) / (room * USABLE)))
    how = (
        f"ceil({max(known):,.4g} GB of weights, gradients and optimizer / ({room:g} GB of one {device} x {USABLE:g})) "
        f"= {count}; the rest of the memory is for activations"
    )
    return device, count, how


def _fit(cost: Feasibility, device: str) -> Fit | None:
    """How many cards of the device's largest kind a stage takes."""
    return max((f for f in cost.fits if f.card.startswith(device)), key=lambda f: f.card_gb, default=None)


def _sum(parts: Sequence[Part]) -> float | None:
    hours = [p.device_hours for p in parts]
    return None if any(h is None for h in hours) else sum(h for h in hours if h is not None)


def _money(hours: float | None, rate: float | None) -> float | None:
    return None if hours is None or rate is None else hours * rate
