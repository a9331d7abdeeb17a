"""The given card, read by the reader, planned with and without the parent's card."""

from __future__ import annotations

from pathlib import Path

import pytest
from resolve_specs import PREFERENCES, SFT_REPO, parent, repo, tenth

from repro.evidence import Evidence
from repro.plan import Plan, StagePlan
from repro.read.reader import read
from repro.resolve.resolver import resolve
from repro.spec import Origin, Spec
from repro.task import Scale

CARD = Path(__file__).parents[2] / "cards" / "dpo-mahals.md"
PARENT_ID = "anonymousML123/Llama-3.1-8B-Tulu10pct-SFT-MAHALS"
PARENT = f"""---
base_model: meta-llama/Llama-3.1-8B
---
# {PARENT_ID.split("/")[1]}

The supervised stage.

| Attribute | Value |
|---|---|
| **Base Model** | [meta-llama/Llama-3.1-8B](https://huggingface.co/meta-llama/Llama-3.1-8B) |
| **Training Method** | Supervised Fine-Tuning (SFT) |
| **Dataset** | [allenai/tulu-3-sft-mixture](https://huggingface.co/datasets/allenai/tulu-3-sft-mixture) (10%) |
| **Framework** | [allenai/open-instruct](https://github.com/allenai/open-instruct) |

## Training Configuration

| Parameter | Value |
|---|---|
| Learning Rate | 5e-6 |
| Effective Batch Size | 128 |
| Gradient Accumulation | 16 |
| Max Sequence Length | 4096 |
| Epochs | 2 |
| LR Schedule | Linear |
| Warmup Ratio | 0.03 |
| Optimizer | AdamW |
| Precision | BF16 |
"""


@pytest.fixture(scope="module")
def card() -> Spec:
    return read(CARD.read_bytes(), "cards/dpo-mahals.md")[1]


@pytest.fixture(scope="module")
def with_parent() -> Evidence:
    return Evidence(parents=(read(PARENT.encode(), f"{PARENT_ID}@abc1234:README.md")[1],))


def test_the_card_alone_gives_a_complete_plan_whose_sft_is_assumed(card: Spec) -> None:
    plan = resolve(card, Evidence(), scale=Scale.FULL, assume={})
    sft, dpo = plan.stages
    assert (sft.name, sft.method, sft.base) == ("sft", "sft", "meta-llama/Llama-3.1-8B")
    assert (dpo.name, dpo.method, dpo.base) == ("dpo", "dpo", "<sft>")
    for key in ("learning_rate", "effective_batch_size", "num_epochs", "max_seq_length", "warmup_ratio"):
        fact = sft.get(key)
        assert fact.origin is Origin.ASSUMED, key
        assert "Tulu 3 8B SFT recipe, open-instruct@e6c3044:docs/tulu3.md" in fact.why, key
    h = sft.hyperparameters
    assert (h.learning_rate, h.effective_batch_size, h.num_epochs, h.max_seq_length) == (5e-6, 128, 2.0, 4096)
    reduction = sft.get("loss_reduction")
    assert reduction.value == "mean"
    assert "bb98dbc" in reduction.why
    assert "first day" in reduction.why, "the rule for a date that is only a year"
    assert "Tulu 3 8B" in plan.recipe


def test_the_parents_card_turns_assumed_into_found(card: Spec, with_parent: Evidence) -> None:
    sft = resolve(card, with_parent, scale=Scale.FULL, assume={}).stages[0]
    for key, value in (("learning_rate", 5e-6), ("effective_batch_size", 128), ("gradient_accumulation_steps", 16)):
        fact = sft.get(key)
        assert (fact.origin, fact.value) == (Origin.FOUND, value), key
        assert fact.span is not None
        assert fact.span.source == f"{PARENT_ID}@abc1234:README.md"
    assert sft.get("dataset").value == "allenai/tulu-3-sft-mixture"
    assert sft.get("dataset").origin is Origin.FOUND
    assert sft.get("weight_decay").origin is Origin.ASSUMED
    assert (sft.hyperparameters.per_device_batch_size, sft.hyperparameters.num_devices) == (8, 1)


