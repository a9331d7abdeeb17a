"""Several settings on one line: "lr: 1e-4, bs: 64, epochs: 3", "learning rate 2e-5, batch size 32, 4 epochs"."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from repro.card import Block, BlockKind
from repro.read.document import Document
from repro.read.names import TELLING, TRAINING, term
from repro.read.parameters import interpret
from repro.read.statement import Gathered, Statement
from repro.read.values import number

_CUT = re.compile(r"[;|·•]|,(?!\d{3}(?:\D|$))(?![^()]{0,60}\))| / |\. | and ")
_LABELLED = re.compile(
    r"^(?P<label>[A-Za-zβε][\w .*/-]{0,40}?)\s*(?:[:=]|\bof\b|\bis\b)\s*(?P<value>[^\s=:][^=:]{0,40})$"
)
_FOLLOWED = re.compile(r"^(?P<label>[A-Za-z][A-Za-z _-]{1,40}?)\s+(?P<value>[-+~]?\d[\d.,]*(?:[eE][-+]?\d+)?\s?%?)$")
_COUNTED = re.compile(
    r"^(?P<value>\d[\d.,]*\s?[kKM]?|one|two|three|four|five)\s+(?:training )?(?P<label>epochs?|steps)$"
)
_LEAD = re.compile(
    r"^.{0,80}?\b(?:hyper-?parameters?|parameters?|settings?|config(?:uration)?|trained with|using|with)\b\s*:?\s*"
)
_SURE = ("learning rate", "learning_rate", "batch", "epoch", "optimi", "schedul", "warm", "decay", " lr", " bs")
_WORDS = frozenset(("lr", "bs", "learning", "batch", "epoch", "epochs", "optimizer", "scheduler", "warmup", "decay"))
_LONGEST = 60
"""Letters of a setting with what may lead the first one in."""
_LEAST = 3
"""Settings of which a line is made; two where a heading says that it is about training."""


class Setting(NamedTuple):
    """One of several settings of a line."""

    label: str
    printed: str
    key: str
    stage: str


@lru_cache(maxsize=512)
def settings_in(text: str) -> tuple[Setting, ...]:
    """The settings that a line is made of; none where less than two thirds of its pieces are settings."""
    if len(text) > 500:
        return ()
    pieces = [piece for piece in _CUT.split(text.strip().rstrip(".")) if piece.strip()]
    if len(pieces) < 2 or sum(len(piece) <= _LONGEST for piece in pieces) * 3 < len(pieces) * 2:
        return ()
    found: list[Setting] = []
    for place, piece in enumerate(pieces):
        setting = _setting(piece.strip(" `*()")) or (
            _setting(_LEAD.sub("", piece).strip(" `*()")) if not place else None
        )
        if setting is not None:
            found.append(setting)
    return tuple(found) if len(found) * 3 >= len(pieces) * 2 else ()


def _setting(piece: str) -> Setting | None:
    counted = _COUNTED.match(piece)
    match = counted or _LABELLED.match(piece) or _FOLLOWED.match(piece)
    if match is None:
        return None
    label, value = match["label"].strip(" `*"), match["value"].strip(" `*\"'")
    known = ("total_steps", "") if counted and label == "steps" else term(label)
    if known is None or known[0] not in TRAINING:
        return None
    if number(value) is None and known[0] not in ("optimizer", "lr_scheduler_type", "precision") and not counted:
        return None
    return Setting(label, value, *known)


def read_setting_lines(doc: Document) -> Gathered:
    """The statements of paragraphs and list items that hold several settings on one line."""
    if len(_WORDS & doc.words.words) < 2:
        return Gathered()
    found: list[Statement] = []
    paragraph, item = BlockKind.PARAGRAPH, BlockKind.LIST_ITEM
    for index, block in enumerate(doc.blocks):
        if (block.kind is paragraph or block.kind is item) and _several(block.text[:2000]):
            found.extend(_block(doc, index, block))
    return Gathered(statements=tuple(found))


def _several(text: str) -> bool:
    """Whether a text has two of the words of which every such line has two."""
    lower = f" {text.lower()}"
    seen = False
    for word in _SURE:
        if word in lower:
            if seen:
                return True
            seen = True
    return False


def _block(doc: Document, index: int, block: Block) -> Iterator[Statement]:
    for line in (line for whole in block.text.split("\n") for line in re.split(r"(?<=[a-z0-9)])\.\s+(?=[A-Z])", whole)):
        settings = settings_in(line) if _several(line) else ()
        telling = {s.key for s in settings if s.key in TELLING or s.key == "batch_size"}
        if len(telling) < 2 or (doc.elsewhere(index) and len(telling) < _LEAST):
            continue
        if len(settings) < _LEAST and not doc.about_training(index):
            continue
        for setting in settings:
            for p in interpret(setting.key, setting.printed, setting.label):
                if p.value is not None:
                    place = doc.locate(block.span, p.printed)
                    stage = setting.stage or doc.stage_hint(index)
                    yield Statement(
                        p.key, p.printed, place, p.value, p.number, p.why, stage, setting.label, "list", group=index
                    )
