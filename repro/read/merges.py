"""Merges: mergekit's YAML says by which method which models were merged, with which weights."""

from __future__ import annotations

from collections.abc import Iterator

from repro.card import Block, BlockKind, Span
from repro.read.document import REPO_ID, Document
from repro.read.parameters import interpret
from repro.read.statement import Gathered, Statement
from repro.read.values import number, plain_value
from repro.read.yaml_lines import Entry, entries

MERGE = "merge"
"""The stage's name."""
_OF_A_MODEL = {"weight": "merge_weight", "density": "merge_density"}
_PARAMETER_WORDS = "weight density epsilon lambda t normalize int8_mask gamma rescale select_topk"
_PARAMETERS = frozenset(_PARAMETER_WORDS.split())


def read_merges(doc: Document) -> Gathered:
    """The statements of every mergekit configuration that the card shows, each a merge of its own."""
    if "merge_method" not in doc.card.text:
        return Gathered()
    shown = [
        (index, block)
        for index, block in enumerate(doc.blocks)
        if block.kind is BlockKind.CODE and "merge_method:" in block.text and len(block.text) < 60_000
    ]
    found: list[Statement] = []
    for place, (index, block) in enumerate(shown[:10], start=1):
        stage = MERGE if len(shown) == 1 else f"{MERGE}#{place}"
        found.extend(_merge(doc, index, block, stage))
    return Gathered(statements=tuple(found))


def _merge(doc: Document, index: int, block: Block, stage: str) -> Iterator[Statement]:
    first = doc.code_line(block)
    read = list(entries(block.text))
    if not any(e.path == ("merge_method",) and e.value for e in read):
        return
    model = ""
    seen: set[str] = set()
    for entry in read:
        span = Span(block.span.source, first + entry.line, first + entry.line)
        name = entry.path[-1]
        if not entry.value:
            continue
        if entry.path == ("merge_method",):
            yield _made("merge_method", entry, span, index, stage)
        elif entry.path == ("base_model",):
            yield _made(
                "base_model", entry, span, index, stage, "" if REPO_ID.fullmatch(entry.value) else "not a repository"
            )
        elif entry.path in (("dtype",), ("out_dtype",)):
            for p in interpret("precision", entry.value):
                yield Statement(p.key, p.printed, span, p.value, p.number, p.why, stage, name, "code", group=index)
        elif name == "model" and entry.path[0] in ("models", "slices"):
            model = entry.value
            if model not in seen and len(seen) < 100:
                seen.add(model)
                yield _made("merge_model", entry, span, index, stage)
        elif "parameters" in entry.path and name in _PARAMETERS:
            of = f"of {model}" if entry.path[0] in ("models", "slices") and model else "of the whole merge"
            yield _made(_OF_A_MODEL.get(name, f"merge_{name}"), entry, span, index, stage, of)


def _made(key: str, entry: Entry, span: Span, index: int, stage: str, why: str = "") -> Statement:
    read = number(entry.value)
    value = plain_value(read) if read and not read.unit else entry.value
    return Statement(key, entry.value, span, value, read, why, stage, entry.path[-1], "code", None, True, index)
