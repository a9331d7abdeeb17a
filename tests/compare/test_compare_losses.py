"""Every row of the law of loss claims."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from compare_cases import (
    RECIPE,
    SEMANTICS,
    SETTINGS,
    curve,
    evidence,
    fact,
    loss,
    number,
    plan,
    repo,
    run,
    spec,
    stage,
    steps_claim,
)  # fmt: skip

from repro.compare.comparer import compare
from repro.compare.curves import curve_of
from repro.comparison import Comparison, Verdict, Weight
from repro.evidence import Evidence, LoggedLoss
from repro.run import Run
from repro.spec import Claim, Fact, Origin, Spec, Stage, missing
from repro.task import Scale

NOTHING = Evidence()


def one(
    claim: Claim, others: tuple[Claim, ...] = (), made: Run | None = None, found: Evidence = NOTHING, **rest: object
) -> Comparison:
    card = spec(claim, *others, **rest)  # type: ignore[arg-type]
    return compare(card, found, None, made, ())[0]


def noisy(seeds: int, length: int = 400, sigma: float = 0.02, path: float = 0.002, seed: int = 0) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    mean = np.array(curve(length))
    return [mean + path * rng.standard_normal() + sigma * rng.standard_normal(length) for _ in range(seeds)]


def window_claims(printed: dict[int, str], window: int = 25) -> tuple[Claim, ...]:
    return tuple(loss(step, text, window=window) for step, text in printed.items())


def truth(step: int, window: int = 25, length: int = 400) -> float:
    return float(np.mean(curve(length)[step - window : step]))


def test_an_open_claim_is_unstated_and_is_offered_the_measurement() -> None:
    result = one(loss(100, "TBD"), made=run(noisy(1)))
    assert result.verdict is Verdict.UNSTATED
    assert result.measured is not None
    assert "can fill" in result.why
    assert "cannot fill" in one(loss(100, "TBD"), made=run(noisy(1), scale=Scale.PROXY)).why
    assert one(loss(100, "TBD")).measured is None


def test_an_open_last_step_with_a_partial_window_names_the_artefact() -> None:
    assert "partial" in one(loss(400, "TBD"), made=run(noisy(1), last_rows=8)).why


def test_without_a_run_it_is_untested_and_says_what_it_takes() -> None:
    result = one(loss(100, "0.634"))
    assert (result.verdict, result.method) == (Verdict.UNTESTED, "none")
    assert "full-scale run" in result.needs


@pytest.mark.parametrize("printed", ["0.100", "0.634", "0.690", "9.999"])
def test_a_proxy_never_decides_an_absolute_loss(printed: str) -> None:
    result = one(loss(100, printed), (loss(300, "0.4"),), run(noisy(3), scale=Scale.PROXY))
    assert result.verdict is Verdict.NOT_COMPARABLE
    assert result.interval is not None
    assert result.weight is Weight.WEAK
    assert "single" in result.weight_why
    assert "full-scale run" in result.needs


def test_the_first_dpo_loss_is_an_invariant_at_any_scale_and_without_a_run() -> None:
    start = [np.concatenate([[math.log(2)], c[1:]]) for c in noisy(1)]
    for made in (None, run(start, scale=Scale.PROXY)):
        result = one(loss(1, "0.693"), made=made)
        assert (result.verdict, result.evidence_kind) == (Verdict.CONSISTENT, "invariant")
        assert result.weight is Weight.NONE
    full = one(loss(1, "0.693"), made=run(start))
    assert (full.verdict, full.weight) == (Verdict.REPRODUCED, Weight.NONE)
    assert full.margin is not None


def of_llama() -> Stage:
    return dataclasses.replace(stage(), base=fact("base_model", "org/Llama-3.1-8B-SFT"))


def test_a_first_dpo_loss_that_is_not_log_2_differs_by_arithmetic() -> None:
    assert one(loss(1, "0.700"), stages=(of_llama(),)).verdict is Verdict.DIFFERS
    # bfloat16 may be off by some 0.001
    assert one(loss(1, "0.6942"), stages=(of_llama(),)).verdict is Verdict.INCONCLUSIVE
    # two digits allow 0.685 to 0.695
    assert one(loss(1, "0.69")).verdict is Verdict.CONSISTENT


def test_a_first_dpo_loss_off_log_2_may_be_dropouts() -> None:
    unknown = one(loss(1, "0.700"))
    assert unknown.verdict is Verdict.INCONCLUSIVE
    assert "dropout" in unknown.why
    assert "config.json" in unknown.needs
    start = [np.concatenate([[math.log(2)], c[1:]]) for c in noisy(1)]
    proxy = run(start, scale=Scale.PROXY)
    assert one(loss(1, "0.700"), made=proxy).verdict is Verdict.INCONCLUSIVE, "the stand-in has no dropout to show"
    off = dataclasses.replace(SEMANTICS, training_dropout="off")
    planned = dataclasses.replace(proxy.plan.stages[0], semantics=off)
    without = dataclasses.replace(proxy, plan=dataclasses.replace(proxy.plan, stages=(planned,)))
    assert one(loss(1, "0.700"), made=without).verdict is Verdict.DIFFERS
    assert one(loss(1, "0.700"), made=run(start)).verdict is Verdict.DIFFERS, (
        "the full run kept to log 2 under the rule"
    )
    stated = (dataclasses.replace(of_llama(), facts=(fact("loss_type", "dpo"), fact("dropout", 0.1))),)
    assert one(loss(1, "0.700"), stages=stated).verdict is Verdict.INCONCLUSIVE


def test_a_partial_last_window_is_read_as_the_plan_says_it_is_logged() -> None:
    made = run(noisy(1), last_rows=8)
    planned = made.plan.stages[0]
    assert curve_of(made.stages[0], planned).share[-1] == 0.25
    actual = dataclasses.replace(SEMANTICS, partial_window_divisor="actual")
    other = curve_of(made.stages[0], dataclasses.replace(planned, semantics=actual))
    assert (other.share[-1], other.noise[-1]) == (1.0, 2.0)


def test_the_invariant_is_not_used_against_a_card_that_does_not_say_its_loss_type() -> None:
    unsaid = stage(facts=(fact("beta", 5),))
    assert one(loss(1, "0.75"), stages=(unsaid,)).verdict is Verdict.INCONCLUSIVE
    other = stage(facts=(fact("loss_type", "ipo"),))
    assert one(loss(1, "0.75"), stages=(other,)).verdict is Verdict.UNTESTED


def test_our_own_run_must_keep_the_invariant_before_it_is_applied() -> None:
    broken = [np.concatenate([[0.72], c[1:]]) for c in noisy(1)]
    result = one(loss(1, "0.693"), made=run(broken))
    assert result.verdict is Verdict.INCONCLUSIVE
    assert "0.72" in result.why


def test_the_invariant_needs_a_single_step_and_dpo() -> None:
    sft = (stage(name="sft", facts=()),)
    assert one(loss(1, "0.75", stage="sft"), stages=sft).verdict is Verdict.UNTESTED
    assert one(loss(1, "0.75", window=25)).verdict is Verdict.UNTESTED


def test_true_window_means_are_reproduced_by_three_seeds() -> None:
    claims = window_claims({s: f"{truth(s):.4f}" for s in (100, 200, 400)})
    results = compare(spec(*claims), NOTHING, None, run(noisy(3)), ())
    assert [r.verdict for r in results] == [Verdict.REPRODUCED] * 3
    for r in results:
        assert r.margin is not None
        assert r.interval is not None
        assert (r.interval[1] - r.interval[0]) / 2 <= r.margin
        assert r.weight is Weight.STRONG


def test_a_false_window_mean_differs_and_the_true_ones_do_not() -> None:
    printed = {s: f"{truth(s):.4f}" for s in (100, 200, 300, 400)}
    printed[300] = f"{truth(300) + 0.1:.4f}"
    results = compare(spec(*window_claims(printed)), NOTHING, None, run(noisy(3)), ())
    assert [r.verdict is Verdict.DIFFERS for r in results] == [False, False, True, False]
    assert results[2].p_value is not None
    assert results[2].p_value < 0.05


def test_single_noisy_steps_are_inconclusive_and_say_what_would_decide() -> None:
    claims = tuple(loss(s, f"{truth(s, 1):.3f}") for s in (100, 200, 300))
    results = compare(spec(*claims), NOTHING, None, run(noisy(3, sigma=0.05)), ())
    assert {r.verdict for r in results} == {Verdict.INCONCLUSIVE}
    assert "instead of 1" in results[0].needs
    assert results[0].weight in {Weight.WEAK, Weight.MODERATE}


def test_a_single_step_is_never_strong_evidence() -> None:
    claims = (loss(100, f"{truth(100, 1):.3f}"), loss(350, f"{truth(350, 1):.3f}"))
    for r in compare(spec(*claims), NOTHING, None, run(noisy(3, sigma=0.002, path=0.0005)), ()):
        assert r.verdict is Verdict.REPRODUCED
        assert r.weight is Weight.MODERATE


def test_without_a_neighbouring_change_there_is_no_margin_and_no_reproduction() -> None:
    result = one(loss(200, f"{truth(200):.4f}", window=25), made=run(noisy(3)))
    assert (result.verdict, result.margin) == (Verdict.INCONCLUSIVE, None)
    assert "second checkpoint" in result.needs


def test_the_margin_is_a_quarter_of_the_smaller_change() -> None:
    claims = window_claims({100: "0.6800", 200: "0.5800", 300: "0.5400"})
    results = compare(spec(*claims), NOTHING, None, run(noisy(3)), ())
    assert [pytest.approx(r.margin) for r in results] == [0.025, 0.01, 0.01]


def test_one_run_says_that_the_spread_between_seeds_is_a_bound() -> None:
    claims = window_claims({100: f"{truth(100):.4f}", 300: f"{truth(300):.4f}"})
    single = compare(spec(*claims), NOTHING, None, run(noisy(1)), ())
    three = compare(spec(*claims), NOTHING, None, run(noisy(3)), ())
    assert "one run cannot show" in single[0].why
    assert single[0].interval is not None
    assert three[0].interval is not None
    assert single[0].interval[1] - single[0].interval[0] > three[0].interval[1] - three[0].interval[0]


def test_a_gross_error_differs_even_with_one_run_and_one_step() -> None:
    results = compare(spec(loss(100, "0.680"), loss(300, "0.900")), NOTHING, None, run(noisy(1)), ())
    assert results[1].verdict is Verdict.DIFFERS


def test_a_step_past_the_end_is_not_called_different() -> None:
    result = one(loss(800, "0.3"), made=run(noisy(1)))
    assert result.verdict is Verdict.INCONCLUSIVE
    assert "400 steps" in result.why
    assert one(loss(800, "0.3"), made=run(noisy(1), scale=Scale.PROXY)).verdict is Verdict.NOT_COMPARABLE


def test_a_run_too_short_to_know_its_noise_is_inconclusive() -> None:
    assert one(loss(4, "0.1"), made=run([[0.7, 0.69, 0.68, 0.67]])).verdict is Verdict.INCONCLUSIVE


def test_validation_losses_are_untested() -> None:
    result = one(loss(100, "0.5", split="validation"), made=run(noisy(3)))
    assert result.verdict is Verdict.UNTESTED
    assert "held-out" in result.why


def test_an_unknown_window_is_never_judged() -> None:
    claim = loss(100, "9.999", conditions=(missing("window", "the card does not state logging_steps"),))
    result = one(claim, (loss(300, "0.4"),), run(noisy(3)))
    assert result.verdict is Verdict.INCONCLUSIVE
    assert "logging_steps" in result.why


def test_a_partial_last_window_is_compared_as_it_is_logged() -> None:
    curves = noisy(3)
    for c in curves:
        c[-1] *= 0.25
    end = curve(400)[-1]
    claims = (loss(200, f"{truth(200, 1):.3f}"), loss(400, f"{0.25 * end:.3f}"))
    logged = compare(spec(*claims), NOTHING, None, run(curves, last_rows=8), ())[1]
    assert logged.verdict is not Verdict.DIFFERS
    assert "partial" in logged.why
    # The same card by a framework that divides by what there was: not told apart from a false claim of ours.
    other = (loss(200, f"{truth(200, 1):.3f}"), loss(400, f"{end:.3f}"))
    assert compare(spec(*other), NOTHING, None, run(curves, last_rows=8), ())[1].verdict is Verdict.INCONCLUSIVE
    false = (loss(200, f"{truth(200, 1):.3f}"), loss(400, "0.700"))
    assert compare(spec(*false), NOTHING, None, run(curves, last_rows=8), ())[1].verdict is Verdict.DIFFERS


def test_a_curve_regenerated_with_assumed_values_does_not_contradict_the_card() -> None:
    facts = tuple(fact(k, v, Origin.ASSUMED if k == "learning_rate" else Origin.STATED) for k, v in RECIPE.items())
    claims = window_claims({100: "0.3000", 300: "0.9000"})
    for r in compare(spec(*claims), NOTHING, None, run(noisy(3), facts=facts), ()):
        assert r.verdict is Verdict.INCONCLUSIVE
        assert "learning rate" in r.why


def test_a_run_with_another_value_than_the_card_does_not_contradict_it() -> None:
    facts = tuple(fact(k, 0.1 if k == "beta" else v) for k, v in RECIPE.items())
    claims = window_claims({100: "0.3000", 300: "0.9000"})
    for r in compare(spec(*claims), NOTHING, None, run(noisy(3), facts=facts), ()):
        assert r.verdict is Verdict.INCONCLUSIVE


@pytest.mark.parametrize(
    ("printed", "verdict"), [("11.09", Verdict.INCONCLUSIVE), ("11.5", Verdict.DIFFERS), ("1.386", Verdict.DIFFERS)]
)
def test_a_first_loss_that_was_summed_over_the_accumulation_is_no_contradiction(printed: str, verdict: Verdict) -> None:
    own = (*(fact(k, v) for k, v in RECIPE.items()), fact("gradient_accumulation_steps", 16))
    result = one(loss(1, printed), stages=(dataclasses.replace(of_llama(), facts=own),))
    assert result.verdict is verdict, result.why


def test_losses_met_with_the_users_own_values_are_not_the_cards() -> None:
    clash = Fact("weight_decay", 0.1, Origin.ASSUMED, why="given by --assume; the card says otherwise")
    quiet = Fact("weight_decay", 0.1, Origin.ASSUMED, why="given by --assume")
    layout = Fact("num_devices", 1, Origin.ASSUMED, why="given by --assume; the card says otherwise")
    honest = window_claims({100: f"{truth(100):.4f}", 300: f"{truth(300):.4f}"})
    false = window_claims({100: "0.3000", 300: "0.9000"})
    own = tuple(fact(k, v) for k, v in RECIPE.items())
    for given, agreed, off in (
        (clash, Verdict.NOT_COMPARABLE, Verdict.INCONCLUSIVE),
        (quiet, Verdict.REPRODUCED, Verdict.INCONCLUSIVE),
        (layout, Verdict.REPRODUCED, Verdict.DIFFERS),
    ):
        made = run(noisy(3), facts=(*own, given))
        for claims, verdict in ((honest, agreed), (false, off)):
            found = compare(spec(*claims), NOTHING, None, made, ())
            assert {r.verdict for r in found} == {verdict}, [r.why for r in found]


@pytest.mark.parametrize(
    ("key", "value"), [("max_steps", 400), ("dataset_rows", 12800), ("base_model", "org/other"), ("dataset", "org/x")]
)
def test_what_the_user_put_in_the_place_of_the_cards_own_is_told(key: str, value: int | str) -> None:
    given = Fact(key, value, Origin.ASSUMED, why="given by --assume")
    card = stage(rows=27180)
    claims = window_claims({100: f"{truth(100):.4f}", 300: f"{truth(300):.4f}"})
    made = run(noisy(3), facts=(*(fact(k, v) for k, v in RECIPE.items()), given))
    for r in compare(spec(*claims, stages=(card,)), NOTHING, None, made, ()):
        assert r.verdict is Verdict.NOT_COMPARABLE
        assert key.replace("_", " ") in r.why


def test_an_assumed_schedule_does_not_contradict_the_card() -> None:
    guessed = Fact("lr_scheduler_type", "linear", Origin.ASSUMED, why="a default")
    claims = window_claims({100: "0.3000", 300: "0.9000"})
    made = run(noisy(3), facts=(*(fact(k, v) for k, v in RECIPE.items()), guessed))
    for r in compare(spec(*claims), NOTHING, None, made, ()):
        assert r.verdict is Verdict.INCONCLUSIVE
        assert "lr scheduler type" in r.why


def test_a_published_log_contradicts_or_supports_a_claim() -> None:
    log = tuple(LoggedLoss(s, 0.5 + s / 1000) for s in range(1, 201))
    found = evidence(repo(losses=log))
    assert one(loss(100, "0.6"), found=found).verdict is Verdict.CONSISTENT
    assert one(loss(100, "0.61"), found=found).verdict is Verdict.DIFFERS
    mean = sum(e.loss for e in log[75:100]) / 25
    assert one(loss(100, f"{mean:.4f}", window=25), found=found).verdict is Verdict.CONSISTENT
    assert one(loss(500, "0.61"), found=found).verdict is Verdict.UNTESTED


def test_a_log_that_rounds_contradicts_nothing_within_its_own_digits() -> None:
    def verdict(logged: float) -> Verdict:
        log = tuple(LoggedLoss(s, logged, last_digit=0.01) for s in range(1, 201))
        return one(loss(103, "0.634"), found=evidence(repo(losses=log))).verdict

    assert verdict(0.63) is Verdict.CONSISTENT
    assert verdict(0.61) is Verdict.DIFFERS


def test_a_published_log_of_another_window_decides_nothing() -> None:
    log = tuple(LoggedLoss(s, 0.5, window=10) for s in range(10, 201, 10))
    found = evidence(repo(losses=log))
    assert one(loss(100, "0.7"), found=found).verdict is Verdict.UNTESTED
    assert one(loss(100, "0.7", window=20), found=found).verdict is Verdict.DIFFERS


def test_a_log_beside_a_full_run_gives_two_legs() -> None:
    curves = noisy(3)
    log = tuple(LoggedLoss(i, float(y)) for i, y in enumerate(noisy(1, seed=9)[0], start=1))
    mean = np.mean([e.loss for e in log[175:200]])
    claims = (loss(100, f"{truth(100):.4f}", window=25), loss(200, f"{mean:.4f}", window=25))
    log = tuple(dataclasses.replace(e, loss=e.loss) for e in log if e.step > 150)
    result = compare(spec(*claims), evidence(repo(losses=log)), None, run(curves), ())[1]
    assert [leg.name for leg in result.legs] == ["claimed vs published log", "published log vs regenerated"]
    assert result.verdict is Verdict.REPRODUCED


def test_an_epoch_is_read_as_the_step_that_ends_it() -> None:
    claim = Claim(
        "dpo.loss@epoch0.5", loss(1, "0.5").kind, "", "0.5", loss(1, "0.5").span, 0.5, number("0.5"), "dpo", epoch=0.5
    )
    result = one(claim, (loss(300, "0.4"),), run(noisy(1)))
    assert "step 200" in result.why


def test_every_claim_has_exactly_one_comparison_in_order() -> None:
    card = spec(loss(1, "0.693"), loss(100, "0.6"), steps_claim(400), loss(400, "TBD"))
    results = compare(card, NOTHING, plan(), None, ())
    assert [r.claim for r in results] == [c.id for c in card.claims]


def test_a_card_without_stages_or_claims_compares_to_nothing() -> None:
    assert compare(Spec("c", "c", "0", "t", (), (), (), ()), NOTHING, None, None, ()) == ()


def test_a_printed_nan_is_no_number() -> None:
    odd = dataclasses.replace(
        loss(100, "0.5"), printed="nan", value=math.nan, number=dataclasses.replace(number("1"), value=math.nan)
    )
    assert one(odd, made=run(noisy(1))).verdict is Verdict.UNTESTED


def test_half_precision_starts_are_allowed_their_noise() -> None:
    settings = dataclasses.replace(SETTINGS, precision="bf16")
    start = [np.concatenate([[math.log(2) + 9e-4], c[1:]]) for c in noisy(1)]
    assert one(loss(1, "0.693"), made=run(start, settings=settings)).verdict is Verdict.REPRODUCED
    assert one(loss(1, "0.693"), made=run(start)).verdict is Verdict.INCONCLUSIVE
