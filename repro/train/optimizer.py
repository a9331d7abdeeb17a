"""AdamW, with weight decay on the parameters that the plan says."""

from __future__ import annotations

import torch
from torch import nn

from repro.errors import RunError
from repro.plan import Hyperparameters

ADAMW = frozenset({"adamw", "adamw_torch", "adamw_torch_fused", "adamw_hf", "torch.optim.adamw"})


def adamw(model: nn.Module, hyperparameters: Hyperparameters, *, decay: str) -> torch.optim.Optimizer:
    """AdamW over the model's trainable parameters, in two groups: decayed, and not.

    Args:
        decay: `Semantics.weight_decay_groups`: "matrices" spares biases and norms, "all" spares nothing.

    Raises:
        RunError: the recipe's optimizer is another one.
    """
    if hyperparameters.optimizer.lower().replace(" ", "") not in ADAMW:
        raise RunError(
            f"the optimizer {hyperparameters.optimizer!r} cannot be regenerated",
            hint="--assume optimizer=adamw to train with AdamW in its place",
        )
    named = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
    spare = decay == "matrices"
    spared = [p for name, p in named if spare and (p.ndim < 2 or name.endswith("bias"))]
    decayed = [p for name, p in named if not spare or (p.ndim >= 2 and not name.endswith("bias"))]
    groups = [
        {"params": decayed, "weight_decay": hyperparameters.weight_decay},
        {"params": spared, "weight_decay": 0.0},
    ]
    device = named[0][1].device.type
    return torch.optim.AdamW(
        [group for group in groups if group["params"]],
        lr=hyperparameters.learning_rate,
        betas=(hyperparameters.adam_beta1, hyperparameters.adam_beta2),
        eps=hyperparameters.adam_epsilon,
        fused=device in {"cpu", "cuda"},
    )


def set_learning_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    for group in optimizer.param_groups:
        group["lr"] = rate
