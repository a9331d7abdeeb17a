"""Which trainings a card tells of: the method of its own model, and lists of parameters that mean another training."""

from __future__ import annotations

import re

from repro.card import BlockKind, Yaml
from repro.read.document import Document
from repro.read.names import TELLING, TRAINING, method_of, methods_in
from repro.read.prose import own_method
from repro.read.statement import Gathered, Statement
from repro.read.told_training import from_scratch, then_tuned
from repro.vocabulary import vocabulary

AFTER_SFT = frozenset(("dpo", "kto", "simpo", "ipo", "cpo", "ppo", "grpo", "rlvr", "reward"))


_FINE_TUNED = re.compile(
    r"(?i)\b(?:this|our|the) (?:\S+ ){0,3}?(?:model|checkpoint|llm)\)? (?:is|was|has been) (?:an? |the )?(?:\S+ )?"
    r"fine-?tuned\b|\bfine-?tuned (?:version|variant|checkpoint|model) (?:of|from)\b"
    r"|\bfine-?tuned (?:\S+ ){0,2}(?:on|from) (?:top of|the foundation)\b"
)


_CONTINUED = re.compile(
    r"(?i)\bcontinu(?:al|ed|ous)(?:ly)? pre-?train|\bfurther pre-?trained on\b"
    r"|\binitiali[sz]ed (?:with|from) \S{1,100} and then (?:further )?pre-?trained\b"
)
_PRETRAINED = re.compile(r"(?i)\bpre-?train(?:ed|ing)\b(?!\()")
_TITLED = re.compile(r"(?i)\(pre-?trained\)")
_TUNED = re.compile(r"(?i)\bfine[- ]?tun(?:ed|es)\b")
_TO_BE_TUNED = re.compile(
    r"(?i)\b(?:model|it|them) (?:still )?(?:needs?|has|have) to be fine-?tuned\b"
    r"|\bneed to fine-?tune (?:the|this) model\b"
    r"|\b(?:model|it) (?:needs|requires) (?:a |further )?(?:[\w-]+ ){0,4}?fine-?tuning\b"
)
"""What is left to its users: such a model was pretrained only."""
_SUPERVISED = re.compile(
    r"(?i)\bSFT (?:model|checkpoint|version|stage|training)\b|\b(?:on|with|using|via|through|by|a|preprocessed) "
    r"supervised fine-?tun(?:ing|ed)\b(?! (?:models?|baseline))"
)
_ASSISTANTS = frozenset(("instruct", "chat", "sft", "it", "assistant"))


def _supervised(doc: Document) -> str:
    """What to call a fine-tuning: SFT where sentences about it say so and name no other method."""
    if doc.words.lacks(_SUPERVISED):
        return "fine-tuning"
    blocks = [b for b in doc.blocks if b.kind in (BlockKind.PARAGRAPH, BlockKind.LIST_ITEM) and len(b.text) < 5000]
    told = [b.text for b in blocks if "upervised" in b.text or "SFT" in b.text]
    named = {m for text in told for m in methods_in(text)}
    return "sft" if named == {"sft"} and any(map(_SUPERVISED.search, told)) else "fine-tuning"


def unnamed(doc: Document, gathered: Gathered) -> str:
    """What to call a stage whose method the card does not name: fine-tuning where it starts from a model."""
    said = any(s.key == "base_model" for s in gathered.statements) or "base_model" in doc.card.front_matter
    named = said or (not doc.words.lacks(_FINE_TUNED) and _told(doc))
    text = doc.card.text
    words = vocabulary(text)
    lower = words.lower
    continued = not words.lacks(_CONTINUED) and _CONTINUED.search(text)
    assistant = any(_ASSISTANTS & set(name.split()) for name in doc.names)
    if "rain" in text and ((continued and not assistant) or _TITLED.search(doc.title)):
        return "pretraining"
    if named or _TUNED.search(doc.title) or then_tuned(doc):
        return _supervised(doc)
    if from_scratch(doc) or _by_megatron(doc, gathered):
        return "pretraining"
    if (
        not doc.words.lacks(_TO_BE_TUNED)
        and _TO_BE_TUNED.search(text)
        and ("pretrain" in lower or "pre-train" in lower)
    ):
        return "pretraining"
    shown = [s for s in gathered.statements if s.key in TELLING and s.medium != "prose"]
    if shown and all(s.medium == "code" for s in shown):
        return "training"  # commands beside a pretrained model are for those who train it further
    pretrained = ("pretra" in lower or "pre-tra" in lower) and _PRETRAINED.search(text)
    return "pretraining" if pretrained and not _TUNED.search(text) else "training"


def _by_megatron(doc: Document, gathered: Gathered) -> bool:
    """Whether a table names Megatron as what trained a model that starts from no other and is no assistant."""
    assistant = any(_ASSISTANTS & set(name.split()) for name in doc.names)
    named = any(
        s.key in ("implementation", "framework", "training_library") and "megatron" in str(s.value).lower()
        for s in gathered.statements
        if s.medium in ("table", "list")
    )
    return named and not assistant


