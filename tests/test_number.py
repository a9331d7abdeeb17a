"""Intervals that are never too narrow, and printed numbers that leave open what their digits leave open."""

from __future__ import annotations

import math
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from repro.number import Interval, Number

finite = st.floats(-1e12, 1e12, allow_nan=False)


@st.composite
def intervals(draw: st.DrawFn) -> Interval:
    a, b = draw(finite), draw(finite)
    return Interval(min(a, b), max(a, b))


@st.composite
def interval_and_member(draw: st.DrawFn) -> tuple[Interval, float]:
    interval = draw(intervals())
    return interval, draw(st.floats(interval.lo, interval.hi))


def inside(interval: Interval, exact: Fraction) -> bool:
    above = interval.lo == -math.inf or Fraction(interval.lo) <= exact
    return above and (interval.hi == math.inf or exact <= Fraction(interval.hi))


@given(interval_and_member(), interval_and_member())
def test_arithmetic_contains_every_exact_result(a: tuple[Interval, float], b: tuple[Interval, float]) -> None:
    (x, p), (y, q) = a, b
    left, right = Fraction(p), Fraction(q)
    assert inside(x + y, left + right)
    assert inside(x - y, left - right)
    assert inside(x * y, left * right)
    assert inside(-x, -left)
    if right:
        assert inside(x / y, left / right)


@given(interval_and_member(), finite)
def test_a_plain_number_is_a_point(a: tuple[Interval, float], q: float) -> None:
    interval, p = a
    assert inside(interval + q, Fraction(p) + Fraction(q))
    assert interval * q == interval * Interval.point(q)


@given(intervals())
def test_a_divisor_that_may_be_zero_leaves_everything_open(x: Interval) -> None:
    for divisor in (Interval(-1.0, 1.0), Interval.point(0.0), Interval(0.0, 2.0), Interval(-2.0, -0.0)):
        assert x / divisor == Interval(-math.inf, math.inf)


@given(intervals(), intervals())
def test_meeting_is_symmetric_and_is_sharing_a_value(x: Interval, y: Interval) -> None:
    assert x.meets(y) == y.meets(x)
    assert x.meets(y) == (max(x.lo, y.lo) <= min(x.hi, y.hi))
    assert x.meets(x)
    assert x.meets(Interval.point(x.lo))


@given(intervals(), st.floats(0, 1e6))
def test_widening_keeps_what_was_in_it(x: Interval, by: float) -> None:
    wider = x.widened(by)
    assert wider.lo <= x.lo
    assert x.hi <= wider.hi


@pytest.mark.parametrize(("lo", "hi"), [(1.0, 0.0), (math.nan, 1.0), (0.0, math.nan)])
def test_what_is_no_interval_is_refused(lo: float, hi: float) -> None:
    with pytest.raises(ValueError, match="not an interval"):
        Interval(lo, hi)


def test_centre_half_width_and_text() -> None:
    x = Interval.around(0.634, 0.0005)
    assert x.centre == pytest.approx(0.634)
    assert x.half_width == pytest.approx(0.0005)
    assert str(x) == "[0.6335, 0.6345]"


@given(st.integers(-(10**9), 10**9), st.integers(0, 9))
def test_every_value_that_rounds_to_the_print_is_in_the_interval(digits: int, decimals: int) -> None:
    step = 10.0**-decimals
    printed = str(Decimal(digits).scaleb(-decimals))
    number = Number(printed, float(printed), step)
    assert number.decimals == decimals
    exact, half = Fraction(digits, 10**decimals), Fraction(1, 2 * 10**decimals)
    for value in (exact, exact - half, exact + half, exact + half / 3):
        assert inside(number.interval, value)


@given(st.integers(-(10**6), 10**6), st.integers(0, 6))
def test_the_neighbouring_print_is_outside(digits: int, decimals: int) -> None:
    number = Number("", digits / 10**decimals, 10.0**-decimals)
    assert not number.interval.contains((digits + 1) / 10**decimals)
    assert not number.interval.contains((digits - 1) / 10**decimals)


@pytest.mark.parametrize(("step", "decimals"), [(0.001, 3), (1e-7, 7), (1.0, 0), (1000.0, 0), (0.1, 1)])
def test_decimals(step: float, decimals: int) -> None:
    assert Number("", 1.0, step).decimals == decimals


@given(st.floats(-1e9, 1e9), st.sampled_from([0.001, 0.1, 1.0, 1000.0]))
def test_an_approximate_number_promises_less(value: float, step: float) -> None:
    plain, rough = Number("", value, step), Number("", value, step, approximate=True)
    assume(plain.interval.half_width > 0)
    assert rough.interval.lo <= plain.interval.lo
    assert plain.interval.hi <= rough.interval.hi
    assert rough.interval.contains(value * 1.1)
    assert rough.interval.contains(value * 0.9)
