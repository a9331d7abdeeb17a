"""Checkpoints of a stage, each seen whole or not at all; the last two are kept."""

from __future__ import annotations

import os
import re
import shutil
import time
from pathlib import Path
from typing import Any

import torch

from repro.errors import RunError
from repro.files import cannot_write

KEPT = 2
LEAST_SECONDS_BETWEEN = 5.0
COST_SHARE = 0.01
"""A checkpoint is written when the last one's cost would be at most this share of the time since."""


class Checkpoints:
    """A folder of checkpoints, `step-<n>` each; n optimizer steps were done.

    Where one process can hold the model, one file has all there is: weights, optimizer, time spent. Under FSDP or
    DeepSpeed each process writes its share through accelerate. The learning rate, the data's order and the random
    numbers of a step are functions of the step, so that nothing else needs keeping.
    """

    def __init__(self, folder: Path, accelerator: Any, *, every_seconds: float = LEAST_SECONDS_BETWEEN) -> None:
        """
        Args:
            every_seconds: the least time between two; 0 writes one after every step, whatever it costs.
        """
        self._every = every_seconds
        self.folder = folder
        self._accelerator = accelerator
        self._sharded = str(getattr(accelerator.distributed_type, "value", "")) in {"FSDP", "DEEPSPEED", "MEGATRON_LM"}
        self._last = time.monotonic()
        self._cost = 0.0

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

    def save(self, step: int, model: Any, optimizer: Any, seconds: float) -> None:
        """
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
                state: dict[str, Any] = {"step": step, "seconds": seconds}
                if not self._sharded:
                    state["model"] = self._accelerator.unwrap_model(model).state_dict()
                    state["optimizer"] = optimizer.state_dict()
                _write(part / "state.pt", state)
                os.rename(part, self.folder / f"step-{step:08d}")
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

    def load(self, model: Any, optimizer: Any) -> tuple[int, float]:
        """Take up the last whole checkpoint: (steps done, seconds spent), (0, 0.0) when there is none.

        Raises:
            RunError: there are checkpoints, and none can be read.
        """
        if self._accelerator.is_main_process and self.folder.is_dir():
            for left in self.folder.glob(".part-*"):
                shutil.rmtree(left, ignore_errors=True)
        self._accelerator.wait_for_everyone()
        failure: Exception | None = None
        for step in reversed(self.steps()):
            place = self._place(step)
            try:
                # our own files, but in a folder that others may write to: weights only
                state = torch.load(place / "state.pt", map_location="cpu", weights_only=True)
                if state["step"] != step:
                    raise ValueError(f"holds step {state['step']}")
                if self._sharded:
                    self._accelerator.load_state(str(place))
                else:
                    self._accelerator.unwrap_model(model).load_state_dict(state["model"])
                    optimizer.load_state_dict(state["optimizer"])
                return step, float(state["seconds"])
            except Exception as error:
                failure = error
        if failure is not None:
            raise RunError(
                f"no checkpoint can be read: {failure}",
                where=str(self.folder),
                hint="remove the stage's folder to train it again",
            ) from failure
        return 0, 0.0

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


def save_tensors(path: Path, state: dict[str, Any]) -> None:
    """One file of tensors and plain values, whole.

    Raises:
        ReproError: the disk is full, or the folder cannot be written.
    """
    part = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _write(part, state)
        os.replace(part, path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise cannot_write(path, error) from error


def load_tensors(path: Path) -> dict[str, Any] | None:
    """What `save_tensors` wrote, or None when there is none or it is damaged."""
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        return None
    except Exception:
        return None
    return state if isinstance(state, dict) else None


def _write(path: Path, state: dict[str, Any]) -> None:
    with path.open("wb") as file:
        try:
            torch.save(state, file)
        except RuntimeError as error:
            # torch wraps what the file raised
            cause = error.__context__ or error.__cause__
            raise cause if isinstance(cause, OSError) else error from error
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
