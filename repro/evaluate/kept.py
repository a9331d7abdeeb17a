"""Scores kept in a folder, so that what was measured once is not measured again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from repro.files import write_whole
from repro.score import Score

_FORMAT = 1


def key_of(parts: Mapping[str, str]) -> str:
    """SHA-256 of everything that a result depends on, named."""
    return hashlib.sha256(json.dumps({"format": _FORMAT, **parts}, sort_keys=True).encode("utf-8")).hexdigest()


def save(folder: Path, key: str, scores: Iterable[Score], records: Iterable[Mapping[str, Any]]) -> None:
    """Write samples.jsonl (one record a sample) and then scores.json, whose presence means that both are whole.

    Raises:
        ReproError: the folder cannot be written.
    """
    import pydantic_core

    samples = b"".join(pydantic_core.to_json(r, inf_nan_mode="strings") + b"\n" for r in records)
    write_whole(folder / "samples.jsonl", samples)
    kept = {"key": key, "samples_sha256": hashlib.sha256(samples).hexdigest(), "scores": tuple(scores)}
    write_whole(folder / "scores.json", pydantic_core.to_json(kept, indent=1, inf_nan_mode="strings") + b"\n")


def load(folder: Path, key: str) -> tuple[Score, ...] | None:
    """The scores kept under this very key; None when there are none, or when a file is not what was written."""
    from pydantic import TypeAdapter, ValidationError

    try:
        kept = json.loads((folder / "scores.json").read_bytes())
        if kept["key"] != key:
            return None
        samples = (folder / "samples.jsonl").read_bytes()
        if hashlib.sha256(samples).hexdigest() != kept["samples_sha256"]:
            return None
        return TypeAdapter(tuple[Score, ...]).validate_json(json.dumps(kept["scores"]))
    except (OSError, ValueError, KeyError, TypeError, ValidationError):
        return None
