"""Whether memory and disk suffice, asked before hours are spent: figures first, then a refusal."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import torch

from repro.arithmetic import GB
from repro.errors import PrerequisiteError
from repro.memory import state_bytes
from repro.plan import Plan, StagePlan
from repro.train.checkpoint import KEPT
from repro.train.record import STAGE_FILE
from repro.train.sharding import REPLICATED, layout

SLACK_BYTES = 1 << 20
"""Records, logs and tokens of a small run."""
FROZEN_BYTES = {"": 4.0, "int8": 1.0, "nf4": 0.5, "fp4": 0.5}
"""Bytes a parameter under an adapter, by `Adapter.quantization`, at least."""


def parameters_of(folder: Path) -> int | None:
    """Parameters of the causal language model that a config.json describes, built without memory; None where that
    cannot be said (loading it will say why)."""
    from transformers import AutoConfig, AutoModelForCausalLM

    try:
        config = AutoConfig.from_pretrained(str(folder), local_files_only=True, trust_remote_code=False)
        with torch.device("meta"):
            model = AutoModelForCausalLM.from_config(config, trust_remote_code=False)
    except Exception:  # transformers raises OSError, ValueError, KeyError and more
        return None
    return sum(int(p.numel()) for p in model.parameters())


def require_room(stage: StagePlan, base: Path, *, plan: Plan, folder: Path, accelerator: Any) -> None:
    """Refuse a stage whose weights, gradients and optimizer do not fit into memory, or whose checkpoints do not fit
    onto the disk. What else a step takes is not counted: this much is certain.

    Args:
        base: folder of the starting weights.
        plan: the run's, all of whose models have to be kept.
        folder: the run's.

    Raises:
        PrerequisiteError: it does not fit; the message has the figures.
    """
    parameters = parameters_of(base)
    if parameters is None:
        return
    hyperparameters = stage.hyperparameters
    masters = hyperparameters.master_weights != "bf16"
    weights, gradients, moments = (
        parameters * width for width in state_bytes(hyperparameters.precision, master_weights=masters)
    )
    saved, checkpoint, what = weights, weights + moments, "weights, gradients and AdamW's moments"
    if stage.adapter is not None:
        # nothing but the adapter, which is not counted, has gradients, moments or a place in checkpoints
        width = FROZEN_BYTES[stage.adapter.quantization] if stage.adapter.quantization or masters else 2
        weights, gradients, moments, checkpoint, what = width * parameters, 0.0, 0.0, 0.0, "the frozen weights"
        saved = 4.0 * parameters
    if layout(accelerator) == REPLICATED:
        _require_memory(stage, parameters, weights + gradients + moments, what, accelerator.device)
    if accelerator.is_main_process:
        _require_disk(plan, folder, weights=saved, checkpoint=checkpoint)


def _require_memory(stage: StagePlan, parameters: int, one: float, what: str, device: torch.device) -> None:
    where, here, free = "this machine", 1, None
    if device.type == "cuda":
        where, free = torch.cuda.get_device_name(device), float(torch.cuda.mem_get_info(device)[0])
    elif device.type == "cpu":
        here, free = int(os.environ.get("LOCAL_WORLD_SIZE") or 1), available_memory()
    if free is None or one * here <= free:
        return
    processes = f" in each of {here} processes" if here > 1 else ""
    raise PrerequisiteError(
        f"stage {stage.name!r} needs at least {one * here / GB:.3g} GB of memory ({parameters:,} parameters x "
        f"{one / parameters:.3g} bytes for {what}{processes}), and {free / GB:.3g} GB "
        f"are free on {where}",
        hint="`repro plan` says which devices hold it and gives the commands; --scale proxy trains a small stand-in",
    )


def _require_disk(plan: Plan, folder: Path, *, weights: float, checkpoint: float) -> None:
    models = sum(
        not (folder / f"seed-{seed}" / s.name / STAGE_FILE).exists() for seed in plan.seeds for s in plan.stages
    )
    kept = sum(p.stat().st_size for p in folder.glob("seed-*/*/checkpoints/*/**/*") if p.is_file())
    need = (KEPT + 1) * checkpoint + models * weights + SLACK_BYTES
    free = shutil.disk_usage(folder).free
    if need - kept <= free:
        return
    raise PrerequisiteError(
        f"training needs {(need - kept) / GB:.3g} GB of disk ({KEPT} checkpoints and one being written, "
        f"{checkpoint / GB:.3g} GB each; {models} models of {weights / GB:.3g} GB), and {free / GB:.3g} GB are free",
        where=str(folder),
        hint="free some space, or keep the reports on another disk (--reports FOLDER)",
    )


def available_memory() -> float | None:
    """Bytes that this process may still take: free memory and swap, within its control group; None if unknown."""
    found: list[float] = []
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        amounts = {line.split(":")[0]: float(line.split()[1]) * 1024 for line in lines}
        found.append(amounts["MemAvailable"] + amounts.get("SwapFree", 0.0))
    except (OSError, ValueError, KeyError, IndexError):
        return None
    try:
        group = Path("/sys/fs/cgroup")
        limit, used = float((group / "memory.max").read_text()), float((group / "memory.current").read_text())
        cache = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
        found.append(limit - used + float(cache.get("inactive_file", 0)))
    except (OSError, ValueError):  # "max" is no number: no limit
        pass
    return max(0.0, min(found))
