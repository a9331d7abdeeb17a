"""Scores in `.eval_results/*.yaml`, the Hub's newer form: the entries of one file as claims with the file's lines."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace

from repro.card import Problem, Span, Yaml
from repro.evidence import Evidence
from repro.files import MAX_SCORE_BYTES, SCORES_FOLDER
from repro.read.score_words import score_number, without_shots
from repro.read.source_text import decode
from repro.read.values import fold, left_open
from repro.spec import AnyFact, Claim, ClaimKind, Fact, Origin, Spec

MAX_ENTRIES = 500
"""Of one file: a benchmark has a handful of tasks."""
MAX_CLAIMS = 2000
"""Of all files of one card."""
_LONGEST = 300
"""Characters of one text in an entry that are kept."""
_WHAT = "the file of scores"
_NO_NAME = frozenset(("", "default", "main", "all", "test", "overall"))
"""Task ids that name no task: the data set's name stands for it."""
_ENTRY = (("date", "date"), ("notes", "notes"))
_SOURCE = (("source_url", "url"), ("source_name", "name"), ("source_user", "user"), ("source_org", "org"))


def read_eval_results(data: bytes, source: str) -> tuple[tuple[Claim, ...], tuple[Problem, ...]]:
    """One claim an entry, and what could not be read. Never raises. `source` is the file's name, as places print it.

    An entry is {dataset: {id, task_id, revision}, value, date, source: {url, name, user, org}, notes, verifyToken}
    (huggingface_hub.EvalResultEntry; hub-docs, eval_results.yaml). It names no metric: the benchmark's own is meant.
    """
    text = decode(data, source).text
    whole = Span(source, 1, text.rstrip("\n").count("\n") + 1)
    if len(data) > MAX_SCORE_BYTES:
        return (), (Problem(whole, f"{_WHAT} is larger than {MAX_SCORE_BYTES // 1024} KiB and was not read"),)
    if not text.strip():
        return (), (Problem(whole, f"{_WHAT} is empty"),)
    from repro.read.yaml_events import Reading  # few cards have such files, and loading a parser takes long

    problems: list[Problem] = []
    items, printed = Reading(text, 0, source, whole, _WHAT).load_list(problems)
    claims: list[Claim] = []
    for number, item in enumerate(items[:MAX_ENTRIES], start=1):
        lines = _Lines(printed, whole)
        read = _claim(item, lines) if isinstance(item, dict) else "is no mapping"
        if isinstance(read, Claim):
            claims.append(read)
        else:
            problems.append(Problem(lines.first(item), f"entry {number} of {_WHAT} {read}"))
    if len(items) > MAX_ENTRIES:
        problems.append(Problem(whole, f"only the first {MAX_ENTRIES} of {len(items):,} entries were read"))
    return tuple(claims), tuple(problems)


def with_eval_results(spec: Spec, files: Iterable[tuple[str, bytes | str]]) -> Spec:
    """The spec with the scores of those files (name, content) after the card's own claims.

    Their spans name the file: that is how they are told from the card's. A str for content is why there is none.
    """
    claims: list[Claim] = []
    problems: list[Problem] = []
    for name, data in files:
        if isinstance(data, str):
            problems.append(Problem(Span(name, 0, 0), data))
            continue
        found, wrong = read_eval_results(data, name)
        problems += wrong
        room = MAX_CLAIMS - len(claims)
        if len(found) > room:
            why = f"more than {MAX_CLAIMS:,} scores stand in files: the rest was not read"
            problems.append(Problem(Span(name, 1, 1), why))
        claims += found[:room]
    problems = [problem for problem in problems if problem not in spec.problems]
    if not claims and not problems:
        return spec
    return replace(spec, claims=_with(spec.claims, claims), problems=(*spec.problems, *problems))


def _with(claims: tuple[Claim, ...], more: Iterable[Claim]) -> tuple[Claim, ...]:
    """The claims and those that come to them, each under an id of its own."""
    seen = {claim.id: 1 for claim in claims}
    added: list[Claim] = []
    for claim in more:
        own = base = claim.id.partition("#")[0]
        while own in seen:
            seen[base] = seen.get(base, 1) + 1
            own = f"{base}#{seen[base]}"
        seen[own] = seen.get(own, 1)
        added.append(claim if own == claim.id else replace(claim, id=own))
    return (*claims, *added)


def with_published(spec: Spec, evidence: Evidence) -> Spec:
    """The spec with the scores that the card's own repository holds, as it was found.

    A file that was read from beside the card is not read twice, and a repository of another name than the card's
    model says nothing of that model.
    """
    have = _files_claims(spec)
    files: list[tuple[str, bytes]] = []
    for repo in evidence.role("subject"):
        renamed = str(repo.get("renamed_to").value or "")
        if spec.model_id and spec.model_id.lower() not in (repo.repo_id.lower(), renamed.lower()):
            continue
        for file in repo.files:
            if file.text is None or not file.path.startswith(f"{SCORES_FOLDER}/"):
                continue
            name, data = f"{repo.repo_id}@{repo.revision[:12]}:{file.path}", file.text.encode("utf-8", "replace")
            found, _ = read_eval_results(data, name)
            if not found or any(_mark(c) not in have for c in found):
                files.append((name, data))
    return with_eval_results(spec, files) if files else spec


