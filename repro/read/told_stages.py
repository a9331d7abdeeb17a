"""Two trainings one after the other that one sentence tells of: "first fine-tuned on X, then aligned with DPO on Y"."""

from __future__ import annotations

import re
from collections.abc import Iterator

from repro.card import Block, BlockKind
from repro.read.document import Document
from repro.read.names import method_of
from repro.read.statement import Gathered, Statement
from repro.read.values import fold

STAGE = "told_stage"
"""The key of a statement that says only that there was such a training."""
_TWO = re.compile(
    r"(?i)\b(?:first (?:supervised |instruction[- ])?fine-?tuned|fine-?tuned first)\b(?P<one>[^.;]{3,200}?),? (?:and )?"
    r"(?:then|subsequently|afterwards) (?P<two>(?:[\w-]+ ){0,4}?(?:fine-?tuned|aligned|optimi[sz]ed)\b[^.;]{3,200})"
)
_OTHERS = re.compile(
    r"(?i)\b(?:other models?|unlike|compared|if you|you can|you may|can be|could be|should be|will be)\b"
)
_AFTER = frozenset(("dpo", "kto", "simpo", "ipo", "cpo", "orpo", "ppo", "grpo", "rlvr"))
_ON = re.compile(r"\bon (?:the )?[`*\"\[]*(?P<name>[A-Z][\w.+-]*(?: [A-Z0-9][\w.+-]*){0,4})")


def read_told_stages(doc: Document, gathered: Gathered) -> Gathered:
    """The stages of the one sentence that tells of two, with the data that it names, where nothing else sets stages."""
    if doc.words.lacks(_TWO) or gathered.parts:
        return Gathered()
    if any(s.stage and s.medium not in ("prose", "diagram") for s in gathered.statements):
        return Gathered()
    told = [
        (block, match)
        for index, block in enumerate(doc.blocks)
        if block.kind in (BlockKind.PARAGRAPH, BlockKind.LIST_ITEM) and len(block.text) < 5000
        for match in _TWO.finditer(block.text)
        if not doc.elsewhere(index) and not _OTHERS.search(block.text[max(0, match.start() - 100) : match.end()])
    ]
    if len(told) != 1:
        return Gathered()
    block, match = told[0]
    second = method_of(match["two"])
    if "align" in match["two"].lower() and second not in _AFTER:
        return Gathered()  # by what it was aligned is not said
    names = ("sft", second) if second in _AFTER else ("#1", "#2")
    return Gathered(statements=tuple(_stages(doc, block, match, names)))


def _stages(doc: Document, block: Block, match: re.Match[str], names: tuple[str, str]) -> Iterator[Statement]:
    listed = doc.card.front_matter.get("datasets")
    ids = [one for one in listed if isinstance(one, str)] if isinstance(listed, list) else []
    for stage, text in zip(names, (match["one"], match["two"])):
        yield Statement(STAGE, match.group(0)[:200], block.span, stage, None, "", stage, "", "prose")
        if named := _ON.search(text):
            words = set(fold(named["name"]).split())
            same = [one for one in ids if set(fold(one.rpartition("/")[2]).split()) <= words]
            name = same[0] if len(same) == 1 else named["name"]
            why = "" if same else "a name, not a repository"
            yield Statement(
                "dataset", named["name"], doc.locate(block.span, named["name"]), name, None, why, stage, "", "prose"
            )
