"""R5: by what the model was scored."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

from repro.check.lineage import tail
from repro.check.outcomes import absent, failed, listing, passed, plural, unknown
from repro.check.result_words import unread_figures, where_results_are_told
from repro.check.wording import (
    at,
    front_matter_end,
    reads_english,
    search,
)
from repro.evidence import Evidence
from repro.finding import Observation, Severity, check
from repro.spec import Claim, ClaimKind, Spec

BENCHMARKS = frozenset(
    [
        "mmlu",
        "mmlupro",
        "gsm8k",
        "hellaswag",
        "arc",
        "arcchallenge",
        "arceasy",
        "ai2arc",
        "ai2reasoningchallenge",
        "truthfulqa",
        "truthfulqamc",
        "winogrande",
        "ifeval",
        "bbh",
        "bigbenchhard",
        "math",
        "drop",
        "humaneval",
        "mbpp",
        "piqa",
        "boolq",
        "openbookqa",
        "gpqa",
        "musr",
        "triviaqa",
        "alpacaeval",
        "mtbench",
        "popqa",
        "commonsenseqa",
    ]
)
"""Benchmarks that harnesses score in different ways."""
WITHOUT_SHOTS = frozenset({"alpacaeval", "mtbench", "ifeval", "humaneval", "mbpp", "musr"})
"""Benchmarks whose prompt is fixed."""
_HARNESS = re.compile(
    r"\blm[-_ ]?eval(?:uation)?(?:[-_ ]harness)?\b|\bevaluation[- ]harness\b|\blighteval\b"
    r"|\bolmes\b|\bopencompass\b"
    r"|\bopen[- _]?llm[- _]?leaderboard\b|\bbigcode[-_ ]evaluation\b|\bevalplus\b"
    r"|\bllm[-_ ]foundry\b|\bdeepeval\b|\bhelm\b"
    r"|\balpaca[-_ ]?eval\b|\bmt[-_ ]?bench\b|\bsimple[-_ ]evals\b|\bllm[- ]?jp[- ]eval\b",
    re.IGNORECASE,
)
_HARNESS_VERSION = re.compile(
    r"(?:harness|lm[-_ ]?eval|lighteval|olmes|opencompass|evalplus)[`*\])(]{0,4}\W{0,3}"
    r"(?:version|commit|rev(?:ision)?|v|==|@)?\W{0,3}"
    r"(\d+\.\d+(?:\.\d+)?|[0-9a-f]{7,40}\b)|leaderboard[-_ ]?(?:v\d|\d)"
    r"|(?:harness|lm[-_ ]?eval|lighteval|olmes|opencompass|evalplus)\b.{0,120}"
    r"\b(?:commit|version|release|revision)\W{0,4}(?:v?\d+\.\d|[0-9a-f]{7,40}\b)",
    re.IGNORECASE,
)
_LEADERBOARD = re.compile(r"leaderboard", re.IGNORECASE)
_OPEN_LEADERBOARD = frozenset({("arc", "25"), ("hellaswag", "10"), ("mmlu", "5")})
_RELEASED = re.compile(
    r"\blm[-_ ]?eval(?:uation)?(?:[-_ ]harness)?\b|\bevaluation[- ]harness\b|\blighteval\b|\bolmes\b|\bopencompass\b"
    r"|\bbigcode[-_ ]evaluation\b|\bevalplus\b|\bdeepeval\b|\bhelm\b|\balpaca[-_ ]?eval\b|\bllm[- ]?jp[- ]eval\b",
    re.IGNORECASE,
)
"""Harnesses with releases; a leaderboard or MT-Bench has none that a card could state."""
_SAME_VERSION = re.compile(r"\bsame (?:version|release|commit) as\b.{0,60}", re.IGNORECASE)
_SHOTS = re.compile(
    r"\b\d{1,2}[- ]?shots?\b|\b(?:zero|few|five|one)[- ]shot\b|\bnum[_ ]few[_ ]?shot\b|n[-_ ]?shot", re.IGNORECASE
)


@lru_cache(maxsize=1024)
def benchmark_key(name: str) -> str:
    word = re.sub(r"\(.*?\)|\b\d+[- ]shot\b", "", tail(name).lower()[:200])
    return re.sub(r"[^a-z0-9]", "", word)


def scores(spec: Spec) -> list[Claim]:
    """The card's own scores: those that stand in its text or front matter."""
    global _scored
    last = _scored
    if last[0] is not spec:
        found = [c for c in spec.claims if c.kind is ClaimKind.EVAL and c.span.source == spec.source]
        last = _scored = (spec, found)
    return last[1].copy()


