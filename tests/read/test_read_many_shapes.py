"""Parameters in many shapes: for several sizes, on lines without marks, as switches, with models as columns."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from repro.spec import Spec

Reader = Callable[[str], Spec]

SIZES = """# Tern-3.1-8B-DPO

## Hyperparameters

SFT:
- **Learning Rate**: 5E-6 (8B), 2E-6 (70B, 405B)
- **Effective Batch Size:** 128 (8B, 70B), 256 (405B)
- **LR Schedule:** Linear

DPO:
- Learning Rate: 5 × 10⁻⁷ (8B), 2 × 10⁻⁷ (70B)
- Batch Size (effective): 32 (8B)
- Epochs: 1

PPO settings for RLVR:
- **Learning Rate**: 3 × 10⁻⁷
- **Warmup steps**: 0
- **Weight decay**: 0
"""


def test_the_value_of_this_models_size(spec_of: Reader) -> None:
    spec = spec_of(SIZES)
    rates = {s.name: s.get("learning_rate").value for s in spec.stages}
    assert rates == {"sft": 5e-6, "dpo": 5e-7, "rlvr": 3e-7}
    batches = {s.name: s.get("effective_batch_size").value for s in spec.stages}
    assert batches == {"sft": 128, "dpo": 32, "rlvr": None}
    fact = spec.stages[0].get("learning_rate")
    assert fact.printed == "5E-6 (8B), 2E-6 (70B, 405B)"
    assert fact.why == "the value beside this model's size"


@pytest.mark.parametrize("title", ["Tern-DPO", "Tern-8B-and-70B", "Tern-13B"])
def test_a_size_that_is_not_this_models_is_not_chosen(spec_of: Reader, title: str) -> None:
    spec = spec_of(SIZES.replace("Tern-3.1-8B-DPO", title))
    assert [s.get("learning_rate").value for s in spec.stages if s.name == "sft"] == [None]


@pytest.mark.parametrize("ending", ["  ", "\\", "<br>", ""])
def test_lines_without_marks_are_a_list(spec_of: Reader, ending: str) -> None:
    lines = ["**Learning rate:** 2e-5", "**Batch size:** 32 (2 x 16)", "**Epochs:** 3", "Precision = bf16"]
    text = f"{ending}\n".join(lines)
    spec = spec_of(f"# Tern SFT\n\n### Training Hyperparameters\n\n{text}\n")
    (stage,) = spec.stages
    assert {f.key: f.value for f in stage.facts} == {
        "learning_rate": 2e-5,
        "effective_batch_size": 32,
        "num_epochs": 3,
        "precision": "bf16",
    }
    assert [f.span.line for f in stage.facts if f.span] == [5, 6, 7, 8]


def test_a_paragraph_of_sentences_is_no_list(spec_of: Reader) -> None:
    spec = spec_of("# Tern\n\n## Training\n\nNote: this\nmodel: a tern\nis\nfine\nand good\n")
    assert not any(s.facts for s in spec.stages)


def test_switches_of_a_command(spec_of: Reader) -> None:
    command = "accelerate launch t.py --learning_rate 5e-7 --num_train_epochs=3 --bf16 --beta 0.1 --warmup_ratio 0.1"
    spec = spec_of(f"# Tern\n\n## Training\n\n```bash\n{command} --gradient_checkpointing\n```\n")
    (stage,) = spec.stages
    assert (stage.get("precision").value, stage.get("precision").printed) == ("bf16", "--bf16")
    assert stage.get("gradient_checkpointing").value is True
    assert stage.get("num_epochs").value == 3


def test_this_models_column_of_several(spec_of: Reader) -> None:
    table = (
        "| | **Tern 7B** | Gull 7B |\n|---|---|---|\n"
        "| peak learning rate | 3.0E-4 | 1.0E-4 |\n| warmup steps | 5000 | 2000 |\n"
        "| batch size (tokens) | ~4M | ~2M |\n| gradient clipping | global 1.0 | global 2.0 |\n"
    )
    (stage,) = spec_of(f"# Tern 7B\n\n## Training\n\n{table}").stages
    assert {f.key: f.value for f in stage.facts} == {
        "learning_rate": 3e-4,
        "warmup_steps": 5000,
        "effective_batch_tokens": 4_000_000,
        "max_grad_norm": 1.0,
    }
