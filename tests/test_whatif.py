"""What a card leaves open, tried: a study of a small card end to end, and its arithmetic on made curves."""

from __future__ import annotations

import dataclasses
import io
import math
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from repro import pipeline, shelf, whatif
from repro.compare.sensitivity import around, shifts, spread, window_of
from repro.evidence import Evidence
from repro.options import Options
from repro.plan import Plan
from repro.render.sensitivity_rows import advice, study_rows
from repro.render.sensitivity_view import view
from repro.resolve.alternatives import alternatives, changed, holes, shortened
from repro.resolve.resolver import resolve
from repro.run import Environment, Run, StageRun, Step
from repro.semantics import CHOICES
from repro.sensitivity import Effect, Noise, Sensitivity, Shift
from repro.task import Progress, Scale

ROOT = Path(__file__).parents[1]
GIVEN = ROOT / "cards" / "dpo-mahals.md"
SMALL = """---
base_model: lake/heron-base
datasets: [lake/pairs]
---
# heron

DPO with TRL 1.16.0, started from [lake/heron-base](https://huggingface.co/lake/heron-base).

## DPO

| Parameter | Value |
|---|---|
| Framework | TRL |
| Learning rate | 1e-6 |
| Effective batch size | 8 |
| Epochs | 1 |
| Max length | 512 |
| Warmup ratio | 0.1 |
| LR scheduler | linear |
| Optimizer | AdamW |
| Adam beta2 | 0.999 |
| Precision | fp32 |
| Loss | sigmoid |
| Seed | 42 |

| Step | Training loss |
|---|---|
| 1 | 0.693 |
| 20 | 0.612 |
| 40 | 0.571 |
"""


@pytest.fixture(scope="module")
def given_plan() -> Plan:
    _, _, spec = pipeline.read(str(GIVEN))
    return resolve(spec, Evidence(), scale=Scale.PROXY, assume={}, num_seeds=3)


def test_every_alternative_of_the_given_card_is_one_that_can_be_asked_for(given_plan: Plan) -> None:
    _, _, spec = pipeline.read(str(GIVEN))
    tried = 0
    for stage, fact in holes(given_plan):
        for one in alternatives(stage, fact):
            key, value = one.assumption
            other = resolve(spec, Evidence(), scale=Scale.PROXY, assume={key: value})
            plan = changed(given_plan, other, one)
            assert one.source
            tried += plan is not None
            if plan is not None:
                assert plan.seeds == given_plan.seeds[:1]
    assert tried > 20


def test_what_a_card_states_is_no_hole(given_plan: Plan) -> None:
    dpo = {fact.key for stage, fact in holes(given_plan) if stage.name == "dpo"}
    assert not dpo & {"beta", "learning_rate", "loss_type", "effective_batch_size"}
    assert {"weight_decay", "sampler"} <= dpo


def test_the_rules_in_which_frameworks_differ_are_tried(given_plan: Plan) -> None:
    tried = {f.key for s, f in holes(given_plan) if f.key in CHOICES and alternatives(s, f)}
    assert {"sampler", "partial_window_gradient", "warmup_rounding"} <= tried


def test_a_shortened_plan_keeps_its_shares(given_plan: Plan) -> None:
    short = shortened(given_plan, 100)
    for before, after in zip(given_plan.stages, short.stages, strict=True):
        share = after.hyperparameters.max_steps / before.hyperparameters.max_steps  # type: ignore[operator]
        assert after.hyperparameters.max_steps == after.expected_steps == 100
        assert after.datasets[0].rows == pytest.approx(share * before.datasets[0].rows, abs=1)  # type: ignore[operator]
        assert after.hyperparameters.warmup_ratio == before.hyperparameters.warmup_ratio
    assert shortened(given_plan, 10**6) == given_plan


def run_of(*curves: list[float], plan: Plan) -> Run:
    stages = tuple(
        StageRun(
            "dpo",
            "dpo",
            seed,
            "b",
            "c",
            tuple(Step(i + 1, x, 1e-6, 1, 1, 1, 0.0) for i, x in enumerate(curve)),
            1,
            1,
            0.0,
        )
        for seed, curve in enumerate(curves)
    )
    return Run("r", plan, Environment("", "", "", "", 1, (), ()), stages, "b")


@given(st.integers(0, 10_000))
def test_a_known_shift_and_a_known_spread_are_found(seed: int) -> None:
    plan = Plan("c", Scale.PROXY, (0, 1, 2), (), "")
    draw = np.random.default_rng(seed)
    level = np.linspace(0.7, 0.4, 200)
    offsets = draw.normal(0, 0.05, 3)
    baseline = run_of(*[list(level + x) for x in offsets], plan=plan)
    points = [Shift("dpo", step, None, 0.0) for step in (50, 100, 150)]
    windows = {"dpo": window_of(200)}
    assert spread(baseline, points, windows) == pytest.approx(np.std(offsets, ddof=1))
    other = run_of(list(level + offsets[0] + 0.2), plan=plan)
    assert [s.moved for s in shifts(baseline, other, points, windows)] == pytest.approx([0.2] * 3)


