"""R5, continued: what stands beside a score so that it can be measured again."""

from __future__ import annotations

import re
from collections.abc import Iterable

from repro.check.evals import BENCHMARKS, benchmark_scores, file_scores, scores
from repro.check.evals import benchmark_key as key_of
from repro.check.outcomes import absent, failed, listing, passed, plural, unknown
from repro.check.wording import PipeTable, at, lines_of, pipe_tables, says, search
from repro.evidence import Evidence
from repro.finding import Observation, Persona, Severity, check
from repro.spec import Claim, Spec

GENERATIVE = frozenset(["gsm8k", "math", "humaneval", "mbpp", "bbh", "bigbenchhard", "triviaqa", "drop", "popqa"])
"""Benchmarks scored on text that the model writes."""
TWO_METRICS = frozenset(
    ["arc", "arcchallenge", "arceasy", "ai2arc", "hellaswag", "piqa", "openbookqa", "gsm8k", "truthfulqa"]
)
"""Benchmarks for which harnesses print two figures (acc and acc_norm, strict and flexible match, mc1 and mc2)."""
_DECODED = re.compile(
    r"\bgreedy\b|\bpass@\d|\bmaj@\d|\bbeam|\bself-consistency|\btemperature\b|\bdo_sample\b|\bsampl(?:ed|ing)\b",
    re.IGNORECASE,
)
_METRIC = re.compile(
    r"\bacc(?:uracy)?(?:_norm|_stderr)?\b|\bexact[- _]?match\b|\bmc[12]\b|\bnormali[sz]ed\b|\bpass@\d|\bem\b|\bf1\b",
    re.IGNORECASE,
)
_OTHERS = re.compile(
    r"leaderboard\b|\breport(?:ed|s)\b|\bpapers?\b|\btaken from\b|\bwe (?:re-?)?(?:evaluat|ran|run|measur|test)\w*"
    r"|\bevaluated (?:by|with|using|on|all)\b|\bour (?:own )?(?:evaluation|setup|harness)\b"
    r"|\bsame (?:setup|settings|harness)\b"
    r"|\bharness\b|\bofficial\b|\barxiv\b",
    re.IGNORECASE,
)
_ERROR = re.compile(
    r"±|\+/-|\bstderr\b|\bstandard (?:error|deviation)\b|\bconfidence interval\b|\bstd\b", re.IGNORECASE
)
_TASK_VERSION = re.compile(r"\|\s*version\s*\||\btask[- ]version\b|\bleaderboard[_ ]?v?2\b|\bv\d\.\d\b", re.IGNORECASE)
_PICTURE = re.compile(r"!\[|<img\b", re.IGNORECASE)
_RESULTS_HEADING = re.compile(
    r"#{1,6}\s.{0,40}\b(?:results?|evaluations?|benchmarks?|performance|scores)\b", re.IGNORECASE
)
_STEPS = re.compile(r"\bepochs?\b|\bsteps?\b|\bloss\b|\biter", re.IGNORECASE)
_HARNESS_COLUMN = re.compile(r"(?:versions?|metrics?|values?|stderr|n-shot|filter|shots?)$", re.IGNORECASE)
_FIGURE = re.compile(r"-?\d+(?:\.\d+)?%?$")


def _benchmarks(claims: list[Claim]) -> str:
    """How many benchmarks: front matter and text often give the same score twice."""
    return plural(len({key_of(c.task) for c in claims}), "benchmark")


def _ids(claims: list[Claim]) -> tuple[str, ...]:
    return tuple(c.id for c in claims)


