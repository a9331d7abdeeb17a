"""Quantities that fix each other: what a stated few imply for the rest, within rounding, and which of them clash."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple, Protocol

from repro.number import Interval

_ROUNDS = 40
"""Passes over all relations; bounds that still creep after these are left as they are, which is never too narrow."""
_GAIN = 1e-9
"""A bound that moves by a smaller share than this is taken not to have moved."""


class Quantity(NamedTuple):
    """Something that has one value in a run, and what is known of it before anybody states it."""

    name: str
    least: float = 0.0
    most: float = math.inf
    whole: bool = False
    """Counted in whole things: bounds are moved in to the next whole number."""


class Stated(NamedTuple):
    """One printed figure: a quantity lies in an interval because somebody said so."""

    quantity: str
    interval: Interval
    words: str = ""
    """As a reader is shown it: "27,140 rows"."""


class Relation(Protocol):
    """Quantities of which some bound the others."""

    @property
    def quantities(self) -> tuple[str, ...]: ...

    def narrow(self, known: Mapping[str, Interval]) -> Iterator[tuple[str, float, float]]:
        """(quantity, lowest, highest) as the others allow; lowest above highest says that nothing fits."""
        ...


class Product(NamedTuple):
    """total = the product of the factors; with `rounded`, the next whole number below or above it.

    Every factor is zero or above. Where the total and some factors are exact whole numbers and all factors are
    whole, what is left for the rest must be whole too.
    """

    total: str
    factors: tuple[str, ...]
    rounded: bool = False
    whole: bool = False
    """Every factor is a whole number of at least 1."""

    @property
    def quantities(self) -> tuple[str, ...]:
        return (self.total, *self.factors)

    def narrow(self, known: Mapping[str, Interval]) -> Iterator[tuple[str, float, float]]:
        total = known[self.total]
        low = math.prod(known[f].lo for f in self.factors)
        high = _product([known[f].hi for f in self.factors])
        yield self.total, *((_floor(low), _ceil(high)) if self.rounded else (low, high))
        floor, roof = (max(total.lo - 1.0, 0.0), total.hi + 1.0) if self.rounded else (total.lo, total.hi)
        for factor in self.factors:
            others = [known[f] for f in self.factors if f != factor]
            least, most = math.prod(o.lo for o in others), _product([o.hi for o in others])
            yield factor, floor / most if most > 0 else 0.0, roof / least if least > 0 else math.inf
        if self.whole and total.lo == total.hi:
            exact = math.prod(known[f].lo for f in self.factors if known[f].lo == known[f].hi)
            if exact > 0 and total.lo % exact:
                yield self.total, math.inf, -math.inf


class Batches(NamedTuple):
    """batches = rows / size for one pass: the last, partial batch is kept, dropped, or runs into the next pass."""

    batches: str
    rows: str
    size: str

    @property
    def quantities(self) -> tuple[str, ...]:
        return (self.batches, self.rows, self.size)

    def narrow(self, known: Mapping[str, Interval]) -> Iterator[tuple[str, float, float]]:
        batches, rows, size = known[self.batches], known[self.rows], known[self.size]
        # a pass shorter than one batch still makes one step
        least = max(_floor(rows.lo / size.hi), 1.0) if size.hi > 0 and math.isfinite(size.hi) else 0.0
        yield self.batches, least, _ceil(rows.hi / size.lo) if size.lo > 0 else math.inf
        below = max(batches.lo - 1.0, 0.0)
        yield self.rows, below * size.lo, _product([batches.hi + 1.0, size.hi])
        if below > 0:
            yield self.size, rows.lo / (batches.hi + 1.0), rows.hi / below
        else:
            yield self.size, rows.lo / (batches.hi + 1.0), math.inf


class AtMost(NamedTuple):
    """small <= large."""

    small: str
    large: str

    @property
    def quantities(self) -> tuple[str, ...]:
        return (self.small, self.large)

    def narrow(self, known: Mapping[str, Interval]) -> Iterator[tuple[str, float, float]]:
        yield self.small, -math.inf, known[self.large].hi
        yield self.large, known[self.small].lo, math.inf


class Sum(NamedTuple):
    """total = the sum of the parts."""

    total: str
    parts: tuple[str, ...]

    @property
    def quantities(self) -> tuple[str, ...]:
        return (self.total, *self.parts)

    def narrow(self, known: Mapping[str, Interval]) -> Iterator[tuple[str, float, float]]:
        low, high = math.fsum(known[p].lo for p in self.parts), math.fsum(known[p].hi for p in self.parts)
        total = known[self.total]
        # a difference of large numbers keeps their rounding
        slack = 1e-12 * max(abs(v) for v in (low, high, total.lo, total.hi, 0.0) if math.isfinite(v))
        yield self.total, low - slack, high + slack
        for part in self.parts:
            rest = [known[p] for p in self.parts if p != part]
            yield (
                part,
                total.lo - math.fsum(r.hi for r in rest) - slack,
                total.hi - math.fsum(r.lo for r in rest) + slack,
            )


class Derived(NamedTuple):
    """One step of a derivation: a relation moved a quantity's bounds."""

    quantity: str
    interval: Interval
    relation: Relation
    because: frozenset[int]
    """Which statements (by their place in the list given) it rests on."""


