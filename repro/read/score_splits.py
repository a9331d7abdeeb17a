"""Score tables with a metric a row and a part of the data, or a test set, a column."""

from __future__ import annotations

import re
from collections.abc import Iterator

from repro.read.score_cells import cell_result
from repro.read.score_tables import Sheet, is_model
from repro.read.score_words import PLAIN_METRIC, bare_label
from repro.read.statement import Result
from repro.read.values import fold

_SPLIT = re.compile(
    r"^(?:train(?:ing)?|dev|valid(?:ation)?|val|test|eval(?:uation)?)(?: (?:set|split|data|clean|other|\d))?$"
    r"|^(?:clean|other) (?:dev|test)$"
)
_CORNER = frozenset(("", "split", "set", "dataset", "metric", "metrics", "measure", "score"))


def split_results(sheet: Sheet) -> Iterator[Result]:
    """The scores of such a table; none of any other."""
    heads = sheet.heads
    if len(heads) < 3 or heads[0] not in _CORNER or not all(map(_SPLIT.match, heads[1:])):
        return
    if any(is_model(sheet, cell) for cell in sheet.table.header[1:]):
        return
    rows = sheet.table.rows
    if not all(PLAIN_METRIC.match(fold(row[0].text)) for row in rows):
        return
    for row in rows:
        for head, cell in zip(sheet.table.header[1:], row[1:]):
            yield from cell_result(head.text, bare_label(row[0].text), cell, row[0], sheet.conditions)
