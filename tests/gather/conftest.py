"""Small repositories with the fields that real ones have, made here."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hub.loopback import LoopbackHub
from small_repositories import CONFIG, TEMPLATE, safetensors, write


@pytest.fixture
def model_folder(tmp_path: Path) -> Path:
    """A published DPO model: card, config, tokenizer files, a trainer's state, weights, and things to leave alone."""
    state = {
        "global_step": 20,
        "max_steps": 20,
        "num_train_epochs": 1,
        "logging_steps": 5,
        "train_batch_size": 8,
        "log_history": [
            {"step": 1, "loss": 0.6931, "epoch": 0.05, "learning_rate": 1e-6},
            {"step": 5, "loss": 0.68, "epoch": 0.25, "learning_rate": 1e-6},
            {"step": 10, "loss": 0.66, "epoch": 0.5, "learning_rate": 8e-7},
            {"step": 10, "eval_loss": 0.7, "epoch": 0.5},
            {"step": 20, "train_loss": 0.66, "epoch": 1.0},
        ],
    }
    return write(
        tmp_path / "model",
        {
            "README.md": "---\nlicense: apache-2.0\nbase_model: lab/tiny-sft\n---\n\n# Tiny DPO\n",
            "config.json": dict(CONFIG),
            "generation_config.json": {"temperature": 0.6, "top_p": 0.9, "do_sample": True},
            "tokenizer_config.json": {"eos_token": {"content": "</s>"}, "pad_token": "<pad>", "chat_template": "old"},
            "special_tokens_map.json": {"eos_token": {"content": "</s>"}},
            "chat_template.jinja": TEMPLATE,
            "trainer_state.json": state,
            "model.safetensors": safetensors({"a": ("BF16", [100, 10]), "b": ("BF16", [24])}),
            "training_args.bin": b"\x80\x04never",
            "modeling_tiny.py": "raise SystemExit",
            "optimizer.pt": b"\x80\x04never",
        },
    )


@pytest.fixture
def dataset_folder(tmp_path: Path) -> Path:
    """A preference set with train and test shards and its own metadata."""
    readme = (
        "---\ndataset_info:\n  features:\n  - name: prompt\n    dtype: string\n  - name: chosen\n    dtype: string\n"
        "  splits:\n  - name: train\n    num_bytes: 10\n    num_examples: 1234\n  - name: test\n    num_examples: 56\n"
        "configs:\n- config_name: default\n  data_files:\n  - split: train\n    path: data/train-*\n"
        "  - split: test\n    path: data/test-*\n---\n# Rows\n"
    )
    return write(
        tmp_path / "rows",
        {
            "README.md": readme,
            "rows.py": "raise SystemExit",
            "data/train-00000-of-00002.jsonl": '{"prompt": "a"}\n',
            "data/train-00001-of-00002.jsonl": '{"prompt": "b"}\n',
            "data/test-00000-of-00001.jsonl": '{"prompt": "c"}\n',
        },
    )


@pytest.fixture
def loopback(monkeypatch: pytest.MonkeyPatch) -> Iterator[LoopbackHub]:
    for name in ("HF_TOKEN", "HF_ENDPOINT", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    with LoopbackHub() as hub:
        yield hub
