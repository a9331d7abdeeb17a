"""The law of the end token that a card's template shows: against the published template, end token and tokens."""

from __future__ import annotations

import json
import re

from repro.compare.case import Case, result
from repro.compare.template import judged, published
from repro.comparison import Comparison, Verdict
from repro.evidence import Repo
from repro.spec import Claim, Origin

ENDS = (
    *("<|endoftext|>", "<|end_of_text|>", "<|eot_id|>", "<|im_end|>", "</s>", "<eos>", "<end_of_turn>", "<|end|>"),
    *("<|return|>", "<|eos|>", "<|endofturn|>", "<|END_OF_TURN_TOKEN|>", "<end_of_utterance>"),
    "<\uff5cend\u2581of\u2581sentence\uff5c>",
)
"""Tokens with which published templates end a turn."""
_ANY = frozenset(["<eos>"])
"""Gemma's end token, and what authors write for whichever token ends a sequence."""
_DEEPEST = re.compile(r"[\[{]{40}")
_NEEDS = "which of the two tokens training used"


def compare_end_token(case: Case, claim: Claim) -> Comparison:
    """Whether the published tokenizer ends a turn as the card's template does.

    DIFFERS only where the tokenizer lists its tokens, the shown one is in none of its files, and its template ends
    turns with another. A token that exists and is not written may have been what training used: INCONCLUSIVE.
    """
    token = str(claim.value)
    others = [c for c in _claims(case, claim) if c.value != claim.value]
    if others:
        both = " and ".join(f"{c.printed} (line {c.span.line})" for c in (claim, *others))
        why = f"The card shows turns that end with {both}: which is the model's cannot be told from it."
        return result(claim, Verdict.INCONCLUSIVE, why, needs="one template")
    # A card that describes no training still shows how to talk to the model that it describes.
    repos = case.repos(claim) or (case.evidence.role("subject") if not case.spec.stages else ())
    found = published(repos)
    repo = found[0] if found else next((r for r in repos if _end_tokens(r)), None)
    if repo is None:
        return result(
            claim,
            Verdict.UNTESTED,
            "The published tokenizer was not looked at, or says nothing of its end token.",
            needs="the tokenizer and chat template of the model's repository",
        )
    ends = _end_tokens(repo)
    if found is None:
        where = f"the tokenizer of {repo.repo_id}"
        if ends == (token,):
            return judged(claim, Verdict.CONSISTENT, f"{token} is the end token of {where}.", where, measured=token)
        why = (
            f"{where[0].upper()}{where[1:]} ends a sequence with {_listed(ends)} and has no template to show for turns."
        )
        return judged(claim, Verdict.INCONCLUSIVE, why, where, needs="the template that training used")
    fact = found[1]
    text, where = str(fact.value), str(fact.span) if fact.span is not None else repo.repo_id
    written = {end for end in (*ENDS, token) if end in text} | set(ends[:1] if "eos_token" in text else ())
    if written == {token}:
        return judged(claim, Verdict.CONSISTENT, f"{where} ends a turn with {token}, too.", where, measured=token)
    if token in written:
        why = f"{where} writes {token} and {_listed(sorted(written - {token}))}; which ends a turn depends on the turn."
        return judged(claim, Verdict.INCONCLUSIVE, why, where, needs="the template, applied to a conversation")
    if not written:
        why = f"{where} writes no end token that is known here; the card's template ends a turn with {token}."
        return judged(claim, Verdict.INCONCLUSIVE, why, where, needs="the template, applied to a conversation")
    real = _listed(sorted(written))
    base = (
        f"The template that the card shows (line {claim.span.line}) ends a turn with {token}; the published tokenizer "
        f"ends it with {real} ({where})"
    )
    if not _lacks(repo, token):
        return judged(claim, Verdict.INCONCLUSIVE, f"{base}.", where, needs=_NEEDS)
    if token in _ANY:
        why = f"{base}. {token} may stand for whichever token ends a sequence."
        return judged(claim, Verdict.INCONCLUSIVE, why, where, needs=_NEEDS)
    why = f"{base} and has no token {token}."
    return judged(claim, Verdict.DIFFERS, why, where, measured=f"ends a turn with {real}")


def _claims(case: Case, claim: Claim) -> tuple[Claim, ...]:
    """This claim and the others of its kind about the same stage."""
    name = claim.id.partition("#")[0]
    return tuple(c for c in case.spec.claims if c.id.partition("#")[0] == name)


def _end_tokens(repo: Repo) -> tuple[str, ...]:
    """The end tokens that the repository's files state, each once, in the order in which they stand over each other."""
    facts = (f for f in repo.facts if f.key == "eos_token" and f.origin is Origin.FOUND and f.value)
    return tuple(dict.fromkeys(str(f.value) for f in facts))


def _lacks(repo: Repo, token: str) -> bool:
    """Whether the tokenizer provably has no such token: it lists its own, and no file of it speaks of this one."""
    listed = _added_tokens(repo)
    named = any(token in file.text for file in repo.files if file.text and not file.path.lower().endswith(".md"))
    return bool(listed) and token not in listed and not named and token not in _end_tokens(repo)


def _added_tokens(repo: Repo) -> frozenset[str]:
    """The special tokens that tokenizer_config.json lists; empty when it lists none."""
    file = repo.file("tokenizer_config.json")
    if file is None or not file.text or _DEEPEST.search(file.text):
        return frozenset()
    try:
        content = json.loads(file.text)
    except (ValueError, RecursionError):
        return frozenset()
    entries = content.get("added_tokens_decoder") if isinstance(content, dict) else None
    values = entries.values() if isinstance(entries, dict) else ()
    return frozenset(str(entry["content"]) for entry in values if isinstance(entry, dict) and "content" in entry)


def _listed(tokens: tuple[str, ...] | list[str]) -> str:
    return " and ".join(tokens)
