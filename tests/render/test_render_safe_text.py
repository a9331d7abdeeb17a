"""Hostile text in terminals and in Markdown."""

from __future__ import annotations

import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from repro.render.safe_text import clean, markdown_code, markdown_fence, markdown_text, one_line

NASTY = st.text(alphabet=st.sampled_from("ab \t\n\r\x1b\x07\x9b\x9d\x9c[]0;m\\`|<>&_*#-1.)$~\u202e\u200b\u2066\ud800é"))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x9b31mred", "red"),
        ("\x1b]8;;http://evil\x07link\x1b]8;;\x07", "link"),
        ("\x1b]0;title\x1b\\after", "after"),
        ("\x1bPpayload\x1b\\after", "after"),
        ("\x1b]52;c;unterminated", "52;c;unterminated"),
        ("a\u202eb\u2066c\u200bd\U000e0041", "abcd"),
        ("one\r\ntwo\rthree\u2028four", "one\ntwo\nthree\nfour"),
        ("tab\tstays", "tab\tstays"),
        ("\ud800", "\ufffd"),
        ("👩‍🔬 ok", "👩‍🔬 ok"),
    ],
)
def test_clean_drops_what_drives_a_terminal(text: str, shown: str) -> None:
    assert clean(text) == shown


@given(NASTY | st.text())
def test_clean_leaves_no_control_and_changes_nothing_twice(text: str) -> None:
    once = clean(text)
    assert clean(once) == once
    assert not [c for c in once if unicodedata.category(c) in {"Cc", "Cs"} and c not in "\n\t"]
    once.encode("utf-8")


@given(NASTY)
def test_markdown_text_holds_no_live_markup(text: str) -> None:
    shown = markdown_text(text)
    assert "\n" not in shown
    assert "<" not in shown
    assert not re.search(r"(?<!\\)(?:\\\\)*[|`*\[\]~$]", shown)
    assert not re.match(r"(?:#{1,6}|[-+]|\d{1,9}[.)])(?:\s|$)", shown)


def test_markdown_text_leaves_numbers_and_names_readable() -> None:
    for plain in ("0.634", "-8.6%", "dpo_norm", "5e-7", "Llama-3.1-8B", "(0.634 - 0.693)"):
        assert markdown_text(plain) == plain


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("# a", "\\# a"),
        ("1. a", "1\\. a"),
        ("- a", "\\- a"),
        ("---", "\\---"),
        ("_a_", "\\_a\\_"),
        ("a|b", "a\\|b"),
        ("<!-- x -->", "&lt;!-- x --&gt;"),
        ("{{7*7}}", "{{7\\*7}}"),
    ],
)
def test_markdown_text_escapes(text: str, shown: str) -> None:
    assert markdown_text(text) == shown


def test_escaped_markdown_is_not_escaped_again() -> None:
    once = markdown_text("a|b")
    assert markdown_text(once) == once


@given(NASTY)
def test_code_spans_are_closed(text: str) -> None:
    shown = markdown_code(text)
    line = one_line(text)
    if line and "|" not in line:
        fence = re.match(r"`+", shown)
        assert fence is not None
        assert fence[0] not in line
        assert shown.endswith(fence[0])


@given(NASTY)
def test_fences_are_closed_by_their_last_line_alone(text: str) -> None:
    lines = markdown_fence(text, "bash").split("\n")
    fence = lines[-1]
    assert lines[0] == f"{fence}bash"
    assert not [line for line in lines[1:-1] if line.strip().startswith(fence)]
    assert "<!--" not in "\n".join(lines)
