"""What deciding claims costs: prefixes, starts, devices and money, each by its formula."""

from __future__ import annotations

import dataclasses
import shlex
from pathlib import Path

import pytest
import typer

from repro import pipeline
from repro.cli import app
from repro.errors import UsageError
from repro.need import By
from repro.options import Options
from repro.plan import Plan
from repro.price import PricedRun, Prices
from repro.render.plan_markdown import plan_markdown
from repro.render.price_rows import price_rows, run_rows, summary
from repro.report import as_json
from repro.resolve.pricing import MEMORY_GB, USABLE, Asked, priced
from repro.task import Scale, Start

CARD = str(Path(__file__).parents[2] / "cards" / "dpo-mahals.md")


def planned(**options: object) -> Plan:
    return pipeline.plan(CARD, Options(**{"scale": Scale.FULL, **options}))[1]  # type: ignore[arg-type]


def prices(**options: object) -> Prices:
    found = planned(**options).prices
    assert found is not None
    return found


def runs(**options: object) -> dict[str, PricedRun]:
    return {r.start: r for r in prices(**options).runs}


def test_the_given_card_is_an_afternoon_on_two_devices_and_not_a_cluster() -> None:
    plan = planned(rate=2.5)
    assert plan.prices is not None
    first, chain = plan.prices.runs
    assert (first.start, chain.start) == ("published", "regenerated")
    assert [(p.stage, p.steps, p.total_steps) for p in first.parts] == [("dpo", 272, 844)]
    assert [(p.stage, p.steps) for p in chain.parts] == [("sft", 1468), ("dpo", 272)]
    assert first.claims == chain.claims == ("dpo.loss@103", "dpo.loss@197")
    assert (first.devices, first.device) == (2, "A100")
    assert first.hours is not None
    assert 1 < first.hours < 8
    assert "--stages dpo" in first.command
    assert "--start published" in first.command
    assert "--stop-when-decided" in first.command
    assert "--launcher accelerate --processes 2" in first.command
    assert "--stages" not in chain.command
    group = typer.main.get_command(app)
    for run in plan.prices.runs:
        words = shlex.split(run.command.replace("\\\n", " "))
        assert words[:2] == ["repro", "run"]
        with group.commands["run"].make_context("run", words[2:]):  # type: ignore[attr-defined]
            pass


def test_each_figure_follows_from_its_formula() -> None:
    plan = planned(rate=2.5)
    cost = plan.feasibility[1]
    assert cost.device_hours is not None
    assert cost.training_memory_gb is not None
    assert plan.prices is not None
    run = plan.prices.runs[0]
    # checkpointed training: 2 x 2 forward + 4 backward of 10 FLOP, the reference's 2 x 1 once over all rows
    hours = cost.device_hours * (0.2 + 0.8 * 272 / 844)
    assert run.device_hours == pytest.approx(hours)
    assert run.hours == pytest.approx(hours / 2)
    assert run.money == pytest.approx(2.5 * hours)
    fit = next(f for f in cost.fits if f.card == "A100 80 GB")
    assert (run.devices, fit.devices) == (2, 2)
    text = " ".join(run_rows(plan.prices)[0].hows)
    for word in ("reference", "272 / 844 steps", "2 x A100 80 GB", "activations included", "x 2.5 a device-hour"):
        assert word in text


def test_a_claim_costs_its_own_prefix() -> None:
    by_claim = {p.need.claim: p for p in prices(rate=2.0).claims}
    early, late = by_claim["dpo.loss@103"], by_claim["dpo.loss@197"]
    assert (early.steps, late.steps) == (178, 272)
    assert early.alone_hours is not None
    assert early.chain_hours is not None
    assert early.device_hours == early.alone_hours < early.chain_hours
    assert early.money == pytest.approx(2 * early.alone_hours)
    assert by_claim["dpo.loss@1"].device_hours == by_claim["dpo.loss@1"].money == 0.0
    assert by_claim["usage.1"].device_hours is None


def test_without_a_rate_there_is_no_money() -> None:
    found = prices()
    assert found.rate is None
    assert {r.money for r in found.runs} | {p.money for p in found.claims} == {None}
    assert "device-hour x" not in " ".join(how for r in run_rows(found) for how in r.hows)


