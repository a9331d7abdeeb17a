"""Cards of other makes, written for these tests: tables by stage, generated bullets, scores, windows, conflicts."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from repro.spec import ClaimKind, Spec

Reader = Callable[[str], Spec]

STAGES = """---
base_model: tiny-org/base
tags: [trl, sft, dpo]
---
# tiny-org/tiny-dpo

## Training configuration

| Parameter | SFT | DPO |
|---|---|---|
| Dataset | tiny-org/sft-data | tiny-org/pref-data |
| Learning rate | 1e-3 | 5e-4 |
| Effective batch size | 16 | 8 |
| Gradient clipping | 1.0 | none |
| Beta | – | 5 |
| Loss | – | sigmoid_norm |
| Seed | 42 | TBD |
| Optimizer steps | 120 | 100 |

## SFT losses

| Step | Loss (mean of 25 steps) |
|---|---|
| 25 | 3.210 |
| 120 | 2.104 |

## DPO losses

Each loss is the mean over the 25 optimizer steps ending at that step.

| Step | Training loss |
|---|---|
| 25 | 0.6711 |

## Evaluation

Scored with lm-eval 0.4.13.

| Task | Version | n-shot | Metric | Value |
|---|---|---|---|---|
| preference | 1.0 | 0 | acc | 0.812 |
| | 1.0 | 0 | acc_norm | 0.799 |
"""

TRAINER = """---
base_model: org/base
tags: [generated_from_trainer]
---
<!-- This model card has been generated automatically according to the information the Trainer had access to. -->

# my-dpo-model

