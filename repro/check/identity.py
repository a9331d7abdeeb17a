"""R1: which model this is, and what it was made from."""

from __future__ import annotations

import re
from collections.abc import Iterable

from repro.check.lineage import tail
from repro.check.outcomes import absent, failed, listing, passed, unknown
from repro.check.python_code import named_models
from repro.check.wording import first, front_matter_end, lines_of, search, split_by_place, text_lines
from repro.evidence import Evidence
from repro.finding import Observation, Severity, check
from repro.spec import AnyFact, Spec

_TUNED = re.compile(r"[-_. ](instruct|chat|it|sft|dpo|base)(?=$|[-_.])", re.IGNORECASE)
_PACKED = re.compile(r"[-_.](bnb[-_]4bit|4bit|8bit|gptq|awq|gguf|fp8|int8|int4|hf|unsloth)(?=$|[-_.])")
_REPOSITORY = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}")
_LETTER = re.compile(r"\w")
_NOBODY = re.compile(r"fine-tuned version of \[?none\b", re.IGNORECASE)
_FINE_TUNED = re.compile(r"\bfine-?tuned (?:version|from|on)\b|\bfinetuned from\b", re.IGNORECASE)
_PLACEHOLDER = re.compile(r"\[more information needed\]|more information needed\b", re.IGNORECASE)


def _names(facts: Iterable[AnyFact]) -> list[tuple[str, AnyFact]]:
    pairs = []
    for fact in facts:
        values = fact.value if isinstance(fact.value, tuple) else (fact.value,)
        pairs += [(str(v), fact) for v in values if str(v).strip().lower() not in {"", "none"}]
    return pairs


def _plain(name: str) -> str:
    """A name without owner, packing and the maker's prefix: what two spellings of one model share."""
    word = tail(name).replace("meta-llama", "llama").replace(" ", "-")
    while (shorter := _PACKED.sub("", word)) != word:
        word = shorter
    return re.sub(r"[-_.]", "", word)


def _without_tuning(name: str) -> str:
    return _plain(_TUNED.sub("", tail(name)))


def _body_bases(spec: Spec) -> tuple[list[AnyFact], list[AnyFact]]:
    """Bases named in the front matter, and in the body (the stages' starting points included)."""
    facts = (*spec.all("base_model"), *(s.base for s in spec.stages))
    return split_by_place(spec, tuple(facts))


@check("R101", "base-model-agreement", severity=Severity.HIGH, confidence=Severity.MEDIUM, asks="base")
def base_model_agreement(spec: Spec, evidence: Evidence) -> Iterable[Observation]:
    """Front matter and body name the same base model

    What: Compares the base model of the front matter with every base model that the body names.
    Why: Whoever regenerates the model starts from one of them; from the wrong one, no other figure of the card
    can come out.
    Fix: Name in `base_model` the model that the last training stage started from, as the text does.
    Sources: https://huggingface.co/docs/hub/model-cards#specifying-a-base-model; SimPO issue 37
    """
    front, body = _body_bases(spec)
    stated, told = _names(front), _names(body)
    if not stated and not told:
        return [absent("No base model is named.")]
    if not stated or not told:
        return [absent(f"The base model {(stated or told)[0][0]} is named in one place only: nothing to compare.")]
    here = {_plain(name) for name, _ in stated}
    there = {_plain(name) for name, _ in told}
    first, other = stated[0], told[0]
    if here & there:
        return [passed(f"Front matter and body agree on the base model {first[0]}.", first[1].span, other[1].span)]
    if {_without_tuning(n) for n, _ in stated} & {_without_tuning(n) for n, _ in told}:
        return [unknown("The two names differ in the tuning suffix only: see R103.", first[1].span, other[1].span)]
    if any(a in b or b in a for a in here for b in there) or not any("/" in n for n, _ in told):
        words = (
            f"The front matter says {first[0]}, the body {other[0]}: the same model under a shorter name, or another"
        )
        return [unknown(f"{words}? Full repository names would tell.", first[1].span, other[1].span)]
    body_text = "\n".join(text_lines(spec)[front_matter_end(spec) :]).lower()
    if any(name.lower() in body_text for name, _ in stated):
        words = f"The body names both {first[0]}, as the front matter does, and {other[0]}"
        return [unknown(f"{words}: perhaps the base of its base.", first[1].span, other[1].span)]
    return [
        failed(
            f"The front matter says the base model is {listing([n for n, _ in stated])}; "
            f"the body says {listing([n for n, _ in told])}.",
            first[1].span,
            other[1].span,
            claims=("identity.base_model",),
        )
    ]


