"""What a checkpoint's folder holds: whether it can be loaded safely, and which bytes it is."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from repro.errors import PrerequisiteError
from repro.files import names_code

_COUNTS = {".json", ".safetensors", ".bin", ".model", ".jinja", ".txt", ".tiktoken"}
"""Files that can change what the model answers; not cards, logs or optimizer states."""


def inspect(checkpoint: str) -> Path:
    """The absolute folder of a whole model with its weights.

    Raises:
        PrerequisiteError: it is not there, or not such a model; the message says which.
    """
    folder = Path(checkpoint).resolve()
    if not folder.is_dir():
        raise PrerequisiteError("no such folder", where=checkpoint, hint="give the folder of a saved model")
    if (folder / "adapter_config.json").exists():
        # Loading it would fetch the base model that it names.
        raise PrerequisiteError(
            "this is an adapter, not a whole model", where=checkpoint, hint="merge it into its base model and save that"
        )
    try:
        config = json.loads((folder / "config.json").read_bytes())
    except FileNotFoundError:
        raise PrerequisiteError("there is no config.json", where=checkpoint, hint="give a saved model") from None
    except (OSError, ValueError, RecursionError) as error:
        raise PrerequisiteError(f"config.json cannot be read: {error}", where=checkpoint) from error
    if not isinstance(config, dict):
        raise PrerequisiteError("config.json is not a mapping", where=checkpoint)
    if names_code(config):
        raise PrerequisiteError(
            "needs code of a repository to load, which is never run here", where=str(folder / "config.json")
        )
    if not any(folder.glob("*.safetensors")) and not any(folder.glob("pytorch_model*.bin")):
        raise PrerequisiteError(
            "there are no weights (*.safetensors or pytorch_model*.bin)",
            where=checkpoint,
            hint="download the model's weights as well",
        )
    return folder


def fingerprint(folder: Path) -> str:
    """SHA-256 over the names and contents of the files that decide the model's answers."""
    whole = hashlib.sha256()
    for file in sorted(p for p in folder.iterdir() if p.suffix in _COUNTS and p.is_file()):
        whole.update(f"{file.name}\0{digest(file)}\0".encode("utf-8", "surrogateescape"))
    return whole.hexdigest()


def digest(file: Path) -> str:
    """SHA-256 of one file.

    Raises:
        PrerequisiteError: it cannot be read.
    """
    try:
        with file.open("rb") as handle:
            return hashlib.file_digest(handle, "sha256").hexdigest()
    except OSError as error:
        raise PrerequisiteError(f"cannot be read: {error.strerror or error}", where=str(file)) from error
