"""Tables of parameters: label and value, one column a stage, or one column a parameter."""

from __future__ import annotations

import re

from repro.card import BlockKind, Cell, Table
from repro.read.document import REPO_ID, Document, hub_id, stage_in
from repro.read.frameworks import framework_of
from repro.read.names import TELLING, TRAINING, method_of, term
from repro.read.parameters import NUMERIC, PREFERENCE_LOSSES, interpret
from repro.read.sizes import of_own_size
from repro.read.statement import Gathered, Statement
from repro.read.values import fold, kept, left_open, number

MAX_ROWS = 2000
"""A longer table is data, not parameters."""
_LABEL_WORDS = (
    "parameter parameters hyperparameter hyperparameters attribute setting settings property field key name config "
    "configuration item option argument detail info"
)
_LABEL = frozenset(_LABEL_WORDS.split()) | {
    "", "model detail", "training parameter", "hyper parameter", "model attribute", "training hyperparameter",
}  # fmt: skip
_VALUE_WORDS = "value values setting details description detail info used"
_VALUE = frozenset(_VALUE_WORDS.split()) | {"value used", ""}
_NOT_APPLICABLE = frozenset(("-", "–", "—", "n/a", ""))
_REMARK = re.compile(
    r"\b(?:notes?|comments?|meaning|source|why|reason|default|explanation|remarks?|description|unit)\b"
)


_BETWEEN = re.compile(r",? and (?:the )?|, ?")
_NAMED = re.compile(r"[A-Z0-9][\w.+-]{1,40}(?: [A-Z0-9][\w.+-]{0,40}){0,3}")
"""A data set's name among several in one cell, as names are written: "Opus, CCmatrix"."""


def read_parameter_tables(doc: Document) -> Gathered:
    """Statements of every table of parameters or attributes in the card."""
    found: list[Statement] = []
    for index, block in enumerate(doc.blocks):
        if block.kind is BlockKind.TABLE and block.table is not None and len(block.table.rows) <= MAX_ROWS:
            made = _by_rows(doc, index, block.table) or _by_columns(doc, index, block.table)
            found.extend(statement._replace(group=index) for statement in made)
    return Gathered(statements=tuple(found))


def _by_rows(doc: Document, index: int, table: Table) -> list[Statement]:
    """A table with a label in its first column and a value in each of the others that is a value's."""
    header = table.header
    if len(header) < 2 or {"type", "description"} <= {fold(cell.text) for cell in header}:
        return []  # the second is a list of fields or arguments
    rows = list(table.rows)
    header_term = term(header[0].text)
    header_is_row = bool(header_term and header_term[0] in TRAINING and fold(header[1].text) not in _VALUE)
    # "| Epoch | BLEU |" heads columns of figures; a parameter's own row holds its value.
    columns_of_figures = len(rows) < 2 or (header_term is not None and header_term[0] in NUMERIC)
    if header_is_row and number(header[1].text) is None and columns_of_figures:
        return []
    if header_is_row:
        rows.insert(0, header)
    terms = [term(row[0].text) for row in rows]
    keys = [t[0] for t in terms if t]
    training = sum(key in TRAINING for key in keys)
    telling = sum(key in TELLING for key in keys)
    if not keys or (fold(header[0].text) not in _LABEL and len(keys) < 2 and not header_is_row):
        return []
    if len(keys) * 3 < len(rows) and telling < 2:
        return []
    is_training = bool(telling) or (training > 0 and doc.about_training(index))
    named = {stage for _, stage in filter(None, terms) if stage}
    # "DPO Beta" in a table whose headings name no stage says whose table it is.
    hint = doc.stage_hint(index) or (named.pop() if len(named) == 1 and telling else "")
    found: list[Statement] = []
    columns = _value_columns(doc, header, header_is_row)
    staged = len(columns) > 1
    for column, stage in columns:
        for row, known in zip(rows, terms):
            cell = row[column]
            if not cell.raw and not row[0].raw:
                continue
            key, own_stage = known or ("", "")
            if staged and cell.text.lower() in _NOT_APPLICABLE:
                continue  # a column of several: the parameter is not this stage's
            if known is None:
                if telling >= 2 and cell.text and row[0].text:
                    found.append(_unknown(row[0], cell, own_stage or stage or hint))
                continue
            if key in TRAINING and not is_training:
                continue
            found.extend(statements(doc, key, row[0].text, cell, own_stage or stage or hint))
    return found


