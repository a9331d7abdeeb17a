"""Scores in lists and sentences: a trainer's bullets, "MMLU (5-shot): 65.2%", "achieves 84.3 on GSM8K"."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from repro.card import Block, BlockKind, Span
from repro.read.document import REPO_ID, Document
from repro.read.score_words import (
    BENCHMARK,
    PLAIN_METRIC,
    bare_label,
    counts_something_else,
    metric_in,
    score_number,
    without_shots,
)
from repro.read.statement import Reading, Result
from repro.read.values import fold, left_open, number
from repro.spec import Fact, Origin

ABOUT = re.compile(
    r"(?i)\b(?:eval\w*|benchmarks?|results?|performance|scores?|leaderboard|metrics|accuracy)\b|评测|评估|性能|結果|评价|評価|평가|성능|"
    r"évaluation|résultats|evaluaci[oó]n|resultados|đánh giá|ผลการ"
)
_DICTIONARY = re.compile(r"['\"]([A-Za-z][\w@ -]{0,40})['\"]\s*:\s*(-?\d+(?:\.\d+)?(?:[eE]-?\d+)?)(?=\s*[,}])")
_ITEM = re.compile(r"^(?P<label>[^:：=\n]{1,70}?)\s*(?::|：|=|\s[–—-]\s)\s*(?P<value>\S.{0,80})$")
_MAYBE = re.compile(r"(?:[:：=–—]|\s-\s).*\d")
_LOSSES = frozenset(("loss", "eval_loss", "validation_loss", "train_loss"))
_PLAINLY = re.compile(
    r"^(?:(?:test|eval|validation|dev) )?(?:wer|cer|bleu|sacrebleu|rouge ?\w*|accuracy|f1(?: score)?)$"
)
"""Metrics that need no heading to say what they are."""
_REMARK = re.compile(r"\s*\((?P<remark>[A-Za-z][^()]{1,60})\)$")
_ASIDE = re.compile(r"(?i),|\b(?:as|because|since|useless|should|but|which|using|note)\b")
_OF_DATA = re.compile(r"(?i)\bthe (?:data ?set(?:'s)?|test (?:set|split)) (?:test |dev |validation )?(?:set|split)\b")
"""Words before a list of figures that say that they are of the data set that the card is about."""
_SUBJECT = (
    r"(?:\bit|\bthis (?:model|checkpoint|version|adapter)|\bthe (?:final |resulting |fine-?tuned )?model|"
    r"\bour model|\bwe)"
)
_VERB = r"(?:achiev(?:es?|ed|ing)|scor(?:es?|ed)|reach(?:es|ed)?|obtain(?:s|ed)?|attain(?:s|ed)?|gets?|got)"
_OF_VERBS = ("ach", "cor", "obta", "atta", "get", "got")
"""Of each of these verbs a part that every spelling has."""
_FIGURE = re.compile(r"\d")
_CLAIMED = re.compile(rf"(?i){_SUBJECT}\b(?P<between>[^.;:]{{0,60}}?)\b{_VERB}\b(?P<rest>[^;:\n]{{3,400}})")
_ON = re.compile(
    r"(?i)(?:(?P<metric>[A-Za-z][\w@ -]{0,30}?)\s+(?:score\s+)?of\s+)?(?<![\w.])(?P<value>\d{1,3}(?:\.\d{1,6})?\s?%?)"
    r"(?:\s+(?P<after>[A-Za-z][\w@-]{0,20}(?:\s(?:score|match|rate|accuracy))?))?\s+(?:on|for|in)\s+(?:the\s+)?"
    r"(?P<task>[A-Za-z][\w.+-]*(?:[ -](?!and\b|with\b|in\b|on\b|while\b|test\b|dev\b|using\b|compared\b)[\w.+-]+){0,3})"
)
_COMPARISON = re.compile(r"(?i)\b(?:base ?line|base model|compar\w+|original model|vs\.?|previous)\b")
_COMPARISON_OR_DATA = re.compile(rf"{_COMPARISON.pattern}|\b(?:training data|mixture|data ?sets?|composition)\b")
_COMPARED = re.compile(
    r"(?i)\b(?:compared|versus|vs|than|over|whereas|while|baseline|base model|outperform\w*|from|would|could|should|"
    r"up to|at least|more|less|higher|lower|improve\w*|not)\b"
)


def about_scores(doc: Document, index: int) -> bool:
    """Whether the headings above a block or the text right before it speak of scores."""
    texts = (*doc.path(doc.blocks[index])[:2], doc.introduction(index), _bold_above(doc, index))
    return any(map(_tells_of_scores, texts))


def _bold_above(doc: Document, index: int) -> str:
    """The line in bold that stands as a heading above a block: "**Evaluation**"."""
    path = doc.blocks[index].heading_path
    for block in reversed(doc.blocks[max(0, index - 6) : index]):
        if block.heading_path != path:
            return ""
        if block.kind is BlockKind.PARAGRAPH and len(block.text) < 60:
            line = doc.lines[block.span.line - 1].strip()
            if line[:2] in ("**", "__") and line.rstrip(":")[-2:] == line[:2]:
                return block.text
    return ""


@lru_cache(maxsize=2048)
def _tells_of_scores(text: str) -> bool:
    return ABOUT.search(text) is not None


def trainer_bullets(doc: Document, index: int, which: str, several: bool = False) -> Iterator[Result | Reading]:
    """The figures that generated cards list for the end of training: "- Loss: 0.3649".

    `several` says that the card has such a list under more than one heading: then the heading tells them apart.
    """
    split = "test" if which == "test" else "validation"
    heading = next(iter(doc.path(doc.blocks[index])), "") if several else ""
    task = f"{heading}, {which} set" if heading else f"{which} set"
    epoch = _epoch_of_list(doc, index)
    for block in doc.blocks[index + 1 : index + 61]:
        if block.kind is not BlockKind.LIST_ITEM:
            return
        label, colon, printed = block.text.partition(":")
        printed = printed.strip()
        if not colon:
            continue
        if printed.startswith("{") and len(printed) < 2000:
            for key, figure in _DICTIONARY.findall(printed):
                place = doc.locate(block.span, figure)
                yield Result(task, fold(key).replace(" ", "_"), figure, place, number(figure), split=split)
            continue
        read = number(printed)
        if read is None and not left_open(printed):
            continue
        span = doc.locate(block.span, printed)
        name = fold(label).replace(" ", "_")
        if name in _LOSSES:
            if printed.lower() in ("na", "n/a"):
                continue  # not announced for later: there is none
            metric, of = ("loss", "train") if name == "train_loss" else ("eval_loss", "validation")
            why = "" if read else "left open on the card"
            yield Reading(metric, printed, span, read, epoch=epoch, split=of, why=why)
        elif read is not None and not counts_something_else(label):
            yield Result(task, name, printed, span, read, split=split)


def _epoch_of_list(doc: Document, index: int) -> float | None:
    """The epoch that Keras' callback lists beside its last losses ("Train Loss", "Epoch")."""
    read = None
    of_keras = False
    for block in doc.blocks[index + 1 : index + 61]:
        if block.kind is not BlockKind.LIST_ITEM:
            break
        of_keras = of_keras or block.text.startswith("Train Loss:")
        if block.text.startswith("Epoch:"):
            read = number(block.text[6:].strip())
    return read.value if of_keras and read is not None else None