def _overlaps(a: str, b: str) -> bool:
    plain = [re.sub(r"[-_.]", "", word) for word in (a, b)]
    return min(map(len, plain)) >= 4 and (plain[0] in plain[1] or plain[1] in plain[0])


@check("R102", "dataset-agreement", severity=Severity.MEDIUM, confidence=Severity.MEDIUM, asks="datasets")
def dataset_agreement(spec: Spec, evidence: Evidence) -> Iterable[Observation]:
    """Front matter and body name the same data sets

    What: Compares the `datasets` of the front matter with those that the training stages name and with the text.
    Why: A reader who downloads what the front matter lists would train on other data than the author did.
    Fix: List in `datasets` exactly what the described training used, by repository name.
    Sources: https://huggingface.co/docs/hub/datasets-cards; open-instruct issue 1451
    """
    front, _ = split_by_place(spec, spec.all("datasets"))
    stated = [name for name, _ in _names(front)]
    every = [d for s in spec.stages for d in s.datasets if _REPOSITORY.fullmatch(d.repo_id)]
    used = [d for d in every if d.span and d.span.source == spec.source]
    if not stated:
        return [absent("The front matter lists no data sets.")]
    span = front[0].span
    fm_lines = {line for f in front if f.span for line in range(f.span.line, f.span.end_line + 1)}
    used = [d for d in used if d.span and d.span.line not in fm_lines]
    text = "\n".join(line for _, line in lines_of(spec, body_only=True)).lower()
    in_text = [name for name in stated if tail(name) in text]
    shared = {tail(name) for name in stated} & {tail(d.repo_id) for d in used}
    if shared or in_text:
        return [passed(f"The body names {listing(sorted(shared) or in_text)} as the front matter does.", span)]
    near = [d for d in used for n in stated if _overlaps(tail(n), tail(d.repo_id))]
    if near:
        words = f"The front matter lists {listing(stated)}, the body names {near[0].repo_id}"
        return [unknown(f"{words}: perhaps two versions of one data set.", span, near[0].span)]
    if not used:
        return [unknown("The body names no data set by repository: nothing to compare the front matter with.", span)]
    return [
        failed(
            f"The front matter lists {listing(stated)}, the body trains on {listing([d.repo_id for d in used])}.",
            span,
            *(d.span for d in used[:3]),
            claims=("identity.dataset",),
        )
    ]


@check("R103", "base-or-instruct", severity=Severity.HIGH, confidence=Severity.MEDIUM, asks="base")
def base_or_instruct(spec: Spec, evidence: Evidence) -> Iterable[Observation]:
    """The base model is not called by both its base and its instruction-tuned name

    What: Looks for two namings of the base model that differ only in a suffix such as Instruct, Chat or it.
    Why: Base and instruct weights have the same shape, so nothing crashes when the wrong one is loaded; losses and
    scores are then another model's.
    Fix: Use one full repository name everywhere.
    Sources: https://huggingface.co/docs/hub/model-cards#specifying-a-base-model; SimPO issue 37
    """
    front, body = _body_bases(spec)
    stated, told = _names(front), _names(body)
    if not stated and not told:
        return [absent("No base model is named.")]
    if not stated or not told:
        return [absent(f"Only one place names the base model ({(stated or told)[0][0]}).")]
    plain = {_plain(name) for name, _ in (*stated, *told)}
    chain = {_plain(str(s.produces.value)) for s in spec.stages if s.produces.known}
    for name, fact in stated:
        for other, other_fact in told:
            same_size = _without_tuning(name) == _without_tuning(other)
            if same_size and _plain(name) != _plain(other) and not {_plain(name), _plain(other)} <= (plain & chain):
                if _plain(name) in {_plain(n) for n, _ in told}:
                    continue
                return [failed(f"{name} in the front matter, {other} in the body.", fact.span, other_fact.span)]
    return [passed("The base model has one name, tuned or not.", stated[0][1].span)]