_scored: tuple[Spec | None, list[Claim]] = (None, [])
"""The last card's scores: a dozen checks ask for them, one after the other."""


def file_scores(spec: Spec) -> list[Claim]:
    """The scores that stand in files of their own (`.eval_results/*.yaml`), which name no harness and no metric."""
    return [c for c in spec.claims if c.kind is ClaimKind.EVAL and c.span.source != spec.source]


def benchmark_scores(spec: Spec) -> list[Claim]:
    """Claims on benchmarks that need a harness to mean anything."""
    return [c for c in scores(spec) if benchmark_key(c.task) in BENCHMARKS]


def _has(claim: Claim, key: str) -> bool:
    return any(f.key == key and f.known for f in claim.conditions)


@check("R501", "evaluated-at-all", severity=Severity.MEDIUM, confidence=Severity.MEDIUM)
def evaluated_at_all(spec: Spec, evidence: Evidence) -> Iterable[Observation]:
    """The card gives a result

    What: Asks for a score or a validation loss, anywhere in the card.
    Why: A card with training losses alone does not say whether the model does what it is for.
    Fix: Score the model with a public harness, and print task, version, shots and standard error.
    Sources: https://huggingface.co/docs/hub/model-card-annotated#evaluation; Liang et al. 2024, What's documented
    in AI?
    """
    found = scores(spec) or file_scores(spec)
    validation = [c for c in spec.claims if c.kind is ClaimKind.LOSS and c.split != "train"]
    if found or validation:
        return [
            passed(f"The card gives {plural(len(found) + len(validation), 'result')}.", (found or validation)[0].span)
        ]
    headed = where_results_are_told(spec)
    if headed:
        return [unknown("No score could be read; the card speaks of results.", at(spec, headed))]
    if not reads_english(spec):
        return [unknown("No score could be read from a card that is not in English.")]
    if unread := unread_figures(spec):
        return [unknown("A table holds figures that could not be read; they may be results.", at(spec, unread))]
    described = ("base_model", "pipeline_tag", "library_name")
    if not spec.stages and not any(spec.get(key).known for key in described):
        return [absent("The card describes no trained model that could be read.")]
    return [failed("The card gives no score and no validation loss.")]


