"""Training pipelines that a card draws with arrows: model, method and data, next model."""

from __future__ import annotations

import re
from dataclasses import dataclass

from repro.card import Block, BlockKind, Span
from repro.read.document import REPO_ID, Document
from repro.read.names import METHOD_TITLES, method_of, methods_in
from repro.read.parameters import interpret
from repro.read.statement import Gathered, Part, Statement

MAX_CHARACTERS = 4000
_ARROWS = "↓⬇→➜➔➡⇒⟶⇓▼↳"
_LEADING = re.compile(rf"^[\s|│v┃]*(?:[{_ARROWS}]|--*>|==*>|[|│v┃](?=\s|$))[\s|│]*(?P<label>.*)$")
_INLINE = re.compile(rf"\s*(?:[{_ARROWS}]|--*>|==*>)\s*")
_THIS = re.compile(r"(?:←|<-+|⬅|\()\s*this (?:model|repo\w*|one|checkpoint)\s*\)?|\bthis model\b", re.IGNORECASE)
_DETAIL = re.compile(r"\(([^()]*)\)|(?:\bon\b|:)\s+(.+)$")
_PERCENT = re.compile(r"(?<![\w.])(\d+(?:\.\d+)?\s?%)\s*(?:of\s+)?(?:the\s+)?(.*)")


@dataclass(slots=True)
class _Node:
    text: str
    line: int
    this: bool = False


def read_pipelines(doc: Document) -> Gathered:
    """The stages of the first pipeline that the card draws in a code block or a paragraph."""
    for block in doc.blocks:
        if block.kind in (BlockKind.CODE, BlockKind.PARAGRAPH) and len(block.text) <= MAX_CHARACTERS:
            parts = parse_pipeline(doc, block)
            if parts:
                return Gathered(parts=parts, statements=tuple(p.fraction for p in parts if p.fraction))
    return Gathered()


def parse_pipeline(doc: Document, block: Block) -> tuple[Part, ...]:
    """The parts of a pipeline drawn in one block; empty when it draws none.

    A pipeline has at least one arrow that names a training method, between two models.
    """
    if len(block.text) > MAX_CHARACTERS or block.language not in (
        "",
        "text",
        "txt",
        "plain",
        "plaintext",
        "ascii",
        "diagram",
    ):
        return ()
    text = block.text
    if "->" not in text and "=>" not in text and (text.isascii() or not any(arrow in text for arrow in _ARROWS)):
        return ()
    nodes: list[_Node] = []
    labels: dict[int, tuple[str, int]] = {}  # after node i: the arrow's label and line
    lines = (
        block.text.split("\n")
        if block.kind is BlockKind.CODE
        else list(doc.lines[block.span.line - 1 : block.span.end_line])
    )
    first = doc.code_line(block)
    for offset, line in enumerate(lines):
        number = first + offset
        text = line.strip().strip("`*")
        if not text:
            continue
        leading = _LEADING.match(line)
        if leading:
            label = leading["label"].strip()
            if nodes:
                before = labels.get(len(nodes) - 1, ("", number))
                joined = f"{before[0]} {label}".strip()
                labels[len(nodes) - 1] = (joined, number if label else before[1])
            continue
        for position, piece in enumerate(_INLINE.split(text)):
            _place(piece.strip(), number, position, nodes, labels)
    return _parts(doc, block, nodes, labels)


def _place(piece: str, line: int, position: int, nodes: list[_Node], labels: dict[int, tuple[str, int]]) -> None:
    """One segment of a line: a model, or the label of a step between two models written inline."""
    if not piece:
        return
    bare = _THIS.sub("", piece).strip(" ←<-[]*`")
    this = bool(_THIS.search(piece))
    is_step = (
        position
        and methods_in(bare)
        and not REPO_ID.search(bare)
        and re.match(r"(?i)^(?:full |lora |qlora )?[a-z]{2,12}\b(?:\s*\(|$|:| on )", bare)
    )
    if is_step and nodes and len(nodes) - 1 not in labels:
        labels[len(nodes) - 1] = (bare, line)
    elif is_step and nodes:
        nodes.append(_Node("", line))  # two steps in a row: the model between them has no name
        labels[len(nodes) - 1] = (bare, line)
    elif this and not bare and nodes and nodes[-1].line == line and len(nodes) - 1 not in labels:
        nodes[-1].this = True
    else:
        nodes.append(_Node(bare, line, this))


def _parts(doc: Document, block: Block, nodes: list[_Node], labels: dict[int, tuple[str, int]]) -> tuple[Part, ...]:
    parts: list[Part] = []
    for i in range(len(nodes) - 1):
        label, line = labels.get(i, ("", nodes[i].line))
        method = method_of(label.split("(")[0]) or method_of(label)
        if not method:
            continue
        source = block.span.source
        detail = _DETAIL.search(label)
        inside = ((detail.group(1) or detail.group(2)) if detail else "").strip()
        percent = _PERCENT.search(inside)
        fraction = None
        if percent:
            (read,) = interpret("dataset_fraction", percent.group(1))
            place = doc.locate(Span(source, line, line), percent.group(1))
            fraction = Statement(
                read.key, read.printed, place, read.value, read.number, read.why, method, "", "diagram"
            )
        parts.append(
            Part(
                stage=method,
                method=METHOD_TITLES.get(method, method.upper()),
                base=_model(nodes[i].text),
                base_span=Span(source, nodes[i].line, nodes[i].line),
                produces=_model(nodes[i + 1].text),
                produces_span=Span(source, nodes[i + 1].line, nodes[i + 1].line),
                span=doc.locate(Span(source, line, line), label),
                dataset=(percent.group(2) if percent else _data_name(inside)).strip(" .,;"),
                fraction=fraction,
                this_model=nodes[i + 1].this,
            )
        )
    return tuple(parts) if len({part.stage for part in parts}) == len(parts) else ()


def _model(text: str) -> str:
    found = REPO_ID.findall(text)
    return found[0] if len(found) == 1 else text.strip("`* ")


def _data_name(text: str) -> str:
    """A data set's name in an arrow's label: not a remark of numbers ("lr 1e-5, 2 epochs")."""
    return text if text and not re.search(r"(?i)\b(?:lr|epochs?|steps?|beta|lora|rank)\b", text) else ""
