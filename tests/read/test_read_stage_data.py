"""Data sets and base models that cards name in words, not in fields."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from repro.spec import Spec

Reader = Callable[[str], Spec]

LINKS = """## Data

- [RIVER corpus of stories](https://huggingface.co/datasets/wader/river)
- [Otter 2.0](https://huggingface.co/datasets/lutra/otter-15k)
"""
TUNED = "fine-tuned version of [org/b](https://huggingface.co/org/b)"
LIST = "- Learning rate: {}\n- Epochs: {}\n- Weight decay: 0.1\n- Optimizer: AdamW\n\n"


@pytest.mark.parametrize(
    ("sentence", "names"),
    [
        ("on the pairs_v2_train dataset.", ["pairs_v2_train"]),
        ("on the A-Law and the B-Law datasets.", ["A-Law", "B-Law"]),
        ("on the org/set dataset.", ["org/set"]),
        ("on an unknown dataset.", []),
        ("on the None dataset.", []),
    ],
)  # fmt: skip
def test_the_data_of_a_trainers_sentence(spec_of: Reader, sentence: str, names: list[str]) -> None:
    spec = spec_of(f"# heron\n\nThis model is a {TUNED} {sentence}\n\n## Training\n\n{LIST.format('1e-5', 1)}")
    assert [d.repo_id for s in spec.stages for d in s.datasets] == names


def test_front_matter_gives_the_ids_of_what_the_sentence_names(spec_of: Reader) -> None:
    spec = spec_of("---\ndatasets: [glue]\n---\n# h\n\nThis model is a fine-tuned version of b on the GLUE dataset.\n")
    assert [d.repo_id for s in spec.stages for d in s.datasets] == ["glue"]


def test_the_line_above_a_list_names_its_data(spec_of: Reader) -> None:
    first = f"**Instruction-tuning on River**\n\n{LIST.format('1e-5', 1)}"
    second = f"**Instruction-tuning on Otter 2.0**\n\n{LIST.format('2e-5', 3)}"
    spec = spec_of(f"# SFT model\n\n{LINKS}\n## Training\n\n{first}{second}")
    assert [[d.repo_id for d in s.datasets] for s in spec.stages] == [["wader/river"], ["lutra/otter-15k"]]
    unlinked = spec_of(f"# SFT model\n\n## Training\n\n{first}")
    assert not unlinked.stages[0].datasets


@pytest.mark.parametrize(
    ("sentence", "base"),
    [
        ("Heron 13B is a Llama2 13B model finetuned on stories.", "Llama2 13B"),
        ("Heron is an auto-regressive model fine-tuned on Llama2 13B.", "Llama2 13B"),
        ("Heron was fine-tuned from the base model LLaMA-13B.", "LLaMA-13B"),
        ("Heron is based on Mistral-7B.", "Mistral-7B"),
        ("Heron是一个模型，基于Baichuan2-7B-Base预训练模型。", "Baichuan2-7B-Base"),
        ("Heron was fine-tuned on Llama2 13B and trained on Mistral 7B.", None),
        ("Heron is based on the LLaMA-30B transformer architecture.", None),
        ("Heron was trained on Wiki 13B tokens.", None),
        ("Heron was trained on 13B tokens.", None),
    ],
)
def test_a_base_that_is_only_named(spec_of: Reader, sentence: str, base: str | None) -> None:
    spec = spec_of(f"# Heron\n\n{sentence}\n\n## Training\n\n{LIST.format('1e-5', 1)}")
    assert spec.get("base_model").value == base


def test_a_listed_base_stands_over_a_named_one(spec_of: Reader) -> None:
    spec = spec_of("---\nbase_model: org/b\n---\n# Heron\n\nHeron was fine-tuned on Llama2 13B.\n")
    assert [f.value for f in spec.all("base_model")] == ["org/b"]


def test_the_listed_version_of_linked_data(spec_of: Reader) -> None:
    front = "---\ndatasets: [nest/river_200k, nest/prefs_binarized]\n---\n"
    said = "The model was initially fine-tuned on the [River](https://huggingface.co/datasets/wader/river) dataset."
    spec = spec_of(
        f"{front}# heron-dpo\n\n{said} We then aligned it with DPO.\n\n## Training\n\n{LIST.format('1e-5', 1)}"
    )
    assert [[d.repo_id for d in s.datasets] for s in spec.stages if s.name == "sft"] == [["nest/river_200k"]]


def test_a_tag_that_says_fine_tuned_makes_a_stage(spec_of: Reader) -> None:
    spec = spec_of("---\nbase_model: nest/egg\ntags: [finetune, gpt4]\n---\n# Heron\n\nA bird.\n")
    assert [(s.name, s.base.value) for s in spec.stages] == [("fine-tuning", "nest/egg")]
    assert spec_of("---\nbase_model: nest/egg\ntags: [finetune, gguf]\n---\n# Heron\n\nA bird.\n").stages == ()


def test_the_name_of_a_base_does_not_say_whose_data_a_sentence_names(spec_of: Reader) -> None:
    spec = spec_of(
        "# finch-dpo\n\nThis model is a fine-tuned version of [wren/finch-sft](https://huggingface.co/wren/finch-sft) "
        "on the [wren/pairs](https://huggingface.co/datasets/wren/pairs) dataset.\n\n"
        "This model was trained with DPO.\n\n## Training\n\n| Parameter | SFT | DPO |\n|---|---|---|\n"
        "| Base model | wren/finch | wren/finch-sft |\n| Dataset | wren/chats | wren/pairs |\n"
        "| Learning rate | 2e-5 | 5e-7 |\n| Epochs | 2 | 1 |\n"
    )
    assert {s.name: [d.repo_id for d in s.datasets] for s in spec.stages} == {
        "sft": ["wren/chats"],
        "dpo": ["wren/pairs"],
    }
