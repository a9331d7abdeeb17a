"""Parameters in lists: "- learning_rate: 2e-05", "* Epochs = 3"."""

from __future__ import annotations

import re

from repro.card import Block, BlockKind, Cell, Span
from repro.read.document import Document
from repro.read.names import TELLING, TRAINING, term
from repro.read.setting_lines import settings_in
from repro.read.stage_data import introduced_data
from repro.read.statement import Gathered, Statement
from repro.read.tables import statements
from repro.read.values import fold, kept, number

_MARKS = re.compile(r"[*`]+|<br\s*/?>|\\$")
_PAIR = re.compile(r"^(?P<label>[^:=]{1,80}?)\s*(?::|=|：)\s*(?P<value>\S.*)$", re.DOTALL)
_LOOSE = re.compile(r"^(?P<label>[A-Za-z][A-Za-z _-]{1,40}?)\s+(?P<value>[-+~]?[\d.][\d.,eE+-]*\s?%?)$")
_ENDS_A_FIGURE = frozenset("0123456789.,eE+-%")
_IDENTITY_WORDS = "base_model dataset framework hardware license method date"
_IDENTITY = frozenset(_IDENTITY_WORDS.split())


_ACHIEVED = re.compile(
    r"(?i)\bachieves? the following results\b|\bresults? on (?:the )?(?:evaluation|validation|test) set\b"
)
_BOLD = re.compile(r"\s{0,3}(?P<mark>\*\*|__)(?P<label>[^*_]{2,40}?)(?P=mark)")
_RUN_IN = frozenset(("base_model", "dataset", "method"))
_Item = tuple[int, str, str, str, int]
"""Place among the blocks, label, value, standard term (or empty), line (0: anywhere in the block)."""


def read_lists(doc: Document) -> Gathered:
    """Statements of lists whose items are "label: value"."""
    found: list[Statement] = []
    group: list[_Item] = []
    headed: list[_Item] = []
    before = -2
    blocks = doc.blocks
    item, paragraph = BlockKind.LIST_ITEM, BlockKind.PARAGRAPH
    for index, block in enumerate(blocks):
        kind = block.kind
        if kind is paragraph and block.span.end_line > block.span.line + 1 and len(block.text) < 6000:
            found.extend(_group(doc, _lines(doc, index)))
        if kind is BlockKind.HEADING and ":" in block.text and (pair := _pair(block.text)):
            known = term(pair[0])
            if known is not None and known[0] in TELLING and number(pair[1]) is not None:
                headed.append((index, *pair, known[0], 0))
        run_in = _run_in(doc, block) if kind is paragraph else None
        if (kind is not item and run_in is None) or _versions(block):
            continue
        if index != before + 1 or blocks[before].heading_path != block.heading_path:
            found.extend(_group(doc, group))
            group = []
        before = index
        pair = run_in or _pair(block.text)
        if pair is not None and ("," in pair[1] or ";" in pair[1]) and len(settings_in(block.text)) > 1:
            continue  # several settings on one line are read by themselves
        if pair is not None:
            known = term(pair[0])
            if known is not None or len(group) < 400:
                group.append((index, pair[0], pair[1], known[0] if known else "", 0))
    found.extend(_group(doc, group))
    for one in headed:  # each stands under no other heading, so it is asked for by itself
        found.extend(
            s._replace(cell=None, medium="list", group=headed[0][0])
            for s in statements(doc, one[3], one[1], _as_cell(doc, blocks[one[0]], one[2], 0), "", "list")
        )
    return Gathered(statements=tuple(found))


def _run_in(doc: Document, block: Block) -> tuple[str, str] | None:
    """Label and value of a short paragraph that begins with a term in bold: "**Base Model** name", "**Data:** name"."""
    if len(block.text) > 300 or block.span.end_line > block.span.line + 1:
        return None
    match = _BOLD.match(doc.lines[block.span.line - 1][:120])
    known = term(match["label"]) if match is not None else None
    if match is None or known is None or known[0] not in _RUN_IN:
        return None
    label = match["label"].strip(" :")
    value = block.text.removeprefix(label).lstrip(" :\n") if block.text.startswith(label) else ""
    return (label, value) if value and "\n" not in value.strip() else None


