"""A training that only sentences, labels and headings tell of, and the base and data that they name."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from repro.spec import Spec

Reader = Callable[[str], Spec]


@pytest.mark.parametrize(
    ("text", "name", "base"),
    [
        ("A Heron2-13b model trained on letters of sailors.", "fine-tuning", "Heron2-13b"),
        ("A hybrid (plain + polite) style Heron2-70b model, see the examples.", "fine-tuning", "Heron2-70b"),
        ("GPT-Tern(125M) has been fine-tuned on a collection of ship's logs.", "fine-tuning", "GPT-Tern"),
        ("We trained our model with a heron-large model as its basis.", "fine-tuning", "heron-large"),
        ("Plover is fine-tuned on a base TernCoder model.", "fine-tuning", "TernCoder"),
        ("Specifically, this model is a bert-tern-cased model that was fine-tuned on letters.", "fine-tuning",
         "bert-tern-cased"),
        ("This is a finetuned version from ByT5 Base for sorting letters.", "fine-tuning", "ByT5 Base"),
        ("Plover is an extension of Heron-2-70b-hf, further pretrained on long letters.", "pretraining",
         "Heron-2-70b-hf"),
        ("We used a pretrained [tern/tern-base](https://huggingface.co/tern/tern-base) model and trained it on pairs.",
         "fine-tuning", "tern/tern-base"),
        ("We trained a cased model on newspapers. It needs to be finetuned before use; pretraining took a week.",
         "pretraining", None),
        ("The model used is [Tern-v3](https://huggingface.co/tern/tern-v3). It was trained on letters.", "fine-tuning",
         "tern/tern-v3"),
        ("The model is based on a pre-trained [TPT-2](https://huggingface.co/tpt2) which is fine-tuned on letters.",
         "fine-tuning", "tpt2"),
        ("The base Tern-2 model was used for training. It is trained on letters.", "fine-tuning", "Tern-2"),
        ("Plover was initialized from TernBERT & trained on letters.", "fine-tuning", "TernBERT"),
        ("- **Finetuned from:** [tern/tern-7b](https://huggingface.co/tern/tern-7b)", "fine-tuning", "tern/tern-7b"),
    ],
)  # fmt: skip
def test_a_training_told_in_words(spec_of: Reader, text: str, name: str, base: str | None) -> None:
    (stage,) = spec_of(f"# Plover\n\n{text}\n").stages
    assert (stage.name, stage.base.value) == (name, base)


@pytest.mark.parametrize(
    "text",
    [
        "You can fine-tune this model on your own letters.",
        "Plover should be fine-tuned on a task.",
        "Plover starts from the tern model trained on books.",
        "Unlike models trained on books, Plover has no weights.",
        "## Training data\n\n[More Information Needed]",
        "## Evaluation\n\nThe tern model was trained on the same letters.",
        "This repository holds quantized files of a tern; the original model was trained on books.",
    ],
)
def test_what_tells_of_no_training_of_its_own(spec_of: Reader, text: str) -> None:
    assert spec_of(f"# Plover\n\n{text}\n").stages == ()


def test_quantised_copies_were_not_trained(spec_of: Reader) -> None:
    assert spec_of("# Plover GGUF\n\nThe model was trained on letters.\n").stages == ()


def test_a_section_on_the_training_tells_of_one(spec_of: Reader) -> None:
    (stage,) = spec_of("# Plover\n\n## Training data\n\nLetters collected from the archives of a port.\n").stages
    assert stage.name == "training"


@pytest.mark.parametrize(
    ("told", "name"),
    [
        ("The Plover 7B SFT model is a Tern 7B model fine-tuned on letters.", "sft"),
        ("It results from a Tern 7B model fine-tuned on letters, by supervised fine-tuning.", "sft"),
        ("A Tern 7B model fine-tuned on letters.", "fine-tuning"),
        ("A Tern 7B model fine-tuned on letters. An SFT model and a DPO model exist.", "fine-tuning"),
    ],
)
def test_a_fine_tuning_that_sentences_call_supervised(spec_of: Reader, told: str, name: str) -> None:
    assert [s.name for s in spec_of(f"# Plover\n\n{told}\n").stages] == [name]


def test_a_chat_model_of_a_family_that_continued_a_pretraining_was_tuned(spec_of: Reader) -> None:
    text = (
        "Our models extend Tern through continued pretraining. Plover-7b-chat was finetuned on letters.\n\n"
        "## Details\n\n"
        "| Hyperparameter | Value |\n|---|---|\n| Learning rate | 1e-5 |\n| Epochs | 4 |\n| Warmup steps | 100 |\n"
    )
    assert [s.name for s in spec_of(f"# Plover-7b-chat\n\n{text}").stages] == ["training"]
    assert [s.name for s in spec_of(f"# Plover-7b\n\n{text}").stages] == ["pretraining"]


def test_names_in_bold_with_their_value_on_the_next_line(spec_of: Reader) -> None:
    text = (
        "**Base Model**  \n[tern/tern-34b](https://huggingface.co/tern/tern-34b)\n\n"
        "**Training Dataset**  \n[tern/letters](https://huggingface.co/datasets/tern/letters)\n\n"
        "While training, I used LoRA. The model was trained on letters.\n"
    )
    (stage,) = spec_of(f"# Plover\n\n{text}").stages
    assert stage.base.value == "tern/tern-34b"
    assert [d.repo_id for d in stage.datasets] == ["tern/letters"]


def test_a_base_under_a_sentence_on_another_method_is_the_only_stage_s(spec_of: Reader) -> None:
    text = (
        "Plover is made by fine-tuning Tern on a supervised fine-tuning dataset.\n\n"
        "- **License:** MIT\n- **Finetuned from model:** [Tern](https://huggingface.co/tern/tern-7b)\n\n"
        "## Training hyperparameters\n\n- learning_rate: 7e-06\n- num_epochs: 4\n- weight_decay: 0.01\n"
    )
    (stage,) = spec_of(f"# Plover\n\n{text}").stages
    assert stage.base.value == "tern/tern-7b"


def test_a_table_of_training_data_with_sizes(spec_of: Reader) -> None:
    table = (
        "| Dataset | Paper | Number of training tuples |\n|---|---|---|\n"
        "| [Letters](https://huggingface.co/datasets/tern/letters) | - | 1,000 |\n| Port logs | - | 20 |\n"
        "| Total | | 1,020 |\n"
    )
    (stage,) = spec_of(f"# Plover\n\nWe trained the model on pairs.\n\n## Training data\n\n{table}").stages
    assert [d.repo_id for d in stage.datasets] == ["tern/letters", "Port logs"]
    tested = spec_of(f"# Plover\n\nWe trained the model on pairs.\n\n## Evaluation data\n\n{table}")
    assert tested.stages[0].datasets == ()


@pytest.mark.parametrize("start", ["path_to/Tern-7b", "tern/plover", "$MODEL", "<your-model>", "./output/plover"])
def test_a_command_for_readers_trains_no_model_of_the_card(spec_of: Reader, start: str) -> None:
    command = (
        f"```bash\npython train.py --model_name_or_path {start} --learning_rate 2e-5 --num_train_epochs 3 "
        "--warmup_steps 20\n```\n"
    )
    told = spec_of(f"# plover\n\nA model fine-tuned on letters.\n\n## Fine-tuning\n\n{command}")
    assert all(not stage.facts for stage in told.stages)
    own = command.replace(start, "tern/tern-base")
    (stage,) = spec_of(f"# plover\n\nA model fine-tuned on letters.\n\n## Fine-tuning\n\n{own}").stages
    assert stage.get("learning_rate").value == 2e-5


def test_two_trainings_told_in_one_sentence(spec_of: Reader) -> None:
    front = "---\ndatasets:\n- tern/port-letters\n- tern/ship-logs\n---\n"
    base = "This model is the [tern/tern-7b](https://huggingface.co/tern/tern-7b)"
    told = f"{base} fine-tuned first on the Port Letters dataset and then "
    first, second = spec_of(f"{front}# Plover\n\n{told}fine-tuned on the Ship Logs data.\n").stages
    assert (first.name, first.base.value) == ("fine-tuning", "tern/tern-7b")
    assert (second.name, second.base.value) == ("fine-tuning-2", None)
    assert [[d.repo_id for d in s.datasets] for s in (first, second)] == [["tern/port-letters"], ["tern/ship-logs"]]
    stages = spec_of("# Plover\n\nIt was first fine-tuned on Letters, and then aligned with DPO on Feedback.\n").stages
    assert [(s.name, [d.repo_id for d in s.datasets]) for s in stages] == [("sft", ["Letters"]), ("dpo", ["Feedback"])]


@pytest.mark.parametrize(
    "sentence",
    [
        "It was first fine-tuned on Letters, and then aligned with people on Feedback.",
        "It can be first fine-tuned on Letters and then fine-tuned on Logs.",
        "It was first pretrained on Books and then fine-tuned on Letters.",
        "It was fine-tuned on Letters.",
    ],
)
def test_one_training_or_none_that_is_sure(spec_of: Reader, sentence: str) -> None:
    assert len(spec_of(f"# Plover\n\n{sentence}\n").stages) < 2
