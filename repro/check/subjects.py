"""What a card gives checks to look at: whoever asks of something that is not there has its answer beforehand."""

from __future__ import annotations

from repro.evidence import Evidence
from repro.spec import ClaimKind, Spec

SUBJECTS: dict[str, int] = {
    "stage": 1 << 0,
    "base": 1 << 1,
    "loss": 1 << 2,
    "change": 1 << 3,
    "score": 1 << 4,
    "memory": 1 << 5,
    "code": 1 << 6,
    "table": 1 << 7,
    "license": 1 << 8,
    "language": 1 << 9,
    "datasets": 1 << 10,
    "repository": 1 << 11,
}
"""Each subject's bit: a stage, a named base model, a claim of a kind, a code block, a table's mark, a fact of the
front matter, the model's own repository in evidence."""

_CLAIMS = {
    ClaimKind.LOSS: SUBJECTS["loss"],
    ClaimKind.CHANGE: SUBJECTS["change"],
    ClaimKind.EVAL: SUBJECTS["score"],
    ClaimKind.INFERENCE: SUBJECTS["memory"],
}
_FACTS = {
    "base_model": SUBJECTS["base"],
    "license": SUBJECTS["license"],
    "language": SUBJECTS["language"],
    "datasets": SUBJECTS["datasets"],
}
_STAGE, _CODE, _TABLE, _REPOSITORY = (SUBJECTS[name] for name in ("stage", "code", "table", "repository"))


def subjects_of(spec: Spec, evidence: Evidence) -> int:
    """The bits of every subject that the card, or what was found outside it, has."""
    found = _TABLE if "|" in spec.text else 0
    if spec.stages:
        found |= _STAGE
        if any(stage.base.span is not None or stage.base.known for stage in spec.stages):
            found |= SUBJECTS["base"]
    if spec.code:
        found |= _CODE
    for fact in spec.facts:
        if fact.key in _FACTS:
            found |= _FACTS[fact.key]
    last = None
    for claim in spec.claims:  # of one kind after the other, and an enumeration's member is slow to hash
        if claim.kind is not last:
            last = claim.kind
            found |= _CLAIMS.get(last, 0)
    if evidence.repos and any(repo.role == "subject" for repo in evidence.repos):
        found |= _REPOSITORY
    return found
