"""The numbers of one training stage as the engine takes them, and the usual causes for which they miss each other."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from repro.card import Span
from repro.check.lineage import stage_fact
from repro.check.rows import known_rows, steps_an_epoch, total_steps
from repro.evidence import Evidence
from repro.number import Interval
from repro.relations import AtMost, Batches, Derivation, Product, Quantity, Relation, Stated, derive, without
from repro.spec import AnyFact, Spec, Stage

KEPT = 0.95
"""A filter or a held-out part may take 5% of the rows without the card saying so."""
QUANTITIES: dict[str, Quantity] = {
    q.name: q
    for q in (
        Quantity("effective batch", 1, whole=True),
        Quantity("batch per device", 1, whole=True),
        Quantity("devices", 1, 1e6, whole=True),
        Quantity("accumulation", 1, 1e6, whole=True),
        Quantity("rows", 1, whole=True),
        Quantity("rows kept", KEPT, 1.0),
        Quantity("rows used", 1),
        Quantity("epochs", 1e-6),
        Quantity("steps an epoch", 1),
        Quantity("steps", 1, whole=True),
        Quantity("warm-up steps", 0, whole=True),
        Quantity("warm-up ratio", 0),
        Quantity("tokens", 1),
        Quantity("tokens a step", 1),
        Quantity("tokens a row", 0),
        Quantity("length", 1),
    )
}
RELATIONS: tuple[Relation, ...] = (
    Product("effective batch", ("batch per device", "devices", "accumulation"), whole=True),
    Product("rows used", ("rows", "rows kept")),
    Batches("steps an epoch", "rows used", "effective batch"),
    Product("steps", ("steps an epoch", "epochs"), rounded=True),
    Product("warm-up steps", ("warm-up ratio", "steps"), rounded=True),
    Product("tokens a step", ("effective batch", "tokens a row")),
    AtMost("tokens a row", "length"),
    Product("tokens", ("steps", "tokens a step")),
)
_KEYS = {
    "effective_batch_size": "effective batch",
    "per_device_batch_size": "batch per device",
    "gradient_accumulation_steps": "accumulation",
    "num_devices": "devices",
    "num_epochs": "epochs",
    "warmup_ratio": "warm-up ratio",
    "warmup_steps": "warm-up steps",
    "train_tokens": "tokens",
    "effective_batch_tokens": "tokens a step",
    "max_seq_length": "length",
}
TOKENS = frozenset(("tokens", "tokens a step", "tokens a row", "length"))
_APART = TOKENS | {"warm-up steps", "warm-up ratio"}
_WHOLE = {"effective_batch_size", "per_device_batch_size", "gradient_accumulation_steps", "num_devices"}


@dataclass(frozen=True, slots=True)
class Figure:
    """A statement with its place in the card."""

    stated: Stated
    span: Span | None


@dataclass(frozen=True, slots=True)
class Core:
    """What a stage states, and what follows for its length without warm-up and tokens."""

    figures: tuple[Figure, ...]
    rest: tuple[Figure, ...]
    """The figures without warm-up and tokens."""
    derivation: Derivation
    """Of the rest."""


def interval_of(fact: AnyFact) -> Interval | None:
    """The values that a numeric fact's digits leave open, or None."""
    value = fact.value
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value <= 0:
        return None
    if fact.number is not None and fact.number.value == value:
        return fact.number.interval
    return Interval.point(float(value))


_seen: tuple[Spec | None, Evidence | None, dict[str, Core]] = (None, None, {})
"""The cores of the stages of the card that was looked at last: several checks ask for them."""


def core(spec: Spec, stage: Stage, evidence: Evidence) -> Core:
    """All figures of a stage, those that the run's length rests on, and what follows from these."""
    global _seen
    seen = _seen
    if seen[0] is not spec or seen[1] is not evidence:
        seen = _seen = (spec, evidence, {})
    cores = seen[2]
    if stage.name not in cores:
        everything = tuple(_figures(spec, stage, evidence))
        rest = tuple(f for f in everything if f.stated.quantity not in _APART)
        cores[stage.name] = Core(everything, rest, solve(rest))
    return cores[stage.name]


