"""Scores as rows of text, one block a task, with the harness that measured them."""

from __future__ import annotations

from dataclasses import dataclass

from repro.render.words import figure, plural
from repro.report import Report
from repro.score import HarnessInfo, Score

MODELS = ("base", "sft", "dpo", "published")
"""The order in which models stand in a table; others follow by name."""


@dataclass(frozen=True, slots=True)
class ScoreRow:
    """One model's score."""

    model: str
    value: str
    error: str
    samples: str
    seed: str


@dataclass(frozen=True, slots=True)
class ScoreBlock:
    """All models on one task and metric, measured by one harness."""

    task: str
    metric: str
    harness: str
    rows: tuple[ScoreRow, ...]


def score_blocks(report: Report) -> tuple[ScoreBlock, ...]:
    """Scores by task, metric and harness, in the order in which they were measured."""
    found: dict[tuple[str, str, HarnessInfo], list[Score]] = {}
    for score in report.scores:
        found.setdefault((score.task, score.metric, score.harness), []).append(score)
    return tuple(
        ScoreBlock(task, metric, harness_text(harness), tuple(_row(s) for s in sorted(scores, key=_order)))
        for (task, metric, harness), scores in found.items()
    )


def harness_text(harness: HarnessInfo) -> str:
    """ "lm-eval 0.4.13, task version 1.0, template 3f2a9c01, 0 shots, plain prompt"."""
    parts = [
        f"{harness.name} {harness.version}".strip(),
        f"task version {harness.task_version}",
        f"template {harness.template_hash[:12]}",
        plural(harness.num_fewshot, "shot"),
        "chat template" if harness.chat_template else "plain prompt",
    ]
    parts += [f"{name}={value}" for name, value in harness.arguments]
    return ", ".join(parts)


def _order(score: Score) -> tuple[int, str, int]:
    rank = MODELS.index(score.model) if score.model in MODELS else len(MODELS)
    return rank, score.model, score.seed or 0


def _row(score: Score) -> ScoreRow:
    return ScoreRow(
        model=score.model,
        value=figure(score.value),
        error=f"±{score.standard_error:.2g}",
        samples=f"{len(score.samples):,}" if score.samples else "?",
        seed="" if score.seed is None else str(score.seed),
    )
