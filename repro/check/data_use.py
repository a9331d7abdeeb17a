"""R2, continued: how data was chosen, and which data a score is of."""

from __future__ import annotations

import re
from collections.abc import Iterable

from repro.check.evals import scores
from repro.check.front_matter_shape import line_before_end, one_named_in_body, with_edits
from repro.check.outcomes import absent, failed, listing, passed, plural, unknown
from repro.check.wording import at, front_matter_end, lines_of, says, search, split_by_place, where_named
from repro.evidence import Evidence
from repro.finding import Observation, Persona, Severity, check
from repro.spec import Claim, ClaimKind, Fact, Origin, Spec

_FILTERED = re.compile(
    r"(?<!not )(?<!never )(?<!not been )\b(?:filtered|cleaned|curated|dedup\w*|high[- ]quality subset)\b", re.IGNORECASE
)
_HOW = re.compile(
    r"\b(?:by|using|with|via|removing|removed?|removal|keep(?:ing)?|kept|based on|threshold|scored?|than|"
    r"longer|shorter|only|minhash|follow(?:s|ing)|includ(?:es?|ed|ing)|from|heuristics?|script|classifier|language)\b|\d|https?://",
    re.IGNORECASE,
)
_ROWS = re.compile(r"\b(?:data|dataset|corpus|examples|rows|samples|conversations|pairs|texts?)\b", re.IGNORECASE)
_PRIVATE = re.compile(
    r"\b(?:custom|private|proprietary|in-?house|internal|undisclosed)\b.{0,30}\b(?:data ?set|data|corpus)\b",
    re.IGNORECASE,
)
_TRAINS = re.compile(r"train|tuned?\b|tuning|collected|gathered|\bdata ?sets?\b\W{0,4}:", re.IGNORECASE)
_PRIVATE_WORDS = ("custom", "private", "proprietary", "house", "inhouse", "internal", "undisclosed")
_EVALUATION_SET = re.compile(
    r"results on the evaluation set|on the (?:held-out )?(?:test|validation|dev|eval(?:uation)?) (?:set|split)\b",
    re.IGNORECASE,
)
_REPOSITORY = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}")
_NAME = re.compile(r"^\s{4,12}(?:- )?(?:type|name):\s*[\"']?([^\"'\n]{1,120})")


@check("R230", "filter-told", severity=Severity.LOW, confidence=Severity.LOW, persona=Persona.AUDITOR)
def filter_told(spec: Spec, evidence: Evidence) -> Iterable[Observation]:
    """A filter is told, not only named

    What: Looks for data called filtered, cleaned or curated in a sentence that does not say how.
    Why: Which rows were left out decides the number of steps and what the model learns; nobody can repeat "cleaned".
    Fix: Give the rule and its thresholds, or publish the filtered rows, with the counts before and after.
    Sources: open-instruct issue 560; alignment-handbook PR 88; Gebru et al. 2021, Datasheets for Datasets
    """
    hits = [h for h in search(spec, _FILTERED, body_only=True) if _ROWS.search(h.line)]
    if not hits:
        return [absent("No data is called filtered.")]
    bare = [h for h in hits if not _HOW.search(h.line.replace(h.match.group(0), ""))]
    if len(bare) < len(hits):
        return [passed("The card says something of how rows were chosen.", next(h for h in hits if h not in bare).span)]
    return [failed(f'"{bare[0].match.group(0)}": how is not said.', *(h.span for h in bare[:3]))]


@check("R231", "data-can-be-had", severity=Severity.INFO, persona=Persona.AUDITOR)
def data_can_be_had(spec: Spec, evidence: Evidence) -> Iterable[Observation]:
    """The training data can be had

    What: Looks for training data that the card calls custom, private or in-house and names nowhere.
    Why: No retraining is possible; a reader should know it from the first line.
    Fix: Publish the data, or describe its sources, its size and why it cannot be published.
    Sources: https://huggingface.co/docs/hub/model-card-annotated#training-data; Gebru et al. 2021, Datasheets for
    Datasets; Liesenfeld and Dingemanse 2024, Rethinking open source generative AI
    """
    named = [d for s in spec.stages for d in s.datasets if "/" in d.repo_id] or spec.get("datasets").known
    if named:
        return [passed("A data set is named by its repository.")]
    hits = search(spec, _PRIVATE, body_only=True) if says(spec, *_PRIVATE_WORDS) else []
    hits = [h for h in hits if _TRAINS.search(h.line)]
    if not hits:
        return [absent("No data is called private.")]
    return [failed(f'"{hits[0].match.group(0)[:80]}" is named nowhere else.', hits[0].span)]


