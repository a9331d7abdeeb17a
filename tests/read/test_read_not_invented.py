"""What cards say of other things than their own training: it is not read as a fact, a stage or a claim of theirs."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from repro.spec import ClaimKind, Spec

Reader = Callable[[str], Spec]


@pytest.mark.parametrize(
    ("sentence", "stages"),
    [
        ("**This is not an instruction-tuned model** - expect it to continue a text.", []),
        ("This model was trained with SFT on everything (except DPO).", ["sft"]),
        ("This model was trained with SFT on chats, without any DPO.", ["sft"]),
        ("Three instruction-tuned models merged using spherical interpolation.", []),
        ("This model was aligned with DPO.", ["dpo"]),
    ],
)
def test_a_method_that_is_denied_makes_no_stage(spec_of: Reader, sentence: str, stages: list[str]) -> None:
    assert [s.name for s in spec_of(f"# Some model\n\n{sentence}\n").stages] == stages


@pytest.mark.parametrize(
    ("text", "framework"),
    [
        ("This model was trained by [sentence-transformers](https://www.sbert.net/).", "sentence-transformers"),
        ("It was fine-tuned with the [Simple Transformers](https://simpletransformers.ai/) library.", None),
        ("A fine-tuned version of [org/one](https://huggingface.co/org/one), compatible with transformers.", None),
        ("This is the fine-tuned 7B model, converted for the Transformers format.", None),
        ("This model was trained 2x faster with [Unsloth](https://u.example) and a library.", "unsloth"),
        ("The model was built with [Axolotl](https://a.example) on 8 cards.", "axolotl"),
        ("## Training\n\n- Code: Exposing the model to source code makes it better at following steps.", None),
        ("## Training\n\n- Code: [repository](https://github.com/allenai/open-instruct)", "open-instruct"),
        ("## Model details\n\n- **Library**: HuggingFace Transformers", None),
    ],
)
def test_a_framework_is_what_trained_the_model(spec_of: Reader, text: str, framework: str | None) -> None:
    spec = spec_of(f"# Some model\n\n{text}\n")
    assert spec.get("framework").value == framework
    for fact in spec.all("framework"):
        assert fact.span is not None
        assert fact.printed.lower().strip() in spec.text.split("\n")[fact.span.line - 1].lower()


@pytest.mark.parametrize(
    ("sentence", "share"),
    [
        ("In 10% of the cases, the masked tokens are replaced by a random token when it is trained.", None),
        ("It was trained on other languages too (only < 0.1% of the data is Welsh).", None),
        ("It has gone through 60-70% of the training set when trained.", None),
        ("The model was trained on 80% of the set.", 0.8),
        ("The model was trained on a 10% random sample of the mixture.", 0.1),
    ],
)
def test_a_share_is_of_the_data(spec_of: Reader, sentence: str, share: float | None) -> None:
    spec = spec_of(f"# Some model\n\n## Training\n\n{sentence}\n")
    found = [f.value for s in spec.stages for f in s.facts if f.key == "dataset_fraction"]
    assert found == ([] if share is None else [share])


def test_scores_are_not_parameters(spec_of: Reader) -> None:
    spec = spec_of(
        "# Tagger\n\nThis model is a fine-tuned version of [o/base](https://huggingface.co/o/base) on some text.\n"
        "It achieves the following results on the evaluation set:\n- Loss: 0.1\n- Precision: 0.9084\n- epoch: 2.11\n\n"
        "### Training hyperparameters\n\n"
        "The following hyperparameters were used during training:\n- learning_rate: 2e-05,\n"
        "- train_batch_size: 8\n- num_epochs: 3\n- precision: 0.91\n"
    )
    (stage,) = spec.stages
    assert stage.get("learning_rate").value == 2e-5
    assert [f.value for f in stage.all("num_epochs")] == [3]
    assert not stage.all("precision")


def test_a_table_of_fields_is_no_table_of_parameters(spec_of: Reader) -> None:
    spec = spec_of(
        "# Extractor\n\n## Fields\n\n| Field | Type | Description |\n|---|---|---|\n"
        "| `ticker` | string | Symbol |\n| `date` | ISO-8601 | Filing date |\n| `revenue` | float | In millions |\n"
        "| `assets` | float | Total |\n| `eps` | float | Earnings per share |\n| `sector` | string | Class |\n"
    )
    assert spec.stages == ()
    assert not spec.all("date")


def test_columns_of_figures_by_epoch_are_no_parameters(spec_of: Reader) -> None:
    spec = spec_of("# Translator\n\n## Training\n\n| Epoch | BLEU |\n|---|---|\n| 1 | 20.1 |\n| 2 | 22.5 |\n")
    assert not [f for s in spec.stages for f in s.facts if f.key == "num_epochs"]


def test_entries_about_other_models_are_not_this_ones(spec_of: Reader) -> None:
    spec = spec_of(
        "---\nlicense: apache-2.0\n---\n# Base-7B\n\n## Models made from it\n\n"
        "* [Writer-7B](https://huggingface.co/org/writer-7b): built by finetuning it on the\n"
        "  [stories](https://huggingface.co/datasets/org/stories).\n  * License: CC-By-NC-4.0\n"
    )
    assert [f.value for f in spec.all("license")] == ["apache-2.0"]
    assert not [d for s in spec.stages for d in s.datasets]


def test_a_card_adapted_from_anothers_names_no_base(spec_of: Reader) -> None:
    spec = spec_of(
        "---\nbase_model: org/base\n---\n# A model\n\n*Model card adapted from [Other](https://huggingface.co/x/y)*\n"
    )
    assert [f.value for f in spec.all("base_model")] == ["org/base"]


def test_the_code_of_an_earlier_checkpoint_names_no_model(spec_of: Reader) -> None:
    code = '```python\nfrom transformers import AutoModel\nm = AutoModel.from_pretrained("org/Heron-13B{}")\n```\n'
    assert spec_of("# Heron-13B\n\n" + code.format("-Pretrain")).get("model_id").value is None
    assert spec_of("# Heron-13B\n\n" + code.format("")).get("model_id").value == "org/Heron-13B"


@pytest.mark.parametrize("size", ["~500 MB (adapter only)", "8B parameters, 500 MB"])
def test_a_files_size_is_no_count_of_parameters(spec_of: Reader, size: str) -> None:
    table = f"# M\n\n| Attribute | Value |\n|---|---|\n| Base Model | org/base |\n| Model Size | {size} |\n"
    assert not spec_of(table).all("total_params")


def test_counts_and_sentences_are_no_names_of_data(spec_of: Reader) -> None:
    spec = spec_of(
        "# M\n\n## Training\n\nThis model is a fine-tuned version of [o/b](https://huggingface.co/o/b).\n\n"
        "- Training set: 519 dialogues\n- Train dataset: 42,500\n- dataset: [link](https://d.example)\n"
        '- dataset_name: "clips"\n- learning_rate: 1e-4\n- num_epochs: 2\n'
    )
    assert [d.repo_id for s in spec.stages for d in s.datasets] == ["clips"]


TWO_TRAININGS = """---
base_model: org/base
datasets:
- org/chats
---
# Talker