def test_every_dpo_parameter_of_the_card_is_stated_with_its_line(card: Spec) -> None:
    plan = resolve(card, Evidence(), scale=Scale.FULL, assume={})
    dpo = plan.stages[1]
    h = dpo.hyperparameters
    assert (h.learning_rate, h.beta, h.loss_type, h.effective_batch_size) == (5e-7, 5.0, "dpo_norm", 32)
    assert (h.gradient_accumulation_steps, h.max_seq_length, h.num_epochs, h.warmup_ratio) == (16, 2048, 1.0, 0.1)
    lines = CARD.read_text().split("\n")
    for key, printed in (("learning_rate", "5e-7"), ("beta", "5"), ("loss_type", "dpo_norm"), ("warmup_ratio", "0.1")):
        fact = dpo.get(key)
        assert fact.origin is Origin.STATED
        assert fact.span is not None
        assert printed in lines[fact.span.line - 1]
    assert (h.per_device_batch_size, h.num_devices) == (2, 1)
    assert "32 / 16 = 2" in dpo.get("micro_batch").why
    assert "27,140" in dpo.get("dataset_rows").why
    assert "272,898" in dpo.get("dataset_rows").why
    expected = dpo.get("expected_steps")
    assert (dpo.expected_steps, expected.value, expected.origin) == (844, 844, Origin.STATED)
    assert "26,977 to 27,008" in expected.why
    assert h.max_steps is None, "at full scale the rows decide how many steps there are, not the claim"


@pytest.mark.parametrize("parented", [False, True])
def test_the_stand_in_keeps_the_recipe_and_lists_what_it_does_not(
    card: Spec, with_parent: Evidence, parented: bool
) -> None:
    evidence = with_parent if parented else Evidence()
    full = resolve(card, evidence, scale=Scale.FULL, assume={})
    plan = resolve(card, evidence, scale=Scale.PROXY, assume={})
    sft, dpo = plan.stages
    h = dpo.hyperparameters
    assert (dpo.expected_steps, h.max_steps, dpo.datasets[0].rows) == (844, 844, 844 * 32)
    assert (h.effective_batch_size, h.gradient_accumulation_steps, h.beta, h.loss_type) == (32, 16, 5.0, "dpo_norm")
    assert (h.lr_scheduler_type, h.warmup_ratio, h.num_epochs) == ("linear", 0.1, 1.0)
    assert h.learning_rate == pytest.approx(3.2e-5)
    assert (sft.expected_steps, sft.hyperparameters.effective_batch_size) == (200, 32)
    assert sft.hyperparameters.learning_rate == pytest.approx(3.2e-4)
    _every_difference_is_listed(full, plan)
    assert full.feasibility == plan.feasibility
    assert full.commands == plan.commands


def _every_difference_is_listed(full: Plan, plan: Plan) -> None:
    names = {
        "gradient_accumulation_steps": "batch layout",
        "per_device_batch_size": "batch layout",
        "num_devices": "batch layout",
        "max_steps": "optimizer steps",
        "master_weights": "precision",
    }
    for real, small in zip(full.stages, plan.stages, strict=True):
        listed = {line.name for line in plan.scaled if line.stage == real.name}
        for field in real.hyperparameters.__dataclass_fields__:
            before, after = getattr(real.hyperparameters, field), getattr(small.hyperparameters, field)
            if before != after and not (field == "max_steps" and after == real.expected_steps):
                assert names.get(field, field) in listed, (real.name, field)
    assert "model" in {line.name for line in plan.scaled}
    assert all(line.why for line in plan.scaled)


