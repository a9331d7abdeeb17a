"""Comments by which a card asks for a check to be ignored: what is heard, where, and that nothing else changes."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from repro.card import Ignore
from repro.read.reader import read

BODY = "# org/small\n\nTrained for 3 epochs.\n"


def wishes(text: str) -> list[tuple[str, str, int]]:
    _, spec = read(text.encode("utf-8", "surrogatepass"), "card.md")
    assert all(isinstance(wish, Ignore) and wish.in_card for wish in spec.ignores)
    return [(wish.check, wish.reason, wish.span.line) for wish in spec.ignores]


def test_a_comment_names_checks_and_a_reason() -> None:
    assert wishes(BODY + "\n<!-- repro: ignore[R301, sample-seed] the rows are lost -->\n") == [
        ("R301", "the rows are lost", 5),
        ("sample-seed", "the rows are lost", 5),
    ]


def test_a_dash_or_a_colon_before_the_reason_is_no_reason() -> None:
    assert wishes("<!-- repro:ignore[R301]: -- -->\n" + BODY) == [("R301", "", 1)]
    assert wishes("<!-- repro:ignore[R301] – it is so -->\n" + BODY) == [("R301", "it is so", 1)]


def test_without_a_check_it_names_none() -> None:
    assert wishes("<!-- repro: ignore -->\n" + BODY) == [("", "", 1)]
    assert wishes("<!-- repro: ignore all of it -->\n" + BODY) == [("", "all of it", 1)]


def test_two_comments_in_one_line_and_one_inside_a_paragraph() -> None:
    text = BODY + "\nWords <!-- repro: ignore[R1] a --> and <!-- repro: ignore[R2] b --> words.\n"
    assert wishes(text) == [("R1", "a", 5), ("R2", "b", 5)]


def test_code_and_front_matter_ask_for_nothing() -> None:
    comment = "<!-- repro: ignore[R301] no -->"
    assert wishes(f"---\nlicense: mit\n# {comment}\n---\n\n```html\n{comment}\n```\n") == []
    assert wishes("<!-- repro: ignored[R301] no -->\n<!-- repro: ignore-all -->\n") == []


def test_the_marks_of_the_own_section_are_none() -> None:
    assert wishes("<!-- repro:begin 1 -->\nwords\n<!-- repro:end -->\n") == []


def test_the_comment_is_blank_in_the_text_and_every_other_character_stays() -> None:
    comment = "<!-- repro: ignore[R405] the seed is lost -->"
    _, spec = read(f"one {comment} two\n".encode(), "card.md")
    assert spec.text == f"one {' ' * len(comment)} two\n"


def test_a_card_of_comments_is_heard_up_to_a_limit() -> None:
    assert len(wishes("<!-- repro: ignore[R301] x -->\n" * 5000)) == 100
    assert len(wishes("<!-- repro: ignore[" * 20000)) <= 100


PIECES = (*"<!-->[]R3,:\n `#é\t", "repro:", "ignore", "<!-- repro: ignore[", "-->")


@settings(deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=60).map("".join))
def test_any_text_is_read_and_keeps_its_length(text: str) -> None:
    card, spec = read(text.encode("utf-8"), "card.md")
    assert len(spec.text) == len(card.text)
    for wish in spec.ignores:
        assert card.line(wish.span.line)[wish.span.column - 1 :].startswith("<!--")
