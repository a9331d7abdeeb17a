"""assumed by the user > stated > found > derived > recipe; nothing is settled in silence."""

from __future__ import annotations

import dataclasses

import pytest
from resolve_specs import DPO_REPO, facts, parent, repo, spec, stage, stated, steps, tenth, trl

from repro.errors import HoleError, UsageError
from repro.evidence import Evidence
from repro.number import Number
from repro.resolve.resolver import resolve
from repro.resolve.values import KINDS, read_value
from repro.semantics import CHOICES, MEANINGS
from repro.spec import KEYS, Fact, Origin, Spec
from repro.task import Scale


def dpo_of(card: Spec, evidence: Evidence | None = None, **assume: str):  # type: ignore[no-untyped-def]
    plan = resolve(card, evidence or Evidence(), scale=Scale.FULL, assume=assume)
    return plan, plan.stages[-1]


def test_assume_stands_over_what_is_stated_and_says_so() -> None:
    plan, dpo = dpo_of(tenth(), beta="0.1")
    fact = dpo.get("beta")
    assert (fact.value, fact.origin) == (0.1, Origin.ASSUMED)
    assert "--assume" in fact.why
    assert any("beta" in note and "card.md:67" in note for note in plan.notes)
    assert dpo.hyperparameters.beta == 0.1


def test_assume_that_agrees_contradicts_nothing() -> None:
    plan, _ = dpo_of(tenth(), beta="5")
    assert not any("stands over" in note for note in plan.notes)


def test_assume_by_stage_leaves_the_other_alone() -> None:
    plan = resolve(tenth(), Evidence(), scale=Scale.FULL, assume={"sft.learning_rate": "1e-5", "num_epochs": "3"})
    sft, dpo = plan.stages
    assert (sft.hyperparameters.learning_rate, dpo.hyperparameters.learning_rate) == (1e-5, 5e-7)
    assert (sft.hyperparameters.num_epochs, dpo.hyperparameters.num_epochs) == (3.0, 3.0)


def test_the_qualified_assumption_is_the_stronger() -> None:
    plan = resolve(tenth(), Evidence(), scale=Scale.FULL, assume={"sft.seed": "1", "seed": "2"})
    assert [s.hyperparameters.seed for s in plan.stages] == [1, 2]


@pytest.mark.parametrize(
    ("given", "word"),
    [
        ({"lerning_rate": "1"}, "learning_rate"),
        ({"sfx.learning_rate": "1"}, "sft"),
        ({"quux": "1"}, "the parameters are"),
        ({"learning_rate": "fast"}, "number"),
        ({"learning_rate": "-1"}, "above"),
        ({"learning_rate": "nan"}, "number"),
        ({"num_devices": "1.5"}, "whole number"),
        ({"num_devices": "1_0"}, "whole number"),
        ({"loss_type": "hinge"}, "dpo, dpo_norm, simpo, ipo"),
        ({"sft.beta": "1"}, "no such meaning"),
        ({"sft.loss_type": "dpo"}, "no such meaning"),
        ({"": "1"}, "no parameter"),
        ({"dataset": "org/own"}, "--assume sft.dataset=..."),
        ({"base_model": "org/own"}, "another in each stage"),
    ],
)
def test_an_assumption_that_means_nothing_is_refused_with_what_comes_near(given: dict[str, str], word: str) -> None:
    with pytest.raises(UsageError) as caught:
        resolve(tenth(), Evidence(), scale=Scale.PROXY, assume=given)
    assert word in f"{caught.value} {caught.value.hint}"


def test_stated_stands_over_found_and_the_difference_is_noted() -> None:
    evidence = Evidence(repos=(repo(DPO_REPO, role="subject", learning_rate=9e-7, seed=11),))
    plan, dpo = dpo_of(tenth(), evidence)
    assert dpo.hyperparameters.learning_rate == 5e-7
    assert any("learning_rate" in note and "9e-07" in note for note in plan.notes)
    assert (dpo.get("seed").value, dpo.get("seed").origin) == (11, Origin.FOUND)


def test_of_two_stated_values_the_tables_is_taken_and_noted() -> None:
    text = "\n".join(["We train with a rate of 1e-6.", "", "| Learning Rate | 5e-7 |"])
    card = tenth(learning_rate=None)
    dpo = card.stages[1]
    both = (stated("learning_rate", 1e-6, 1), stated("learning_rate", 5e-7, 3))
    card = dataclasses.replace(
        card, text=text, stages=(card.stages[0], dataclasses.replace(dpo, facts=both + dpo.facts))
    )
    plan, planned = dpo_of(card)
    assert planned.hyperparameters.learning_rate == 5e-7
    assert any("card.md:1" in note and "card.md:3" in note for note in plan.notes)


def test_an_approximate_figure_is_no_conflict_with_an_exact_one() -> None:
    rough = Number("~2000", 2000.0, 100.0, approximate=True)
    card = tenth()
    dpo = card.stages[1]
    about = dataclasses.replace(stated("max_seq_length", 2000), number=rough)
    card = dataclasses.replace(card, stages=(card.stages[0], dataclasses.replace(dpo, facts=(about, *dpo.facts))))
    plan, planned = dpo_of(card)
    assert planned.hyperparameters.max_seq_length == 2048
    assert not any("max_seq_length" in note for note in plan.notes)


def test_a_value_that_cannot_be_read_is_a_hole_and_never_a_default() -> None:
    with pytest.raises(HoleError) as caught:
        dpo_of(tenth(lr_scheduler_type="wsd"))
    assert "wsd" in str(caught.value)
    assert caught.value.where == "card.md:65"
    _, planned = dpo_of(tenth(lr_scheduler_type="wsd"), lr_scheduler_type="cosine")
    assert planned.hyperparameters.lr_scheduler_type == "cosine"


