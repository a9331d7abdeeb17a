"""Where a card speaks of results that no reader took for scores."""

from __future__ import annotations

import re

from repro.check.wording import LONGEST_LINE, front_matter_end, lowered_lines, text_lines
from repro.spec import Spec
from repro.vocabulary import vocabulary

_RESULTS = re.compile(
    r"\b(?:evaluation|benchmarks?|results|performance|leaderboard|accuracy|f1|bleu|s?chrf|rouge[-\w]*|wer|win[- ]rate|"
    r"cer|perplexity|exact match|pass@\d|human[- _]?eval|eval ?plus|scores?|"
    r"pearson|spearman|s[di]_?s?[di]r\w*|mse|mae|auc)\b",
    re.IGNORECASE,
)


_RESULT_WORDS = frozenset(
    {"evaluation", "benchmark", "benchmarks", "results", "performance", "leaderboard", "accuracy", "f1", "bleu", "chrf"}
    | {"schrf", "roug", "wer", "win", "cer", "perplexity", "exact", "pearson", "spearman", "sd", "si", "sddr", "sdir"}
    | {"sidr", "siir", "sdsd", "sdsi", "sisd", "sisi", "mse", "mae", "auc", "pass", "huma", "scor"}
    | {"eval"}
)
"""Words and beginnings of words of which every match of `_RESULTS` has one."""
_DIGIT = re.compile(r"[0-9]")


def _tells_of_results(line: str) -> bool:
    """Whether a line that is a heading, a row or markup, or has a digit or a link in it, has a word for results."""
    figures = _DIGIT.search(line) is not None if line.isascii() else any(map(str.isdigit, line))
    likely = figures or "http" in line or line.lstrip().startswith(("#", "|", "<"))
    return likely and _RESULTS.search(line) is not None


def where_results_are_told(spec: Spec) -> int:
    """The first line of the body with a word for results that may be one of theirs, or 0."""
    words = vocabulary(spec.text)
    there = _RESULT_WORDS & words.words
    if not there:
        return 0
    end = front_matter_end(spec)
    for number, lower in enumerate(lowered_lines(words.lower)[end:], start=end):
        if any(word in lower for word in there) and _tells_of_results(text_lines(spec)[number][:LONGEST_LINE]):
            return number + 1
    return 0
