"""Batches, rows and steps: whatever is known, what is derived fits it."""

from __future__ import annotations

import dataclasses
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from resolve_specs import facts, loss, repo, spec, stage, stated, steps, trl

from repro.arithmetic import steps_of_rows
from repro.errors import HoleError
from repro.evidence import Evidence
from repro.plan import Plan
from repro.resolve.resolver import resolve
from repro.resolve.steps import implied_rows
from repro.spec import DatasetRef, Fact, Origin, Spec
from repro.task import Scale

BASE = {
    "learning_rate": 1e-4,
    "max_seq_length": 128,
    "lr_scheduler_type": "linear",
    "optimizer": "adamw",
    "weight_decay": 0.0,
    "max_grad_norm": 1.0,
    "precision": "fp32",
    "loss_type": "dpo",
    "label_scope": "completion",
    "beta": 0.1,
    "warmup_ratio": 0.1,
}
counts = st.integers(1, 64)


def card(*, rows: int | None = 1000, claimed: int | None = None, framework: str = "", **values: object) -> Spec:
    ref = DatasetRef(
        "org/pairs",
        rows=Fact("dataset_rows", rows, Origin.STATED) if rows else Fact("dataset_rows", None, Origin.MISSING),
    )
    one = stage("dpo", "DPO", base="org/m", produces="org/n", datasets=(ref,), of=facts(40, **{**BASE, **values}))
    of = (stated("framework", framework),) if framework else ()
    return spec((one,), of=of, claims=(steps("dpo", claimed),) if claimed else ())


def full(card: Spec, **assume: str) -> Plan:
    return resolve(card, Evidence(), scale=Scale.FULL, assume=assume)


@given(a=counts, p=counts, d=counts, hidden=st.sets(st.sampled_from("apde"), max_size=3))
def test_the_layout_makes_the_effective_batch_whatever_was_left_out(a: int, p: int, d: int, hidden: set[str]) -> None:
    every = {
        "a": ("gradient_accumulation_steps", a),
        "p": ("per_device_batch_size", p),
        "d": ("num_devices", d),
        "e": ("effective_batch_size", a * p * d),
    }
    if "e" in hidden and len(hidden) > 1:
        hidden = {"e"}
    values = dict(pair for letter, pair in every.items() if letter not in hidden)
    planned = full(card(num_epochs=1, **values)).stages[0]
    h = planned.hyperparameters
    assert h.effective_batch_size == a * p * d
    assert h.per_device_batch_size * h.num_devices * h.gradient_accumulation_steps == a * p * d
    for key, value in values.items():
        assert getattr(h, key) == value
        assert planned.get(key).origin is Origin.STATED
    assert planned.get("micro_batch").value == h.effective_batch_size // h.gradient_accumulation_steps


@given(e=st.integers(1, 512), a=counts, p=counts, d=counts)
def test_a_layout_that_contradicts_the_batch_is_noted_and_the_batch_kept(e: int, a: int, p: int, d: int) -> None:
    plan = full(
        card(
            num_epochs=1, effective_batch_size=e, gradient_accumulation_steps=a, per_device_batch_size=p, num_devices=d
        )
    )
    h = plan.stages[0].hyperparameters
    assert h.effective_batch_size == e
    assert h.per_device_batch_size * h.num_devices * h.gradient_accumulation_steps == e
    assert any("contradict" in note for note in plan.notes) == (a * p * d != e)


def test_trl_fills_the_layout_from_its_defaults_and_never_invents_a_batch() -> None:
    h = full(card(num_epochs=1, framework="trl")).stages[0].hyperparameters
    assert (h.per_device_batch_size, h.gradient_accumulation_steps, h.num_devices, h.effective_batch_size) == (
        8,
        1,
        1,
        8,
    )

    with pytest.raises(HoleError, match="effective_batch_size"):
        full(card(num_epochs=1))


@given(rows=st.integers(1, 10**6), batch=st.integers(1, 512), epochs=st.integers(1, 5))
def test_implied_rows_are_exactly_those_that_give_the_steps(rows: int, batch: int, epochs: int) -> None:
    count = steps_of_rows(rows, batch, epochs)
    found = implied_rows(count, batch, epochs)
    assert found is not None
    lo, hi = found
    assert lo <= rows <= hi
    assert steps_of_rows(lo, batch, epochs) == steps_of_rows(hi, batch, epochs) == count
    assert steps_of_rows(hi + 1, batch, epochs) != count
    assert lo == 1 or steps_of_rows(lo - 1, batch, epochs) != count


def test_steps_that_no_epoch_count_gives_imply_no_rows() -> None:
    assert implied_rows(7, 32, 2) is None


@given(rows=st.integers(100, 10**5), dropped=st.floats(0, 0.04), batch=st.sampled_from([8, 32, 128]))
def test_a_count_that_filters_explain_is_the_expected_one(rows: int, dropped: float, batch: int) -> None:
    claimed = steps_of_rows(math.ceil(rows * (1 - dropped)), batch)
    planned = full(card(rows=rows, claimed=claimed, num_epochs=1, effective_batch_size=batch)).stages[0]
    assert planned.expected_steps == claimed
    assert planned.get("expected_steps").origin is Origin.STATED
    assert planned.hyperparameters.max_steps is None


