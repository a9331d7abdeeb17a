"""Scores in fences that are no program: {'pass@1': 0.71}, a JSON object of scores, "'f1': 0.93," a line each."""

from __future__ import annotations

import re
from collections.abc import Iterator

from repro.card import Block, Span
from repro.read.document import Document
from repro.read.names import TRAINING, term
from repro.read.score_lists import about_scores, this_models
from repro.read.score_words import BENCHMARK, PLAIN_METRIC, counts_something_else
from repro.read.statement import Result
from repro.read.values import fold, number

_MEMBER = re.compile(
    r"['\"](?P<key>[A-Za-z][\w@ /.-]{0,60})['\"]\s*:\s*(?P<value>-?\d+(?:\.\d+)?(?:[eE]-?\d+)?)\s?(?=[,}\n]|$)"
)
_NESTED = re.compile(r"['\"](?P<key>[A-Za-z][\w@ /.-]{0,60})['\"]\s*:\s*\{")
_LABEL = re.compile(r"^\s*(?P<label>[A-Z][\w+@ ./-]{1,60}?)\s*:?\s*$")
_PROGRAM = re.compile(r"(?m)^\s*(?:import|from|def|class|for|print|return|if|pip|git|python)\b|\w\(|\w\s*=\s*\S")
_WRAPPED = frozenset(("categories", "scores", "results", "metrics", "tasks"))
_METRIC = re.compile(r"^pass ?@? ?\d+$|^(?:test|eval|val|dev)[_ /](?P<metric>\w+)$", re.IGNORECASE)
MAX_LETTERS = 6000
MAX_SCORES = 100


def dict_results(doc: Document, index: int, block: Block) -> Iterator[Result]:
    """The scores of a fence that holds one mapping or several, where the text speaks of scores of this model."""
    text = block.text
    if len(text) > MAX_LETTERS or _PROGRAM.search(text) or not _MEMBER.search(text):
        return
    if not (about_scores(doc, index) or BENCHMARK.search(fold(doc.introduction(index)))) or not this_models(doc, index):
        return
    first = doc.code_line(block)
    under: list[str] = []
    made = 0
    for offset, line in enumerate(text.split("\n")):
        if label := _LABEL.match(line):
            under = [label["label"].strip()]
            continue
        nested = _NESTED.search(line)
        members = list(_MEMBER.finditer(line))
        if nested is not None and not members:
            under.append(nested["key"])
            continue
        for member in members:
            result = _result(
                doc, member["key"], member["value"], under, Span(block.span.source, first + offset, first + offset)
            )
            if result is not None and made < MAX_SCORES:
                made += 1
                yield result
        if "}" in line and not members and under:
            under.pop()


def _result(doc: Document, key: str, printed: str, under: list[str], span: Span) -> Result | None:
    folded = fold(key)
    read = number(printed)
    known = term(key) if not PLAIN_METRIC.match(folded) else None  # "precision" is either
    if (
        read is None
        or (known is not None and known[0] in TRAINING)
        or counts_something_else(key)
        or folded in ("n", "num few shot")
    ):
        return None
    task = next((name for name in reversed(under) if fold(name) not in _WRAPPED), "")
    place = doc.locate(span, printed)
    if PLAIN_METRIC.match(folded) or _METRIC.match(key):
        return Result(task or "evaluation", key, printed, place, read)
    if task and under and task != under[0]:
        return Result(task, key, printed, place, read)
    return Result(key, "score", printed, place, read)
