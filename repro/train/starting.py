"""The model that a stage begins with: loaded from the base, padded and given an adapter as the plan has it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from repro.plan import StagePlan
from repro.train.adapter import add_adapter, quantization_config
from repro.train.model import add_pad_token, load_model


def starting_model(stage: StagePlan, base: Path, tokenizer: Any, dtype: torch.dtype) -> Any:
    """The base's weights in `dtype` (quantized where the adapter says so), with a fresh adapter where there is one;
    the tokenizer gets a pad token where the plan adds one.

    Raises:
        PrerequisiteError: the weights are missing, need code of the repository, or are no causal language model's.
        RunError: the adapter does not fit the model.
    """
    adapter = stage.adapter
    model = load_model(base, dtype, quantization=quantization_config(adapter) if adapter is not None else None)
    if stage.semantics.pad_token_rule == "added":
        add_pad_token(model, tokenizer)
    if adapter is not None:
        model = add_adapter(model, adapter, seed=stage.hyperparameters.seed)
    if stage.semantics.training_dropout == "off":
        _without_dropout(model)
    return model


def _without_dropout(model: torch.nn.Module) -> None:
    """An adapter's own dropout too: TRL 1.16 (trainer/dpo_trainer.py) turns all of it off once the adapter is there."""
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