@check("R502", "harness-stated", severity=Severity.HIGH, confidence=Severity.MEDIUM, asks="score")
def harness_stated(spec: Spec, evidence: Evidence) -> Iterable[Observation]:
    """Benchmark scores name what measured them

    What: Asks benchmark scores for their evaluation harness, in the claim, the section or anywhere in the text.
    Why: Harnesses differ by prompt, filter and metric; one model's MMLU has been reported 15 points apart.
    Fix: Name the harness beside the scores ("lm-eval 0.4.9, mmlu, 5-shot, acc").
    Sources: https://huggingface.co/blog/open-llm-leaderboard-mmlu; lm-evaluation-harness issue 1525; SPIN issue 12;
    olmes issue 27
    """
    claims = benchmark_scores(spec)
    if not claims:
        return [absent("No score on a known benchmark is claimed.")]
    bare = [c for c in claims if not _has(c, "harness")]
    if not bare:
        return [passed(f"All {plural(len(claims), 'score')} name their harness.", claims[0].span)]
    said = search(spec, _HARNESS)
    ids = tuple(c.id for c in bare)
    if said:
        words = f"The card names {said[0].match.group(0)}"
        return [passed(f"{words}, though not beside every score.", said[0].span, bare[0].span, claims=ids)]
    if search(
        spec,
        re.compile(
            r"\bevaluat(?:ed|ion)\b.{0,80}https?://|\breproduc|\b(?:from|in|see) (?:the |our )?paper\b", re.IGNORECASE
        ),
        body_only=True,
    ):
        return [
            unknown("How the scores were measured is described behind a link or in a paper.", bare[0].span, claims=ids)
        ]
    shots = {(benchmark_key(c.task), str(f.value)) for c in claims for f in c.conditions if f.key == "num_fewshot"}
    if shots >= _OPEN_LEADERBOARD:
        return [unknown("The shots are those of the Open LLM Leaderboard; the card does not name it.", bare[0].span)]
    if said := search(spec, _LEADERBOARD, body_only=True):
        return [unknown("A leaderboard is named; which one, and its harness, could not be read.", said[0].span)]
    if tables := search(spec, re.compile(r"\|\s*(?:Tasks?|Groups)\s*\|\s*Version\s*\|"), body_only=True):
        return [
            unknown(
                "The table has the form that lm-eval prints; the card does not name it.", tables[0].span, claims=ids
            )
        ]
    texts = listing([c.task for c in bare])
    return [
        failed(f"{plural(len(bare), 'score')} ({texts}) without a harness.", *(c.span for c in bare[:4]), claims=ids)
    ]


@check("R505", "not-trained-on-the-test", severity=Severity.HIGH, confidence=Severity.MEDIUM, asks="score")
def not_trained_on_the_test(spec: Spec, evidence: Evidence) -> Iterable[Observation]:
    """Benchmarks are not scored on what was trained on

    What: Compares the names of the training data sets with the scored benchmarks, and the splits where they are stated.
    Why: A score on seen questions measures memory.
    Fix: State the training split, and that the test split was held out.
    Sources: https://github.com/allenai/open-instruct/issues/1451; Sainz et al. 2023 (arXiv:2310.18018)
    """
    claims = benchmark_scores(spec)
    if not claims:
        return [absent("No score on a known benchmark is claimed.")]
    used = {benchmark_key(d.repo_id): d for s in spec.stages for d in s.datasets}
    listed = spec.get("datasets")
    names = {benchmark_key(str(v)) for v in (listed.value if isinstance(listed.value, tuple) else ())}
    if not used and not names:
        return [unknown("The training data is not named: nothing to compare with the benchmarks.", claims[0].span)]
    both = [c for c in claims if benchmark_key(c.task) in used or benchmark_key(c.task) in names]
    if not both:
        return [passed("No scored benchmark is named as training data.", claims[0].span)]
    splits = [f for s in spec.stages for f in s.all("dataset_split") if f.known]
    words = f"{listing([c.task for c in both])} is both trained on and scored"
    ids = tuple(c.id for c in both)
    if any(str(f.value).lower().startswith("test") for f in splits):
        return [
            failed(f"{words}, and the stated training split is a test split.", both[0].span, splits[0].span, claims=ids)
        ]
    if splits:
        return [passed(f"{words}; the training split is {splits[0].value}.", both[0].span, splits[0].span, claims=ids)]
    return [unknown(f"{words}: the card would have to say which split each used.", both[0].span, claims=ids)]


@check("R507", "score-left-open", severity=Severity.MEDIUM, asks="score")
def score_left_open(spec: Spec, evidence: Evidence) -> Iterable[Observation]:
    """No announced score is left open

    What: Looks for scores whose place is there and whose value is not ("TBD").
    Why: An empty cell in a comparison reads as if a result existed.
    Fix: Fill in the score, or take the row out.
    Sources: https://huggingface.co/docs/hub/model-card-annotated; Mitchell et al. 2019, Model Cards for Model Reporting
    """
    claims = scores(spec)
    if not claims:
        return [absent("No score is claimed.")]
    opened = [
        c
        for c in claims
        if c.unstated and re.fullmatch(r"(?i)tbd|tba|todo|pending|\?+|coming soon.{0,10}", c.printed.strip())
    ]
    if opened:
        return [
            failed(
                f"Left open: {listing([c.text for c in opened])}.",
                *(c.span for c in opened[:4]),
                claims=tuple(c.id for c in opened),
            )
        ]
    return [passed(f"None of {plural(len(claims), 'score')} is left open.", claims[0].span)]


