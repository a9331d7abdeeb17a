"""Training semantics in a plan: chosen by framework and date, each with its source, and overridden by --assume."""

from __future__ import annotations

import dataclasses
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from resolve_specs import stated, tenth, trl
from test_resolve_arithmetic import card, full

from repro.errors import HoleError, UsageError
from repro.evidence import Evidence
from repro.plan import StagePlan
from repro.resolve.resolver import resolve
from repro.resolve.steps import implied_rows
from repro.semantics import CHOICES, MEANINGS
from repro.spec import Origin
from repro.task import Scale


def dpo(date: str = "2026-08-01", **assume: str) -> StagePlan:
    given = tenth()
    of = (*(f for f in given.facts if f.key != "date"), stated("date", date))
    found = resolve(dataclasses.replace(given, facts=of), Evidence(), scale=Scale.FULL, assume=assume).stage("dpo")
    assert found is not None
    return found


def test_every_field_is_a_fact_with_its_origin_and_its_source() -> None:
    plain = full(card(num_epochs=1, effective_batch_size=8))
    for plan in (resolve(tenth(), Evidence(), scale=Scale.FULL, assume={}), plain):
        for stage in plan.stages:
            for field in CHOICES:
                fact = stage.get(field)
                if (stage.method, field) == ("sft", "reference_log_probs"):
                    assert not fact.known
                    continue
                assert fact.value == getattr(stage.semantics, field)
                assert fact.origin is Origin.ASSUMED
                assert "open-instruct@" in fact.why or "no framework says otherwise" in fact.why, fact


def test_the_source_is_the_file_where_the_value_stands() -> None:
    stage = dpo()
    assert "open-instruct@e6c3044:open_instruct/dataset_transformation.py" in stage.get("row_filter").why
    assert "open-instruct@e6c3044:open_instruct/dpo_tune_cache.py" in stage.get("reference_log_probs").why
    theirs = resolve(trl(), Evidence(), scale=Scale.FULL, assume={}).stages[1]
    assert "huggingface/accelerate@v1.15.0:src/accelerate/data_loader.py" in theirs.get("sampler").why
    assert "trl@v1.16.0:trl/trainer/dpo_trainer.py" in theirs.get("training_dropout").why


@pytest.mark.parametrize(
    ("date", "rule"), [("2024-11-20", "shuffle_head"), ("2024-12-01", "remainder"), ("2026-08-01", "remainder")]
)
def test_the_date_chooses_how_a_share_is_drawn(date: str, rule: str) -> None:
    fact = dpo(date).get("sampling_rule")
    assert fact.value == dpo(date).semantics.sampling_rule == rule
    assert ("November 2024 it is shuffle_head" in fact.why) == (rule == "remainder")


def test_a_year_in_which_the_rule_changed_leaves_a_doubt() -> None:
    given = tenth()
    of = (*(f for f in given.facts if f.key != "date"), stated("date", "2024"))
    plan = resolve(dataclasses.replace(given, facts=of), Evidence(), scale=Scale.FULL, assume={})
    assert any("may have been another" in note and "sampling_rule" in note for note in plan.notes)


def test_the_framework_given_by_the_user_brings_its_own() -> None:
    assert dpo().semantics.warmup_rounding == "down"
    other = dpo(framework="trl", max_grad_norm="1", num_devices="1")
    assert (other.semantics.warmup_rounding, other.semantics.training_dropout) == ("up", "off")


@pytest.mark.parametrize("field", list(CHOICES))
def test_the_user_may_give_any_term_and_no_other(field: str) -> None:
    assert MEANINGS[field]
    for term, meaning in CHOICES[field].items():
        assert meaning
        stage = dpo(**{f"dpo.{field}": term})
        fact = stage.get(field)
        assert (getattr(stage.semantics, field), fact.value, fact.origin) == (term, term, Origin.ASSUMED)
        assert "--assume" in fact.why
    with pytest.raises(UsageError) as caught:
        dpo(**{field: "middle"})
    assert all(term in str(caught.value) for term in CHOICES[field])


def test_a_reference_is_no_matter_of_fine_tuning() -> None:
    with pytest.raises(UsageError, match="no such meaning"):
        dpo(**{"sft.reference_log_probs": "live"})


def test_the_order_follows_a_data_seed_only_where_one_is_given() -> None:
    plain = resolve(trl(), Evidence(), scale=Scale.FULL, assume={}).stages[1]
    assert plain.semantics.sampler_seed == "seed"
    assert "no data_seed is given" in plain.get("sampler_seed").why
    given = resolve(trl(), Evidence(), scale=Scale.FULL, assume={"data_seed": "7"}).stages[1]
    assert given.semantics.sampler_seed == "data_seed"
    assert dpo().semantics.sampler_seed == "seed", "open-instruct's own data_seed draws the share, not the order"


@given(rows=st.integers(1, 3000), micro=st.integers(1, 4), accumulation=st.integers(1, 8), devices=st.integers(1, 3))
def test_a_dropped_window_is_counted_as_training_counts_it(
    rows: int, micro: int, accumulation: int, devices: int
) -> None:
    layout = {"per_device_batch_size": micro, "gradient_accumulation_steps": accumulation, "num_devices": devices}
    one = card(rows=rows, num_epochs=2, **layout)
    groups = math.ceil(math.ceil(rows / micro) / devices) * devices
    whole = groups // (accumulation * devices)
    if not whole:
        with pytest.raises(HoleError, match="fewer than one step takes"):
            full(one, last_window="drop")
        return
    stage = full(one, last_window="drop").stages[0]
    assert stage.expected_steps == 2 * whole
    assert full(one).stages[0].expected_steps == 2 * math.ceil(rows / (micro * accumulation * devices))
    implied = implied_rows(2 * whole, micro * accumulation * devices, 2, left_out=micro * devices)
    assert implied is not None
    assert implied[0] <= rows <= implied[1]


def test_a_warm_up_by_processes_is_a_fraction_of_a_step() -> None:
    layout = {"num_devices": "8", "per_device_batch_size": "1", "gradient_accumulation_steps": "4", "max_steps": "1461"}
    given = {f"dpo.{k}": v for k, v in layout.items()} | {"dpo.warmup_ratio": "0.03"}
    fact = dpo(**given).get("warmup_steps")
    assert "int(1,461 steps x 8 processes x 0.03) = 350 ticks" in fact.why
    assert "43.75 steps" in fact.why
    once = dpo(**given, **{"dpo.scheduler_ticks": "step"}).get("warmup_steps")
    assert once.why == "int(1,461 steps x 0.03) = 43"
    assert dpo(**given, **{"dpo.scheduler_ticks": "step", "dpo.warmup_rounding": "up"}).get("warmup_steps").value == 44
