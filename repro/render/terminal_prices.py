"""What deciding each claim costs, as a terminal shows it."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from repro.price import Prices
from repro.render.price_rows import ESTIMATE, TITLE, PriceRow, price_rows, run_rows, summary
from repro.render.safe_text import clean, one_line, short

PRINTED = 24
"""Characters of a claim's printed text, at most: some claims print a whole block of code."""


def prices_view(prices: Prices) -> RenderableType:
    """Each claim's row with the sentence under it, then the runs that decide, cheapest first, with their formulas."""
    heads = ["claim", "the card", "decided by", "steps", "hours, alone", "hours, chain"]
    money = prices.rate is not None
    parts: list[RenderableType] = [Text(TITLE, "bold"), Text(summary(prices)), Text()]
    parts.append(_line(tuple(Text(head, "dim") for head in (*heads, *(("money",) if money else ())))))
    for row in price_rows(prices):
        parts += _row(row, money=money)
    parts += [Text(), Text(ESTIMATE, "dim")]
    for run in run_rows(prices):
        parts += [Text(), Text.assemble((run.title, "bold"), f": {run.cost}")]
        parts += [Padding(Text(one_line(how)), (0, 0, 0, 2), expand=False) for how in run.hows]
        parts.append(Padding(Text(clean(run.command), "bold"), (0, 0, 0, 2), expand=False))
    return Group(*parts)


def _row(row: PriceRow, *, money: bool) -> list[RenderableType]:
    numbers = [row.by, row.steps, row.alone, row.chain, *([row.money] if money else [])]
    cells = tuple(Text(cell) for cell in numbers)
    if len(row.claims) == 1:
        text, printed = row.claims[0]
        return [
            _line((Text(one_line(text)), Text(short(one_line(printed), PRINTED), "bold"), *cells)),
            _below(row.why),
        ]
    listed = "; ".join(one_line(text) for text, _ in row.claims)
    return [_line((Text(f"{len(row.claims)} claims"), Text(), *cells)), _below(listed), _below(row.why)]


def _below(text: str) -> RenderableType:
    return Padding(Text(one_line(text), "dim"), (0, 0, 0, 4), expand=False)


def _line(cells: tuple[Text, ...]) -> Table:
    table = Table.grid(padding=(0, 2), expand=True)
    table.add_column(ratio=4, overflow="fold")
    table.add_column(ratio=2, overflow="fold")
    for width in (24, 14, 12, 12, 10)[: len(cells) - 2]:
        table.add_column(width=width, overflow="fold")
    table.add_row(*cells)
    return table