@check("R232", "evaluation-set-named", severity=Severity.LOW, confidence=Severity.MEDIUM, persona=Persona.AUDITOR)
def evaluation_set_named(spec: Spec, evidence: Evidence) -> Iterable[Observation]:
    """Results "on the evaluation set" say which set that is

    What: Where the card gives results on "the evaluation set", asks for a data set or a split.
    Why: A loss or an accuracy on rows that nobody can name cannot be measured again, nor compared with anything.
    Fix: Name the data set, its split and how it was held out.
    Sources: https://github.com/huggingface/transformers/blob/main/src/transformers/modelcard.py;
    https://huggingface.co/docs/hub/model-card-annotated#testing-data-factors--metrics
    """
    losses = [c for c in spec.claims if c.kind is ClaimKind.LOSS and c.split != "train"]
    hits = search(spec, _EVALUATION_SET, body_only=True) if losses or scores(spec) else []
    if not hits:
        return [absent("No result on an evaluation set.")]
    named = [d for s in spec.stages for d in s.datasets] or spec.get("datasets").known
    tasks = [c for c in scores(spec) if c.task and c.task not in {"evaluation", "evaluation set"}]
    if named or tasks:
        return [passed("A data set is named beside the results.", hits[0].span)]
    return [failed("Which set the results are on is not said.", hits[0].span)]


@check("R233", "benchmarks-have-their-own-data", severity=Severity.MEDIUM, confidence=Severity.MEDIUM, asks="score")
def benchmarks_have_their_own_data(spec: Spec, evidence: Evidence) -> Iterable[Observation]:
    """Each benchmark of the front matter names its own data set

    What: Looks in `model-index` for several different benchmarks that are all filed under one data set, the training
    set.
    Why: The Hub then shows the scores as results on the training data, and no leaderboard finds them.
    Fix: Give each result the data set that its benchmark is made of.
    Sources: https://huggingface.co/docs/hub/model-cards#evaluation-results; lm-evaluation-harness issue 1896
    """
    end = front_matter_end(spec)
    found = [c for c in scores(spec) if c.span.line <= end and c.span.source == spec.source]
    if len(found) < 3:
        return [absent("No model-index with several results.")]
    trained = spec.get("datasets").value
    names = {str(v).lower() for v in trained} if isinstance(trained, tuple) else set()
    if not names:
        return [absent("The front matter lists no training data.")]
    filed = _filed_under(spec, end)
    if len(filed) >= 3 and len(set(filed.values())) == 1 and next(iter(filed.values())).lower() in names:
        what, where = next(iter(filed.values())), list(filed)[:2]
        if len({_topic(c) for c in found}) >= 3:
            words = f"{plural(len(filed), 'result')} of different benchmarks are filed under {what}, the training data"
            return [failed(f"{words}.", *(at(spec, n) for n in where))]
    return [passed("Results are filed under more than the training data.", found[0].span)]


def _topic(claim: Claim) -> str:
    return f"{claim.task} {claim.metric}".lower()


def _filed_under(spec: Spec, end: int) -> dict[int, str]:
    """The data set of each result of a model-index, by its line."""
    found: dict[int, str] = {}
    inside = 0
    for number, line in lines_of(spec):
        if number > end:
            break
        if line.strip() == "dataset:":
            inside = len(line) - len(line.lstrip())
            continue
        if inside and len(line) - len(line.lstrip()) <= inside and line.strip():
            inside = 0
        if inside and line.strip().startswith("type:") and (match := _NAME.match(line)):
            found[number] = match.group(1).strip()
    return found


@check("R234", "data-in-front-matter", severity=Severity.LOW)
def data_in_front_matter(spec: Spec, evidence: Evidence) -> Iterable[Observation]:
    """Data that the body names stands in the front matter too

    What: Where a training stage names a data set by its repository, asks for `datasets` in the front matter.
    Why: The Hub links a model to its data, and finds the models of a data set, by the front matter alone.
    Fix: Add `datasets: [owner/name]` to the front matter.
    Sources: https://huggingface.co/docs/hub/model-cards#model-card-metadata
    """
    front, _ = split_by_place(spec, spec.all("datasets"))
    if front:
        return [passed(f"The front matter lists {listing(_texts(front[0].value))}.", front[0].span)]
    used = [
        d for s in spec.stages for d in s.datasets if _REPOSITORY.fullmatch(d.repo_id) and d.origin is Origin.STATED
    ]
    if not used:
        return [absent("No stage names a data set by its repository.")]
    facts = tuple(Fact("datasets", d.repo_id, Origin.STATED, d.repo_id, d.span) for d in used)
    names = listing([d.repo_id for d in used])
    if spec.problems:
        return [unknown(f"The body names {names}; the front matter cannot be read.", used[0].span)]
    where = where_named(spec, used[0].repo_id, used[0].span)
    observation = failed(f"The body names {names}; the front matter lists no data sets.", where)
    one = one_named_in_body(spec, facts)
    if one is None or len({d.repo_id for d in used}) != 1:
        return [observation]
    return [with_edits(observation, line_before_end(spec, f"datasets: [{one.value}]"))]


def _texts(value: object) -> list[str]:
    return [str(v) for v in value] if isinstance(value, tuple) else [str(value)]
