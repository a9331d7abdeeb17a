"""Data sets and bases that cards name in words: a trainer's sentence, the line above a list, a model's plain name."""

from __future__ import annotations

import re
from collections.abc import Iterator

from repro.card import Block, BlockKind, Span
from repro.read.document import Document, hub_id
from repro.read.statement import Gathered, Statement
from repro.read.values import fold, left_open
from repro.spec import AnyFact
from repro.vocabulary import vocabulary

_TRAINER_DATA = re.compile(
    r"\b(?:fine[- ]?tuned version of \S+(?: \S+){0,4}?|trained from scratch) on (?:the |an? )?"
    r"(?P<names>\S.{0,300}?) datasets?\b"
)
_BETWEEN = re.compile(r",? and (?:the )?|, (?:the )?")
_NAMED = (
    r"(?P<name>(?:[A-Z][\w.+]{0,20}[ -](?:\d(?:\.\d)?[ -])?){1,3}?v?\d{1,4}(?:\.\d{1,2})?[ -]?[Bb](?![A-Za-z0-9])"
    r"(?:-[A-Za-z0-9_]+(?:\.\d+)?)*"
    r"(?:[ -](?:[Ii]nstruct|[Bb]ase|[Cc]hat|[Ii]t|[Hh]f|v\d[\d.]*)(?![A-Za-z]))*)"
    r"(?! ?(?:tokens?|examples?|rows|samples|words|data))"
)
_TUNED = re.compile(
    r"\bThis (?:(?P<name>[a-z][\w./]{0,40}-[\w./-]{1,60}) model was fine-?tuned (?:for|on)\b"
    r"|(?:\w+ )?model is based on the (?P<base>[a-z][\w./]{0,40}-[\w./-]{1,60}) model\b)"
)
_CHECKPOINT = re.compile(
    r"\b(?:fine-?tuned|trained)\b[^.]{0,80}?\bfrom (?:the )?`?(?P<name>[a-z][\w./]{0,40}-[\w./-]{1,60})`? checkpoint\b"
)
_PUBLIC = re.compile(
    r"\b(?:fine-?tuned|trained|initiali[sz]ed) from (?:[\w-]+ ){0,5}checkpoints? [^.()]{0,60}"
    r"\(`?(?P<name>[\w-]{1,60}/[\w.-]{1,60})`?\)"
)
_BUILT_ON = re.compile(
    r"\b[Tt]his model was built on top of (?:the )?`?(?P<name>[a-z]\w{0,30}-[\w.-]{1,60})`? model\b"
    r"|\bmodels? (?:is|are|was|were) initiali[sz]ed (?:with|from) `?(?P<base>[\w-]{1,60}/[\w.-]{1,60})`?(?= |$|[,.;])"
)
_FAMILY = re.compile(
    r"\bfine-?tuned (?:[\w-]+ ){0,4}models? based on (?:the )?"
    r"(?P<name>(?:[A-Z]\w*)?(?:L[Ll]a[Mm][Aa]|BERT|GPT|Qwen|Mistral|Gemma|Falcon)[\w.-]*(?: \d[\w.]*)?)(?=[:,.; ]|$)"
)
_WORD = r"[A-Za-z][\w.+]{0,30}(?:-[\w.+]{1,30}){0,6}"
_MARKED_NAME = re.compile(
    rf"(?:^|\bis an? |\bis a fine-?tuned (?:version of )?)[`*\"]*"
    rf"(?P<name>(?=[\w./-]*(?:\d|bert|base|large|small|gpt|llama|electra))[a-z][\w./]{{0,40}}-[\w./-]{{1,60}})[`*\"]* "
    r"(?:model )?(?:(?:that|which) (?:was|is|has been) )?fine-?tuned (?:on|for|using|with)\b"
    rf"|\bwith an? (?P<basis>{_WORD}) (?:model )?as (?:its|the|a) (?:basis|base|backbone|starting point)\b"
    rf"|\bfine-?tuned (?:on|from) (?:a|the) base (?P<base>{_WORD}) model\b"
    rf"|\b[Tt]he base (?P<used>{_WORD}) model was used (?:for|in) (?:the )?(?:training|fine-?tuning)\b"
    r"|\b(?:was|is|were) initiali[sz]ed (?:from|with) (?:the )?(?P<init>(?:[A-Z]\w*)?(?:BERT|T5|GPT|L[Ll]a[Mm][Aa]|"
    r"Mistral|Qwen|Gemma)[\w.-]*)(?![\w/])"
    rf"|\bfine-?tuned (?:version|variant) (?:of|from) (?:the )?(?P<version>(?:[A-Z]\w*)?(?:BERT|T5|GPT|BART|Wav2Vec2|"
    r"ViT|ELECTRA|RoBERTa|XLM|Llama|LLaMA|Mistral|Pegasus|PEGASUS|Whisper)[\w.-]*(?: (?:[Bb]ase|[Ss]mall|[Ll]arge|"
    r"[Tt]iny|XL|[Mm]edium|\d[\w.]*)){0,2})(?![\w/])"
    rf"|^(?:[A-Z][\w.-]* ){{0,3}}(?P<family>GPT-[\w.]{{1,12}}) ?\([\w.]+\) has been fine-?tuned on\b"
)
_MARK = re.compile(
    r"was used (?:for|in)|fine-?tuned (?:on|from|for|using|with|version|variant)|tuned on|with an? |built on top of|"
    r"initiali[sz]ed |model (?:was fine|is based on)|models? based on|checkpoints?\b"
)
_PARTS_OF_MARK = (
    "was used",
    "tuned ",
    "as its",
    "as the b",
    "as a b",
    "built on",
    "initiali",
    "was fine",
    "based on",
    "checkpoint",
)
"""One of each of its branches, which cost less to look for: a new branch needs its own."""
_UNSIZED = (_TUNED, _CHECKPOINT, _PUBLIC, _BUILT_ON, _FAMILY, _MARKED_NAME)
_SIZED = re.compile(r"\d[Bb](?![A-Za-z0-9])")
_NO_NAME = frozenset(("", "unknown", "none", "custom", "private", "following"))
_BASES = (
    re.compile(
        r"(?:[Ff]ine-?[Tt]un(?:ed|ing)|[Tt]rained|[Aa]dapted|[Aa]ligned)(?: version| variant| model)? "
        r"(?:of|from|on|on top of)(?: the)?(?: base model| foundation of| pretrained)?(?: \w+'s)? " + _NAMED
    ),
    re.compile(
        r"(?:\bis|^|\. )\s*[Aa]n? " + _NAMED + r" (?:parameter )?(?:model|LLM),? (?:\w+ )?(?:fine-?tuned|trained on)"
    ),
    re.compile(r"^[Aa]n? (?:[\w()+,-]+ ){1,8}style " + _NAMED + r" model\b"),
    re.compile(
        r"\bis (?:an? \S+ (?:model )?)?(?:(?:based|built) (?:on|upon)|an extension of)(?: the)? " + _NAMED
        + r"(?!.{0,20}(?:architect|transformer))"
    ),
    re.compile(r"基于\s*(?P<name>[A-Za-z][A-Za-z0-9.-]{1,40}\d[Bb](?:-[A-Za-z0-9]+)*)\s*(?:预训练|基座|基础|底座)?模型"),
)  # fmt: skip