@pytest.mark.parametrize("rate", [-1.0, float("nan"), float("inf")])
def test_a_rate_that_is_no_price_is_refused(rate: float) -> None:
    with pytest.raises(UsageError, match="--rate"):
        planned(rate=rate)


def test_seeds_are_paid_for() -> None:
    one, three = runs(), runs(num_seeds=3)
    assert three["published"].device_hours == pytest.approx(3 * (one["published"].device_hours or 0))
    assert "x 3 seeds" in three["published"].parts[0].how
    assert "--seeds 3" in three["published"].command


def test_a_plan_of_the_stage_alone_does_not_price_the_chain_that_it_lacks() -> None:
    found = prices(stages=("dpo",), start=Start.PUBLISHED)
    assert [r.start for r in found.runs] == ["published"]
    by_claim = {p.need.claim: p for p in found.claims}
    assert by_claim["dpo.loss@103"].chain_hours is None
    assert (
        by_claim["dpo.loss@103"].alone_hours == {p.need.claim: p for p in prices().claims}["dpo.loss@103"].alone_hours
    )


def test_a_stage_that_stems_from_none_is_priced_once(tmp_path: Path) -> None:
    card = tmp_path / "alone.md"
    text = Path(CARD).read_text("utf-8").replace("        ↓ SFT (10% Tulu-3 SFT mixture)\n", "")
    card.write_text(text.replace("meta-llama/Llama-3.1-8B\nanonymousML123", "anonymousML123"), "utf-8")
    found = pipeline.plan(str(card), Options(scale=Scale.FULL))[1]
    assert [s.name for s in found.stages] == ["dpo"]
    assert found.prices is not None
    assert len(found.prices.runs) == 1


def test_a_size_that_nobody_knows_gives_no_figure() -> None:
    plan = planned()
    unknown = tuple(
        dataclasses.replace(f, device_hours=None, training_memory_gb=None, fits=()) for f in plan.feasibility
    )
    assert plan.prices is not None
    _, _, spec = pipeline.read(CARD)
    needs = [p.need for p in plan.prices.claims]
    again = priced(dataclasses.replace(plan, feasibility=unknown), spec, needs, Asked({}, None, None), 2.0).prices
    assert again is not None
    assert {(r.device_hours, r.devices, r.money) for r in again.runs} == {(None, None, None)}
    assert "not known" in summary(again)


def test_without_a_shape_the_devices_follow_from_the_training_state() -> None:
    plan = planned()
    flat = tuple(dataclasses.replace(f, fits=()) for f in plan.feasibility)
    assert plan.prices is not None
    _, _, spec = pipeline.read(CARD)
    needs = [p.need for p in plan.prices.claims]
    again = priced(dataclasses.replace(plan, feasibility=flat), spec, needs, Asked({}, None, None), None).prices
    assert again is not None
    memory = plan.feasibility[1].training_memory_gb
    assert memory is not None
    assert -(-memory // (MEMORY_GB["A100"] * USABLE)) == again.runs[0].devices == 2
    assert "128.5 GB" in again.runs[0].devices_how
    assert "80 GB of one A100 x 0.9" in again.runs[0].devices_how


def test_a_proxy_plan_has_no_price_for_what_it_cannot_decide() -> None:
    assert planned(scale=Scale.PROXY).prices is None


def test_every_claim_has_its_row_in_every_form() -> None:
    plan = planned(rate=2.5)
    assert plan.prices is not None
    _, _, spec = pipeline.read(CARD)
    told = [text for row in price_rows(plan.prices) for text, _ in row.claims]
    assert sorted(told) == sorted(c.text for c in spec.claims)
    text = plan_markdown(plan, spec)
    for word in (
        "What deciding each claim costs",
        "272 of 844",
        "10.11",
        "--stop-when-decided",
        "Tulu 3 8B DPO recipe",
    ):
        assert word in text
    assert '"prices": {' in as_json(plan)
    assert f'"{By.STEPS.value}"' in as_json(plan)
