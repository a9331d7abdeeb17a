"""What reading does not look at is what it would not have found: each shortcut against the long way."""

from __future__ import annotations

import re
import unicodedata

from hypothesis import given, settings
from hypothesis import strategies as st

from repro.read.names import METHOD_MARKS, METHOD_PATTERNS, methods_in
from repro.read.source_text import decode
from repro.read.values import fold, number


@given(st.one_of([st.from_regex(pattern) for _, pattern in METHOD_PATTERNS]))
def test_a_text_that_names_a_method_has_a_mark(text: str) -> None:
    assert any(mark in text.lower() for mark in METHOD_MARKS)


@given(st.text(max_size=300))
def test_a_text_without_a_mark_names_no_method(text: str) -> None:
    assert any(mark in text.lower() for mark in METHOD_MARKS) or not methods_in(text)


@given(st.text(max_size=300))
def test_folding_is_the_same_for_labels_and_texts(text: str) -> None:
    slow = unicodedata.normalize("NFKC", text).lower().replace("β", "beta").replace("ε", "epsilon")
    assert fold(text) == " ".join(re.findall(r"[^\W_]+", slow))


@settings(max_examples=300)
@given(st.from_regex(r"-?[0-9]{1,15}(?:\.[0-9]{1,15})?", fullmatch=True))
def test_a_plain_figure_is_read_as_the_long_way_reads_it(printed: str) -> None:
    quick, slow = number(printed), number(f" {printed} ")
    assert quick == slow
    assert quick is not None
    assert quick.printed == printed


@given(st.binary(max_size=400))
def test_lines_start_where_the_line_feeds_end(data: bytes) -> None:
    source = decode(data, "a card")
    starts = [0] + [i + 1 for i, byte in enumerate(source.utf8) if byte == 10]
    assert list(source.line_starts) == starts
    assert source.utf8.decode("utf-8") == source.text
    for start in range(0, len(source.utf8), 7):
        for end in range(start, len(source.utf8), 13):
            span = source.span(start, end)
            assert span.line == source.line_of(start)
            inner = source.utf8[start:end].rstrip(b"\n \t")
            assert span.end_line == max(span.line, source.line_of(max(start, start + len(inner) - 1)))
