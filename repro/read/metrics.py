"""Tables of losses by step or epoch, the window that each figure is a mean over, and memory by precision."""

from __future__ import annotations

import re
from collections.abc import Iterator

from repro.card import BlockKind, Cell, Span, Table
from repro.number import Number
from repro.read.document import Document, hub_id, stage_in
from repro.read.final_losses import final_losses, tabbed_log
from repro.read.names import SPELLINGS
from repro.read.parameters import precisions_in
from repro.read.statement import Gathered, Memory, Reading
from repro.read.values import as_int, fold, left_open, number

_STEP = re.compile(
    r"^(?:(?:global|training|train|optimi[sz]er|optimi[sz]ation|gradient|update) )?"
    r"(?:steps?|iterations?|iters?|it|updates?)$"
)
_EPOCH = re.compile(r"^(?:training )?epochs?$")
_NOTE = re.compile(r"\b(?:notes?|comments?|remarks?|change|delta|description|relative|vs|difference)\b|^δ|Δ")
_VALIDATION = re.compile(r"\b(?:validation|valid|val|eval|evaluation|dev|test)\b")
_BRACKETS = re.compile(r"\([^()]*\)")
_LOSS = re.compile(r"\bloss\b")
_LOG_HEAD = re.compile(r"^\s*steps?(?:\t+|\s{2,}|\s*\|\s*)(?:training |train )?loss\s*$", re.IGNORECASE)
_LOG_ROW = re.compile(r"^\s*(\d{1,9})(?:\t+|\s{2,}|\s*\|\s*)(\d+\.\d+)\s*(?:</pre>.*)?$")
_COUNT = r"(\d{1,6})"
_STEPS = r"(?:logged |optimi[sz]er |training |gradient )*(?:steps?|updates?|iterations?)\b"
_WINDOW = (
    re.compile(
        rf"\b{_COUNT}[- ](?:optimi[sz]er[- ]|training[- ])?steps?[- ](?:running |moving |trailing )?"
        r"(?:mean|average|avg|window)",
        re.IGNORECASE,
    ),
    re.compile(
        rf"\b(?:mean|average[ds]?|avg|smoothed|averaging)\b[^.;]{{0,60}}?\b{_COUNT}\s*{_STEPS}",
        re.IGNORECASE,
    ),
    re.compile(rf"\bwindows?\s*(?:of|=|:|size)\s*{_COUNT}\b", re.IGNORECASE),
)
_SINGLE = re.compile(
    r"\b(?:single|one|individual)[- ](?:optimi[sz]er[- ])?step\b|\bnot averaged\b|\bun-?smoothed\b", re.I
)
_CENTRED = re.compile(r"\bcent(?:er|re)d\b|\bstarting at\b|\bexponential\b|\bEMA\b", re.I)
_OTHER_RUN = re.compile(r"\b(?:baselines?|ablations?|vanilla|without|previous run|other run)\b", re.IGNORECASE)
"""What names a curve of another run than the one that made this model."""
_PLAIN_LOSS = frozenset({"loss", "train loss", "training loss", "avg loss", "average loss", "mean loss"})
_MEMORY = re.compile(r"\b(?:v ?ram|memory|gpu memory|ram)\b")
_BROKEN = re.compile(r"\d{1,4} \.\d{1,15}")
FIGURES = re.compile(r"['\"]([A-Za-z][\w@ -]{0,40})['\"]\s*:\s*(-?\d+(?:\.\d+)?(?:[eE]-?\d+)?)(?=\s*[,}])")
"""The members of a mapping in a cell that are figures."""
_PRECISION = re.compile(r"\b(?:precision|quanti[sz]ation|dtype|format|quant|mode|type)\b")


def read_metric_tables(doc: Document) -> Gathered:
    """Loss readings and memory figures of every table in the card that has them."""
    readings: list[Reading] = []
    memories: list[Memory] = []
    for index, block in enumerate(doc.blocks):
        if block.kind is BlockKind.TABLE and block.table is not None:
            found = list(_readings(doc, index, block.table)) or list(final_losses(doc, index, block.table))
            readings.extend(found)
            if not found:
                memories.extend(_memories(block.table))
        elif (block.kind is BlockKind.CODE and not block.language) or block.kind is BlockKind.HTML:
            table = tabbed_log(doc, index)
            readings.extend(_printed_log(doc, index) if table is None else _readings(doc, index, table))
    return Gathered(readings=tuple(readings), memories=tuple(memories))


