"""Parameters that sentences state, in English and in other languages."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from repro.spec import Spec

Reader = Callable[[str], Spec]


def _values(spec: Spec) -> dict[str, object]:
    return {f.key: f.value for s in spec.stages for f in s.facts}


@pytest.mark.parametrize(
    ("sentence", "expected"),
    [
        (
            "Heron was trained for 3 epochs with a peak learning rate of 2e-5, 3% linear warmup and cosine decay.",
            {"num_epochs": 3, "learning_rate": 2e-5, "warmup_ratio": 0.03, "lr_scheduler_type": "cosine"},
        ),
        (
            "We trained it with the AdamW optimizer, a batch size of 128 and 100 warmup steps in bf16.",
            {"optimizer": "adamw", "effective_batch_size": 128, "warmup_steps": 100, "precision": "bf16"},
        ),
        ("It was trained with mixed precision (fp16).", {"precision": "fp16"}),
        (
            "We trained with a batch size of 4, gradient accumulation 2, for 3,000 steps in total, and seed 17.",
            {"batch_size": 4, "gradient_accumulation_steps": 2, "seed": 17},
        ),
        ("We trained with LoRA (rank = 16, alpha = 32).", {"lora_r": 16, "lora_alpha": 32}),
        ("We fine-tuned it, completing 4 epochs of full fine tuning.", {"num_epochs": 4}),
        ("The model was trained with a context length of 4096.", {"max_seq_length": 4096}),
        ("The model was trained with a context length of 65k tokens.", {}),
        ("You can train it with AdamW and a batch size of 8, e.g. for 3 epochs.", {}),
        ("The baseline was trained with AdamW.", {}),
        (
            "It was trained for 250K steps with a batch size\nof 256, 5e-5 learning rate, β1 = 0.9, β2 = 0.98.",
            {
                "effective_batch_size": 256,
                "learning_rate": 5e-5,
                "adam_beta1": 0.9,
                "adam_beta2": 0.98,
            },
        ),
        ("It was trained from the pre-trained weights of EGG for 20 epochs.", {"num_epochs": 20}),
        (
            "模型训练3个epoch，学习率为2e-5，批次大小为64。",
            {"num_epochs": 3, "learning_rate": 2e-5, "effective_batch_size": 64},
        ),
        ("3エポック学習し、学習率は1e-5です。", {"num_epochs": 3, "learning_rate": 1e-5}),
        ("학습률은 2e-5이며 3 에폭 동안 학습했습니다.", {"num_epochs": 3, "learning_rate": 2e-5}),
        (
            "Le modèle a été entraîné pendant 3 époques avec un taux d'apprentissage de 2e-5.",
            {"num_epochs": 3, "learning_rate": 2e-5},
        ),
        (
            "El modelo se entrenó durante 3 épocas con una tasa de aprendizaje de 2e-5.",
            {"num_epochs": 3, "learning_rate": 2e-5},
        ),
        ("The model was fine-tuned for 50 epochs, with 32 batch size.", {"num_epochs": 50, "effective_batch_size": 32}),
        ("Huấn luyện trong 3 epoch với tốc độ học là 2e-5.", {"num_epochs": 3, "learning_rate": 2e-5}),
    ],
)
def test_a_sentence(spec_of: Reader, sentence: str, expected: dict[str, object]) -> None:
    spec = spec_of(f"---\nbase_model: nest-org/egg\ndatasets: [nest-org/eggs]\n---\n# Heron\n\n{sentence}\n")
    assert _values(spec) == expected


def test_steps_of_a_sentence(spec_of: Reader) -> None:
    spec = spec_of("# Heron\n\nThe model was trained for 250K steps in total with a batch size of 16.\n")
    assert [(c.kind.value, c.value) for c in spec.claims if c.kind.value == "steps"] == [("steps", 250_000)]


@pytest.mark.parametrize(
    "sentence",
    [
        "This is a tagger that fine-tuned [egg](https://huggingface.co/nest/egg-2) on the [S](https://x.org) data set.",
        "Fine-tuned [nest/egg-2](https://huggingface.co/nest/egg-2) on Japanese using Common Voice.",
        "This `nest/egg-2` model was fine-tuned for classification.",
        "It was initialized from the pre-trained [egg](https://huggingface.co/nest/egg-2).",
    ],
)
def test_bases_of_sentences(spec_of: Reader, sentence: str) -> None:
    spec = spec_of(f"# Heron\n\n{sentence}\n")
    assert spec.get("base_model").value == "nest/egg-2"


def test_pretraining_under_its_own_heading_is_a_stage(spec_of: Reader) -> None:
    pre = "### Pretraining\n\nThe model was trained with a batch size of 256 and a learning rate of 1e-4.\n"
    tune = "### Fine-tuning\n\nIt was then fine-tuned with a batch size of 16 and a learning rate of 2e-5.\n"
    assert [s.name for s in spec_of(f"# Heron\n\n{pre}").stages] == ["pretraining"]
    spec = spec_of(f"# Heron\n\n{pre}\n{tune}")
    assert [(s.name, s.get("effective_batch_size").value) for s in spec.stages] == [
        ("pretraining", 256),
        ("fine-tuning", 16),
    ]


def test_two_stages_of_one_sentence(spec_of: Reader) -> None:
    told = "第一阶段使用数据A，训练1个epoch；第二阶段使用数据B，训练3个epoch。"
    spec = spec_of(f"# 鹭\n\n基于Egg2-7B-Base预训练模型。\n\n{told}\n")
    assert [s.get("num_epochs").value for s in spec.stages] == [1, 3]
    assert [s.base.value for s in spec.stages] == ["Egg2-7B-Base", None]


def test_a_table_stands_over_loose_words(spec_of: Reader) -> None:
    spec = spec_of(
        "# Heron SFT\n\n## Training\n\nWe trained with Adam and a batch size of 8.\n\n| Term | Value |\n|---|---|\n"
        "| Optimizer | AdamW |\n| Effective batch size | 64 |\n| Learning rate | 2e-5 |\n"
    )
    assert _values(spec) == {"optimizer": "adamw", "effective_batch_size": 64, "learning_rate": 2e-5}


@pytest.mark.parametrize(
    ("label", "key"),
    [
        ("学习率", "learning_rate"),
        ("バッチサイズ", "effective_batch_size"),
        ("에폭", "num_epochs"),
        ("Taux d'apprentissage", "learning_rate"),
        ("Tasa de aprendizaje", "learning_rate"),
        ("Tốc độ học", "learning_rate"),
        ("อัตราการเรียนรู้", "learning_rate"),
        ("最大长度", "max_seq_length"),
    ],
)
def test_labels_in_other_languages(spec_of: Reader, label: str, key: str) -> None:
    table = f"| 参数 | 值 |\n|---|---|\n| {label} | 16 |\n| 优化器 | AdamW |\n| 权重衰减 | 0.1 |\n"
    spec = spec_of(f"# SFT\n\n## Training\n\n{table}")
    assert _values(spec)[key] == 16
    assert _values(spec)["optimizer"] == "adamw"


def test_a_link_that_a_sentence_begins_with(spec_of: Reader) -> None:
    spec = spec_of("# Heron\n\n[Egg (7B)](https://huggingface.co/nest-org/egg-7b) fine-tuned on private data.\n")
    assert [s.base.value for s in spec.stages] == ["nest-org/egg-7b"]
