"""What accelerate's FSDP2 and DeepSpeed need to be told for one stage, and where they differ from whole replicas."""

from __future__ import annotations

import json
import math
import os
import sys
from pathlib import Path
from typing import Any

import torch

from repro.errors import RunError
from repro.files import write_whole
from repro.plan import Hyperparameters, StagePlan
from repro.task import Scale
from repro.train.optimizer import adamw

REPLICATED = "replicated"
LAYOUT = "layout.json"
"""In a checkpoint's folder: how its state is laid out."""


def layout(accelerator: Any) -> str:
    """ "replicated" where each process has the whole model, else what shards it: "FSDP", "DEEPSPEED", "MEGATRON_LM"."""
    kind = str(getattr(accelerator.distributed_type, "value", ""))
    return kind if kind in {"FSDP", "DEEPSPEED", "MEGATRON_LM"} else REPLICATED


def unheard(accelerator: Any) -> str:
    """A sentence where the launch configuration asked for sharding and accelerate does not shard here; else ""."""
    for name, asked in (("FSDP", "ACCELERATE_USE_FSDP"), ("DeepSpeed", "ACCELERATE_USE_DEEPSPEED")):
        if os.environ.get(asked, "").lower() == "true" and layout(accelerator) == REPLICATED:
            where = "processors" if accelerator.device.type == "cpu" else "this launch"
            return f"{name} was asked for and accelerate does not shard on {where}: each process has the whole model"
    return ""


def load_whole(accelerator: Any) -> None:
    """Let the next model be loaded as it is: DeepSpeed, once it has wrapped one, has transformers cut up every other.

    The weights are looked at before they are trained, which needs them whole; ZeRO-3 shards them when it wraps them.
    """
    if layout(accelerator) == "DEEPSPEED":
        from transformers.integrations.deepspeed import unset_hf_deepspeed_config

        unset_hf_deepspeed_config()


def checkpoints_layers(stage: StagePlan, scale: Scale, accelerator: Any) -> bool:
    """As the plan says; the stand-in on a processor has memory enough, and would only take longer."""
    small = scale is Scale.PROXY and accelerator.device.type == "cpu"
    return stage.get("gradient_checkpointing").value is True and not small


def prepared(
    accelerator: Any,
    scorer: Any,
    hyperparameters: Hyperparameters,
    *,
    decay: str,
    compute: torch.dtype | None = None,
    checkpointing: bool = False,
) -> tuple[Any, Any]:
    """(scorer, optimizer), wrapped for the launch.

    The plan decides on precision, clipping and checkpointing, stage by stage, whatever the launch configuration says:
    that serves a whole run, and accelerate's own mixed precision would round the losses and the gradients' sums.

    Args:
        decay: as for `adamw`.
        compute: what weights are gathered in, where it is not their own type; gradients are summed in float32.
        checkpointing: compute layers anew in the backward pass.
    """
    from repro.train.model import checkpoint_layers

    kind = layout(accelerator)
    if checkpointing and kind != "FSDP":
        checkpoint_layers(scorer.model)
    if kind == "FSDP":
        _tell_fsdp(accelerator.state.fsdp_plugin, compute, checkpointing)
    elif kind == "DEEPSPEED":
        _tell_deepspeed(accelerator.state.deepspeed_plugin.deepspeed_config, hyperparameters, compute)
        # ZeRO-3 gathers the head from all processes at each call, and they have different numbers of labels: one call
        scorer.held_bytes = sys.maxsize
    if kind != "FSDP":  # which moves each process's share alone
        scorer.to(accelerator.device)
    return accelerator.prepare(scorer, adamw(scorer, hyperparameters, decay=decay))  # type: ignore[no-any-return]


def _tell_fsdp(plugin: Any, compute: torch.dtype | None, checkpointing: bool) -> None:
    # transformers' own checkpointing inside FSDP's hooks would gather each layer once more
    plugin.activation_checkpointing = checkpointing
    if plugin.fsdp_version == 2:
        from torch.distributed.fsdp import MixedPrecisionPolicy

        plugin.mixed_precision_policy = MixedPrecisionPolicy(
            param_dtype=compute, reduce_dtype=torch.float32 if compute else None
        )


def _tell_deepspeed(config: dict[str, Any], hyperparameters: Hyperparameters, compute: torch.dtype | None) -> None:
    config["train_micro_batch_size_per_gpu"] = 1  # batches are cut here, not by a loader that DeepSpeed could ask
    config["gradient_accumulation_steps"] = 1
    config["gradient_clipping"] = max(0.0, hyperparameters.max_grad_norm)
    config["bf16"] = {"enabled": compute is torch.bfloat16}
    config["zero_force_ds_cpu_optimizer"] = False


def clipped(model: Any, accelerator: Any, threshold: float) -> float:
    """Clip the gradient (a threshold of 0 clips nothing) and give its norm before that, over all shards."""
    kind = layout(accelerator)
    if threshold <= 0 and kind == REPLICATED:
        gradients = [p.grad for p in model.parameters() if p.grad is not None]
        return float(torch.nn.utils.get_total_norm(gradients))
    norm = accelerator.clip_grad_norm_(model.parameters(), threshold if threshold > 0 else math.inf)
    if norm is None:
        return 0.0
    return float(norm.full_tensor() if hasattr(norm, "full_tensor") else norm)


def write_layout(folder: Path, accelerator: Any) -> None:
    """Say in a checkpoint how its state is laid out."""
    write_whole(folder / LAYOUT, json.dumps({"layout": layout(accelerator), "processes": accelerator.num_processes}))


def check_layout(folder: Path, accelerator: Any) -> None:
    """Whether this launch can take up a checkpoint: replicas by any number of processes, FSDP2's shards by any number
    of shards, DeepSpeed's by as many as wrote them.

    Raises:
        RunError: it cannot; the sentence says how to launch instead.
    """
    try:
        said = json.loads((folder / LAYOUT).read_bytes())
    except FileNotFoundError:
        return
    wrote, processes = str(said["layout"]), int(said["processes"])
    now, here = layout(accelerator), int(accelerator.num_processes)
    if wrote == now and (wrote != "DEEPSPEED" or processes == here):
        return

    def named(kind: str, count: int) -> str:
        how = "whole in each" if kind == REPLICATED else f"sharded by {kind}"
        return f"{how} of {count} process{'es' if count > 1 else ''}"

    raise RunError(
        f"the checkpoint's state is {named(wrote, processes)}, and this launch has it {named(now, here)}: one cannot "
        "be taken up as the other",
        where=str(folder),
        hint="launch with the configuration that the run was begun with, or remove the stage's folder",
    )