def window_in(text: str) -> tuple[int, str]:
    """How many optimizer steps a text says that a figure is the mean of, ending at its step; 0 where it does not say.

    The second is why it cannot be told where a window is stated of another kind (centred, exponential).
    """
    if _CENTRED.search(text) and re.search(r"(?i)\b(?:mean|average|smooth|window|EMA|moving)", text):
        return 0, "the card states a window that does not end at the step"
    for pattern in _WINDOW:
        if match := pattern.search(text):
            count = int(match.group(1))
            return (count, "") if count > 0 else (0, "")
    return (1, "") if _SINGLE.search(text) else (0, "")


def _readings(doc: Document, index: int, table: Table) -> Iterator[Reading]:
    heads = [fold(_BRACKETS.sub(" ", cell.text) if "(" in cell.text else cell.text) for cell in table.header]
    step = next((i for i, head in enumerate(heads) if _STEP.match(head)), None)
    epoch = next((i for i, head in enumerate(heads) if _EPOCH.match(head)), None)
    losses = [i for i, head in enumerate(heads) if "loss" in head and _LOSS.search(head) and i not in (step, epoch)]
    if not losses or (step is None and epoch is None) or not table.rows:
        return
    note = next((i for i, head in enumerate(heads) if _NOTE.search(head) and i not in losses), None)
    if any(_OTHER_RUN.search(heading) for heading in doc.path(doc.blocks[index])):
        return
    around, around_why = _window_around(doc, index)
    place = doc.stage_hint(index)
    named = next((i for i, head in enumerate(heads) if head in ("stage", "phase") and i not in losses), None)
    losses = _own_losses(table, heads, losses)
    shown = (step, epoch, note, named)
    others = [
        i
        for i, h in enumerate(heads)
        if i not in shown and h and (h not in SPELLINGS or h == "precision") and not ("loss" in h and _LOSS.search(h))
        if not _OTHER_RUN.search(table.header[i].text)
    ]
    for column in (*losses, *others):
        head = heads[column]
        is_loss = column in losses
        split = "validation" if _VALIDATION.search(head) or not (is_loss or head.startswith("train ")) else "train"
        window, why = window_in(table.header[column].text)
        if not window and not why and is_loss and split == "train":
            window, why = around, around_why
        metric = ("eval_loss" if split == "validation" else "loss") if is_loss else head.replace(" ", "_")
        decimal_comma = any("," in row[column].text and not _grouped(row[column].text) for row in table.rows[:200])
        for row in table.rows:
            cell = row[column]
            if any(hub_id(link)[0] == "model" and not doc.is_own_name(hub_id(link)[1]) for link in row[0].links):
                continue  # another model's row
            step_number = number(row[step].text) if step is not None else None
            epoch_number = number(row[epoch].text) if epoch is not None else None
            step_value = as_int(step_number) if step_number else None
            if step_value is None and epoch_number is None:
                continue
            if not cell.text or cell.text.strip().lower() == "no log":
                continue
            if not is_loss and "{" in cell.text:
                yield from _mapped(cell, step_value, epoch_number, place, index)
                continue
            read, unread = _loss(cell, decimal_comma)
            if not is_loss and read is None:
                continue
            stage = stage_in(table.header[column].text) or (stage_in(row[named].text) if named is not None else "")
            yield Reading(
                metric=metric,
                printed=cell.text,
                span=cell.span,
                number=read,
                step=step_value,
                step_printed=row[step].text if step is not None else "",
                step_cell=row[step] if step is not None else None,
                epoch=epoch_number.value if epoch_number else None,
                split=split,
                stage=stage or place,
                window=window or 1,
                window_why=why,
                cell=cell,
                note=row[note] if note is not None and column == (losses or [-1])[0] and row[note].text else None,
                why=unread,
                group=index,
            )


def _mapped(cell: Cell, step: int | None, epoch: Number | None, stage: str, index: int) -> Iterator[Reading]:
    """The figures of a cell that holds a mapping of several: {'rouge1': 31.2, 'rouge2': 14.6}."""
    for name, figure in FIGURES.findall(cell.text[:2000]):
        yield Reading(
            metric=fold(name).replace(" ", "_"), printed=figure, span=cell.span, number=number(figure), step=step,
            epoch=epoch.value if epoch else None, split="validation", stage=stage, group=index,
        )  # fmt: skip


