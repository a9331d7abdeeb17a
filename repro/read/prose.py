"""What sentences say: shares of data sets, epochs, rates, base models, frameworks, methods."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

from repro.card import Block, BlockKind, Span
from repro.read.document import Document, hub_id, stage_in
from repro.read.frameworks import FRAMEWORKS, framework_in
from repro.read.names import METHOD_MARKS, METHOD_TITLES, methods_in, term
from repro.read.parameters import interpret
from repro.read.prose_terms import FOREIGN_TERMS, LOOSE_KEYS, TERMS, Term
from repro.read.statement import Gathered, Statement
from repro.read.values import left_open
from repro.vocabulary import Index, needs_of

_SENTENCE = re.compile(r"(?<=[.!?])\s+(?=[A-Z])|\n+(?![a-z0-9(,])|(?<=[。；！？])")
_PLAIN_SENTENCE = re.compile(r"\s(?<=[.!?]\s)\s*(?=[A-Z])")
"""The same in a text of one line without the marks of other scripts: it begins with what is rare."""
_TRAINED = re.compile(
    r"(?i)\b(?:(?:pre-?)?train(?:ed|ing)?|fine-?tun(?:ed|ing)|aligned|optimi[sz]ed|tuned|hyper-?parameters?|used)\b"
)
_OTHERS = re.compile(
    r"(?i)\b(?:pre-?train(?!ed (?:weights|checkpoint))\w*|original(?:ly)?|"
    r"baseline|paper|should|recommend(?:s|ed|ing)?|if you|you can|e\.g\.|for example|"
    r"unlike|compared|instead|inference|generat(?:e[sd]?|ing)|"
    r"generation (?:with|using|settings?|config\w*|parameters?)|sampl(?:ing|ed) with|evaluat\w+|"
    r"benchmark\w*|other models?|teacher|previous|earlier|future|merg(?:e|ed|es|ing)|"
    r"plan(?:ned)?|will be|tried|experiment\w*)\b"
)
_OWN_PRETRAINING = re.compile(
    r"(?i)\bfurther pre-?trained\b|\b(?:this|our) (?:[\w-]+ ){0,3}?model (?:is|was|has been) (?:[\w-]+ )?pre-?trained\b"
    r"|\bwe (?:further )?pre-?train(?:ed)?\b|\bcontinu\w+ pre-?train(?:ed|ing)\b"
)
"""A pretraining that is surely not another model's."""
_LINK = re.compile(r"\[([^\[\]]*)\]\(\s*<?([^()\s>]+)")
_CLAUSE = 6
"""Words before a colon that make a clause of a sentence, not a label."""
_OWN = re.compile(r"\b(?:[Tt]h(?:e|is) model|[Ii]t) was (?:then )?(?:fine-?tuned|trained) for \d")
_SHARE = re.compile(
    r"(?<![\w.,<>≤≥~–-])(?<![<>≤≥~]\s)(?<!to )"
    r"((?:(?:about|approximately|around|roughly|nearly)\s)?\d+(?:\.\d+)?\s?%)\s+(?:(?:random|uniform|stratified|uniformly|randomly)\s+)*"
    r"(?:(?:sampled?|subset|subsample|split|portion|slice|share)\s+)?(?:\([^()]{0,60}\)\s+)?(?:of|from)\s+(?:the\s+|its\s+)?(\S.{0,120})",
    re.IGNORECASE,
)
_NOT_SHARE = re.compile(
    r"(?i)\b(?:pre-?train\w*|valid\w*|held|test|evaluat\w*|dev|accuracy|improv\w*|better|worse|"
    r"of the (?:time|parameters|tokens|amount)|contrast|"
    r"cases|instances|masked|tokens?|words|steps|faster|memory|reduc(?:es|ed|tion)|flipped|noise|win|parameters|weights)\b"
)
_CHAT_TEMPLATE = re.compile(
    r"\b(?:uses?|with|using|follows?|in)\s+the\s+([A-Z][\w.-]{1,20}(?: \d)?)\s+(?:chat|prompt)\s+(?:template|format)\b"
)
_MODEL_NAME = re.compile(r"\[[^\[\]\s]*[/-][^\[\]\s]*\]")
"""A linked name: the "sft" of "tiny-sft" tells how that model was made, not what a sentence is about."""
_INITIALLY = re.compile(r"(?i)\b(?:initially|first) (?:supervised )?fine-?tuned\b")
_BASE = re.compile(
    r"(?i)\b(?:fine[- ]?tuned?|trained|adapted|aligned|instruction[- ]tuned|dpo-?tuned|initiali[sz]ed)\s+"
    r"(?:\w+\s+){0,3}?(?:version|variant|checkpoint|model)?\s*(?:of|from|on top of)\s+"
    r"(?:the\s+)?(?:base\s+model\s+|pre-?trained\s+)?$"
    r"|\b(?:base |pre-?trained )?model used is\s+$"
    r"|\bwe use[d]? (?:the|an?) pre-?trained\s+$|\bis an extension of\s+(?:the\s+)?$"
    r"|\boriginally (?:the|a) pre-?trained\s+$"
    r"|\b(?:this|the) model is based on\s+(?:(?:the|an?)\s+)?(?:pre-?trained\s+)?$"
    r"|\bmodel buil[dt] (?:with|upon|on)\s+(?:the\s+)?$"
)
_TUNED_AFTER = re.compile(r"(?i)\)?[*_]*\s*(?:model\s+)?fined?-?tuned\s+(?:first\s+)?(?:on|with|for)\b")
_TUNED_BEFORE = re.compile(
    r"(?i)^fine-?tuned $|\b(?:that|which) fine-?tun(?:ed|es)\s+(?:the\s+)?$"
    r"|\b(?:obtained|built|created|made|produced|result) (?:by|of|from) fine-?tuning\s+(?:the\s+)?$"
)
_OPENINGS = frozenset(("", "This model is", "This model is the", "The model is", "This is the", "This is a", "This is"))
_ADDRESS = re.compile(r"\]\([^()\s]{0,200}\)")
_ON_DATA = re.compile(r"(?i)\)?\s*(?:model\s+)?(?:in \w+ (?:\(\w+\) )?)?(?:on|for|with|using)\b")
_OF_THE_CARD = re.compile(
    r"(?i)\b(?:card|readme|document\w*|description|text)\s+(?:is\s+|was\s+)?\w+\s+from\s+(?:the\s+)?$"
)
_BUILT = re.compile(
    r"(?i)\b(?:built|trained|fine-?tuned|training|made|tuned)\b[^.;]{0,60}?\b(?:using|with|by|via|in)\b(?P<tool>[^.;]{0,60})"
)
_NO_TOOL = re.compile(
    r"(?i)\bcompatible\b|\bhow to\b|\bload(?:ed|ing|s)?\b|\bbe used\b|\bsimilar to\b|\bexample\b|"
    r"\btransformers format\b"
)
_METHOD_SENTENCE = re.compile(
    r"(?i)\b(?:trained|fine-?tuned|aligned|tuned|optimi[sz]ed|training|post-?trained)\b[^.]{0,80}?\b(?:with|using|via|through|by)\b[^.]{0,80}"
    r"|^(?:a |an |the )?[^.]{0,80}\bmodel (?:trained|fine-?tuned|aligned)\b"
    r"|\b(?:fine-?tuning|training) process (?:[\w-]+ ){0,4}?(?:leverag\w+|employ\w+|use[sd]?|appl\w+)\b"
    r"|\bour instruction[- ]fine-?tuned (?:[\w-]+ ){0,4}models?\b"
)