def read_trainer_data(doc: Document) -> Gathered:
    """The data sets that a trainer's own sentence names: "a fine-tuned version of X on the Y dataset"."""
    if doc.card.front_matter.get("datasets") or (
        "fine-tuned version of" not in doc.card.text and "trained from scratch on" not in doc.card.text
    ):
        return Gathered()  # the front matter gives their ids
    for block in doc.blocks:
        if block.kind is BlockKind.PARAGRAPH and (match := _TRAINER_DATA.search(block.text[:3000])):
            return Gathered(statements=tuple(_data(doc, block, match["names"])))
    return Gathered()


def _data(doc: Document, block: Block, names: str) -> Iterator[Statement]:
    for name in _BETWEEN.split(names):
        name = name.strip(" `*\"'")
        if (
            left_open(name)
            or fold(name) in ("", "unknown", "none", "custom", "private", "following")
            or len(name) > 100
        ):
            continue
        why = "" if "/" in name else "a name, not a repository"
        yield Statement("dataset", name, doc.locate(block.span, name), name, None, why, "", "", "prose")


def introduced_data(doc: Document, index: int, stage: str) -> Iterator[Statement]:
    """The data sets that the line above a list of parameters names, where the card links every one of them."""
    above = doc.introducer(index)
    if above is None or len(above.text) > 160 or " on " not in above.text:
        return
    named = [name.strip(" .:*`") for name in _BETWEEN.split(above.text.rpartition(" on ")[2])]
    links = _links(doc)
    ids = [_linked(name, links) for name in named]
    if all(ids):
        for name, found in zip(named, ids):
            place = doc.locate(above.span, name)
            yield Statement("dataset", name, place, found, None, "linked elsewhere on the card", stage, "", "list")