def _figures(spec: Spec, stage: Stage, evidence: Evidence) -> list[Figure]:
    """What is stated of a stage; a parameter with two values is left out, for neither is known to be the run's."""
    found = []
    for key, quantity in _KEYS.items():
        if len({f.value for f in stage.all(key) if f.known}) > 1:
            continue
        fact = stage_fact(stage, key, evidence)
        interval = interval_of(fact)
        if interval is None or (key in _WHOLE and interval.centre != round(interval.centre)):
            continue
        if key == "warmup_steps" and interval.centre < 1:  # a ratio under the wrong name (R407)
            continue
        if key in _WHOLE or (key == "num_epochs" and interval.centre == round(interval.centre)):
            interval = Interval.point(round(interval.centre)) if interval.half_width <= 0.5 else interval
        found.append(Figure(Stated(quantity, interval, f"{quantity} {fact.printed or fact.value}"), fact.span))
    steps = total_steps(spec, stage)
    if steps is not None:
        words = f"{steps[0]:,} steps"
        found.append(Figure(Stated("steps", Interval.point(steps[0]), words), steps[1]))
    logged = steps_an_epoch(spec, stage)
    if logged is not None:
        words = f"{logged[0].centre:,.6g} steps an epoch in the loss table"
        found.append(Figure(Stated("steps an epoch", logged[0], words), logged[1]))
    rows = known_rows(stage, evidence)
    held_out = stage.get("val_set_size").known or stage.get("packing").value is True
    if len(rows) == 1 and not held_out:
        found.append(Figure(Stated("rows", rows[0][0], rows[0][1]), rows[0][2]))
    return found


def solve(found: Sequence[Figure]) -> Derivation:
    """What follows from the figures of a stage."""
    return derive([f.stated for f in found], RELATIONS, QUANTITIES)


def others_say(index: int, found: Sequence[Figure]) -> Interval | None:
    """What the other figures give for the quantity of one."""
    return without(index, [f.stated for f in found], RELATIONS, QUANTITIES)


def span_words(interval: Interval) -> str:
    """An interval as people write it: "849", "844 to 849", "at least 12"."""
    low, high = (f"{v:,.0f}" if v >= 100 or v == round(v) else f"{v:.4g}" for v in (interval.lo, interval.hi))
    if math.isinf(interval.hi):
        return f"at least {low}"
    return low if low == high else f"{low} to {high}"


def usual_cause(quantity: str, stated: Interval, due: Interval) -> str:
    """Why a stated figure commonly misses what the others give, with the number that reconciles them; or empty."""
    if not math.isfinite(due.hi) or due.lo <= 0 or stated.lo <= 0:
        return ""
    ratio = due / stated
    share = Interval(1.0 - min(ratio.hi, 1.0), max(1.0 - ratio.lo, 0.0))
    times = _whole_within(ratio)
    if quantity == "rows":
        if 0.5 <= ratio.hi < 1:
            amount = f"{max(share.lo, 0.0):.1%}"
            return f"a filter or a held-out part that took {amount} or more of the rows reconciles them"
        parts = _whole_within(Interval.point(1.0) / ratio)
        if parts and parts > 1:
            return f"packing about {parts} rows into one sequence reconciles them"
        return ""
    if quantity == "effective batch" and times and 1 < times <= 4096:
        return f"the stated batch read as one device's or one micro-step's reconciles them: {times} of them a step"
    if quantity == "effective batch" and (parts := _whole_within(Interval.point(1.0) / ratio)) and 1 < parts <= 4096:
        return f"steps counted on {parts} devices apart, or in micro-steps, reconcile them"
    if quantity in {"steps", "steps an epoch"} and times and 1 < times <= 4096:
        return f"a batch {times} times as large as stated (devices or accumulation left out) reconciles them"
    if quantity == "steps" and (parts := _whole_within(Interval.point(1.0) / ratio)) and 1 < parts <= 4096:
        return f"counting micro-steps ({parts} a step) reconciles them"
    if quantity == "warm-up ratio" and ratio.meets(Interval.point(0.01)):
        return "the ratio read as a percentage reconciles them"
    return ""


def _whole_within(ratio: Interval) -> int | None:
    """The one whole number in an interval, or None."""
    if not math.isfinite(ratio.hi) or ratio.lo <= 0:
        return None
    low = math.ceil(ratio.lo - 1e-9)
    return low if low == math.floor(ratio.hi + 1e-9) else None