_TOOLS = Index(pattern for _, pattern in FRAMEWORKS)
_TERMS = Index(pattern for _, _, pattern in TERMS)
_Maker = Callable[[str, str], Iterator[Statement]]


_ALIKE = (
    frozenset(("warmup", "warmup_steps", "warmup_ratio")),
    frozenset(("batch_size", "effective_batch_size", "per_device_batch_size")),
)


def without_loose(gathered: Gathered) -> Gathered:
    """Without what sentences say loosely of keys that a table, a list or a configuration states."""
    said = gathered.statements
    stated = {s.key for s in said if s.medium in ("table", "list", "code")}
    for alike in _ALIKE:
        if stated & alike:
            stated |= alike
    # A line that is read as "label: value" is no sentence beside.
    listed = {(s.key, s.span.line) for s in said if s.medium == "list"}
    if not stated & LOOSE_KEYS and not listed:
        return gathered
    kept = tuple(
        s
        for s in said
        if s.medium != "prose"
        or ((s.key not in stated or s.key not in LOOSE_KEYS) and (s.key, s.span.line) not in listed)
    )
    return gathered._replace(statements=kept)


def read_prose(doc: Document) -> Gathered:
    """Statements of the card's sentences, paragraphs and list items alike."""
    found: list[Statement] = []
    live = _live(doc)
    for index, block in enumerate(doc.blocks):
        if block.kind is BlockKind.PARAGRAPH or (block.kind is BlockKind.LIST_ITEM and len(block.text) > 20):
            text = block.text
            if len(text) > 20_000:
                continue
            if block.links:
                found.extend(_links(doc, block))
            if not _marked(text, live):
                continue
            for sentence in _sentences(text):
                if len(sentence) < 2000 and _marked(sentence, live):
                    found.extend(_sentence(doc, index, block, sentence, live))
    return Gathered(statements=tuple(found))


