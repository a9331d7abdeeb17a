"""The runs of a card that are kept: found by what was asked for, and set side by side, never mixed."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from repro import __version__, pipeline, runs, shelf
from repro.card import Card
from repro.comparison import Comparison, Verdict, Weight
from repro.errors import UsageError
from repro.evidence import Evidence
from repro.options import Options
from repro.plan import Plan
from repro.render import terminal
from repro.render.html import to_html
from repro.render.markdown import to_markdown
from repro.report import Report, from_json, of_card, to_json
from repro.task import Scale, Start

CARD = str(Path(__file__).parents[1] / "cards" / "dpo-mahals.md")
DATA, THE_CARD, SPEC = pipeline.read(CARD)
LOSS = "dpo.loss@197"


def plan(start: Start | None = None, **more: object) -> Plan:
    _, made = pipeline.plan(CARD, Options(scale=Scale.FULL, start=start, **more))  # type: ignore[arg-type]
    return made


def report(made: Plan, verdict: Verdict, measured: float, run_id: str) -> Report:
    said = Comparison(
        LOSS, verdict, f"It read {measured}.", "prediction interval", Weight.MODERATE, "", "0.521", measured,
        f"{measured} (full)", (measured - 0.01, measured + 0.01), scale="full",
    )  # fmt: skip
    return of_card(
        THE_CARD, SPEC, Evidence(), (), tool_version=__version__, created="2026-11-23T05:10:44+00:00", kind="run",
        plan=made, run_id=run_id, comparisons=(said,),
    )  # fmt: skip


def keep(reports: Path, made: Report) -> Path:
    assert made.plan is not None
    folder = shelf.run_folder(reports, THE_CARD, shelf.recipe_of(made.plan))
    shelf.prepare(folder, DATA)
    (folder / "report.json").write_text(to_json(made), "utf-8")
    (folder / "run.json").write_text("{}", "utf-8")
    return folder


@pytest.fixture
def reports(tmp_path: Path) -> Path:
    """One run of the stage alone, and one of the chain."""
    keep(tmp_path, report(plan(Start.PUBLISHED, stages=("dpo",)), Verdict.REPRODUCED, 0.523, "alone"))
    keep(tmp_path, report(plan(), Verdict.DIFFERS, 0.588, "chain"))
    return tmp_path


def beside(made: Report, reports: Path, card: Card = THE_CARD) -> Report:
    return runs.with_beside(made, card, reports / "elsewhere", reports)


def test_the_chain_is_shown_beside_the_stage_and_no_verdict_is_touched(reports: Path) -> None:
    ours = report(plan(Start.PUBLISHED), Verdict.REPRODUCED, 0.523, "new")
    shown = beside(ours, reports)
    (other,) = shown.beside
    assert (other.claim, other.run_id, other.chain, other.verdict) == (LOSS, "chain", True, Verdict.DIFFERS)
    assert shown.comparisons == ours.comparisons
    assert shown.answer == ours.answer
    assert from_json(to_json(shown)) == shown
    (back,) = beside(report(plan(), Verdict.DIFFERS, 0.588, "new"), reports).beside
    assert (back.run_id, back.chain) == ("alone", False)


def test_the_two_errors_stand_in_columns_of_their_own(reports: Path) -> None:
    shown = beside(report(plan(Start.PUBLISHED), Verdict.REPRODUCED, 0.523, "new"), reports)
    for text in (to_markdown(shown), to_html(shown, {}), printed(shown)):
        assert "The stage alone, and the chain" in text
        squeezed = " ".join(text.split())
        assert squeezed.index("0.523 (full)") < squeezed.rindex("0.588 (full)")
        assert "run chain" in squeezed
    line = next(x for x in to_markdown(shown).splitlines() if "run chain" in x)
    assert line.index("0.523") < line.index("this run") < line.index("0.588") < line.index("run chain")
    assert "Each stage alone, from its published parent" in to_markdown(shown)
    assert "--start published" in to_markdown(shown)


def printed(shown: Report) -> str:
    from rich.console import Console

    console = Console(width=160, color_system=None, record=True, file=None, quiet=False, force_terminal=False)
    with console.capture() as capture:
        console.print(terminal.ledger_view(shown))
    return capture.get()


@pytest.mark.parametrize(
    "changes",
    [
        {"start": None},  # of the same start
        {"start": Start.PUBLISHED, "assume": {"dpo.beta": "0.1"}},  # another recipe
        {"start": Start.PUBLISHED, "scale": Scale.PROXY},
    ],
)
def test_nothing_else_is_set_beside_it(reports: Path, changes: dict[str, object]) -> None:
    for place in reports.glob("*/*/report.json"):
        if from_json(place.read_text("utf-8")).run_id == "alone":
            place.unlink()
    options = Options(**{"scale": Scale.FULL, **changes})  # type: ignore[arg-type]
    _, made = pipeline.plan(CARD, options)
    assert beside(report(made, Verdict.REPRODUCED, 0.523, "new"), reports).beside == ()


def test_a_claim_that_was_not_measured_has_nothing_beside_it(reports: Path) -> None:
    ours = report(plan(Start.PUBLISHED), Verdict.UNTESTED, 0.5, "new")
    bare = dataclasses.replace(ours.comparisons[0], measured=None)
    assert beside(dataclasses.replace(ours, comparisons=(bare,)), reports).beside == ()


def found(reports: Path, target: str = CARD, **options: object) -> Report | None:
    return runs.find_run(target, Options(reports=reports, **options))[2]  # type: ignore[arg-type]


def test_a_run_is_found_by_what_was_asked_for(reports: Path) -> None:
    newest = found(reports)
    assert newest is not None
    assert newest.run_id == "chain"
    for start, name in ((Start.PUBLISHED, "alone"), (Start.REGENERATED, "chain")):
        one = found(reports, start=start)
        assert one is not None
        assert one.run_id == name
    only = found(reports, stages=("sft",))
    assert only is not None
    assert only.run_id == "chain"
    assert found(reports, stages=("sft",), start=Start.PUBLISHED) is None
    _, folder, none = runs.find_run(CARD, Options(reports=reports, stages=("sft",), start=Start.PUBLISHED))
    assert (folder.name, none) == ("no-run", None)
    told = runs.none_yet("c.md", Options(stages=("sft",), start=Start.PUBLISHED))
    assert told.endswith("repro run c.md --stages sft --start published")


def test_a_named_run_of_another_start_is_refused(reports: Path) -> None:
    chain = next(reports.glob("*/*/report.json")).parent
    named = found(reports, str(chain))
    assert named is not None
    assert named.plan is not None
    other = Start.PUBLISHED if named.plan.start is Start.REGENERATED else Start.REGENERATED
    with pytest.raises(UsageError, match="which is not what was asked for"):
        found(reports, str(chain), start=other)


def test_a_run_is_planned_again_as_it_was_made() -> None:
    made = plan(Start.PUBLISHED, stages=("dpo",))
    options = runs.options_of(made, Options())
    assert (options.stages, options.start) == (("dpo",), Start.PUBLISHED)
    assert runs.options_of(plan(), Options()).stages == ()
