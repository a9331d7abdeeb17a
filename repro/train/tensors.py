"""Tensors and plain values in one file: seen whole or not at all, and with a hash of what they hold."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

import torch

from repro.files import cannot_write

HASH = "sha256"
"""The key of the hash; no state has one of its own."""


def save_tensors(path: Path, state: dict[str, Any]) -> None:
    """One file of tensors and plain values, whole.

    Raises:
        ReproError: the disk is full, or the folder cannot be written.
    """
    part = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_state(part, {**state, HASH: state_hash(state)})
        os.replace(part, path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise cannot_write(path, error) from error


def load_tensors(path: Path) -> dict[str, Any] | None:
    """What `save_tensors` wrote, or None when there is none, it is damaged or it holds something else than was written.

    torch's reader looks at no checksum: a flipped bit in a tensor would be a number like any other.
    """
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        if not isinstance(state, dict) or state.pop(HASH, None) != state_hash(state):
            return None
    except Exception:  # torch and pickle raise a dozen kinds for a damaged file
        return None
    return state


def write_state(path: Path, state: dict[str, Any]) -> None:
    """A file that `torch.load` reads, on the disk when this returns.

    Raises:
        OSError: it cannot be written.
    """
    with path.open("wb") as file:
        try:
            torch.save(state, file)
        except RuntimeError as error:
            # torch wraps what the file raised
            cause = error.__context__ or error.__cause__
            raise cause if isinstance(cause, OSError) else error from error
        file.flush()
        os.fsync(file.fileno())


def state_hash(state: object) -> str:
    """SHA-256 over nested dicts and lists of CPU tensors and plain values, keys in their order."""
    digest = hashlib.sha256()
    waiting = [state]
    while waiting:
        value = waiting.pop()
        if isinstance(value, torch.Tensor):
            flat = value.detach().contiguous()
            digest.update(f"tensor {flat.dtype} {tuple(flat.shape)}\n".encode())
            digest.update(flat.reshape(-1).view(torch.uint8).numpy().data)
        elif isinstance(value, dict):
            digest.update(f"dict {len(value)}\n".encode())
            waiting += [item for pair in value.items() for item in pair]
        elif isinstance(value, list | tuple):
            digest.update(f"list {len(value)}\n".encode())
            waiting += value
        else:
            digest.update(f"{type(value).__name__} {value!r}\n".encode())
    return digest.hexdigest()
