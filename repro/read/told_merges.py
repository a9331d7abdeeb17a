"""Merges that a card tells of in words: the method it names, the models it links, no configuration."""

from __future__ import annotations

import re
from collections.abc import Iterator

from repro.card import Block, BlockKind
from repro.read.document import Document, hub_id
from repro.read.merges import MERGE
from repro.read.statement import Gathered, Statement

_MERGED = re.compile(
    r"(?i)\b(?:this (?:model )?is|it is|is|a) (?:an? )?(?:[\w-]+ ){0,3}merge (?:of|between)\b"
    r"|\bmerged with\b|\ba merge done\b|\bwas (?:created|made) by merging\b"
)
_METHOD = re.compile(
    r"(?i)\b(?:using|via|with|by|method:?|through) (?:the )?[*_`\"]*"
    r"(?P<method>dare[ _-]ties|ties|slerp|dare|della|task[ _-]arithmetic|model[ _-]stock|passthrough|linear)"
    r"(?=[*_`\"]*[ -]?(?:merg\w*|method|algorithm|interpolation)?\b)"
)
_BASE = re.compile(r"(?i)\bbase model[:*_ ]*\[[^\[\]\n]{1,120}\]\(\s*(?P<link>[^()\s]{1,200})")
MAX_MODELS = 50


def read_told_merges(doc: Document) -> Gathered:
    """A merge's method, base and models, where no configuration shows it and the card lists two models or more."""
    if "merg" not in doc.words.lower or "merge_method" in doc.card.text:
        return Gathered()
    told = [b for b in doc.blocks if b.kind in (BlockKind.PARAGRAPH, BlockKind.LIST_ITEM, BlockKind.HTML)]
    told = [b for b in told if len(b.text) < 10_000]
    merging = [b for b in told if "merg" in b.text.lower()]
    methods = [(b, m) for b in merging for m in _METHOD.finditer(b.text)]
    if (
        not methods
        or not any(_MERGED.search(b.text) for b in merging)
        or len({m["method"].lower() for _, m in methods}) != 1
    ):
        return Gathered()
    models = dict(_models(doc, told))
    if len(models) < 2 or len(models) > MAX_MODELS:
        return Gathered()
    block, match = methods[0]
    printed = match["method"]
    named = (printed, doc.locate(block.span, printed), re.sub("[ -]", "_", printed.lower()), None, "named in words")
    found = [Statement("merge_method", *named, MERGE, "", "list")]
    for one in told:
        source = "\n".join(doc.lines[one.span.line - 1 : one.span.end_line])[:20_000]
        if "ase" in source and (base := _BASE.search(source)) and hub_id(base["link"])[0] == "model":
            name = hub_id(base["link"])[1]
            where = doc.locate(one.span, name)
            found.append(Statement("base_model", name, where, name, None, "", MERGE, "", "list"))
            models.pop(name, None)
            break
    for name, at in models.items():
        found.append(Statement("merge_model", name, doc.locate(at.span, name), name, None, "", MERGE, "", "list"))
    return Gathered(statements=tuple(found))


def _models(doc: Document, told: list[Block]) -> Iterator[tuple[str, Block]]:
    """The models linked in what tells of the merge and in the lists right under it."""
    within = False
    for block in told:
        if block.kind is not BlockKind.LIST_ITEM:
            within = _MERGED.search(block.text) is not None
        if within:
            for link in block.links:
                kind, name = hub_id(link)
                if kind == "model" and "/" in name and not doc.is_own_name(name):
                    yield name, block
