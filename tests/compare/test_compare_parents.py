"""What a difference may be called when the run made the stage's parent itself."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from compare_cases import HARNESS, curve, loss, run, score, score_claim, spec, stage

from repro.compare.comparer import compare
from repro.comparison import Comparison, Verdict
from repro.evidence import Evidence
from repro.run import Run
from repro.spec import Claim

STEPS = (100, 200, 400)
MEAN = np.array(curve(400))
CARD = (stage(name="sft"), stage(name="dpo"))


def noisy(seed: int, lift: float = 0.0) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [MEAN + lift + 0.002 * rng.standard_normal() + 0.02 * rng.standard_normal(400) for _ in range(3)]


def claims(name: str, lift: float = 0.0) -> tuple[Claim, ...]:
    return tuple(loss(s, f"{float(np.mean(MEAN[s - 25 : s])) + lift:.4f}", window=25, stage=name) for s in STEPS)


def chained(parent: str = "<sft>", *, sft_lift: float = 0.0, dpo_lift: float = 0.0) -> Run:
    """Three seeds of SFT and DPO, the second from the first's model unless `parent` is a repository."""
    sft, dpo = run(noisy(1, sft_lift), name="sft"), run(noisy(2, dpo_lift), name="dpo")
    plans = (*sft.plan.stages, dataclasses.replace(dpo.plan.stages[0], base=parent))
    plan = dataclasses.replace(sft.plan, stages=plans)
    return dataclasses.replace(sft, plan=plan, stages=sft.stages + dpo.stages)


def judged(made: Run, *given: Claim) -> dict[str, Comparison]:
    found = compare(spec(*given, stages=CARD), Evidence(), None, made, ())
    return {c.claim: c for c in found}


def test_a_chain_whose_parent_was_reproduced_may_contradict_the_card() -> None:
    found = judged(chained(dpo_lift=0.2), *claims("sft"), *claims("dpo"))
    assert {found[f"sft.loss@{s}"].verdict for s in STEPS} == {Verdict.REPRODUCED}
    assert {found[f"dpo.loss@{s}"].verdict for s in STEPS} == {Verdict.DIFFERS}
    assert "of the chain" in found["dpo.loss@200"].why


@pytest.mark.parametrize("said", [(), claims("sft", lift=0.2), claims("sft")[:1] + claims("sft", lift=0.2)[1:2]])
def test_a_chain_whose_parent_was_not_shown_to_be_the_cards_leaves_the_difference_open(said: tuple[Claim, ...]) -> None:
    found = judged(chained(dpo_lift=0.2), *said, *claims("dpo"))
    for s in STEPS:
        assert found[f"dpo.loss@{s}"].verdict is Verdict.INCONCLUSIVE
        assert "may lie there" in found[f"dpo.loss@{s}"].why
        assert found[f"dpo.loss@{s}"].needs.endswith("--start published --stages dpo")


def test_from_the_published_parent_the_difference_is_the_stages_own() -> None:
    found = judged(chained("lab/published-sft", dpo_lift=0.2), *claims("dpo"))
    assert {c.verdict for c in found.values()} == {Verdict.DIFFERS}
    assert "of the chain" not in found["dpo.loss@200"].why


def test_a_chain_that_agrees_is_reproduced_and_says_that_it_is_the_chain() -> None:
    found = judged(chained(), *claims("dpo"))
    assert {c.verdict for c in found.values()} == {Verdict.REPRODUCED}
    assert "its own sft model, whose error is in it" in found["dpo.loss@200"].why


def test_a_score_of_a_chain_is_not_contradicted_by_a_parent_that_was_not_shown() -> None:
    rng = np.random.default_rng(3)
    right = rng.random(600) < 0.8
    published, ours = (
        score("published", right),
        [score("dpo", right & (rng.random(600) < 0.6), seed=s) for s in range(3)],
    )
    said = score_claim("quiz", "acc", f"{published.value:.4f}", harness="lm-eval", harness_version=HARNESS.version)
    for parent, verdict in (("<sft>", Verdict.INCONCLUSIVE), ("lab/published-sft", Verdict.DIFFERS)):
        for claim in (said, dataclasses.replace(said, stage="")):
            card = spec(claim, stages=CARD)
            (found,) = compare(card, Evidence(), None, chained(parent), (published, *ours))
            assert found.verdict is verdict, found.why
            assert (found.needs.endswith("--stages dpo")) == (parent == "<sft>")
