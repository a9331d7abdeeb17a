"""Token sequences in files named by what they were made of, read without a pickle and only as they were written."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from repro import __version__
from repro.files import writing_whole
from repro.train.batch import Sequences
from repro.train.data import Mixture
from repro.train.encode import Codec
from repro.train.files_hash import file_hash

ENTRY = "repro"
FIELDS = ("ids", "labels", "starts")
PACKAGES = ("tokenizers", "transformers")
RULES = ("batch.py", "encode.py", "template.py")
"""The files that decide which tokens a row becomes: tokens made by others of them are not used."""


def tokens_key(rows: Sequence[Mapping[str, Any]], method: str, codec: Codec) -> str:
    """SHA-256, in hex, over all that decides the tokens: the rows, the tokenizer, its template, the labels' scope, the
    length, the rules that turn one into the other and the versions of the libraries that do.

    Raises:
        OSError: a data file cannot be read.
    """
    tokenizer = codec.tokenizer
    backend = getattr(tokenizer, "backend_tokenizer", None)
    vocabulary = backend.to_str() if backend is not None else str(sorted(tokenizer.get_vocab().items()))
    settings = {f.name: getattr(codec, f.name) for f in dataclasses.fields(codec) if f.name != "tokenizer"}
    special = sorted((name, str(token)) for name, token in tokenizer.special_tokens_map.items())
    folder = Path(__file__).parent
    said = (
        method,
        rows_hash(rows),
        type(tokenizer).__name__,
        vocabulary,
        tokenizer.chat_template,
        special,
        sorted(settings.items()),
        [file_hash(folder / name) for name in RULES],
        [__version__, *(metadata.version(name) for name in PACKAGES)],
    )
    return hashlib.sha256(repr(said).encode()).hexdigest()


def rows_hash(rows: Sequence[Mapping[str, Any]]) -> str:
    """SHA-256, in hex, of rows and their order: of the files they lie in and their numbers there, or of themselves.

    Raises:
        OSError: a data file cannot be read.
    """
    digest = hashlib.sha256()
    if isinstance(rows, Mixture):
        for part in rows.parts:
            digest.update(json.dumps([[Path(file).suffix, file_hash(Path(file))] for file in part.files]).encode())
            digest.update(part.rows.tobytes())
    else:
        for row in rows:
            digest.update(json.dumps(row, sort_keys=True, default=str).encode() + b"\n")
    return digest.hexdigest()


def save_sequences(path: Path, parts: Sequence[Sequences], sampled: int) -> None:
    """Write the sequences of a stage, whole, under a name that is their key.

    Raises:
        ReproError: the disk is full, or the folder cannot be written.
    """
    from safetensors.numpy import save

    arrays = {f"{i}.{name}": getattr(part, name) for i, part in enumerate(parts) for name in FIELDS}
    said = json.dumps({"key": path.stem, "parts": len(parts), "sampled": sampled})
    # one entry: safetensors writes several in an order that changes from file to file
    data = save(arrays, metadata={ENTRY: json.dumps([said, _hash(arrays, said)])})
    with writing_whole(path) as place:
        place.write_bytes(data)


def load_sequences(path: Path) -> tuple[tuple[Sequences, ...], int] | None:
    """(sequences of each part, rows before the filter) as `save_sequences` wrote them under this name; None when
    there are none, or they are not what was written."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="np") as file:
            said, given = json.loads((file.metadata() or {})[ENTRY])
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        about = json.loads(said)
        if about["key"] != path.stem or given != _hash(arrays, said):
            return None
        parts = tuple(Sequences(*(arrays[f"{i}.{name}"] for name in FIELDS)) for i in range(about["parts"]))
        return parts, about["sampled"]
    except (SafetensorError, OSError, KeyError, ValueError, TypeError):
        return None


def _hash(arrays: Mapping[str, Any], said: str) -> str:
    digest = hashlib.sha256(said.encode() + b"\n")
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        digest.update(f"{name} {array.dtype} {array.shape}\n".encode())
        digest.update(array.data)
    return digest.hexdigest()