def _told(doc: Document) -> bool:
    blocks = [b.text for b in doc.blocks if b.kind in (BlockKind.PARAGRAPH, BlockKind.LIST_ITEM)]
    return any(_FINE_TUNED.search(text) for text in blocks if "tuned" in text.lower())


EITHER = "one of two trainings, unsaid which"
"""The method of a stage whose parameters may be those of either training that the card tells of."""


def either(doc: Document, gathered: Gathered, method: str) -> bool:
    """Whether sentences alone tell of a fine-tuning on one data set and of `method` on another, while the parameters
    are listed once, under no name, and nothing in them is of `method` only: then they may be of either.
    """
    said = gathered.statements
    structured = [s for s in said if s.key in TRAINING and s.medium not in ("prose", "diagram")]
    if method not in AFTER_SFT or gathered.parts or not structured or any(s.stage for s in structured):
        return False
    if any(s.key in ("beta", "loss_type") for s in said) or any(
        r.metric.startswith("reward") for r in gathered.readings
    ):
        return False
    if any(s.key == "method" and s.medium in ("table", "list", "dialect") for s in said):
        return False
    front = doc.card.front_matter
    listed = [*_texts(front.get("tags")), doc.title, *doc.names]
    if any(method in methods_in(text) for text in listed):
        return False
    aligned = {str(s.value) for s in said if s.key == "dataset" and s.stage == method}
    others = {*_texts(front.get("datasets")), *(str(s.value) for s in said if s.key == "dataset" and not s.stage)}
    tuned = any(b.kind is BlockKind.PARAGRAPH and re.search(r"(?i)\bfine-?tuned\b", b.text) for b in doc.blocks)
    return bool(aligned and others - aligned and tuned)


def _texts(values: Yaml) -> list[str]:
    return [v for v in values if isinstance(v, str)] if isinstance(values, list) else []


def numbered(statements: tuple[Statement, ...]) -> tuple[Statement, ...]:
    """Statements in which a second list (table, command) of the same parameters with other values is a second training.

    Two such lists are no conflict: nobody states one training's parameters twice, differently, in the same form.
    """
    groups: dict[tuple[str, str], dict[int, dict[str, object]]] = {}
    for s in statements:
        if s.group >= 0 and s.key in TELLING and s.value is not None:
            groups.setdefault((s.medium, s.stage), {}).setdefault(s.group, {}).setdefault(s.key, s.value)
    renamed: dict[tuple[str, str, int], str] = {}
    for (medium, stage), lists in groups.items():
        named = [v for (m, s), found in groups.items() if m == medium and s and s[0] != "#" for v in found.values()]
        if not stage and named:
            # A list whose place names no stage is none of the named ones' where its values contradict theirs.
            for group, values in lists.items():
                if len(values) >= 3 and not any(_agree(values, other) for other in named if len(other) >= 3):
                    renamed[(medium, stage, group)] = "fine-tuning#1"
        if stage.startswith("#"):
            continue
        full = [(group, values) for group, values in lists.items() if len(values) >= 3]
        distinct: list[dict[str, object]] = []
        places: dict[int, int] = {}
        for group, values in full:
            same = next((i for i, known in enumerate(distinct) if _agree(known, values)), None)
            if same is None:
                distinct.append(values)
                same = len(distinct) - 1
            places[group] = same
        if len(distinct) > 1:
            renamed.update({(medium, stage, group): f"{stage}#{place + 1}" for group, place in places.items()})
    if not renamed:
        return statements
    return tuple(s._replace(stage=renamed.get((s.medium, s.stage, s.group), s.stage)) for s in statements)


def _agree(first: dict[str, object], second: dict[str, object]) -> bool:
    shared = first.keys() & second.keys()
    return len(shared) < 3 or all(first[key] == second[key] for key in shared)


def stage_names(hints: list[str], stem: str) -> dict[str, str]:
    """A unique stage name for every hint: "#1" and "#2" of one method are "sft" and "sft-2"."""
    names: dict[str, str] = {}
    for hint in hints:
        if hint.startswith("#"):
            names[hint] = stem if hint == "#1" else f"{stem}-{hint[1:]}"
        elif "#" in hint:
            first, _, number = hint.partition("#")
            names[hint] = first if number == "1" else f"{first}-{number}"
        else:
            names[hint] = hint
    return names


def card_method(doc: Document, gathered: Gathered) -> str:
    """The method that made the card's own model, by the strongest place that names exactly one."""
    for part in gathered.parts:
        if part.this_model:
            return part.stage
    if gathered.parts:
        return gathered.parts[-1].stage
    labelled = tuple(s for s in gathered.statements if s.key == "method" and s.medium in ("table", "list", "dialect"))
    if method := own_method(labelled):
        return method
    tags = doc.card.front_matter.get("tags")
    named = {m for tag in (tags if isinstance(tags, list) else []) if isinstance(tag, str) for m in methods_in(tag)}
    for text in (doc.title, *sorted(doc.names)):
        if method := method_of(text):
            return method
    if len(named) == 1:
        return named.pop()
    if any(s.key in ("beta", "loss_type") and s.stage == "dpo" for s in gathered.statements):
        return "dpo"
    return own_method(tuple(s for s in gathered.statements if s.key == "method"))
