"""The given card, in full: every fact, every claim, every line."""

from __future__ import annotations

import pytest

from repro.card import Card
from repro.spec import Claim, ClaimKind, Origin, Spec

BASE = "meta-llama/Llama-3.1-8B"
SFT = "anonymousML123/Llama-3.1-8B-Tulu10pct-SFT-MAHALS"
DPO = "anonymousML123/Llama-3.1-8B-Tulu10pct-DPO-MAHALS"
PREFERENCES = "allenai/llama-3.1-tulu-3-8b-preference-mixture"

PARAMETERS = {
    "learning_rate": (5e-7, "5e-7", 96),
    "effective_batch_size": (32, "32", 97),
    "gradient_accumulation_steps": (16, "16", 98),
    "max_seq_length": (2048, "2048", 99),
    "num_epochs": (1, "1", 100),
    "lr_scheduler_type": ("linear", "Linear", 101),
    "warmup_ratio": (0.1, "0.1", 102),
    "beta": (5, "5", 103),
    "loss_type": ("dpo_norm", "dpo_norm", 104),
    "optimizer": ("adamw", "AdamW", 105),
    "precision": ("bf16", "BF16", 106),
}


def claim(spec: Spec, name: str) -> Claim:
    found = spec.claim(name)
    assert found is not None, name
    return found


def test_two_stages_in_the_order_of_training(given: tuple[Card, Spec]) -> None:
    _, spec = given
    assert [stage.name for stage in spec.stages] == ["sft", "dpo"]
    sft, dpo = spec.stages
    assert (sft.base.value, sft.produces.value) == (BASE, SFT)
    assert (dpo.base.value, dpo.produces.value) == (SFT, DPO)
    assert [(d.repo_id, d.fraction.value) for d in sft.datasets] == [("Tulu-3 SFT mixture", 0.1)]
    assert [(d.repo_id, d.fraction.value) for d in dpo.datasets] == [(PREFERENCES, 0.1)]
    assert dpo.method == "Direct Preference Optimization (DPO)"
    assert sft.base.span is not None
    assert sft.base.span.line == 36


@pytest.mark.parametrize("key", PARAMETERS)
def test_every_row_of_the_configuration(given: tuple[Card, Spec], key: str) -> None:
    card, spec = given
    value, printed, line = PARAMETERS[key]
    stage = spec.stage("dpo")
    assert stage is not None
    (fact,) = stage.all(key)
    assert fact.value == value
    assert type(fact.value) is type(value)
    assert (fact.printed, fact.origin) == (printed, Origin.STATED)
    assert fact.span is not None
    assert fact.span.line == line
    found = claim(spec, f"dpo.{key}")
    assert found.kind is ClaimKind.CONFIG
    assert found.cell_start is not None
    assert card.data[found.cell_start : found.cell_end].decode() == printed
    assert (found.number is None) == isinstance(value, str)


def test_the_sft_stage_has_no_parameter_that_the_card_does_not_state(given: tuple[Card, Spec]) -> None:
    stage = given[1].stage("sft")
    assert stage is not None
    assert {fact.key for fact in stage.facts} == {"dataset_fraction", "framework"}


def test_the_share_is_kept_wherever_it_is_stated(given: tuple[Card, Spec]) -> None:
    stage = given[1].stage("dpo")
    assert stage is not None
    shares = stage.all("dataset_fraction")
    assert sorted(f.span.line for f in shares if f.span) == [21, 29, 39, 119, 131]
    assert {f.value for f in shares} == {0.1}


def test_facts_of_the_model(given: tuple[Card, Spec]) -> None:
    _, spec = given
    assert spec.get("model_id").value == DPO
    assert {f.value for f in spec.all("base_model")} == {SFT}
    assert sorted(f.span.line for f in spec.all("base_model") if f.span) == [3, 27]
    assert {f.value for f in spec.all("license")} == {"llama3.1"}
    assert spec.get("library_name").value == "transformers"
    assert spec.get("pipeline_tag").value == "text-generation"
    assert spec.get("language").value == ("en",)
    assert spec.get("tags").value == ("llama", "dpo", "tulu", "mahals", "alignment", "preference-learning")
    assert {f.value for f in spec.all("datasets")} == {(PREFERENCES,)}
    assert {f.value for f in spec.all("framework")} == {"open-instruct"}
    assert spec.get("date").value == "2026"
    assert spec.dialect == "hand-written"
    assert spec.name == "dpo-mahals"


@pytest.mark.parametrize(
    ("step", "printed", "value", "line"),
    [(1, "0.693", 0.693, 112), (103, "0.634", 0.634, 113), (197, "0.521", 0.521, 114), (844, "TBD", None, 115)],
)
def test_loss_claims(given: tuple[Card, Spec], step: int, printed: str, value: float | None, line: int) -> None:
    card, spec = given
    found = claim(spec, f"dpo.loss@{step}")
    assert (found.kind, found.printed, found.value, found.span.line) == (ClaimKind.LOSS, printed, value, line)
    assert (found.step, found.window, found.split, found.stage) == (step, 1, "train", "dpo")
    assert found.unstated == (value is None)
    assert card.data[found.cell_start : found.cell_end].decode() == printed
    if value is not None:
        assert found.number is not None
        assert found.number.last_digit == 0.001


def test_the_remark_at_step_1_is_a_condition(given: tuple[Card, Spec]) -> None:
    (note,) = claim(given[1], "dpo.loss@1").conditions
    assert (note.key, note.value) == ("note", "Initial (log(2))")


