"""Two models asked the same questions: the paired difference, its interval and its p-value."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass

from repro.compare.stats import satterthwaite, sign_test, t_quantile, t_tail
from repro.score import Sample, Score

LEVEL = 0.05
FEWEST_SHARED = 0.9
"""Share of the questions that both must have been asked alike."""


@dataclass(frozen=True, slots=True)
class Paired:
    """Regenerated less published, on the questions that both were asked."""

    published: float
    regenerated: float
    difference: float
    half_width: float
    p_value: float
    samples: int
    shared: float
    """Share of the published model's questions that every regenerated one was asked, too."""
    seeds: int
    seed_spread: float
    """Standard deviation between seeds beyond what the questions explain; 0 for one seed."""

    @property
    def interval(self) -> tuple[float, float]:
        return (self.difference - self.half_width, self.difference + self.half_width)


def same_harness(left: Score, right: Score) -> str:
    """Why two scores do not compare, or empty when they do."""
    a, b = left.harness, right.harness
    for name, x, y in (
        ("harness", a.name, b.name),
        ("version", a.version, b.version),
        ("task version", a.task_version, b.task_version),
        ("prompt template", a.template_hash, b.template_hash),
        ("shots", a.num_fewshot, b.num_fewshot),
    ):
        if x != y:
            return f"the {name} differs ({x} against {y})"
    return ""


def pair(published: Score, regenerated: tuple[Score, ...]) -> Paired | None:
    """The paired comparison; None with fewer than two shared questions or no regenerated score.

    Question noise: variance over questions of the mean difference. Seeds: variance between the seeds' differences
    less what questions explain of it, counted once for the published model's own seed and once over K for ours, on
    K - 1 degrees of freedom (Satterthwaite). Answers that are all alike still leave 3/n open, the rule of three.
    """
    if not regenerated:
        return None
    ours = [_by_question(s.samples) for s in regenerated]
    theirs = _by_question(published.samples)
    keys = [k for k in theirs if all(k in o for o in ours)]
    count, seeds = len(keys), len(ours)
    if count < 2:
        return None
    table = [[o[k] - theirs[k] for k in keys] for o in ours]
    per_seed = [math.fsum(row) / count for row in table]
    difference = math.fsum(per_seed) / seeds
    per_question = [math.fsum(row[i] for row in table) / seeds for i in range(count)]
    of_questions = _variance(per_question) / count
    excess = 0.0
    if seeds > 1:
        apart = [table[k][i] - per_seed[k] - per_question[i] + difference for k in range(seeds) for i in range(count)]
        explained = math.fsum(v * v for v in apart) / ((seeds - 1) * (count - 1)) / count
        excess = max(0.0, _variance(per_seed) - explained)
    of_seeds = excess * (1 + 1 / seeds)
    error = math.sqrt(of_questions + of_seeds)
    degrees = satterthwaite(((of_questions, count - 1.0), (of_seeds, max(1.0, seeds - 1.0))))
    half = max(t_quantile(LEVEL, degrees) * error, min(1.0, 3 / count) * _range(theirs, ours))
    p_value = t_tail(difference / error, degrees) if error > 0 else (1.0 if difference == 0 else 3 / count)
    if seeds == 1 and set(table[0]) <= {-1.0, 0.0, 1.0}:
        p_value = max(p_value, sign_test(table[0].count(1.0), table[0].count(-1.0)))
    mean_theirs = math.fsum(theirs[k] for k in keys) / count
    return Paired(
        published=mean_theirs,
        regenerated=mean_theirs + difference,
        difference=difference,
        half_width=half,
        p_value=p_value,
        samples=count,
        shared=count / max(1, len(theirs)),
        seeds=seeds,
        seed_spread=math.sqrt(excess),
    )


def _by_question(samples: tuple[Sample, ...]) -> dict[tuple[str, int], float]:
    """Value by (prompt hash, how often that prompt came before): equal prompts are paired in order."""
    seen: Counter[str] = Counter()
    values: dict[tuple[str, int], float] = {}
    for sample in sorted(samples, key=lambda s: s.doc_id):
        values[sample.prompt_hash, seen[sample.prompt_hash]] = sample.value
        seen[sample.prompt_hash] += 1
    return values


def _range(theirs: dict[tuple[str, int], float], ours: list[dict[tuple[str, int], float]]) -> float:
    values = [*theirs.values(), *(v for o in ours for v in o.values())]
    return 1.0 if all(0.0 <= v <= 1.0 for v in values) else max(values) - min(values)


def _variance(values: list[float]) -> float:
    mean = math.fsum(values) / len(values)
    return math.fsum((v - mean) ** 2 for v in values) / (len(values) - 1)
