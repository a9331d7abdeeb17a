"""What decides each claim, and the last step that its comparison reads."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from compare_cases import (
    SETTINGS,
    change,
    config,
    curve,
    fact,
    loss,
    plan,
    repo,
    run,
    score_claim,
    spec,
    stage,
    steps_claim,
)  # fmt: skip

from repro.compare.comparer import compare
from repro.compare.curves import Curve
from repro.compare.deciding import needs_of
from repro.compare.prediction import horizon, predict
from repro.evidence import Evidence
from repro.need import By, Need
from repro.plan import Plan
from repro.spec import Claim, ClaimKind, Spec

TASKS = ("quiz",)


def planned(steps: int | None = 844, made: Plan | None = None) -> Plan:
    made = made or plan()
    return dataclasses.replace(made, stages=tuple(dataclasses.replace(s, expected_steps=steps) for s in made.stages))


def needs(*claims: Claim, of: Plan | None = None, found: Evidence | None = None, **rest: object) -> dict[str, Need]:
    card: Spec = spec(*claims, **rest)  # type: ignore[arg-type]
    return {n.claim: n for n in needs_of(card, found or Evidence(), of or planned(), TASKS)}


def test_what_arithmetic_and_invariants_decide_costs_no_run() -> None:
    first, last = loss(1, "0.693"), loss(197, "0.521")
    found = needs(first, last, change(first, last, "-25%"), change(first, last, "-99%"))
    assert found["dpo.loss@1"].by is By.NOTHING
    assert "invariant" in found["dpo.loss@1"].why
    assert found["dpo.change@197"].by is By.NOTHING


def test_a_loss_needs_the_steps_that_its_comparison_reads() -> None:
    found = needs(loss(103, "0.634"), loss(197, "0.521"), loss(830, "0.4"))
    assert {n.by for n in found.values()} == {By.STEPS}
    assert [n.last_step for n in found.values()] == [178, 272, 844]
    assert all(n.stage == "dpo" for n in found.values())
    assert "can be found to differ" in found["dpo.loss@103"].why
    assert "= 0.0" in found["dpo.loss@103"].why


@pytest.mark.parametrize(("window", "last"), [(1, 275), (9, 275), (10, 275), (40, 280), (80, 360)])
def test_a_long_window_reads_its_neighbours(window: int, last: int) -> None:
    assert needs(loss(200, "0.5", window=window))["dpo.loss@200"].last_step == last == horizon(200, window)


@pytest.mark.parametrize("window", [1, 5, 10, 25, 60])
@pytest.mark.parametrize("runs", [1, 3])
def test_nothing_beyond_the_horizon_is_read(window: int, runs: int) -> None:
    rng = np.random.default_rng(window + runs)
    whole = [np.array(curve(400)) + 0.03 * rng.standard_normal(400) for _ in range(runs)]
    end = horizon(150, window)

    def told(length: int, lift: float) -> object:
        ones = (1.0,) * length
        lifted = [np.where(np.arange(400) >= end, y + lift, y)[:length] for y in whole]
        return predict(tuple(Curve(tuple(map(float, y)), ones, ones, i) for i, y in enumerate(lifted)), 150, window)

    assert told(end, 0.0) == told(400, 0.0) == told(400, 7.0)
    assert told(end - 1, 0.0) is not None


def test_the_verdict_of_a_run_does_not_move_with_what_follows_the_horizon() -> None:
    rng = np.random.default_rng(5)
    losses = np.array(curve(400)) + 0.02 * rng.standard_normal(400)
    later = losses.copy()
    later[horizon(150, 1) :] += 0.5 * rng.standard_normal(400 - horizon(150, 1))
    card = spec(loss(150, "0.30"))
    assert compare(card, Evidence(), None, run([losses]), ()) == compare(card, Evidence(), None, run([later]), ())


@pytest.mark.parametrize(
    ("claim", "says"),
    [
        (loss(900, "0.4"), "takes 844 steps"),
        (loss(100, "0.4", split="validation"), "validation"),
        (dataclasses.replace(loss(100, "0.4"), step=None), "names no step"),
        (dataclasses.replace(loss(100, "0.4"), conditions=(fact("window", None, why="no logging steps"),)), "mean"),
        (dataclasses.replace(loss(100, "0.4"), stage="reward"), "not in this plan"),
        (dataclasses.replace(config("x", "code"), id="usage.1", kind=ClaimKind.USAGE), "only when asked"),
        (score_claim("mmlu", "acc", "0.61"), "scores quiz, not mmlu"),
        (score_claim("quiz", "acc", "0.61"), "does not state the harness"),
    ],
)
def test_what_no_run_decides_says_why(claim: Claim, says: str) -> None:
    (need,) = needs(claim).values()
    assert need.by is By.NO_RUN
    assert says in need.why


def test_a_score_that_is_measured_here_needs_the_whole_stage() -> None:
    (need,) = needs(score_claim("quiz", "acc", "0.61", harness="lm-eval", harness_version="0.4.13")).values()
    assert (need.by, need.stage, need.last_step) == (By.SCORES, "dpo", None)


def test_an_epoch_is_placed_among_the_steps() -> None:
    claim = dataclasses.replace(loss(100, "0.4"), step=None, epoch=0.5)
    (need,) = needs(claim).values()
    assert (need.step, need.last_step) == (422, 497)


def test_a_count_that_arithmetic_cannot_settle_needs_the_whole_stage_and_one_that_it_can_nothing() -> None:
    assert needs(steps_claim(100), of=planned(100))["dpo.steps"].by is By.STAGE
    counted = needs(steps_claim(100), of=planned(100), stages=(stage(rows=3200),))["dpo.steps"]
    assert counted.by is By.NOTHING
    told = planned(100, plan(settings=dataclasses.replace(SETTINGS, max_steps=100)))
    assert needs(steps_claim(100), of=told)["dpo.steps"].by is By.NO_RUN


def test_a_parameter_is_looked_up_before_it_is_given_up() -> None:
    claim = config("learning_rate", "5e-7")
    assert needs(claim)["dpo.learning_rate"].by is By.LOOK_UP
    looked = Evidence((repo(fact("something", 1)),))
    assert needs(claim, found=looked)["dpo.learning_rate"].by is By.NO_RUN
    says = Evidence((repo(fact("learning_rate", 5e-7)),))
    assert needs(claim, found=says)["dpo.learning_rate"].by is By.NOTHING


def test_what_is_left_open_is_nothing_to_decide() -> None:
    assert needs(loss(844, "TBD"))["dpo.loss@844"].by is By.OPEN


def test_what_the_run_assumes_leaves_a_difference_open() -> None:
    guessed = planned(844, plan(facts=(fact("learning_rate", 1e-6),)))
    why = needs(loss(103, "0.634"), loss(197, "0.521"), of=guessed)["dpo.loss@103"].why
    assert "would stay open: the run assumes or changes dpo learning rate" in why


def test_from_a_chain_without_stated_losses_of_the_parent_a_difference_stays_open() -> None:
    sft, dpo = plan(name="sft"), plan()
    chain = dataclasses.replace(dpo, stages=(*sft.stages, dataclasses.replace(dpo.stages[0], base="<sft>")))
    card = (stage(name="sft"), stage())
    alone = needs(loss(103, "0.634"), of=planned(844, chain), stages=card)["dpo.loss@103"].why
    assert "from the chain that would stay open" in alone
    said = needs(loss(103, "0.634"), loss(90, "0.9", stage="sft"), of=planned(844, chain), stages=card)
    assert "from the chain" not in said["dpo.loss@103"].why