def test_the_notes_name_the_commit_and_the_rule_for_the_date(card: Spec) -> None:
    notes = " ".join(resolve(card, Evidence(), scale=Scale.PROXY, assume={}).notes)
    assert "bb98dbc" in notes
    assert "first day" in notes
    assert "Seeds: 1 run" in notes


def test_the_template_that_the_card_shows_is_taken(card: Spec) -> None:
    fact = resolve(card, Evidence(), scale=Scale.FULL, assume={}).stages[1].get("chat_template")
    assert (fact.value, fact.origin) == ("tulu", Origin.STATED)


def test_the_end_token_that_the_template_shows_is_no_parameter(card: Spec) -> None:
    def stages(text: str) -> tuple[StagePlan, ...]:
        return resolve(read(text.encode(), "cards/dpo-mahals.md")[1], Evidence(), scale=Scale.FULL, assume={}).stages

    text = CARD.read_text("utf-8")
    assert card.claim("dpo.template_end_token") is not None
    as_given = stages(text)
    assert as_given == stages(text.replace("response<|endoftext|>", "response<|end_of_text|>"))
    assert as_given == stages(text.replace("response<|endoftext|>", "response"))
    assert not [f for stage in as_given for f in stage.facts if "endoftext" in f"{f.value} {f.printed}"]


def test_feasibility_says_what_it_takes_and_how(card: Spec) -> None:
    sft, dpo = resolve(card, Evidence(), scale=Scale.PROXY, assume={}).feasibility
    assert dpo.parameters == 8_030_261_248
    assert dpo.weights_gb == pytest.approx(16.06, abs=0.01)
    assert dpo.training_memory_gb == pytest.approx(128.5, abs=0.1)
    assert sft.device_hours is not None
    assert 10 < sft.device_hours < 100, "its public run took 8 A100 for 5.2 hours"
    for words in ("assumed a quarter", "22.5% MFU", "312 TFLOP/s", "bytes a parameter"):
        assert words in sft.how


def test_rows_found_on_a_hub_stand_over_the_table_of_known_sets() -> None:
    evidence = Evidence(repos=(repo(PREFERENCES, "dataset", "dataset", num_rows=270_001),))
    dpo = resolve(tenth(), evidence, scale=Scale.FULL, assume={}).stages[1]
    assert dpo.get("dataset_rows").value == 27_000
    assert dpo.datasets[0].total_rows == 270_001
    assert dpo.datasets[0].revision == "f00"


def test_a_parents_card_of_another_model_is_not_used() -> None:
    other = tenth()
    evidence = Evidence(parents=(parent(learning_rate=1e-3),))
    assert resolve(other, evidence, scale=Scale.FULL, assume={}).stages[0].hyperparameters.learning_rate == 1e-3
    stranger = Evidence(parents=(_renamed(parent(learning_rate=1e-3), "org/another"),))
    assert resolve(other, stranger, scale=Scale.FULL, assume={}).stages[0].hyperparameters.learning_rate == 5e-6


def _renamed(spec: Spec, name: str) -> Spec:
    import dataclasses

    facts = tuple(dataclasses.replace(f, value=name) if f.value == SFT_REPO else f for f in spec.facts)
    return dataclasses.replace(spec, facts=facts, source=f"{name}@abc:README.md")


def test_a_plan_survives_its_json_form(card: Spec) -> None:
    import pydantic_core
    from pydantic import TypeAdapter

    plan = resolve(card, Evidence(), scale=Scale.PROXY, assume={})
    assert TypeAdapter(Plan).validate_json(pydantic_core.to_json(plan)) == plan


@pytest.mark.parametrize("steps", [50, 400])
def test_steps_that_the_user_gives_stand_over_the_cards_count_in_the_stand_in(card: Spec, steps: int) -> None:
    plan = resolve(card, Evidence(), scale=Scale.PROXY, assume={"dpo.max_steps": str(steps)})
    dpo = plan.stage("dpo")
    assert dpo is not None
    assert (dpo.hyperparameters.max_steps, dpo.expected_steps) == (steps, steps)
