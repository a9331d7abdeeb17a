"""The words of score tables: benchmarks, metrics and shots in a label, and a printed score as a number."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import NamedTuple

from repro.card import Span
from repro.number import Number
from repro.read.names import TRAINING, term
from repro.read.values import fold, number
from repro.spec import AnyFact, Fact, Origin

_BENCHMARKS = (
    "mmlu|mmlu pro|mmlu redux|arc|arc c|arc e|arc easy|arc challenge|hella ?swag|truthful ?qa|wino ?grande|"
    "gsm ?8k|gsm|math|math 500|math lvl 5|bbh|big bench(?: hard)?|drop|human ?eval|mbpp|if ?eval|gpqa|musr|"
    "alpaca ?eval|mt bench|arena hard|piqa|boolq|open ?book ?qa|obqa|siqa|social iqa|commonsense ?qa|csqa|"
    "trivia ?qa|natural questions|nq|agi ?eval|c ?eval|cmmlu|ceval|gaokao|squad|glue|sst ?2|mnli|qnli|qqp|rte|"
    "cola|mrpc|sts ?b|stsb|super ?glue|xnli|race|lambada|tydi ?qa|codex eval|eval ?plus|live ?code ?bench|"
    "swe bench|aime|pop ?qa|toxi ?gen|bfcl|wikitext|long ?bench|ruler|mgsm|mteb|beir|conll(?: ?20\\d\\d)?|xquad|"
    "belebele|ai2 reasoning challenge|gpt4all|ethics|copa|wsc|wic|multirc|record|sciq|logiqa|hendrycks|aqua|"
    "winogender|crows pairs|bbq|flores|wmt|jglue|jcommonsenseqa|kobest|kmmlu|haerae|tmmlu|thai exam|vmlu|imdb|"
    "ag ?news|common ?voice|libri ?speech|fleurs|docvqa|mmmu|mathvista|textvqa"
)
BENCHMARK = re.compile(rf"\b(?:{_BENCHMARKS})\b")
"""A public benchmark's name, in folded text."""
_METRICS = (
    "accuracy|acc|acc norm|exact match|em|f1|f1 score|precision|recall|bleu|sacrebleu|rouge ?[\\w]*|"
    "perplexity|ppl|wer|cer|map|mrr|auc|auroc|reward accuracy|preference accuracy|win rate|"
    "(?:macro|micro|weighted|binary)(?: avg)? (?:f1|precision|recall)(?: score)?|f1 (?:macro|micro|weighted)|"
    "mse|rmse|mae|r2|mcc|matthews correlation|pearson|pearsonr|spearman|spearmanr|chrf|chrf \\d|meteor|"
    "bertscore|pass \\d+|top 1|top 5|top 1 accuracy|top 5 accuracy|stoi|sar|sdr|sir|si snr|pesq|uas|las|ter|"
    "cider|spice|bleurt|comet|chr f|chrf2?|f score|f measure|bleu \\d|exact|validation accuracy|"
    "(?:cosine|euclidean|manhattan|dot) (?:pearson|spearman)|"
    "eval accuracy|micro avg f1|macro avg f1|r squared|kappa|hits \\d+|recall \\d+|precision \\d+|map \\d+|"
    "mrr \\d+|ap|map50|accuracy top \\d|las f1|roc auc|pr auc|log loss|f beta|gen len|psnr|ssim|psnr ssim|"
    "ndcg(?: \\d+)?|iou|miou|dice|eer|der|bpb|bits per byte|balanced accuracy|test accuracy|sensitivity|"
    "specificity|准确率|精确率|召回率|exactitud|précision|정확도|正解率"
)
PLAIN_METRIC = re.compile(
    rf"^(?:(?:test|overall|eval|evaluation|predict|validation|val|dev|hasans|noans|best) )?(?:{_METRICS})(?: scores?)?$"
)
"""The whole of a folded label is a metric's name."""
_METRIC_WORD = re.compile(rf"\b(?:{_METRICS}|score|avg|mean|mc[12])\b")
_METRIC_NAMES = (
    "accuracy", "acc norm", "acc", "exact match", "f1", "pass 10", "pass 1", "win rate", "bleu", "rouge", "perplexity",
    "wer",
)  # fmt: skip
_NO_SCORE = re.compile(
    r"\b(?:size|params?|parameters?|context|date|licen[cs]e|steps?|samples?|rows|tokens|time|latency|memory|v?ram|"
    r"throughput|speed|epochs?|learning rate|batch|gpus?|cost|price|downloads|vocab\w*|layers|heads|support|threshold|"
    r"rank|examples|sec|seconds|loss|lr|stderr|std|change|delta|diff\w*|improvement|version|hours?|runtime|count|"
    r"n shots?|shots?|file|quant\w*|bits|links?|url|notes?|comments?|description|type|backbone|length|len|seed|"
    r"cutoff|human|random|majority|released?|year|flops|flos|thresh|dim\w*|per second|tok s)\b|^(?:\w+ )?total$"
)
_MEASURED = re.compile(r"\b(?:runtime|per second|samples|steps|flos|loss|epoch|memory|total|thresh)\b|^train ")
"""What a trainer's file of results holds beside the scores."""
_SHOTS_IN_LABEL = re.compile(
    r"(?i)[\s,]*\(?\b(\d{1,3})[- ]?shots?\b\)?|[\s,]*\((\d{1,3})(?:[- ]s)?\)[\s⬆⬇↑↓\ufe0f]*$"
    r"|[\s,]*\(?\b(zero|one|few)[- ]?shot\b\)?"
)
_WORD_SHOTS = {"zero": 0, "one": 1}
_MARKS = "⬆⬇↑↓▲▼🥇🥈🥉🏆✅⭐🔥★☆\ufe0f"
_DECORATION = re.compile(rf"[\s{_MARKS}*_`~]+")
_DECORATED = re.compile(rf"[{_MARKS}*`~]")
_FOOTNOTE = re.compile(r"(?<=[\d%])\s*(?:[*†‡§¶#^°]+|\[\^?\w{1,3}\]|<sup>[^<>]{0,10}</sup>)+$")
_RAISED_NOTE = re.compile(r"(\d\.\d+%?)[⁰¹²³⁴⁵⁶⁷⁸⁹]{1,2}$")
_ERROR = re.compile(r"^(?P<value>[^±]{1,40}?)\s*\(?\s*(?:±|\+\s?/\s?-|\+-)\s*(?P<error>[\d.,]{1,12}\s?%?)\s*\)?$")
_OUT_OF = re.compile(r"^(?P<value>\d{1,3}(?:[.,]\d{1,6})?)\s*/\s*(?P<top>5|10|100)(?:\.0)?$")
_BRACKETED = re.compile(r"^(?P<value>[-+\d.,%\s]{1,20}?)\s*\[[^\[\]]{1,40}\]$")
_DECIMAL_COMMA = re.compile(r"^[-+]?\d{1,2},\d{3}$")


