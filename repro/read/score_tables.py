"""Score tables: one score a row, one model a column or a row, one metric a column, or one row of benchmarks."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from repro.card import Cell, Table
from repro.read.document import REPO_ID, Document, hub_id, stage_in
from repro.read.names import method_of
from repro.read.score_cells import cell_result, condition, pair_in
from repro.read.score_words import (
    PLAIN_METRIC,
    bare_label,
    counts_something_else,
    is_benchmark,
    metric_name,
    score_number,
    task_and_metric,
)
from repro.read.statement import Result
from repro.read.values import as_int, fold, number
from repro.spec import AnyFact

_TASK = re.compile(
    r"^(?:tasks?|benchmarks?|benchmark name|bench|datasets?|eval(?:uation)?s?|tests?|task name|evaluation task|"
    r"evaluation dataset|test ?set|eval set|test corpus|corpus|ne type|entity(?: type)?|type|tag|intent|emotion|subset|"
    r"split|subtask|category|class|label|language|lang|domain|任务|数据集|"
    r"基准|评测|タスク|ベンチマーク|벤치마크|tarea|tâche)$"
)
_METRIC = re.compile(r"^(?:metrics?|measure|score type|métrica|métrique|指标|指標|지표)$")
_VALUE = re.compile(
    r"^(?:values?|scores?|results?|performance|accuracy|acc|acc norm|exact match|f1|win rate|reported|our score|"
    r"final score|score %|val|valid(?:ation)?|dev|eval|(?:val|validation|dev|test|eval(?:uation)?) set|"
    r"valor|valeur|分数|スコア|점수|结果)$"
)
_SHOTS = re.compile(r"^(?:n[- ]?shots?|shots?|num few ?shots?|few ?shots?|fewshot|k shot)$")
_VERSION = re.compile(r"^(?:task )?versions?$")
_FILTER = re.compile(r"^filters?$")
_ERROR = re.compile(r"^(?:std ?err(?:or)?|standard error|std|se)$")
_MODEL = re.compile(
    r"^(?:models?|name|model name|checkpoint|system|model variant|model id|llms?|method|methods|approach|模型|modelo|"
    r"modèle|모델|モデル|mô hình)$"
)
_LABELS = frozenset(("label", "labels", "class", "category", "emotion", "language", "intent"))
_OURS = re.compile(r"^(?:ours|our models?|this model|this|this work|this repo(?:sitory)?|this checkpoint|本模型)$")
_BASE = re.compile(
    r"^(?:base(?:line)?(?: model)?|before(?: fine ?tuning| training)?|original(?: model)?|pre ?trained|vanilla)$"
)
_TUNED = re.compile(
    r"^(?:(?:this )?(?:fine ?tuned?|finetuned|tuned|trained|merged|adapted)(?: model| score| value)?|"
    r"after(?: fine ?tuning| training)?)$"
)
_FAMILY = re.compile(
    r"\b(?:\w*bert\w*|gpt\w*|\w*llama\w*|mistral|mixtral|m?t5|m?bart|xlm\w*|electra|qwen\w*|gemma|falcon|mpt|vicuna|"
    r"claude|gemini|bloom\w*|opt|pythia|baseline|wav2vec2\w*|\d+b)\b"
)
_UNTOLD = "this table compares models, and which of them is this card's cannot be told: no score was taken from it"


@dataclass(slots=True)
class Sheet:
    """A score table with what its headers and its place say."""

    doc: Document
    table: Table
    about: bool
    """Whether headings or the text before it speak of scores."""
    conditions: tuple[AnyFact, ...] = ()
    of_this: bool = False
    """Whether the text before it says that it is of this model."""
    heads: list[str] = field(default_factory=list)
    untold: str = ""
    """Set where the table is of several models and this card's own is not known."""

    def __post_init__(self) -> None:
        header = self.table.header
        # A header of empty cells, or of a title alone, stands above the real one.
        filled = [cell for cell in header if cell.text]
        if self.table.rows and (not filled or (len(filled) == 1 and len(header) > 2 and header[0].text)):
            first = self.table.rows[0]
            if all(cell.text for cell in first[1:]) and not any(number(cell.text) for cell in first):
                self.table = Table(first, self.table.rows[1:])
        self.heads = [_head(cell.text) for cell in self.table.header]

    def column(self, pattern: re.Pattern[str]) -> int | None:
        return next((i for i, head in enumerate(self.heads) if pattern.match(head)), None)

    def links_here(self, cell: Cell) -> bool:
        """Whether a cell links to this card's model, or is its address."""
        links = (*cell.links, cell.text) if "/" in cell.text else cell.links
        return any(self.doc.is_own_name(found) for kind, found in map(hub_id, links) if kind == "model")

    def ours(self, cell: Cell) -> bool:
        """Whether a cell names this card's model: by its name, by a link to it, or as "ours"."""
        name = cell.text
        if cell.links and self.links_here(cell):
            return True
        bare = re.sub(r"\([^()]*\)|\[[^\[\]]*\]", " ", name)
        if self.doc.is_own_name(name) or self.doc.is_own_name(bare) or _OURS.match(fold(bare)):
            return True
        return re.search(r"(?i)\((?:ours|this(?: model| repo| one)?)\)|\bthis model\b", name) is not None


