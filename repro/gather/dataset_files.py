"""What a data set's README and file names say: rows, columns, and which files hold which split."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from pathlib import PurePosixPath
from typing import Any

from repro.errors import PrerequisiteError
from repro.evidence import Repo
from repro.gather.front_matter import front_matter
from repro.gather.model_files import Place
from repro.gather.wanted import DATA_SUFFIXES, is_harmless
from repro.spec import AnyFact, Fact, Origin

HELDOUT = ("test", "validation")
_KEYWORDS = {
    "train": ("train", "training"),
    "validation": ("validation", "valid", "dev", "val"),
    "test": ("test", "testing", "eval", "evaluation"),
}
"""Words in file and folder names that name a split (datasets 5: data_files.py, SPLIT_KEYWORDS)."""
_SHARD = re.compile(r"(\w+(?:[.]\w+)*)-\d{5}-of-\d{5}")
_WORD = re.compile(r"[\w.-]{1,60}")
_NOT_DATA = {"dataset_infos.json", "dataset_dict.json", "dataset_info.json", "state.json", "croissant.json"}


def rows_facts(readme: str, place: Place) -> Iterator[AnyFact]:
    """`num_rows` (of the train split of the default configuration), `num_rows_SPLIT` for every split, `columns`.

    Source: `dataset_info` in the README's front matter, which the `datasets` library writes on a push.
    """
    matter, _ = front_matter(readme)
    info = matter.get("dataset_info")
    infos = [i for i in (info if isinstance(info, list) else [info]) if isinstance(i, dict)]
    chosen = infos[0] if len(infos) == 1 else next((i for i in infos if i.get("config_name") == "default"), None)
    if chosen is None:
        return
    span = place("README.md", "dataset_info")
    rows: dict[str, int] = {}
    splits = chosen.get("splits")
    for split in splits if isinstance(splits, list) else ():
        if isinstance(split, dict) and isinstance(split.get("name"), str):
            count = split.get("num_examples")
            named = _WORD.fullmatch(split["name"])
            if named and isinstance(count, int) and not isinstance(count, bool) and 0 <= count < 10**15:
                rows[split["name"]] = count
    main = "train" if "train" in rows else (next(iter(rows)) if len(rows) == 1 else "")
    if main:
        why = f"dataset_info of README.md: num_examples of split {main!r}"
        yield Fact("num_rows", rows[main], Origin.FOUND, printed=str(rows[main]), span=span, why=why)
    for name, count in rows.items():
        why = f"dataset_info of README.md: num_examples of split {name!r}"
        yield Fact(f"num_rows_{name}", count, Origin.FOUND, printed=str(count), span=span, why=why)
    features = chosen.get("features")
    names = (
        [f["name"] for f in features if isinstance(f, dict) and isinstance(f.get("name"), str)]
        if isinstance(features, list)
        else []
    )
    if names:
        yield Fact("columns", tuple(names), Origin.FOUND, span=span, why="dataset_info of README.md: features")


def split_files(repo: Repo, split: str) -> tuple[str, ...]:
    """The data files (paths in the repository) that hold `split`; nothing where there is no such split.

    Believed in this order: `configs` in the README's front matter, names of shards ("train-00000-of-00002"), words
    in file names, words in folder names. Files of which no name tells a split are training data.

    Raises:
        PrerequisiteError: there are several configurations and none is the default one.
    """
    paths = [f.path for f in repo.files if _is_data(f.path)]
    readme = repo.file("README.md")
    configured = _configured(repo, front_matter(readme.text)[0] if readme and readme.text else {}, paths)
    splits = configured if configured is not None else _named(paths)
    return tuple(sorted(splits.get(_plain(split), ())))


def heldout_files(repo: Repo, split: str) -> tuple[str, ...]:
    """The files of the test split that goes with `split`, else of the validation split; never a training file."""
    train = _plain(split)
    used = set(split_files(repo, train))
    tail = train.removeprefix("train") if train.startswith("train") else ""
    for name in HELDOUT:
        files = tuple(f for f in split_files(repo, name + tail) if f not in used)
        if files and name + tail != train:
            return files
    return ()


def split_names(repo: Repo) -> tuple[str, ...]:
    """Every split that can be told apart."""
    paths = [f.path for f in repo.files if _is_data(f.path)]
    readme = repo.file("README.md")
    configured = _configured(repo, front_matter(readme.text)[0] if readme and readme.text else {}, paths)
    return tuple(sorted(name for name, files in (configured or _named(paths)).items() if files))


def _is_data(path: str) -> bool:
    name = PurePosixPath(path).name
    return path.endswith(DATA_SUFFIXES) and is_harmless(path) and name not in _NOT_DATA and not name.startswith(".")


def _configured(repo: Repo, matter: Mapping[str, Any], paths: list[str]) -> dict[str, list[str]] | None:
    """Split -> files by the README's `configs`; None where it has none with data files."""
    configs = matter.get("configs")
    usable = [c for c in configs if isinstance(c, dict) and "data_files" in c] if isinstance(configs, list) else []
    if not usable:
        return None
    default = [c for c in usable if c.get("default") is True or c.get("config_name") == "default"]
    if len(usable) > 1 and not default:
        known = [str(c.get("config_name")) for c in usable[:6]]
        names = ", ".join(name if _WORD.fullmatch(name) else "?" for name in known)
        raise PrerequisiteError(
            f"the data set {repo.repo_id} has several configurations ({names}) and none is the default",
            hint="which one was used is not stated: ask the author, or publish the rows that were used as a data set",
        )
    chosen = (default or usable)[0]
    folder = chosen.get("data_dir") if isinstance(chosen.get("data_dir"), str) else ""
    result: dict[str, list[str]] = {}
    for name, pattern in _patterns(chosen["data_files"]):
        full = f"{folder.strip('/')}/{pattern}" if folder else pattern
        result.setdefault(name, []).extend(p for p in paths if _matches(p, full))
    return {name: sorted(set(files)) for name, files in result.items()}