class _Live(NamedTuple):
    """Which patterns may match in a card's sentences, and marks of which such a sentence has one."""

    built: bool
    method: bool
    template: bool
    initially: bool
    terms: tuple[Term, ...]
    foreign: tuple[Term, ...]
    marks: tuple[str, ...]


def _live(doc: Document) -> _Live:
    words = doc.words
    said = words.lower
    tools = [] if words.lacks(_BUILT) else [FRAMEWORKS[i][1] for i in _TOOLS.living(words)]
    methods = [] if words.lacks(_METHOD_SENTENCE) else [mark for mark in METHOD_MARKS if mark in said]
    template = not words.lacks(_CHAT_TEMPLATE)
    initially = not words.lacks(_INITIALLY)
    terms = [term for term in map(TERMS.__getitem__, _TERMS.living(words)) if _some_in(term[1], said)]
    if "lora" not in said:
        terms = [term for term in terms if term[0][:4] != "lora"]
    foreign = [] if said.isascii() else [term for term in FOREIGN_TERMS if any(mark in said for mark in term[1])]
    marks = {"%", *methods, *(("template", "format") if template else ())}
    marks.update(("initially", "first") if initially else ())
    for pattern in tools:
        needs = needs_of(pattern)
        marks.update(needs[0].marks if needs else ("",))
    for _, ones, _ in (*terms, *foreign):
        marks.update(ones)
    seen = tuple([mark for mark in marks if mark in said])
    return _Live(bool(tools), bool(methods), template, initially, tuple(terms), tuple(foreign), seen)


def _sentences(text: str) -> list[str]:
    if text.isascii() and "\n" not in text:
        return _PLAIN_SENTENCE.split(text)
    return _SENTENCE.split(text)


def _marked(text: str, live: _Live) -> bool:
    return _some_in(live.marks, text.lower())


def _some_in(marks: tuple[str, ...], text: str) -> bool:
    for mark in marks:  # noqa: SIM110 - a generator costs more than the search
        if mark in text:
            return True
    return False


def _sentence(doc: Document, index: int, block: Block, sentence: str, live: _Live) -> Iterator[Statement]:
    named = methods_in(sentence)
    hint = "" if named else doc.stage_hint(index)
    stage = named[0] if len(named) == 1 else hint if not named else ""

    def made(key: str, printed: str) -> Iterator[Statement]:
        for p in interpret(key, printed.rstrip(".,")):
            if p.value is not None and not (p.key == "learning_rate" and isinstance(p.value, float) and p.value >= 1):
                place = doc.locate(block.span, p.printed)
                yield Statement(p.key, p.printed, place, p.value, p.number, p.why, stage, "", "prose")

    if live.built and (built := _BUILT.search(sentence)) and not _OTHERS.search(sentence):
        name, printed = framework_in(built["tool"])
        if name and not _NO_TOOL.search(sentence[: built.end() + 20]):
            place = doc.locate(block.span, printed)
            yield Statement("framework", printed, place, name, None, "", stage, "", "prose")
    if live.method and named and len(named) <= 2 and _METHOD_SENTENCE.search(sentence) and not _OTHERS.search(sentence):
        for name in (n for n in named if n != "pretraining"):
            title = METHOD_TITLES.get(name, name.upper())
            yield Statement("method", title, block.span, title, None, "", "", "", "prose")
    if "%" in sentence and (match := _SHARE.search(sentence)):
        # "10% of data (reduced capability ...)": what stands in brackets is about something else.
        clause = re.split(r"[(;,]", match.group(2))[0]
        samples = re.search(
            r"(?i)\b(?:sample|subset|subsample|random)\b", match.group(0)[: match.start(2) - match.start()] + clause
        )
        about = sentence[max(0, match.start() - 60) : match.start()] + clause
        if (samples or re.search(r"(?i)\btrained\b|\bfine-?tuned\b", sentence)) and not _NOT_SHARE.search(about):
            yield from made("dataset_fraction", match.group(1))
            if rows := re.search(
                r"\((~?\s?\d[\d,.]*\s?[kKM]?)\s+(?:rows|examples|samples|pairs|prompts)\)", match.group(0)
            ):
                yield from made("dataset_rows", rows.group(1))
    if live.template and (template := _CHAT_TEMPLATE.search(sentence)) and not doc.elsewhere(index):
        yield from made("chat_template", template.group(1))
    if live.initially and (first := _INITIALLY.search(sentence)):
        yield Statement(
            "stage", first.group(0), doc.locate(block.span, first.group(0)), "sft", None, "", "sft", "", "prose"
        )
    if live.foreign and not sentence.isascii() and not doc.elsewhere(index):
        for key, marks, pattern in live.foreign:
            if any(mark in sentence for mark in marks):
                stage = stage or stage_in(sentence)
                yield from _only(pattern, sentence, key, made)
    lowered = sentence.lower()
    terms = [term for term in live.terms if _some_in(term[1], lowered)]
    if not terms or "|" in sentence or (doc.elsewhere(index) and not _OWN.search(sentence)):
        return
    # Under a heading of its own, pretraining is no other model's.
    told = re.sub(r"\bpre-?training\b", "", sentence) if stage == "pretraining" else sentence
    if _OTHERS.search(_OWN_PRETRAINING.sub(" ", told)):
        return
    if not ("epochs taking" in lowered or _TRAINED.search(sentence) or doc.about_training(index)):
        return
    label = sentence.partition(":")[0] if block.kind is BlockKind.LIST_ITEM and ":" in sentence[:60] else ""
    if label and (len(label.split()) < _CLAUSE or term(label) is not None):
        return  # "label: value" items are read as lists
    for key, _, pattern in terms:
        if key[:4] != "lora" or "lora" in block.text.lower():
            yield from _only(pattern, sentence, key, made)