def test_rows_that_only_the_count_implies_are_not_put_down_as_rows() -> None:
    planned = full(card(rows=None, claimed=93, num_epochs=3, effective_batch_size=32)).stages[0]
    assert not planned.get("dataset_rows").known
    assert "961 to 992 rows" in planned.get("expected_steps").why
    assert planned.datasets[0].rows is None


def test_epochs_doubled_are_run_as_stated_and_the_count_is_not_believed() -> None:
    plan = full(trl(num_epochs=2))
    dpo = plan.stages[1]
    assert (dpo.expected_steps, dpo.hyperparameters.max_steps) == (240, None)
    assert any("240" in note and "120" in note for note in plan.notes)


def test_a_trainers_state_is_no_limit_where_epochs_are_stated() -> None:
    evidence = Evidence(repos=(repo("org/tiny-dpo", role="subject", max_steps=120, num_epochs=1),))
    plan = resolve(trl(num_epochs=2), evidence, scale=Scale.FULL, assume={})
    h = plan.stages[1].hyperparameters
    assert (h.num_epochs, h.max_steps) == (2.0, None)


def test_epochs_follow_from_the_count_where_only_it_is_given() -> None:
    planned = full(card(rows=1000, claimed=93, effective_batch_size=32)).stages[0]
    fact = planned.get("num_epochs")
    assert (fact.value, fact.origin) == (3.0, Origin.DERIVED)
    assert "93 / ceil(1,000 rows / 32)" in fact.why


def test_a_count_that_no_whole_epochs_give_is_run_as_a_limit_and_says_that_it_is_untested() -> None:
    planned = full(card(rows=1000, claimed=50, effective_batch_size=32)).stages[0]
    assert planned.hyperparameters.max_steps == 50
    assert "not tested" in planned.get("max_steps").why


@given(claimed=st.integers(1, 900), epochs=st.sampled_from([1, 2, 3]), batch=st.sampled_from([1, 8, 32, 48, 512]))
def test_the_stand_in_takes_the_cards_own_steps(claimed: int, epochs: int, batch: int) -> None:
    one = card(claimed=claimed, num_epochs=epochs, effective_batch_size=batch)
    one = dataclasses.replace(one, claims=(*one.claims, loss("dpo", 1, 0.693)))
    planned = resolve(one, Evidence(), scale=Scale.PROXY, assume={}).stages[0]
    h = planned.hyperparameters
    assert planned.expected_steps == h.max_steps == claimed
    assert h.effective_batch_size == min(batch, 32)
    assert h.per_device_batch_size * h.num_devices * h.gradient_accumulation_steps == h.effective_batch_size
    rows = planned.datasets[0].rows
    assert rows is not None
    assert steps_of_rows(rows, h.effective_batch_size, epochs) >= claimed


def test_long_stages_are_cut_and_listed() -> None:
    long = card(claimed=5000, num_epochs=1, effective_batch_size=32)
    plan = resolve(long, Evidence(), scale=Scale.PROXY, assume={})
    assert plan.stages[0].expected_steps == 200, "no loss or score is claimed"
    claimed = dataclasses.replace(long, claims=(*long.claims, loss("dpo", 1, 0.693)))
    plan = resolve(claimed, Evidence(), scale=Scale.PROXY, assume={})
    assert plan.stages[0].expected_steps == 1000
    assert any(line.name == "optimizer steps" and line.full == "5,000" for line in plan.scaled)


@pytest.mark.parametrize(("framework", "count"), [("open-instruct", 9), ("trl", 10)])
def test_warmup_is_rounded_as_the_framework_rounds(framework: str, count: int) -> None:
    planned = full(card(rows=95 * 8, num_epochs=1, effective_batch_size=8, framework=framework)).stages[0]
    assert planned.get("warmup_steps").value == count
    assert planned.hyperparameters.warmup_steps is None, "the run rounds by its own step count"


def test_warmup_steps_below_one_are_a_ratio() -> None:
    values = {k: v for k, v in BASE.items() if k != "warmup_ratio"}
    of = facts(40, **values, warmup_steps=0.2, num_epochs=1, effective_batch_size=8)
    one = stage("dpo", "DPO", base="org/m", produces="org/n", datasets=(DatasetRef("org/pairs"),), of=of)
    h = full(spec((one,))).stages[0].hyperparameters
    assert (h.warmup_ratio, h.warmup_steps) == (0.2, None)


def test_several_data_sets_keep_their_own_shares() -> None:
    def share(value: float) -> Fact[float]:
        return Fact("dataset_fraction", value, Origin.STATED)

    one = stage(
        "dpo",
        "DPO",
        base="org/m",
        produces="org/n",
        datasets=(DatasetRef("org/a", fraction=share(0.5)), DatasetRef("org/b")),
        of=facts(40, **BASE, num_epochs=1, effective_batch_size=10),
    )
    evidence = Evidence(
        repos=(repo("org/a", "dataset", "dataset", num_rows=101), repo("org/b", "dataset", "dataset", num_rows=50))
    )
    planned = resolve(spec((one,)), evidence, scale=Scale.FULL, assume={}).stages[0]
    assert [(d.repo_id, d.fraction, d.total_rows) for d in planned.datasets] == [
        ("org/a", 0.5, 101),
        ("org/b", None, 50),
    ]
    assert planned.get("dataset_rows").value == 100
    assert planned.expected_steps == 10
