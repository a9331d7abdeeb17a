"""Scores in the body of a card: lm-eval's own tables, benchmark tables, and a trainer's evaluation bullets."""

from __future__ import annotations

import re
from collections.abc import Iterator

from repro.card import Block, BlockKind, Cell, Span, Table
from repro.read.document import Document, stage_in
from repro.read.names import TRAINING, method_of, term
from repro.read.statement import Gathered, Reading, Result
from repro.read.values import as_int, fold, left_open, number
from repro.spec import AnyFact, Fact, Origin

_HARNESS = re.compile(
    r"(?i)\b(lm[- _]?eval(?:uation)?(?:[- _]harness)?|language model evaluation harness|eval(?:uation)? harness|olmes|"
    r"lighteval|helm|opencompass|evalplus|mt[- ]bench)\b(?:\s*\(?v?(?:ersion\s*)?(\d+\.\d+(?:\.\d+)?))?"
)
_TASK = re.compile(r"^(?:tasks?|benchmarks?|datasets?|eval(?:uation)?s?|tests?|task name|evaluation task)$")
_METRIC = re.compile(r"^(?:metrics?|measure|score type)$")
_VALUE = re.compile(
    r"^(?:values?|scores?|results?|performance|accuracy|acc|acc norm|exact match|f1|win rate|reported)$"
)
_SHOTS = re.compile(r"^(?:n[- ]?shots?|shots?|num few ?shots?|few ?shots?|fewshot|k shot)$")
_VERSION = re.compile(r"^(?:task )?versions?$")
_SCORES_ABOUT = re.compile(r"(?i)\b(?:eval\w*|benchmarks?|results?|performance|scores?|leaderboard|metrics)\b")
_EVALUATION_SET = re.compile(r"(?i)achieves the following results on the (evaluation|test|validation) set")
_MODEL_COLUMN = re.compile(r"^(?:models?|name|model name|checkpoint|system)$")
_METRIC_NAMES = (
    "accuracy",
    "acc norm",
    "acc",
    "exact match",
    "f1",
    "pass 1",
    "pass 10",
    "win rate",
    "bleu",
    "rouge",
    "perplexity",
    "wer",
)
_SHOTS_IN_LABEL = re.compile(r"(?i)[\s,]*\(?\b(\d{1,3})[- ]?shots?\b\)?|[\s,]*\((\d{1,3})(?:[- ]s)?\)[\s⬆⬇↑↓\ufe0f]*$")
_PLAIN_METRICS = re.compile(
    r"^(?:accuracy|acc|acc norm|exact match|em|f1|f1 score|precision|recall|bleu|rouge \w+|perplexity|wer|cer|map|mrr|"
    r"auc|reward accuracy|preference accuracy|win rate|macro f1|micro f1|mse|rmse|mae|r2)$"
)
MAX_ROWS = 400


def read_scores(doc: Document) -> Gathered:
    """Scores of the card's own model; tables that compare other models give none of theirs."""
    results: list[Result] = []
    readings: list[Reading] = []
    for index, block in enumerate(doc.blocks):
        if block.kind is BlockKind.TABLE and block.table is not None and len(block.table.rows) <= MAX_ROWS:
            results.extend(_table(doc, index, block.table))
        elif block.kind is BlockKind.PARAGRAPH and (match := _EVALUATION_SET.search(block.text)):
            for result in _bullets(doc, index, match.group(1)):
                (readings if isinstance(result, Reading) else results).append(result)  # type: ignore[arg-type]
        elif block.kind is BlockKind.HEADING and fold(block.text) == "validation metrics":
            for result in _bullets(doc, index, "validation"):
                (readings if isinstance(result, Reading) else results).append(result)  # type: ignore[arg-type]
    return Gathered(results=tuple(results), readings=tuple(readings))


def _bullets(doc: Document, index: int, which: str) -> Iterator[Result | Reading]:
    """The figures that generated cards list for the end of training: "- Loss: 0.3649"."""
    for block in doc.blocks[index + 1 : index + 61]:
        if block.kind is not BlockKind.LIST_ITEM:
            return
        label, colon, printed = block.text.partition(":")
        printed = printed.strip()
        read = number(printed)
        if not colon or (read is None and not left_open(printed)):
            continue
        span = doc.locate(block.span, printed)
        name = fold(label).replace(" ", "_")
        if name == "loss":
            yield Reading(
                "eval_loss", printed, span, read, split="validation", why="" if read else "left open on the card"
            )
        elif read is not None:
            yield Result(f"{which} set", name, printed, span, read, split="validation")


