"""The given card comes out as a careful person would say; a corpus of real cards breaks nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from repro.check.checker import run_checks
from repro.evidence import Evidence, Repo
from repro.finding import Finding, Outcome
from repro.read.reader import read
from repro.spec import Fact, Origin

ROOT = Path(__file__).parents[2]
CARD = ROOT / "cards" / "dpo-mahals.md"
CORPUS = ROOT.parent / "shared" / "corpus" / "cards"

PARENT = b"""---
base_model: meta-llama/Llama-3.1-8B
license: llama3.1
---

# Llama-3.1-8B-Tulu10pct-SFT-MAHALS

The supervised stage.

```python
from transformers import AutoModelForCausalLM
model = AutoModelForCausalLM.from_pretrained("anonymousML123/Llama-3.1-8B-Tulu10pct-SFT-MAHALS")
```

## SFT hyperparameters

| Parameter | Value |
|---|---|
| Learning Rate | 5e-6 |
| Effective Batch Size | 128 |
| Epochs | 2 |
"""


def findings(evidence: Evidence) -> list[Finding]:
    spec = read(CARD.read_bytes(), "cards/dpo-mahals.md")[1]
    return list(run_checks(spec, evidence, strict=True))


def codes(found: list[Finding], outcome: Outcome) -> set[str]:
    return {f.code for f in found if f.outcome is outcome}


def test_given_card_alone() -> None:
    found = findings(Evidence())
    assert codes(found, Outcome.FAIL) == {
        "R201",
        "R202",
        "R301",
        "R405",
        "R406",
        "R410",
        "R411",
        "R415",
        "R445",
        "R448",
        "R501",
        "R602",
        "R603",
        "R604",
        "R702",
    }
    passed = codes(found, Outcome.PASS)
    assert {
        "R101",
        "R102",
        "R107",
        "R203",
        "R205",
        "R403",
        "R412",
        "R413",
        "R417",
        "R601",
        "R605",
        "R701",
        "R705",
    } <= passed
    assert {"R402", "R408", "R409", "R414", "R303", "R704"} <= codes(found, Outcome.UNKNOWN)


def test_given_card_steps_reconcile_through_a_small_filter() -> None:
    (finding,) = [f for f in findings(Evidence()) if f.code == "R203"]
    assert finding.outcome is Outcome.PASS
    assert "26,977 to 27,008 rows" in finding.message
    assert "0.49% to 0.60%" in finding.message
    assert finding.claims == ("dpo.steps",)


def test_given_card_lines_are_the_lines_meant() -> None:
    lines = CARD.read_text().split("\n")
    shown = {
        "R301": "<|endoftext|>",
        "R603": "apply_chat_template",
        "R411": "TBD",
        "R412": "%",
        "R602": "apply_chat_template",
        "R604": "torch_dtype",
        "R606": "--max_model_len=2048",
    }
    found = findings(Evidence())
    for code, text in shown.items():
        for finding in (f for f in found if f.code == code):
            assert text in lines[finding.spans[0].line - 1], code


def test_given_card_with_its_parent_knows_the_first_stage() -> None:
    parent = read(PARENT, "anonymousML123/Llama-3.1-8B-Tulu10pct-SFT-MAHALS@abc:README.md")[1]
    found = findings(Evidence(parents=(parent,)))
    (stage,) = [f for f in found if f.code == "R414" and f.message.startswith("sft")]
    assert stage.outcome is Outcome.PASS
    assert any(s.source.startswith("anonymousML123/") for s in stage.spans)


def test_given_card_with_its_index() -> None:
    facts = {"index_total_size_bytes": 16_060_653_568, "index_total_parameters": 266_240}
    repo = Repo(
        "anonymousML123/Llama-3.1-8B-Tulu10pct-DPO-MAHALS",
        "model",
        "subject",
        "abc",
        "hub",
        facts=tuple(Fact(k, v, Origin.FOUND) for k, v in facts.items()),
    )
    (finding,) = [f for f in findings(Evidence(repos=(repo,))) if f.code == "R105"]
    assert finding.outcome is Outcome.FAIL
    assert "8.03B" in finding.message


@pytest.mark.skipif(not CORPUS.is_dir(), reason="the corpus of real cards is not here")
def test_corpus_of_real_cards_breaks_no_check_and_lines_exist() -> None:
    cards = sorted(CORPUS.glob("*/*.md"))
    assert cards
    gravest = 0
    for path in cards:
        spec = read(path.read_bytes(), path.name)[1]
        last = spec.text.count("\n") + 1
        for finding in run_checks(spec, Evidence(), strict=True):
            assert finding.message, finding.code
            assert all(1 <= s.line <= s.end_line <= last for s in finding.spans), (path.name, finding)
            gravest += finding.outcome is Outcome.FAIL and finding.severity.value == "high"
    # a grave finding in every other card would mean that the checks, not the authors, are wrong
    assert gravest <= len(cards) // 3
