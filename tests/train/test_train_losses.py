"""Every loss and reduction against a loop over single tokens in float64, through the very objects that train."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from plans import semantics_of

from repro.errors import RunError
from repro.plan import PREFERENCE_LOSSES
from repro.train.batch import Sequences
from repro.train.dpo import DpoObjective
from repro.train.loss import checked_preference_loss
from repro.train.objective import RowLosses
from repro.train.order import Order, group_weights
from repro.train.sft import SftObjective

CPU = torch.device("cpu")
VOCABULARY = 6
Row = tuple[list[int], list[bool]]
NEXT = torch.log_softmax(
    torch.randn(VOCABULARY, VOCABULARY, generator=torch.Generator().manual_seed(1), dtype=torch.float64) * 2, dim=1
)
"""A language model in a table: the log-probability of each next token by the one before."""
REFERENCE = torch.log_softmax(
    torch.randn(VOCABULARY, VOCABULARY, generator=torch.Generator().manual_seed(2), dtype=torch.float64) * 2, dim=1
)


def score(table: torch.Tensor) -> Any:
    """What a Scorer does, in float64."""
    return lambda ids, positions, targets, forks=None: -table[ids.reshape(-1)[positions], targets]


def token_by_token(row: Row, table: torch.Tensor) -> list[float]:
    """Log-probabilities of a row's label tokens; the first token is never one."""
    ids, labels = row
    return [table[ids[i - 1], ids[i]].item() for i in range(1, len(ids)) if labels[i]]


@st.composite
def rows(draw: st.DrawFn) -> Row:
    ids = draw(st.lists(st.integers(0, VOCABULARY - 1), min_size=2, max_size=9))
    labels = draw(st.lists(st.booleans(), min_size=len(ids), max_size=len(ids)))
    labels[draw(st.integers(1, len(ids) - 1))] = True
    return ids, labels


def naive(kind: str, pair: tuple[Row, Row], beta: float, margin: float, smoothing: float) -> float:
    """The papers' formulas on one pair: Rafailov et al. eq. 7, Meng et al. eq. 6, Azar et al. eq. 17 on means."""
    sides = []
    for row in pair:
        policy, reference = token_by_token(row, NEXT), token_by_token(row, REFERENCE)
        if kind == "simpo":
            reference = [0.0] * len(policy)
        total = 0.0
        for ours, theirs in zip(policy, reference, strict=True):
            total += ours - theirs
        sides.append(total if kind == "dpo" else total / len(policy))
    delta = sides[0] - sides[1]
    if kind == "ipo":
        return (delta - 1 / (2 * beta)) ** 2
    z = beta * delta - (beta * margin if kind == "simpo" else 0.0)
    return (1 - smoothing) * softplus(-z) + smoothing * softplus(z)


def softplus(x: float) -> float:
    return max(x, 0.0) + math.log1p(math.exp(-abs(x)))


def preferences(pairs: list[tuple[Row, Row]], **given: Any) -> DpoObjective:
    chosen, rejected = (Sequences.of([pair[side] for pair in pairs]) for side in (0, 1))
    objective = DpoObjective(chosen, rejected, pad_token_id=0, **given)
    if objective.needs_reference:
        objective.use_reference(objective.log_probs(score(REFERENCE), np.arange(len(pairs)), CPU))
    return objective


@pytest.mark.parametrize("kind", PREFERENCE_LOSSES)
@given(
    st.lists(st.tuples(rows(), rows()), min_size=1, max_size=5), st.floats(0.01, 10), st.floats(0, 3), st.floats(0, 0.5)
)
@settings(max_examples=60, deadline=None)
def test_a_pairs_loss(kind: str, pairs: list[tuple[Row, Row]], beta: float, margin: float, smoothing: float) -> None:
    given = {"loss_type": kind, "beta": beta, "label_smoothing": smoothing, "gamma_beta_ratio": margin}
    objective = preferences(pairs, **given)
    got = objective.losses(score(NEXT), np.arange(len(pairs)), CPU)
    expected = [naive(kind, pair, beta, margin, smoothing) for pair in pairs]
    assert got.loss.tolist() == pytest.approx(expected, rel=1e-9, abs=1e-12)
    assert got.loss.dtype == torch.float64
    assert got.rewards is not None
    for i, (chosen, rejected) in enumerate(pairs):
        for side, row in enumerate((chosen, rejected)):
            policy, reference = sum(token_by_token(row, NEXT)), sum(token_by_token(row, REFERENCE))
            terms = 1 if kind == "dpo" else len(token_by_token(row, NEXT))
            reward = beta * (policy - (0.0 if kind == "simpo" else reference)) / terms
            assert got.rewards[side][i].item() == pytest.approx(reward, rel=1e-9, abs=1e-9)


