"""R3, continued: the published tokenizer and its files, part against part."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any

from repro.card import Span
from repro.check.outcomes import absent, failed, passed, unknown
from repro.evidence import Evidence, Repo
from repro.finding import Observation, Persona, Severity, check
from repro.spec import Spec

_DEEPEST = re.compile(r"[\[{]{40}")


def subject(evidence: Evidence) -> Repo | None:
    """The repository of the model that the card describes, when it was looked at."""
    return next(iter(evidence.role("subject")), None)


def _document(repo: Repo, path: str) -> dict[str, Any]:
    """A JSON object of the repository, or an empty one."""
    file = repo.file(path)
    if file is None or not file.text or _DEEPEST.search(file.text):
        return {}
    try:
        content = json.loads(file.text)
    except (ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def _place(repo: Repo, path: str) -> Span:
    return Span(f"{repo.repo_id}@{repo.revision}:{path}", 0, 0)


def token(repo: Repo, role: str) -> str:
    """A special token ("eos", "pad", "bos") as the repository has it; empty when it does not say."""
    fact = repo.get(f"{role}_token")
    if isinstance(fact.value, str):
        return fact.value
    for path in ("tokenizer_config.json", "special_tokens_map.json"):
        value = _document(repo, path).get(f"{role}_token")
        value = value.get("content") if isinstance(value, dict) else value
        if isinstance(value, str):
            return value
    return ""


def template_of(repo: Repo) -> str:
    """The tokenizer's chat template; empty when there is none."""
    fact = repo.get("chat_template")
    if isinstance(fact.value, str):
        return fact.value
    file = repo.file("chat_template.jinja")
    if file is not None and file.text:
        return file.text
    value = _document(repo, "tokenizer_config.json").get("chat_template")
    return value if isinstance(value, str) else ""


def added_tokens(repo: Repo) -> dict[str, int]:
    """Added tokens and their ids, from tokenizer_config.json."""
    found: dict[str, int] = {}
    entries = _document(repo, "tokenizer_config.json").get("added_tokens_decoder")
    if isinstance(entries, dict):
        for key, entry in entries.items():
            if isinstance(entry, dict) and isinstance(entry.get("content"), str) and str(key).isdecimal():
                found[entry["content"]] = int(key)
    return found


def _end_ids(document: dict[str, Any]) -> set[int]:
    value = document.get("eos_token_id")
    values = value if isinstance(value, list) else [value]
    return {v for v in values if isinstance(v, int) and not isinstance(v, bool)}


@check(
    "R302",
    "pad-is-not-end",
    severity=Severity.LOW,
    confidence=Severity.LOW,
    needs=("subject",),
    persona=Persona.AUDITOR,
)
def pad_is_not_end(spec: Spec, evidence: Evidence) -> Iterable[Observation]:
    """Padding and end of text are different tokens

    What: Compares the tokenizer's pad token with its end token.
    Why: Training code that leaves padding out of the loss by its id then leaves the end token out too, and the
    model never learns to stop.
    Fix: Give the tokenizer a pad token of its own, or say that the end token was kept in the labels.
    Sources: https://github.com/huggingface/transformers/issues/22794;
    open-instruct@e6c3044:open_instruct/dataset_transformation.py; princeton-pli/retaining-by-doing issue 5
    """
    repo = subject(evidence)
    if repo is None:
        return [unknown("The model's repository was not looked at: its tokenizer is not known.")]
    end, pad = token(repo, "eos"), token(repo, "pad")
    if not end or not pad:
        return [unknown(f"{repo.source} does not name both a pad and an end token.")]
    where = _place(repo, "tokenizer_config.json")
    if end == pad:
        return [failed(f"Pad and end token are both {end}.", where)]
    return [passed(f"Pad token {pad}, end token {end}.", where)]


