"""Which tasks there are: one row here and one lm-eval YAML beside it for each."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

import yaml

from repro.evaluate.rows import Question, completion, preference


@dataclass(frozen=True, slots=True)
class EvalTask:
    """One task: the rows it asks, and how a row becomes an lm-eval document."""

    name: str
    """Also the name of its YAML file in tasks/."""
    kind: str
    """Of the held-out file: "preference" or "sft"."""
    metrics: tuple[str, ...]
    read: Callable[[Mapping[str, Any]], Question]
    document: Callable[[Question, str], dict[str, Any]]
    """From the question and its rendered prompt: flat columns that the YAML names directly. lm-eval hands the
    value of a column on as it is; a template string instead would go through Jinja and literal_eval, which turns
    an answer "42" or "[1]" into something else."""


def _preference_document(question: Question, prompt: str) -> dict[str, Any]:
    choices = list(question.shown)
    return {"id": question.row_id, "prompt": prompt, "choices": choices, "gold": choices.index(question.answers[0])}


def _completion_document(question: Question, prompt: str) -> dict[str, Any]:
    return {"id": question.row_id, "prompt": prompt, "target": question.answers[0]}


TASKS: tuple[EvalTask, ...] = (
    EvalTask("repro_preference", "preference", ("acc", "acc_norm"), preference, _preference_document),
    EvalTask("repro_completion", "sft", ("exact_match",), completion, _completion_document),
)


def task_names() -> tuple[str, ...]:
    """The tasks that this version scores."""
    return tuple(task.name for task in TASKS)


def template(name: str) -> dict[str, Any]:
    """The task's lm-eval configuration as shipped, without its data."""
    text = files("repro.evaluate").joinpath("tasks", f"{name}.yaml").read_text(encoding="utf-8")
    config = yaml.safe_load(text)
    assert isinstance(config, dict)
    return config


def template_hash(config: Mapping[str, Any]) -> str:
    """SHA-256 of what decides prompt, filter and metric: everything but where the data lies."""
    kept = {key: value for key, value in config.items() if key not in {"dataset_path", "dataset_kwargs"}}
    return hashlib.sha256(json.dumps(kept, sort_keys=True).encode("utf-8")).hexdigest()


def with_data(config: Mapping[str, Any], file: str) -> str:
    """The configuration as YAML, reading the Parquet `file`: `lm_eval --include_path` on its folder asks it too.

    Parquet, because a JSON reader guesses types: a column of dates written as text comes back as timestamps
    (pyarrow.json), and no answer would match its reference.
    """
    data = {"data_files": {"test": _escaped(file)}}
    return yaml.safe_dump({**config, "dataset_path": "parquet", "dataset_kwargs": data}, sort_keys=False)


def _escaped(path: str) -> str:
    # The reader takes paths for patterns: brackets in a folder's name would match nothing.
    return "".join(f"[{c}]" if c in "*?[" else c for c in path)