def step_loss(objective: Any, result: RowLosses, reduction: str, divisor: str, step: int, order: Order) -> float:
    window = order.window(step)
    weights = group_weights(window, objective.terms[window.rows], reduction=reduction, divisor=divisor)
    return float((result.loss[torch.from_numpy(window.rows)] * torch.from_numpy(weights)).sum())


def windows(count: int) -> Order:
    """Micro-batches of 2, three a step: the last window of the epoch is partial where `count` is no multiple of 6."""
    given: Any = SimpleNamespace(per_device_batch_size=2, effective_batch_size=6, num_devices=1, num_epochs=1.0, seed=3)
    return Order(count, given, semantics_of("open-instruct", "sft"))


@pytest.mark.parametrize("reduction", ["mean", "token_mean", "sum"])
@pytest.mark.parametrize("divisor", ["full", "actual"])
@given(st.lists(rows(), min_size=1, max_size=11))
@settings(max_examples=40, deadline=None)
def test_a_steps_loss_of_sft(reduction: str, divisor: str, given: list[Row]) -> None:
    objective = SftObjective(Sequences.of(given), reduction=reduction, pad_token_id=0)
    result = objective.losses(score(NEXT), np.arange(len(given)), CPU)
    order = windows(len(given))
    for step in range(1, order.steps_per_epoch + 1):
        groups = order.window(step).groups
        total, tokens, means = 0.0, 0, 0.0
        for group in groups:
            of_group, in_group = 0.0, 0
            for row in group:
                for value in token_by_token(given[int(row)], NEXT):
                    of_group -= value
                    in_group += 1
            total, tokens, means = total + of_group, tokens + in_group, means + of_group / in_group
        parts = 3 if divisor == "full" else len(groups)
        expected = {"mean": means / parts, "token_mean": total / tokens, "sum": total / parts}[reduction]
        got = step_loss(objective, result, reduction, divisor, step, order)
        assert got == pytest.approx(expected, rel=1e-9)


@given(st.lists(st.tuples(rows(), rows()), min_size=1, max_size=11))
@settings(max_examples=30, deadline=None)
def test_a_steps_loss_of_pairs(pairs: list[tuple[Row, Row]]) -> None:
    """The mean over a micro-batch's pairs, averaged over the micro-batches, whatever the pairs' lengths."""
    objective = preferences(pairs, loss_type="dpo_norm", beta=5.0, label_smoothing=0.0)
    result = objective.losses(score(NEXT), np.arange(len(pairs)), CPU)
    order = windows(len(pairs))
    for step in range(1, order.steps_per_epoch + 1):
        groups = order.window(step).groups
        means = [sum(naive("dpo_norm", pairs[int(r)], 5.0, 0.0, 0.0) for r in g) / len(g) for g in groups]
        got = step_loss(objective, result, "mean", "actual", step, order)
        assert got == pytest.approx(sum(means) / len(groups), rel=1e-9)


def test_where_each_loss_starts() -> None:
    """At the reference: log 2 for DPO, 1 / (2 beta)^2 for IPO; SimPO knows no reference and starts anywhere."""
    row: Row = ([1, 2, 3], [False, True, True])
    for kind, first in (("dpo", math.log(2)), ("dpo_norm", math.log(2)), ("ipo", 1 / (2 * 0.1) ** 2)):
        objective = preferences([(row, ([3, 1], [False, True]))], loss_type=kind, beta=0.1, label_smoothing=0.0)
        objective.use_reference(objective.log_probs(score(NEXT), np.arange(1), CPU))
        assert objective.losses(score(NEXT), np.arange(1), CPU).loss.item() == pytest.approx(first)


def test_a_loss_that_is_not_here_is_named_with_those_that_are() -> None:
    with pytest.raises(RunError, match="'hinge'") as caught:
        checked_preference_loss("hinge")
    assert all(name in caught.value.hint for name in PREFERENCE_LOSSES)
