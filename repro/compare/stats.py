"""The tests and quantiles that verdicts rest on: Holm's procedure, Student's t, conformal tails, Satterthwaite."""

from __future__ import annotations

import math
from collections.abc import Sequence

FAMILY_ERROR = 0.05
"""Probability of one or more false DIFFERS among a card's claims of one kind, when all of them are true."""


def holm(p_values: Sequence[float]) -> tuple[float, ...]:
    """Holm-adjusted p-values, in the order given (Holm 1979): reject where at most the family-wise error."""
    order = sorted(range(len(p_values)), key=lambda i: p_values[i])
    adjusted = [0.0] * len(p_values)
    running = 0.0
    for rank, index in enumerate(order):
        running = max(running, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = running
    return tuple(adjusted)


def satterthwaite(parts: Sequence[tuple[float, float]]) -> float:
    """Degrees of freedom of a sum of independent variance estimates, given as (variance, its degrees of freedom).

    Welch 1947, Satterthwaite 1946: (sum v)^2 / sum(v^2 / df); a part known exactly has infinite degrees.
    """
    total = math.fsum(v for v, _ in parts)
    below = math.fsum(v * v / df for v, df in parts if df > 0 and not math.isinf(df))
    return total * total / below if below > 0 else math.inf


def t_quantile(two_sided: float, degrees: float) -> float:
    """The value that |t| exceeds with probability `two_sided`."""
    from scipy import stats

    if math.isinf(degrees):
        return float(stats.norm.isf(two_sided / 2))
    return float(stats.t.isf(two_sided / 2, degrees))


def t_tail(value: float, degrees: float) -> float:
    """Two-sided p-value of a t statistic."""
    from scipy import stats

    if math.isinf(degrees):
        return float(2 * stats.norm.sf(abs(value)))
    return float(2 * stats.t.sf(abs(value), degrees))


def conformal_quantile(shape: Sequence[float], count: float, two_sided: float, tail_degrees: float) -> float:
    """The split-conformal quantile of sorted absolute residuals with its finite-sample correction.

    `count` is how many of them count as independent. Where these are too few for the level asked, the largest of
    them or a t tail with `tail_degrees`, whichever is further out, stands in.
    """
    rank = math.ceil((count + 1) * (1 - two_sided) - 1e-9)
    if rank <= count:
        position = min(len(shape) - 1, max(0, math.ceil(rank / count * len(shape)) - 1))
        return shape[position]
    return max(shape[-1], t_quantile(two_sided, tail_degrees))


def conformal_tail(shape: Sequence[float], count: float, value: float, tail_degrees: float) -> float:
    """The conformal p-value of an absolute residual `value`; beyond all that were seen, no more than a t tail's."""
    from bisect import bisect_left

    beyond = len(shape) - bisect_left(shape, value)
    p_value = (1 + beyond / len(shape) * count) / (count + 1)
    return p_value if beyond else min(p_value, t_tail(value, tail_degrees))


def sign_test(wins: int, losses: int) -> float:
    """McNemar's exact two-sided p-value: discordant pairs fall either way with equal chance under no difference."""
    from scipy import stats

    if wins + losses == 0:
        return 1.0
    return float(stats.binomtest(wins, wins + losses, 0.5).pvalue)
