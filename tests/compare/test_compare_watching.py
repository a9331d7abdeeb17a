"""What a run that is ended early says of a claim, the whole run says too: over many cards, true and false."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from compare_cases import HARNESS, config, curve, fact, loss, plan, run, score, score_claim, spec, stage, steps_claim

from repro import measure, pipeline
from repro.compare.comparer import compare
from repro.compare.watching import Watching
from repro.comparison import Comparison, Verdict
from repro.evidence import Evidence
from repro.options import Audited
from repro.plan import Plan
from repro.run import Run, StageRun, Stop
from repro.spec import Claim
from repro.task import Scale

CARD = Path(__file__).parents[2] / "cards" / "dpo-mahals.md"
LENGTH = 320
NOTHING = Evidence()


def cut(run: Run, ends: Sequence[Stop | None]) -> Run:
    """The run with its stages ended where they say."""
    stages = [
        s if stop is None else dataclasses.replace(s, steps=s.steps[: stop.step], stopped=stop)
        for s, stop in zip(run.stages, ends, strict=True)
    ]
    return dataclasses.replace(run, stages=tuple(stages))


def ended(whole: Run, watching: Watching) -> Run:
    """The run as a trainer would leave it that asks the watch at its points."""
    done: list[StageRun] = []
    for one in whole.stages:
        total, stop = len(one.steps), None
        for point in sorted(watching.points(one.name, total)):
            stop = watching.stop(tuple(done), dataclasses.replace(one, steps=one.steps[:point]), total)
            if stop is not None:
                assert stop.step == point
                break
        done.append(one if stop is None else dataclasses.replace(one, steps=one.steps[: stop.step], stopped=stop))
    return dataclasses.replace(whole, stages=tuple(done))


def planned(whole: Run) -> Plan:
    stages = tuple(dataclasses.replace(s, expected_steps=LENGTH) for s in whole.plan.stages)
    return dataclasses.replace(whole.plan, stages=stages)


def judged(made: Run, claims: Sequence[Claim]) -> dict[str, Comparison]:
    return {c.claim: c for c in compare(spec(*claims), NOTHING, None, made, ())}


def card(rng: np.random.Generator, seeds: int, window: int) -> tuple[Run, list[Claim]]:
    mean, sigma = np.array(curve(LENGTH)), 0.03
    noise = lambda: rng.gamma(2.0, 1.0, LENGTH) / math.sqrt(2) - math.sqrt(2)  # noqa: E731
    whole = run([mean + 0.004 * rng.standard_normal() + sigma * noise() for _ in range(seeds)])
    whole = dataclasses.replace(whole, plan=planned(whole))
    published = mean + sigma * noise()
    steps = sorted(int(s) for s in rng.choice(np.arange(30, LENGTH + 1, 10), 3, replace=False))
    claims = []
    for step in steps:
        off = float(rng.choice([0.0, 0.0, 0.06, 0.1, 0.3]))
        figure = float(published[step - window : step].mean()) + off
        claims.append(loss(step, f"{figure:.3f}", window=window))
    return whole, claims


@pytest.mark.parametrize("window", [1, 25])
@pytest.mark.parametrize("seeds", [1, 2, 3])
def test_ending_early_never_changes_a_verdict(seeds: int, window: int) -> None:
    rng = np.random.default_rng(100 * seeds + window)
    saved = excluded = 0
    for _ in range(25):
        whole, claims = card(rng, seeds, window)
        early = ended(whole, Watching(spec(*claims), NOTHING, whole.plan, ()))
        full, now = judged(whole, claims), judged(early, claims)
        for key, said in now.items():
            if said.verdict is Verdict.UNTESTED:
                assert "ended at step" in said.why
                assert said.needs
            elif "near the edge" in said.why:
                assert said.verdict is Verdict.INCONCLUSIVE
            else:
                assert said.verdict is full[key].verdict, (said.why, full[key].why)
                assert said.interval == full[key].interval
        stops = [s.stopped for s in early.stages if s.stopped is not None]
        saved += sum(stop.total_steps - stop.step for stop in stops)
        named = {claim for stop in stops for claim in stop.claims}
        excluded += bool(named)
        assert all(now[claim].verdict is full[claim].verdict is Verdict.DIFFERS for claim in named)
        assert all(stop.claims == () for stop in (s.stopped for s in early.stages[:-1]) if stop is not None)
    print(f"{seeds} seed(s), window {window}: {excluded} of 25 ended by a claim, {saved:,} steps saved")  # noqa: T201
    assert saved > 0
    assert excluded > 0


def test_a_claim_near_the_edge_stays_open_while_others_are_not_measured() -> None:
    """Its p-value alone is small; whether Holm rejects it rests on claims that were not reached."""
    rng = np.random.default_rng(4)
    whole = run([np.array(curve(LENGTH)) + 0.02 * rng.standard_normal(LENGTH)])
    whole = dataclasses.replace(whole, plan=planned(whole))
    far = loss(300, "0.9")
    stop = Stop(120, LENGTH, "so far")
    seen = set()
    for value in np.arange(0.62, 0.80, 0.002):
        near = loss(40, f"{value:.3f}")
        now = judged(cut(whole, [stop]), [near, far])[near.id]
        full = judged(whole, [near, far])[near.id]
        edge = "near the edge" in now.why
        assert edge or now.verdict is full.verdict
        if edge:
            seen.add(full.verdict)
    assert Verdict.DIFFERS in seen


@pytest.mark.parametrize("step", [60, 100])
def test_a_claim_whose_window_is_not_wholly_trained_is_not_judged(step: int) -> None:
    rng = np.random.default_rng(4)
    whole = run([np.array(curve(LENGTH)) + 0.02 * rng.standard_normal(LENGTH)])
    claim = loss(step, "9.0")
    assert judged(cut(whole, [Stop(step + 75, LENGTH, "so far")]), [claim])[claim.id].verdict is Verdict.DIFFERS
    short = judged(cut(whole, [Stop(step + 74, LENGTH, "so far")]), [claim])[claim.id]
    assert short.verdict is Verdict.UNTESTED
    assert f"reads up to step {step + 75}" in short.why


def test_an_epoch_that_was_not_finished_is_not_read_at_the_last_step() -> None:
    rng = np.random.default_rng(4)
    whole = run([np.array(curve(LENGTH)) + 0.02 * rng.standard_normal(LENGTH)])
    claim = dataclasses.replace(loss(1, "9.0"), id="dpo.loss@e", step=None, epoch=0.5)
    assert judged(whole, [claim])[claim.id].verdict is Verdict.DIFFERS
    assert judged(cut(whole, [Stop(240, LENGTH, "so far")]), [claim])[claim.id].verdict is Verdict.DIFFERS
    for end in (100, 160, 200):
        assert judged(cut(whole, [Stop(end, LENGTH, "so far")]), [claim])[claim.id].verdict is Verdict.UNTESTED
    open_claim = dataclasses.replace(claim, value=None, number=None, printed="TBD")
    assert judged(cut(whole, [Stop(100, LENGTH, "so far")]), [open_claim])[claim.id].measured is None


def test_a_run_that_lacks_seeds_is_not_judged() -> None:
    rng = np.random.default_rng(4)
    whole = run([np.array(curve(LENGTH)) + 0.02 * rng.standard_normal(LENGTH) for _ in range(2)])
    lone = dataclasses.replace(whole.stages[0], name="sft", stopped=Stop(100, LENGTH, "so far"))
    claim = loss(60, "9.0")
    made = dataclasses.replace(whole, stages=(whole.stages[0], lone))
    said = judged(made, [claim])[claim.id]
    assert said.verdict is Verdict.UNTESTED
    assert "only 1 of 2 seeds" in said.why


def test_the_steps_of_an_ended_run_count_nothing() -> None:
    rng = np.random.default_rng(4)
    whole = run([np.array(curve(LENGTH)) + 0.02 * rng.standard_normal(LENGTH)])
    made = cut(whole, [Stop(100, LENGTH, "so far")])
    for count in (100, LENGTH):
        said = judged(made, [steps_claim(count)])["dpo.steps"]
        assert said.verdict is Verdict.UNTESTED
        assert "ended at step 100" in said.why


def test_a_score_is_never_that_of_an_ended_stage() -> None:
    whole = run([np.array(curve(LENGTH))])
    claim = score_claim("quiz", "acc", "0.5000", harness="lm-eval", harness_version=HARNESS.version)
    scores = (score("published", [1, 0] * 200), score("dpo", [0, 0] * 200))
    made = cut(whole, [Stop(100, LENGTH, "so far")])
    assert compare(spec(claim), NOTHING, None, whole, scores)[0].verdict is Verdict.DIFFERS
    (said,) = compare(spec(claim), NOTHING, None, made, scores)
    assert said.verdict is Verdict.CONSISTENT
    assert "no regenerated model" in said.why


def watched(*claims: Claim, tasks: tuple[str, ...] = (), made: Plan | None = None) -> Watching:
    given = made or plan(facts=(fact("learning_rate", 5e-7), fact("beta", 5)))
    given = dataclasses.replace(
        given, stages=tuple(dataclasses.replace(s, expected_steps=LENGTH) for s in given.stages)
    )
    return Watching(spec(*claims, stages=(stage(),)), NOTHING, given, tasks)


def test_what_needs_the_whole_stage_keeps_it_going() -> None:
    whole = run([np.array(curve(LENGTH)) + 0.02 * np.random.default_rng(4).standard_normal(LENGTH)])
    at = dataclasses.replace(whole.stages[0], steps=whole.stages[0].steps[:115])
    honest = loss(40, f"{curve(LENGTH)[39]:.3f}")
    scored = score_claim("quiz", "acc", "0.5", harness="lm-eval", harness_version="1")
    assert watched(honest).points("dpo", LENGTH) == {115}
    assert watched(honest).stop((), at, LENGTH) is not None
    assert watched(honest, config("beta", 5)).stop((), at, LENGTH) is not None
    assert watched(honest, scored).stop((), at, LENGTH) is not None
    assert watched(honest, scored, tasks=("quiz",)).stop((), at, LENGTH) is None
    assert watched(honest, steps_claim(LENGTH)).stop((), at, LENGTH) is None
    chain = plan()
    more = dataclasses.replace(chain.stages[0], name="next", base="<dpo>")
    assert watched(honest, made=dataclasses.replace(chain, stages=(*chain.stages, more))).stop((), at, LENGTH) is None
    assert watched(loss(40, "9.0"), scored, tasks=("quiz",)).stop((), at, LENGTH) is not None


def test_a_proxy_is_never_ended() -> None:
    _, card, _ = pipeline.read(str(CARD))
    audited = Audited(b"", card, spec(loss(40, "9.0")), NOTHING, None)
    assert measure.watch_of(audited, plan(Scale.PROXY)) is None
    assert measure.watch_of(audited, plan()) is not None