def _links(doc: Document) -> list[tuple[set[str], str]]:
    """Words that stand for each data set that the card links: those of its short item or of its id."""
    found: list[tuple[set[str], str]] = []
    for block in doc.blocks:
        ids = [hub_id(link)[1] for link in block.links if hub_id(link)[0] == "dataset"]
        if len(ids) == 1 and len(found) < 100:
            if block.kind is BlockKind.LIST_ITEM and len(block.text) < 100:
                found.append((set(fold(block.text).split()), ids[0]))
            found.append((set(fold(ids[0].rpartition("/")[2]).split()), ids[0]))
    return found


def _linked(name: str, links: list[tuple[set[str], str]]) -> str:
    words = set(fold(name).split()) - {"the", "dataset", "data"}
    ids = {found for said, found in links if words and words <= said}
    return ids.pop() if len(ids) == 1 else ""


def as_listed(places: dict[str, Span | None], facts: tuple[AnyFact, ...]) -> dict[str, Span | None]:
    """Data sets by name: one that the text links stands under the fuller name of the version the front matter lists."""
    front = next((f.value for f in facts if f.key == "datasets" and f.why == "front matter"), None)
    listed = [n for n in front if isinstance(n, str) and "/" in n] if isinstance(front, tuple) else []
    words = {name: set(fold(name.rpartition("/")[2]).split()) for name in (*places, *listed)}
    named: dict[str, Span | None] = {}
    for name, span in places.items():
        fuller = [n for n in listed if words[name] < words[n]] if name not in listed else []
        named.setdefault(fuller[0] if len(fuller) == 1 else name, span)
    return named


def only_tested(doc: Document, names: tuple[str, ...]) -> frozenset[str]:
    """Which of several listed data sets the card links only where it tells of evaluation: no training data."""
    places: dict[str, set[bool]] = {}
    for index, block in enumerate(doc.blocks):
        for link in block.links:
            kind, name = hub_id(link) if "/datasets/" in link else ("", "")
            if kind == "dataset" and name in names:
                places.setdefault(name, set()).add(doc.elsewhere(index))
    return frozenset(name for name, elsewhere in places.items() if elsewhere == {True})


def _marked(text: str) -> bool:
    for part in _PARTS_OF_MARK:
        if part in text:
            return _MARK.search(text) is not None
    return False


def read_named_base(doc: Document, gathered: Gathered) -> Gathered:
    """The model that sentences name as what this one was tuned from, where nothing on the card links or lists one."""
    if doc.card.front_matter.get("base_model") or any(s.key == "base_model" for s in gathered.statements):
        return Gathered()
    sized = not all(doc.words.lacks(pattern) for pattern in _BASES)
    if gathered.parts or not (sized or (not vocabulary(doc.card.text).lacks(_MARK) and _marked(doc.card.text))):
        return Gathered()
    unsized = tuple([pattern for pattern in _UNSIZED if not doc.words.lacks(pattern)])
    found: dict[str, Statement] = {}
    for block in doc.blocks:
        if block.kind not in (BlockKind.PARAGRAPH, BlockKind.LIST_ITEM) or len(block.text) > 5000:
            continue
        patterns = _BASES if sized and _SIZED.search(block.text) else ()
        for pattern in (*patterns, *unsized) if unsized and _marked(block.text) else patterns:
            for match in pattern.finditer(block.text):
                name = next(filter(None, match.groups())).strip().rstrip(".")
                if not doc.is_own_name(name) and (
                    pattern in (_CHECKPOINT, _MARKED_NAME) or fold(name) not in fold(doc.title)
                ):
                    place = doc.locate(block.span, name)
                    why = "" if "/" in name else "a name, not a repository"
                    made = Statement("base_model", name, place, name, None, why, "", "", "prose")
                    found.setdefault(fold(name).replace(" ", ""), made)
    return Gathered(statements=tuple(found.values())) if len(found) == 1 else Gathered()
