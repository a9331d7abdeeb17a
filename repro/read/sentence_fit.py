"""What cards of sentence-transformers say of their training: data loader, loss, arguments of the fit() method."""

from __future__ import annotations

import re
from collections.abc import Iterator

from repro.card import Block, BlockKind, Span
from repro.read.document import Document
from repro.read.parameters import interpret
from repro.read.statement import Gathered, Statement
from repro.read.values import kept, number

_LOSS = re.compile(r"^sentence_transformers\.losses\.(?:\w+\.)?(\w+Loss)\b")
_MEMBER = re.compile(r"'(?P<label>[a-z_]{1,30})'\s*:\s*(?:'(?P<text>[^'\n]{1,120})'|(?P<bare>[^\s,'{}]{1,40}))")
_CLASS = re.compile(r"\"optimizer_class\"\s*:\s*\"(?P<printed><class '[\w.]{1,80}\.(?P<name>\w{1,40})'>)\"")
_LOADER = frozenset(("batch_size", "sampler", "batch_sampler"))
UNKNOWN = "not a term this reader knows"


def read_sentence_fit(doc: Document) -> Gathered:
    """The statements of the blocks under "The model was trained with the parameters"."""
    if "fit()-Method" not in doc.card.text:
        return Gathered()
    found: list[Statement] = []
    before = ""
    loaders = losses = 0
    for index, block in enumerate(doc.blocks):
        if block.kind is BlockKind.CODE and len(block.text) < 6000:
            if block.text.lstrip().startswith("{'batch_size'") and "DataLoader" in before:
                loaders += 1
                found.extend(_loader(doc, index, block))
            elif "optimizer_class" in block.text:
                found.extend(_optimizer(doc, index, block))
        elif block.kind is BlockKind.PARAGRAPH:
            if match := _LOSS.match(block.text[:200]):
                losses += 1
                place = doc.locate(block.span, match.group(0))
                said = ("loss_function", match.group(0), place, match.group(1))
                found.append(Statement(*said, None, UNKNOWN, "", "Loss", "code", None, False, index))
            before = block.text[:200]
    if loaders > 1 or losses > 1:
        # Several data sets in turn: which batch and loss hold for the training as a whole is not said.
        found = [s for s in found if s.key == "optimizer"]
    return Gathered(statements=tuple(found))


def _loader(doc: Document, index: int, block: Block) -> Iterator[Statement]:
    first = doc.code_line(block)
    for match in _MEMBER.finditer(block.text[:1000]):
        label, printed = match["label"], match["text"] or match["bare"]
        if label not in _LOADER:
            continue
        line = first + block.text.count("\n", 0, match.start())
        span = Span(block.span.source, line, line)
        if label == "batch_size":
            for p in interpret("batch_size", printed):
                yield Statement(p.key, p.printed, span, p.value, p.number, p.why, "", label, "code", group=index)
        else:
            read, said = number(printed), kept(printed)
            yield Statement(label, printed, span, said, read, UNKNOWN, "", label, "code", None, False, index)


def _optimizer(doc: Document, index: int, block: Block) -> Iterator[Statement]:
    match = _CLASS.search(block.text)
    if match is None:
        return
    line = doc.code_line(block) + block.text.count("\n", 0, match.start())
    span = Span(block.span.source, line, line)
    for p in interpret("optimizer", match["name"]):
        yield Statement(p.key, match["printed"], span, p.value, None, p.why, "", "optimizer_class", "code", group=index)
