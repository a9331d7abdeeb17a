"""R1, continued: whether the front matter can be read, and says what the body says."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace

from repro.card import Span
from repro.check.making import making_of
from repro.check.outcomes import absent, failed, listing, passed, unknown
from repro.check.wording import at, front_matter_end, split_by_place
from repro.completeness import Making
from repro.evidence import Evidence
from repro.finding import Edit, Observation, Severity, check
from repro.spec import AnyFact, Spec

_KEY = re.compile(r"([A-Za-z][\w-]{0,40})[ \t]*:(?:[ \t]|$)")
_WRONG_KEYS = {
    "licence": "license",
    "licences": "license",
    "licenses": "license",
    "dataset": "datasets",
    "languages": "language",
    "base-model": "base_model",
    "basemodel": "base_model",
    "base_models": "base_model",
    "pipeline-tag": "pipeline_tag",
    "library-name": "library_name",
    "library": "library_name",
    "model_index": "model-index",
    "tag": "tags",
    "licence_name": "license_name",
    "license-name": "license_name",
    "license-link": "license_link",
}
"""Spellings that the Hub passes over, and the key that it reads."""
_CODES = {
    "english": "en",
    "chinese": "zh",
    "french": "fr",
    "german": "de",
    "spanish": "es",
    "italian": "it",
    "portuguese": "pt",
    "russian": "ru",
    "japanese": "ja",
    "korean": "ko",
    "arabic": "ar",
    "hindi": "hi",
    "dutch": "nl",
    "turkish": "tr",
    "polish": "pl",
    "vietnamese": "vi",
    "indonesian": "id",
    "thai": "th",
    "swedish": "sv",
    "persian": "fa",
    "hebrew": "he",
    "greek": "el",
    "czech": "cs",
    "ukrainian": "uk",
    "romanian": "ro",
    "hungarian": "hu",
    "finnish": "fi",
    "danish": "da",
    "norwegian": "no",
    "bengali": "bn",
    "tamil": "ta",
    "urdu": "ur",
    "catalan": "ca",
    "basque": "eu",
}
"""ISO 639-1."""
_NOT_WRONG = ("blank lines stand before", "YAML alias", "YAML tag", "nested deeper", "larger than")
"""What the Hub may read and this program does not."""
_REPOSITORY = re.compile(
    r"(?!.*(?:\.\.|--|[.-](?:/|$)))(?!.*/checkpoint-\d+$)[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{1,95}"
)
"""A name that a Hub could have given; not a folder that a trainer wrote, which the Trainer's cards link like one."""


def front_keys(spec: Spec) -> Iterator[tuple[int, str, str]]:
    """(line, key, the rest of the line) of the top-level keys of the front matter."""
    lines = spec.text.split("\n", 2000)
    for number in range(2, front_matter_end(spec)):
        if match := _KEY.match(lines[number - 1]):
            yield number, match.group(1), lines[number - 1][match.end() :].strip()


def line_before_end(spec: Spec, line: str) -> tuple[Edit, ...]:
    """The edit that puts one line at the end of the front matter; none where there is no front matter to add to."""
    end = front_matter_end(spec)
    return (Edit(end, 1, 0, "", f"{line}\n"),) if end and not spec.problems else ()


def with_edits(observation: Observation, edits: tuple[Edit, ...]) -> Observation:
    return replace(observation, edits=edits) if edits else observation


@check("R120", "front-matter-readable", severity=Severity.HIGH)
def front_matter_readable(spec: Spec, evidence: Evidence) -> Iterable[Observation]:
    """The front matter can be read

    What: Reads the block between the two --- lines as YAML, as the Hub does: closed, a mapping of keys to values,
    each key once.
    Why: The Hub shows no licence, no base model and no scores of a card whose front matter it cannot read, and may
    refuse the upload.
    Fix: Mend the line that is shown; quote values that hold a colon, a # or a leading @.
    Sources: https://huggingface.co/docs/hub/model-cards#model-card-metadata; https://yaml.org/spec/1.2.2/
    """
    problems = [p for p in spec.problems if "front matter" in p.message or "stands here a second time" in p.message]
    wrong = [p for p in problems if not any(words in p.message for words in _NOT_WRONG)]
    if wrong:
        return [failed(f"{p.message[:1].upper()}{p.message[1:200]}.", _inside(p.span, spec)) for p in wrong[:5]]
    unread = [p for p in problems if not p.message.startswith(_NOT_WRONG[0])]
    if unread:
        return [unknown(f"{p.message[:1].upper()}{p.message[1:200]}.", _inside(p.span, spec)) for p in unread[:3]]
    end = front_matter_end(spec)
    return [passed("The front matter can be read.", at(spec, 1, end))] if end else [absent("No front matter.")]


def _inside(span: Span, spec: Spec) -> Span:
    # a long block is shown by its first line
    return at(spec, span.line) if span.end_line - span.line > 3 else span