@check("R530", "results-as-text", severity=Severity.LOW, confidence=Severity.MEDIUM)
def results_as_text(spec: Spec, evidence: Evidence) -> Iterable[Observation]:
    """Results are text, not only pictures

    What: Looks for a section of results that holds pictures, in a card without any score as text.
    Why: Nobody can search, compare or check a number in a picture, and a screen reader does not read it.
    Fix: Put the numbers into a table or into `model-index`, beside the picture.
    Sources: https://huggingface.co/docs/hub/model-cards#evaluation-results; Mitchell et al. 2019, Model Cards for
    Model Reporting
    """
    if "![" not in spec.text and "<img" not in spec.text:
        return [absent("The card has no pictures.")]
    if found := scores(spec) or file_scores(spec):
        return [passed(f"{plural(len(found), 'score')} as text.", found[0].span)]
    inside, heading = False, 0
    picture = None
    for number, line in lines_of(spec, body_only=True):
        if line.startswith("#"):
            inside, heading = _RESULTS_HEADING.match(line) is not None, number
        elif inside and _PICTURE.search(line) and picture is None:
            picture = (heading, number)
        elif inside and any(c.isdigit() for c in re.sub(r"\([^()]*\)|https?:\S+", "", line[:1000])):
            return [unknown("The section of results has numbers that could not be read as scores.", at(spec, number))]
    if picture is None:
        return [absent("No section of results holds a picture.")]
    return [failed("The results are shown as pictures only.", at(spec, picture[0]), at(spec, picture[1]))]


@check("R531", "metric-named", severity=Severity.LOW, confidence=Severity.MEDIUM, asks="score")
def metric_named(spec: Spec, evidence: Evidence) -> Iterable[Observation]:
    """A score says which of a benchmark's metrics it is

    What: Asks scores on benchmarks with two usual metrics (accuracy and normalised accuracy, strict and flexible
    match) which of them was taken.
    Why: On ARC and HellaSwag the two differ by up to 20 points for one model and one run.
    Fix: Print the metric beside the task ("hellaswag, acc_norm").
    Sources: lm-evaluation-harness issue 1525; https://huggingface.co/docs/leaderboards/open_llm_leaderboard/about;
    https://blog.eleuther.ai/multiple-choice-normalization/
    """
    claims = [c for c in benchmark_scores(spec) if key_of(c.task) in TWO_METRICS]
    if not claims:
        return [absent("No score on a benchmark with two usual metrics.")]
    bare = [c for c in claims if not _METRIC.search(c.metric.replace("_", " ")) and "acc" not in c.metric.lower()]
    if not bare:
        return [passed(f"{plural(len(claims), 'score')} with the metric.", claims[0].span)]
    if says(spec, "leaderboard", "olmes"):
        return [unknown("The leaderboard that is named fixes the metric; the card does not print it.", bare[0].span)]
    if hits := search(spec, _METRIC, body_only=True):
        return [passed("The metric is named, though not beside every score.", hits[0].span)]
    texts = listing([c.task for c in bare])
    return [failed(f"{texts}: which metric is meant is not said.", *(c.span for c in bare[:3]), claims=_ids(bare))]


@check("R532", "decoding-stated", severity=Severity.LOW, confidence=Severity.MEDIUM, asks="score")
def decoding_stated(spec: Spec, evidence: Evidence) -> Iterable[Observation]:
    """Scores of written answers say how they were decoded

    What: Asks scores on benchmarks where the model writes its answer whether decoding was greedy or sampled.
    Why: Sampling, the token limit and the stop strings move such scores by points; without them they cannot be
    measured again.
    Fix: State "greedy" or the temperature, the token limit and the stop strings, or the harness with its version.
    Sources: lm-evaluation-harness issue 1799; lm-evaluation-harness PR 2797
    """
    claims = [c for c in benchmark_scores(spec) if key_of(c.task) in GENERATIVE]
    if not claims:
        return [absent("No score on a benchmark of written answers.")]
    code = [(b.span.line, b.span.end_line) for b in spec.code if b.role in {"usage", "serving"}]
    hits = [h for h in search(spec, _DECODED) if not any(a <= h.span.line <= b for a, b in code)]
    if hits:
        return [passed(f'Decoding is told ("{hits[0].match.group(0)}").', hits[0].span)]
    if any(f.key in {"harness", "harness_version"} and f.known for c in claims for f in c.conditions) or says(
        spec, "harness", "lm_eval", "lighteval", "leaderboard", "opencompass", "evalplus"
    ):
        return [unknown("Not stated; the harness that is named has a default for each task.", claims[0].span)]
    texts = listing([c.task for c in claims])
    return [failed(f"{texts}: greedy or sampled is not said.", *(c.span for c in claims[:3]), claims=_ids(claims))]


