"""The ledger of claims and the answer, as a terminal shows them."""

from __future__ import annotations

from itertools import groupby

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from repro.render.finding_rows import highlights
from repro.render.ledger import LedgerRow, ledger_chips, ledger_groups
from repro.render.palette import TERMINAL
from repro.render.places import card_lines
from repro.render.safe_text import one_line
from repro.render.starts import BESIDE_TITLE, Side, beside_rows, beside_text, scale_words
from repro.render.verdict_words import NOT_COMPARED, VERDICTS
from repro.render.view import split_answer
from repro.report import Report


def ledger_view(report: Report) -> RenderableType:
    """The claims with verdicts, numbers and why; claims that share a verdict and a reason stand together."""
    parts: list[RenderableType] = []
    for group in ledger_groups(report, card_lines(report.spec)):
        parts += [Text(one_line(group.title), "bold")]
        for (_, why), rows in groupby(group.rows, key=lambda row: (row.word.key, row.why)):
            together = tuple(rows)
            parts.append(_rows(together))
            if why:
                parts.append(Padding(Text(one_line(why)), (0, 0, 0, 20), expand=False))
            if together[0].needs:
                needs = Text.assemble(("to decide: ", "dim"), (one_line(together[0].needs), "dim"))
                parts.append(Padding(needs, (0, 0, 0, 20), expand=False))
        parts.append(Text())
    parts += _beside(report)
    return Group(*parts)


def _beside(report: Report) -> list[RenderableType]:
    rows = beside_rows(report)
    if not rows:
        return []
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim", pad_edge=False)
    for head in ("claim", "the card", "the stage alone, published parent", "the chain, regenerated parent"):
        table.add_column(head, overflow="fold")
    for row in rows:
        table.add_row(Text(one_line(row.text)), Text(one_line(row.claimed), "bold"), _side(row.alone), _side(row.chain))
    return [Text(BESIDE_TITLE, "bold"), Text(beside_text(report), "dim"), table, Text()]


def _side(side: Side) -> Text:
    interval = f" [{side.interval}]" if side.interval else ""
    return Text.assemble(
        (f"{side.word.mark} {side.word.label}", TERMINAL[side.word.tone]),
        f" {one_line(side.measured)}{interval} ",
        (f"({one_line(side.run)})", "dim"),
    )


def answer_view(report: Report) -> RenderableType:
    """The answer to "can I trust this model's claims?", how many claims have which verdict, and what to see first."""
    verdict, sentence = report.answer
    word = NOT_COMPARED if verdict is None else VERDICTS[verdict]
    answer, _ = split_answer(sentence)
    parts: list[RenderableType] = [
        Text.assemble((f"{word.mark} ", f"bold {TERMINAL[word.tone]}"), (one_line(answer), "bold"))
    ]
    chips: list[str | tuple[str, str]] = []
    for chip in ledger_chips(report):
        chips += [(f"{chip.word.mark} {chip.count} {chip.word.label}", TERMINAL[chip.word.tone]), "   "]
    if chips:
        parts.append(Text.assemble("  ", *chips))
    if report.plan is not None and report.comparisons:
        title, text = scale_words(report.plan)
        parts.append(Padding(Text.assemble((f"{title}. ", "bold"), one_line(text)), (0, 0, 0, 2), expand=False))
    for item in highlights(report):
        line = Text.assemble(
            (f"{item.word.mark} ", TERMINAL[item.word.tone]),
            (f"{one_line(item.title)}  ", "bold"),
            one_line(item.text),
        )
        parts.append(Padding(line, (0, 0, 0, 2), expand=False))
    return Group(*parts)


def _rows(rows: tuple[LedgerRow, ...]) -> Table:
    table = Table.grid(padding=(0, 2), expand=True)
    table.add_column(width=18, no_wrap=True)
    table.add_column(ratio=4, overflow="fold")
    table.add_column(width=8, no_wrap=True)
    table.add_column(ratio=2, overflow="fold")
    table.add_column(ratio=3, overflow="fold")
    for row in rows:
        measured = one_line(row.measured)
        if row.interval:
            measured = f"{measured} [{row.interval}]".strip()
        line = f":{row.place.line}" if row.place is not None and row.place.line else ""
        table.add_row(
            Text(f"{row.word.mark} {row.word.label}", TERMINAL[row.word.tone]),
            Text(one_line(row.text)),
            Text(line, "dim"),
            Text(one_line(row.claimed), "bold"),
            Text(measured),
        )
    return table
