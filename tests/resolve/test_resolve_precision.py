"""What the plan says of weights that bf16 alone would hold."""

from __future__ import annotations

from typing import Any

import pytest
from resolve_specs import tenth

from repro.evidence import Evidence
from repro.plan import Plan
from repro.resolve.resolver import resolve
from repro.task import Scale


def notes(**changes: Any) -> list[str]:
    assume = changes.pop("assume", {})
    plan: Plan = resolve(tenth(**changes), Evidence(), scale=Scale.FULL, assume=assume)
    return [note for note in plan.notes if note.startswith("dpo:") and "bf16" in note and "master" in note]


def test_no_masters_is_a_warning_with_the_share() -> None:
    (note,) = notes(assume={"dpo.master_weights": "bf16"})
    assert "kept in bf16 without float32 master weights" in note
    assert "about 1.0%" in note
    assert "below 0.00024" in note
    assert "deviation 0.02" in note


def test_masters_that_are_only_assumed_are_said_to_be_where_it_would_matter() -> None:
    (note,) = notes()
    assert "assumed (ZeRO-3 keeps float32 master weights)" in note
    assert "about 1.0%" in note
    assert not notes(learning_rate=2e-5), "a third of the weights would move"


@pytest.mark.parametrize(
    "changes",
    [{"master_weights": "fp32"}, {"precision": "fp32"}, {"lora_r": 8}, {"assume": {"dpo.master_weights": "fp32"}}],
)
def test_nothing_is_said_where_nothing_is_lost(changes: dict[str, Any]) -> None:
    given = {"assume": {"sft.adapter": "none"}, **changes} if "lora_r" in changes else changes
    assert not notes(**given)