@check("R533", "task-version-stated", severity=Severity.INFO, persona=Persona.AUDITOR, asks="score")
def task_version_stated(spec: Spec, evidence: Evidence) -> Iterable[Observation]:
    """Benchmark scores come with the version of the task

    What: Looks for the task versions that harnesses print, beside benchmark scores.
    Why: A task's prompt and filter change under one name; its version is what tells two apart.
    Fix: Paste the harness's table as it prints it, with its Version column.
    Sources: lm-evaluation-harness issue 2338; https://github.com/EleutherAI/lm-evaluation-harness/blob/main/docs/new_task_guide.md
    """
    claims = [
        c for c in benchmark_scores(spec) if key_of(c.task) not in {"mtbench", "alpacaeval"}
    ]  # R508 asks of these
    if not claims:
        return [absent("No score on a known benchmark whose tasks have versions.")]
    if any(f.key == "task_version" and f.known for c in claims for f in c.conditions):
        return [passed("Task versions are stated.", claims[0].span)]
    if hits := search(spec, _TASK_VERSION, body_only=True):
        return [passed("Task versions are stated.", hits[0].span)]
    if says(spec, "leaderboard"):
        return [unknown("The leaderboard that is named fixes the version; the card does not print it.", claims[0].span)]
    return [failed(f"{_benchmarks(claims)} scored without the version of the task.", claims[0].span)]


@check(
    "R534",
    "others-numbers-sourced",
    severity=Severity.LOW,
    confidence=Severity.LOW,
    persona=Persona.AUDITOR,
    asks="table",
)
def others_numbers_sourced(spec: Spec, evidence: Evidence) -> Iterable[Observation]:
    """A comparison says where the other models' numbers come from

    What: Where a table of benchmark scores has a column or a row for several models, asks whether the text says who
    measured them.
    Why: Numbers of two harnesses in one table compare the harnesses.
    Fix: Say of each column whether you measured it with your harness, or from which paper it was taken.
    Sources: SPIN issue 12; olmes issue 27; lm-evaluation-harness issue 1525
    """
    for table in pipe_tables(spec) if says(spec, *BENCHMARKS) else ():
        tasks = [h for h in table.header if key_of(h) in BENCHMARKS]
        rows = [r for r in table.rows if r and key_of(r[0]) in BENCHMARKS]
        models = len(table.rows) if len(tasks) >= 2 else len(table.header) - 1 if len(rows) >= 2 else 0
        if models < 3 or any(_HARNESS_COLUMN.match(h) for h in table.header):
            continue
        if len(tasks) >= 2 and len({_family(r) for r in table.rows}) == 1:
            continue
        span = at(spec, table.header_line)
        if hits := search(spec, _OTHERS, body_only=True):
            return [passed("The text says how the numbers came about.", span, hits[0].span)]
        return [failed(f"A comparison of {models} models; who measured them is not said.", span)]
    return [absent("No table compares models on known benchmarks.")]


def _family(row: tuple[str, ...]) -> str:
    """The first word of a row's model: versions of one model are compared with each other by whoever made them."""
    return next(iter(re.findall(r"[a-z]+", row[0].casefold())), "") if row else ""


