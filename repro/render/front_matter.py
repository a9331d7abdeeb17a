"""Front matter that a card lacks and its own words or an artefact give: whole lines added, none touched."""

from __future__ import annotations

import re
from typing import Any

from repro.render.fills import Edit
from repro.report import Report
from repro.spec import AnyFact, Origin, Value

KEYS = ("license", "base_model", "library_name", "pipeline_tag", "language", "datasets")
"""Keys that the Hub knows and a spec may know too (huggingface.co/docs/hub/model-cards)."""

LISTS = ("language", "datasets")

_REPO = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}", re.ASCII)
_WORD = re.compile(r"[a-z0-9][a-z0-9_.-]{0,63}", re.ASCII)

LICENSES = frozenset(
    [
        "apache-2.0",
        "mit",
        "bsd-2-clause",
        "bsd-3-clause",
        "unlicense",
        "cc0-1.0",
        "cc-by-4.0",
        "cc-by-sa-4.0",
        "cc-by-nc-4.0",
        "cc-by-nc-sa-4.0",
        "cc-by-nc-nd-4.0",
        "gpl-3.0",
        "lgpl-3.0",
        "agpl-3.0",
        "mpl-2.0",
        "openrail",
        "openrail++",
        "bigscience-openrail-m",
        "bigscience-bloom-rail-1.0",
        "creativeml-openrail-m",
        "llama2",
        "llama3",
        "llama3.1",
        "llama3.2",
        "llama3.3",
        "llama4",
        "gemma",
    ]
)
"""Identifiers that the Hub accepts for `license` (huggingface.co/docs/hub/repositories-licenses), the common ones."""

_FRONT = re.compile(rb"\A(?:\xef\xbb\xbf)?---[ \t]*(\r?\n)(?P<body>.*?)(?P<close>^---[ \t]*(?:\r?\n|\Z))", re.S | re.M)
_BOM = b"\xef\xbb\xbf"
MAX_DEPTH = 32
MAX_BYTES = 100_000


def front_matter_edit(data: bytes, report: Report) -> Edit | None:
    """The lines to insert, or None when nothing is missing and known, or the front matter is not understood.

    Only values that the card states or an artefact gives, that are what the Hub expects for the key, and about which
    no two places disagree.
    """
    found = _FRONT.match(data)
    if found is None:
        if data.removeprefix(_BOM).lstrip().startswith(b"---"):
            # A rule, or front matter that is not closed or not at the top: not for us to say which.
            return None
        lines = _lines(report, frozenset())
        if not lines:
            return None
        start = len(_BOM) if data.startswith(_BOM) else 0
        newline = "\r\n" if b"\r\n" in data[:4096] else "\n"
        return Edit(start, start, newline.join(["---", *lines, "---", "", ""]).encode())
    body = found["body"]
    before = plain_mapping(body)
    if before is None:
        return None
    lines = _lines(report, frozenset(before))
    if not lines:
        return None
    newline = found[1].decode()
    added = "".join(line + newline for line in lines).encode()
    after = plain_mapping(body + added)
    # Nothing that stood there may read differently for the new lines.
    if after is None or any(after.get(key, _lines) != value for key, value in before.items()):
        return None
    return Edit(found.start("close"), found.start("close"), added)


def plain_mapping(body: bytes) -> dict[str, Any] | None:
    """Front matter as plain data; None when it is no block mapping of plain data, or is too large or too deep."""
    import yaml

    if len(body) > MAX_BYTES:
        return None
    try:
        text = body.decode("utf-8")
        depth = 0
        for event in yaml.parse(text, Loader=yaml.SafeLoader):
            if isinstance(event, yaml.AliasEvent):
                return None
            if isinstance(event, (yaml.MappingStartEvent, yaml.SequenceStartEvent)):
                if depth == 0 and event.flow_style:
                    return None
                depth += 1
            elif isinstance(event, (yaml.MappingEndEvent, yaml.SequenceEndEvent)):
                depth -= 1
            if depth > MAX_DEPTH:
                return None
        value = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, TypeError, RecursionError):
        return None
    if value is None:
        return {}
    return {str(k): v for k, v in value.items()} if isinstance(value, dict) else None


def _lines(report: Report, present: frozenset[str]) -> list[str]:
    lines: list[str] = []
    for key in KEYS:
        if key in present or (key == "license" and "license_name" in present):
            continue
        values = _known(key, report)
        if not values:
            continue
        if key in LISTS:
            lines += [f"{key}:", *(f"- {_scalar(v)}" for v in values)]
        elif len(values) == 1:
            lines.append(f"{key}: {_scalar(values[0])}")
    return lines


def _known(key: str, report: Report) -> tuple[str, ...]:
    """What the card or an artefact says for `key`; nothing when two places disagree or it is not of the right form."""
    spec = report.spec
    facts: list[AnyFact] = [f for f in spec.all(key) if f.known and f.origin in {Origin.STATED, Origin.FOUND}]
    if key == "base_model" and not facts and spec.stages:
        base = spec.stages[-1].base
        facts = [base] if base.known and base.origin is Origin.STATED else []
    values = {_texts(f.value) for f in facts}
    if key == "datasets" and not values:
        own = tuple(dict.fromkeys(d.repo_id for s in spec.stages[-1:] for d in s.datasets if d.origin is Origin.STATED))
        values = {own} if own else set()
    if len(values) != 1:
        return ()
    texts = values.pop()
    return texts if texts and all(_fits(key, text) for text in texts) else ()


def _texts(value: Value | None) -> tuple[str, ...]:
    return value if isinstance(value, tuple) else (str(value),)


def _fits(key: str, text: str) -> bool:
    if key in {"base_model", "datasets"}:
        return bool(_REPO.fullmatch(text))
    if key == "license":
        return text in LICENSES
    if key == "language":
        return bool(re.fullmatch(r"[a-z]{2,3}", text))
    return bool(_WORD.fullmatch(text))


def _scalar(text: str) -> str:
    """A YAML scalar that every reader takes for the string: quoted where 1.1 would make it something else ("no")."""
    import yaml

    plain = yaml.safe_load(text)
    return text if plain == text else f'"{text}"'