def table_results(sheet: Sheet) -> Iterator[Result]:
    """The scores of the card's own model in one table."""
    heads = sheet.heads
    if not sheet.table.rows:
        return
    task, metric, model = sheet.column(_TASK), sheet.column(_METRIC), sheet.column(_MODEL)
    of_models = heads[0] == "" and metric is None and any(is_model(sheet, row[0]) for row in sheet.table.rows)
    if not (of_models or model == 0) and any(map(_of_training, heads)):
        return
    if model in (task, metric):
        model = None
    rest = [i for i in range(len(heads)) if i not in (task, metric, model)]
    figures = [i for i in rest if i or score_number(sheet.table.rows[0][0].text).number is not None]
    values = [i for i in figures if PLAIN_METRIC.match(heads[i])]
    if len(values) != 1 and not (values and metric is None):
        values = [i for i in rest if _VALUE.match(heads[i])]
        values = values if len(values) == 1 else []
    if of_models:
        yield from _by_model_rows(sheet, task)
    elif values and (task is not None or metric is not None):
        yield from _long(sheet, task, metric, model, values)
    elif values and heads[0] == "" and (len(values) > 1 or sheet.about):
        yield from _long(sheet, 0, None, model, values)
    elif model == 0:
        yield from _by_model_rows(sheet, task)
    elif len(values) == 1 and all(PLAIN_METRIC.match(fold(row[0].text)) for row in sheet.table.rows):
        yield from _long(sheet, 0, None, None, values)
    elif heads[0] in _LABELS and all(PLAIN_METRIC.match(fold(row[0].text)) for row in sheet.table.rows):
        for row in sheet.table.rows:
            for head, cell in zip(sheet.table.header[1:], row[1:]):
                if head.text and not counts_something_else(head.text):
                    yield from cell_result(head.text, bare_label(row[0].text), cell, row[0], sheet.conditions)
    elif (
        len(sheet.table.rows) == 1 and (metric == 0 or not heads[0]) and _VALUE.match(fold(sheet.table.rows[0][0].text))
    ):
        for head, cell in zip(sheet.table.header[1:], sheet.table.rows[0][1:]):
            if head.text and not counts_something_else(head.text):
                yield from cell_result(head.text, "score", cell, head, sheet.conditions)
    elif task is not None or metric is not None or (heads[0] == "" and sheet.about):
        yield from _by_model_columns(sheet, task if task is not None else metric or 0, metric if task else None)
    elif values and len(sheet.table.rows) == 1 and all(_of_one(sheet, i, values) for i in range(len(heads))):
        for column in values:
            place = sheet.table.header[column]
            measure = bare_label(place.text)
            yield from cell_result("evaluation", measure, sheet.table.rows[0][column], place, sheet.conditions)
    elif sum(map(is_benchmark, heads)) >= 2 and len(sheet.table.rows) == 1:
        yield from _one_row(sheet)
    elif sheet.about and heads[0] and sum(is_benchmark(row[0].text) for row in sheet.table.rows) >= 2:
        yield from _by_model_columns(sheet, 0, None)


