"""The card's line as a terminal shows it: within the width, the span under its underline, nothing that drives it."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from repro.render.source_lines import LEAST, TAB, UNSEEN, cells, shown_line


def marked(line: str, column: int, end_column: int, width: int = 60) -> str:
    """The text that stands over the underline."""
    shown = shown_line(line, column, end_column, width)
    padded = "".join(c + "\0" * (cells(c) - 1) for c in shown.text)
    return padded[shown.mark_start : shown.mark_start + shown.mark_width].replace("\0", "")


def test_a_short_line_is_whole_and_its_span_underlined() -> None:
    shown = shown_line("| 103 | 0.634 |", 9, 13, 60)
    assert shown.text == "| 103 | 0.634 |"
    assert (shown.mark_start, shown.mark_width) == (8, 5)


def test_a_whole_line_is_underlined_without_its_margins() -> None:
    shown = shown_line("    words  ", 0, 0, 60)
    assert (shown.text, shown.mark_start, shown.mark_width) == ("    words", 4, 5)


def test_wide_characters_take_two_cells_and_marks_none() -> None:
    assert cells("学習率") == 6
    assert cells("e\u0301") == 1
    assert marked("学習率は5e-7です", 5, 8) == "5e-7"
    assert shown_line("学習率は5e-7です", 5, 8, 60).mark_start == 8


def test_tabs_are_opened() -> None:
    shown = shown_line("a\tb", 3, 3, 60)
    assert shown.text == f"a{TAB}b"
    assert shown.mark_start == 1 + len(TAB)


@pytest.mark.parametrize("hidden", ["\x1b", "\x07", "\u202e", "\u200b", "\x9b", "\x00", "\r", "\u2028", "\ud800"])
def test_what_a_terminal_would_obey_is_shown_as_unseen(hidden: str) -> None:
    shown = shown_line(f"a{hidden}[31mb", 7, 7, 60)
    assert shown.text == f"a{UNSEEN}[31mb"
    assert marked(f"a{hidden}[31mb", 7, 7) == "b"


def test_a_long_line_is_cut_around_the_span() -> None:
    line = "x" * 500 + "HERE" + "y" * 500
    shown = shown_line(line, 501, 504, 60)
    assert cells(shown.text) <= 60
    assert shown.text.startswith("…")
    assert shown.text.endswith("…")
    assert marked(line, 501, 504) == "HERE"


def test_room_that_the_end_does_not_need_goes_to_the_beginning() -> None:
    line = "x" * 500 + "HERE" + "y" * 5
    assert shown_line(line, 501, 504, 60).text.endswith("HEREyyyyy")


def test_ten_megabytes_in_one_line_cost_nothing() -> None:
    line = "words " * 1_700_000
    started = time.perf_counter()
    for column in (1, 5_000_000, len(line)):
        assert cells(shown_line(line, column, len(line), 100).text) <= 100
    assert time.perf_counter() - started < 1


@settings(deadline=None)
@given(
    st.text(st.sampled_from("ab \t学é\u0301\u202e\x1b🤗ｱ"), max_size=200),
    st.integers(0, 210),
    st.integers(0, 210),
    st.integers(1, 90),
)
def test_any_line_fits_and_its_underline_lies_below_it(line: str, column: int, end_column: int, width: int) -> None:
    shown = shown_line(line, column, end_column, width)
    width = max(width, LEAST)
    assert cells(shown.text) <= width
    assert 0 <= shown.mark_start <= width
    assert shown.mark_start + shown.mark_width <= width + 1
    assert not set(shown.text) & set("\t\u202e\x1b")


@settings(deadline=None)
@given(st.text(st.sampled_from("ab学é🤗ｱ"), min_size=1, max_size=200), st.data())
def test_the_beginning_of_a_span_is_always_seen(line: str, data: st.DataObject) -> None:
    column = data.draw(st.integers(1, len(line)))
    end_column = data.draw(st.integers(column, len(line)))
    assert marked(line, column, end_column)[0] == line[column - 1]
