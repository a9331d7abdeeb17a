"""Which facts keep a card's model from being regenerated, in the order in which they matter, each with its line."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from repro.card import Span
from repro.check.frameworks import framework_version
from repro.check.lineage import HYPERPARAMETERS, stage_fact
from repro.check.making import lowered, making_of
from repro.check.needs import Need, needs_of
from repro.check.wording import at, front_matter_end
from repro.completeness import Completeness, Gap, Making
from repro.evidence import Evidence
from repro.spec import Spec, Stage

_WORD = re.compile(r"[a-z0-9_]+")
_UNTOLD_METHODS = frozenset({"", "training", "fine-tuning", "finetuning", "fine tuning"})
_TRAINING = re.compile(
    r"#{1,6}\s.{0,60}(?:train|hyper-?param|fine-?tun|recipe|procedure|merge|quanti[sz])", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class _Place:
    span: Span
    where: str


def completeness(spec: Spec, evidence: Evidence) -> Completeness:
    """How much of its model's making the card tells; what a parent's card tells of an earlier stage counts too."""
    making = making_of(spec)
    stages: tuple[Stage | None, ...] = (None,)
    if making in {Making.TUNING, Making.SCRATCH} and spec.stages:
        stages = spec.stages
    gaps: list[tuple[float, Gap]] = []
    shares: list[float] = []
    told = asked = 0
    of_card = {f.key for f in spec.facts if f.known}
    for stage in stages:
        needs = needs_of(spec, making, stage)
        if not needs:
            continue
        whole, have = sum(n.weight for n in needs), 0
        lacking = []
        known = of_card if stage is None else of_card | {f.key for f in stage.facts if f.known}
        for need in needs:
            if _is_told(need, spec, stage, known, evidence):
                have += need.weight
                told += 1
            else:
                lacking.append(need)
        asked += len(needs)
        shares.append(have / whole)
        if lacking:
            front, among = _in_front(spec), _among_parameters(spec, stage)
            name = stage.name if stage is not None else ""
            for need in lacking:
                points = 100 * need.weight / whole / len(stages)
                gaps.append((need.weight, _gap(need, name, points, front if need.front else among)))
    gaps.sort(key=lambda pair: -pair[0])
    score = int(100 * sum(shares) / len(shares) + 1e-9) if shares else None
    return Completeness(making, score, told, asked, tuple(gap for _, gap in gaps))


def _is_told(need: Need, spec: Spec, stage: Stage | None, known: set[str], evidence: Evidence) -> bool:
    if stage is not None:
        if need.key == "base_model" and (stage.base.known or stage is not spec.stages[0]):
            return True  # a later stage starts from the one before it
        if need.key == "datasets" and stage.datasets:
            return True
        if need.key == "dataset_revision" and any(d.revision for d in stage.datasets):
            return True
        if need.key == "dataset_rows" and any(d.rows.known or d.fraction.known for d in stage.datasets):
            return True
        if need.key == "method" and f"{stage.name}".lower() not in _UNTOLD_METHODS:
            return True
        if need.key == "framework_version" and framework_version(spec, stage) is not None:
            return True
        if evidence.parents and any(stage_fact(stage, key, evidence).known for key in need.keys or (need.key,)):
            return True
    if not known.isdisjoint(need.keys or (need.key,)):
        return True
    if need.parts and any(part in lowered(spec.text) for part in need.parts):
        return True
    return bool(need.words) and not need.words.isdisjoint(_words(spec.text))


@lru_cache(maxsize=4)
def _words(text: str) -> frozenset[str]:
    return frozenset(_WORD.findall(lowered(text)))


def _gap(need: Need, stage: str, points: float, place: _Place) -> Gap:
    return Gap(
        key=need.key,
        label=need.label,
        stage=stage,
        points=round(points, 1),
        span=place.span,
        where=place.where,
        why=need.why,
        assumed=need.assumed,
    )


def _in_front(spec: Spec) -> _Place:
    end = front_matter_end(spec)
    if end:
        return _Place(at(spec, end), "in the front matter")
    return _Place(at(spec, 1), "at the top, in a front matter between two --- lines")


def _among_parameters(spec: Spec, stage: Stage | None) -> _Place:
    """After the last hyperparameter of the stage, else in its section, else at the end of the training section."""
    end = front_matter_end(spec)
    if stage is not None:
        facts = [stage.get(key) for key in HYPERPARAMETERS]
        lines = [f.span.end_line for f in facts if f.span and f.span.source == spec.source and f.span.line > end]
        if lines:
            return _Place(at(spec, max(lines)), "after the last hyperparameter")
        if stage.span is not None and stage.span.source == spec.source and stage.span.line > end:
            return _Place(at(spec, stage.span.end_line), f"where the card tells of {stage.name}")
    lines_of_text = spec.text.rstrip("\n").split("\n")
    heading = next(
        (i for i, t in enumerate(lines_of_text, 1) if i > end and t[:1] == "#" and _TRAINING.match(t[:200])), 0
    )
    if not heading:
        return _Place(at(spec, len(lines_of_text)), "at the end of the card, in a section on training")
    level = len(lines_of_text[heading - 1]) - len(lines_of_text[heading - 1].lstrip("#"))
    last = heading
    for number, text in enumerate(lines_of_text[heading:], heading + 1):
        if text[:1] == "#" and 0 < len(text) - len(text.lstrip("#")) <= level and text.lstrip("#")[:1] == " ":
            break
        if text.strip():
            last = number
    return _Place(at(spec, last), f'at the end of the section "{lines_of_text[heading - 1].strip("# ")[:60]}"')