class Printed(NamedTuple):
    """A score as a number, and the standard error printed beside it."""

    number: Number | None
    error: str = ""


def score_number(text: str) -> Printed:
    """The number that a score's text is, without marks: 65.2*, **65.2** 🏆, 65.2 ± 0.3, 7.3/10; None if unsure."""
    bare = text.strip()
    if not bare or len(bare) > 120:
        return Printed(None)
    if bare.isascii() and bare.replace(".", "", 1).isdecimal():
        return Printed(number(bare))
    bare = bare.strip(_MARKS + " *_`~")
    for pattern in (_FOOTNOTE, _RAISED_NOTE):
        bare = pattern.sub(r"\1" if pattern is _RAISED_NOTE else "", bare).strip()
    error = ""
    if match := _ERROR.match(bare):
        bare, error = match["value"].strip(" *_"), match["error"].strip()
    elif match := _OUT_OF.match(bare) or _BRACKETED.match(bare):
        bare = match["value"].strip()
    if bare[-1:] in ("k", "K", "M", "B", "T"):
        return Printed(None)  # a count
    if _DECIMAL_COMMA.match(bare) and not bare.lstrip("-+").startswith("0"):
        return Printed(None)  # 9,123 is nine or nine thousand
    read = number(bare)
    if read is None or read.unit not in ("", "%"):
        return Printed(None)
    return Printed(replace(read, printed=text.strip()) if read.printed != text.strip() else read, error)


def is_benchmark(label: str) -> bool:
    """Whether a label names a benchmark that many use."""
    return BENCHMARK.search(fold(label)) is not None


def counts_something_else(label: str) -> bool:
    """Whether a label is of a size, a time, a parameter or the like, not of a score."""
    folded = (fold(re.sub(r"\([^()]*\)", " ", label)) if "(" in label else "") or fold(label)
    if ("_" in label and not _MEASURED.search(folded)) or PLAIN_METRIC.match(folded) or BENCHMARK.search(folded):
        return False  # a harness's name for a task, a metric, a benchmark
    known = term(label)
    return (known is not None and known[0] in TRAINING) or _NO_SCORE.search(folded) is not None


def metric_name(head: str) -> str:
    """The metric that a column's folded head names, or "score"."""
    return next((name.replace(" ", "_") for name in _METRIC_NAMES if name in head), "score")


def bare_label(label: str) -> str:
    """A label without arrows and emphasis: "Average ⬆️" is "Average"."""
    return _DECORATION.sub(" ", label).strip() if _DECORATED.search(label) else label.strip()


def metric_in(label: str) -> tuple[str, str]:
    """A task's label without the metric that it bears in brackets, and that metric: "MT-Bench (score)"."""
    if "(" not in label:
        return label, ""
    match = re.search(r"\s*\(([^()]{1,40})\)\s*$", label)
    if match is None or not label[: match.start()].strip() or not _METRIC_WORD.search(fold(match.group(1))):
        return label, ""
    return label[: match.start()].strip(), match.group(1).strip()


def task_and_metric(label: str) -> tuple[str, str]:
    """A column's head as the benchmark and the metric that it ends with: "ImageNet top-1 accuracy"; else itself."""
    words = label.split() if "(" not in label else []
    if len(words) > 1 and "/" in words[-1] and all(PLAIN_METRIC.match(fold(part)) for part in words[-1].split("/")):
        return " ".join(words[:-1]).rstrip(":,- "), words[-1]
    for size in (3, 2, 1):
        if len(words) > size and PLAIN_METRIC.match(fold(" ".join(words[-size:]))):
            return " ".join(words[:-size]).rstrip(":,- "), " ".join(words[-size:])
    return label, ""


def without_shots(name: str, span: Span) -> tuple[str, tuple[AnyFact, ...]]:
    """A task's name without the number of shots that it may bear, and that number as a condition."""
    match = _SHOTS_IN_LABEL.search(name)
    if match is None or not (name[: match.start()] + name[match.end() :]).strip():
        return name, ()
    printed = match.group(0).strip(" ,⬆⬇↑↓\ufe0f")
    bare = (name[: match.start()] + name[match.end() :]).strip(" ,")
    word = (match.group(3) or "").lower()
    if word and word not in _WORD_SHOTS:
        return bare, ()
    count = _WORD_SHOTS[word] if word else int(match.group(1) or match.group(2))
    return bare, (Fact("num_fewshot", count, Origin.STATED, printed, span),)