def with_earlier(spec: Spec, earlier: Spec) -> Spec:
    """The spec with the scores that an earlier look at the same card read from files beside it; a repository is asked
    anew."""
    have = _files_claims(spec)
    kept = [
        c
        for c in earlier.claims
        if c.kind is ClaimKind.EVAL and _is_beside(c.span.source, earlier) and _mark(c) not in have
    ]
    return replace(spec, claims=_with(spec.claims, kept)) if kept else spec


def _is_beside(source: str, spec: Spec) -> bool:
    return source != spec.source and not re.search(rf"@[0-9a-z]{{1,12}}:{re.escape(SCORES_FOLDER)}/", source)


def _files_claims(spec: Spec) -> set[tuple[str, int, str]]:
    return {_mark(c) for c in spec.claims if c.span.source != spec.source}


def _mark(claim: Claim) -> tuple[str, int, str]:
    """What one entry of a file is known by, wherever the file was read."""
    return claim.span.source.replace("\\", "/").rsplit("/", 1)[-1], claim.span.line, claim.printed


class _Lines:
    """Where the values of one entry stand, and how they are printed."""

    def __init__(self, printed: dict[tuple[int, str], tuple[Span, str]], whole: Span) -> None:
        self._printed = printed
        self._whole = whole

    def of(self, mapping: Yaml, key: str) -> tuple[Span, str]:
        return self._printed.get((id(mapping), key), (self._whole, ""))

    def first(self, item: Yaml) -> Span:
        """The line on which an entry begins."""
        return self.of(item, next(iter(item)))[0] if isinstance(item, dict) and item else self._whole


def _claim(item: dict[str, Yaml], lines: _Lines) -> Claim | str:
    """The entry's claim, or why it is none."""
    dataset = item.get("dataset")
    if not isinstance(dataset, dict):
        return "has no dataset"
    name, task = _text(dataset.get("id")), _text(dataset.get("task_id"))
    if not name or not task:
        return f"has no {'id' if not name else 'task_id'} in its dataset"
    if "value" not in item:
        return "has no value"
    value = item["value"]
    place, printed = lines.of(item, "value")
    if isinstance(value, (bool, list, dict)) or not printed.strip() or len(printed) > 200:
        return "has no number as its value"
    printed = printed.strip()
    number = score_number(printed).number
    known = fold(task) not in _NO_NAME
    label = task if known else name.rsplit("/", 1)[-1]
    return Claim(
        id=f"eval_results.{fold(label)[:80].replace(' ', '_') or 'score'}",
        kind=ClaimKind.EVAL,
        text=f"{name}{f' ({task})' if known else ''}: score",
        printed=printed,
        span=place,
        value=number.value if number is not None else None if left_open(printed) else printed,
        number=number,
        split="test",
        task=label,
        metric="score",
        conditions=tuple(_conditions(item, dataset, lines)),
    )


def _conditions(item: dict[str, Yaml], dataset: dict[str, Yaml], lines: _Lines) -> Iterator[AnyFact]:
    """What an entry says beside its value: which rows, when, by whom, and how."""
    source = item.get("source")
    asked: list[tuple[str, dict[str, Yaml], str]] = [
        ("dataset_id", dataset, "id"),
        ("dataset_config", dataset, "task_id"),
        ("dataset_revision", dataset, "revision"),
        *((key, item, name) for key, name in _ENTRY),
        *((key, source, name) for key, name in _SOURCE if isinstance(source, dict)),
    ]
    for key, mapping, name in asked:
        text = _text(mapping.get(name))
        if not text or (key == "dataset_config" and fold(text) in _NO_NAME):
            continue
        place = lines.of(mapping, name)[0]
        if key == "notes":
            _, shots = without_shots(f"notes {text}", place)
            yield from shots
        yield Fact(key, text, Origin.STATED, text, place)
    if _text(source) and not isinstance(source, dict):
        yield Fact("source_url", _text(source), Origin.STATED, _text(source), lines.of(item, "source")[0])
    if _text(item.get("verifyToken")):
        # Whether the signature holds is not looked at here.
        place = lines.of(item, "verifyToken")[0]
        yield Fact("signed", True, Origin.STATED, "verifyToken", place, why="its signature was not checked")


def _text(value: Yaml) -> str:
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        return ""
    return " ".join(str(value)[: 4 * _LONGEST].split())[:_LONGEST]