@lru_cache(maxsize=2048)
def _label(label: str) -> tuple[str, bool, bool]:
    """A label without what stands in brackets, folded; whether it names a benchmark; whether it is a metric."""
    folded = fold(re.sub(r"\([^()]*\)", " ", label) if "(" in label else label)
    return folded, BENCHMARK.search(folded) is not None, PLAIN_METRIC.match(folded) is not None


def list_result(doc: Document, index: int) -> Iterator[Result]:
    """The score that a list item or a short paragraph is: a benchmark, or in a section of results a metric."""
    block = doc.blocks[index]
    match = _ITEM.match(block.text) if len(block.text) < 160 and _MAYBE.search(block.text) else None
    if match is None:
        return
    label = bare_label(match["label"]).strip(" -|")
    folded, benchmark, measure = _label(label)
    words = {"average", "avg", "overall", "total", "mean"}
    if not benchmark and not measure and folded not in words:
        return
    about = about_scores(doc, index)
    plainly = _PLAINLY.match(folded) is not None
    if not (benchmark or plainly or (about and (measure or folded in words))) or len(folded.split()) > 6:
        return
    printed = match["value"].strip().rstrip(".,;")
    remark = _REMARK.search(printed) if measure else None
    printed = printed[: remark.start()] if remark else printed
    read = score_number(printed)
    if read.number is None or (benchmark and not about and not _may_be_score(printed)):
        return
    if counts_something_else(label) or REPO_ID.search(label) or not this_models(doc, index):
        return
    parent = _parent(doc, index)
    if measure and parent is not None and not BENCHMARK.search(fold(parent.text)):
        parent = None
    task, metric = (label, "score") if not measure else (parent.text.rstrip(": ") if parent else "evaluation", label)
    if remark and task == "evaluation" and not _ASIDE.search(remark["remark"]):
        task = remark["remark"]
    task, named = metric_in(task)
    if task == "evaluation" and (data := _only_data(doc)) and _OF_DATA.search(doc.introduction(index)):
        task = data
    name, few = without_shots(task, block.span)
    own = few
    if read.error:
        own = (*own, Fact("stderr", read.error, Origin.STATED, read.error, block.span))
    yield Result(name or task, named or metric, printed, doc.locate(block.span, printed), read.number, own)