@check("R107", "usage-names-this-model", severity=Severity.MEDIUM, confidence=Severity.MEDIUM, asks="code")
def usage_names_this_model(spec: Spec, evidence: Evidence) -> Iterable[Observation]:
    """The usage code loads the model that the card describes

    What: Collects the repository names that the usage code loads and compares them with the card's own.
    Why: Code copied from another card runs without an error and shows another model's answers.
    Fix: Load this card's repository in the usage code, by its full name.
    Sources: https://huggingface.co/docs/hub/model-cards; https://github.com/huggingface/trl (generated cards with
    model="None")
    """
    loaded = named_models(spec.code)
    if not loaded:
        return [absent("No usage code loads a model by name.")]
    nobody = [span for name, span in loaded if name.strip().lower() in {"none", ""}]
    if nobody:
        return [failed('The usage code loads a model called "None".', *nobody[:2])]
    own = spec.get("model_id")
    hubs = [(n, s) for n, s in loaded if "/" in n and not n.startswith((".", "/", "~", "path/", "your"))]
    if not own.known or not hubs:
        return [unknown("The card's own repository name is not known here: nothing to compare with.", loaded[0][1])]
    name = str(own.value)
    if any(tail(n) == tail(name) for n, _ in hubs):
        return [passed(f"The usage code loads {name}.", next(s for n, s in hubs if tail(n) == tail(name)))]
    if "/" not in name:
        return [unknown(f"The code loads {hubs[0][0]}; the card calls itself {name}, without an owner.", hubs[0][1])]
    return [failed(f"The card describes {name}; its code loads {listing([n for n, _ in hubs])}.", hubs[0][1])]


@check("R108", "base-model-named", severity=Severity.HIGH, confidence=Severity.HIGH)
def base_model_named(spec: Spec, evidence: Evidence) -> Iterable[Observation]:
    """A fine-tuned model names what it was fine-tuned from

    What: Asks whether a card that describes fine-tuning says from which model it started.
    Why: Without the starting weights nothing about the training can be repeated.
    Fix: Add `base_model: owner/name` to the front matter.
    Sources: https://huggingface.co/docs/hub/model-cards#specifying-a-base-model
    """
    nobody = search(spec, _NOBODY, body_only=True)
    named = _names((*spec.all("base_model"), *(s.base for s in spec.stages)))
    if nobody and not named:
        return [failed('The card says it is a "fine-tuned version of None".', nobody[0].span)]
    if named:
        return [passed(f"The base model is named: {named[0][0]}.", named[0][1].span)]
    tuned = search(spec, _FINE_TUNED, body_only=True)
    trained = [s for s in spec.stages if "pretrain" not in f"{s.name} {s.method}".lower().replace("-", "")]
    if not trained and not tuned:
        return [absent("The card describes no fine-tuning.")]
    where = tuned[0].span if tuned else trained[0].span
    return [unknown("No base model could be read from the card; it may be named in words only.", where)]


@check("R109", "base-is-not-itself", severity=Severity.MEDIUM, confidence=Severity.HIGH, asks="base")
def base_is_not_itself(spec: Spec, evidence: Evidence) -> Iterable[Observation]:
    """The base model is another model than the card's own

    What: Compares `base_model` with the card's own repository name.
    Why: A model listed as its own base hides what it was trained from and makes a circle of the model tree.
    Fix: Name the model that training started from.
    Sources: https://huggingface.co/docs/hub/model-cards#specifying-a-base-model
    """
    own, named = spec.get("model_id"), _names(spec.all("base_model"))
    if not named:
        return [absent("No base model is named.")]
    if not own.known or "/" not in str(own.value):
        return [unknown("The card's own repository name is not known here.", named[0][1].span)]
    same = [f for n, f in named if n.lower() == str(own.value).lower()]
    if same:
        return [failed(f"{own.value} names itself as its base model.", same[0].span)]
    return [passed(f"{named[0][0]} is not {own.value}.", named[0][1].span)]


@check("R110", "template-left-unfilled", severity=Severity.LOW)
def template_left_unfilled(spec: Spec, evidence: Evidence) -> Iterable[Observation]:
    """No section is left as the card template made it

    What: Counts the places that still say "More information needed".
    Why: Such a section tells a reader nothing, and hides among written ones what is missing.
    Fix: Fill the section or take it out.
    Sources: https://huggingface.co/docs/hub/model-card-annotated; Liang et al. 2024, What's documented in AI?
    """
    hits = search(spec, _PLACEHOLDER, body_only=True)
    if first(spec, _LETTER, body_only=True) is None:
        return [absent("The card has no text below its front matter.")]
    if hits:
        count = f"{len(hits)} place{'s' if len(hits) > 1 else ''}"
        return [
            failed(
                f"{count} still say{'s' if len(hits) == 1 else ''} that more information is needed.",
                *(h.span for h in hits[:5]),
            )
        ]
    return [passed("No section is left as the template made it.")]
