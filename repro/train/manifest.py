"""A checkpoint's manifest: what it stands for and the hash of everything in it, written last."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from repro.files import write_whole
from repro.train.files_hash import file_hash

MANIFEST = "manifest.json"


def write_manifest(folder: Path, *, step: int, seconds: float, log_hash: str, origin: str) -> None:
    """Hash the folder's files and write the manifest beside them.

    Raises:
        OSError: a file cannot be read.
        ReproError: the manifest cannot be written.
    """
    files = {str(p.relative_to(folder)): file_hash(p) for p in sorted(folder.rglob("*")) if p.is_file()}
    said: dict[str, Any] = {"step": step, "seconds": seconds, "log": log_hash, "origin": origin, "files": files}
    write_whole(folder / MANIFEST, json.dumps({**said, "sha256": _hash(said)}, indent=1))


def check_manifest(folder: Path, *, step: int, log_hash: str, origin: str) -> float:
    """The seconds spent up to a checkpoint that is, file for file, what was written.

    Args:
        step: the step that its folder is named after.
        log_hash: SHA-256 of the first `step` lines of the step log as it is now.
        origin: what the stage starts from now.

    Raises:
        ValueError: it is not; the message says what was changed.
    """
    try:
        said = json.loads((folder / MANIFEST).read_bytes())
        stated, files, seconds = said.pop("sha256"), said["files"], float(said["seconds"])
        if stated != _hash(said):
            raise ValueError
    except FileNotFoundError:
        raise ValueError(f"has no {MANIFEST}") from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise ValueError(f"{MANIFEST} is damaged or was changed") from None
    if said["step"] != step:
        raise ValueError(f"holds step {said['step']}")
    present = {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()} - {MANIFEST}
    for name in sorted(files.keys() | present):
        if name not in files:
            raise ValueError(f"{name} does not belong to it")
        try:
            same = file_hash(folder / name) == files[name]
        except OSError as error:
            raise ValueError(f"{name} cannot be read ({error.strerror or error})") from None
        if not same:
            raise ValueError(f"{name} is damaged or was changed")
    if said.get("origin") != origin:
        raise ValueError("it was trained from other weights or other rows than there are now")
    if said["log"] != log_hash:
        raise ValueError(f"the log of its {step} steps was changed since")
    return seconds


def _hash(said: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()
