"""A check that is spared a card without its subject would have said of it what it says of an empty one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from check_cases import all_cases

from repro.check.checker import all_checks, run_checks
from repro.check.evals import evaluated_at_all
from repro.check.subjects import SUBJECTS, subjects_of
from repro.evidence import Evidence
from repro.finding import Finding, Outcome
from repro.read.reader import read
from repro.spec import Spec

CORPUS = Path(__file__).resolve().parents[3] / "shared" / "corpus" / "cards"


def looked_at(spec: Spec, evidence: Evidence) -> dict[str, list[tuple[object, ...]]]:
    """What every check answers that is called, whatever its subject."""
    return {
        c.code: [(o.outcome, o.message, o.spans, o.claims, o.edits) for o in c.function(spec, evidence)]
        for c in all_checks()
    }


def spared(findings: tuple[Finding, ...]) -> dict[str, list[tuple[object, ...]]]:
    said: dict[str, list[tuple[object, ...]]] = {}
    for f in findings:
        said.setdefault(f.code, []).append((f.outcome, f.message, f.spans, f.claims, f.edits))
    return said


def same(spec: Spec, evidence: Evidence) -> None:
    called, run = looked_at(spec, evidence), spared(run_checks(spec, evidence, strict=True))
    assert {code: said for code, said in called.items() if said} == run


def test_every_subject_that_is_asked_for_exists() -> None:
    assert {c.asks for c in all_checks()} - {""} == set(SUBJECTS)


def test_the_cases_of_all_checks() -> None:
    spared_somewhere = 0
    for case in all_cases():
        spec, evidence = case.spec(), case.evidence()
        same(spec, evidence)
        there = subjects_of(spec, evidence)
        spared_somewhere += any(c.asks and not SUBJECTS[c.asks] & there for c in all_checks())
    assert spared_somewhere > 100


@pytest.mark.skipif(not CORPUS.is_dir(), reason="no corpus of real cards beside the checkout")
def test_real_cards() -> None:
    for path in sorted(CORPUS.glob("*/*.md")):
        same(read(path.read_bytes(), path.name)[1], Evidence())


@pytest.mark.parametrize(
    "told",
    [
        "evaluation",
        "benchmark",
        "results",
        "performance",
        "leaderboard",
        "accuracy",
        "F1",
        "BLEU",
        "sChrF",
        "chrF",
        "rouge-L",
        "WER",
        "win-rate",
        "CER",
        "perplexity",
        "pass@1",
        "human_eval",
        "HumanEval",
        "evalplus",
        "Pearson",
        "spearman",
        "si_sdr",
        "SISDR",
        "sd_sir",
        "sdir",
        "MSE",
        "MAE",
        "AUC",
        "Score",
    ],
)
def test_every_word_for_results_is_looked_for(told: str) -> None:
    spec = read(f"---\nbase_model: northwind/kestrel-7b\n---\n\n| {told} | 1.5 |\n".encode(), "card.md")[1]
    (said,) = evaluated_at_all.function(replace(spec, claims=()), Evidence())
    assert said.outcome is Outcome.UNKNOWN
    assert said.spans[0].line == 5
