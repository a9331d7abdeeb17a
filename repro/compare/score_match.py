"""Which measured score a claimed one is about, and whether its harness is the same."""

from __future__ import annotations

import re
from dataclasses import dataclass

from repro.compare.case import Case
from repro.number import Interval
from repro.run import TEST_SPLIT
from repro.score import Score
from repro.spec import Claim

_HARNESSES = {
    "lmeval": "lm-eval",
    "lmevaluationharness": "lm-eval",
    "eleutherailmevaluationharness": "lm-eval",
    "languagemodelevaluationharness": "lm-eval",
    "lmevalharness": "lm-eval",
}


@dataclass(frozen=True, slots=True)
class Matched:
    """The scores of one claim's task and metric."""

    published: Score | None
    regenerated: tuple[Score, ...]
    """One a seed, of the model that the claim's stage ends with."""
    others: tuple[str, ...]
    """Tasks that were scored, when this one was not."""

    @property
    def any(self) -> Score | None:
        return self.published or next(iter(self.regenerated), None)


def match(case: Case, claim: Claim) -> Matched:
    """Scores whose task and metric are the claim's; without a metric in the claim, only if the task has just one."""
    same_task = [s for s in case.scores if _plain(s.task) == _plain(claim.task)]
    if claim.metric and _plain(claim.metric) != "score":
        same = [s for s in same_task if _metric(s.metric) == _metric(claim.metric)]
    else:
        same = same_task if len({_metric(s.metric) for s in same_task}) == 1 else []
    last = case.spec.stages[-1].name if case.spec.stages else ""
    label = claim.stage or last
    return Matched(
        published=next((s for s in same if s.model == "published"), None) if label == last else None,
        regenerated=() if _stopped(case, label) else tuple(s for s in same if s.model == label),
        others=tuple(sorted({s.task for s in case.scores})),
    )


def _stopped(case: Case, stage: str) -> bool:
    """Whether the stage was ended early for some seed: what was saved is not the model that the card speaks of."""
    return case.run is not None and any(r.stopped is not None for r in case.run.curves(stage))


def claimed_interval(claim: Claim, score: Score) -> tuple[Interval, float, str]:
    """(the claim's printed interval, its value, a remark) in the units of the score: percent become fractions."""
    number = claim.number
    if number is None:
        raise ValueError(f"{claim.id} has no number")
    fraction = all(0.0 <= s.value <= 1.0 for s in score.samples) and 0.0 <= score.value <= 1.0
    if fraction and number.unit == "%":
        return number.interval * 0.01, number.value / 100, ""
    if fraction and number.interval.lo > 1.0:
        return number.interval * 0.01, number.value / 100, "read as percent"
    return number.interval, number.value, ""


def harness_gap(claim: Claim, score: Score) -> str:
    """Why the claimed score and ours are not of the same harness, or empty when the card states that they are."""
    stated = {f.key: f.value for f in claim.conditions if f.known}
    name = str(stated.get("harness", ""))
    if not name:
        return "the card does not say which harness measured it"
    if _harness(name) != _harness(score.harness.name):
        return f"the card used {name}, this is {score.harness.name}"
    version = str(stated.get("harness_version", "")).lower().lstrip("v")
    if not version:
        return f"the card does not say which version of {name} measured it"
    if version != score.harness.version.lower().lstrip("v"):
        return f"the card used {name} {version}, this is {score.harness.version}"
    for key, ours in (("task_version", score.harness.task_version), ("num_fewshot", score.harness.num_fewshot)):
        if key in stated and _number(stated[key]) != _number(ours):
            return f"the card used {key.replace('_', ' ')} {stated[key]}, this is {ours}"
    return ""


def rows_gap(score: Score) -> str:
    """Why the questions asked here are not those of any card's score, or empty: only a data set's test split is."""
    source = next((v for k, v in score.harness.arguments if k == "rows_from"), TEST_SPLIT)
    return "" if source == TEST_SPLIT else f"the questions were {source}, not those of the card"


def left_out_share(score: Score) -> float:
    """Share of the test split's rows that were not asked, 0 where all were."""
    kept = next((v for k, v in score.harness.arguments if k == "rows_kept"), "")
    found = re.fullmatch(r"(\d{1,12}) of (\d{1,12})", kept)
    return max(0.0, 1 - int(found[1]) / int(found[2])) if found and int(found[2]) else 0.0


def limit_of(score: Score) -> str:
    """The cap on the number of questions, or empty when all were asked."""
    value = next((v for k, v in score.harness.arguments if k == "limit"), "")
    return "" if value.lower() in {"", "none", "null"} else value


def _number(value: object) -> float | str:
    try:
        return float(str(value))
    except ValueError:
        return str(value).casefold()


def _harness(name: str) -> str:
    plain = _plain(name)
    return _HARNESSES.get(plain, plain)


def _metric(name: str) -> str:
    # lm-eval writes "acc,none": metric, then filter
    plain = _plain(name.partition(",")[0])
    return {"accuracy": "acc", "em": "exactmatch", "normalizedaccuracy": "accnorm"}.get(plain, plain)


def _plain(text: str) -> str:
    return re.sub(r"[^a-z0-9]", "", text.casefold())