def test_a_checkpoint_at_which_all_runs_agree_is_no_measure_of_noise() -> None:
    plan = Plan("c", Scale.PROXY, (0, 1), (), "")
    baseline = run_of([0.693147, 0.5, 0.4], [0.693147, 0.6, 0.5], plan=plan)
    points = [Shift("dpo", 1, 1, 0.0), Shift("dpo", 2, 2, 0.0)]
    assert spread(baseline, points, {"dpo": 1}) == pytest.approx(math.sqrt(0.005))
    same = run_of([0.7, 0.6], [0.7, 0.6], plan=plan)
    assert math.isnan(spread(same, points, {"dpo": 1}))


@given(st.lists(st.floats(0, 10), min_size=1, max_size=50), st.integers(1, 50), st.integers(1, 31))
def test_a_window_is_symmetric_about_its_step(losses: list[float], step: int, window: int) -> None:
    plan = Plan("c", Scale.PROXY, (0,), (), "")
    stage = run_of(losses, plan=plan).stages[0]
    if step > len(losses):
        return
    half = min(window // 2, step - 1, len(losses) - step)
    assert around(stage, step, window) == pytest.approx(float(np.mean(losses[step - 1 - half : step + half])))


def test_a_study_ranks_what_moves_above_what_does_not(tmp_path: Path) -> None:
    card = tmp_path / "heron.md"
    card.write_text(SMALL)
    keep = {"weight_decay", "beta"}
    _, _, spec = pipeline.read(str(card))
    plan = resolve(spec, Evidence(), scale=Scale.PROXY, assume={"dpo.max_steps": "40"})
    stated = {f"dpo.{f.key}": str(f.value) for _, f in holes(plan) if f.key not in keep and f.key != "max_steps"}
    options = Options(reports=tmp_path / "reports", assume={**stated, "dpo.max_steps": "40"})
    events: list[Progress] = []
    # given values are assumptions too: only the two that the card and the user leave open are worth the time here
    given_away = pytest.MonkeyPatch()
    from repro.resolve import alternatives as table

    given_away.setattr(table, "NOT_TRIED", {**table.NOT_TRIED, **{key.removeprefix("dpo."): "given" for key in stated}})
    try:
        audited = pipeline.audit(str(card), options)
        found = whatif.study(audited, options, events.append, steps=20)
    finally:
        given_away.undo()
    by_key = {e.key: e for e in found.ranked}
    assert [s.claimed_step for s in found.checkpoints] == [1, 20, 40]
    assert found.noise.deviation > 0
    assert (by_key["beta"].noise_units or 0) > (by_key["weight_decay"].noise_units or 0)
    assert found.effects == tuple(sorted(found.effects, key=lambda e: (e.noise_units is None, -(e.noise_units or 0.0))))
    assert [e for e in events if e.task == "sensitivity"][-1].note == ""
    again = whatif.study(audited, options, lambda event: pytest.fail("nothing is trained twice"), steps=20)
    assert again == found
    assert shelf.latest_sensitivity(options.reports, audited.card, audited.spec.model_id) == found
    links = [os.stat(p).st_nlink for p in options.reports.rglob("dpo-*/base/model/model.safetensors")]
    assert links
    assert min(links) > 1, "the base is linked, not trained again"


def effect(key: str, units: float | None, why: str = "") -> Effect:
    moved = (Shift("dpo", 10, 103, 0.1 if units else 0.0),) if units is not None else ()
    return Effect("dpo", key, "a", "b", "somebody", units, moved, why)


def made() -> Sensitivity:
    return Sensitivity(
        effects=(effect("beta", 9.0), effect("beta", 4.0), effect("weight_decay", 0.2), effect("seed", None, "noise")),
        noise=Noise((42, 43, 44), 0.01, 5),
        checkpoints=(Shift("dpo", 10, 103, 0.0),),
        steps=(("dpo", 40),),
        runs=7,
        seconds=1.0,
    )


def test_the_report_says_what_to_state_first() -> None:
    rows = study_rows(made())
    assert rows is not None
    assert [(r.hole, r.noise_units, r.clear) for r in rows.rows] == [
        ("dpo.beta", "9.0", True),
        ("dpo.weight_decay", "0.2", False),
    ]
    assert [(r.hole, r.why) for r in rows.silent] == [("dpo.seed", "noise")]
    assert "State first: dpo.beta." in rows.advice
    assert rows.rows[0].moved == "+0.1 at dpo step 10 (the card's 103)"
    quiet = dataclasses.replace(made(), effects=(effect("weight_decay", 0.2),))
    assert advice(quiet).startswith("No value")
    console = Console(width=100, record=True, file=io.StringIO())
    console.print(view(made()))
    assert "dpo.beta" in console.export_text()
