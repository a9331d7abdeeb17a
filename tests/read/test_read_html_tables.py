"""Tables written in HTML: plain ones are read, others are left alone, and every cell's bytes are true."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from repro.card import BlockKind
from repro.read.reader import read
from repro.spec import Spec

Reader = Callable[[str], Spec]

CARD = (
    "# Heron\r\n\r\n## Training with SFT\r\n\r\n<table>\r\n<thead>\r\n"
    "<tr><th>Parameter</th><th>Value</th></tr>\r\n</thead>\r\n"
    "<tr>\r\n  <td><b>Learning&nbsp;rate</b></td>\r\n  <td>\r\n 2e-5 </td>\r\n</tr>\r\n"
    '<tr><td>Base model</td><td><a href="https://huggingface.co/org/base">the base</a></td></tr>\r\n'
    "<tr><td>Épochs é</td><td>3</td></tr><tr><td>Epochs</td><td>3</td></tr>\r\n</table>\r\n"
)


def test_a_plain_table_is_read_with_its_lines() -> None:
    card, spec = read(CARD.encode(), "card.md")
    (stage,) = spec.stages
    rate = stage.get("learning_rate")
    assert (stage.name, rate.value, stage.get("num_epochs").value) == ("sft", 2e-5, 3)
    assert rate.span is not None
    assert card.line(rate.span.line).strip().startswith("2e-5")
    assert stage.base.value == "org/base"
    for block in card.blocks:
        for row in (block.table.header, *block.table.rows) if block.table else ():
            for cell in row:
                assert card.data[cell.start : cell.end].decode() == cell.raw
                assert cell.raw in card.line(cell.span.line)


@pytest.mark.parametrize(
    "table",
    [
        "<table><tr><th colspan=3>SFT</th></tr><tr><td>learning rate</td><td>1e-5</td></tr></table>",
        "<table><tr><th colspan=x>SFT</th></tr><tr><td>learning rate</td><td>1e-5</td></tr></table>",
        "<table><tr><th colspan=999>SFT</th></tr><tr><td>learning rate</td><td>1e-5</td></tr></table>",
        "<table><tr><td rowspan=3>a</td><td>b</td></tr><tr><td>c</td></tr><tr><td>d</td><td>e</td></tr></table>",
        "<table><tr><td>a</td></tr><tr><td>learning rate</td><td>1e-5</td></tr></table>",
        "<table><tr><td><table><tr><td>a</td></tr></table></td><td>b</td></tr><tr><td>c</td><td>d</td></tr></table>",
        "<table><tr><td>learning rate</td><td>1e-5</td></tr>",
    ],
)
def test_a_table_that_is_not_plain_is_left_alone(table: str) -> None:
    card, _ = read(f"# Heron\n\n{table}\n".encode(), "card.md")
    assert not card.blocks_of(BlockKind.TABLE)


def test_cells_over_several_columns_and_rows() -> None:
    text = (
        "# Heron-7B\n\n## Results\n\n<table>\n<thead>\n<tr><th rowspan=2>Model</th><th colspan='2'>MMLU</th></tr>\n"
        "<tr><th>0-shot</th><th>5-shot</th></tr>\n</thead>\n<tbody>\n<tr><td>Egret</td><td>1.5</td><td>2.5</td></tr>\n"
        "<tr><td>\n  <b>Heron-7B</b>\n  <i>(ours)</i>\n</td><td>61.5</td><td>63.25</td></tr>\n</tbody></table>\n"
    )
    card, spec = read(text.encode(), "card.md")
    (block,) = card.blocks_of(BlockKind.TABLE)
    assert block.table is not None
    assert [cell.text for cell in block.table.header] == ["Model", "MMLU 0-shot", "MMLU 5-shot"]
    assert [row[0].text for row in block.table.rows] == ["Egret", "Heron-7B (ours)"]
    assert [(c.task, c.printed, c.span.line) for c in spec.claims] == [("MMLU", "61.5", 15), ("MMLU", "63.25", 15)]


@given(
    st.lists(
        st.sampled_from(
            [
                "<table>",
                "</table>",
                "<tr>",
                "<td>",
                "</td>",
                "<th x>",
                "<td colspan=2>",
                "<th rowspan=2>",
                "é\r\n",
                "\0",
                "5",
                " ",
            ]
        )
    )
)
def test_any_marks_are_survived_and_cells_are_true(marks: list[str]) -> None:
    data = ("<table>" + "".join(marks)).encode()
    card, _ = read(data, "card.md")
    for block in card.blocks_of(BlockKind.TABLE):
        assert block.table is not None
        for row in (block.table.header, *block.table.rows):
            assert len(row) == len(block.table.header)
            for cell in row:
                assert data[cell.start : cell.end].decode() == cell.raw
