"""The law of a claimed chat template: its marks and its end token, against the template that the tokenizer applies."""

from __future__ import annotations

import json
import re
from dataclasses import replace

from repro.compare.case import Case, result
from repro.comparison import Comparison, Verdict, Weight
from repro.evidence import Repo
from repro.spec import AnyFact, Claim, CodeBlock, Origin

MARKS = {
    "tulu": ("<|user|>", "<|assistant|>"),
    "zephyr": ("<|user|>", "<|assistant|>"),
    "chatml": ("<|im_start|>",),
    "llama-3": ("<|start_header_id|>",),
    "llama-2": ("[INST]",),
    "mistral": ("[INST]",),
    "gemma": ("<start_of_turn>",),
    "alpaca": ("### Instruction",),
    "vicuna": ("USER:", "ASSISTANT:"),
}
"""Role marks that a template of that name writes. Names share marks: they show a family, not a name."""
ENDS = ("<|endoftext|>", "<|end_of_text|>", "<|eot_id|>", "<|im_end|>", "</s>", "<eos>", "<end_of_turn>", "<|end|>")
"""Tokens with which published templates end a turn."""
BELONGS = 4
"""Lines between a template's name and the block that shows it."""
_BY_ROLE = re.compile(r"""['"]<\|['"] ?[+~] ?\w{1,20}(?:\[['"]role['"]\]|\.role) ?[+~] ?['"]\|>""")
"""A mark put together from the role's name: '<|' + message['role'] + '|>'."""
_DEEPEST = re.compile(r"[\[{]{40}")


def compare_template(case: Case, claim: Claim) -> Comparison | None:
    """A template's name is no template's text: the two are compared by what the text writes. None without a text.

    DIFFERS where the text has another family's marks and none of the claimed one's, or where the block that the card
    shows with the name ends a turn with text that the tokenizer has no token for.
    """
    found = _published(case, claim)
    if found is None:
        return None
    repo, fact = found
    text = str(fact.value) + ("<|system|><|user|><|assistant|>" if _BY_ROLE.search(str(fact.value)) else "")
    where = str(fact.span) if fact.span is not None else repo.repo_id
    name = re.sub(r"[\s_]+", "-", str(claim.value).strip().casefold()).removesuffix("-template").removesuffix("-chat")
    if name == "model" or str(claim.value).strip() == str(fact.value).strip():
        same = "is the text that the card shows" if name != "model" else "is the tokenizer's own, as the card says"
        return _judged(claim, Verdict.CONSISTENT, f"{where} {same}.", where)
    marks = MARKS.get(name) or MARKS.get(re.sub(r"(?<=[a-z])(?=\d)", "-", name).partition(".")[0])
    if marks is None:
        return _judged(
            claim,
            Verdict.UNTESTED,
            f"{where} holds the template that is applied; what {claim.printed} would write is not known here.",
            where,
            needs="the template's text in the card",
        )
    written = ", ".join(marks)
    if not all(mark in text for mark in marks):
        others = sorted({mark for known in MARKS.values() for mark in known if mark in text} - set(marks))
        if others and not any(mark in text for mark in marks):
            return _judged(
                claim,
                Verdict.DIFFERS,
                f"A {claim.printed} template writes {written}; {where} writes {', '.join(others)} instead.",
                where,
                measured=", ".join(others),
            )
        return _judged(
            claim,
            Verdict.INCONCLUSIVE,
            f"A {claim.printed} template writes {written}, which {where} does not all spell out.",
            where,
            needs="both templates, applied to the same conversation",
        )
    shown = _shown_end(case, claim)
    end = str(repo.get("eos_token").value or "")
    if shown is None or not end or shown[1] == end or shown[1] in text:
        return _judged(
            claim, Verdict.CONSISTENT, f"{where} writes {written}, as a {claim.printed} template does.", where
        )
    block, token = shown
    lines = f"lines {block.span.line} to {block.span.end_line}"
    tokens = _added_tokens(repo)
    near = 0 <= block.span.line - claim.span.end_line <= BELONGS
    provable = bool(tokens) and token not in tokens and near
    lacks = f" and has no token {token}" if provable else ""
    why = (
        f"The template that the card shows ({lines}) ends a turn with {token}; the published tokenizer ends it with "
        f"{end}{lacks}. The role marks {written} are a {claim.printed} template's ({where})."
    )
    if provable:
        judged = _judged(claim, Verdict.DIFFERS, why, where, measured=f"ends a turn with {end}")
        return replace(judged, claimed=f"{claim.printed}, shown ending a turn with {token}")
    needs = "which of the two tokens training used"
    return _judged(claim, Verdict.INCONCLUSIVE, why, where, needs=needs)


def _judged(claim: Claim, verdict: Verdict, why: str, where: str, *, measured: str = "", needs: str = "") -> Comparison:
    weights = {
        Verdict.DIFFERS: (Weight.STRONG, "the published tokenizer decides it, without a run"),
        Verdict.CONSISTENT: (Weight.WEAK, "that training used it is not shown"),
    }
    weight, weight_why = weights.get(verdict, (Weight.NONE, "it is not decided"))
    return result(
        claim,
        verdict,
        why,
        method="none" if verdict is Verdict.UNTESTED else "artefact",
        weight=weight,
        weight_why=weight_why,
        measured_text=measured,
        evidence_kind="" if verdict is Verdict.UNTESTED else where,
        needs=needs,
    )


def _published(case: Case, claim: Claim) -> tuple[Repo, AnyFact] | None:
    """The template that the tokenizer of the stage's model applies: the first, where two files hold one."""
    for repo in case.repos(claim):
        for fact in repo.facts:
            if fact.key == "chat_template" and fact.origin is Origin.FOUND and "{" in str(fact.value):
                return repo, fact
    return None


def _shown_end(case: Case, claim: Claim) -> tuple[CodeBlock, str] | None:
    """The block that shows the claimed template, and the last end token in it: the first such block after the claim."""
    blocks = [b for b in case.spec.code if b.role == "template" and b.span.line >= claim.span.line]
    for block in sorted(blocks, key=lambda b: b.span.line):
        ends = [(block.text.rfind(end), end) for end in ENDS if end in block.text]
        if ends:
            return block, max(ends)[1]
    return None


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