def _only(pattern: re.Pattern[str], sentence: str, key: str, made: _Maker) -> Iterator[Statement]:
    """What a pattern finds, where it finds one value only."""
    matches = {"".join(m) if isinstance(m, tuple) else m for m in pattern.findall(sentence)}
    if len(matches) == 1:
        yield from made(key, matches.pop())


def _links(doc: Document, block: Block) -> Iterator[Statement]:
    """Base models and data sets that a sentence links: "a fine-tuned version of [X](https://huggingface.co/X)"."""
    if not block.links:
        return
    source = "\n".join(doc.lines[block.span.line - 1 : block.span.end_line])
    lower = source.lower()
    if "huggingface.co" not in lower and "hf.co" not in lower and "None" not in source:
        return
    if block.kind is BlockKind.LIST_ITEM and doc.names_another(block):
        return
    for match in _LINK.finditer(source[:20_000]):
        text, link = match.group(1).strip("`*"), match.group(2)
        kind, found = hub_id(link)
        if not kind and text != "None":
            continue
        before = " ".join(_ADDRESS.sub("]", source[max(0, match.start() - 240) : match.start()]).split()) + " "
        if text == "None" and link.rstrip("/").endswith("/None") and _BASE.search(before):
            why = "left open on the card"
            yield Statement("base_model", text, doc.locate(block.span, text), None, None, why, "", "", "prose")
        elif kind == "model" and _TUNED_BEFORE.search(before) and _ON_DATA.match(source[match.end() :][:40]):
            if not doc.is_own_name(found) and not _OTHERS.search(before.rsplit(". ", 1)[-1]):
                yield Statement("base_model", found, doc.locate(block.span, found), found, None, "", "", "", "prose")
        elif (
            kind == "model"
            and _TUNED_AFTER.match(source[match.end() :][:60])
            and (source[: match.start()].strip("*_` \t") in _OPENINGS)
        ):
            if not doc.is_own_name(found):
                yield Statement("base_model", found, doc.locate(block.span, found), found, None, "", "", "", "prose")
        elif (
            kind == "model" and _BASE.search(before) and not _OF_THE_CARD.search(before) and not doc.is_own_name(found)
        ):
            yield Statement("base_model", found, doc.locate(block.span, found), found, None, "", "", "", "prose")
        elif kind == "dataset" and re.search(
            r"(?i)\b(?:(?:pre-?)?train(?:ed)?|fine[- ]?tuned|sample|subset|aligned)\b"
            r"[^.]{0,80}\b(?:on|from|of|with|using)\b[^.\[]{0,60}$"
            r"|\btraining (?:data|dataset|set) (?:is|was) (?:available|released|published) (?:at|on|as) $",
            before,
        ):
            clause = before.rsplit(". ", 1)[-1]
            stage = stage_in(_MODEL_NAME.sub(" ", clause)) or ("sft" if _INITIALLY.search(clause) else "")
            place = _line(block.span, source, match.start())
            yield Statement("dataset", found, doc.locate(place, found), found, None, "", stage, "", "prose")


def _line(span: Span, source: str, offset: int) -> Span:
    line = span.line + source.count("\n", 0, offset)
    return Span(span.source, line, line)


def own_method(statements: tuple[Statement, ...]) -> str:
    """The method that exactly the statements of key "method" agree on, or empty."""
    named = {methods_in(str(s.value)) for s in statements if s.key == "method" and s.value and not left_open(s.printed)}
    single = {names[0] for names in named if len(names) == 1}
    return single.pop() if len(single) == 1 and all(len(n) <= 1 for n in named) else ""
