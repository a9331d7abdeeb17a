"""The card at hand beside the published repository: whether it is of that model, and whether it is the card shown."""

from __future__ import annotations

from itertools import zip_longest

from repro.evidence import Repo
from repro.spec import Spec


def beside_published(spec: Spec, subject: Repo) -> tuple[str, ...]:
    """Sentences: what the card is held against where it names another model, and whether readers see this very card.

    Line ends and a byte order mark do not count as differences.
    """
    own = str(spec.get("model_id").value or "")
    other = own and subject.repo_id != own and subject.revision != "local"
    held = (f"Held against {subject.source}; the card is of {own}.",) if other else ()
    shown = subject.file("README.md")
    if shown is None:
        return held
    if shown.text is None:
        return (*held, f"The card in {subject.source} could not be fetched, and was not compared with this one.")
    mine, theirs = (t.lstrip("\ufeff").splitlines() for t in (spec.text, shown.text))
    off = [n for n, (a, b) in enumerate(zip_longest(mine, theirs), start=1) if a != b]
    if not off:
        return (*held, f"This card is the one that {subject.source} shows.")
    apart = (
        f"This card is not the one that {subject.source} shows: they part at line {off[0]} ({len(mine)} lines here, "
        f"{len(theirs)} there). The claims judged are this card's."
    )
    return (*held, apart)
