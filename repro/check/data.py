"""R2: on which rows of which data sets the model was trained."""

from __future__ import annotations

import re
from collections.abc import Iterable

from repro.check.lineage import stage_fact, tail
from repro.check.outcomes import absent, failed, listing, passed, unknown
from repro.check.wording import reads_english, search, where_named
from repro.evidence import Evidence
from repro.finding import Observation, Persona, Severity, check
from repro.spec import AnyFact, DatasetRef, Spec, Stage

_REPOSITORY = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")
"""A repository's id, as against a path or an address."""
_SEED = re.compile(
    r"\bseed\b\W{0,3}(?:of|=|:|is)?\W{0,3}\d+|\|\s*(?:random |data |sampling |training )*seed\s*\|", re.IGNORECASE
)
_REVISION = re.compile(
    r"\b(?:revision|commit|tag)\W{1,5}([0-9a-f]{7,40}\b|v\d[\w.]{0,20})|(?:@|/tree/|/commit/)([0-9a-f]{7,40}\b)",
    re.IGNORECASE,
)
_TEST = re.compile(r"\b(?:fine-?tuned|trained) on (?:the )?(?:[\w./-]{1,60} )?test (?:split|set)\b", re.IGNORECASE)
_DENIAL = re.compile(r"\b(?:not|never|without|except|no)\b|n't\b", re.IGNORECASE)
_SHARE_IN_NAME = re.compile(r"(?<![\d.])(\d{1,3}(?:\.\d+)?)(?:pct|percent|p(?=[-_]))", re.IGNORECASE)
_VERSION = re.compile(r"v?\d+(?:\.\w+){1,5}")
_MAYBE_DATA = re.compile(r"\b(?:on|using|with)\s+[`*\[(\"']{0,3}[\w.-]{1,96}/[\w.-]{1,96}", re.IGNORECASE)
"""A repository's name where data is named in prose: "fine-tuned on owner/name"."""
_UNNAMED = re.compile(r"\bon (?:an unknown|the None|the unknown) dataset\b")


def _sets(spec: Spec) -> list[DatasetRef]:
    return [d for s in spec.stages for d in named_sets(s)]


def named_sets(stage: Stage) -> list[DatasetRef]:
    """The stage's data sets, less the version numbers of the library of that name."""
    return [d for d in stage.datasets if not _VERSION.fullmatch(d.repo_id.strip())]


def share(data: DatasetRef) -> float | None:
    """The stated share of the data set's rows, 0 to 1; None when nobody says."""
    value = data.fraction.value
    return float(value) if isinstance(value, int | float) and 0 < value <= 1 else None


@check("R201", "sample-seed", severity=Severity.MEDIUM, needs=("card", "parent"), asks="stage")
def sample_seed(spec: Spec, evidence: Evidence) -> Iterable[Observation]:
    """A random sample comes with its seed

    What: Where a stage trains on a share of a data set, asks for the seed (or the list of rows) that drew it.
    Why: Another draw is another training set: no loss of the card can be matched row by row.
    Fix: State the sampling seed and rule, or publish the sampled rows as a data set.
    Sources: open-instruct@e6c3044:open_instruct/dataset_transformation.py; open-instruct issue 560; Pineau et al.
    2021, reproducibility checklist
    """
    sampled = [(s, d) for s in spec.stages for d in s.datasets if (share(d) or 1.0) < 1.0]
    if not sampled:
        return [absent("No stage is said to train on a share of a data set.")]
    found = []
    for stage, data in sampled:
        words = f"{stage.name}: {share(data) or 0:.3g} of {data.repo_id}"
        spans = (data.fraction.span or data.span,)
        seed = stage_fact(stage, "data_seed", evidence)
        seed = seed if seed.known else spec.get("data_seed")
        if seed.known:
            found.append(passed(f"{words}, drawn with seed {seed.value}.", *spans, seed.span))
        elif hits := search(spec, _SEED, body_only=True):
            found.append(
                unknown(f"{words}: a seed is stated, but not whether it drew the sample.", *spans, hits[0].span)
            )
        elif data.origin != "stated" or (stage is not spec.stages[-1] and not evidence.parents):
            found.append(unknown(f"{words}: no seed here; the card of the model it made may have one.", *spans))
        else:
            found.append(
                failed(f"{words}, and no seed says which rows.", *spans, claims=(f"{stage.name}.dataset_fraction",))
            )
    return found


def _pin(spec: Spec, data: DatasetRef) -> str:
    """A commit or tag that stands on one line with the data set's name; empty when there is none."""
    name = tail(data.repo_id)
    hits = [h for h in search(spec, _REVISION, body_only=True) if name in h.line.lower()]
    return hits[0].match.group(1) or hits[0].match.group(2) if hits else ""


@check("R202", "dataset-revision", severity=Severity.LOW, persona=Persona.AUDITOR, asks="stage")
def dataset_revision(spec: Spec, evidence: Evidence) -> Iterable[Observation]:
    """Data sets are named with a revision

    What: Asks whether the data sets of the training stages are pinned to a commit or a tag.
    Why: Data sets on a Hub change in place: rows are added, filtered, relabelled.
    Fix: Write the commit hash (or a tag) that was downloaded beside the data set's name.
    Sources: https://huggingface.co/docs/datasets/loading#hugging-face-hub; alignment-handbook PR 88
    """
    named = [d for d in _sets(spec) if _REPOSITORY.fullmatch(d.repo_id)]
    if not named:
        if _sets(spec):
            return [
                unknown("The data sets are not named by repository: a revision could not be told.", _sets(spec)[0].span)
            ]
        return [absent("No training stage names a data set.")]
    pinned = {d.repo_id: d.revision or _pin(spec, d) for d in named}
    loose = [d for d in named if not pinned[d.repo_id]]
    if not loose:
        return [
            passed(
                f"Every data set is pinned: {listing([f'{name}@{pin}' for name, pin in pinned.items()])}.",
                named[0].span,
            )
        ]
    spans = [where_named(spec, d.repo_id, d.span) for d in loose[:3]]
    return [failed(f"No revision is given for {listing([d.repo_id for d in loose])}.", *spans)]