@check("R508", "harness-version", severity=Severity.LOW, confidence=Severity.MEDIUM, asks="score")
def harness_version(spec: Spec, evidence: Evidence) -> Iterable[Observation]:
    """The harness comes with its version

    What: Where benchmark scores name a harness, asks for its version or commit.
    Why: Tasks change between releases: prompts, filters and the default metric.
    Fix: State the release and the task versions that the harness prints.
    Sources: lm-evaluation-harness issue 2338; lm-evaluation-harness PR 2034
    """
    claims = benchmark_scores(spec)
    named = [c for c in claims if _has(c, "harness")]
    said = search(spec, _HARNESS) if claims else []
    if not claims or not (named or said):
        return [absent("No benchmark score names a harness.")]
    where = next((f.span for c in named for f in c.conditions if f.key == "harness" and f.span), None)
    where = where or (said[0].span if said else named[0].span)
    if any(_has(c, "harness_version") for c in claims):
        return [passed("The harness is stated with a version.", where)]
    if hits := search(spec, _HARNESS_VERSION):
        return [passed(f"The harness is stated with a version ({hits[0].match.group(0).strip()[:60]}).", hits[0].span)]
    if search(spec, re.compile(r"leaderboard/(?:results|details)|results_20\d\d", re.IGNORECASE)):
        return [unknown("The scores link to a leaderboard's result files, which record the version.", where)]
    if hits := search(spec, _SAME_VERSION, body_only=True):
        return [unknown(f'The version is told by another\'s ("{hits[0].match.group(0)[:80]}").', hits[0].span)]
    released = [h for h in search(spec, _RELEASED) if "leaderboard" not in h.line.lower()]
    if not released:
        return [unknown("What is named has no releases of its own; its date or its judge would tell.", where)]
    return [failed(f"{released[0].match.group(0)} is named without a version.", released[0].span)]


@check("R509", "shots-stated", severity=Severity.LOW, confidence=Severity.MEDIUM, asks="score")
def shots_stated(spec: Spec, evidence: Evidence) -> Iterable[Observation]:
    """Benchmark scores say how many examples the prompt held

    What: Asks scores on benchmarks that are commonly run with examples for the number of shots.
    Why: The same task with 0 and with 5 examples differs by several points, and by more for base models.
    Fix: Print the number of shots beside each score.
    Sources: https://huggingface.co/docs/leaderboards/open_llm_leaderboard/about; lm-evaluation-harness issue 1525
    """
    claims = [c for c in benchmark_scores(spec) if benchmark_key(c.task) not in WITHOUT_SHOTS]
    if not claims:
        return [absent("No score on a benchmark with examples in the prompt is claimed.")]
    bare = [c for c in claims if not _has(c, "num_fewshot")]
    if not bare:
        return [passed("Every score states its shots.", claims[0].span)]
    end = front_matter_end(spec)
    hits = search(spec, _SHOTS)
    if len(bare) < len(claims) or hits:
        inside = [h for h in hits if h.span.line > end] or hits
        return [passed("Shots are stated, though not beside every score.", inside[0].span if inside else bare[0].span)]
    if search(spec, re.compile(r"open[- _]?llm[- _]?leaderboard", re.IGNORECASE)):
        return [unknown("The leaderboard that is named fixes the shots; the card does not print them.", bare[0].span)]
    texts = listing([c.task for c in bare])
    return [failed(f"{plural(len(bare), 'score')} ({texts}) without the number of shots.", *(c.span for c in bare[:3]))]