def _patterns(data_files: Any) -> Iterator[tuple[str, str]]:
    """(split, pattern) of every form that `data_files` may take; names and patterns of sane lengths only."""
    for split, pattern in _pairs(data_files):
        if isinstance(split, str) and _WORD.fullmatch(split) and isinstance(pattern, str) and len(pattern) <= 300:
            yield split, pattern


def _pairs(data_files: Any) -> Iterator[tuple[Any, Any]]:
    for item in data_files if isinstance(data_files, list) else [data_files]:
        if isinstance(item, str):
            yield "train", item
        elif isinstance(item, dict) and "path" in item:
            split = item.get("split", "train")
            for path in item["path"] if isinstance(item["path"], list) else [item["path"]]:
                yield split, path
        elif isinstance(item, dict):
            for split, several in item.items():
                for path in several if isinstance(several, list) else [several]:
                    yield split, path


def _matches(path: str, pattern: str) -> bool:
    """Whether a path fits a pattern, folder by folder; "**" is any number of folders.

    The pattern is the data set's own: matching takes time in proportion to both lengths, whatever it is.
    """
    have = path.split("/")
    reached = {0}
    for part in pattern.removeprefix("./").split("/"):
        if not reached:
            return False
        if part == "**":
            reached = set(range(min(reached), len(have) + 1))
        else:
            reached = {i + 1 for i in reached if i < len(have) and fnmatchcase(have[i], part)}
    return len(have) in reached


def _named(paths: list[str]) -> dict[str, list[str]]:
    """Split -> files by their names alone."""
    shards: dict[str, list[str]] = {}
    for path in paths:
        match = _SHARD.match(PurePosixPath(path).name)
        if match:
            shards.setdefault(match[1], []).append(path)
    if shards:
        return shards
    for part in (_file_words, _folder_words):
        found: dict[str, list[str]] = {}
        for path in paths:
            words = part(path)
            for split, keywords in _KEYWORDS.items():
                if words & set(keywords):
                    found.setdefault(split, []).append(path)
                    break
        if found:
            return found
    return {"train": list(paths)}


def _file_words(path: str) -> set[str]:
    return set(re.split(r"[-._ 0-9]+", PurePosixPath(path).name.lower()))


def _folder_words(path: str) -> set[str]:
    return set(re.split(r"[-._ 0-9/]+", str(PurePosixPath(path).parent).lower()))


def _plain(split: str) -> str:
    """ "train[:10%]" -> "train"; a share is drawn by the training code."""
    return split.partition("[")[0].strip() or "train"
