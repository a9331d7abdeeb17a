"""Statements to training stages: which stage each belongs to, what it starts from, on what data."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from repro.card import Span
from repro.read.document import Document
from repro.read.frameworks import framework_of
from repro.read.names import METHOD_TITLES, STAGE_ORDER, TRAINING, method_of, methods_in
from repro.read.stage_data import as_listed, only_tested
from repro.read.statement import Gathered, Part, Statement
from repro.read.told_stages import STAGE
from repro.read.told_training import says_trained
from repro.read.trainings import AFTER_SFT, EITHER, card_method, either, stage_names, unnamed
from repro.read.values import fold
from repro.spec import AnyFact, DatasetRef, Fact, Origin, Stage, missing

_COUNTED = re.compile(r"-\d+$")
_PREFERENCES = re.compile(r"(?i)preference|feedback")
MAX_DATASETS = 200
UNNAMED = "the card does not say for which stage: taken for the one that makes this model"


@dataclass(slots=True)
class _Draft:
    """A stage while its statements are gathered."""

    name: str
    part: Part | None = None
    method: str = ""
    """What to call its method, where no statement of a method is taken."""
    statements: list[Statement] = field(default_factory=list)


class Assignment(NamedTuple):
    """The stages of a card and which of them a hint means."""

    stages: tuple[Stage, ...]
    default: str
    hints: dict[str, str]

    def of(self, hint: str) -> str:
        """The stage's name for a hint; the stage that makes this model where there is none."""
        return self.hints.get(hint, self.default)


def assign(doc: Document, gathered: Gathered, facts: tuple[AnyFact, ...]) -> Assignment:
    """The card's stages in the order of training, every training statement assigned to one of them."""
    method = card_method(doc, gathered)
    unsettled = either(doc, gathered, method)
    method = "" if unsettled else method
    structured = [s for s in gathered.statements if s.key in TRAINING and s.medium != "prose" and s.medium != "diagram"]
    if method == "pretraining" and structured and all(s.medium == "code" for s in structured):
        method = ""  # a command in a card on a pretrained model shows how to train it further
    merged = [s for s in structured if s.stage.startswith("merge")]
    if merged and len(merged) == len(structured) and not gathered.readings:
        method = "merge"  # whatever the models were trained by that it merges
    unhinted = any(not s.stage for s in structured) or any(not r.stage for r in gathered.readings)
    wanted = [p.stage for p in gathered.parts]
    wanted += [s.stage for s in structured] + [r.stage for r in gathered.readings]
    wanted += [s.stage for s in gathered.statements if not s.known]
    if len({s.stage for s in gathered.statements if s.medium == "prose" and s.stage.startswith("#")}) > 1:
        wanted += [s.stage for s in gathered.statements if s.medium == "prose" and s.key in TRAINING]
    if method in AFTER_SFT:
        wanted += [s.stage for s in gathered.statements if s.key == "stage"]
    wanted += _told_apart(gathered, structured)
    wanted += [s.stage for s in gathered.statements if s.key == STAGE]
    hints = list(dict.fromkeys(hint for hint in wanted if hint))
    named = "training" if unsettled else method
    names = stage_names(hints, named or (unnamed(doc, gathered) if any(h[0] == "#" for h in hints) else ""))
    drafts = {name: _Draft(name) for name in dict.fromkeys(names.values())}
    if method and method not in drafts:
        numbered = [n for h, n in names.items() if h.startswith("#")]
        if not numbered or unhinted:
            drafts[method] = _Draft(method)
    if set(drafts) == {"pretraining"} and _tuned_apart(gathered):
        method = "fine-tuning"
        drafts[method] = _Draft(method)
    if not drafts and (structured or gathered.readings or says_trained(doc, gathered)):
        stem = named or unnamed(doc, gathered)
        drafts[stem] = _Draft(stem)
    elif not method and unhinted and not gathered.parts and not any(h for h in hints if not h.startswith("#")):
        stem = named or unnamed(doc, gathered)
        drafts.setdefault(stem, _Draft(stem))
    for part in gathered.parts:
        drafts[part.stage].part = part
    ordered = _ordered(list(drafts.values()), gathered.parts)
    ends = [draft.name for draft in ordered if _COUNTED.sub("", draft.name) == method]
    default = ends[-1] if ends else (ordered[-1].name if ordered else "")
    for statement in gathered.statements:
        target = names.get(statement.stage, statement.stage) if statement.stage and not unsettled else default
        if target not in drafts and len(drafts) == 1 and statement.key in ("base_model", "dataset"):
            target = default  # the sentence before names a method that nothing else of the card makes a stage of
        if target in drafts and (statement.key in TRAINING or statement.key in _STAGE_KEYS or not statement.known):
            drafts[target].statements.append(statement)
    ordered = _as_told(ordered, gathered.parts)
    if unsettled and default:
        drafts[default].method = EITHER
    stages = tuple(_stage(doc, draft, ordered, default, gathered, facts) for draft in ordered)
    return Assignment(stages, default, names)


