"""Where a card speaks of results that no reader took for scores."""

from __future__ import annotations

import re

from repro.check.wording import LONGEST_LINE, front_matter_end, lowered_lines, pipe_tables, text_lines
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


_OF_DATA = re.compile(r"token|proportion|tuples|mixture", re.IGNORECASE)
_DECIMALS = re.compile(r"\d{1,3}[.,]\d{1,6}\s?%?")


def unread_figures(spec: Spec) -> int:
    """The line of a table's first figure with decimals of which no claim was made, where it has two or more; else 0."""
    if "|" not in spec.text:
        return 0
    read = {c.span.line for c in spec.claims}
    for table in pipe_tables(spec):
        of_data = any(map(_OF_DATA.search, table.header))
        lines = [
            line
            for row, line in zip(table.rows, table.lines, strict=True)
            for cell in row[1:]
            if line not in read and not of_data and _DECIMALS.fullmatch(cell.strip("*_ "))
        ]
        if len(lines) >= 2:
            return lines[0]
    return 0
