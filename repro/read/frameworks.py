"""The training frameworks that cards name, in their standard names."""

from __future__ import annotations

import re

_FRAMEWORKS: tuple[tuple[str, str], ...] = (
    ("open-instruct", r"open[-_ ]instruct"), ("trl", r"\btrl\b"), ("axolotl", r"\baxolotl\b"),
    ("llama-factory", r"\bllama[-_ ]?factory\b"), ("unsloth", r"\bunsloth\b"),
    ("alignment-handbook", r"\balignment[- ]handbook\b"), ("torchtune", r"\btorchtune\b"),
    ("nemo-aligner", r"\bnemo[- ]aligner\b"), ("openrlhf", r"\bopenrlhf\b"), ("ms-swift", r"\b(?:ms-)?swift\b"),
    ("sentence-transformers", r"\bsentence[-_ ]transformers\b(?!/)"),
    ("transformers", r"(?<!simple )(?<![\w-])transformers\b(?![-/])"), ("autotrain", r"\bautotrain\b"),
)  # fmt: skip


FRAMEWORKS: tuple[tuple[str, re.Pattern[str]], ...] = tuple((n, re.compile(p, re.IGNORECASE)) for n, p in _FRAMEWORKS)


def framework_of(text: str) -> str:
    """The training framework that a text names, or empty: "allenai/open-instruct" is "open-instruct"."""
    return framework_in(text)[0]


def framework_in(text: str) -> tuple[str, str]:
    """The training framework that a text names and the characters that name it, or two empty strings."""
    for name, pattern in FRAMEWORKS:
        if match := pattern.search(text):
            return name, match.group(0)
    return "", ""
