"""The panel of a stage in training, drawn on a console of a known width."""

from __future__ import annotations

import io
import math
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from repro import measure, pipeline
from repro.evidence import Evidence
from repro.panel import AHEAD, BARS, MARK, StagePanel
from repro.progress import Watcher, safe
from repro.resolve.resolver import resolve
from repro.spec import ClaimKind
from repro.task import Milestone, Progress, Reading, Scale


def reading(step: int, loss: float, **more: float) -> Reading:
    return Reading(step, loss, 1e-5, 1.5, more.pop("seconds", 0.5), 1000, **more)


def event(done: int, readings: list[Reading], total: int = 80, **more: object) -> Progress:
    return Progress("dpo", done, total, 1.0, stage="dpo", readings=tuple(readings), **more)  # type: ignore[arg-type]


def drawn(panel: StagePanel, width: int = 100, encoding: str = "utf-8") -> str:
    file = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    Console(file=file, width=width, force_terminal=True, color_system=None, legacy_windows=False).print(panel)
    file.seek(0)
    return file.read()


def test_a_falling_loss_falls_and_what_is_ahead_is_dots() -> None:
    panel = StagePanel()
    panel.tell(event(40, [reading(i, 1.0 - i / 100) for i in range(1, 41)]))
    line = panel.sparkline(40).plain
    assert len(line) == 40
    bars = [BARS.index(c) for c in line[:20]]
    assert bars == sorted(bars, reverse=True)
    assert (bars[0], bars[-1]) == (len(BARS) - 1, 0)
    assert line[20:] == AHEAD * 20


def test_claimed_checkpoints_stand_ahead_on_the_line() -> None:
    panel = StagePanel()
    claims = (Milestone(20, "0.634"), Milestone(60, "0.521"), Milestone(80, "0.50"))
    panel.tell(event(40, [reading(i, 0.7) for i in range(1, 41)], milestones=claims))
    line = panel.sparkline(80).plain
    assert [i + 1 for i, c in enumerate(line) if c == MARK] == [60, 80]
    assert panel.claims().plain == "0.634 at step 20 (here 0.7000); next 0.521 at step 60, 1 more"


def test_a_resumed_stage_shows_its_earlier_steps_once() -> None:
    panel = StagePanel()
    panel.tell(event(30, [reading(i, 1.0) for i in range(1, 31)]))
    panel.tell(event(20, [reading(i, 2.0) for i in range(1, 21)]))
    panel.tell(event(21, [reading(21, 2.0)]))
    assert panel.figures()[0] == "loss 2.0000 (mean of 21 steps)"


def test_the_figures_are_means_of_the_last_steps() -> None:
    panel = StagePanel()
    early = [reading(i, 9.0, seconds=9.0) for i in range(1, 11)]
    late = [reading(i, 0.5, reward_margin=0.2, reward_accuracy=0.75) for i in range(11, 36)]
    panel.tell(event(35, early + late))
    assert panel.figures() == [
        "loss 0.5000 (mean of 25 steps)",
        "lr 1.00e-05",
        "grad norm 1.5",
        "reward margin 0.2",
        "accuracy 0.75",
        "2,000 tokens/s",
    ]


@pytest.mark.parametrize("width", [30, 60, 200])
def test_it_fits_the_terminal(width: int) -> None:
    panel = StagePanel()
    panel.tell(event(40, [reading(i, 0.7) for i in range(1, 41)], milestones=(Milestone(60, "0.5"),)))
    assert max(len(line) for line in drawn(panel, width).splitlines()) <= width


def test_a_terminal_without_unicode_gets_plain_marks() -> None:
    panel = StagePanel()
    panel.tell(event(40, [reading(i, 1.0 - i / 100) for i in range(1, 41)], milestones=(Milestone(60, "0.5"),)))
    assert drawn(panel, encoding="ascii").isascii()


def test_a_hostile_name_is_text() -> None:
    panel = StagePanel()
    claims = (Milestone(2, "0.5\x1b[31m"),)
    hostile = Progress("[red]x[/red]\x1b[31m", 1, 2, 1.0, stage="s", readings=(reading(1, 1.0),), milestones=claims)
    panel.tell(safe(hostile))
    text = drawn(panel)
    assert "[red]x[/red]" in text
    assert "\x1b[31m" not in text


@given(
    st.lists(st.one_of(st.floats(allow_nan=True, allow_infinity=True), st.just(math.nan)), max_size=60),
    st.integers(1, 200),
    st.integers(16, 72),
    st.lists(st.integers(1, 300), max_size=5),
)
def test_any_curve_can_be_drawn(losses: list[float], total: int, width: int, claimed: list[int]) -> None:
    panel = StagePanel()
    claims = tuple(Milestone(step, "0.5") for step in sorted(claimed))
    panel.tell(event(len(losses), [reading(i + 1, x) for i, x in enumerate(losses)], total, milestones=claims))
    assert len(panel.sparkline(width).plain) == width
    drawn(panel)


def test_the_watcher_shows_the_panel_while_a_stage_trains_and_the_bars_at_the_end() -> None:
    file = io.StringIO()
    console = Console(file=file, width=100, force_terminal=True, color_system=None)
    with Watcher(console, quiet=False) as watch:
        watch(event(40, [reading(i, 0.7) for i in range(1, 41)], milestones=(Milestone(60, "0.634"),)))
        watch._live.refresh()  # type: ignore[union-attr]  # rather than wait for a fifth of a second
        shown = file.getvalue()
        watch(event(80, [reading(80, 0.5)]))
    assert "next 0.634 at step 60" in shown
    assert "80/80" in file.getvalue().splitlines()[-1] or "80/80" in file.getvalue()[-400:]


def test_the_claimed_losses_of_the_given_card_are_told_to_the_watcher() -> None:
    _, _, spec = pipeline.read(str(Path(__file__).parents[1] / "cards" / "dpo-mahals.md"))
    plan = resolve(spec, Evidence(), scale=Scale.PROXY, assume={})
    events: list[Progress] = []
    told = measure.with_milestones(events.append, spec, plan)
    told(event(1, [reading(1, 0.69)], total=844))
    told(Progress("dpo: tokenising", 1, 2, 1.0))
    claimed = [c for c in spec.claims if c.kind is ClaimKind.LOSS and c.stage == "dpo" and c.step and not c.unstated]
    assert [(m.step, m.printed) for m in events[0].milestones] == sorted((c.step, c.printed) for c in claimed)
    assert len(events[0].milestones) >= 3
    assert events[1].milestones == ()


def test_a_claim_by_epoch_stands_at_its_step() -> None:
    _, _, spec = pipeline.read(str(Path(__file__).parents[1] / "cards" / "dpo-mahals.md"))
    stage = resolve(spec, Evidence(), scale=Scale.PROXY, assume={}).stages[-1]
    claim = next(c for c in spec.claims if c.kind is ClaimKind.LOSS and c.stage == stage.name)
    by_epoch = replace(spec, claims=(replace(claim, step=None, epoch=0.5, window=1),))
    assert [m.step for m in measure.milestones(by_epoch, stage)] == [round(stage.expected_steps / 2)]  # type: ignore[operator]
