"""Cards built from fragments: the reader and every check survive them, and what they say points into the card."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from seed_cards import FRAGMENTS, FRONT, cards, write

from repro.check.checker import run_checks
from repro.evidence import Evidence
from repro.read.reader import read
from repro.spec import Spec

FUZZER = Path(__file__).parent / "fuzz_read.py"


def audited(data: bytes, source: str = "card.md") -> Spec:
    card, spec = read(data, source)
    lines = card.text.count("\n") + 1
    for claim in spec.claims:
        assert 1 <= claim.span.line <= claim.span.end_line <= lines
        if claim.cell_start is not None and claim.cell_end is not None:
            assert 0 <= claim.cell_start < claim.cell_end <= len(data)
    for block in card.blocks:
        for row in (block.table.header, *block.table.rows) if block.table is not None else ():
            assert len(row) == len(block.table.header if block.table else ())
            for cell in row:
                there = card.data[cell.start : cell.end].decode("utf-8", "replace")
                assert there == cell.raw or "\ufffd" in there
    assert len({claim.id for claim in spec.claims}) == len(spec.claims)
    for finding in run_checks(spec, Evidence(), strict=True):
        assert all(0 <= span.line <= lines for span in finding.spans)
    return spec


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from(["", *FRONT]), st.lists(st.sampled_from(FRAGMENTS), max_size=8), st.sampled_from(["", "\n", "\n\n"])
)
def test_cards_of_fragments(front: str, body: list[str], between: str) -> None:
    data = (front + between.join(body)).encode("utf-8", "replace")
    assert audited(data).claims == audited(data).claims


@settings(max_examples=100, deadline=None)
@given(st.lists(st.sampled_from(FRAGMENTS), max_size=5), st.randoms(use_true_random=False))
def test_cards_with_bytes_changed(body: list[str], chance: random.Random) -> None:
    data = bytearray("\n".join(body).encode("utf-8", "replace"))
    for _ in range(min(len(data), 4)):
        data[chance.randrange(len(data))] = chance.choice(b"|-#`<>*[](){}:'\"\n\r\t\0 \\&%~=\x80\xff")
    audited(bytes(data), "lab/heron-7b@main:README.md")


@pytest.mark.timeout(120)
def test_the_seeds_are_the_same_each_time_and_all_survive(tmp_path: Path) -> None:
    seeds = list(cards(60))
    assert seeds == list(cards(60))
    for seed in seeds:
        audited(seed)
    assert write(tmp_path / "seeds") == len(list((tmp_path / "seeds").iterdir())) > 200


def test_the_fuzzer_runs(tmp_path: Path) -> None:
    pytest.importorskip("atheris")
    done = subprocess.run(
        [sys.executable, str(FUZZER), "-runs=300", str(tmp_path / "corpus")],
        capture_output=True, text=True, timeout=300, cwd=tmp_path, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