@check(
    "R304",
    "template-without-date",
    severity=Severity.LOW,
    needs=("subject",),
    persona=Persona.AUDITOR,
    asks="repository",
)
def template_without_date(spec: Spec, evidence: Evidence) -> Iterable[Observation]:
    """The chat template gives the same prompt on every day

    What: Looks in the tokenizer's chat template for a call that puts today's date into the prompt.
    Why: The same question is then another prompt tomorrow, and scores move with the calendar.
    Fix: Pass a fixed date_string when evaluating, and state it beside the scores.
    Sources: https://github.com/sgl-project/sglang/issues/3296; https://huggingface.co/meta-llama/Llama-3.2-1B-Instruct
    """
    repo = subject(evidence)
    template = template_of(repo) if repo else ""
    if repo is None or not template:
        return [unknown("No chat template of the model's repository is at hand.")]
    where = _place(repo, "chat_template")
    if "strftime_now" in template:
        return [failed("The chat template asks for the current date (strftime_now).", where)]
    return [passed("The chat template has no call for the current date.", where)]


@check("R306", "end-token-agreement", severity=Severity.MEDIUM, needs=("subject",), asks="repository")
def end_token_agreement(spec: Spec, evidence: Evidence) -> Iterable[Observation]:
    """Tokenizer and generation configuration stop at the same token

    What: Looks up the id of the tokenizer's end token among the eos_token_id of generation_config.json (or
    config.json).
    Why: Generation that does not know the token that the model was taught to stop with runs on to the length limit.
    Fix: Write the tokenizer's end token id into generation_config.json.
    Sources: https://huggingface.co/docs/transformers/main_classes/text_generation;
    https://github.com/EleutherAI/lm-evaluation-harness/pull/2797
    """
    repo = subject(evidence)
    if repo is None:
        return [unknown("The model's repository was not looked at.")]
    ids = _end_ids(_document(repo, "generation_config.json"))
    source = "generation_config.json"
    if not ids:
        ids, source = _end_ids(_document(repo, "config.json")), "config.json"
    end = token(repo, "eos")
    number = added_tokens(repo).get(end)
    if not ids or number is None:
        return [unknown(f"{repo.source} does not give both the end token's id and an eos_token_id.")]
    where = (_place(repo, source), _place(repo, "tokenizer_config.json"))
    if number in ids:
        return [passed(f"The end token {end} is id {number} in the tokenizer and in {source}.", *where)]
    stops = ", ".join(map(str, sorted(ids)))
    return [failed(f"The tokenizer's end token {end} is id {number}; {source} stops at {stops}.", *where)]


@check("R307", "vocabulary-holds-tokens", severity=Severity.HIGH, needs=("subject",), asks="repository")
def vocabulary_holds_tokens(spec: Spec, evidence: Evidence) -> Iterable[Observation]:
    """Every added token has a row in the embedding

    What: Compares the highest id among the tokenizer's added tokens with the vocabulary size in config.json.
    Why: A token past the end of the embedding is an index error, or on a GPU an assertion that takes the process down.
    Fix: Resize the embedding to the tokenizer before training, and publish both from the same state.
    Sources: https://huggingface.co/docs/transformers/main_classes/model (resize_token_embeddings); SimPO issue 44
    """
    repo = subject(evidence)
    if repo is None:
        return [unknown("The model's repository was not looked at.")]
    fact = repo.get("vocab_size")
    size = fact.value if isinstance(fact.value, int) else _document(repo, "config.json").get("vocab_size")
    tokens = added_tokens(repo)
    if not isinstance(size, int):
        return [unknown(f"{repo.source} states no vocabulary size.")]
    if not tokens:
        return [absent("The tokenizer lists no added tokens.")]
    last = max(tokens, key=lambda t: tokens[t])
    where = (_place(repo, "config.json"), _place(repo, "tokenizer_config.json"))
    if tokens[last] >= size:
        return [failed(f"The token {last} has id {tokens[last]:,}; the vocabulary ends at {size - 1:,}.", *where)]
    return [passed(f"The highest added token id is {tokens[last]:,}, the vocabulary has {size:,}.", *where)]
