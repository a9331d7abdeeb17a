"""Trainings, bases and data that cards name in words only: each becomes a stage's, and nobody else's does."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from repro.spec import Spec

Reader = Callable[[str], Spec]
HUB = "https://huggingface.co"


def _stages(spec: Spec) -> list[tuple[str, object, list[str]]]:
    return [(s.name, s.base.value, [d.repo_id for d in s.datasets]) for s in spec.stages]


@pytest.mark.parametrize(
    "text",
    [
        "Egret-1B is a decoder pretrained from scratch on 2T tokens. We finetuned others from it.",
        "This is an egret model pretrained with a denoising objective.",
        "This model was pre-trained using a tokenizer of its own. Fine-tuned models are elsewhere.",
        "Pretrained model on Welsh using a masked language modelling objective. It can be fine-tuned.",
        "The checkpoint was pretrained on books.",
        "The models are initialized with `org/heron-wwm` and then pre-trained in two steps.",
        "Egret is a masked language model of Welsh. The model was trained from scratch on books.",
        "| Item | Value |\n|---|---|\n| Implementation | Megatron-LM |\n| Learning rate | 1e-4 |\n| Weight decay | 0 |",
        "```\npython run_clm_flax.py --config_name ./e --learning_rate 1e-3 --num_train_epochs 5 --adam_beta1 0.9\n```",
    ],
)
def test_a_start_from_nothing_is_pretraining(spec_of: Reader, text: str) -> None:
    assert [s.name for s in spec_of(f"# Egret\n\n{text}\n").stages] == ["pretraining"]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("This model is a fine-tuned version of the BERT model pretrained on books.", "fine-tuning"),
        ("It starts from the egret model pretrained on books.", None),
        ("The base model pretrained on 10k hours of speech and fine-tuned on Welsh readings.", "fine-tuning"),
        ("Egret quantised to four bits. The weights are those of the egret model.", None),
    ],
)
def test_another_s_pretraining_is_not_this_model_s(spec_of: Reader, text: str, name: str | None) -> None:
    assert [s.name for s in spec_of(f"# Egret\n\n{text}\n").stages] == ([name] if name else [])


def test_a_title_can_say_that_pretraining_went_on(spec_of: Reader) -> None:
    text = "# Egret-Welsh (Pretrained)\n\nA *pretrained* model of Welsh; it is based on Heron-7B.\n"
    (stage,) = spec_of(text).stages
    assert (stage.name, stage.base.value) == ("pretraining", "Heron-7B")


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("The fine-tuning process for Egret leveraged Supervised Fine-Tuning (SFT).", "sft"),
        ("We release our instruction finetuned code models based on HeronLLaMA: Egret.", "sft"),
        ("A fine tuned version of [Heron](https://huggingface.co/org/heron) on letters.", "fine-tuning"),
    ],
)
def test_a_method_told_loosely(spec_of: Reader, text: str, name: str) -> None:
    assert [s.name for s in spec_of(f"# Egret\n\n{text}\n").stages] == [name]


@pytest.mark.parametrize(
    ("text", "base"),
    [
        ("We release our instruction finetuned code models based on HeronLLaMA: Egret.", "HeronLLaMA"),
        ("It was fine-tuned on the `Letters` corpus from `heron-3b` checkpoint.", "heron-3b"),
        (f"A fine tuned version of [Heron]({HUB}/org/heron) on letters.", "org/heron"),
        (f"**[`org/heron`]({HUB}/org/heron)** fine-tuned on **Letters**.", "org/heron"),
        (f"This model is [heron]({HUB}/org/heron) finetuned on letters.", "org/heron"),
        (f"An egret model build with [heron]({HUB}/org/heron) model and letters.", "org/heron"),
        (f"Fine-tuned [org/heron]({HUB}/org/heron) in Welsh (Cymraeg) using [l]({HUB}/datasets/org/l).", "org/heron"),
        (f"This is the [heron]({HUB}/org/heron) model fine-tuned for letters.", "org/heron"),
        ("It is trained from publicly available checkpoints on the hub (`org/heron-2`), in a day.", "org/heron-2"),
        ("This model was built on top of heron-base-uncased model and trained for 10 epochs.", "heron-base-uncased"),
        ("The models are initialized with `org/heron-wwm` and then pre-trained in two steps.", "org/heron-wwm"),
        (f"Better than models built on paper, see [heron]({HUB}/org/heron).", None),
    ],
)  # fmt: skip
def test_a_base_told_in_words(spec_of: Reader, text: str, base: str | None) -> None:
    stages = spec_of(f"# Egret\n\n{text}\n").stages
    assert [s.base.value for s in stages if s.base.known] == ([base] if base else [])


@pytest.mark.parametrize(
    ("title", "text", "data"),
    [
        ("Egret", "This model was fine-tuned on the Welsh Letters V2 dataset.", ["Welsh Letters V2"]),
        ("Egret fine-tuned on WelshQA (gold) dataset for answers", "A model.", ["WelshQA"]),
        (
            "Egret",
            "This model is a 7B model finetuned on a mixture of instruction datasets (Letters V2, CoT, and Dolls).",
            ["Letters V2", "CoT", "Dolls"],
        ),
        ("Egret", "The model is pre-trained on the RIVERS100 dataset with care.", ["RIVERS100"]),
        (
            "Egret",
            "It was tuned with a tool and the river_news dataset loaded using the library.",
            ["river_news"],
        ),
        ("Egret", "A model.\n\n## Training data\n\n- [Old Rivers](https://r.example)\n- long ones", ["Old Rivers"]),
        ("Egret", "A model.\n\n## Links\n\n- [Old Rivers](https://r.example)\n- long ones", []),
        ("Egret", "Heron was trained on the Rivers dataset.", []),
        ("Egret", "This model was fine-tuned on a large dataset.", []),
        ("Egret", "It was trained on the Rivers corpus. \n\nThis model was fine-tuned on the Lakes dataset.", []),
        ("Egret", "## Details\n\n* dataset: Rivers, LakesMatrix", ["Rivers", "LakesMatrix"]),
        ("Egret", "## Details\n\n* dataset: Rivers, cleaned by hand", ["Rivers, cleaned by hand"]),
        (
            "Egret",
            f"Fine-tuned [org/heron]({HUB}/org/heron) in Welsh using [letters]({HUB}/datasets/org/letters).",
            ["org/letters"],
        ),
    ],
)
def test_data_told_in_words(spec_of: Reader, title: str, text: str, data: list[str]) -> None:
    stages = spec_of(f"# {title}\n\n{text}\n").stages
    assert [d.repo_id for s in stages for d in s.datasets] == data


def test_a_command_under_training_names_the_base(spec_of: Reader) -> None:
    command = "python run_glue.py --model_name_or_path org/heron --learning_rate 2e-5 --num_train_epochs 3"
    command += " --weight_decay 0"
    made = spec_of(f"# Egret\n\n## Training\n\n```\n{command}\n```\n").stages
    assert [s.base.value for s in made] == ["org/heron"]
    shown = spec_of(f"# Egret\n\n## How to use\n\n```\n{command}\n```\n").stages
    assert not any(s.base.known for s in shown)


def test_front_matter_s_data_stands_where_a_sentence_names_the_same(spec_of: Reader) -> None:
    text = "---\ndatasets:\n- org/letters\n---\n\n# Egret\n\nThis model was fine-tuned on the Welsh Letters dataset.\n"
    assert [d.repo_id for s in spec_of(text).stages for d in s.datasets] == ["org/letters"]


def test_listed_data_that_the_card_links_as_tests_only_is_not_trained_on(spec_of: Reader) -> None:
    front = "---\ndatasets:\n- org/letters\n- org/tests\n- org/songs\n---\n"
    body = f"This model was fine-tuned on [letters]({HUB}/datasets/org/letters).\n\n## Evaluation results\n\n"
    spec = spec_of(f"{front}\n# Egret\n\n{body}On [tests]({HUB}/datasets/org/tests) it does well.\n")
    assert [d.repo_id for s in spec.stages for d in s.datasets] == ["org/letters", "org/songs"]


def test_a_merge_told_in_words(spec_of: Reader) -> None:
    links = [f"- [{name}]({HUB}/org/{name})" for name in ("heron", "stork", "crane")]
    text = f"# Egret-13B\n\nBase model: [heron]({HUB}/org/heron)\n\n"
    text += "Egret is a merge of these, using the ties method of merging:\n\n"
    (stage,) = spec_of(text + "\n".join(links) + "\n").stages
    assert (stage.name, stage.base.value) == ("merge", "org/heron")
    assert [f.value for f in stage.facts if f.key == "merge_model"] == ["org/stork", "org/crane"]
    assert stage.get("merge_method").value == "ties"
    assert stage.datasets == ()


@pytest.mark.parametrize(
    "text",
    [
        "The adapter was merged with the base, using linear layers.",
        f"Egret is a merge of [heron]({HUB}/org/heron) and more, with ties or with slerp, merging both.",
        "Egret is a merge of many, using slerp merging.",
    ],
)
def test_what_names_no_models_or_two_methods_is_no_merge(spec_of: Reader, text: str) -> None:
    assert not [s for s in spec_of(f"# Egret\n\n{text}\n").stages if s.name == "merge"]


def test_spacy_s_sources_are_its_data(spec_of: Reader) -> None:
    table = "| Feature | Description |\n| --- | --- |\n| **Name** | `cy_egret` |\n"
    row = "| **Sources** | [UD Welsh v2.8](https://ud.example) (A; B)<br />[Word vectors](https://v.example)"
    row += "<br />org/heron |"
    spec = spec_of(f"---\nlibrary_name: spacy\n---\n\n# cy_egret\n\n{table}{row}\n")
    assert _stages(spec) == [("training", None, ["UD Welsh v2.8"])]
    assert not spec_of(f"# cy_egret\n\n{table}| **Sources** | n/a |\n").stages


def test_commands_for_others_beside_a_pretrained_model_make_no_pretraining(spec_of: Reader) -> None:
    command = "python run_glue.py --learning_rate 2e-5 --num_train_epochs 3 --per_device_train_batch_size 8"
    spec = spec_of(f"# Egret\n\n## Egret-style pretraining\n\nA better model.\n\n## Use\n\n```bash\n{command}\n```\n")
    assert "pretraining" not in [s.name for s in spec.stages]


def test_the_data_of_the_command_that_was_used(spec_of: Reader) -> None:
    command = (
        "python run_clm_flax.py --config_name ./e --dataset_name birds40 --learning_rate 1e-3 --num_train_epochs 5"
    )
    command += " --adam_beta1 0.9"
    text = f"# Egret\n\n## Script\n\nThe script that was used to train the model:\n\n```\n{command}\n```\n"
    assert _stages(spec_of(text)) == [("pretraining", None, ["birds40"])]