@check("R121", "front-matter-keys", severity=Severity.MEDIUM)
def front_matter_keys(spec: Spec, evidence: Evidence) -> Iterable[Observation]:
    """The front matter uses the keys that the Hub reads

    What: Looks for keys that are spelt in another way than the Hub reads them (licence, dataset, model_index).
    Why: A key that the Hub does not know is passed over without a word: the model has no licence or no scores.
    Fix: Write the key as the Hub spells it.
    Sources: https://github.com/huggingface/hub-docs/blob/main/modelcard.md;
    https://huggingface.co/docs/hub/model-cards#model-card-metadata
    """
    keys = list(front_keys(spec))
    if not keys:
        return [absent("No front matter with keys.")]
    there = {key for _, key, _ in keys}
    wrong = [(n, k, rest, _WRONG_KEYS[k.lower()]) for n, k, rest in keys if _WRONG_KEYS.get(k.lower(), k) not in there]
    found = []
    for number, key, rest, right in wrong:
        # TRL's cards say "licence: license", which names none: R706 tells
        if rest == "license":
            continue
        observation = failed(f"The front matter says {key}; the Hub reads {right}.", at(spec, number))
        # what the key holds must be right too: old indexes have another shape
        certain = key != "model_index"
        edits = (Edit(number, 1, len(key), key, right),) if certain else ()
        found.append(with_edits(observation, edits))
    return found or [passed(f"The front matter's keys ({listing([k for _, k, _ in keys], 3)}) are known.")]


@check("R126", "language-code", severity=Severity.LOW, asks="language")
def language_code(spec: Spec, evidence: Evidence) -> Iterable[Observation]:
    """Languages are given as codes

    What: Looks for languages that the front matter names in words ("english") where the Hub reads ISO codes ("en").
    Why: The Hub's language filter does not find the model.
    Fix: Write the ISO 639 code.
    Sources: https://huggingface.co/docs/hub/model-cards#model-card-metadata; https://www.iso.org/iso-639-language-code
    """
    front, _ = split_by_place(spec, spec.all("language"))
    if not front:
        return [absent("The front matter names no language.")]
    names = [str(v) for f in front for v in (f.value if isinstance(f.value, tuple) else (f.value,))]
    wrong = [n for n in names if n.lower() in _CODES]
    if not wrong:
        return [passed(f"Languages are given as codes: {listing(names)}.", front[0].span)]
    codes = ", ".join(_CODES[n.lower()] for n in wrong[:4])
    observation = failed(f"The language is given as {listing(wrong)}; its code is {codes}.", front[0].span)
    line = next(((n, rest) for n, key, rest in front_keys(spec) if key == "language"), None)
    if line and line[1] == wrong[0] and len(names) == 1:
        text = spec.text.split("\n", line[0])[line[0] - 1]
        start = text.rindex(wrong[0]) + 1
        edit = Edit(line[0], start, start + len(wrong[0]) - 1, wrong[0], _CODES[wrong[0].lower()])
        return [with_edits(observation, (edit,))]
    return [observation]


def one_named_in_body(spec: Spec, facts: tuple[AnyFact, ...]) -> AnyFact | None:
    """The one repository that the body names in these facts; None where it names none or several."""
    _, body = split_by_place(spec, facts)
    named = {str(f.value): f for f in body if isinstance(f.value, str) and _REPOSITORY.fullmatch(f.value)}
    return next(iter(named.values())) if len(named) == 1 else None


@check("R127", "base-in-front-matter", severity=Severity.LOW, asks="base")
def base_in_front_matter(spec: Spec, evidence: Evidence) -> Iterable[Observation]:
    """A base model that the body names stands in the front matter too

    What: Where the body names one base model by its repository, asks for `base_model` in the front matter.
    Why: The Hub's model tree, licence checks and every tool that follows a model to its source read the front matter.
    Fix: Add `base_model: owner/name` to the front matter.
    Sources: https://huggingface.co/docs/hub/model-cards#specifying-a-base-model
    """
    front, body = split_by_place(spec, (*spec.all("base_model"), *(s.base for s in spec.stages[:1])))
    if front:
        return [passed(f"The front matter names the base model {front[0].value}.", front[0].span)]
    named = one_named_in_body(spec, (*spec.all("base_model"), *(s.base for s in spec.stages)))
    if named is None:
        if body:
            return [unknown("The body names the base model in a way that is no single repository.", body[0].span)]
        return [absent("The body names no base model.")]
    if spec.problems:
        return [unknown(f"The body names {named.value}; the front matter could not be read in full.", named.span)]
    if making_of(spec) is Making.MERGE or str(named.value).lower() == spec.model_id.lower():
        return [unknown(f"The body names {named.value}, which may be one of several, or the model itself.", named.span)]
    observation = failed(
        f"The body names the base model {named.value}; the front matter has no base_model.", named.span
    )
    return [with_edits(observation, line_before_end(spec, f"base_model: {named.value}"))]