def _tuned_apart(gathered: Gathered) -> bool:
    return any(s.medium == "prose" and s.key in TRAINING and not s.stage for s in gathered.statements)


def _told_apart(gathered: Gathered, structured: list[Statement]) -> list[str]:
    """The pretraining that sentences under a heading of their own tell of, where nothing lists parameters."""
    if structured or gathered.parts:
        return []
    told = [s for s in gathered.statements if s.medium == "prose" and s.key in TRAINING]
    return ["pretraining"] if sum(s.stage == "pretraining" for s in told) >= 2 else []


_STAGE_KEYS = frozenset(("dataset", "base_model", "model_id", "framework", "hardware", "method"))


def _ordered(drafts: list[_Draft], parts: tuple[Part, ...]) -> list[_Draft]:
    drawn = {part.stage: i for i, part in enumerate(parts)}

    def rank(draft: _Draft) -> tuple[float, str]:
        stem, _, number = draft.name.partition("-") if draft.name[-1:].isdigit() else (draft.name, "", "")
        if draft.name in drawn:
            return (float(drawn[draft.name]), "")
        if drawn and "dpo" in drawn and stem == "sft":
            return (-1.0, number)
        place = STAGE_ORDER.index(stem) if stem in STAGE_ORDER else len(STAGE_ORDER)
        return (float(place) + (100 if drawn else 0), number)

    return sorted(drafts, key=rank)


def _as_told(ordered: list[_Draft], parts: tuple[Part, ...]) -> list[_Draft]:
    """The same stages; of a plain fine-tuning and SFT the one first that the card tells of first: nothing else says."""
    names = [draft.name for draft in ordered]
    if not parts and "fine-tuning" in names and "sft" in names:
        tuning, sft = ordered[names.index("fine-tuning")], ordered[names.index("sft")]
        if _first_line(tuning) < _first_line(sft):
            ordered.remove(tuning)
            ordered.insert(ordered.index(sft), tuning)
    return ordered


def _first_line(draft: _Draft) -> int:
    return min((s.span.line for s in draft.statements), default=0)


def _stage(
    doc: Document, draft: _Draft, ordered: list[_Draft], default: str, gathered: Gathered, facts: tuple[AnyFact, ...]
) -> Stage:
    place = ordered.index(draft)
    last = draft.name == default
    doubt = UNNAMED if len(ordered) > 1 else ""
    settled = _settle_batch([s for s in draft.statements if s.key in TRAINING or not s.known])
    own: list[AnyFact] = []
    for s in settled:
        if s.key != "total_steps":
            own.append(s.fact(doubt if not s.stage and s.medium in ("table", "list", "code") else ""))
    frameworks = [s for s in draft.statements if s.key == "framework" and s.value is not None]
    if not frameworks and len(ordered) > 1:
        frameworks = [s for s in gathered.statements if s.key == "framework" and s.value is not None and not s.stage]
    shared = "" if last else "stated for the card as a whole"
    own.extend(replace(s.fact(shared), value=framework_of(str(s.value)) or s.value) for s in frameworks)
    own.extend(s.fact() for s in draft.statements if s.key == "hardware")
    spans = [f.span for f in own if f.span is not None]
    return Stage(
        name=draft.name,
        method=_method_title(draft, last, gathered),
        base=_base(draft, place, ordered, last, facts),
        produces=_produces(draft, place, ordered, last, facts),
        datasets=_datasets(doc, draft, last, len(ordered), gathered, facts),
        facts=tuple(own),
        span=draft.part.span if draft.part else spans[0] if spans else None,
    )


def _method_title(draft: _Draft, last: bool, gathered: Gathered) -> str:
    if draft.method:
        return draft.method
    stem = _COUNTED.sub("", draft.name)
    for statement in gathered.statements:
        if statement.key == "method" and last and methods_in(str(statement.value)) == (stem,):
            return str(statement.value)
    return METHOD_TITLES.get(stem, stem.upper())


def _settle_batch(statements: list[Statement]) -> list[Statement]:
    """A plain "batch size": one device's where the step's is stated too, the step's where nothing multiplies it."""
    keys = {s.key for s in statements}
    settled: list[Statement] = []
    for s in statements:
        if s.key == "batch_size":
            if "effective_batch_size" in keys and "per_device_batch_size" not in keys:
                s = s._replace(key="per_device_batch_size", why=_also(s, "the whole step's batch is stated apart"))
            elif not keys & {"gradient_accumulation_steps", "num_devices", "effective_batch_size"}:
                s = s._replace(key="effective_batch_size", why=_also(s, "nothing stated multiplies it"))
            else:
                s = s._replace(why=_also(s, "may be one device's or the whole step's"))
        settled.append(s)
    return settled


def _also(statement: Statement, why: str) -> str:
    return "; ".join(w for w in (statement.why, why) if w)


