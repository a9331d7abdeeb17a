"""The law of identity and usage claims: what a repository outside the card shows of them, and no more."""

from __future__ import annotations

import re

from repro.compare.case import Case, result
from repro.compare.config import equal, key_of
from repro.comparison import Comparison, Verdict, Weight
from repro.evidence import Repo
from repro.spec import Claim

SHAPE = (
    "model_type",
    "hidden_size",
    "intermediate_size",
    "num_hidden_layers",
    "num_attention_heads",
    "num_key_value_heads",
)
"""What training leaves as it was; the vocabulary may grow by a padding token."""


def compare_usage(case: Case, claim: Claim) -> Comparison:
    """UNTESTED: a card's code is hostile until somebody asks for it to be run."""
    return result(
        claim,
        Verdict.UNTESTED,
        "Not executed: code in a card runs only when asked, and nothing else shows whether it runs.",
        needs="running the block on the published model, in a container",
    )


def compare_identity(case: Case, claim: Claim) -> Comparison:
    """By the card's own agreement with itself, then by the repositories that were looked up."""
    key = key_of(claim)
    if claim.unstated:
        return result(claim, Verdict.UNSTATED, "The card leaves it open.")
    fact_key = "datasets" if key == "dataset" else key
    values = {str(f.value).casefold(): f for f in case.spec.all(fact_key) if f.known}
    if key in {"base_model", "license", "framework", "library_name"} and len(values) > 1:
        said = " and ".join(f"{f.value}" + (f" (line {f.span.line})" if f.span else "") for f in values.values())
        return result(
            claim,
            Verdict.INCONCLUSIVE,
            f"The card states both {said}.",
            weight_why="the card does not agree with itself",
            needs="one of them, settled",
        )
    if key == "base_model":
        return _base(case, claim)
    if key == "dataset":
        return _exists(case, claim, "dataset", "that it was trained on is not shown")
    if key == "license":
        return _licence(case, claim)
    subject = case.subject()
    found = subject.get(fact_key) if subject is not None else None
    outside = (
        found is not None and found.known and not str(found.span or "").lower().split(":")[-1].startswith("readme")
    )
    if subject is not None and found is not None and outside and "readme" not in str(found.span or "").lower():
        same = equal(claim, found.value)
        return _artefact(claim, same, f"{subject.repo_id} says {found.value}", subject.repo_id)
    times = sum(1 for f in case.spec.all(fact_key) if f.known and equal(claim, f.value))
    repeated = f" The card says it {times} times, alike." if times > 1 else ""
    return result(claim, Verdict.UNTESTED, f"Nothing outside the card shows it.{repeated}", needs=_sought(case, claim))


def _base(case: Case, claim: Claim) -> Comparison:
    subject = case.subject()
    base = next((r for r in case.evidence.repos if r.repo_id == claim.value and r.kind == "model"), None)
    if base is None:
        return _missing(case, claim)
    adapter = subject.get("adapter_base_model") if subject is not None else None
    if subject is not None and adapter is not None and adapter.known:
        other = "" if equal(claim, adapter.value) else _another_name(str(claim.value), str(adapter.value))
        if other:
            return result(
                claim,
                Verdict.INCONCLUSIVE,
                f"adapter_config.json in {subject.repo_id} says {adapter.value}, which may be {other}; the card says "
                f"{claim.printed}.",
                method="artefact",
                evidence_kind="adapter_config.json",
                needs="the repository and revision of the weights that the adapter was trained on",
            )
        return _artefact(
            claim,
            equal(claim, adapter.value),
            f"adapter_config.json in {subject.repo_id} says {adapter.value}",
            "adapter_config.json",
        )
    if subject is not None and subject is not base:
        shared = [k for k in SHAPE if subject.get(k).known and base.get(k).known]
        off = [k for k in shared if subject.get(k).value != base.get(k).value]
        if off:
            words = ", ".join(f"{k} {subject.get(k).value} against {base.get(k).value}" for k in off)
            return result(
                claim,
                Verdict.DIFFERS,
                f"The published model has another shape than {base.repo_id}: {words}. Training does not change it.",
                method="artefact",
                weight=Weight.STRONG,
                weight_why="both configurations are published",
                evidence_kind="config.json",
            )
        if len(shared) >= 3:
            return result(
                claim,
                Verdict.CONSISTENT,
                f"The published model has the shape of {base.repo_id}: {len(shared)} figures in config.json agree.",
                method="artefact",
                weight=Weight.WEAK,
                weight_why="every model of that family has the same shape",
                evidence_kind="config.json",
                needs="the distance between both models' weights",
            )
    return _exists(case, claim, "model", "that the model was trained from it is not shown")


