"""What a card tells in words of how its own model was trained: from scratch, on which named data."""

from __future__ import annotations

import re
from collections.abc import Iterator

from repro.card import Block, BlockKind, Table
from repro.read.document import WORDED, Document, hub_id
from repro.read.names import TRAINING
from repro.read.own_training import tells_training
from repro.read.statement import Gathered, Statement
from repro.read.values import fold, left_open

_SCRATCH = re.compile(
    r"(?i)\bpre-?trained from scratch\b"
    r"|\b(?:this|the|our) (?:[\w-]+ ){0,4}(?:model|checkpoint) (?:is|was|has been) (?:an? )?pre-?trained "
    r"(?:from|on|for|with|using|in)\b|\bmodel,? pre-?trained (?:and fine-?tuned )?(?:from|on|with|using|in)\b"
    r"|\bis an? (?:masked|causal) language model\b[^\n]{0,400}?\bmodel was trained from scratch\b"
    r"|^(?:An? )?pre-?trained (?:[\w-]+ ){0,5}model (?:on|for|of|using)\b"
)
_BORROWED = re.compile(
    r"(?i)\b(?:from|of|on|using|with|upon|by|initiali[sz]ed|unlike|like|than)\s+"
    r"(?:(?:the|an?|our|this)\s+)?(?:[\w-]+ ){0,4}$"
)
"""What before a model that was pretrained says that it is another's."""
_COMMAND = re.compile(r"\brun_(?:clm|mlm|t5_mlm|bart_dlm)\w{0,20}\.py\b(?![^#]{0,3000}--model_name_or_path)")
"""Scripts of transformers that pretrain; without a model to start from they do so from scratch."""
_NAME = r"[A-Z][\w.+-]{0,40}(?: [A-Z0-9][\w.+-]{0,40}){0,4}"
_OWN_DATA = re.compile(
    rf"(?:^|[.!?]\s+)(?:(?:This|Our|The) (?:[\w-]+ ){{0,3}}?model|It) (?:is|was|has been) (?:then |further )?"
    rf"(?:fine-?tuned|(?:pre-?)?trained)(?: (?!on\b)[\w-]+){{0,4}} on (?:the )?"
    rf"[`\"*]*(?P<name>{_NAME})[`\"*]* (?:data ?set|corpus)\b"
)
_TITLE_DATA = re.compile(
    rf"(?i:\bfine-?tuned) on (?:the )?[`\"*]*(?P<name>{_NAME})[`\"*]*(?: \([^()]{{1,40}}\))? (?:data ?set|corpus)\b"
)
_IS_DATA = re.compile(r"\b[Tt]raining data is (?:the )?(?P<name>[\w-]{2,40}) (?:data ?set|corpus)\b")
_LOADED = re.compile(r"\bthe (?P<name>[\w-]{2,40}) dataset loaded using the\b")
_DATA_WORDS = (
    "training data|training datasets|training dataset|training corpus|training corpora|pretraining data|"
    "pre training data|pretraining corpus|pretraining corpora|pre training corpus|pre training corpora"
)
_DATA_HEADINGS = frozenset(_DATA_WORDS.split("|"))
_DATA_COLUMNS = frozenset(("dataset", "datasets", "data set", "data source", "dataset name", "training dataset"))
_SIZES = re.compile(
    r"^(?:number of|num|#|size|rows|examples|samples|tokens|words|count|pairs|amount|training tuples)\b"
)
_LINKED = re.compile(r"^\s*[-*+]\s+[*_]*(?:The )?\[(?P<name>[^\[\]]{2,60})\]\(")
_LISTED = re.compile(
    r"(?i)\b(?:this|our) (?:[\w-]+ ){0,3}?(?:model|it) (?:is|was) (?:[\w-]+ ){0,5}?(?:fine-?tuned|trained) on "
    r"(?:an? )?(?:[\w-]+ ){0,6}?data ?sets \((?P<names>[^()]{5,400})\)"
)
_BETWEEN = re.compile(r",? and (?:the )?|, (?:the )?")
_NO_DATA = re.compile(r"(?i)\b(?:lookups?|lists?|vectors?|ordbank\w*|wordnet|database|conversion)\b")
A_NAME = "a name, not a repository"