This model is a fine-tuned model on [org/chats](https://huggingface.co/datasets/org/chats). The model was aligned with
the Direct Preference Optimization (DPO) method with [org/pairs](https://huggingface.co/datasets/org/pairs).

### Training hyperparameters

The following hyperparameters were used during training:
- learning_rate: 1e-04
- train_batch_size: 1
- num_epochs: 2.0
"""


def test_parameters_of_either_training_are_given_to_neither(spec_of: Reader) -> None:
    (stage,) = spec_of(TWO_TRAININGS).stages
    assert stage.name == "training"
    assert "two trainings" in stage.method
    assert {d.repo_id for d in stage.datasets} == {"org/chats", "org/pairs"}


@pytest.mark.parametrize("sign", ["- beta: 0.1\n", "- loss_type: sigmoid\n"])
def test_parameters_that_only_dpo_has_are_dpos(spec_of: Reader, sign: str) -> None:
    assert spec_of(TWO_TRAININGS + sign).stages[-1].name == "dpo"


def test_a_command_under_no_stages_name_is_not_the_named_stages(spec_of: Reader) -> None:
    command = "```\npython train.py --learning_rate {} --num_train_epochs {} --weight_decay {}\n```\n"
    spec = spec_of(
        "# Long\n\n### Extending the context\n\n" + command.format("2e-5", 1, 0.1)
        + "\n### Supervised fine-tuning\n\n" + command.format("1e-5", 3, 0.0)
    )  # fmt: skip
    assert [(s.name, s.get("learning_rate").value) for s in spec.stages] == [("fine-tuning", 2e-5), ("sft", 1e-5)]


def test_a_pretrained_model_is_not_called_fine_tuned(spec_of: Reader) -> None:
    spec = spec_of(
        "# Speaker base\n\nThe model needs fine-tuning on a task of your own.\n\n## Parameters\n\n"
        "| Parameter | Value |\n|---|---|\n| learning rate | 5e-3 |\n| optimizer | adafactor |\n"
    )
    assert [s.name for s in spec.stages] == ["training"]


def test_every_data_set_of_the_front_matter_has_its_line(spec_of: Reader) -> None:
    spec = spec_of("---\ndatasets:\n- org/one\n- org/two\n---\n# M\n")
    lines = spec.text.split("\n")
    claims = [c for c in spec.claims if c.kind is ClaimKind.IDENTITY]
    assert [c.printed in lines[c.span.line - 1] for c in claims] == [True, True]


def test_shots_in_a_column_or_a_metric_are_conditions(spec_of: Reader) -> None:
    spec = spec_of(
        "---\nmodel-index:\n- name: heron\n  results:\n  - task:\n      type: text-generation\n"
        "    dataset:\n      type: org/chats\n      name: org/chats\n"
        "    metrics:\n    - type: ARC (25-shot)\n      value: 66.2\n      name: ARC (25-shot)\n---\n# heron\n\n"
        "## Evaluation\n\n| Model | ARC (25-s) ⬆️ | MMLU (5-s) |\n|---|---|---|\n| heron | 66.2 | 62.3 |\n"
    )
    scores = {c.id: [f.value for f in c.conditions] for c in spec.claims if c.kind is ClaimKind.EVAL}
    assert scores == {"eval.arc.score": [25], "eval.mmlu.score": [5]}


def test_a_stages_data_set_has_the_line_that_names_it(spec_of: Reader) -> None:
    spec = spec_of(
        "---\ndatasets:\n- org/one\n- org/two\nbase_model: org/base\n---\n# M\n\nThis model was fine-tuned.\n"
    )
    (stage,) = spec.stages
    assert [(d.repo_id, d.span.line) for d in stage.datasets if d.span] == [("org/one", 3), ("org/two", 4)]


TWO_COLUMNS = "# m-dpo\n\nThis model was trained with DPO.\n\n## Training\n\n{table}\n"


@pytest.mark.parametrize(
    ("table", "claims"),
    [
        (
            "| Step | SFT loss | DPO loss |\n|---|---|---|\n| 100 | 1.6 | 0.5 |",
            {"sft.loss@100": 1.6, "dpo.loss@100": 0.5},
        ),
        (
            "| Stage | Step | Loss |\n|---|---|---|\n| SFT | 100 | 1.6 |\n| DPO | 100 | 0.5 |",
            {"sft.loss@100": 1.6, "dpo.loss@100": 0.5},
        ),
        ("| Step | Loss (ours) | Loss (baseline) |\n|---|---|---|\n| 100 | 0.5 | 0.7 |", {"dpo.loss@100": 0.5}),
        ("| Step | Loss | Smoothed loss |\n|---|---|---|\n| 100 | 0.5 | 0.6 |", {"dpo.loss@100": 0.5}),
        ("| Step | Loss (beta 0.1) | Loss (beta 5) |\n|---|---|---|\n| 100 | 0.5 | 0.7 |", {}),
        ("### Baseline\n\n| Step | Loss |\n|---|---|\n| 100 | 0.7 |", {}),
        ("| Step | Loss |\n|---|---|\n| 500 | 0.6 |\n| 1.000 | 0.5 |", {"dpo.loss@500": 0.6}),
    ],
)
def test_a_loss_is_the_claim_of_its_own_stage_and_run(spec_of: Reader, table: str, claims: dict[str, float]) -> None:
    spec = spec_of(TWO_COLUMNS.format(table=table))
    assert {c.id: c.value for c in spec.claims if c.kind is ClaimKind.LOSS} == claims


@pytest.mark.parametrize("label", ["Total steps", "Effective batch size", "Training samples"])
def test_a_count_with_a_point_before_three_digits_is_not_guessed_at(spec_of: Reader, label: str) -> None:
    spec = spec_of(TWO_COLUMNS.format(table=f"| Parameter | Value |\n|---|---|\n| {label} | 12.000 |"))
    stage = spec.stages[-1]
    read = [f.value for f in stage.facts] + [d.rows.value for d in stage.datasets] + [c.value for c in spec.claims]
    assert 12 not in read
    assert 12000 not in read