@pytest.mark.parametrize(("step", "value", "last_digit"), [(103, -8.6, 0.1), (197, -25.0, 1.0)])
def test_changes_are_from_the_first_row(given: tuple[Card, Spec], step: int, value: float, last_digit: float) -> None:
    found = claim(given[1], f"dpo.change@{step}")
    assert (found.kind, found.value) == (ClaimKind.CHANGE, value)
    assert found.number is not None
    assert (found.number.unit, found.number.last_digit) == ("%", last_digit)
    assert found.refers_to == ("dpo.loss@1", f"dpo.loss@{step}")


def test_the_final_row_states_the_steps(given: tuple[Card, Spec]) -> None:
    found = claim(given[1], "dpo.steps")
    assert (found.kind, found.value, found.printed) == (ClaimKind.STEPS, 844, "844")


@pytest.mark.parametrize(
    ("name", "gigabytes", "first_gpu"),
    [("bf16", 20, "A100 40GB"), ("int8", 10, "T4"), ("int4", 6, "RTX 3060")],
)
def test_memory_claims(given: tuple[Card, Spec], name: str, gigabytes: int, first_gpu: str) -> None:
    found = claim(given[1], f"vram.{name}")
    assert (found.kind, found.value) == (ClaimKind.INFERENCE, gigabytes)
    assert found.number is not None
    assert (found.number.unit, found.number.approximate) == ("GB", True)
    conditions = {f.key: f.value for f in found.conditions}
    assert conditions["precision"] == name
    gpus = conditions["gpus"]
    assert isinstance(gpus, tuple)
    assert gpus[0] == first_gpu


def test_the_other_claims(given: tuple[Card, Spec]) -> None:
    _, spec = given
    for name, value in {
        "identity.base_model": SFT,
        "identity.dataset": PREFERENCES,
        "identity.license": "llama3.1",
        "identity.framework": "open-instruct",
    }.items():
        assert (claim(spec, name).kind, claim(spec, name).value) == (ClaimKind.IDENTITY, value)
    for name in ("sft.dataset_fraction", "dpo.dataset_fraction"):
        found = claim(spec, name)
        assert (found.kind, found.value) == (ClaimKind.DATA, 0.1)
        assert found.number is not None
        assert (found.number.value, found.number.unit) == (10.0, "%")
    assert [c.id for c in spec.claims if c.kind is ClaimKind.USAGE] == ["usage.1", "usage.2"]
    assert len({c.id for c in spec.claims}) == len(spec.claims) == 31


def test_code_has_roles(given: tuple[Card, Spec]) -> None:
    roles = [(block.language, block.role) for block in given[1].code]
    assert roles == [
        ("", "pipeline"),
        ("python", "usage"),
        ("bash", "serving"),
        ("", "template"),
        ("bibtex", "citation"),
    ]


def test_every_line_holds_what_was_printed(given: tuple[Card, Spec]) -> None:
    card, spec = given
    facts = [*spec.facts, *(f for s in spec.stages for f in (*s.facts, s.base, s.produces))]
    for fact in facts:
        assert fact.span is not None
        text = "\n".join(card.line(n) for n in range(fact.span.line, fact.span.end_line + 1))
        printed = fact.printed.split(", ") if isinstance(fact.value, tuple) else [fact.printed]
        assert all(piece in text for piece in printed), fact
    for found in spec.claims:
        text = "\n".join(card.line(n) for n in range(found.span.line, found.span.end_line + 1))
        assert found.printed in text, found


def test_the_parents_card_reads_alike(spec_of: object) -> None:
    """A parent's card of the same make, in other words: one SFT stage, complete."""
    assert callable(spec_of)
    spec: Spec = spec_of(PARENT)
    (stage,) = spec.stages
    assert (stage.name, stage.base.value, stage.produces.value) == ("sft", BASE, SFT)
    values = {f.key: f.value for f in stage.facts}
    assert values["learning_rate"] == 5e-6
    assert values["effective_batch_size"] == 128
    assert values["num_epochs"] == 2
    assert values["warmup_ratio"] == 0.03
    assert values["max_seq_length"] == 4096
    (data,) = stage.datasets
    assert (data.repo_id, data.fraction.value, data.rows.value) == ("allenai/tulu-3-sft-mixture", 0.1, 94000)
    assert "approximate" in data.rows.why


PARENT = f"""---
license: llama3.1
base_model: {BASE}
datasets: [allenai/tulu-3-sft-mixture]
---
# Llama-3.1-8B-Tulu10pct-SFT-MAHALS

An instruction-following checkpoint: the first of two stages.

| Attribute | Value |
|---|---|
| Base Model | [{BASE}](https://huggingface.co/{BASE}) |
| Training Method | Supervised Fine-Tuning (SFT) |
| Dataset | [allenai/tulu-3-sft-mixture](https://huggingface.co/datasets/allenai/tulu-3-sft-mixture) (10%) |

```python
from transformers import AutoModelForCausalLM
model = AutoModelForCausalLM.from_pretrained("{SFT}")
```

## How it was trained

| Parameter | Value |
|---|---|
| Learning Rate | 5e-6 |
| Effective Batch Size | 128 |
| Gradient Accumulation | 16 |
| Max Sequence Length | 4096 |
| Epochs | 2 |
| Warmup Ratio | 0.03 |

Rows: a 10% sample (~94K examples) of [the mixture](https://huggingface.co/datasets/allenai/tulu-3-sft-mixture).
"""
