"""Every row of the law of score claims, and the statistics they rest on."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from compare_cases import RECIPE, fact, run, score, score_claim, spec
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from repro.compare.comparer import compare
from repro.compare.pairs import pair
from repro.compare.stats import conformal_quantile, conformal_tail, holm, satterthwaite, t_quantile, t_tail
from repro.comparison import Comparison, Verdict
from repro.evidence import Evidence
from repro.run import Run
from repro.score import Score
from repro.spec import Fact, Origin
from repro.task import Scale

SAME = {"harness": "lm-eval", "harness_version": "0.4.13"}
FULL, PROXY = run([[0.5] * 20]), run([[0.5] * 20], scale=Scale.PROXY)


def answers(count: int = 1000, right: float = 0.7, flip: float = 0.0, seed: int = 0) -> list[float]:
    """0/1 answers of a model; `flip` of them changed at random, half of them each way."""
    values = (np.arange(count) < right * count).astype(float)
    rng = np.random.default_rng(seed)
    changed = int(flip * count / 2)
    values[rng.choice(np.flatnonzero(values == 1), changed, replace=False)] = 0
    values[rng.choice(np.flatnonzero(values == 0), changed, replace=False)] = 1
    return list(values)


def judged(printed: str, *scores: Score, made: Run | None = FULL, **conditions: Any) -> Comparison:
    claim = score_claim("quiz", "acc", printed, **(conditions or SAME))
    return compare(spec(claim), Evidence(), None, made, scores)[0]


def seeds(count: int, **rest: Any) -> list[Score]:
    return [score("dpo", answers(flip=0.04, seed=i, **rest), seed=i) for i in range(count)]


@pytest.mark.parametrize("printed", ["0.700", "70.0%", "70.0"])
@pytest.mark.parametrize("count", [1, 3])
def test_a_score_is_reproduced_by_both_legs_only(printed: str, count: int) -> None:
    result = judged(printed, score("published", answers()), *seeds(count))
    assert result.verdict is Verdict.REPRODUCED, result.why
    assert [leg.name for leg in result.legs] == ["claimed vs published", "published vs regenerated"]


def test_a_claim_that_the_published_model_does_not_have_differs() -> None:
    assert judged("0.800", score("published", answers()), *seeds(3)).verdict is Verdict.DIFFERS
    assert judged("0.800", score("published", answers()), made=None).verdict is Verdict.DIFFERS


def test_a_published_model_that_the_recipe_does_not_give_differs() -> None:
    result = judged("0.700", score("published", answers()), *seeds(3, right=0.5))
    assert result.verdict is Verdict.DIFFERS
    assert result.p_value is not None


def test_only_the_first_leg_is_consistent_at_most() -> None:
    assert judged("0.700", score("published", answers()), made=None).verdict is Verdict.CONSISTENT
    result = judged("0.700", score("published", answers()), *seeds(1), made=PROXY)
    assert (result.verdict, len(result.legs)) == (Verdict.CONSISTENT, 1)


def test_without_the_published_model_the_legs_are_not_mixed() -> None:
    result = judged("0.700", *seeds(3))
    assert result.verdict is Verdict.INCONCLUSIVE
    assert "repro verify" in result.needs
    assert judged("0.300", *seeds(3)).verdict is Verdict.INCONCLUSIVE
    assert judged("0.300", *seeds(1), made=PROXY).verdict is Verdict.NOT_COMPARABLE


@pytest.mark.parametrize(
    "conditions",
    [{"harness": "olmes", "harness_version": "1"}, {"harness": "lm-eval"}, {**SAME, "num_fewshot": 5}, {"note": "x"}],
)
def test_another_or_an_unnamed_harness_is_not_comparable(conditions: dict[str, Any]) -> None:
    result = judged("0.300", score("published", answers()), *seeds(3), **conditions)
    assert result.verdict is Verdict.NOT_COMPARABLE
    assert judged("0.700", score("published", answers()), *seeds(3), **conditions).verdict is Verdict.NOT_COMPARABLE


def test_too_few_questions_are_inconclusive_with_a_number() -> None:
    small = score("published", answers(60))
    ours = [score("dpo", answers(60, flip=0.3, seed=i), seed=i) for i in range(3)]
    result = judged("0.700", small, *ours)
    assert result.verdict is Verdict.INCONCLUSIVE
    assert "questions" in result.needs or "seeds" in result.needs


def test_one_seed_differs_only_wholly_beyond_the_margin() -> None:
    near = judged("0.700", score("published", answers()), score("dpo", answers(right=0.64)))
    assert near.verdict is Verdict.INCONCLUSIVE
    assert judged("0.700", score("published", answers()), score("dpo", answers(right=0.5))).verdict is Verdict.DIFFERS


def test_a_model_trained_by_the_users_own_values_reproduces_no_score() -> None:
    clash = Fact("beta", 0.5, Origin.ASSUMED, why="given by --assume; the card says otherwise")
    facts = (*(fact(k, v) for k, v in RECIPE.items() if k != "beta"), clash)
    made = run([[0.5] * 20], facts=facts)
    result = judged("0.700", score("published", answers()), *seeds(3), made=made)
    assert result.verdict is Verdict.NOT_COMPARABLE
    assert "beta" in result.why


@pytest.mark.parametrize("right", [0.5, 0.75, 0.9, 0.95])
@pytest.mark.parametrize("asked", [8, 50])
def test_a_few_questions_seldom_call_an_honest_claim_false(right: float, asked: int) -> None:
    wrong = 0.0
    for k in range(asked + 1):
        few = score("published", [1.0] * k + [0.0] * (asked - k), harness={"arguments": (("limit", str(asked)),)})
        if judged(f"{right:.3f}", few, made=None).verdict is Verdict.DIFFERS:
            wrong += float(binom.pmf(k, asked, right))
    assert wrong <= 0.05


@pytest.mark.parametrize("printed", ["0.700", "0.300"])
def test_rows_that_are_not_the_test_split_decide_no_claimed_score(printed: str) -> None:
    asked = {"arguments": (("rows_from", "training rows that the plan did not sample"),)}
    published = score("published", answers(), harness=asked)
    ours = [dataclasses.replace(s, harness=published.harness) for s in seeds(3)]
    result = judged(printed, published, *ours)
    assert result.verdict is Verdict.NOT_COMPARABLE
    assert "training rows" in result.why
    assert "test split" in result.needs


def test_a_part_of_the_test_split_leaves_its_sampling_error() -> None:
    def verdict(kept: str) -> Verdict:
        asked = {"arguments": (("rows_from", "the test split"), ("rows_kept", kept))}
        return judged("0.720", score("published", answers(), harness=asked), made=None).verdict

    assert verdict("1000 of 1000") is Verdict.DIFFERS
    assert verdict("1000 of 10000") is Verdict.CONSISTENT  # 0.02 apart, the standard error of the part is 0.014


def test_one_question_decides_nothing() -> None:
    alone = dataclasses.replace(score("published", [1.0]), standard_error=float("inf"))
    result = judged("0.500", alone, made=None)
    assert result.verdict is not Verdict.DIFFERS
    assert all(leg.margin == leg.margin for leg in result.legs)


def test_a_task_that_was_not_scored_is_untested() -> None:
    claim = score_claim("gsm8k", "exact_match", "0.5")
    result = compare(spec(claim), Evidence(), None, FULL, (score("published", answers()),))[0]
    assert result.verdict is Verdict.UNTESTED
    assert "quiz" in result.why


def test_models_that_were_asked_otherwise_are_not_paired() -> None:
    other = score("dpo", answers(), harness={"template_hash": "0" * 64})
    result = judged("0.700", score("published", answers()), other)
    assert (result.verdict, len(result.legs)) == (Verdict.CONSISTENT, 1)


def test_pairing_is_by_question_and_uses_the_difference_alone() -> None:
    published = score("published", answers())
    paired = pair(published, (score("dpo", answers(flip=0.02)),))
    assert paired is not None
    assert paired.samples == 1000
    # unpaired, the interval would be some 0.04 wide either way
    assert paired.half_width < 0.012


def test_seeds_that_spread_widen_the_interval() -> None:
    published = score("published", answers())
    close = pair(published, tuple(seeds(3)))
    wide = pair(published, tuple(score("dpo", answers(right=r)) for r in (0.6, 0.7, 0.8)))
    assert close is not None
    assert wide is not None
    assert wide.half_width > 5 * close.half_width


def test_identical_answers_still_leave_the_rule_of_three_open() -> None:
    paired = pair(score("published", answers(30)), (score("dpo", answers(30)),))
    assert paired is not None
    assert paired.half_width == pytest.approx(0.1)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_lies_between_the_raw_and_the_bonferroni_values(values: list[float]) -> None:
    for raw, adjusted in zip(values, holm(values)):
        assert raw <= adjusted <= 1.0
        assert adjusted <= max(min(1.0, v * len(values)) for v in values if v <= raw)
    order = np.argsort(values, kind="stable")
    assert list(np.array(holm(values))[order]) == sorted(holm(values))


def test_holm_against_a_worked_example() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx((0.03, 0.06, 0.06, 0.02))


def test_satterthwaite_is_welchs_for_two_samples() -> None:
    assert satterthwaite(((2.0, 9.0), (0.0, 5.0))) == pytest.approx(9.0)
    assert satterthwaite(((1.0, 10.0), (1.0, 10.0))) == pytest.approx(20.0)


@given(st.floats(0.001, 0.5), st.floats(2, 200))
def test_the_t_quantile_and_tail_are_inverse(level: float, degrees: float) -> None:
    assert t_tail(t_quantile(level, degrees), degrees) == pytest.approx(level, rel=1e-6)


@given(st.lists(st.floats(0.01, 5), min_size=20, max_size=200), st.floats(0.06, 0.5))
def test_a_conformal_quantile_has_a_tail_of_at_most_its_level(values: list[float], level: float) -> None:
    shape, count = sorted(values), float(len(values))
    quantile = conformal_quantile(shape, count, level, 4.0)
    assert conformal_tail(shape, count, quantile * 1.0001, 4.0) <= level + 1e-9