def is_model(sheet: Sheet, cell: Cell) -> bool:
    """Whether the label of a row is a model's name."""
    linked = any(kind == "model" for kind, _ in map(hub_id, cell.links))
    return linked or sheet.ours(cell) or _FAMILY.search(fold(cell.text)) is not None


def _of_one(sheet: Sheet, column: int, values: list[int]) -> bool:
    """Whether a column is a metric's, or of a count or a date: none that names a model."""
    if column in values:
        return PLAIN_METRIC.match(sheet.heads[column]) is not None
    return not sheet.heads[column] or counts_something_else(sheet.table.header[column].text)


def _head(text: str) -> str:
    bare = fold(re.sub(r"\([^()]*\)", " ", text)) if "(" in text else fold(text)
    return bare or fold(text)


def _of_training(head: str) -> bool:
    return ("loss" in head and re.search(r"\bloss\b", head) is not None) or head in ("step", "steps", "epoch", "epochs")


def _long(sheet: Sheet, task: int | None, metric: int | None, model: int | None, values: list[int]) -> Iterator[Result]:
    """One score a row and value column; an empty task cell repeats the one above, as lm-eval prints it."""
    heads = sheet.heads
    if task is None and not sheet.about:
        return
    of_data = task is not None and metric is None and heads[task] in ("dataset", "datasets", "split", "type")
    if of_data and not sheet.about and not any(PLAIN_METRIC.match(heads[i]) for i in values):
        return
    shots, version, filtered = sheet.column(_SHOTS), sheet.column(_VERSION), sheet.column(_FILTER)
    error = sheet.column(_ERROR)
    stage_column = next((i for i, head in enumerate(heads) if head == "stage"), None)
    last: dict[int, Cell] = {}
    named = [row[model] for row in sheet.table.rows if row[model].text] if model is not None else []
    if named and not any(map(sheet.ours, named)):
        sheet.untold = _UNTOLD if len({cell.text for cell in named}) > 1 else ""
        return
    whose: Cell | None = None
    for row in sheet.table.rows:
        if set(row[0].text) <= set("-=| ") and row[0].text:
            continue  # a rule drawn with dashes
        for column in (task, shots, version, filtered):
            if column is not None and row[column].text:
                last[column] = row[column]
        if model is not None:
            whose = row[model] if row[model].text else whose
            if whose is not None and not sheet.ours(whose):
                continue
        name = last[task].text if task is not None and task in last else ""
        if (task is not None and not name) or counts_something_else(name):
            continue
        own = list(sheet.conditions)
        if shots is not None and shots in last and (count := number(last[shots].text)) is not None:
            own.append(condition("num_fewshot", as_int(count), last[shots]))
        if version is not None and version in last:
            own.append(condition("task_version", last[version].text, last[version]))
        if filtered is not None and filtered in last and last[filtered].text not in ("none", "None"):
            own.append(condition("filter", last[filtered].text, last[filtered]))
        if error is not None and len(values) == 1 and number(row[error].text) is not None:
            own.append(condition("stderr", row[error].text, row[error]))
        stage = method_of(row[stage_column].text) if stage_column is not None else ""
        for value in values:
            measure = row[metric].text if metric is not None else metric_name(heads[value])
            if metric is None and PLAIN_METRIC.match(heads[value]):
                measure = bare_label(sheet.table.header[value].text)
            label = name
            if metric is None and measure == "score" and PLAIN_METRIC.match(fold(name)):
                label, measure = "evaluation", bare_label(name)
            if task is None:
                if counts_something_else(measure):
                    continue
                if not PLAIN_METRIC.match(fold(measure)):
                    label, measure = measure, "score"  # leaderboards head the column of tasks "Metric"
            place = row[task if task is not None else metric or 0]
            yield from cell_result(label.lstrip("-| ") or "evaluation", measure, row[value], place, own, stage)