def _table(doc: Document, index: int, table: Table) -> Iterator[Result]:
    heads = [fold(cell.text) for cell in table.header]
    if not table.rows or any(re.search(r"\bloss\b|^steps?$|^epochs?$", head) for head in heads):
        return
    task = next((i for i, head in enumerate(heads) if _TASK.match(head)), None)
    metric = next((i for i, head in enumerate(heads) if _METRIC.match(head)), None)
    values = [i for i, head in enumerate(heads) if _VALUE.match(head) and i not in (task, metric)]
    conditions = _conditions(doc, index)
    if (task is not None or metric is not None) and len(values) == 1:
        yield from _long(doc, index, table, heads, task, metric, values[0], conditions)
    elif task is not None or (heads[0] == "" and _about_scores(doc, index)):
        yield from _by_model_columns(doc, index, table, heads, task or 0, metric, conditions)
    elif _MODEL_COLUMN.match(heads[0]) and _about_scores(doc, index):
        yield from _by_model_rows(doc, table, heads, conditions)


def _about_scores(doc: Document, index: int) -> bool:
    texts = (*doc.path(doc.blocks[index])[:2], doc.introduction(index))
    return any(_SCORES_ABOUT.search(text) for text in texts)


def _conditions(doc: Document, index: int) -> tuple[AnyFact, ...]:
    """The harness that the headings or the paragraphs beside a table name."""
    block = doc.blocks[index]
    nearby = [doc.blocks[i] for i in (index - 1, index + 1, index - 2) if 0 <= i < len(doc.blocks)]
    texts: list[Block] = [
        b for b in nearby if b.kind in (BlockKind.PARAGRAPH, BlockKind.HEADING) and len(b.text) < 2000
    ]
    texts += [
        b
        for b in doc.blocks[max(0, index - 12) : index]
        if b.kind is BlockKind.HEADING and b.text in block.heading_path
    ]
    for beside in texts:
        if match := _HARNESS.search(beside.text):
            name = fold(match.group(1))
            value = "lm-eval" if "eval" in name and name not in ("olmes", "lighteval", "evalplus") else name
            place = doc.locate(beside.span, match.group(1))
            facts: list[AnyFact] = [Fact("harness", value, Origin.STATED, match.group(1), place)]
            if match.group(2):
                facts.append(Fact("harness_version", match.group(2), Origin.STATED, match.group(2), place))
            return tuple(facts)
    return ()


def _long(
    doc: Document, index: int, table: Table, heads: list[str], task: int | None, metric: int | None, value: int,
    conditions: tuple[AnyFact, ...],
) -> Iterator[Result]:  # fmt: skip
    """One score a row; an empty task cell repeats the one above, as lm-eval prints it."""
    if task is None and not _about_scores(doc, index):
        return
    if task is not None and not _about_scores(doc, index) and metric is None and heads[task] in ("dataset", "datasets"):
        return
    shots = next((i for i, head in enumerate(heads) if _SHOTS.match(head)), None)
    version = next((i for i, head in enumerate(heads) if _VERSION.match(head)), None)
    model = next((i for i, head in enumerate(heads) if _MODEL_COLUMN.match(head)), None)
    stage_column = next((i for i, head in enumerate(heads) if head == "stage"), None)
    last: dict[int, Cell] = {}
    for row in table.rows:
        for column in (task, shots, version):
            if column is not None and row[column].text:
                last[column] = row[column]
        cell = row[value]
        if model is not None and row[model].text and not _ours(doc, row[model].text):
            continue
        read = number(cell.text)
        name = last[task].text if task is not None and task in last else ""
        if task is not None and not name:
            continue
        if (read is None and not left_open(cell.text)) or not cell.text:
            continue
        known = term(name)
        if known is not None and known[0] in TRAINING:
            continue
        own = list(conditions)
        if shots is not None and shots in last and (count := number(last[shots].text)) is not None:
            own.append(_fact("num_fewshot", as_int(count), last[shots]))
        if version is not None and version in last:
            own.append(_fact("task_version", last[version].text, last[version]))
        measure = row[metric].text if metric is not None else _metric_name(heads[value])
        if task is None and not _PLAIN_METRICS.match(fold(measure)):
            name, measure = measure, "score"  # leaderboards head the column of tasks "Metric"
        name, few = without_shots(
            name.lstrip("-| ").strip() or "evaluation", row[task if task is not None else metric or 0].span
        )
        own.extend(few if not any(f.key == "num_fewshot" for f in own) else ())
        yield Result(
            name,
            measure,
            cell.text,
            cell.span,
            read,
            tuple(own),
            cell,
            stage=method_of(row[stage_column].text) if stage_column is not None else "",
        )