def _value_columns(doc: Document, header: tuple[Cell, ...], header_is_row: bool) -> list[tuple[int, str]]:
    """The columns that hold values, each with the stage its header names."""
    if header_is_row or len(header) == 2:
        return [(1, "" if header_is_row else stage_in(header[1].text))]
    columns = list(range(1, len(header)))
    staged = [(c, method_of(header[c].text) or stage_in(header[c].text)) for c in columns]
    if len([s for _, s in staged if s]) >= 2 and len({s for _, s in staged if s}) == len([s for _, s in staged if s]):
        return [(c, s) for c, s in staged if s]
    values = [c for c in columns if fold(header[c].text) in _VALUE and fold(header[c].text)]
    if len(values) >= 1:
        return [(values[0], "")]
    own = [c for c in columns if doc.is_own_name(header[c].text) or re.search(r"(?i)\bthis\b", header[c].text)]
    if len(own) == 1:
        return [(own[0], "")]
    rest = [c for c in columns if not _REMARK.search(fold(header[c].text))]
    return [(rest[0], stage_in(header[rest[0]].text))] if len(rest) == 1 else []


def _by_columns(doc: Document, index: int, table: Table) -> list[Statement]:
    """A table whose header names parameters, with one row a training (or the row of this model)."""
    terms = [term(cell.text) for cell in table.header]
    telling, training = (sum(bool(t and t[0] in keys) for t in terms) for keys in (TELLING, TRAINING))
    if not table.rows or (telling < 2 and (not telling or training < 3)):
        return []
    first = fold(table.header[0].text)
    rows = list(enumerate(table.rows, start=1))
    if first in ("model", "models", "name", "checkpoint", "run") and terms[0] is None:
        rows = [(1, row) for _, row in rows if doc.is_own_name(row[0].text) or "this model" in row[0].text.lower()]
    elif any(hub_id(link)[0] == "model" for _, row in rows for link in row[0].links):
        rows = [(1, row) for _, row in rows if doc.is_own_name(row[0].text)]
    if len(rows) > 4:
        return []
    hint = doc.stage_hint(index)
    found: list[Statement] = []
    for position, row in rows:
        stage = stage_in(row[0].text) or (hint if len(rows) == 1 else f"#{position}")
        for known, head, cell in zip(terms, table.header, row):
            if known is not None and cell.raw:
                found.extend(statements(doc, known[0], head.text, cell, known[1] or stage))
    return found


def _unknown(label: Cell, cell: Cell, stage: str) -> Statement:
    read = number(cell.text)
    key = fold(label.text).replace(" ", "_")[:60]
    value = kept(cell.text)
    why = "left open on the card" if value is None else "not a term this reader knows"
    return Statement(key, cell.text, cell.span, value, read, why, stage, label.text, "table", cell, known=False)


def statements(doc: Document, key: str, label: str, cell: Cell, stage: str, medium: str = "table") -> list[Statement]:
    """What one labelled cell states."""
    text = cell.text
    if key in ("base_model", "model_id", "dataset"):
        return list(_references(key, label, cell, stage, medium))
    if key == "framework" and not (left_open(text) or _names_a_tool(label, cell)):
        return []
    if key == "total_params" and (not (size := number(text)) or size.unit not in ("", "parameters", "params")):
        return []  # "~500 MB", "8B (LoRA adapter)": not a count of parameters
    if key == "loss":
        if fold(text) not in PREFERENCE_LOSSES:
            return []  # a figure, or a loss that no term is for
        key = "loss_type"
    if key in ("framework", "hardware", "license", "method", "date", "language", "dataset_split", "framework_commit"):
        if left_open(text):
            return [
                Statement(key, cell.raw, cell.span, None, None, "left open on the card", stage, label, medium, cell)
            ]
        link = next((link for link in cell.links if "github.com" in link), "")
        value = link.split("github.com/", 1)[1] if key == "framework" and link and not framework_of(text) else text
        return [Statement(key, text, cell.span, value, None, "", stage, label, medium, cell)]
    if key in NUMERIC and (chosen := of_own_size(text, (doc.title, doc.card.name))):
        why = "the value beside this model's size"
        return [
            Statement(p.key, text, cell.span, p.value, p.number, p.why or why, stage, label, medium, cell)
            for p in interpret(key, chosen, label)
        ]
    return [
        Statement(p.key, p.printed, cell.span, p.value, p.number, p.why, stage, label, medium, cell)
        for p in interpret(key, text, label)
    ]