_FINE_TUNED = re.compile(
    r"(?i)\bfine[- ]?tuned version of\b|\btrained using\b|\bthis model was (?:fine-?tuned|trained)\b"
    r"|\bthis model is an? (?:\S+ ){1,4}model fine-?tuned\b"
)
_NOT_TRAINED_WORDS = "merge mergekit gguf gptq awq quantized exl2 mlx onnx openvino"
_NOT_TRAINED = frozenset(_NOT_TRAINED_WORDS.split())
_TUNED_TAGS = frozenset(("finetune", "finetuned", "fine-tuned", "fine-tune", "fine-tuning"))
_SAYING = frozenset(("method", "dataset", "dataset_fraction", "num_epochs", "framework"))
_TOLD = (TRAINING - {"chat_template"}) | {"base_model"}


def from_scratch(doc: Document) -> bool:
    """Whether the card says that its own model was pretrained, or shows the command that did it."""
    if not doc.words.lacks(_SCRATCH):
        for block in doc.blocks:
            if block.kind in (BlockKind.PARAGRAPH, BlockKind.LIST_ITEM) and "train" in block.text:
                text = block.text[:5000]
                if any(not _BORROWED.search(text[max(0, m.start() - 80) : m.start()]) for m in _SCRATCH.finditer(text)):
                    return True
    if "run_" not in doc.card.text or "lm" not in doc.card.text:
        return False
    return any(
        b.kind is BlockKind.CODE and "--config_name" in b.text and _COMMAND.search(b.text[:20_000]) for b in doc.blocks
    )


def says_trained(doc: Document, gathered: Gathered) -> bool:
    """Whether a card without a list of parameters tells of a training all the same."""
    tags = doc.card.front_matter.get("tags")
    named = {str(tag).lower() for tag in tags} if isinstance(tags, list) else set()
    if _NOT_TRAINED & named:
        return False
    if named & _TUNED_TAGS and doc.card.front_matter.get("base_model"):
        return True
    for s in gathered.statements:
        if s.key in _SAYING or (s.medium == "prose" and s.key in _TOLD):
            return True
    if from_scratch(doc):
        return True
    # What rules the pattern out of the words rules it out of these blocks; code and front matter are looked at alone.
    kinds = WORDED if doc.words.lacks(_FINE_TUNED) else frozenset[BlockKind]()
    for block in doc.blocks:
        text = block.text
        if block.kind not in kinds and len(text) < 5000 and "ned" in text.lower() and _FINE_TUNED.search(text):
            return True
    return tells_training(doc, gathered)


_THEN_TUNED = re.compile(
    r"(?i)\bpre-?trained (?:on|with) [^.;]{3,200}? and (?:then |consequently |subsequently )?fine-?tuned on\b"
)


def then_tuned(doc: Document) -> bool:
    """Whether the card says in one breath that its model was pretrained on one thing and then tuned on another."""
    said = doc.words.lower
    return (
        ("pretrained" in said or "pre-trained" in said)
        and "tuned on" in said
        and any(_THEN_TUNED.search(b.text[:5000]) for b in doc.blocks if b.kind is BlockKind.PARAGRAPH)
    )


def read_told_data(doc: Document, gathered: Gathered) -> Gathered:
    """The data sets that the card names in words only, as what its model was trained on."""
    said = doc.words.lower
    if not any(word in said for word in ("dataset", "data set", "training data", "corpus", "corpora")):
        return Gathered()
    listed = list(_listed(doc)) if "sets (" in said else []
    if listed:
        return Gathered(statements=tuple(listed))
    if doc.card.front_matter.get("datasets") or any(s.key == "dataset" for s in gathered.statements):
        return Gathered()
    found: dict[str, Statement] = {}
    told = "trained" in said or "tuned" in said or "training data is" in said
    for block in doc.blocks if told else ():
        titled = block.kind is BlockKind.HEADING and block.text == doc.title
        if not titled and block.kind is not BlockKind.PARAGRAPH:
            continue
        if "ned" not in block.text and "raining data is" not in block.text:
            continue
        match = (_TITLE_DATA if titled else _OWN_DATA).search(block.text[:3000])
        if match is None and not titled and "loaded using" in block.text:
            match = _LOADED.search(block.text[:3000])
        if match is None and not titled and "raining data is" in block.text:
            match = _IS_DATA.search(block.text[:3000])
        if match is not None and not left_open(match["name"]):
            found.setdefault(fold(match["name"]), _dataset(doc, block, match["name"]))
    if not found:
        return Gathered(statements=(tuple(_linked_items(doc)) or tuple(_listed_in_tables(doc)))[:50])
    # Two sentences that name different data may be of two trainings: whose is which, a person must say.
    return Gathered(statements=tuple(found.values())) if len(found) == 1 else Gathered()


