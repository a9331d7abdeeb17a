"""The makers of small plans, as fixtures."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from plans import plan_of, stage_of

from repro.plan import DatasetPlan, Plan, StagePlan


@pytest.fixture
def stage() -> Callable[..., StagePlan]:
    return stage_of


@pytest.fixture
def plan() -> Callable[..., Plan]:
    return plan_of


@pytest.fixture
def dataset() -> Callable[..., DatasetPlan]:
    def make(repo_id: str, *, fraction: float | None = None, rows: int | None = None) -> DatasetPlan:
        return DatasetPlan(repo_id, "", "train", fraction, rows, None)

    return make