def _by_model_columns(sheet: Sheet, task: int, metric: int | None) -> Iterator[Result]:
    """One column a model: only the card's own (or, in a card with stages, those named by method alone)."""
    if not (sheet.about or sheet.conditions or any(is_benchmark(row[task].text) for row in sheet.table.rows)):
        return
    heads, header = sheet.heads, sheet.table.header
    others = [i for i in range(len(heads)) if i not in (task, metric)]
    columns = [(i, "") for i in others if sheet.ours(header[i])]
    if len(columns) > 1:
        sheet.untold = _UNTOLD
        return
    columns += [(i, stage_in(header[i].text)) for i in others if heads[i] in ("sft", "dpo", "sft model", "dpo model")]
    if not columns and any(_BASE.match(heads[i]) for i in others):
        columns = [(i, "") for i in others if _TUNED.match(heads[i])]
        columns = columns if len(columns) == 1 else []
    if not columns:
        models = [i for i in others if heads[i] and not counts_something_else(header[i].text)]
        sheet.untold = (
            _UNTOLD if len(models) > 1 and any(score_number(sheet.table.rows[0][i].text).number for i in models) else ""
        )
        return
    shots = sheet.column(_SHOTS)
    label = ""
    for row in sheet.table.rows:
        label = row[task].text or label  # an empty cell repeats the one above
        if not label or counts_something_else(label):
            continue
        for column, stage in columns:
            own = list(sheet.conditions)
            if shots is not None and (count := number(row[shots].text)) is not None:
                own.append(condition("num_fewshot", as_int(count), row[shots]))
            measure = row[metric].text if metric is not None else ""
            if not measure and PLAIN_METRIC.match(fold(label)):
                yield from cell_result("evaluation", bare_label(label), row[column], row[task], own, stage)
            else:
                yield from cell_result(label, measure or "score", row[column], row[task], own, stage)


def _by_model_rows(sheet: Sheet, task: int | None) -> Iterator[Result]:
    """One row a model: the row that bears the card's own name."""
    heads, header = sheet.heads, sheet.table.header
    columns = [i for i in range(1, len(heads)) if heads[i] and not counts_something_else(header[i].text)]
    if not (sheet.about or any(is_benchmark(heads[i]) or PLAIN_METRIC.match(heads[i]) for i in columns)):
        return
    own_rows = [row for row in sheet.table.rows if sheet.ours(row[0])]
    if not own_rows and len(sheet.table.rows) == 1 and sheet.of_this:
        own_rows = list(sheet.table.rows)
    if not own_rows:  # a column of addresses may tell
        own_rows = [row for row in sheet.table.rows if any(map(sheet.links_here, row[1:]))]
    if len(own_rows) != 1:
        scored = any(score_number(row[i].text).number for row in sheet.table.rows[:3] for i in columns)
        sheet.untold = _UNTOLD if scored and len(sheet.table.rows) > 1 else ""
        return
    (row,) = own_rows
    for column in columns:
        cell = row[column]
        if column == task or re.fullmatch(r"\d+(?:\.\d+)?\s?[BMK]", cell.text.strip()):
            continue
        if score_number(cell.text).number is None and not pair_in(cell.text):
            continue
        label = header[column].text
        if PLAIN_METRIC.match(heads[column]):
            name = row[task].text if task is not None else "evaluation"
            yield from cell_result(name or "evaluation", bare_label(label), cell, header[column], sheet.conditions)
        else:
            name, measure = task_and_metric(bare_label(label))
            yield from cell_result(name, measure or metric_name(heads[column]), cell, header[column], sheet.conditions)


def _one_row(sheet: Sheet) -> Iterator[Result]:
    """The only row of figures below a row of benchmarks; a name before it must be this model's."""
    (row,) = sheet.table.rows
    named = [cell for cell in row if re.search(r"[A-Za-z]{2}", cell.text) or REPO_ID.search(cell.text)]
    if (named and not all(map(sheet.ours, named))) or not sheet.about:
        return
    for head, cell in zip(sheet.table.header, row):
        if cell.text and head.text and cell not in named and not counts_something_else(head.text):
            name, measure = task_and_metric(bare_label(head.text))
            yield from cell_result(name, measure or metric_name(fold(head.text)), cell, head, sheet.conditions)