def _listed(doc: Document) -> Iterator[Statement]:
    for block in doc.blocks:
        if block.kind is not BlockKind.PARAGRAPH or "(" not in block.text:
            continue
        match = _LISTED.search(block.text[:3000])
        if match is None:
            continue
        names = [name.strip(" `*\"'") for name in _BETWEEN.split(match["names"])]
        if len(names) > 1 and all(0 < len(n) <= 40 and (n[0].isupper() or n[0].isdigit()) for n in names):
            for name in names:
                yield _dataset(doc, block, name)
            return


def _linked_items(doc: Document) -> Iterator[Statement]:
    """The links that entries of a list begin with, under a heading that says no more than "training data"."""
    for block in doc.blocks:
        if not block.links or not block.heading_path or fold(block.heading_path[-1]) not in _DATA_HEADINGS:
            continue
        if block.kind is BlockKind.PARAGRAPH and len(block.text) < 200:
            ids = {found for kind, found in map(hub_id, block.links) if kind == "dataset"}
            if len(ids) == 1:
                name = ids.pop()
                yield Statement("dataset", name, doc.locate(block.span, name), name, None, "", "", "", "prose")
            continue
        if block.kind is not BlockKind.LIST_ITEM:
            continue
        match = _LINKED.match(doc.lines[block.span.line - 1][:400])
        if match is not None:
            kind, found = hub_id(block.links[0])
            if kind == "dataset":
                yield Statement("dataset", found, doc.locate(block.span, found), found, None, "", "", "", "prose")
            elif kind != "model":
                yield _dataset(doc, block, match["name"].strip("*`"))


def _listed_in_tables(doc: Document) -> Iterator[Statement]:
    """The data sets that a table under a heading on the training data lists with their size, a row each."""
    for index, block in enumerate(doc.blocks):
        table = block.table
        if table is None or not table.rows or not block.heading_path or len(table.rows) > 60:
            continue
        if fold(block.heading_path[-1]) not in _DATA_HEADINGS and not doc.about_training(index):
            continue
        heads = [fold(cell.text) for cell in table.header]
        if heads[0] not in _DATA_COLUMNS or not any(map(_SIZES.search, heads[1:])) or doc.elsewhere(index):
            continue
        for row in table.rows:
            ids = [found for kind, found in map(hub_id, row[0].links) if kind == "dataset"]
            name = re.sub(r"\s*\([^()]*\)$", "", row[0].text).strip(" *`")
            if ids:
                yield Statement("dataset", ids[0], row[0].span, ids[0], None, "", "", "", "table", group=index)
            elif (
                name and len(name) <= 80 and not left_open(name) and fold(name).split()[:1] not in (["total"], ["sum"])
            ):
                yield Statement("dataset", name, row[0].span, name, None, A_NAME, "", "", "table", group=index)
        return


def _dataset(doc: Document, block: Block, name: str) -> Statement:
    return Statement("dataset", name, doc.locate(block.span, name), name, None, A_NAME, "", "", "prose")


def read_features(doc: Document) -> Gathered:
    """What spaCy's table of features names as the sources that a pipeline was trained on."""
    if "**Sources**" not in doc.card.text:
        return Gathered()
    for index, block in enumerate(doc.blocks):
        if block.table is not None and [fold(c.text) for c in block.table.header] == ["feature", "description"]:
            return Gathered(statements=tuple(_sources(index, block.table)))
    return Gathered()


def _sources(index: int, table: Table) -> Iterator[Statement]:
    for row in table.rows[:40]:
        if fold(row[0].text) != "sources" or left_open(row[1].text):
            continue
        ids = [found for kind, found in map(hub_id, row[1].links) if kind == "dataset"]
        for part in re.split(r"<br\s*/?>", row[1].raw)[:20]:
            bare = re.sub(r"\[([^\[\]]*)\]\([^()]*\)", r"\1", part)
            name = re.sub(r"\([^()]*\)", " ", bare).strip(" *`|")
            if "(" in name or "/" in name or _NO_DATA.search(name):
                continue  # word lists and vectors that the pipeline uses, and the model that it starts from
            if name and len(name) <= 100 and not left_open(name):
                known = ids.pop(0) if len(ids) == 1 and "huggingface.co/datasets" in part else name
                why = "" if known != name else A_NAME
                yield Statement("dataset", name, row[1].span, known, None, why, "", "Sources", "table", group=index)
