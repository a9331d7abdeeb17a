"""The law of a claimed chat template: the role marks of its name, against the template that the tokenizer applies."""

from __future__ import annotations

import re

from repro.compare.case import Case, result
from repro.comparison import Comparison, Verdict, Weight
from repro.evidence import Repo
from repro.spec import AnyFact, Claim, Origin

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
_BY_ROLE = re.compile(r"""['"]<\|['"] ?[+~] ?\w{1,20}(?:\[['"]role['"]\]|\.role) ?[+~] ?['"]\|>""")
"""A mark put together from the role's name: '<|' + message['role'] + '|>'."""


def compare_template(case: Case, claim: Claim) -> Comparison | None:
    """A template's name is no template's text: the two are compared by what the text writes. None without a text.

    DIFFERS where the text has another family's marks and none of the claimed one's. How a turn ends is no part of the
    name: a block that the card shows with another end token is a claim of its own.
    """
    found = published(case.repos(claim))
    if found is None:
        return None
    repo, fact = found
    text = str(fact.value) + ("<|system|><|user|><|assistant|>" if _BY_ROLE.search(str(fact.value)) else "")
    where = str(fact.span) if fact.span is not None else repo.repo_id
    name = re.sub(r"[\s_]+", "-", str(claim.value).strip().casefold()).removesuffix("-template").removesuffix("-chat")
    if name == "model" or str(claim.value).strip() == str(fact.value).strip():
        same = "is the text that the card shows" if name != "model" else "is the tokenizer's own, as the card says"
        return judged(claim, Verdict.CONSISTENT, f"{where} {same}.", where)
    marks = MARKS.get(name) or MARKS.get(re.sub(r"(?<=[a-z])(?=\d)", "-", name).partition(".")[0])
    if marks is None:
        return judged(
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
            return judged(
                claim,
                Verdict.DIFFERS,
                f"A {claim.printed} template writes {written}; {where} writes {', '.join(others)} instead.",
                where,
                measured=", ".join(others),
            )
        return judged(
            claim,
            Verdict.INCONCLUSIVE,
            f"A {claim.printed} template writes {written}, which {where} does not all spell out.",
            where,
            needs="both templates, applied to the same conversation",
        )
    return judged(claim, Verdict.CONSISTENT, f"{where} writes {written}, as a {claim.printed} template does.", where)


def judged(claim: Claim, verdict: Verdict, why: str, where: str, *, measured: str = "", needs: str = "") -> Comparison:
    """A verdict by the published tokenizer, with the weight that it can have; `where` is its file."""
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


def published(repos: tuple[Repo, ...]) -> tuple[Repo, AnyFact] | None:
    """The template that the tokenizer of the first such repository applies: the first, where two files hold one."""
    for repo in repos:
        for fact in repo.facts:
            if fact.key == "chat_template" and fact.origin is Origin.FOUND and "{" in str(fact.value):
                return repo, fact
    return None
