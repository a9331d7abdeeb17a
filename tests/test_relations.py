"""The engine never calls a real run a contradiction, its bounds hold the truth, and plain contradictions are found."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from repro.check.run_numbers import QUANTITIES, RELATIONS, span_words, usual_cause
from repro.number import Interval
from repro.relations import AtMost, Batches, Product, Quantity, Stated, Sum, derive, without


def point(value: float) -> Interval:
    return Interval.point(float(value))


@st.composite
def runs(draw: st.DrawFn) -> dict[str, float]:
    """A run as trainers make them: what its quantities really were."""
    each, devices, accumulation = draw(st.integers(1, 64)), draw(st.integers(1, 64)), draw(st.integers(1, 32))
    batch = each * devices * accumulation
    rows = draw(st.integers(1, 2_000_000))
    kept = draw(st.one_of(st.just(1.0), st.floats(0.95, 1.0)))
    used = max(math.ceil(rows * kept), 1)
    epochs = draw(st.one_of(st.integers(1, 30).map(float), st.sampled_from([0.5, 0.1, 1.5, 2.25, 3.7])))
    rule = draw(st.sampled_from(["keep", "drop", "micro", "through"]))
    if rule == "drop":
        per_epoch = float(max(used // batch, 1))
    elif rule == "micro":  # transformers: whole accumulations of micro-batches, the rest dropped
        per_epoch = float(max(math.ceil(used / (each * devices)) // accumulation, 1))
    else:
        per_epoch = float(math.ceil(used / batch))
    if rule == "through":  # batches run over the epochs' borders
        per_epoch = max(used / batch, 1.0)
    exact = Fraction(per_epoch) * Fraction(epochs)
    steps = max(draw(st.sampled_from([math.floor, math.ceil]))(exact), 1)
    ratio = draw(st.sampled_from([0.0, 0.03, 0.05, 0.1, 0.25]))
    warmup = draw(st.sampled_from([math.floor, math.ceil]))(ratio * steps)
    return {
        "effective batch": batch,
        "batch per device": each,
        "devices": devices,
        "accumulation": accumulation,
        "rows": rows,
        "rows kept": used / rows,
        "rows used": used,
        "epochs": epochs,
        "steps an epoch": per_epoch,
        "steps": steps,
        "warm-up steps": warmup,
        "warm-up ratio": ratio,
    }


def printed(value: float, digits: int) -> Interval:
    """The interval of the value printed with so many significant digits."""
    if value == 0:
        return point(0.0)
    last = 10.0 ** (math.floor(math.log10(abs(value))) + 1 - digits)
    if last < 1 and value == int(value):
        return point(value)
    return Interval.around(round(value / last) * last, last / 2).widened(abs(value) * 1e-12)


@given(st.data(), runs())
@settings(max_examples=400)
def test_a_real_run_is_never_a_contradiction_and_lies_within_every_bound(
    data: st.DataObject, run: dict[str, float]
) -> None:
    names = data.draw(st.lists(st.sampled_from(sorted(run)), unique=True, min_size=1))
    stated = [Stated(n, printed(run[n], data.draw(st.integers(1, 9)))) for n in names if n != "rows kept"]
    derivation = derive(stated, RELATIONS, QUANTITIES)
    assert not derivation.conflict, [stated[i] for i in derivation.conflict]
    for name, value in run.items():
        bounds = derivation.bounds[name]
        assert bounds.widened(1e-9 * value).contains(value), (name, value, bounds)


@given(runs(), st.integers(2, 9))
@settings(max_examples=200)
def test_a_batch_that_is_not_the_product_is_found(run: dict[str, float], factor: int) -> None:
    names = ("batch per device", "devices", "accumulation")
    stated = [Stated(n, point(run[n])) for n in names] + [Stated("effective batch", point(run["effective batch"] + 1))]
    derivation = derive(stated, RELATIONS, QUANTITIES)
    assert derivation.conflict
    wrong = stated[3]
    assert stated.index(wrong) in derivation.conflict


@given(runs(), st.integers(3, 9))
@settings(max_examples=200)
def test_steps_of_another_batch_are_found(run: dict[str, float], factor: int) -> None:
    if run["steps an epoch"] < 60:
        return
    stated = [Stated(n, point(run[n])) for n in ("rows", "effective batch", "epochs")]
    stated.append(Stated("steps", point(run["steps"] * factor)))
    derivation = derive(stated, RELATIONS, QUANTITIES)
    assert 3 in derivation.conflict


def test_a_conflict_names_only_what_is_needed() -> None:
    stated = [
        Stated("devices", point(2)),
        Stated("rows", point(27_140)),
        Stated("effective batch", point(32)),
        Stated("warm-up ratio", point(0.1)),
        Stated("epochs", point(1)),
        Stated("steps", point(424)),
    ]
    assert derive(stated, RELATIONS, QUANTITIES).conflict == (1, 2, 4, 5)
    due = without(5, stated, RELATIONS, QUANTITIES)
    assert due is not None
    assert (due.lo, due.hi) == (805, 849)
    batch = without(2, stated, RELATIONS, QUANTITIES)
    assert batch is not None
    assert "2 of them a step" in usual_cause("effective batch", point(32), batch)


def test_a_small_filter_reconciles_and_a_large_one_is_named() -> None:
    known = [Stated("rows", point(27_140)), Stated("effective batch", point(32)), Stated("epochs", point(1))]
    assert not derive([*known, Stated("steps", point(844))], RELATIONS, QUANTITIES).conflict
    stated = [*known, Stated("steps", point(700))]
    assert derive(stated, RELATIONS, QUANTITIES).conflict
    due = without(0, stated, RELATIONS, QUANTITIES)
    assert due is not None
    assert "filter" in usual_cause("rows", point(27_140), due)


def test_what_nobody_states_is_derived_with_its_reasons() -> None:
    stated = [
        Stated("effective batch", point(64)),
        Stated("batch per device", point(8)),
        Stated("accumulation", point(2)),
    ]
    derivation = derive(stated, RELATIONS, QUANTITIES)
    assert derivation.known("devices") == point(4)
    assert derivation.because["devices"] == {0, 1, 2}
    assert derivation.known("steps") is None
    assert any(step.quantity == "devices" for step in derivation.trace)


NAMES = {n: Quantity(n) for n in ("a", "b", "c", "d")}


@given(st.lists(st.floats(0, 1e9), min_size=3, max_size=3), st.floats(0, 10), st.floats(0, 10))
def test_sums_hold_their_parts(parts: list[float], slack: float, more: float) -> None:
    relation = Sum("d", ("a", "b", "c"))
    stated = [Stated(n, Interval.around(v, slack)) for n, v in zip("abc", parts, strict=True)]
    total = math.fsum(parts)
    derivation = derive([*stated, Stated("d", Interval.around(total, more))], [relation], NAMES)
    assert not derivation.conflict
    missing = derive([*stated[:2], Stated("d", point(total))], [relation], NAMES)
    assert missing.bounds["c"].lo - 1e-3 <= parts[2] <= missing.bounds["c"].hi + 1e-3
    wrong = derive([*stated, Stated("d", point(total + 3 * slack + 1 + 1e-9 * total))], [relation], NAMES)
    assert 3 in wrong.conflict


def test_an_upper_bound_is_kept() -> None:
    stated = [Stated("a", Interval(5, 6)), Stated("b", Interval(1, 4))]
    assert derive(stated, [AtMost("a", "b")], NAMES).conflict == (0, 1)
    assert derive(stated[:1], [AtMost("a", "b")], NAMES).bounds["b"].lo == pytest.approx(5)


@given(st.integers(1, 10**6), st.integers(1, 10**4))
def test_batches_of_rows_are_bounded_both_ways(rows: int, size: int) -> None:
    relation = Batches("a", "b", "c")
    for count in (max(rows // size, 1), math.ceil(rows / size)):
        stated = {"a": float(count), "b": float(rows), "c": float(size)}
        for name in stated:
            others = [Stated(n, point(v)) for n, v in stated.items() if n != name]
            derivation = derive(others, [relation], {n: Quantity(n, 1.0) for n in "abc"})
            assert derivation.bounds[name].lo <= stated[name] <= derivation.bounds[name].hi


def test_whole_products_have_whole_factors() -> None:
    names = {n: Quantity(n, 1, whole=True) for n in "abcd"}
    relation = Product("d", ("a", "b", "c"), whole=True)
    assert derive([Stated("d", point(64)), Stated("a", point(3))], [relation], names).conflict == (0, 1)


def test_intervals_are_shown_as_people_write_them() -> None:
    assert span_words(Interval(844, 849)) == "844 to 849"
    assert span_words(point(27_140)) == "27,140"
    assert span_words(Interval(12, math.inf)) == "at least 12"
