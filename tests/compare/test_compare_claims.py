"""The law of changes, steps, configuration, memory, identity and usage claims."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from compare_cases import (
    DATASET,
    LINE,
    MODEL,
    RECIPE,
    SETTINGS,
    change,
    config,
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
from hypothesis import given, settings
from hypothesis import strategies as st

from repro.compare.comparer import compare
from repro.comparison import Comparison, Verdict, Weight
from repro.evidence import Evidence, LoggedLoss
from repro.spec import AnyFact, Claim, ClaimKind, Fact, Origin, Spec
from repro.task import Scale

NOTHING = Evidence()


def last(card: Spec, found: Evidence = NOTHING, **rest: Any) -> Comparison:
    return compare(card, found, rest.get("plan"), rest.get("run"), ())[-1]


def of_change(printed: str, *losses: tuple[int, str], first: int = 0) -> Comparison:
    claims = [loss(s, p) for s, p in losses]
    return last(spec(*claims, change(claims[first], claims[-1], printed)))


@pytest.mark.parametrize(("second", "printed"), [("0.634", "-8.6%"), ("0.521", "-25%")])
def test_the_changes_of_the_given_card_are_consistent(second: str, printed: str) -> None:
    result = of_change(printed, (1, "0.693"), (103, second))
    assert (result.verdict, result.evidence_kind) == (Verdict.CONSISTENT, "arithmetic")


def test_a_change_that_no_rounding_gives_differs() -> None:
    assert of_change("-12%", (1, "0.693"), (103, "0.634")).verdict is Verdict.DIFFERS
    assert of_change("+8.6%", (1, "0.693"), (103, "0.634")).verdict is Verdict.DIFFERS


def test_a_change_from_the_row_before_is_consistent_and_says_so() -> None:
    result = of_change("-17.8%", (1, "0.693"), (103, "0.634"), (197, "0.521"))
    assert result.verdict is Verdict.CONSISTENT
    assert "step 103" in result.why


def test_digits_that_were_cut_leave_a_change_open() -> None:
    # 0.6930 to 0.6340 is -8.51%, to 0.6322 is -8.77%: cutting, not rounding, makes that -8.7%
    assert of_change("-8.5%", (1, "0.6930"), (103, "0.6340")).verdict is Verdict.CONSISTENT
    assert of_change("-8.7%", (1, "0.6930"), (103, "0.6322")).verdict is Verdict.INCONCLUSIVE
    assert of_change("-8.3%", (1, "0.6930"), (103, "0.6340")).verdict is Verdict.DIFFERS


def test_a_plain_difference_printed_as_percent_is_left_open() -> None:
    result = of_change("-5.9%", (1, "0.693"), (103, "0.634"))
    assert result.verdict is Verdict.INCONCLUSIVE
    assert "plain difference" in result.why


def test_a_change_from_an_open_figure_is_untested() -> None:
    assert of_change("-8%", (1, "TBD"), (103, "0.634")).verdict is Verdict.UNTESTED


@settings(max_examples=300, deadline=None)
@given(
    first=st.floats(0.05, 20), second=st.floats(0.05, 20), decimals=st.integers(1, 5),
    of_change_decimals=st.integers(0, 3),
)  # fmt: skip
def test_an_honest_change_never_differs(first: float, second: float, decimals: int, of_change_decimals: int) -> None:
    printed = f"{(second - first) / first * 100:.{of_change_decimals}f}%"
    result = of_change(printed, (1, f"{first:.{decimals}f}"), (103, f"{second:.{decimals}f}"))
    assert result.verdict in {Verdict.CONSISTENT, Verdict.UNTESTED}


def data(rows: int, *more: Any) -> Evidence:
    counts = tuple(fact("num_rows", r, Origin.FOUND) for r in (rows, *more))
    return evidence(repo(*counts, repo_id=DATASET, kind="dataset", role="dataset"))


@pytest.mark.parametrize(
    ("claimed", "verdict", "word"),
    [
        (850, Verdict.CONSISTENT, ""),
        (849, Verdict.CONSISTENT, "dropped"),
        (844, Verdict.CONSISTENT, "filter"),
        (790, Verdict.INCONCLUSIVE, "held-out"),
        (425, Verdict.DIFFERS, "epoch"),
        (1700, Verdict.DIFFERS, "2 epoch"),
        (900, Verdict.DIFFERS, ""),
    ],
)
def test_steps_by_arithmetic(claimed: int, verdict: Verdict, word: str) -> None:
    result = last(spec(steps_claim(claimed)), data(27180))
    assert result.verdict is verdict, result.why
    assert word in result.why


def test_steps_with_another_stated_row_figure() -> None:
    assert last(spec(steps_claim(900)), data(27180, 28800)).verdict is Verdict.CONSISTENT


def test_steps_with_a_rounded_share() -> None:
    assert last(spec(steps_claim(869), stages=(stage(fraction=0.1),)), data(271409)).verdict is Verdict.DIFFERS
    rough = dataclasses.replace(fact("dataset_fraction", 0.1), number=number("10%"))
    part = stage()
    part = dataclasses.replace(part, datasets=(dataclasses.replace(part.datasets[0], fraction=rough),))
    assert last(spec(steps_claim(869), stages=(part,)), data(271409)).verdict is Verdict.CONSISTENT


def test_steps_never_differ_on_an_assumed_value() -> None:
    unsaid = stage(facts=tuple(fact(k, v) for k, v in RECIPE.items() if k != "num_epochs"))
    guessed = tuple(fact(k, v, Origin.ASSUMED if k == "num_epochs" else Origin.STATED) for k, v in RECIPE.items())
    result = last(spec(steps_claim(425), stages=(unsaid,)), data(27180), plan=plan(facts=guessed))
    assert result.verdict is Verdict.INCONCLUSIVE


def test_steps_without_rows_are_untested() -> None:
    result = last(spec(steps_claim(844)))
    assert result.verdict is Verdict.UNTESTED
    assert "rows" in result.needs


def test_epochs_doubled_in_the_card_differ_at_full_scale() -> None:
    facts = tuple(fact(k, 2 if k == "num_epochs" else v) for k, v in RECIPE.items())
    made = run([[0.5] * 240], facts=facts, rows_used=3840, settings=dataclasses.replace(SETTINGS, num_epochs=2.0))
    result = last(spec(steps_claim(120), stages=(stage(facts=facts),)), run=made)
    assert result.verdict is Verdict.DIFFERS
    assert "1 epoch" in result.why


def test_steps_that_a_full_run_takes_are_reproduced() -> None:
    assert last(spec(steps_claim(120)), run=run([[0.5] * 120])).verdict is Verdict.REPRODUCED


def test_a_run_that_was_told_its_steps_does_not_reproduce_them() -> None:
    told = dataclasses.replace(SETTINGS, max_steps=120)
    for scale in Scale:
        made = run([[0.5] * 120], settings=told, scale=scale)
        assert last(spec(steps_claim(120)), data(3840), run=made).verdict is Verdict.CONSISTENT


def test_a_run_that_was_changed_by_the_user_does_not_contradict_steps() -> None:
    facts = tuple(fact(k, 2 if k == "num_epochs" else v) for k, v in RECIPE.items())
    made = run([[0.5] * 240], facts=facts, rows_used=3840)
    assert last(spec(steps_claim(120)), run=made).verdict is Verdict.INCONCLUSIVE


def test_a_trainer_state_decides_steps() -> None:
    state = evidence(repo(fact("max_steps", 120, Origin.FOUND)))
    assert last(spec(steps_claim(120)), state).verdict is Verdict.CONSISTENT
    assert last(spec(steps_claim(240)), state).verdict is Verdict.DIFFERS


def test_a_parameter_is_untested_by_a_run_and_decided_by_an_artefact() -> None:
    assert last(spec(config("beta", 5))).verdict is Verdict.UNTESTED
    assert last(spec(config("beta", 5)), run=run([[0.5] * 50])).verdict is Verdict.UNTESTED
    for value, verdict in ((5, Verdict.CONSISTENT), (0.5, Verdict.DIFFERS)):
        assert last(spec(config("beta", 5)), evidence(repo(fact("beta", value, Origin.FOUND)))).verdict is verdict


def test_a_parents_card_is_an_artefact_of_its_own_stage() -> None:
    parent = spec(stages=(stage(facts=(fact("beta", 0.1),)),), facts=(fact("model_id", MODEL),))
    assert last(spec(config("beta", 5)), evidence(parents=(parent,))).verdict is Verdict.DIFFERS
    other = spec(stages=(stage(facts=(fact("beta", 0.1),)),), facts=(fact("model_id", "org/another"),))
    assert last(spec(config("beta", 5)), evidence(parents=(other,))).verdict is Verdict.UNTESTED


def test_a_card_that_states_two_values_is_inconclusive() -> None:
    both = stage(facts=(fact("beta", 5), fact("beta", 0.1)))
    result = last(spec(config("beta", 5), stages=(both,)))
    assert result.verdict is Verdict.INCONCLUSIVE
    assert "0.1" in result.why


def test_the_peak_of_a_logged_learning_rate_decides_it() -> None:
    for peak, verdict in ((5e-7, Verdict.CONSISTENT), (5e-6, Verdict.DIFFERS), (1e-8, Verdict.UNTESTED)):
        log = tuple(LoggedLoss(i, 0.5, learning_rate=peak * i / 20) for i in range(1, 21))
        claim = dataclasses.replace(
            config("learning_rate", 5e-7), number=dataclasses.replace(number("5"), value=5e-7, last_digit=1e-7)
        )
        assert last(spec(claim), evidence(repo(losses=log))).verdict is verdict


def test_a_share_is_checked_against_the_steps() -> None:
    share = Claim("dpo.dataset_fraction", ClaimKind.DATA, "", "10%", loss(1, "1").span, 0.1, number("10%"), "dpo")
    card = spec(steps_claim(844), share, stages=(stage(fraction=0.1),))
    assert last(card, data(271409)).verdict is Verdict.CONSISTENT
    assert last(card, data(27140)).verdict is Verdict.INCONCLUSIVE


def vram(printed: str, precision: str) -> Claim:
    return Claim(
        f"vram.{precision}", ClaimKind.INFERENCE, "memory", printed, loss(1, "1").span, number(printed).value,
        number(printed), conditions=(fact("precision", precision),),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("printed", "precision", "verdict"),
    [
        ("~20 GB", "bf16", Verdict.CONSISTENT),
        ("~10 GB", "int8", Verdict.CONSISTENT),
        ("~6 GB", "int4", Verdict.CONSISTENT),
        ("16 GB", "bf16", Verdict.INCONCLUSIVE),
        ("12 GB", "bf16", Verdict.DIFFERS),
        ("80 GB", "bf16", Verdict.INCONCLUSIVE),
    ],
)
def test_memory_is_held_against_the_weights(printed: str, precision: str, verdict: Verdict) -> None:
    known = evidence(repo(fact("total_params", 8_030_261_248, Origin.FOUND)))
    assert last(spec(vram(printed, precision)), known).verdict is verdict
    assert last(spec(vram(printed, precision))).verdict is Verdict.UNTESTED


def identity(name: str, value: str) -> Claim:
    return Claim(f"identity.{name}", ClaimKind.IDENTITY, name, value, loss(1, "1").span, value)


def test_usage_is_never_executed() -> None:
    code = Claim("usage.1", ClaimKind.USAGE, "runs", "import os", loss(1, "1").span, True)
    assert last(spec(code)).verdict is Verdict.UNTESTED


def test_identity_needs_something_outside_the_card() -> None:
    assert last(spec(identity("base_model", "org/base"))).verdict is Verdict.UNTESTED
    both = (fact("base_model", "org/base"), fact("base_model", "org/other"))
    assert last(spec(identity("base_model", "org/base"), facts=both)).verdict is Verdict.INCONCLUSIVE
    found = evidence(repo(repo_id=DATASET, kind="dataset", role="dataset"))
    result = last(spec(identity("dataset", DATASET)), found)
    assert (result.verdict, result.weight) == (Verdict.CONSISTENT, Weight.WEAK)


def test_another_shape_is_not_a_fine_tune() -> None:
    shape = {"hidden_size": 4096, "num_hidden_layers": 32, "intermediate_size": 14336}
    mine = tuple(fact(k, v, Origin.FOUND) for k, v in shape.items())
    base = repo(*mine, repo_id="org/base", role="base")
    claim = spec(identity("base_model", "org/base"))
    assert last(claim, evidence(repo(*mine), base)).verdict is Verdict.CONSISTENT
    smaller = (*mine[:1], fact("num_hidden_layers", 16, Origin.FOUND))
    assert last(claim, evidence(repo(*smaller), base)).verdict is Verdict.DIFFERS


def test_another_licence_than_the_bases_is_left_open() -> None:
    claim = spec(identity("license", "apache-2.0"))
    for found, verdict in (("apache-2.0", Verdict.CONSISTENT), ("llama3.1", Verdict.INCONCLUSIVE)):
        base = repo(fact("license", found, Origin.FOUND), repo_id="org/base", role="base")
        assert last(claim, evidence(base)).verdict is verdict


@pytest.mark.parametrize(
    ("adapter", "verdict"),
    [
        ("meta-llama/Meta-Llama-3-8B", Verdict.CONSISTENT),
        ("/root/models/Meta-Llama-3-8B", Verdict.INCONCLUSIVE),
        ("./out/base", Verdict.INCONCLUSIVE),
        ("unsloth/llama-3-8b-bnb-4bit", Verdict.INCONCLUSIVE),
        ("copies/Meta-Llama-3-8B", Verdict.INCONCLUSIVE),
        ("meta-llama/Meta-Llama-3-8B-Instruct", Verdict.DIFFERS),
        ("mistralai/Mistral-7B-v0.1", Verdict.DIFFERS),
    ],
)
def test_an_adapters_base_by_another_name_is_no_other_model(adapter: str, verdict: Verdict) -> None:
    named = "meta-llama/Meta-Llama-3-8B"
    claim = Claim("identity.base_model", ClaimKind.IDENTITY, "base model", named, LINE, named)
    found = evidence(
        repo(fact("adapter_base_model", adapter, Origin.FOUND)), repo(repo_id=named, role="base", kind="model")
    )
    assert last(spec(claim), found).verdict is verdict


def test_packed_rows_may_make_an_sft_stage_shorter_and_never_longer() -> None:
    stages = (stage(name="sft"),)
    made = plan(name="sft")

    def sft(count: int, *facts: AnyFact) -> Verdict:
        own = (dataclasses.replace(stages[0], facts=stages[0].facts + facts),) if facts else stages
        claim = dataclasses.replace(steps_claim(count), id="sft.steps", stage="sft")
        return last(spec(claim, stages=own), data(27180), plan=made).verdict

    assert sft(300) is Verdict.INCONCLUSIVE
    assert sft(300, fact("packing", False)) is Verdict.DIFFERS
    assert sft(1700) is Verdict.DIFFERS
    assert last(spec(steps_claim(300)), data(27180)).verdict is Verdict.DIFFERS  # pairs are not packed


def test_a_count_reached_by_the_users_own_values_is_not_the_cards() -> None:
    given = Fact("effective_batch_size", 32, Origin.ASSUMED, why="given by --assume; the card says otherwise")
    card = stage(facts=tuple(fact(k, 64 if k == "effective_batch_size" else v) for k, v in RECIPE.items()))
    facts = tuple(given if k == "effective_batch_size" else fact(k, v) for k, v in RECIPE.items())
    for count in (120, 240):
        made = run([[0.5] * 120], facts=facts)
        assert last(spec(steps_claim(count), stages=(card,)), run=made).verdict is Verdict.INCONCLUSIVE


def test_rows_cut_by_the_user_do_not_contradict_the_cards_steps() -> None:
    cut = Fact("dataset_rows", 320, Origin.ASSUMED, why="given by --assume")
    facts = (*(fact(k, v) for k, v in RECIPE.items()), cut)
    made = run([[0.5] * 10], facts=facts)
    for card in (stage(rows=3840), stage()):
        result = last(spec(steps_claim(120), stages=(card,)), run=made)
        assert result.verdict is Verdict.INCONCLUSIVE, result.why
