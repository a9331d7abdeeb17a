"""The reference model's log-probabilities, computed once, kept in a file, and taken up again after a kill."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from repro.errors import RunError
from repro.train.batch import chunks
from repro.train.dpo import DpoObjective
from repro.train.tensors import load_tensors, save_tensors

SAVE_EVERY_SECONDS = 30.0


def reference_log_probs(
    objective: DpoObjective,
    scorer: torch.nn.Module,
    accelerator: Any,
    *,
    path: Path,
    key: str,
    budget: int,
    tick: Callable[[int], None],
    every_seconds: float = SAVE_EVERY_SECONDS,
) -> torch.Tensor:
    """Log-probabilities of every pair under the initial weights in evaluation mode, (2, pairs), float32 on the CPU.

    Source: open_instruct/dpo_tune_cache.py@e6c3044. The file is used only under the same `key`, which names the
    weights, the data and the settings; a part of it saved before a kill is carried on.

    Args:
        budget: padded tokens of one forward pass.
        tick: told of the pairs done.
        every_seconds: the least time between two savings of what is done so far.

    Raises:
        ReproError: the file cannot be written.
        RunError: a log-probability is not finite.
    """
    pairs = len(objective.terms)
    parts = chunks(objective.padded_lengths, budget)
    table = torch.zeros(2, pairs, dtype=torch.float32)
    done = 0
    kept = load_tensors(path)
    if kept is not None and kept.get("key") == key and kept["log_probs"].shape == table.shape:
        if kept["complete"]:
            return kept["log_probs"]  # type: ignore[no-any-return]
        if kept["budget"] == budget:  # under another one the parts hold other pairs
            table, done = kept["log_probs"], int(kept["parts"])
    processes, me = accelerator.num_processes, accelerator.process_index
    was_training = scorer.training
    scorer.eval()
    saved = time.monotonic()
    try:
        with torch.no_grad():
            while done < len(parts):
                # every process takes one part of the round; one short of work repeats the last
                mine = parts[min(done + me, len(parts) - 1)]
                values = objective.log_probs(scorer, mine, accelerator.device).float().cpu()
                if processes == 1:
                    table[:, torch.from_numpy(mine)] = values
                else:
                    share = torch.zeros_like(table)
                    if done + me < len(parts):
                        share[:, torch.from_numpy(mine)] = values
                    table += accelerator.reduce(share.to(accelerator.device), "sum").cpu()
                done = min(done + processes, len(parts))
                tick(sum(len(part) for part in parts[:done]) if done < len(parts) else pairs)
                if accelerator.is_main_process and time.monotonic() - saved >= every_seconds and done < len(parts):
                    save_tensors(
                        path, {"key": key, "budget": budget, "complete": False, "parts": done, "log_probs": table}
                    )
                    saved = time.monotonic()
    finally:
        scorer.train(was_training)
    if not bool(torch.isfinite(table).all()):
        bad = int((~torch.isfinite(table)).any(dim=0).nonzero()[0])
        raise RunError(
            f"the reference log-probability of pair {bad} is not a finite number",
            hint="are the starting weights sound, and is the precision wide enough?",
        )
    if accelerator.is_main_process:
        save_tensors(path, {"key": key, "budget": budget, "complete": True, "parts": done, "log_probs": table})
    accelerator.wait_for_everyone()
    return table
