"""Curves that must be one curve: how far apart they are, and whether they lean to one side."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

TOLERANCE = 2e-4
"""Of one step's loss. Rounding moves it by up to 3e-6 over 22 steps, whatever the vector units, the threads, the
processes and the cut into passes; a wrong weight of a row moves it by 1e-3."""
LEAN = 1e-5
"""The mean residual that rounding may leave: it does not average out, since a step's rounding moves all that follow."""
STANDARD_ERRORS = 4.0


@dataclass(frozen=True)
class Residual:
    """One curve minus another, over their steps."""

    largest: float
    mean: float
    standard_error: float
    """Of the mean."""

    @property
    def leans(self) -> bool:
        """The mean is further from zero than its standard errors and rounding explain: what a wrong divisor, a token
        too many or a skipped row do, which push every step to one side and may stay within any tolerance."""
        return abs(self.mean) > LEAN and abs(self.mean) > STANDARD_ERRORS * self.standard_error


def residual(curve: Sequence[float], other: Sequence[float]) -> Residual:
    """
    Raises:
        ValueError: they are not of one length, or too short to tell.
    """
    if len(curve) != len(other) or len(curve) < 3:
        raise ValueError(f"{len(curve)} and {len(other)} steps")
    apart = np.array(curve) - np.array(other)
    error = float(apart.std(ddof=1)) / math.sqrt(len(apart))
    return Residual(float(np.abs(apart).max()), float(apart.mean()), error)


def assert_one_curve(curve: Sequence[float], other: Sequence[float], what: str = "") -> None:
    """Step by step within the tolerance, and leaning to no side."""
    found = residual(curve, other)
    assert found.largest <= TOLERANCE, f"{what}: {found}"
    assert not found.leans, f"{what}: {found}"