def _only_data(doc: Document) -> str:
    """The one data set that the front matter lists, or empty."""
    listed = doc.card.front_matter.get("datasets")
    return str(listed[0]) if isinstance(listed, list) and len(listed) == 1 and isinstance(listed[0], str) else ""


def line_results(doc: Document, index: int) -> list[Result]:
    """The scores of a paragraph of lines "metric: figure", with what is measured behind it in brackets."""
    span = doc.blocks[index].span
    if not 1 <= span.end_line - span.line <= 20:
        return []
    first = _ITEM.match(bare_label(doc.lines[span.line - 1]))
    if first is None or not PLAIN_METRIC.match(fold(first["label"])) or not this_models(doc, index):
        return []
    found: list[Result] = []
    for line in range(span.line, span.end_line + 1):
        match = _ITEM.match(bare_label(doc.lines[line - 1]))
        if match is None or not PLAIN_METRIC.match(fold(match["label"])):
            return []
        value = bare_label(match["value"])
        remark = _REMARK.search(value)
        printed = (value[: remark.start()] if remark else value).strip()
        read = score_number(printed).number
        if read is None:
            return []
        place = doc.locate(Span(span.source, line, line), printed)
        found.append(Result(remark["remark"] if remark else "evaluation", match["label"].strip(), printed, place, read))
    return found


def _may_be_score(printed: str) -> bool:
    return "." in printed or "%" in printed


def this_models(doc: Document, index: int) -> bool:
    """Whether no heading or entry above names another model or a comparison."""
    block = doc.blocks[index]
    lead = doc.introduction(index)
    for text in (*doc.path(block)[:2], lead):
        if (_COMPARISON if text is lead else _COMPARISON_OR_DATA).search(text):
            return False
        named = REPO_ID.search(text)
        if named is not None and not doc.is_own_name(named.group()) and len(text) < 120:
            return False
    parent = _parent(doc, index)
    return parent is None or not (doc.names_another(parent) or re.search(r"(?i)\bbase\b|baseline", parent.text))


def _parent(doc: Document, index: int) -> Block | None:
    block = doc.blocks[index]
    if block.kind is not BlockKind.LIST_ITEM or block.level < 2:
        return None
    for before in reversed(doc.blocks[max(0, index - 20) : index]):
        if before.kind is not BlockKind.LIST_ITEM:
            return None
        if before.level < block.level:
            return before
    return None


def sentence_results(doc: Document, block: Block) -> Iterator[Result]:
    """Scores of this model on named benchmarks that a sentence states: "It achieves 84.3 on GSM8K"."""
    lower = block.text.lower()
    if not _FIGURE.search(lower) or all(part not in lower for part in _OF_VERBS):
        return
    for claimed in _CLAIMED.finditer(block.text):
        rest = re.split(r"\.\s|\.$", claimed["rest"], maxsplit=1)[0]
        if _COMPARED.search(claimed["between"]) or _COMPARED.search(rest):
            continue  # whose figure it is takes a person to say
        for found in _ON.finditer(rest):
            task, _ = without_shots(found["task"], block.span)
            task = re.sub(r"(?i)\s+(?:test|dev|validation|benchmark|dataset|eval\w*)\b.*$", "", task).strip()
            if BENCHMARK.search(fold(task)) is None:
                continue
            metric = _metric_of(found["metric"] or "", found["after"] or "")
            printed = found["value"].strip()
            place: Span = doc.locate(block.span, printed)
            _, few = without_shots(rest, place) if "shot" in rest else ("", ())
            yield Result(task, metric, printed, place, number(printed), few)


def _metric_of(before: str, after: str) -> str:
    for text in (before, after):
        words = fold(text).split()
        for size in (3, 2, 1):
            if words and PLAIN_METRIC.match(" ".join(words[-size:])):
                return " ".join(words[-size:])
    return "score"