@check("R535", "rows-once", severity=Severity.MEDIUM, confidence=Severity.MEDIUM, asks="table")
def rows_once(spec: Spec, evidence: Evidence) -> Iterable[Observation]:
    """No row of results stands twice with different numbers

    What: Looks in each table for two rows with one name and different numbers, and for rows that are wholly the same.
    Why: One of the two is of another model, another setting or an older run.
    Fix: Take out the row that is left over, or name what tells the two apart.
    Sources: lm-evaluation-harness issue 1896; SimPO issue 37
    """
    found, looked = [], 0
    for table in pipe_tables(spec):
        if len(table.header) < 2 or not 2 <= len(table.rows) <= 2000 or _is_log(table):
            continue
        seen: dict[tuple[str, ...], tuple[int, tuple[str, ...]]] = {}
        repeated = 0
        kept = []
        for number, row in zip(table.lines, table.rows, strict=True):
            words = tuple("" if _FIGURE.match(cell) else cell.casefold() for cell in row)
            figures = tuple(cell for cell in row if _FIGURE.match(cell))
            if not words[0] or sum("." in f for f in figures) < 1:
                continue
            looked += 1
            if words in seen:
                repeated += 1
                kept.append((number, row[0], seen[words][0], figures == seen[words][1]))
            seen.setdefault(words, (number, figures))
        # where many names come twice, the table has groups that its rows do not repeat
        if repeated and repeated <= max(1, len(seen) // 4):
            for number, name, first, same in kept:
                how = "the same numbers" if same else "other numbers"
                found.append(failed(f"{name[:60]} stands twice, with {how}.", at(spec, first), at(spec, number)))
        elif repeated:
            found.append(unknown("Names stand several times; groups may tell them apart.", at(spec, kept[0][0])))
    if found:
        return found[:4]
    return [passed("Every row of results stands once.")] if looked else [absent("No table with named rows of figures.")]


def _is_log(table: PipeTable) -> bool:
    """Whether the rows are a training's steps, which their numbers tell apart."""
    return any(_STEPS.search(cell) for cell in table.header) or any(r[:1] == ("No log",) for r in table.rows)


@check("R536", "error-stated", severity=Severity.INFO, persona=Persona.AUDITOR, asks="score")
def error_stated(spec: Spec, evidence: Evidence) -> Iterable[Observation]:
    """Scores come with their error

    What: Looks for standard errors, intervals or several seeds beside benchmark scores.
    Why: On 1,319 questions a score of 60% has a standard error of 1.3 points: smaller differences say nothing.
    Fix: Print the standard error that the harness gives.
    Sources: Miller 2024, Adding Error Bars to Evals (arXiv:2411.00640); Dodge et al. 2020 (arXiv:2002.06305)
    """
    claims = [c for c in benchmark_scores(spec) if key_of(c.task) != "mtbench"]
    if not claims:
        return [absent("No score on a benchmark whose harness prints errors.")]
    if hits := search(spec, _ERROR):
        return [passed(f'Errors are stated ("{hits[0].match.group(0)}").', hits[0].span)]
    return [failed(f"{_benchmarks(claims)} scored without a standard error.", claims[0].span)]


@check("R537", "score-in-range", severity=Severity.HIGH, asks="score")
def score_in_range(spec: Spec, evidence: Evidence) -> Iterable[Observation]:
    """A share lies between 0 and 1, or between 0 and 100

    What: Looks at scores whose metric is a share (accuracy, F1, exact match, precision, recall) for values below 0 or
    above 100.
    Why: No run prints such a value: digits were lost, or the column is another metric's.
    Fix: Copy the value again from the run's output.
    Sources: https://huggingface.co/docs/evaluate/types_of_evaluations; https://scikit-learn.org/stable/modules/model_evaluation.html
    """
    claims = [c for c in scores(spec) if re.sub(r"[^a-z0-9]", "", c.metric.lower()) in _SHARES and c.number is not None]
    if not claims:
        return [absent("No score that is a share.")]
    wrong = [c for c in claims if c.number is not None and not -0.5 < c.number.value <= 100.5]
    if wrong:
        return [failed(f"{c.text[:80]}: {c.printed} is no share.", c.span, claims=(c.id,)) for c in wrong[:4]]
    return [passed(f"{plural(len(claims), 'share')} between 0 and 100.", claims[0].span)]


_SHARES = frozenset(["accuracy", "acc", "accnorm", "f1", "exactmatch", "precision", "recall", "f1score", "macrof1"])