class Derivation(NamedTuple):
    """What follows from statements: bounds of every quantity, how they came about, or which statements clash."""

    bounds: dict[str, Interval]
    because: dict[str, frozenset[int]]
    """For each quantity, the statements on which its bounds rest; empty for what nothing bounds."""
    trace: tuple[Derived, ...]
    conflict: tuple[int, ...] = ()
    """The statements of which no values satisfy all, and of which none can be left out; empty when all fit."""

    def known(self, quantity: str) -> Interval | None:
        """The bounds of a quantity that some statement has narrowed from above, or None."""
        interval = self.bounds[quantity]
        return interval if self.because[quantity] and math.isfinite(interval.hi) else None


_NONE: frozenset[int] = frozenset()


class _Clash(Exception):
    def __init__(self, because: frozenset[int]) -> None:
        self.because = because


def derive(stated: Sequence[Stated], relations: Sequence[Relation], quantities: Mapping[str, Quantity]) -> Derivation:
    """Bounds of all quantities as the statements and relations imply them, to a fixed point.

    Sound: values that satisfy every statement and relation lie within the bounds, and are never called a conflict.

    Raises:
        KeyError: a statement or a relation is about a quantity that is not among `quantities`.
    """
    everything = frozenset(range(len(stated)))
    try:
        return _propagate(stated, relations, quantities, everything)
    except _Clash as clash:
        conflict = clash.because
        for index in sorted(conflict, reverse=True):
            fewer = conflict - {index}
            if fewer == conflict:
                continue
            try:
                _propagate(stated, relations, quantities, fewer)
            except _Clash as smaller:
                conflict = smaller.because & fewer
    empty: dict[str, frozenset[int]] = {name: frozenset() for name in quantities}
    free = {name: Interval(q.least, q.most) for name, q in quantities.items()}
    return Derivation(free, empty, (), tuple(sorted(conflict)))


def without(
    index: int, stated: Sequence[Stated], relations: Sequence[Relation], quantities: Mapping[str, Quantity]
) -> Interval | None:
    """What the other statements say of the quantity of statement `index`; None when they say nothing or clash."""
    rest = [s for i, s in enumerate(stated) if i != index]
    derivation = derive(rest, relations, quantities)
    return None if derivation.conflict else derivation.known(stated[index].quantity)


def _propagate(
    stated: Sequence[Stated],
    relations: Sequence[Relation],
    quantities: Mapping[str, Quantity],
    used: frozenset[int],
) -> Derivation:
    bounds = {name: Interval(q.least, q.most) for name, q in quantities.items()}
    because: dict[str, frozenset[int]] = dict.fromkeys(quantities, _NONE)
    trace: list[Derived] = []
    for index in sorted(used):
        fact = stated[index]
        _tighten(bounds, because, quantities[fact.quantity], fact.interval.lo, fact.interval.hi, frozenset({index}))
    waiting = list(relations)
    for _ in range(_ROUNDS):
        moved: set[str] = set()
        for relation in waiting:
            names = relation.quantities
            # one known quantity bounds no other, unless the rest have bounds of their own
            if sum(1 for q in names if because[q] or quantities[q].most < math.inf) < min(2, len(names) - 1):
                continue
            for name, low, high in relation.narrow(bounds):
                old = bounds[name]
                if low <= old.lo and high >= old.hi and low <= high:
                    continue
                causes = _NONE.union(*[because[q] for q in names if q != name or low > high])
                if _tighten(bounds, because, quantities[name], _down(low), _up(high), causes):
                    trace.append(Derived(name, bounds[name], relation, because[name]))
                    moved.add(name)
        if not moved:
            break
        waiting = [r for r in relations if not moved.isdisjoint(r.quantities)]
    return Derivation(bounds, because, tuple(trace))


def _tighten(
    bounds: dict[str, Interval],
    because: dict[str, frozenset[int]],
    quantity: Quantity,
    low: float,
    high: float,
    causes: frozenset[int],
) -> bool:
    """Intersect; whether the bounds moved. An empty intersection is a clash of all that led to it."""
    old = bounds[quantity.name]
    if quantity.whole:
        low = math.ceil(low - 1e-9 * max(1.0, abs(low))) if math.isfinite(low) else low
        high = math.floor(high + 1e-9 * max(1.0, abs(high))) if math.isfinite(high) else high
    new_low, new_high = max(old.lo, low), min(old.hi, high)
    if new_low > new_high:
        raise _Clash(causes | because[quantity.name])
    margin = _GAIN * max(1.0, abs(old.lo))
    if new_low <= old.lo + margin and (new_high == old.hi or new_high >= old.hi - _GAIN * max(1.0, abs(old.hi))):
        return False
    bounds[quantity.name] = Interval(new_low, new_high)
    because[quantity.name] |= causes
    return True


def _down(value: float) -> float:
    return value - 1e-12 * abs(value) if math.isfinite(value) else value


def _up(value: float) -> float:
    return value + 1e-12 * abs(value) if math.isfinite(value) else value


# Bounds were moved outward by 1e-12 a step: that alone must not cross to the next whole number.
def _ceil(value: float) -> float:
    return math.ceil(value - 1e-11 * max(1.0, abs(value))) if math.isfinite(value) else value


def _floor(value: float) -> float:
    return math.floor(value + 1e-11 * max(1.0, abs(value))) if math.isfinite(value) else value


def _product(values: Sequence[float]) -> float:
    """The product, in which nothing times infinity is infinity: an unknown factor leaves everything open."""
    return math.inf if math.inf in values else math.prod(values)
