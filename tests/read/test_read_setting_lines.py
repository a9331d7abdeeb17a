"""Several settings on one line, settings in headings, and steps and warmup in sentences."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from repro.read.setting_lines import settings_in
from repro.spec import Spec

Reader = Callable[[str], Spec]


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("Optimizer = AdamW, Scheduler = cosine, LR = 2e-5",
         {"optimizer": "adamw", "lr_scheduler_type": "cosine", "learning_rate": 2e-5}),
        ("lr: 1e-4, bs: 64, epochs: 3", {"learning_rate": 1e-4, "effective_batch_size": 64, "num_epochs": 3}),
        ("tern-base finetuned on letters. Sequence length 128, learning rate 2e-5, batch size 32, 2 GPUs, 4 epochs.",
         {"max_seq_length": 128, "learning_rate": 2e-5, "effective_batch_size": 32, "num_epochs": 4}),
        ("- learning rate 3e-5; 2 epochs; warmup ratio 0.1",
         {"learning_rate": 3e-5, "num_epochs": 2, "warmup_ratio": 0.1}),
        ("Hyperparameters: lr of 1e-4, weight decay of 0.01 and batch size of 1,024",
         {"learning_rate": 1e-4, "weight_decay": 0.01, "effective_batch_size": 1024}),
    ],
)  # fmt: skip
def test_settings_on_one_line(spec_of: Reader, line: str, wanted: dict[str, Any]) -> None:
    (stage,) = spec_of(f"# Plover\n\n## Training\n\n{line}\n").stages
    assert {key: stage.get(key).value for key in wanted} == wanted


@pytest.mark.parametrize(
    "line",
    [
        "It took 3 epochs, a week, two people, a dog and a learning rate of 1e-4",
        "temperature 0.7, top_p 0.9, max tokens 256",
        "learning rate",
        "We like cosine, linear, constant",
    ],
)
def test_what_is_no_line_of_settings(line: str) -> None:
    assert len(settings_in(line)) < 2


def test_settings_of_inference_are_none_of_training(spec_of: Reader) -> None:
    spec = spec_of("# Plover\n\n## Inference\n\nUse batch size 8, sequence length 128, 2 steps.\n")
    assert spec.stages == ()


def test_settings_in_headings(spec_of: Reader) -> None:
    text = "#### Training\n\nIt was finetuned on letters.\n\n##### Learning Rate: **1e-4**\n##### Epochs: **1**\n"
    (stage,) = spec_of(f"# Plover\n\n{text}").stages
    assert (stage.get("learning_rate").value, stage.get("num_epochs").value) == (1e-4, 1)


def test_a_block_of_nothing_but_settings_keeps_those_without_a_term(spec_of: Reader) -> None:
    block = "```\nbatch_size = 24\nn_epochs = 2\nlr_schedule = LinearWarmup\nembeds_dropout_prob = 0.1\n```\n"
    (stage,) = spec_of(f"# Plover\n\nWe trained the model on letters.\n\n## Hyperparameters\n\n{block}").stages
    assert stage.get("embeds_dropout_prob").value == 0.1
    assert stage.get("lr_scheduler_type").value == "linear"
    with_code = block.replace("n_epochs = 2", "n_epochs = 2\nmodel.train()")
    (stage,) = spec_of(f"# Plover\n\nWe trained the model on letters.\n\n## Hyperparameters\n\n{with_code}").stages
    assert not stage.get("embeds_dropout_prob").known


@pytest.mark.parametrize(
    ("sentence", "key", "value"),
    [
        ("Plover was further pretrained on long letters for 400 steps.", "steps", 400),
        ("We train the model during 80k steps using a batch size of 1024.", "steps", 80_000),
        ("We trained with a learning rate warm up of 500.", "warmup_steps", 500),
        ("We trained it; the sequence length was limited to 128 tokens.", "max_seq_length", 128),
        ("This model was pre-trained on letters with a batch size of 256.", "effective_batch_size", 256),
        ("We trained our models with a learning rate of 5 · 10−5 on letters.", "learning_rate", 5e-5),
        ("We trained our models with a learning rate of 5 on letters.", "learning_rate", None),
        ("We trained it with batches of 256 sequences of length 512.", "effective_batch_size", 256),
        ("We trained it with batches of 256 sequences of length 512.", "max_seq_length", 512),
        ("- We chose to follow the usual set-up: 1 million training steps.", "steps", 1_000_000),
        ("- Learning rate: it was trained with a learning rate of 3e-5", "learning_rate", None),
        ("We fine-tuned it from a model that was pretrained with a batch size of 4096.", "effective_batch_size", None),
    ],
)
def test_settings_in_sentences(spec_of: Reader, sentence: str, key: str, value: int | None) -> None:
    spec = spec_of(f"# Plover\n\n{sentence}\n")
    if key == "steps":
        assert [c.value for c in spec.claims if c.kind == "steps"] == [value]
    else:
        assert [stage.get(key).value for stage in spec.stages if stage.get(key).known] == ([value] if value else [])