This model is a fine-tuned version of [org/base](https://huggingface.co/org/base) on an unknown dataset.
It achieves the following results on the evaluation set:
- Loss: 0.4712
- Accuracy: 0.81

### Training hyperparameters

The following hyperparameters were used during training:
- learning_rate: 2e-05
- train_batch_size: 8
- gradient_accumulation_steps: 2
- total_train_batch_size: 16
- optimizer: Use OptimizerNames.ADAMW_TORCH with betas=(0.9,0.999) and epsilon=1e-08
- lr_scheduler_type: cosine
- lr_scheduler_warmup_steps: 0.1
- num_epochs: 3.0{extra}

### Training results

| Training Loss | Epoch | Step | Accuracy | Validation Loss |
|:---:|:---:|:---:|:---:|:---:|
| No log | 0.5 | 50 | 0.70 | 0.6012 |
| 0.5511 | 1.0 | 100 | 0.80 | 0.4712 |

### Framework versions

- Transformers 4.51.3
- Datasets 3.6.0
"""


def test_columns_by_stage(spec_of: Reader) -> None:
    spec = spec_of(STAGES)
    sft, dpo = spec.stages
    assert (sft.name, dpo.name) == ("sft", "dpo")
    assert (sft.base.value, dpo.produces.value) == ("tiny-org/base", "tiny-org/tiny-dpo")
    assert not dpo.base.known
    assert (sft.get("learning_rate").value, dpo.get("learning_rate").value) == (1e-3, 5e-4)
    assert (sft.get("max_grad_norm").value, dpo.get("max_grad_norm").value) == (1.0, 0.0)
    assert not sft.all("beta")
    assert (dpo.get("beta").value, dpo.get("loss_type").value) == (5, "dpo_norm")
    assert [d.repo_id for s in spec.stages for d in s.datasets] == ["tiny-org/sft-data", "tiny-org/pref-data"]
    seed = spec.claim("dpo.seed")
    assert seed is not None
    assert seed.unstated
    steps = {c.id: c.value for c in spec.claims if c.kind is ClaimKind.STEPS}
    assert steps == {"sft.steps": 120, "dpo.steps": 100}


def test_windows_in_a_header_and_in_a_sentence(spec_of: Reader) -> None:
    losses = {c.id: c.window for c in spec_of(STAGES).claims if c.kind is ClaimKind.LOSS}
    assert losses == {"sft.loss@25": 25, "sft.loss@120": 25, "dpo.loss@25": 25}


@pytest.mark.parametrize(
    ("sentence", "window", "known"),
    [
        ("Each loss is the average over the last 10 steps.", 10, True),
        ("Losses are a 50-step moving average.", 50, True),
        ("Each loss is a single-step reading.", 1, True),
        ("The loss was smoothed with an exponential moving average.", 1, False),
        ("Each loss is the mean over a centred window of 20 steps.", 1, False),
        ("The loss falls over 100 steps.", 1, True),
    ],
)
def test_windows(spec_of: Reader, sentence: str, window: int, known: bool) -> None:
    spec = spec_of(f"# A DPO model\n\n## Losses\n\n{sentence}\n\n| Step | Loss |\n|---|---|\n| 100 | 0.5 |\n")
    (found,) = (c for c in spec.claims if c.kind is ClaimKind.LOSS)
    assert found.window == window
    assert any(f.key == "window" and not f.known for f in found.conditions) != known


def test_harness_task_version_and_shots(spec_of: Reader) -> None:
    spec = spec_of(STAGES)
    for metric, value in (("acc", 0.812), ("acc_norm", 0.799)):
        found = spec.claim(f"eval.preference.{metric}")
        assert found is not None
        assert found.value == value
        conditions = {f.key: f.value for f in found.conditions}
        assert conditions == {
            "harness": "lm-eval",
            "harness_version": "0.4.13",
            "task_version": "1.0",
            "num_fewshot": 0,
        }


def test_a_generated_card(spec_of: Reader) -> None:
    spec = spec_of(TRAINER.format(extra=""))
    assert spec.dialect == "transformers-trainer"
    (stage,) = spec.stages
    values = {f.key: f.value for f in stage.facts}
    assert stage.base.value == "org/base"
    assert values["per_device_batch_size"] == 8
    assert values["effective_batch_size"] == 16
    assert values["warmup_ratio"] == 0.1
    assert values["optimizer"] == "adamw"
    assert values["adam_beta2"] == 0.999
    assert not stage.datasets
    loss = spec.claim(f"{stage.name}.loss@100")
    assert loss is not None
    assert (loss.value, loss.epoch, loss.split, loss.window) == (0.5511, 1.0, "train", 1)
    assert [f.key for f in loss.conditions] == ["window"]  # logging_steps is not stated: the mean of who knows how many
    assert spec.claim(f"{stage.name}.loss@50") is None
    evaluated = spec.claim(f"{stage.name}.eval_loss@50")
    assert evaluated is not None
    assert (evaluated.value, evaluated.split) == (0.6012, "validation")
    accuracy = spec.claim(f"{stage.name}.eval_accuracy@100")
    assert accuracy is not None
    assert accuracy.kind is ClaimKind.EVAL
    assert spec.claim(f"{stage.name}.eval_loss") is not None


def test_logging_steps_are_the_window(spec_of: Reader) -> None:
    spec = spec_of(TRAINER.format(extra="\n- logging_steps: 10"))
    found = spec.claim(f"{spec.stages[0].name}.loss@100")
    assert found is not None
    assert found.window == 10
    spec = spec_of(TRAINER.format(extra="\n- logging_steps: 30"))
    found = spec.claim(f"{spec.stages[0].name}.loss@100")
    assert found is not None
    assert found.window == 1
    assert [f.key for f in found.conditions] == ["window"]


def test_trls_card(spec_of: Reader) -> None:
    spec = spec_of(
        "---\nbase_model: org/b\ntags: [trl, generated_from_trainer]\n---\n# Model Card for run7\n\n"
        "This model is a fine-tuned version of [org/b](https://huggingface.co/org/b).\n"
        "It has been trained using [TRL](https://github.com/huggingface/trl).\n\n## Training procedure\n\n"
        "This model was trained with SFT.\n\n### Framework versions\n\n- TRL: 1.16.0\n"
    )
    (stage,) = spec.stages
    assert (spec.dialect, stage.name, stage.base.value) == ("trl", "sft", "org/b")
    assert spec.get("framework").value == "trl"
    assert spec.get("trl_version").value == "1.16.0"
    assert not stage.datasets


def test_none_is_not_a_base_model(spec_of: Reader) -> None:
    spec = spec_of("# DPO\n\nThis model is a fine-tuned version of [None](https://huggingface.co/None).\n")
    assert not spec.get("base_model").known


def test_two_lists_of_the_same_parameters_are_two_trainings(spec_of: Reader) -> None:
    table = "- Learning rate: {}\n- Epochs: {}\n- Weight decay: 0.1\n- Optimizer: AdamW\n\n"
    first, second = table.format("1e-5", 1), table.format("2e-5", 3)
    spec = spec_of(f"# SFT model\n\n## Training\n\n**Round on A**\n\n{first}**Round on B**\n\n{second}")
    assert [s.name for s in spec.stages] == ["sft", "sft-2"]
    assert [s.get("num_epochs").value for s in spec.stages] == [1, 3]
    assert all(len(s.all("learning_rate")) == 1 for s in spec.stages)


def test_a_conflict_keeps_both_values(spec_of: Reader) -> None:
    spec = spec_of(
        "# DPO model\n\n## Training\n\n| Parameter | Value |\n|---|---|\n"
        "| Learning rate | 5e-7 |\n| DPO beta | 0.1 |\n\n"
        "We trained it with DPO for 1 epoch with a learning rate of 1e-6.\n"
    )
    (stage,) = spec.stages
    assert [f.value for f in stage.all("learning_rate")] == [5e-7, 1e-6]
    assert spec.claim("dpo.learning_rate#2") is not None


def test_an_inline_pipeline(spec_of: Reader) -> None:
    spec = spec_of("# o/c\n\n```\no/a -> SFT (5% of mix) -> o/b -> DPO (prefs) -> o/c (this model)\n```\n")
    assert [(s.name, s.base.value, s.produces.value) for s in spec.stages] == [
        ("sft", "o/a", "o/b"),
        ("dpo", "o/b", "o/c"),
    ]
    assert [d.fraction.value for d in spec.stages[0].datasets] == [0.05]
    assert spec.get("model_id").value == "o/c"


def test_model_index(spec_of: Reader) -> None:
    spec = spec_of(
        "---\nmodel-index:\n- name: m\n  results:\n  - task: {type: text-generation}\n"
        "    dataset:\n      name: ARC (25-Shot)\n      args:\n        num_few_shot: 25\n"
        "    metrics:\n    - type: acc_norm\n      value: 61.26\n    - type: acc\n      value: TBD\n---\n# m\n"
    )
    found = spec.claim("eval.arc.acc_norm")
    assert found is not None
    assert (found.value, found.span.line) == (61.26, 12)
    assert {f.key: f.value for f in found.conditions}["num_fewshot"] == 25
    open_ = spec.claim("eval.arc.acc")
    assert open_ is not None
    assert open_.unstated


def test_scores_of_other_models_are_not_this_cards(spec_of: Reader) -> None:
    spec = spec_of(
        "# my-model\n\n## Evaluation\n\n| Model | MMLU | ARC |\n|---|---|---|\n"
        "| other | 60.1 | 55 |\n| my-model | 61.2 | 56 |\n"
    )
    assert {c.id: c.value for c in spec.claims if c.kind is ClaimKind.EVAL} == {
        "eval.mmlu.score": 61.2,
        "eval.arc.score": 56.0,
    }


def test_a_comma_that_may_be_two_things_is_not_guessed(spec_of: Reader) -> None:
    table = "# SFT\n\n## Training\n\n| Step | Loss |\n|---|---|\n| 100 | {} |\n| 200 | {} |\n"
    plain = spec_of(table.format("1,856", "1,204"))
    assert [c.value for c in plain.claims if c.kind is ClaimKind.LOSS] == [None, None]
    told = spec_of(table.format("1,856", "0,92"))
    assert [c.value for c in told.claims if c.kind is ClaimKind.LOSS] == [1.856, 0.92]


def test_parameters_of_inference_are_not_training(spec_of: Reader) -> None:
    spec = spec_of("# DPO model\n\n## Usage\n\n- max_length: 512\n- seed: 7\n- temperature: 0.7\n")
    assert not any(f.key in ("seed", "max_seq_length") for s in spec.stages for f in s.facts)


def test_a_tokenizer_in_the_code_is_not_the_model(spec_of: Reader) -> None:
    code = 'from transformers import AutoTokenizer\ntok = AutoTokenizer.from_pretrained("EleutherAI/gpt-neox-20b")\n'
    spec = spec_of(f"# Castor-7B\n\n```python\n{code}```\n")
    assert not spec.get("model_id").known


def test_a_card_without_training_has_no_stage(spec_of: Reader) -> None:
    assert spec_of("# A merge\n\nTwo models, averaged.\n").stages == ()


def test_validation_metrics_under_their_heading(spec_of: Reader) -> None:
    spec = spec_of("# Tagger\n\nTrained using AutoNLP.\n\n## Validation Metrics\n\n- Loss: 0.547\n- Accuracy: 0.81\n")
    found = {c.id: (c.value, c.split) for c in spec.claims if c.kind in (ClaimKind.LOSS, ClaimKind.EVAL)}
    assert found == {"training.eval_loss": (0.547, "validation"), "eval.validation_set.accuracy": (0.81, "validation")}