def _names_a_tool(label: str, cell: Cell) -> bool:
    """Whether a cell names a training framework rather than says something about code, or a library that loads it."""
    known = framework_of(" ".join((cell.text, *cell.links)))
    said = fold(label)
    if said == "library":
        return known not in ("", "transformers")
    if said in ("code", "trainer", "codebase", "training code"):
        return bool(known) and len(cell.text) < 120
    return len(cell.text) <= 80


def _references(key: str, label: str, cell: Cell, stage: str, medium: str) -> list[Statement]:
    """Models or data sets that a cell names, by link or by id, and the share of them that it gives."""
    kind = "dataset" if key == "dataset" else "model"
    ids: list[str] = []
    for link in cell.links:
        found_kind, found = hub_id(link)
        if found_kind == kind and found not in ids:
            ids.append(found)
    if not ids:
        ids = [found for found in REPO_ID.findall(cell.text) if not re.fullmatch(r"[\d.]+/[\d.]+", found)]
    made: list[Statement] = []
    if left_open(cell.text):
        return [Statement(key, cell.raw, cell.span, None, None, "left open on the card", stage, label, medium, cell)]
    if not ids:
        name = re.sub(r"\s*\([^()]*\)\s*$", "", cell.text).strip().strip("\"'")
        if not _is_name(key, label, name):
            return []
        why = "a name, not a repository"
        parts = _BETWEEN.split(name) if key == "dataset" and "," in name else []
        names = parts if parts and all(_NAMED.fullmatch(part) for part in parts) else [name]
        for one in names:
            made.append(Statement(key, one, cell.span, one, None, why, stage, label, medium, cell))
    for found in ids:
        made.append(Statement(key, found, cell.span, found, None, "", stage, label, medium, cell))
    if key == "dataset" and len(ids) <= 1:
        made.extend(_share_in(cell, stage, label, medium))
    return made


def _is_name(key: str, label: str, text: str) -> bool:
    """Whether a text can be the name of a model or a data set: no count of rows, no sentence, no bare link."""
    if text.startswith(("http://", "https://", "www.")):
        return False
    if key == "base_model" and fold(label) == "base" and len(text.split()) > 4:
        return False
    counts = re.match(r"^~?\s?\d[\d.,]*\s?[kKM]?(?:\s+[a-z]+)?$", text) is not None
    return bool(text) and len(text) <= 100 and not counts and fold(text).split()[:1] not in (["link"], ["here"])


def _share_in(cell: Cell, stage: str, label: str, medium: str) -> list[Statement]:
    """A share ("(10%)") or a row count ("(94,000 rows)") beside a data set's name."""
    percents = re.findall(r"(?<![\w.])\d+(?:\.\d+)?\s?%", cell.text)
    if len(percents) == 1 and not re.search(r"(?i)\b(?:test|valid\w*|eval\w*|held)\b", cell.text):
        (parameter,) = interpret("dataset_fraction", percents[0])
        return [
            Statement(p.key, p.printed, cell.span, p.value, p.number, p.why, stage, label, medium) for p in (parameter,)
        ]
    rows = re.findall(r"((?:~\s?)?\d[\d,.]*\s?[kKM]?)\s+(?:rows|examples|samples|pairs|preference pairs)\b", cell.text)
    if len(rows) == 1:
        return [
            Statement(p.key, p.printed, cell.span, p.value, p.number, p.why, stage, label, medium)
            for p in interpret("dataset_rows", rows[0].strip())
        ]
    return []