_REPO_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+", re.ASCII)
_QUANTISED = re.compile(r"(?:[-_.](?:unsloth|bnb|awq|gptq|hqq|nf4|fp8|int[48]|w?[48][-_]?bits?))+$", re.IGNORECASE)


def _another_name(card: str, found: str) -> str:
    """What else than another model the name that an adapter was trained under may be, or empty.

    Trainers write down the folder that they loaded; quantised and copied weights carry the same name elsewhere.
    """
    if not _REPO_ID.fullmatch(found):
        return "a folder on the author's machine"
    mine, other = (re.sub(r"[^a-z0-9]", "", _QUANTISED.sub("", n.rsplit("/", 1)[-1]).casefold()) for n in (card, found))
    same = min(len(mine), len(other)) >= 4 and (mine.endswith(other) or other.endswith(mine))
    return "a copy of the same weights" if same else ""


def _licence(case: Case, claim: Claim) -> Comparison:
    for repo in case.evidence.role("base"):
        found = repo.get("license")
        if found.known and equal(claim, found.value):
            return result(
                claim,
                Verdict.CONSISTENT,
                f"{repo.repo_id}, from which it was trained, is under {found.value} too.",
                method="artefact",
                weight=Weight.WEAK,
                weight_why="a derived model usually carries its base's licence",
                evidence_kind=repo.repo_id,
            )
        if found.known:
            return result(
                claim,
                Verdict.INCONCLUSIVE,
                f"The card says {claim.printed}, and {repo.repo_id}, from which it was trained, is under "
                f"{found.value}: whether that may be is a question of the licences.",
                method="artefact",
                evidence_kind=repo.repo_id,
                needs="a reading of both licences",
            )
    return _missing(case, claim)


def _exists(case: Case, claim: Claim, kind: str, caveat: str) -> Comparison:
    repo = next((r for r in case.evidence.repos if r.kind == kind and r.repo_id == claim.value), None)
    if repo is None:
        return _missing(case, claim)
    return result(
        claim,
        Verdict.CONSISTENT,
        f"{repo.repo_id} exists ({_source(repo)}); {caveat}.",
        method="artefact",
        weight=Weight.WEAK,
        weight_why="existence alone",
        evidence_kind=repo.source or repo.repo_id,
    )


def _artefact(claim: Claim, same: bool, says: str, kind: str) -> Comparison:
    return result(
        claim,
        Verdict.CONSISTENT if same else Verdict.DIFFERS,
        f"{says}; the card says {claim.printed}.",
        method="artefact",
        weight=Weight.MODERATE if same else Weight.STRONG,
        weight_why="an artefact of the published model says so",
        evidence_kind=kind,
    )


def _missing(case: Case, claim: Claim) -> Comparison:
    looked = next((a for a in case.evidence.absences if str(claim.value) and str(claim.value) in a.what), None)
    why = f"Looked for and not had: {looked.why}." if looked is not None else "Nothing outside the card was looked at."
    return result(claim, Verdict.UNTESTED, why, needs=_sought(case, claim))


def _sought(case: Case, claim: Claim) -> str:
    return "the repositories that the card names" if not case.evidence.repos else "an artefact that names it"


def _source(repo: Repo) -> str:
    return repo.source or f"revision {repo.revision}"
