"""The completeness of a card: what is missing, where it belongs, and a score that a stated fact never lowers."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from check_cases import CASES
from hypothesis import given, settings
from hypothesis import strategies as st

from repro.check.completeness import completeness
from repro.completeness import Completeness, Making
from repro.evidence import Evidence
from repro.read.reader import read
from repro.spec import Fact, Origin, Spec

ROOT = Path(__file__).parents[2]
CORPUS = ROOT.parent / "shared" / "corpus" / "cards"
FULL = """---
base_model: northwind/lark-2-7b
datasets:
- northwind/letters
license: apache-2.0
library_name: transformers
pipeline_tag: text-generation
tags: [dpo]
---
# lark-2-7b-letters

A chat model, trained by DPO.

## Training hyperparameters

- learning_rate: 5e-07
- beta: 0.1
- loss_type: sigmoid
- train_batch_size: 4
- gradient_accumulation_steps: 8
- total_train_batch_size: 128
- num_epochs: 1
- seed: 42
- optimizer: AdamW with betas=(0.9,0.999)
- lr_scheduler_type: cosine
- lr_scheduler_warmup_ratio: 0.1
- bf16: true
- max_length: 2048

### Framework versions

- Transformers 4.45.2
- TRL 0.11.4

The end.
"""


def asked(text: str) -> Completeness:
    return completeness(read(text.encode(), "card.md")[1], Evidence())


def without(*beginnings: str) -> str:
    return "".join(line for line in FULL.splitlines(keepends=True) if not line.startswith(beginnings))


def test_a_full_card_lacks_little() -> None:
    found = asked(FULL)
    assert found.making is Making.TUNING
    assert found.score is not None
    assert found.score >= 85
    assert {g.key for g in found.gaps} <= {"dataset_revision", "dataset_rows", "num_devices", "method"}


@pytest.mark.parametrize(
    ("key", "line"),
    [
        ("learning_rate", "- learning_rate"),
        ("beta", "- beta"),
        ("seed", "- seed"),
        ("num_epochs", "- num_epochs"),
        ("optimizer", "- optimizer"),
        ("lr_scheduler_type", "- lr_scheduler_type"),
    ],
)
def test_a_line_taken_out_is_missed_and_told_where_it_belongs(key: str, line: str) -> None:
    found, whole = asked(without(line)), asked(FULL)
    (gap,) = [g for g in found.gaps if g.key == key]
    text = without(line).split("\n")
    assert text[gap.span.line - 1].startswith("- "), "the hyperparameters are where it belongs"
    assert found.score is not None
    assert whole.score is not None
    assert found.score < whole.score
    assert whole.score - found.score <= gap.points + 1


def test_what_belongs_in_the_front_matter_is_put_there() -> None:
    found = asked(without("base_model"))
    (gap,) = [g for g in found.gaps if g.key == "base_model"]
    assert gap.where == "in the front matter"
    assert without("base_model").split("\n")[gap.span.line - 1] == "---"
    assert gap.span.line > 1


def test_weightiest_comes_first() -> None:
    found = asked(without("base_model", "- northwind", "datasets", "- learning_rate", "- seed"))
    points = [g.points for g in found.gaps]
    assert points == sorted(points, reverse=True)
    assert [g.key for g in found.gaps[:3]] == ["base_model", "datasets", "learning_rate"]
    assert "what matters most: model that training started from" in found.summary


def test_a_copy_has_nothing_to_regenerate() -> None:
    found = asked("# lark-2-7b-safetensors\n\nConverted from the PyTorch weights of lark-2-7b.\n")
    assert found.making is Making.NONE
    assert found.score is None
    assert found.gaps == ()
    assert found.summary.startswith("Nothing to regenerate")


def test_a_merge_needs_its_recipe_and_no_learning_rate() -> None:
    recipe = "merge_method: slerp\nbase_model: northwind/lark-2-7b\nparameters:\n  t: 0.5\ndtype: bfloat16\n"
    text = f"---\ntags: [mergekit, merge]\n---\n# lark-robin\n\n```yaml\n{recipe}```\n"
    found = asked(text)
    assert found.making is Making.MERGE
    assert not {"learning_rate", "num_epochs", "seed"} & {g.key for g in found.gaps}
    bare = asked("---\ntags: [merge]\n---\n# lark-robin\n\nTwo models in one.\n")
    assert bare.score == 0
    assert bare.gaps[0].key == "merge_models"


def test_a_quantised_copy_needs_its_source_and_no_learning_rate() -> None:
    front = "---\nbase_model: northwind/lark-2-7b\ntags: [gguf]\n---\n"
    found = asked(f"{front}# lark-2-7b-GGUF\n\nMade with llama.cpp b4061, Q4_K_M.\n")
    assert found.making is Making.QUANTISATION
    assert found.score == 100


def test_an_agent_needs_its_environment() -> None:
    found = asked("---\ntags: [reinforcement-learning]\n---\n# An agent\n\nIt walks.\n")
    assert found.making is Making.AGENT
    assert found.gaps[0].key == "environment"


def test_a_classifier_is_not_asked_for_a_chat_template() -> None:
    front = "---\npipeline_tag: text-classification\nbase_model: northwind/wren-small\n---\n"
    keys = {g.key for g in asked(f"{front}# wren-mood\n\nFine-tuned on reviews.\n").gaps}
    assert not keys & {"chat_template", "max_seq_length", "loss_reduction", "method", "beta"}


def _stated(spec: Spec, key: str) -> Spec:
    """The spec as if its card stated the fact, for the first stage and for the card."""
    fact = Fact(key, "stated", Origin.STATED, "stated")
    stages = tuple(
        dataclasses.replace(s, facts=(*s.facts, fact), base=fact if key == "base_model" else s.base)
        for s in spec.stages
    )
    return dataclasses.replace(spec, facts=(*spec.facts, fact), stages=stages)


SPECS = [read(path.read_bytes(), path.name)[1] for path in sorted(CASES.glob("R4*/*.md"))]


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(SPECS), st.randoms(use_true_random=False))
def test_stating_a_missing_fact_never_lowers_the_score(spec: Spec, random) -> None:  # type: ignore[no-untyped-def]
    before = completeness(spec, Evidence())
    while before.gaps:
        gap = random.choice(before.gaps)
        spec = _stated(spec, gap.key)
        if gap.key == "method":
            name = random.choice(["sft", "dpo", "grpo"])
            stages = tuple(dataclasses.replace(s, name=name if s.name == gap.stage else s.name) for s in spec.stages)
            spec = dataclasses.replace(spec, stages=stages)
        after = completeness(spec, Evidence())
        assert before.score is not None
        assert after.score is not None
        assert after.score >= before.score, gap
        if len(after.gaps) >= len(before.gaps) and gap.key != "method":
            break
        before = after


@pytest.mark.skipif(not CORPUS.is_dir(), reason="the corpus of real cards is not here")
def test_real_cards_get_a_score_and_their_lines_exist() -> None:
    for path in sorted(CORPUS.glob("*/*.md")):
        spec = read(path.read_bytes(), path.name)[1]
        found = completeness(spec, Evidence())
        lines = spec.text.count("\n") + 1
        assert (found.score is None) == (found.making is Making.NONE)
        assert found.score is None or 0 <= found.score <= 100
        assert all(1 <= g.span.line <= lines for g in found.gaps), path.name
        assert found.told + len(found.gaps) == found.asked
