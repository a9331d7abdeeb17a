"""What files are, as hashes: one file, a folder of weights."""

from __future__ import annotations

import hashlib
from pathlib import Path

from repro.errors import RunError
from repro.files import write_whole


def file_hash(path: Path) -> str:
    """SHA-256 of a file's content, in hex.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def folder_hash(folder: Path) -> str:
    """SHA-256 over the names and contents of a model folder's files, in the order of their names."""
    digest = hashlib.sha256()
    for path in sorted(p for p in folder.iterdir() if p.is_file()):
        digest.update(path.name.encode() + b"\0")
        digest.update(bytes.fromhex(file_hash(path)))
    return digest.hexdigest()


def seal(folder: Path) -> None:
    """Write down a folder's hash beside it.

    Raises:
        ReproError: it cannot be written.
    """
    write_whole(_seal_of(folder), folder_hash(folder))


def check_seal(folder: Path) -> None:
    """Make sure that a sealed folder is as it was.

    Raises:
        RunError: it is gone, or its files are others.
    """
    try:
        same = _seal_of(folder).read_text("ascii") == folder_hash(folder)
    except FileNotFoundError:
        same = False
    if not same:
        raise RunError(
            "the model is not, file for file, what its stage saved",
            where=str(folder),
            hint=f"remove {folder.parent} to train the stage again",
        )


def _seal_of(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.sha256")