@check("R205", "share-agreement", severity=Severity.HIGH, confidence=Severity.MEDIUM, asks="stage")
def share_agreement(spec: Spec, evidence: Evidence) -> Iterable[Observation]:
    """Every statement of the sampled share says the same

    What: Compares the shares of one data set that the card states (tables, prose, diagram) with each other, and with a
    share in the model's name ("10pct").
    Why: A tenth of the rows and all of them are different models.
    Fix: State one share, and name the full mixture only as its source.
    Sources: open-instruct issue 560; https://huggingface.co/docs/hub/model-cards
    """
    found = []
    for stage in spec.trainings:
        facts = [f for f in stage.all("dataset_fraction") if isinstance(f.value, int | float)]
        facts += [d.fraction for d in stage.datasets if share(d) is not None]
        apart: dict[object, AnyFact] = {}
        for fact in facts:
            apart.setdefault((fact.value, fact.span), fact)
        facts = list(apart.values())
        values = sorted({round(float(f.value), 6) for f in facts if isinstance(f.value, int | float)})
        several = len({tail(d.repo_id) for d in stage.datasets}) > 1
        if not values:
            continue
        named = _SHARE_IN_NAME.search(str(stage.produces.value or ""))
        in_name = float(named.group(1)) / 100 if named else None
        texts = " and ".join(f"{v:.3g}" for v in values)
        spans = tuple(f.span for f in facts[:4])
        if len(values) > 1:
            say = unknown if several else failed
            found.append(say(f"{stage.name}: the sampled share is given as {texts}.", *spans))
        elif in_name is not None and abs(in_name - values[0]) > 1e-6:
            found.append(
                failed(
                    f"{stage.name}: {texts} of the rows, but the name {stage.produces.value} says {in_name:.3g}.",
                    *spans,
                )
            )
        elif len(facts) > 1 or in_name is not None:
            found.append(passed(f"{stage.name}: every statement of the share says {texts}.", *spans))
        else:
            found.append(unknown(f"{stage.name}: the share {texts} is stated once; nothing to compare.", *spans))
    return found or [absent("No share of a data set is stated.")]


@check("R206", "no-test-split-in-training", severity=Severity.HIGH, confidence=Severity.MEDIUM)
def no_test_split_in_training(spec: Spec, evidence: Evidence) -> Iterable[Observation]:
    """No test split is named as training data

    What: Looks for a training stage whose stated split is a test split, and for sentences that say so.
    Why: Scores on rows that the model was trained on say nothing about other rows.
    Fix: Train on the training split, or say that the test rows were seen and drop the score.
    Sources: Magar and Schwartz 2022 (arXiv:2203.08242); open-instruct issue 1451
    """
    facts = [f for s in spec.stages for f in (*s.all("dataset_split"), *s.all("train_split")) if f.known]
    tests = [f for f in facts if re.match(r"test(?:\b|_)", str(f.value).lower())]
    said = [h for h in search(spec, _TEST, body_only=True) if not _DENIAL.search(h.line)]
    if tests or said:
        where = tests[0].span if tests else said[0].span
        return [failed("A test split is named as training data.", where)]
    if facts:
        return [passed(f"The training split is {facts[0].value}.", facts[0].span)]
    if not _sets(spec):
        return [absent("No training stage names a data set.")]
    return [unknown("The card does not say which split was trained on.", _sets(spec)[0].span)]


@check("R207", "training-data-named", severity=Severity.MEDIUM)
def training_data_named(spec: Spec, evidence: Evidence) -> Iterable[Observation]:
    """Every training stage says on what it was trained

    What: Asks each stage for at least one data set.
    Why: Training cannot be repeated, and contamination cannot be looked for, on data that nobody names.
    Fix: Name the data set by its repository, or describe how it was made and why it is not published.
    Sources: Gebru et al. 2021, Datasheets for Datasets;
    https://huggingface.co/docs/hub/model-card-annotated#training-data
    """
    unnamed = search(spec, _UNNAMED, body_only=True)
    if not spec.trainings and not unnamed:
        return [absent("The card describes no training.")]
    listed = spec.get("datasets")
    if unnamed and not listed.known:
        return [failed(f'The card says "{unnamed[0].match.group(0)}".', unnamed[0].span)]
    bare = [s for s in spec.trainings if not named_sets(s)]
    if not bare or listed.known:
        names = [d.repo_id for d in _sets(spec)] or [
            str(v) for v in (listed.value if isinstance(listed.value, tuple) else [])
        ]
        return [
            passed(
                f"Training data is named: {listing(names) or listed.printed}.", listed.span or spec.trainings[0].span
            )
        ]
    words = search(
        spec, re.compile(r"\bdata ?sets?\b|\bcorpus\b|\btraining data\b|\bdata\b", re.IGNORECASE), body_only=True
    )
    if not words and "/" in spec.text:
        words = search(spec, _MAYBE_DATA, body_only=True)
    if words or not reads_english(spec) or bare[0].span is None:
        return [
            unknown(
                "The card speaks of data, but no data set's name could be read.",
                words[0].span if words else bare[0].span,
            )
        ]
    if len(spec.trainings) == 1:
        return [failed("No training data is named.", bare[0].span)]
    return [failed(f"No data is named for: {listing([s.name for s in bare])}.", bare[0].span)]
