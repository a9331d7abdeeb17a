"""Scores of one model on one task, sample by sample, with what measured them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from repro.task import Observer


@dataclass(frozen=True, slots=True)
class Sample:
    """One question and how the model did on it."""

    doc_id: int
    prompt_hash: str
    """SHA-256 of what the model was asked: two models are paired by it."""
    value: float
    """The metric on this sample (0 or 1 for accuracy and exact match)."""
    response: str = ""


@dataclass(frozen=True, slots=True)
class HarnessInfo:
    """What was asked and by what: two scores compare only when these agree."""

    name: str
    version: str
    task_version: str
    template_hash: str
    """SHA-256 of the task's configuration (prompt template, filter, metric)."""
    num_fewshot: int
    chat_template: bool
    arguments: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Score:
    """One metric of one model on one task."""

    model: str
    """"base", "sft", "dpo" (regenerated) or "published"."""
    task: str
    metric: str
    value: float
    standard_error: float
    """Of the mean over the samples; binomial for 0/1 values."""
    samples: tuple[Sample, ...]
    harness: HarnessInfo
    seed: int | None = None
    """The training seed of a regenerated model."""


class Harness(Protocol):
    """Scores one checkpoint on the tasks it has."""

    def score(
        self, checkpoint: str, model: str, data: Sequence[tuple[str, str]], folder: str, observer: Observer
    ) -> tuple[Score, ...]:
        """Scores of the model in the local folder `checkpoint`, labelled `model`, on held-out `data`
        ((kind, JSON-lines file) pairs); per-sample results go to `folder`.

        Raises:
            PrerequisiteError: lm-eval is not installed, or the checkpoint cannot be loaded safely.
            RunError: the evaluation did not finish.
        """
        ...