def _own_losses(table: Table, heads: list[str], losses: list[int]) -> list[int]:
    """The columns of losses of this model's own run. Where several are of one stage and split, which of them is the
    run's is known only of one that is called plainly the loss."""
    own = [i for i in losses if not _OTHER_RUN.search(table.header[i].text)]
    kept: list[int] = []
    for column in own:
        validation = bool(_VALIDATION.search(heads[column]))
        alike = [
            i
            for i in own
            if bool(_VALIDATION.search(heads[i])) == validation
            and stage_in(table.header[i].text) == stage_in(table.header[column].text)
        ]
        plain = [i for i in alike if fold(table.header[i].text) in _PLAIN_LOSS]
        if len(alike) == 1 or validation or plain == [column]:
            kept.append(column)
    return kept


def _printed_log(doc: Document, index: int) -> Iterator[Reading]:
    """Readings of a log pasted as text: a line "Step  Training Loss" and rows of two numbers under it."""
    block = doc.blocks[index]
    steps_follow = False
    for line_number in range(block.span.line, min(block.span.end_line, len(doc.lines)) + 1):
        line = doc.lines[line_number - 1]
        if "oss" in line.lower() and _LOG_HEAD.match(line):
            steps_follow = True
            continue
        row = _LOG_ROW.match(line) if steps_follow else None
        if row is None:
            steps_follow = False
            continue
        span = Span(block.span.source, line_number, line_number)
        read = number(row.group(2))
        yield Reading(
            "loss", row.group(2), span, read, int(row.group(1)), row.group(1), stage=doc.stage_hint(index), group=index
        )


def _grouped(text: str) -> bool:
    return re.fullmatch(r"[-+]?\d{1,3},\d{3}", text.strip()) is not None


def _loss(cell: Cell, decimal_comma: bool) -> tuple[Number | None, str]:
    """A figure's number; a comma that may be a decimal or a thousands separator is not guessed at."""
    text = cell.text
    if text.strip().lower() == "nan":
        return None, "not a number (nan)"
    if left_open(text):
        return None, "left open on the card"
    if " ." in text and _BROKEN.fullmatch(text):
        text = text.replace(" ", "")  # "0 .2839": a figure that an editor has broken
    if _grouped(text):
        if not decimal_comma:
            return None, "the comma may be a decimal point or a thousands separator"
        text = text.replace(",", ".")
    read = number(text)
    if read is not None and text != cell.text:
        read = Number(cell.text, read.value, read.last_digit, read.unit, read.approximate)
    return read, "" if read else "not a number this reader can be sure of"


def _window_around(doc: Document, index: int) -> tuple[int, str]:
    """The window that a paragraph or list item beside the table states for its losses."""
    block = doc.blocks[index]
    for step in (-1, 1, -2, 2):
        place = index + step
        if not 0 <= place < len(doc.blocks) or doc.blocks[place].heading_path != block.heading_path:
            continue
        beside = doc.blocks[place]
        if beside.kind in (BlockKind.PARAGRAPH, BlockKind.LIST_ITEM):
            window, why = window_in(beside.text)
            if (window or why) and re.search(
                r"(?i)\b(?:loss\w*|reading|figure|value|number|metric|row|table|logged)", beside.text
            ):
                return window, why
    return 0, ""


def _memories(table: Table) -> Iterator[Memory]:
    heads = [fold(cell.text) for cell in table.header]
    memory = next((i for i, head in enumerate(heads) if i and _MEMORY.search(head)), None)
    if memory is None or not (_PRECISION.search(heads[0]) or any(precisions_in(r[0].text) for r in table.rows[:20])):
        return
    devices = next(
        (i for i, head in enumerate(heads) if i != memory and re.search(r"\bgpus?\b|\bhardware\b", head)), None
    )
    for row in table.rows[:100]:
        named = precisions_in(row[0].text)
        cell = row[memory]
        if not cell.text or not named:
            continue
        read = number(cell.text)
        if read is not None and not read.unit and "gb" in heads[memory].split():
            read = Number(read.printed, read.value, read.last_digit, "GB", read.approximate)
        gpus = tuple(p.strip() for p in row[devices].text.split(",") if p.strip()) if devices is not None else ()
        yield Memory(
            named[0],
            row[0].text,
            cell.text,
            cell.span,
            read,
            cell,
            gpus,
            row[devices].text if devices is not None else "",
        )
