"""Real cards, where they are at hand: none raises, none hangs, and every figure stands where it is said to stand."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from repro.read.reader import read
from repro.spec import ClaimKind

CORPUS = Path(__file__).resolve().parents[3] / "shared" / "corpus"
CARDS = sorted((CORPUS / "cards").glob("*/*.md"))

pytestmark = pytest.mark.skipif(not CORPUS.is_dir(), reason="no corpus of real cards beside the checkout")


@pytest.mark.parametrize("path", CARDS, ids=lambda path: f"{path.parent.name}/{path.stem}")
@pytest.mark.timeout(30)
def test_a_real_card_is_read_with_true_lines(path: Path) -> None:
    card, spec = read(path.read_bytes(), str(path))
    lines = card.text.split("\n")
    assert len({c.id for c in spec.claims}) == len(spec.claims)
    for claim in spec.claims:
        text = "\n".join(lines[claim.span.line - 1 : claim.span.end_line])
        if claim.cell_start is not None:
            assert card.data[claim.cell_start : claim.cell_end].decode() in text
        elif claim.kind in (ClaimKind.LOSS, ClaimKind.EVAL, ClaimKind.DATA):
            assert claim.printed in text, claim


@pytest.mark.timeout(120)
def test_many_more_are_read() -> None:
    with gzip.open(CORPUS / "bulk.jsonl.gz", "rt", encoding="utf-8") as file:
        for _, line in zip(range(300), file):
            row = json.loads(line)
            read(row["text"].encode("utf-8", "replace"), str(row["path"]))
