"""The pictures of loss curves."""

from __future__ import annotations

import dataclasses
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from repro.render.html import inline
from repro.render.plots import MAX_POINTS, local_mean, loss_plots, published_losses, thinned
from repro.report import Report


def test_one_picture_a_stage_and_the_same_bytes_again(proxy_report: Report, proxy_plots: dict[str, bytes]) -> None:
    pictures = proxy_plots
    assert list(pictures) == ["loss-sft.svg", "loss-dpo.svg"]
    assert pictures == loss_plots(proxy_report)
    assert b"<dc:date>" not in pictures["loss-dpo.svg"]


def test_a_proxy_picture_says_that_the_level_is_not_the_cards(proxy_plots: dict[str, bytes]) -> None:
    text = proxy_plots["loss-dpo.svg"].decode()
    assert "proxy: the level of the loss is not the card's" in text.replace("&#39;", "'")
    assert "As the card states it: the full-scale model, another level of loss" in text
    assert 'id="axes_2"' in text
    assert "0.634 claimed, not comparable" in text
    assert "step 844: left open" in text


def test_a_full_picture_puts_claims_and_published_curve_on_the_same_axes(full_plots: dict[str, bytes]) -> None:
    text = full_plots["loss-dpo.svg"].decode()
    assert 'id="axes_2"' not in text
    assert "0.521 claimed, differs" in text
    assert "as the repository logged it" in text
    assert "prediction interval of one reading" in text


def test_png_on_demand(check_report: Report, proxy_report: Report) -> None:
    assert loss_plots(check_report) == {}
    one = dataclasses.replace(proxy_report, stages=proxy_report.stages[:1])
    assert loss_plots(one, "png")["loss-sft.png"].startswith(b"\x89PNG")


def test_a_broken_curve_and_a_hostile_name_still_draw(proxy_report: Report) -> None:
    run = proxy_report.stages[1]
    steps = [dataclasses.replace(s, loss=(math.nan, math.inf, s.loss)[i % 3]) for i, s in enumerate(run.steps[:30])]
    nothing = [dataclasses.replace(s, loss=math.nan) for s in run.steps[:5]]
    stages = (
        dataclasses.replace(run, steps=tuple(steps)),
        dataclasses.replace(run, name="$x_{</svg><script>$\x1b[31m\u202e漢", steps=tuple(nothing)),
        dataclasses.replace(run, name="../../etc", steps=tuple(steps[:1])),
    )
    pictures = loss_plots(dataclasses.replace(proxy_report, stages=stages))
    assert list(pictures) == ["loss-dpo.svg", "loss-x-svg-script-31m.svg", "loss-etc.svg"]
    for picture in pictures.values():
        assert b"<script" not in picture


def test_the_published_curve_is_the_stages_own(full_report: Report) -> None:
    assert published_losses(full_report, "dpo")
    assert not published_losses(full_report, "sft")


@given(st.lists(st.floats(-1e3, 1e3), max_size=80))
def test_local_mean_stays_between_the_extremes(losses: list[float]) -> None:
    means = local_mean(losses)
    assert len(means) == len(losses)
    if losses:
        assert means[0] == pytest.approx(losses[0], abs=1e-9)
        assert min(losses) - 1e-6 <= min(means) <= max(means) <= max(losses) + 1e-6


def test_local_mean_of_a_line_is_the_line() -> None:
    line = [1.0 - 0.01 * i for i in range(60)]
    assert local_mean(line) == pytest.approx(line)


def test_thinning_keeps_ends_and_spikes() -> None:
    values = [0.5] * 100_000
    values[54_321] = 9.0
    steps, kept = thinned(range(1, 100_001), values)
    assert len(steps) <= MAX_POINTS + 2
    assert (54_322, 9.0) in set(zip(steps, kept, strict=True))
    assert (steps[0], steps[-1]) == (1, 100_000)


def test_inlined_pictures_have_ids_of_their_own_and_follow_the_page(proxy_plots: dict[str, bytes]) -> None:
    pictures = [inline(name, data) for name, data in proxy_plots.items()]
    first, second = (str(p.svg) for p in pictures if p is not None)
    assert 'id="loss-sft-svg-figure_1"' in first
    assert 'id="loss-dpo-svg-figure_1"' in second
    assert "var(--ink)" in first
    assert "#22272c" not in first
    assert "<metadata>" not in first
    assert "xmlns:xlink" in first
    assert inline("x", b"not a picture") is None
