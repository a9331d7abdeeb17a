"""The loss curves as pictures: what was regenerated, what the card claims, and on which scale each of them is."""

from __future__ import annotations

import io
import math
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from repro.errors import PrerequisiteError
from repro.evidence import LoggedLoss
from repro.render.palette import CURVES, GRID, INK, MEANS, PAPER, PUBLISHED, SOFT, TONES
from repro.render.verdict_words import VERDICTS
from repro.report import Report
from repro.run import StageRun
from repro.spec import Claim, ClaimKind
from repro.task import Scale

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WINDOW = 25
"""Optimizer steps in the local mean that is drawn: centred, shorter at the ends."""
MAX_POINTS = 3000
"""Points of one drawn curve; a longer one keeps the extremes of each stretch."""

MARKERS = {"good": "o", "bad": "X", "warn": "D", "info": "s", "calm": "^", "mute": "o"}

STYLE: dict[str, Any] = {
    "svg.hashsalt": "repro",
    "svg.fonttype": "none",
    "font.family": ["DejaVu Sans"],
    "font.size": 9.5,
    "text.color": INK,
    "axes.labelcolor": SOFT,
    "axes.edgecolor": SOFT,
    "axes.linewidth": 0.7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.facecolor": PAPER,
    "figure.facecolor": PAPER,
    "savefig.facecolor": PAPER,
    "grid.color": GRID,
    "grid.linewidth": 0.7,
    "xtick.color": SOFT,
    "ytick.color": SOFT,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "path.simplify": False,
}


def loss_plots(report: Report, format: str = "svg") -> dict[str, bytes]:
    """One picture for each trained stage, by file name ("loss-dpo.svg"); the same report gives the same bytes.

    At proxy scale the card's figures stand in a panel of their own: their level is not the stand-in's.

    Raises:
        PrerequisiteError: matplotlib is not installed.
    """
    names = list(dict.fromkeys(s.name for s in report.stages if s.steps))
    if not names:
        return {}
    try:
        import matplotlib
        from matplotlib.figure import Figure
    except ImportError as error:
        raise PrerequisiteError(
            "matplotlib is missing", hint="install the extra that draws: pip install 'card-repro[run]'"
        ) from error
    pictures = {}
    with matplotlib.rc_context({**matplotlib.rcParamsDefault, **STYLE, "backend": "agg"}):
        for name in names:
            figure = Figure(figsize=(9.2, 5.4), layout="constrained")
            _draw(figure, report, name)
            out = io.BytesIO()
            metadata = {"Date": None, "Creator": None} if format == "svg" else {"Software": None}
            figure.savefig(out, format=format, metadata=metadata, dpi=160)
            key = f"loss-{_slug(name)}"
            while f"{key}.{format}" in pictures:
                key += "-"
            pictures[f"{key}.{format}"] = out.getvalue()
    return pictures


def _draw(figure: Figure, report: Report, name: str) -> None:
    runs = [s for s in report.stages if s.name == name and s.steps]
    claims = [c for c in report.spec.claims if c.kind is ClaimKind.LOSS and c.stage == name and c.step is not None]
    published = published_losses(report, name)
    proxy = report.plan is None or report.plan.scale is Scale.PROXY
    shown = [c for c in claims if c.number is not None and math.isfinite(c.number.value)]
    title = f"{_plain(name).upper()} training loss"
    last = max(s.step for run in runs for s in run.steps)
    for claim in claims:
        last = max(last, claim.step or 0)
    logged = max((entry.step for entry in published), default=0)
    if proxy and (shown or published):
        # The author may have logged more steps than a stand-in takes: that curve is shown whole, on its own axis.
        top, bottom = figure.subplots(2, 1, sharex=logged <= last, height_ratios=(3, 2))
        bottom.set_ylabel("loss")
        whose = "As the card states it" if shown else f"As the repository logged it, {logged:,} steps"
        _heading(bottom, f"{whose}: the full-scale model, another level of loss", small=True)
    else:
        top = bottom = figure.subplots(1, 1)
    _curves(top, runs)
    _published(bottom, published)
    _claims(bottom, report, shown)
    _intervals(top, report, claims)
    _open(bottom, [c for c in claims if c.unstated])
    top.set_ylabel("loss")
    bottom.set_xlabel("optimizer step")
    top.set_xlim(-0.02 * last, 1.04 * last)
    last = max(last, logged)
    bottom.set_xlim(-0.02 * last, 1.04 * last)
    scale = "proxy: the level of the loss is not the card's" if proxy else "full scale"
    _heading(top, f"{title} · {scale}")
    for axes in {id(top): top, id(bottom): bottom}.values():
        if axes.get_legend_handles_labels()[1]:
            axes.legend(loc="upper right", ncols=2)


def _curves(axes: Axes, runs: Sequence[StageRun]) -> None:
    for number, run in enumerate(runs):
        steps = [s.step for s in run.steps]
        losses = [s.loss if math.isfinite(s.loss) else math.nan for s in run.steps]
        label = f"seed {run.seed}" if len(runs) > 1 else f"regenerated, single steps (seed {run.seed})"
        mean_label = f"mean of {WINDOW} steps" if len(runs) == 1 else None
        axes.plot(*thinned(steps, losses), color=CURVES[number % len(CURVES)], linewidth=0.6, label=label, zorder=2)
        axes.plot(
            *thinned(steps, local_mean(losses)),
            color=MEANS[number % len(MEANS)],
            linewidth=1.7,
            zorder=3,
            label=mean_label,
        )