def _base(draft: _Draft, place: int, ordered: list[_Draft], last: bool, facts: tuple[AnyFact, ...]) -> AnyFact:
    if draft.part and draft.part.base:
        return Fact("base_model", draft.part.base, Origin.STATED, draft.part.base, draft.part.base_span)
    for statement in draft.statements:
        if statement.key == "base_model" and statement.stage and statement.value is not None:
            return statement.fact()
    if draft.name.startswith("merge"):
        return missing("base_model", "a merge of several models, of which none is named as the base")
    stated = [f for f in facts if f.key == "base_model" and f.known]
    parent = next(
        (f for f in stated if len(ordered) > 1 and method_of(str(f.value)) in {d.name for d in ordered}), None
    )
    if parent is not None:
        made_by = method_of(str(parent.value))
        if place > 0 and ordered[place - 1].name == made_by and draft.name != made_by:
            return parent
        if draft.name == made_by:
            return missing(
                "base_model", f"the card names the model that this stage makes ({parent.value}), not its base"
            )
    if place == 0 and stated:
        return stated[0]
    if place > 0:
        before = ordered[place - 1]
        return missing("base_model", f"the model of the stage before it ({before.name}), which the card does not name")
    return missing("base_model")


def _produces(draft: _Draft, place: int, ordered: list[_Draft], last: bool, facts: tuple[AnyFact, ...]) -> AnyFact:
    if draft.part and draft.part.produces:
        part = draft.part
        return Fact("model_id", part.produces, Origin.STATED, part.produces, part.produces_span)
    for statement in draft.statements:
        if statement.key == "model_id" and statement.stage and statement.value is not None:
            return statement.fact()
    following = ordered[place + 1] if place + 1 < len(ordered) else None
    for statement in following.statements if following else ():
        if statement.key == "base_model" and statement.stage and statement.value is not None:
            return replace(statement.fact("what the next stage starts from"), key="model_id")
    if last:
        return next((f for f in facts if f.key == "model_id" and f.known), missing("model_id"))
    for fact in facts:
        if fact.key == "base_model" and fact.known and method_of(str(fact.value)) == draft.name and len(ordered) > 1:
            return replace(fact, key="model_id")
    return missing("model_id")


def _datasets(
    doc: Document, draft: _Draft, last: bool, stages: int, gathered: Gathered, facts: tuple[AnyFact, ...]
) -> tuple[DatasetRef, ...]:
    """The stage's data sets; a name that only abbreviates a repository's is that repository."""
    if draft.name.startswith("merge"):
        return ()
    found: list[tuple[str, Span | None]] = []
    stem = _COUNTED.sub("", draft.name)
    said = [s for s in draft.statements if s.key == "dataset" and isinstance(s.value, str)]
    said = [s for s in said if s.stage or method_of(str(s.value)) in ("", stem)]
    if any(s.stage for s in said if s.medium == "prose"):
        said = [s for s in said if s.stage or s.medium != "prose"]
    found.extend((str(s.value), s.span) for s in sorted(said, key=lambda s: s.medium == "prose"))
    if draft.part and draft.part.dataset:
        found.append((draft.part.dataset, draft.part.span))
    taken = {s.value for s in gathered.statements if s.key == "dataset"}
    for fact in facts:
        if fact.key == "datasets" and fact.why == "front matter" and isinstance(fact.value, tuple):
            tested = only_tested(doc, fact.value) if len(fact.value) > 1 else frozenset()
            for name in fact.value:
                if name in tested and len(tested) < len(fact.value):
                    continue
                hint = method_of(name) or ("dpo" if stages > 1 and _PREFERENCES.search(name) else "")
                if (
                    (stages == 1 and hint in ("", stem))
                    or hint == draft.name
                    or (last and not hint and len(fact.value) == 1 and name not in taken)
                ):
                    found.append((name, doc.locate(fact.span, name) if fact.span else None))
    places: dict[str, Span | None] = {}
    for name, span in found:
        places.setdefault(name, span)
    places = as_listed(places, facts)
    repositories = [(name, set(fold(name).split())) for name in places if "/" in name][:MAX_DATASETS]
    merged: dict[str, Span | None] = {}
    for name, span in list(places.items())[:MAX_DATASETS]:
        words = set(fold(name).split()) - {"the", "dataset", "data", "set", "train", "training", "split"}
        whole = next((r for r, theirs in repositories if "/" not in name and words <= theirs), name)
        merged.setdefault(whole, places.get(whole, span))
    fraction = next((s for s in draft.statements if s.key == "dataset_fraction" and s.value is not None), None)
    rows = next((s for s in draft.statements if s.key == "dataset_rows" and s.value is not None), None)
    refs = [DatasetRef(name, span=span) for name, span in merged.items()]
    if len(refs) == 1 and fraction is not None:
        refs[0] = replace(refs[0], fraction=fraction.fact())
    if len(refs) == 1 and rows is not None:
        refs[0] = replace(refs[0], rows=rows.fact())
    return tuple(refs)