def test_a_parents_value_that_cannot_be_read_is_a_hole_too() -> None:
    evidence = Evidence(parents=(parent(lr_scheduler_type="wsd"),))
    with pytest.raises(HoleError, match="wsd") as caught:
        resolve(tenth(), evidence, scale=Scale.PROXY, assume={})
    assert "abc123:README.md" in caught.value.where


def test_a_value_left_open_is_filled_like_one_that_is_absent() -> None:
    card = tenth()
    dpo = card.stages[1]
    left = Fact("seed", None, Origin.STATED, printed="TBD")
    card = dataclasses.replace(card, stages=(card.stages[0], dataclasses.replace(dpo, facts=(*dpo.facts, left))))
    assert dpo_of(card)[1].hyperparameters.seed == 42


def test_without_a_framework_the_holes_are_named_with_what_to_do() -> None:
    card = tenth()
    card = dataclasses.replace(card, facts=tuple(f for f in card.facts if f.key != "framework"))
    with pytest.raises(HoleError) as caught:
        resolve(card, Evidence(), scale=Scale.PROXY, assume={})
    message = str(caught.value)
    assert "'sft'" in message
    assert "learning_rate" in message
    assert "no framework" in message
    assert caught.value.where == "card.md:20-22"
    assert "--assume sft." in caught.value.hint


def test_a_recipe_of_other_data_or_another_base_is_not_taken() -> None:
    card = tenth()
    other = dataclasses.replace(card.stages[0].datasets[0], repo_id="org/own-chats")
    for changed in (
        dataclasses.replace(card.stages[0], datasets=(other,)),
        dataclasses.replace(card.stages[0], base=stated("base_model", "meta-llama/Llama-3.1-70B")),
    ):
        with pytest.raises(HoleError, match="learning_rate"):
            resolve(
                dataclasses.replace(card, stages=(changed, card.stages[1])), Evidence(), scale=Scale.FULL, assume={}
            )


def test_full_scale_needs_real_ids_and_the_stand_in_does_not() -> None:
    only = stage("dpo", "DPO", of=trl().stages[1].facts)
    card = spec((only,), of=(stated("framework", "trl"),), claims=(steps("dpo", 50),))
    plan = resolve(card, Evidence(), scale=Scale.PROXY, assume={})
    assert plan.stages[0].expected_steps == 50
    with pytest.raises(HoleError) as caught:
        resolve(card, Evidence(), scale=Scale.FULL, assume={})
    assert "base_model" in str(caught.value)
    assert "dataset" in str(caught.value)
    given = {"base_model": "org/model", "dataset": "org/pairs"}
    assert resolve(card, Evidence(), scale=Scale.FULL, assume=given).stages[0].base == "org/model"


def test_trl_with_everything_stated_leaves_nothing_that_moves_a_loss_to_the_recipe() -> None:
    plan = resolve(trl(), Evidence(), scale=Scale.FULL, assume={})
    sft, dpo = plan.stages
    assert dpo.get("framework").value == "trl"
    assert (dpo.hyperparameters.loss_type, dpo.hyperparameters.label_scope) == ("dpo_norm", "completion")
    assert (sft.hyperparameters.label_scope, sft.hyperparameters.loss_reduction) == ("all_tokens", "token_mean")
    assert {dpo.semantics.partial_window_divisor, sft.semantics.partial_window_divisor} == {"actual"}
    assert dpo.hyperparameters.chat_template == "model"
    assert {f.key for f in dpo.facts if f.origin is Origin.ASSUMED} <= {
        *("adam_beta1", "adam_beta2", "adam_epsilon", "master_weights", "logging_steps", "label_smoothing"),
        *("chat_template", "gradient_checkpointing"),
        *CHOICES,
    }
    assert not any("may have been another" in note for note in plan.notes), "the card states the recipe's own version"


def test_another_version_than_the_recipes_is_announced() -> None:
    card = trl(max_grad_norm=None)
    other = tuple(f for f in card.facts if f.key != "framework_version")
    card = dataclasses.replace(card, facts=(*other, stated("framework_version", "1.9.0")))
    plan = resolve(card, Evidence(), scale=Scale.FULL, assume={})
    assert any("1.9.0" in note and "1.16.0" in note for note in plan.notes)


def test_one_fact_a_key_and_no_hole_in_what_is_typed() -> None:
    for evidence in (Evidence(), Evidence(parents=(parent(),))):
        for planned in resolve(tenth(), evidence, scale=Scale.FULL, assume={}).stages:
            keys = [f.key for f in planned.facts]
            assert len(keys) == len(set(keys))
            wanted = {"base_model", "dataset", "dataset_rows", "expected_steps", "warmup_steps", "micro_batch"}
            assert wanted <= set(keys)
            for field in planned.hyperparameters.__dataclass_fields__:
                if field in keys and planned.get(field).known:
                    value = getattr(planned.hyperparameters, field)
                    assert value == planned.get(field).value or field == "warmup_steps", field


def test_what_can_be_assumed_is_what_stages_use() -> None:
    assert set(KINDS) - {"dataset"} <= set(KEYS) | set(MEANINGS)
    assert read_value("dataset_fraction", "10%") == pytest.approx(0.1)
    assert read_value("optimizer", "OptimizerNames.ADAMW_TORCH_FUSED") == "adamw"
    assert facts(1, seed=1)[0].value == 1
