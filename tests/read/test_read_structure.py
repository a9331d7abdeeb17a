"""Front matter, blocks, and the bytes of table cells."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from repro.card import BlockKind, Card
from repro.read.markdown import read_card
from repro.read.reader import read


def card_of(text: str) -> Card:
    return read_card(text.encode("utf-8"), "card.md")


def front(yaml: str) -> Card:
    return card_of(f"---\n{yaml}\n---\n# Title\n")


@pytest.mark.parametrize(
    ("printed", "value"),
    [
        ("5e-7", 5e-7),
        ("no", "no"),
        ("012", 12),
        ("12:30:45", "12:30:45"),
        ("2024-01-01", "2024-01-01"),
        ("true", True),
        ("~", None),
        ("'5'", "5"),
        ("[en, no]", ["en", "no"]),
    ],
)
def test_scalars(printed: str, value: object) -> None:
    assert front(f"a: {printed}").front_matter == {"a": value}


def test_lines_of_keys() -> None:
    card = front("license: mit\ntags:\n- a\n- b\nbase_model: x/y")
    assert card.front_matter_lines == {"license": 2, "tags": 3, "base_model": 6}
    assert card.front_matter_span is not None
    assert (card.front_matter_span.line, card.front_matter_span.end_line) == (1, 7)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("---\na: &x [1]\nb: *x\n---\n", "alias"),
        ("---\na: " + "[" * 100 + "]" * 100 + "\n---\n", "nested"),
        ("---\n- a\n- b\n---\n", "a list"),
        ("---\njust words\n---\n", "single value"),
        ("---\na: b: c\n---\n", "not YAML"),
        ("---\na:\n\t- b\n---\n", "not YAML"),
        ("---\na: 1\na: 2\n---\n", "second time"),
        ("---\nlicense: mit\n\n# Title\n", "no closing"),
        ("Words.\n\n---\nlicense: mit\n---\n", "line 1 only"),
        ("\n\n---\nlicense: mit\n---\n", "blank lines"),
        ("---\na: !!python/object/apply:os.system ['true']\n---\n", "tag"),
    ],
)
def test_what_cannot_be_read_is_a_problem(text: str, words: str) -> None:
    card = card_of(text)
    assert any(words in problem.message for problem in card.problems), card.problems
    assert all(1 <= problem.span.line <= text.count("\n") + 1 for problem in card.problems)


def test_the_first_of_two_equal_keys_stands() -> None:
    assert front("a: 1\na: 2").front_matter == {"a": 1}


def test_deep_nesting_does_not_crash_the_parser() -> None:
    assert card_of("---\na: " + "[" * 100_000 + "\n---\n").front_matter == {}


def test_blocks_know_their_headings_and_lines() -> None:
    card = card_of(
        "# A\n\ntext\n\n## B\n\n- one\n  - two\n\n```python x\ncode\n```\n\n<!-- note -->\n\n<h2>C</h2>\n\nlast\n"
    )
    kinds = [(b.kind, b.span.line, b.heading_path) for b in card.blocks]
    assert kinds == [
        (BlockKind.HEADING, 1, ("A",)),
        (BlockKind.PARAGRAPH, 3, ("A",)),
        (BlockKind.HEADING, 5, ("A", "B")),
        (BlockKind.LIST_ITEM, 7, ("A", "B")),
        (BlockKind.LIST_ITEM, 8, ("A", "B")),
        (BlockKind.CODE, 10, ("A", "B")),
        (BlockKind.COMMENT, 14, ("A", "B")),
        (BlockKind.HTML, 16, ("A", "B")),
        (BlockKind.HEADING, 16, ("A", "C")),
        (BlockKind.PARAGRAPH, 18, ("A", "C")),
    ]
    assert [b.level for b in card.blocks_of(BlockKind.LIST_ITEM)] == [1, 2]
    (code,) = card.blocks_of(BlockKind.CODE)
    assert (code.language, code.text) == ("python", "code\n")


def test_a_fence_that_closes_at_the_end_of_a_line_does_not_swallow_the_card() -> None:
    card = card_of("```bash\nrun me```\n\n## After\n\ntext\n")
    assert [b.text for b in card.blocks_of(BlockKind.HEADING)] == ["After"]
    assert len(card.problems) == 1
    assert card.problems[0].span.line == 2


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("prefix", [b"", b"\xef\xbb\xbf", b"\xff caf\xe9 \xc3\xa9\n\n"])
def test_cells_are_found_in_the_authors_bytes(newline: str, prefix: bytes) -> None:
    text = newline.join(["| **a** | [b](http://x) |", "|---|---|", "| é 1 | `2` |", "| only |", ""])
    data = prefix + text.encode("utf-8")
    card = read_card(data, "card.md")
    assert card.data == data
    (block,) = card.blocks_of(BlockKind.TABLE)
    assert block.table is not None
    cells = [*block.table.header, *(cell for row in block.table.rows for cell in row)]
    assert [cell.raw for cell in cells] == ["**a**", "[b](http://x)", "é 1", "`2`", "only", ""]
    assert [cell.text for cell in cells] == ["a", "b", "é 1", "2", "only", ""]
    assert cells[1].links == ("http://x",)
    for cell in cells:
        assert data[cell.start : cell.end].decode() == cell.raw
        line = card.line(cell.span.line)
        assert line[cell.span.column - 1 : cell.span.column - 1 + len(cell.raw)] == cell.raw


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.lists(st.text("ab1.%é|\\`*_~ \t-", max_size=8), min_size=2, max_size=3), min_size=1, max_size=4),
    st.sampled_from([b"", b"\xef\xbb\xbf", b"\xff\xfe x\r\n\r\n", "---\na: é\n---\n".encode()]),
    st.sampled_from(["\n", "\r\n"]),
)
def test_cell_offsets_are_exact_whatever_the_cells(rows: list[list[str]], prefix: bytes, newline: str) -> None:
    lines = ["| h | i |", "|---|---|", *("|" + "|".join(row) + "|" for row in rows)]
    data = prefix + newline.join(lines).encode("utf-8")
    card = read_card(data, "card.md")
    for block in card.blocks_of(BlockKind.TABLE):
        assert block.table is not None
        for row in (block.table.header, *block.table.rows):
            for cell in row:
                assert data[cell.start : cell.end].decode("utf-8") == cell.raw


PIECES = st.sampled_from(
    (
        "# DPO", "## Training", "| Step | Loss |", "|---|---|", "| 1 | 0.693 |", "| Parameter | Value |", "",
        "| Learning Rate | 5e-7 |", "- learning_rate: 2e-5", "- seed = 42", "```", "```yaml", "---", "base_model: a/b",
        "a/b -> SFT (10% x) -> c/d", "trained on 10% of the data", "<pre>", "</pre>", "<!--", "-->", "TBD",
        "This model was trained with DPO, a method.", "model-index:", "value: 1", "- Loss: 0.5", "| Metric | Value |",
        "It achieves the following results on the evaluation set:", "[x](https://huggingface.co/datasets/a/b)",
        "↓ DPO (5% y)", "| Precision | VRAM |", "| INT8 | ~10 GB |", "| Task | Metric | Value |", "| a | acc | 0.5 |",
    )
)  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(st.lists(st.one_of(PIECES, st.text(max_size=12)), max_size=25))
def test_no_card_raises_and_spans_stay_inside(lines: list[str]) -> None:
    text = "\n".join(lines)
    card, spec = read(text.encode("utf-8"), "card.md")
    last = card.text.count("\n") + 1
    spans = [b.span for b in card.blocks] + [c.span for c in spec.claims]
    spans += [f.span for s in spec.stages for f in s.facts if f.span]
    assert all(1 <= span.line <= span.end_line <= last for span in spans)
    assert len({claim.id for claim in spec.claims}) == len(spec.claims)
    assert len({stage.name for stage in spec.stages}) == len(spec.stages)


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=300))
def test_no_bytes_raise(data: bytes) -> None:
    card, _ = read(data, "card.md")
    assert card.data == data


@pytest.mark.parametrize(
    "data",
    [
        b"# T\n\n| Step | Loss |\n|---|---|\n" + b"".join(b"| %d | 0.5 |\n" % i for i in range(1, 20001)),
        b"We trained it on a 10% sample of [d](https://huggingface.co/datasets/a/b).\n\n" * 5000,
        b"```\nlearning_rate: 5\n```\n\n" * 10000,
        b"---\n" + b"a: b\n" * 20000 + b"---\n",
        b"\xff" * 300_000,
        b"[" * 500_000,
        b"> " * 200_000,
    ],
    ids=["rows", "links", "fences", "keys", "bad bytes", "brackets", "quotes"],
)
@pytest.mark.timeout(60)
def test_large_cards_are_read(data: bytes) -> None:
    card, _ = read(data, "card.md")
    assert card.data == data
