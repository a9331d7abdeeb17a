"""What lm-eval logged, as Scores with their samples."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from repro.errors import RunError
from repro.score import HarnessInfo, Sample, Score

RESPONSE_CHARACTERS = 500
"""A sample keeps this much of a response; samples.jsonl has all of it."""

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def score_of(
    model: str, task: str, metric: str, mean: float, logged: Sequence[Mapping[str, Any]], info: HarnessInfo
) -> Score:
    """One metric's score from lm-eval's own `mean` and its logged samples.

    Raises:
        RunError: the mean of the samples is not lm-eval's.
    """
    samples = tuple(
        Sample(
            doc_id=int(s["doc_id"]),
            prompt_hash=_prompt_hash(s),
            value=float(s[metric]),
            response=_response(s),
        )
        for s in logged
    )
    values = [s.value for s in samples]
    value = math.fsum(values) / len(values)
    if not math.isclose(value, float(mean), abs_tol=1e-9):
        raise RunError(f"{task}: lm-eval gives {metric} {mean}, its samples {value}")
    return Score(model, task, metric, value, standard_error(values, value), samples, info)


def standard_error(values: Sequence[float], mean: float) -> float:
    """Of the mean, as lm-eval's mean_stderr: sample standard deviation over sqrt(n). One sample tells nothing: inf."""
    n = len(values)
    if n < 2:
        return math.inf
    return math.sqrt(math.fsum((v - mean) ** 2 for v in values) / (n - 1) / n)


def _prompt_hash(sample: Mapping[str, Any]) -> str:
    """Over the exact strings that the model was given and what counted as right: many preference pairs share a
    prompt, and only their answers tell them apart."""
    texts = [str(arguments[0]) for arguments in sample["arguments"]]
    doc = sample["doc"]
    against = [*doc["choices"], int(doc["gold"])] if "choices" in doc else [str(doc["target"])]
    return hashlib.sha256(json.dumps([texts, against]).encode("ascii")).hexdigest()


def _response(sample: Mapping[str, Any]) -> str:
    """The generated text, shortened and without control characters, or the log-likelihood of each choice."""
    first = [responses[0] for responses in sample["resps"]]
    if "choices" not in sample["doc"]:
        return _CONTROL.sub("�", str(first[0])[:RESPONSE_CHARACTERS])
    values = [f"{likelihood:.4f}" for likelihood, _ in first]
    return f"log-likelihoods {', '.join(values)}; preferred: {int(sample['doc']['gold'])}"


def record(sample: Mapping[str, Any], metrics: Sequence[str]) -> dict[str, Any]:
    """One line of samples.jsonl: all that was asked and answered."""
    return {
        "doc_id": sample["doc_id"],
        "prompt_hash": _prompt_hash(sample),
        "doc": dict(sample["doc"]),
        "responses": [responses[0] for responses in sample["resps"]],
        **{m: float(sample[m]) for m in metrics},
    }
