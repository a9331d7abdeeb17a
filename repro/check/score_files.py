"""R5, continued: the scores in `.eval_results/` against the card's own."""

from __future__ import annotations

import re
from collections.abc import Iterable

from repro.check.evals import benchmark_key, file_scores, scores
from repro.check.outcomes import absent, failed, listing, passed, unknown
from repro.check.reporting import TWO_METRICS
from repro.check.scores import same_score
from repro.evidence import Evidence
from repro.finding import Observation, Severity, check
from repro.spec import Claim, Spec

_SEVERAL_METRICS = TWO_METRICS | {"ifeval"}
"""Benchmarks whose name alone does not say which of several figures is meant."""
_ONE_RIGHT_ANSWER = frozenset(("", "score", "acc", "accuracy", "exactmatch", "em"))
"""Metrics of a card that can be a benchmark's own, which an entry leaves unsaid."""
_SHOTS = re.compile(r"(?:\d{1,3}|zero|one)[- ]?shots?", re.IGNORECASE)
_NO_NEWS = frozenset(("stderr", "verified"))
"""Conditions of a card's score that do not make it another score."""
_WHOLE = frozenset(("default", "main", "all", "test", "overall"))


def _condition(claim: Claim, key: str) -> str:
    return next((str(f.value).strip() for f in claim.conditions if f.key == key and f.known), "")


def _of_task(entry: Claim, own: list[Claim]) -> tuple[list[Claim], list[Claim]]:
    """The card's scores of the entry's task, and those of the data set that the task is a part of."""
    task, whole = benchmark_key(entry.task), benchmark_key(_condition(entry, "dataset_id"))
    keyed = [(c, benchmark_key(c.task)) for c in own if c.task]
    return [c for c, key in keyed if key and key == task], [c for c, key in keyed if key and key == whole != task]


def _elsewhere(entry: Claim, spec: Spec) -> str:
    """Who else measured the entry, or empty: an entry without a source, or whose source is the model's own page, is
    the author's."""
    address = _condition(entry, "source_url").lower()
    named = next((w for key in ("source_name", "source_org", "source_user") if (w := _condition(entry, key))), "")
    if not address:
        return named
    page = re.escape(spec.model_id.lower())
    own = page and re.search(rf"^https?://[^/\s]+/{page}(?:[/?#]|$)", address)
    return "" if own else named or address[:80]


def _other_conditions(entry: Claim, claim: Claim, spec: Spec) -> str:
    """What may set two scores of one task apart, or empty where nothing is stated that does."""
    if "(" in claim.task or "[" in claim.task:
        return f"the card's is of {claim.task}"
    last = spec.stages[-1].name if spec.stages else ""
    if claim.step is not None or claim.epoch is not None or claim.stage not in ("", last):
        return "the card's is of another checkpoint or stage"
    if re.sub(r"[^a-z0-9]", "", claim.metric.lower()) not in _ONE_RIGHT_ANSWER:
        return f"the card's is {claim.metric}, and the file names no metric"
    if benchmark_key(claim.task) in _SEVERAL_METRICS:
        return "that benchmark has several figures, and the file does not say which"
    stated = {f.key: str(f.value).strip().lower() for f in claim.conditions if f.known and f.key not in _NO_NEWS}
    mine = {key: _condition(entry, key).lower() for key in ("num_fewshot", "dataset_config")}
    for key, value in stated.items():
        if key == "dataset_split" and value == "test":
            continue
        if key == "dataset_config" and (value in _WHOLE or benchmark_key(value) == benchmark_key(mine[key])):
            continue
        if key not in mine or mine[key] != value:
            return f"the card's states {key.replace('_', ' ')} {value[:60]}, the file does not"
    if mine["num_fewshot"] and "num_fewshot" not in stated:
        return f"the file states {mine['num_fewshot']} shots, the card does not"
    notes = _condition(entry, "notes")
    if _SHOTS.sub("", notes).strip(" ,;.()"):
        return f"the file notes {notes[:80]!r}"
    if who := _elsewhere(entry, spec):
        return f"the file's is from {who}"
    return ""


@check(
    "R538",
    "eval-results-against-text",
    severity=Severity.MEDIUM,
    confidence=Severity.MEDIUM,
    needs=("card", "subject"),
    asks="score",
)
def eval_results_against_text(spec: Spec, evidence: Evidence) -> Iterable[Observation]:
    """Scores in `.eval_results` are those of the card

    What: Compares each entry of the repository's `.eval_results/*.yaml` with the card's own scores of the same task,
    at the same scale or a factor of 100 apart. Only an entry without a source of its own, and under no condition that
    the card does not state, is called different.
    Why: The Hub shows the files on the model's page and on the benchmark's leaderboard; people who read the card would
    trust another number.
    Fix: Correct whichever is out of date; if both are right, say in the file's notes and in the card what differs.
    Sources: https://huggingface.co/docs/hub/eval-results; huggingface_hub _eval_results.py (EvalResultEntry)
    """
    entries = file_scores(spec)
    if not entries:
        return [absent("No score stands in a file of its own.")]
    own = [c for c in scores(spec) if c.number is not None]
    found = [o for entry in entries if entry.number is not None for o in _compared(entry, own, spec)]
    return found or [absent("No score of a file is of a task that the card scores.")]


def _compared(entry: Claim, own: list[Claim], spec: Spec) -> Iterable[Observation]:
    exact, related = _of_task(entry, own)
    both = exact + related
    if not both:
        return
    same = next((c for c in both if any(same_score(entry, c, f) for f in (1.0, 100.0, 0.01))), None)
    if same is not None:
        yield passed(
            f"{entry.task}: {entry.printed} in {_file(entry)}, {same.printed} in the card.",
            same.span,
            entry.span,
            claims=(same.id, entry.id),
        )
        return
    texts = listing([c.printed for c in both])
    words = f"{entry.task}: {entry.printed} in {_file(entry)}, {texts} in the card"
    why = "" if exact else f"the card's is of {related[0].task}, which may be another part of it"
    if not why and not all(same_score(exact[0], c) for c in exact[1:]):
        why = "the card gives several scores of that task"
    for claim in exact:
        why = why or _other_conditions(entry, claim, spec)
    if any(same_score(entry, c, f) for c in exact for f in (10.0, 0.1)):
        why = why or "they are a factor of 10 apart, which may be another scale"
    ids = (both[0].id, entry.id)
    if why:
        yield unknown(f"{words}; {why}.", both[0].span, entry.span, claims=ids)
    else:
        yield failed(f"{words}.", both[0].span, entry.span, claims=ids)


def _file(entry: Claim) -> str:
    return entry.span.source.replace("\\", "/").rsplit(":", 1)[-1].rsplit("/", 1)[-1]
