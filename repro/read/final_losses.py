"""Losses that stand apart: of the end of training ("train_loss | 1.12"), beside scores, in a log between tabs."""

from __future__ import annotations

import re
from collections.abc import Iterator

from repro.card import Cell, Span, Table
from repro.read.document import Document
from repro.read.statement import Reading
from repro.read.values import fold, number

_NAMED = re.compile(r"^(?:(train|training)|(eval|evaluation|validation|valid|val|dev)|(test|predict)) loss$")
_COMPONENT = re.compile(r"^[A-Z][A-Z0-9_]{1,40}_LOSS$")
"""How spaCy lists the losses of its pipeline's parts ("TAGGER_LOSS"), of the training."""


def final_losses(doc: Document, index: int, table: Table) -> Iterator[Reading]:
    """The losses of a table of names and values, or of this model's row in a table of scores."""
    if len(table.rows) > 100 or not table.header:
        return
    stage = doc.stage_hint(index)
    if len(table.header) == 2:
        for row in (table.header, *table.rows):
            yield from _labelled(row[0].text.strip("`* "), row[1], stage, index)
        return
    heads = [fold(cell.text) for cell in table.header]
    columns = [i for i, head in enumerate(heads) if i and (head == "loss" or _NAMED.match(head))]
    own = [row for row in table.rows if doc.is_own_name(row[0].text)]
    first = _NAMED.match(heads[0])
    if len(table.rows) == 1 and first is not None and first.group(1):
        own, columns = list(table.rows), [0, *columns]  # a row of figures of the one training, led by its loss
    if not columns or len(own) != 1 or any(head in ("epoch", "step", "epochs", "steps") for head in heads):
        return
    for column in columns:
        # A column "Loss" among the scores of an evaluation is the evaluation's.
        name = heads[column] if heads[column] != "loss" else "eval loss"
        yield from _labelled(name, own[0][column], stage, index)


def tabbed_log(doc: Document, index: int) -> Table | None:
    """The table that lines of fields between tabs make, where they are headed by a loss and by an epoch or step."""
    block = doc.blocks[index]
    if "\t" not in block.text or "oss" not in block.text:
        return None
    header: tuple[Cell, ...] = ()
    rows: list[tuple[Cell, ...]] = []
    for number_ in range(block.span.line, min(block.span.end_line, len(doc.lines)) + 1):
        fields = doc.lines[number_ - 1].split("\t")
        if len(fields) < 3 or (header and len(fields) != len(header)):
            if rows:
                break
            header = ()
            continue
        span = Span(block.span.source, number_, number_)
        cells = tuple(Cell(field.strip(), field, span, 0, 0, ()) for field in fields)
        heads = [fold(cell.text) for cell in cells] if not header else []
        if header:
            rows.append(cells)
        elif any(head in ("epoch", "step") for head in heads) and any(head.endswith("loss") for head in heads):
            header = cells
    return Table(header, tuple(rows)) if rows else None


def _labelled(label: str, cell: Cell, stage: str, index: int) -> Iterator[Reading]:
    if not label.lower().endswith("loss"):
        return
    match = _NAMED.match(fold(label))
    if not match and not _COMPONENT.match(label):
        return
    read = number(cell.text)
    if read is None or read.unit:
        return
    if match is None:
        metric, split = label.lower(), "train"
    else:
        split = "train" if match.group(1) else "validation" if match.group(2) else "test"
        metric = "loss" if split == "train" else "eval_loss" if split == "validation" else fold(label).replace(" ", "_")
    why = "the card gives it for the training as a whole" if split == "train" else ""
    yield Reading(
        metric, cell.text, cell.span, read, split=split, stage=stage, window_why=why, cell=cell, group=index
    )  # fmt: skip
