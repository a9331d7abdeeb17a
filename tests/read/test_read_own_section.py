"""A refreshed card says what its author said, and nothing that an earlier audit added."""

from __future__ import annotations

from pathlib import Path

from repro.read.reader import read

CARD = (Path(__file__).parents[2] / "cards" / "dpo-mahals.md").read_bytes()
SECTION = b"""
<!-- repro:begin reproducibility section, rewritten whole by `repro card` card=00 -->
## Reproducibility

| Step | Loss |
|---|---|
| 300 | 0.4 |

Built with Llama. Trained for 7 epochs with a learning rate of 3e-4.
<!-- repro:end sha256=00 card=00 at=0 edits= -->
"""


def test_the_section_of_an_earlier_audit_is_not_read() -> None:
    _, before = read(CARD, "card.md")
    card, after = read(CARD + SECTION, "card.md")
    assert after.claims == before.claims
    assert after.stages == before.stages
    assert after.facts == before.facts
    assert "Built with Llama" not in after.text
    assert card.data == CARD + SECTION


def test_a_mark_without_its_end_hides_nothing() -> None:
    _, before = read(CARD, "card.md")
    cut = SECTION.split(b"<!-- repro:end")[0]
    _, after = read(CARD + cut, "card.md")
    assert len(after.claims) > len(before.claims)