def _published(axes: Axes, losses: Sequence[LoggedLoss]) -> None:
    if losses:
        steps, values = [x.step for x in losses], [x.loss if math.isfinite(x.loss) else math.nan for x in losses]
        axes.plot(*thinned(steps, values), color=PUBLISHED, linewidth=1.0, label="as the repository logged it")


def _claims(axes: Axes, report: Report, claims: Sequence[Claim]) -> None:
    """The card's figures at their steps, in the colour and with the mark of their verdict."""
    for claim in claims:
        comparison = report.comparison(claim)
        word = None if comparison is None else VERDICTS[comparison.verdict]
        tone = "mute" if word is None else word.tone
        value = claim.number.value if claim.number is not None else math.nan
        axes.plot(
            [claim.step or 0],
            [value],
            linestyle="none",
            marker=MARKERS[tone],
            markersize=7,
            color=TONES[tone],
            markeredgecolor=PAPER,
            zorder=5,
        )
        text = f"{_plain(claim.printed)} claimed" + ("" if word is None else f", {word.label}")
        axes.annotate(
            text,
            (float(claim.step or 0), value),
            xytext=(7, 7),
            textcoords="offset points",
            color=TONES[tone],
            fontsize=8.5,
            parse_math=False,
            bbox={"facecolor": PAPER, "edgecolor": "none", "pad": 1.0, "alpha": 0.75},
        )
    if claims:
        axes.margins(y=0.25)


def _open(axes: Axes, claims: Sequence[Claim]) -> None:
    """The steps at which the card announces a loss and leaves it open."""
    for claim in claims:
        axes.axvline(claim.step or 0, color=SOFT, linewidth=0.9, linestyle=(0, (2, 3)))
        axes.annotate(
            f"step {claim.step}: left open",
            (float(claim.step or 0), 0.06),
            xycoords=("data", "axes fraction"),
            xytext=(-5, 0),
            textcoords="offset points",
            horizontalalignment="right",
            color=SOFT,
            fontsize=8.5,
            parse_math=False,
        )


def _intervals(axes: Axes, report: Report, claims: Sequence[Claim]) -> None:
    """Where one more reading of this run would lie, at each claim's step."""
    label: str | None = "prediction interval of one reading"
    for claim in claims:
        comparison = report.comparison(claim)
        if comparison is None or comparison.interval is None or not all(map(math.isfinite, comparison.interval)):
            continue
        low, high = comparison.interval
        axes.errorbar(
            [claim.step or 0],
            [(low + high) / 2],
            yerr=[[(high - low) / 2], [(high - low) / 2]],
            fmt="none",
            ecolor=INK,
            elinewidth=1.2,
            capsize=4,
            zorder=4,
            label=label,
        )
        label = None


def published_losses(report: Report, stage: str) -> tuple[LoggedLoss, ...]:
    """What the repository that the stage produced logged; nothing when no repository can be named for it."""
    spec_stage = report.spec.stage(stage)
    produced = None if spec_stage is None else spec_stage.produces.value
    for repo in report.evidence.repos:
        own = repo.repo_id == produced
        last = repo.role == "subject" and bool(report.spec.stages) and report.spec.stages[-1].name == stage
        if repo.losses and (own or last):
            return repo.losses
    return ()


def local_mean(losses: Sequence[float], window: int = WINDOW) -> list[float]:
    """The mean of the `window` values around each, of fewer near the ends; NaN counts as absent."""
    sums, counts = [0.0], [0]
    for loss in losses:
        known = math.isfinite(loss)
        sums.append(sums[-1] + (loss if known else 0.0))
        counts.append(counts[-1] + known)
    means = []
    for i in range(len(losses)):
        # Shorter on both sides at the ends: a one-sided mean of a falling curve would lie beside it.
        half = min(window // 2, i, len(losses) - 1 - i)
        low, high = i - half, i + half + 1
        n = counts[high] - counts[low]
        means.append((sums[high] - sums[low]) / n if n else math.nan)
    return means


def thinned(steps: Sequence[int], values: Sequence[float]) -> tuple[list[int], list[float]]:
    """At most `MAX_POINTS` points: of each stretch its first, lowest and highest, so that no spike is lost."""
    if len(steps) <= MAX_POINTS:
        return list(steps), list(values)
    keep: set[int] = {0, len(steps) - 1}
    size = math.ceil(3 * len(steps) / MAX_POINTS)
    for start in range(0, len(steps), size):
        stretch = range(start, min(start + size, len(steps)))
        known = [i for i in stretch if math.isfinite(values[i])]
        keep.add(start)
        if known:
            keep |= {min(known, key=values.__getitem__), max(known, key=values.__getitem__)}
    chosen = sorted(keep)
    return [steps[i] for i in chosen], [values[i] for i in chosen]


def _heading(axes: Axes, text: str, *, small: bool = False) -> None:
    axes.set_title(text, loc="left", fontsize=9 if small else 11, color=SOFT if small else INK, parse_math=False)


def _plain(text: str) -> str:
    # A glyph that the font lacks would be a warning and a box.
    return re.sub(r"[^ -~]", "?", text)[:40]


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "stage"
