"""What identifies the model: repository, base, licence, data sets, tags, framework, date."""

from __future__ import annotations

import re
from collections.abc import Iterator

from repro.card import BlockKind, Span, Yaml
from repro.read.code_blocks import models_in_code
from repro.read.document import REPO_ID, Document
from repro.read.frameworks import framework_of
from repro.read.statement import Gathered, Statement
from repro.read.values import fold, left_open
from repro.spec import AnyFact, Fact, Origin

_LICENCES = {
    "llama 3 1 community license": "llama3.1", "llama 3 1 community license agreement": "llama3.1",
    "llama 3 1": "llama3.1", "llama 3 1 license": "llama3.1", "llama 3 2 community license": "llama3.2",
    "llama 3 community license": "llama3", "llama 3 3 community license": "llama3.3",
    "meta llama 3 community license": "llama3", "llama 2 community license": "llama2", "llama 2": "llama2",
    "apache 2 0": "apache-2.0", "apache license 2 0": "apache-2.0", "apache 2": "apache-2.0",
    "apache 2 0 license": "apache-2.0", "apache license version 2 0": "apache-2.0", "mit": "mit", "mit license": "mit",
    "cc by 4 0": "cc-by-4.0", "cc by nc 4 0": "cc-by-nc-4.0", "cc by sa 4 0": "cc-by-sa-4.0", "gemma": "gemma",
    "gemma terms of use": "gemma", "gpl 3 0": "gpl-3.0", "bsd 3 clause": "bsd-3-clause", "openrail": "openrail",
}  # fmt: skip
_FAMILIES_WORDS = (
    "llama mistral mixtral qwen gemma falcon phi bert roberta gpt olmo tulu zephyr orca yi pythia bloom opt t5 "
    "deepseek smollm tinyllama model language models large chat instruct base alignment preference optimization "
    "learning training trained fine tuned tuning direct dpo sft agent multi text generation open source data card"
)
_FAMILIES = frozenset(_FAMILIES_WORDS.split())
_OTHER_MODEL_WORDS = (
    "pretrain pretrained base sft dpo rl lora qlora adapter instruct chat gguf gptq awq llama merged delta"
)
_OTHER_MODEL = frozenset(_OTHER_MODEL_WORDS.split())
_MONTH_NAMES = "jan feb mar apr may jun jul aug sep oct nov dec"
_MONTHS = {m: i for i, m in enumerate(_MONTH_NAMES.split(), start=1)}
_ENTRY = re.compile(r"@\w+\s*\{(?P<body>.*?)(?=^\s*@\w+\s*\{|\Z)", re.DOTALL | re.MULTILINE)


_ONE_OR_MORE = ("base_model", "license")
"""Keys of the front matter of which each entry of a list is a fact."""


def identity_facts(doc: Document, gathered: Gathered) -> tuple[AnyFact, ...]:
    """The facts about the model as a whole, front matter first; what is stated twice stays twice."""
    said = gathered.statements
    facts: list[AnyFact] = []
    facts.extend(_model_ids(doc, gathered))
    facts.extend(_front(doc, "base_model"))
    facts.extend(s.fact() for s in said if s.key == "base_model" and not s.stage)
    facts.extend(_front(doc, "license"))
    facts.extend(_licence(s) for s in said if s.key == "license")
    for key in ("library_name", "pipeline_tag", "language", "tags", "datasets"):
        facts.extend(_front(doc, key))
    facts.extend(_stated_data(said))
    facts.extend(_frameworks(doc, said))
    facts.extend(
        s.fact() for s in said if s.key in ("total_params", "hardware", "language") or s.key.endswith("_version")
    )
    facts.extend(_dates(doc, said))
    return tuple(facts)


def _front(doc: Document, key: str) -> Iterator[AnyFact]:
    value: Yaml = doc.card.front_matter.get(key)
    if value is None or doc.card.front_matter_span is None:
        return
    line = doc.card.front_matter_lines.get(key, doc.card.front_matter_span.line)
    later = [n for n in doc.card.front_matter_lines.values() if n > line]
    span = Span(doc.card.source, line, max(line, min(later, default=doc.card.front_matter_span.end_line) - 1))
    if key in ("tags", "datasets", "language") or (key in _ONE_OR_MORE and isinstance(value, list)):
        items = value if isinstance(value, list) else [value]
        texts = tuple(str(item) for item in items if isinstance(item, (str, int, float)))
        if key in _ONE_OR_MORE:
            for text in texts:
                yield Fact(key, text, Origin.STATED, text, doc.locate(span, text), "front matter")
        elif texts:
            yield Fact(key, texts, Origin.STATED, ", ".join(texts), span, "front matter")
        return
    if isinstance(value, (dict, list)):
        yield Fact(key, None, Origin.STATED, "", span, "front matter: not a plain value")
        return
    text = str(value)
    known = not (left_open(text) or (key == "base_model" and text in ("None", "none")))
    yield Fact(
        key,
        text if known else None,
        Origin.STATED,
        text,
        doc.locate(span, text),
        "front matter" if known else "left open on the card",
    )


