"""A pattern that a vocabulary rules out matches nowhere: every pattern of reading and checking, and made-up texts."""

from __future__ import annotations

import importlib
import pkgutil
import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from repro.vocabulary import Index, Vocabulary, derived

ROOT = Path(__file__).parents[1]


def patterns() -> list[re.Pattern[str]]:
    found: list[re.Pattern[str]] = []
    for verb in ("check", "read"):
        for module in pkgutil.iter_modules([str(ROOT / "repro" / verb)]):
            values = vars(importlib.import_module(f"repro.{verb}.{module.name}")).values()
            found += [v for v in values if isinstance(v, re.Pattern) and isinstance(v.pattern, str)]
    return [pattern for pattern in dict.fromkeys(found) if derived(pattern)]


def ruled_out(pattern: re.Pattern[str], text: str) -> bool:
    vocabulary = Vocabulary(text)
    for _ in range(10):
        vocabulary.lacks(pattern)  # the needs are worked out when a pattern is used again and again
    return vocabulary.lacks(pattern)


@pytest.mark.parametrize("pattern", patterns(), ids=lambda p: p.pattern[:40])
def test_what_matches_is_never_ruled_out(pattern: re.Pattern[str]) -> None:
    cards = [p.read_text("utf-8", "replace") for p in (ROOT / "cards").glob("*.md")]
    corpus = ROOT.parent / "shared" / "corpus" / "cards"
    cards += [p.read_text("utf-8", "replace") for p in sorted(corpus.rglob("*.md"))]
    for text in cards:
        found = [line for line in text.split("\n") if pattern.search(line)]
        if not found:
            continue
        assert not ruled_out(pattern, text)
        for clause in derived(pattern):
            assert all(any(mark in Vocabulary(line).lower for mark in clause.marks) for line in found)
        marks = Vocabulary(text).marks(pattern)
        assert marks is not None
        assert all(any(mark in Vocabulary(line).lower for mark in marks) for line in found)


@pytest.mark.parametrize("pattern", patterns(), ids=lambda p: p.pattern[:40])
def test_texts_made_from_a_pattern_are_never_ruled_out(pattern: re.Pattern[str]) -> None:
    @settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.from_regex(pattern), st.sampled_from(["{}", "a{}", "{}b", " {} ", "é{}é", "_{}_"]), st.booleans())
    def holds(match: str, frame: str, upper: bool) -> None:
        text = frame.format(match)
        text = text.upper() if upper else text
        if ruled_out(pattern, text):
            assert pattern.search(text) is None

    holds()


@pytest.mark.parametrize(
    ("pattern", "text", "out"),
    [
        (r"\bseeds?\b", "the random seed is 42", False),
        (r"\bseeds?\b", "no such word", True),
        (r"\bepoch\b", "epochs", True),
        (r"\bresum\w*", "it was resumed", False),
        (r"(?:sum|mean) over tokens", "summed up", True),
        (r"\b(?:wer|cer)\b", "a power of certainty", True),
        (r"\b(?:wer|cer)\b", "WER: 3.4", False),
        (r"(?i)\bseed\b", "ſeed", False),
        (r"(?i)training", "traınıng TRAİNİNG", False),
        (r"batch[- _]size", "the batch_size", False),
        (r"\Bfold", "unfold", False),
        (r"fine-tuned version of \[?stork\b", "a fine-tuned version of storks", True),
        (r"fine-tuned version of \[?stork\b", "a fine-tuned version of [Stork](x)", False),
        (r"(?:\W?stork){2}", "blackstork", False),
        (r"[a-z]+", "!", False),
    ],
)
def test_small_cases(pattern: str, text: str, out: bool) -> None:
    assert ruled_out(re.compile(pattern), text) is out


def test_an_index_leaves_what_its_patterns_leave_one_by_one() -> None:
    chosen = patterns()
    index = Index(chosen)
    for pattern in chosen:
        ruled_out(pattern, "")  # until its needs are worked out nothing is ruled out
    texts = [
        "Trained for 3 epochs with a learning rate of 2e-5 using TRL.", "", "é", "warm-up steps: 100, seed 42",
        "The model card of a heron; batch size 8, AdamW, cosine decay, bf16.",
    ]  # fmt: skip
    for text in texts * 5:
        words = Vocabulary(text)
        assert index.living(words) == [i for i, pattern in enumerate(chosen) if not words.lacks(pattern)]
