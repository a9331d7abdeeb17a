"""Printed numbers and the intervals that their digits leave open."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Interval:
    """All values from `lo` to `hi`, both included; arithmetic is outward (never too narrow)."""

    lo: float
    hi: float

    def __post_init__(self) -> None:
        if math.isnan(self.lo) or math.isnan(self.hi) or self.lo > self.hi:
            raise ValueError(f"not an interval: [{self.lo}, {self.hi}]")

    @classmethod
    def point(cls, value: float) -> Interval:
        return cls(value, value)

    @classmethod
    def around(cls, value: float, half_width: float) -> Interval:
        return cls(value - half_width, value + half_width)

    @property
    def centre(self) -> float:
        return (self.lo + self.hi) / 2

    @property
    def half_width(self) -> float:
        return (self.hi - self.lo) / 2

    def __add__(self, other: Interval | float) -> Interval:
        o = _interval(other)
        return _outward(self.lo + o.lo, self.hi + o.hi)

    def __neg__(self) -> Interval:
        return Interval(-self.hi, -self.lo)

    def __sub__(self, other: Interval | float) -> Interval:
        return self + (-_interval(other))

    def __mul__(self, other: Interval | float) -> Interval:
        o = _interval(other)
        products = (self.lo * o.lo, self.lo * o.hi, self.hi * o.lo, self.hi * o.hi)
        return _outward(min(products), max(products))

    def __truediv__(self, other: Interval | float) -> Interval:
        """Quotient; a divisor that may be zero leaves everything open."""
        o = _interval(other)
        if o.lo <= 0.0 <= o.hi:
            return Interval(-math.inf, math.inf)
        quotients = (self.lo / o.lo, self.lo / o.hi, self.hi / o.lo, self.hi / o.hi)
        return _outward(min(quotients), max(quotients))

    def contains(self, value: float) -> bool:
        return self.lo <= value <= self.hi

    def meets(self, other: Interval) -> bool:
        """Whether some value lies in both."""
        return self.lo <= other.hi and other.lo <= self.hi

    def widened(self, by: float) -> Interval:
        return Interval(self.lo - by, self.hi + by)

    def __str__(self) -> str:
        return f"[{self.lo:.6g}, {self.hi:.6g}]"


def _interval(value: Interval | float) -> Interval:
    return value if isinstance(value, Interval) else Interval.point(float(value))


def _outward(lo: float, hi: float) -> Interval:
    # One unit in the last place each way: a contradiction must never be an artefact of rounding.
    return Interval(math.nextafter(lo, -math.inf), math.nextafter(hi, math.inf))


@dataclass(frozen=True, slots=True)
class Number:
    """A number as somebody printed it."""

    printed: str
    """The characters, as they stand in the text."""
    value: float
    """The value in the units of `unit`; 8.6% is 8.6 with unit "%"."""
    last_digit: float
    """What one step of the last printed digit is worth: 0.634 has 0.001, 5e-7 has 1e-7, 94K has 1000."""
    unit: str = ""
    """"%", "GB", "GiB", "tokens", ... as printed, or empty."""
    approximate: bool = False
    """Printed with a "~", "about" or the like: the digits promise nothing."""

    @property
    def decimals(self) -> int:
        """Digits printed after the decimal point, as a power of ten: 0.634 has 3, 5e-7 has 7, 844 has 0."""
        if self.last_digit >= 1:
            return 0
        return round(-math.log10(self.last_digit))

    @property
    def interval(self) -> Interval:
        """Every value that would be printed so: plus or minus half of the last digit.

        An approximate number is given two whole last digits either way, and never less than a tenth.
        """
        half = self.last_digit / 2
        if self.approximate:
            half = max(2 * self.last_digit, abs(self.value) * 0.1)
        return Interval.around(self.value, half).widened(abs(self.value) * 1e-12)