def _licence(statement: Statement) -> AnyFact:
    if statement.value is None:
        return statement.fact()
    name = _LICENCES.get(fold(str(statement.value)), str(statement.value))
    return Fact("license", name, Origin.STATED, statement.printed, statement.span, statement.why)


def _stated_data(said: tuple[Statement, ...]) -> Iterator[AnyFact]:
    for statement in said:
        if statement.key == "dataset" and isinstance(statement.value, str) and REPO_ID.fullmatch(statement.value):
            yield Fact("datasets", (statement.value,), Origin.STATED, statement.printed, statement.span)


def _frameworks(doc: Document, said: tuple[Statement, ...]) -> Iterator[AnyFact]:
    for statement in said:
        if statement.key == "framework":
            value = framework_of(str(statement.value)) or statement.value if statement.value is not None else None
            yield Fact("framework", value, Origin.STATED, statement.printed, statement.span, statement.why)
        elif statement.key == "framework_commit":
            yield statement.fact()


def _model_ids(doc: Document, gathered: Gathered) -> Iterator[AnyFact]:
    """The repository that the card describes: marked in a pipeline, named by its address, or loaded by its code."""
    for part in gathered.parts:
        if part.this_model and "/" in part.produces:
            yield Fact(
                "model_id", part.produces, Origin.STATED, part.produces, doc.locate(part.produces_span, part.produces)
            )
    address = doc.card.source.split("@", 1)[0]
    if "@" in doc.card.source and REPO_ID.fullmatch(address):
        yield Fact(
            "model_id", address, Origin.STATED, "", Span(doc.card.source, 0, 0), "the repository that the card is of"
        )
    for statement in gathered.statements:
        if statement.key == "model_id" and statement.value is not None and "/" in str(statement.value):
            yield statement.fact()
    loaded = list(models_in_code(doc))
    bases = {str(f.value) for f in _front(doc, "base_model")}
    bases |= {str(s.value) for s in gathered.statements if s.key == "base_model"} | {p.base for p in gathered.parts}
    others = {repo for repo, _ in loaded} - bases
    for repo, span in loaded:
        if doc.is_own_name(repo) or (others == {repo} and _resembles(doc, repo)):
            yield Fact("model_id", repo, Origin.STATED, repo, span, "loaded by the card's own code")
    if REPO_ID.fullmatch(doc.title) and not loaded:
        block = next(b for b in doc.blocks if b.kind is BlockKind.HEADING and b.text == doc.title)
        yield Fact("model_id", doc.title, Origin.STATED, doc.title, block.span)


def _resembles(doc: Document, repo: str) -> bool:
    """Whether a repository's name shares a word with the card's own names that no other family's model would."""
    every = set(fold(repo.rsplit("/", 1)[-1]).split())
    words = {w for w in every if len(w) > 3} - _FAMILIES
    # A checkpoint before or after the card's own shares its name but for such a word.
    return any(words & set(name.split()) and not (every ^ set(name.split())) & _OTHER_MODEL for name in doc.names)


def _dates(doc: Document, said: tuple[Statement, ...]) -> Iterator[AnyFact]:
    for statement in said:
        if statement.key == "date" and statement.value is not None and (iso := iso_date(str(statement.value))):
            yield Fact("date", iso, Origin.STATED, statement.printed, statement.span)
    names = {token for name in doc.names for token in name.split() if len(token) > 3 and token.isalpha()} - _FAMILIES
    for block in doc.blocks:
        if block.kind is not BlockKind.CODE or "@" not in block.text or len(block.text) > 50_000:
            continue
        for entry in _ENTRY.finditer(block.text):
            body = entry["body"]
            title = re.search(r"(?im)^\s*title\s*=\s*[{\"]+(.*)$", body)
            year = re.search(r"(?im)^\s*year\s*=\s*[{\"]?\s*((?:19|20)\d\d)\b", body)
            words = set(fold(title.group(1)).split()) if title else set()
            # Cards cite other people's papers too: only an entry that shares the model's own name dates the card.
            if year and names & words:
                line = doc.code_line(block) + block.text.count("\n", 0, entry.start("body") + year.start(1))
                place = Span(block.span.source, line, line)
                yield Fact(
                    "date", year.group(1), Origin.STATED, year.group(1), place, "year of the model's own citation"
                )


def iso_date(text: str) -> str:
    """ "2024-11-21", "2024-11" or "2024" of a date in words or digits; empty where it cannot be told."""
    if match := re.search(r"\b((?:19|20)\d\d)-(\d\d)(?:-(\d\d))?\b", text):
        return match.group(0)
    years = re.findall(r"\b(?:19|20)\d\d\b", text)
    if len(set(years)) != 1:
        return ""
    month = re.search(r"(?i)\b(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\b", text)
    return f"{years[0]}-{_MONTHS[month.group(1).lower()]:02d}" if month else years[0]