def _lines(doc: Document, index: int) -> list[_Item]:
    """The lines of a paragraph that is a list without marks: "Learning rate: 2e-5", a line each."""
    span = doc.blocks[index].span
    source = doc.lines[span.line - 1 : span.end_line]
    written = [(number, _MARKS.sub("", line[:400]).strip()) for number, line in enumerate(source[:200], span.line)]
    lines = [(number, line) for number, line in written if line]
    pairs = [(number, *pair) for number, line in lines[:100] if (pair := _pair(line)) is not None]
    terms = [term(label) for _, label, _ in pairs]
    if len(pairs) < 2 or len(pairs) * 3 < len(lines) * 2 or sum(t is not None for t in terms) < 2:
        return []
    return [(index, label, value, t[0] if t else "", number) for (number, label, value), t in zip(pairs, terms)]


def _versions(block: Block) -> bool:
    return bool(block.heading_path) and "versions" in fold(block.heading_path[-1]).split()


def _pair(text: str) -> tuple[str, str] | None:
    match = _PAIR.match(text[:1000]) if ":" in text or "=" in text or "：" in text else None
    if match and len(match["label"].split()) <= 9:
        return match["label"].strip(" *`"), match["value"].strip().rstrip(",;")
    last = text[:200].rstrip("\n")[-1:]
    if last.isascii() and last not in _ENDS_A_FIGURE:
        return None
    loose = _LOOSE.match(text[:200])
    return (loose["label"].strip(), loose["value"].strip()) if loose and term(loose["label"]) else None


def _group(doc: Document, group: list[_Item]) -> list[Statement]:
    """The statements of one list, when it is one of hyperparameters or attributes."""
    if not group:
        return []
    if _ACHIEVED.search(doc.introduction(group[0][0])):
        return []  # scores of a validation: "epoch: 2.11" there is when, not how long
    keys = [key for _, _, _, key, _ in group if key]
    telling = sum(key in TELLING for key in keys)
    index = group[0][0]
    is_training = not doc.elsewhere(index) and (
        (doc.about_training(index) and any(key in TRAINING for key in keys)) or telling >= 3
    )
    hint = doc.stage_hint(index)
    quantised = "quantization config was used during training" in doc.introduction(index)
    found: list[Statement] = []
    for place, label, value, key, line in group:
        block = doc.blocks[place]
        cell = _as_cell(doc, block, value, line)
        if key in TRAINING:
            if is_training:
                found.extend(statements(doc, key, label, cell, _stage(label) or hint, "list"))
        elif key in _IDENTITY:
            if not doc.elsewhere(index) and len(value) < 300 and not _of_another(doc, place):
                found.extend(statements(doc, key, label, cell, hint, "list"))
        elif not key and is_training and (telling >= 2 or quantised) and re.fullmatch(r"[A-Za-z][\w ]{1,40}", label):
            name = fold(label).replace(" ", "_")
            said = kept(value[:300])
            why = "left open on the card" if said is None else "not a term this reader knows"
            read = number(value)
            found.append(Statement(name, value[:300], cell.span, said, read, why, hint, label, "list", None, False))
    if is_training and telling >= 3:
        found.extend(introduced_data(doc, index, hint))
    return [s._replace(cell=None, medium="list", group=index) for s in found]


def _of_another(doc: Document, place: int) -> bool:
    """Whether a nested item stands under an entry about another model: its licence is not this card's."""
    block = doc.blocks[place]
    for before in reversed(doc.blocks[max(0, place - 20) : place]):
        if before.kind is not BlockKind.LIST_ITEM:
            return False
        if before.level < block.level:
            return doc.names_another(before)
    return False


def _stage(label: str) -> str:
    known = term(label)
    return known[1] if known else ""


def _as_cell(doc: Document, block: Block, value: str, line: int) -> Cell:
    """A list item's value in the shape of a table cell, so that both are read by the same rules."""
    span = Span(block.span.source, line, line) if line else block.span
    return Cell(value, value, doc.locate(span, value.split(" (")[0][:60]), 0, 0, block.links)
