"""Checkpoints of a stage, each seen whole or not at all and used only as it was written; the last two are kept."""

from __future__ import annotations

import os
import re
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from repro.errors import RunError
from repro.files import cannot_write
from repro.train.manifest import check_manifest, write_manifest
from repro.train.sharding import REPLICATED, check_layout, layout, write_layout
from repro.train.tensors import write_state

KEPT = 2
LEAST_SECONDS_BETWEEN = 5.0
COST_SHARE = 0.01
"""A checkpoint is written when the last one's cost would be at most this share of the time since."""


class Checkpoints:
    """A folder of checkpoints, `step-<n>` each; n optimizer steps were done.

    Where one process can hold the model, one file has the trained weights and the optimizer. Under FSDP or DeepSpeed
    each process writes its share through accelerate. The learning rate, the data's order and the random numbers of a
    step are functions of the step, so that nothing else needs keeping. A manifest has the hash of every file, the time
    spent and the hash of the steps logged so far: what was changed since is refused by name, and the one before is
    used.
    """

    def __init__(
        self, folder: Path, accelerator: Any, *, every_seconds: float = LEAST_SECONDS_BETWEEN, origin: str = ""
    ) -> None:
        """
        Args:
            every_seconds: the least time between two; 0 writes one after every step, whatever it costs.
            origin: names the starting weights and the rows; a checkpoint of another is refused.
        """
        self._origin = origin
        self._every = every_seconds
        self.folder = folder
        self._accelerator = accelerator
        self._sharded = layout(accelerator) != REPLICATED
        self._last = time.monotonic()
        self._cost = 0.0
        self.refused: list[str] = []
        """What `load` passed over and why, a sentence each."""

    def due(self, step: int) -> bool:
        """Whether it is time; the same answer in every process that must take part."""
        since = time.monotonic() - self._last
        late = since >= max(self._every, self._cost / COST_SHARE) if self._every else True
        if not self._sharded:
            return late
        if step % 10:
            return False
        flag = torch.tensor([float(late and self._accelerator.is_main_process)], device=self._accelerator.device)
        return bool(self._accelerator.reduce(flag, "sum").item())

    def save(self, step: int, model: Any, optimizer: Any, seconds: float, log_hash: str = "") -> None:
        """
        Args:
            seconds: spent on the stage so far.
            log_hash: SHA-256 of the first `step` lines of the step log; the main process's counts.

        Raises:
            ReproError: the disk is full, or the folder cannot be written.
        """
        began = time.monotonic()
        part = self.folder / f".part-{step:08d}"
        try:
            if self._accelerator.is_main_process:
                shutil.rmtree(part, ignore_errors=True)
                part.mkdir(parents=True)
            if self._sharded:
                self._accelerator.wait_for_everyone()
                self._accelerator.save_state(str(part))
                self._accelerator.wait_for_everyone()
            if self._accelerator.is_main_process:
                if not self._sharded:
                    weights = _trained(self._accelerator.unwrap_model(model))
                    write_state(part / "state.pt", {"model": weights, "optimizer": optimizer.state_dict()})
                write_layout(part, self._accelerator)
                write_manifest(part, step=step, seconds=seconds, log_hash=log_hash, origin=self._origin)
                os.rename(part, self._place(step))
                _sync_folder(self.folder)
                for old in self.steps()[:-KEPT]:
                    shutil.rmtree(self._place(old), ignore_errors=True)
        except OSError as error:
            shutil.rmtree(part, ignore_errors=True)
            raise cannot_write(self.folder, error) from error
        except RuntimeError as error:
            shutil.rmtree(part, ignore_errors=True)
            if shutil.disk_usage(self.folder).free < 2**20:
                raise cannot_write(self.folder, OSError(28, "No space left on device")) from error
            raise RunError(f"a checkpoint cannot be written: {error}", where=str(self.folder)) from error
        self._last = time.monotonic()
        self._cost = self._last - began

    def load(self, model: Any, optimizer: Any, log_hash: Callable[[int], str] | None = None) -> tuple[int, float]:
        """Take up the last checkpoint that is as it was written: (steps done, seconds spent), (0, 0.0) without any.

        Those passed over are removed, and named in `refused`.

        Args:
            log_hash: SHA-256 of the first n lines of the step log, for the main process.

        Raises:
            RunError: there are checkpoints, and none can be used.
        """
        from accelerate.utils import broadcast_object_list

        # the main process looks at the files once for all: every process must take up the same one
        found: list[Any] = [self._choose(log_hash) if self._accelerator.is_main_process else None]
        broadcast_object_list(found)
        step, seconds, self.refused = found[0]
        if step is None:
            raise RunError(
                f"no checkpoint can be used: {'; '.join(self.refused)}",
                where=str(self.folder),
                hint=f"remove {self.folder.parent} to train this stage again from its start",
            )
        if step == 0:
            return 0, 0.0
        check_layout(self._place(step), self._accelerator)
        try:
            if self._sharded:
                self._accelerator.load_state(str(self._place(step)))
            else:
                # our own file, but in a folder that others may write to: weights only
                state = torch.load(self._place(step) / "state.pt", map_location="cpu", weights_only=True)
                _take_up(self._accelerator.unwrap_model(model), state["model"])
                optimizer.load_state_dict(state["optimizer"])
        except Exception as error:  # whole, and yet of no use: other shapes, another version of a library
            raise RunError(
                f"the checkpoint does not fit this run: {error}",
                where=str(self._place(step)),
                hint=f"remove {self.folder.parent} to train this stage again from its start",
            ) from error
        return step, seconds

    def _choose(self, log_hash: Callable[[int], str] | None) -> tuple[int | None, float, list[str]]:
        """(step or 0 or None, seconds, why those after it are refused), leaving only what may be used."""
        if not self.folder.is_dir():
            return 0, 0.0, []
        for left in self.folder.glob(".part-*"):
            shutil.rmtree(left, ignore_errors=True)
        refused: list[str] = []
        steps = self.steps()
        for step in reversed(steps):
            place = self._place(step)
            try:
                log = log_hash(step) if log_hash else ""
                seconds = check_manifest(place, step=step, log_hash=log, origin=self._origin)
            except ValueError as why:
                refused.append(f"{place.name}: {why}")
                continue
            for later in steps[steps.index(step) + 1 :]:
                shutil.rmtree(self._place(later), ignore_errors=True)
            return step, seconds, refused
        return (None if refused else 0), 0.0, refused

    def steps(self) -> list[int]:
        """The steps at which there are whole checkpoints, ascending."""
        found = (re.fullmatch(r"step-(\d{8,})", p.name) for p in self.folder.glob("step-*"))
        return sorted(int(match[1]) for match in found if match)

    def clear(self) -> None:
        """Remove them all, once the stage's model is saved."""
        if self._accelerator.is_main_process:
            shutil.rmtree(self.folder, ignore_errors=True)

    def _place(self, step: int) -> Path:
        return self.folder / f"step-{step:08d}"


def _trained(model: torch.nn.Module) -> dict[str, Any]:
    """The tensors that training may change; under an adapter all others are what the stage started from."""
    parameters = (name for name, p in model.named_parameters(remove_duplicate=False) if p.requires_grad)
    names = {*parameters, *(name for name, _ in model.named_buffers(remove_duplicate=False))}
    return {name: tensor for name, tensor in model.state_dict().items() if name in names}


def _take_up(model: torch.nn.Module, kept: dict[str, Any]) -> None:
    """Load what `_trained` gave; anything missing or left over is an error.

    Raises:
        RuntimeError: names or shapes are another model's.
    """
    wrong = _trained(model).keys() ^ kept.keys()
    if wrong:
        raise RuntimeError(f"{len(wrong)} tensors of other names, such as {min(wrong)}")
    model.load_state_dict(kept, strict=False)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
