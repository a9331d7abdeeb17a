"""Which files of a repository are read, which are downloaded, and which are never touched."""

from __future__ import annotations

import re
from collections.abc import Iterable
from fnmatch import fnmatchcase
from pathlib import PurePosixPath

from repro.files import MAX_SCORE_BYTES, MAX_SCORE_FILES, SCORES_FOLDER

MAX_TEXT_BYTES = 4 * 1024 * 1024
MAX_LOGS = 6

MODEL_TEXTS = (
    "README.md",
    "config.json",
    "generation_config.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "chat_template.jinja",
    "model.safetensors.index.json",
    "pytorch_model.bin.index.json",
    "adapter_config.json",
    "all_results.json",
)
DATASET_TEXTS = ("README.md",)

MODEL_FILES = ("*.json", "*.jinja", "*.txt", "*.model", "*.tiktoken", "README.md", "LICENSE*", "NOTICE*")
"""Root-level files of a model repository that a tokenizer or a configuration may need."""

DATA_SUFFIXES = (".parquet", ".jsonl", ".json", ".csv")

_REPO_ID = re.compile(r"\w[\w.-]{0,95}(/\w[\w.-]{0,95})?", re.ASCII)
_CODE = {".py", ".pyc", ".pyo", ".so", ".dll", ".dylib", ".sh", ".bat", ".exe", ".ipynb"}
_PICKLES = {".pkl", ".pickle", ".pt", ".pth", ".ckpt", ".bin", ".npy", ".npz", ".joblib", ".dill", ".h5", ".msgpack"}
_TORCH_WEIGHTS = re.compile(r"pytorch_model(-\d+-of-\d+)?\.bin")
_SAFETENSORS_WEIGHTS = re.compile(r"model(-\d+-of-\d+)?\.safetensors")


def is_repo_id(text: object) -> bool:
    """Whether `text` can be a repository's id ("org/name"; "name" alone is an old data set's)."""
    return isinstance(text, str) and bool(_REPO_ID.fullmatch(text)) and ".." not in text and "--" not in text


def is_plain_path(path: str) -> bool:
    """Whether a name in a listing stays in the repository: relative, no "..", nothing a shell or terminal minds."""
    if not path or len(path) > 1024 or "\\" in path or ":" in path or path.startswith("/"):
        return False
    if any(ord(character) < 32 or ord(character) == 127 for character in path):
        return False
    return all(part not in {"", ".", ".."} for part in path.split("/"))


def is_harmless(path: str) -> bool:
    """Whether a file may be downloaded: no code, and no pickle but the weights (read with weights_only)."""
    name = PurePosixPath(path).name
    suffix = PurePosixPath(path).suffix.lower()
    if suffix in _PICKLES:
        return bool(_TORCH_WEIGHTS.fullmatch(name))
    return is_plain_path(path) and suffix not in _CODE


def texts_to_read(sizes: dict[str, int | None], kind: str, role: str = "") -> tuple[str, ...]:
    """The small text files that say something, in the order in which they are believed.

    Scores are asked for of the model that the card describes alone.
    """
    if kind == "dataset":
        names = [name for name in DATASET_TEXTS if name in sizes]
    else:
        names = [name for name in MODEL_TEXTS if name in sizes]
        state = trainer_state_path(sizes)
        logs = [name for name in sorted(sizes) if name.count("/") <= 2 and name.endswith((".tsv", ".log"))]
        names += ([state] if state else []) + logs[:MAX_LOGS]
        names += score_paths(sizes) if role == "subject" else ()
    return tuple(name for name in names if is_plain_path(name) and (sizes[name] or 0) <= MAX_TEXT_BYTES)


def score_paths(sizes: dict[str, int | None]) -> tuple[str, ...]:
    """The files of scores that a repository holds (.eval_results/NAME.yaml), as far as they are small and few."""
    within = f"{SCORES_FOLDER}/"
    named = (name for name in sizes if name.startswith(within) and name.endswith(".yaml") and name.count("/") == 1)
    small = sorted(name for name in named if (sizes[name] or 0) <= MAX_SCORE_BYTES)
    return tuple(small[:MAX_SCORE_FILES])


def trainer_state_path(names: Iterable[str]) -> str:
    """trainer_state.json at the root, else of the highest checkpoint, else of the one subfolder that has any.

    Empty where there is none, or where several subfolders have one: which stage made the model is not guessed.
    """
    folders: dict[str, list[tuple[bool, int, str]]] = {}
    for name in names:
        match = re.fullmatch(r"((?!checkpoint-)[^/]+/)?(?:checkpoint-(\d{1,12})/)?trainer_state\.json", name)
        if match:
            folders.setdefault(match[1] or "", []).append((match[2] is None, int(match[2] or 0), name))
    found = folders.get("") or (next(iter(folders.values())) if len(folders) == 1 else [])
    return max(found)[2] if found else ""


def safetensors_paths(names: Iterable[str]) -> tuple[str, ...]:
    """The root-level weight files whose headers tell the parameters."""
    return tuple(sorted(name for name in names if _SAFETENSORS_WEIGHTS.fullmatch(name)))


def matching(names: Iterable[str], kind: str, patterns: tuple[str, ...]) -> tuple[str, ...]:
    """The files to download: those of the patterns, or what loading a model or a data set needs.

    Weights come once: safetensors where there are any, else pytorch_model*.bin.
    """
    names = sorted(name for name in names if is_harmless(name))
    if patterns:
        return tuple(name for name in names if any(fnmatchcase(name, pattern) for pattern in patterns))
    if kind == "dataset":
        return tuple(name for name in names if name == "README.md" or name.endswith(DATA_SUFFIXES))
    weights = safetensors_paths(names) or tuple(name for name in names if _TORCH_WEIGHTS.fullmatch(name))
    if "adapter_config.json" in names:
        weights += tuple(name for name in names if name == "adapter_model.safetensors")
    rest = tuple(
        name
        for name in names
        if ("/" not in name or name.startswith("additional_chat_templates/"))
        and any(fnmatchcase(PurePosixPath(name).name, pattern) for pattern in MODEL_FILES)
    )
    state = trainer_state_path(names)
    return tuple(sorted({*weights, *rest, *([state] if state else [])}))