def without_shots(name: str, span: Span) -> tuple[str, tuple[AnyFact, ...]]:
    """A task's name without the number of shots that it may bear, and that number as a condition."""
    match = _SHOTS_IN_LABEL.search(name)
    if match is None or not name[: match.start()].strip():
        return name, ()
    count = int(match.group(1) or match.group(2))
    bare = (name[: match.start()] + name[match.end() :]).strip(" ,")
    return bare, (Fact("num_fewshot", count, Origin.STATED, match.group(0).strip(" ,⬆⬇↑↓\ufe0f"), span),)


def _fact(key: str, value: int | str | None, cell: Cell) -> AnyFact:
    return Fact(key, value, Origin.STATED, cell.text, cell.span)


def _metric_name(head: str) -> str:
    return next((name.replace(" ", "_") for name in _METRIC_NAMES if name in head), "score")


def _ours(doc: Document, name: str) -> bool:
    return doc.is_own_name(name) or re.search(r"(?i)\bthis model\b|\bours?\b", name) is not None


def _by_model_columns(
    doc: Document, index: int, table: Table, heads: list[str], task: int, metric: int | None,
    conditions: tuple[AnyFact, ...],
) -> Iterator[Result]:  # fmt: skip
    """One column a model: only the card's own (or, in a card with stages, those named by method alone)."""
    if not (_about_scores(doc, index) or conditions):
        return
    columns: list[tuple[int, str]] = []
    for column, cell in enumerate(table.header):
        if column in (task, metric):
            continue
        if _ours(doc, cell.text):
            columns.append((column, ""))
        elif heads[column] in ("sft", "dpo", "sft model", "dpo model"):
            columns.append((column, stage_in(cell.text)))
    shots = next((i for i, head in enumerate(heads) if _SHOTS.match(head)), None)
    for row in table.rows:
        known = term(row[task].text)
        if known is not None and known[0] in TRAINING:
            continue
        for column, stage in columns:
            read = number(row[column].text)
            if not row[task].text or (read is None and not left_open(row[column].text)) or not row[column].text:
                continue
            own = list(conditions)
            if shots is not None and (count := number(row[shots].text)) is not None:
                own.append(_fact("num_fewshot", as_int(count), row[shots]))
            name = row[metric].text if metric is not None else "score"
            cell = row[column]
            label, few = without_shots(row[task].text, row[task].span)
            own.extend(few if not any(f.key == "num_fewshot" for f in own) else ())
            yield Result(label, name, cell.text, cell.span, read, tuple(own), cell, stage=stage)


def _by_model_rows(doc: Document, table: Table, heads: list[str], conditions: tuple[AnyFact, ...]) -> Iterator[Result]:
    """One row a model: the row that bears the card's own name."""
    own_rows = [row for row in table.rows if _ours(doc, row[0].text)]
    if len(own_rows) != 1:
        return
    for column, cell in enumerate(own_rows[0]):
        if (
            column == 0
            or not heads[column]
            or re.search(r"\b(?:size|params|parameters|context|date|license|steps)\b", heads[column])
        ):
            continue
        known = term(table.header[column].text)
        read = number(cell.text)
        if read is None or (known is not None and known[0] in TRAINING) or read.unit not in ("", "%"):
            continue
        if re.fullmatch(r"\d+(?:\.\d+)?\s?[BM]", cell.text.strip()):
            continue
        label, few = without_shots(table.header[column].text, table.header[column].span)
        yield Result(label, _metric_name(heads[column]), cell.text, cell.span, read, (*conditions, *few), cell)
