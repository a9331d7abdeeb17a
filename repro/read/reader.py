"""A card's bytes to the card as written and the spec of what it says."""

from __future__ import annotations

from dataclasses import replace

from repro.card import Card
from repro.read.claims import claims
from repro.read.code_blocks import code_blocks
from repro.read.dialects import dialect_of
from repro.read.document import document
from repro.read.identity import identity_facts
from repro.read.ignores import card_ignores, without_wishes
from repro.read.markdown import read_card
from repro.read.own_section import authors_blocks, authors_text, own_lines
from repro.read.stages import assign
from repro.read.trainings import numbered
from repro.spec import Spec


def read(data: bytes, source: str) -> tuple[Card, Spec]:
    """The card that `data` is and what it says; never raises: what cannot be read is a problem or a reason.

    `source` is a path as the user gave it, or repo@revision:README.md.
    """
    card = read_card(data, source)
    if own := own_lines(card.text):
        card = replace(card, blocks=authors_blocks(card, own))
    return card, read_spec(card)


def read_spec(card: Card) -> Spec:
    """Everything the card says: facts, stages, claims and code, each with its lines."""
    doc = document(card)
    dialect = dialect_of(card)
    gathered = dialect.read(doc)
    gathered = gathered._replace(statements=numbered(gathered.statements))
    facts = identity_facts(doc, gathered)
    assignment = assign(doc, gathered, facts)
    code = code_blocks(doc)
    ignores = card_ignores(card)
    return Spec(
        source=card.source,
        name=card.name,
        card_sha256=card.sha256,
        dialect=dialect.name,
        facts=facts,
        stages=assignment.stages,
        claims=claims(doc, gathered, assignment, facts, code, dialect.trainer_logs),
        code=code,
        problems=card.problems + gathered.problems,
        text=without_wishes(authors_text(card.text, own_lines(card.text)), ignores),
        ignores=ignores,
    )
