"""The panel of a stage in training: how far it is, its loss as a sparkline, and the card's claimed losses along it."""

from __future__ import annotations

import math

from rich.console import Console, ConsoleOptions, RenderResult
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from repro.task import Milestone, Progress, Reading

BARS, PLAIN_BARS = "▁▂▃▄▅▆▇█", "._-=+*#@"
AHEAD, PLAIN_AHEAD = "·", " "
MARK, PLAIN_MARK = "│", "|"
NARROW, WIDE = 16, 72
LARGEST = 1e300
"""Sums beyond it are no loss that a bar could show."""
RECENT_STEPS = 25
"""Steps over which the shown loss, margin and speed are averaged: a single one is mostly noise."""


class StagePanel:
    """A stage as it trains; a renderable, told of every event."""

    def __init__(self) -> None:
        self._readings: list[Reading] = []
        self._event = Progress("", 0, 0, 0.0)

    def tell(self, event: Progress) -> None:
        """One event of the stage's task; another task begins another panel."""
        if event.task != self._event.task:
            self._readings = []
        # a stage that resumes tells its earlier steps again
        if event.readings and self._readings and event.readings[0].step <= self._readings[-1].step:
            self._readings = [r for r in self._readings if r.step < event.readings[0].step]
        self._readings.extend(event.readings)
        self._event = event

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        event = self._event
        if not event.total:
            return
        grid = Table.grid(padding=(0, 2))
        grid.add_column(style="dim", no_wrap=True, min_width=8)
        grid.add_column(overflow="fold")
        width = max(NARROW, min(WIDE, options.max_width - 20))
        grid.add_row("loss", self.sparkline(width, plain=options.ascii_only))
        claims = self.claims()
        if claims:
            grid.add_row("the card", claims)
        grid.add_row("now", Text(", ".join(self.figures())))
        yield Panel(grid, title=Text(event.task), title_align="left", expand=False, border_style="dim")

    def sparkline(self, width: int, *, plain: bool = False) -> Text:
        """The mean loss of each of `width` equal parts of the stage, and marks where the card claims a loss.

        A part that is still ahead is a dot; the tallest bar is the largest mean so far.
        """
        bars, ahead, mark = (PLAIN_BARS, PLAIN_AHEAD, PLAIN_MARK) if plain else (BARS, AHEAD, MARK)
        total = max(1, self._event.total)

        def part(step: int) -> int:
            return min(width - 1, (step - 1) * width // total)

        sums, counts = [0.0] * width, [0] * width
        for reading in self._readings:
            if math.isfinite(reading.loss):
                sums[part(reading.step)] += reading.loss
                counts[part(reading.step)] += 1
        means = [s / c if c and abs(s) < LARGEST else None for s, c in zip(sums, counts, strict=True)]
        known = [m for m in means if m is not None]
        low, high = (min(known), max(known)) if known else (0.0, 0.0)
        marked = {part(milestone.step) for milestone in self._event.milestones}
        reached = part(max(1, self._event.done)) if self._event.done else -1
        line, before = Text(), low
        for place, mean in enumerate(means):
            if mean is None and place > reached:
                line.append(mark, "yellow") if place in marked else line.append(ahead, "dim")
                continue
            before = mean if mean is not None else before  # fewer steps than parts: a part may hold none
            height = round((before - low) / (high - low) * (len(bars) - 1)) if high > low else 0
            line.append(bars[height], "yellow" if place in marked else "cyan")
        return line

    def claims(self) -> Text:
        """The last claimed loss that was passed beside what was seen around it, and the next one."""
        passed = [m for m in self._event.milestones if m.step <= self._event.done]
        coming = [m for m in self._event.milestones if m.step > self._event.done]
        text = Text()
        if passed:
            text.append(f"{passed[-1].printed} at step {passed[-1].step}")
            here = self._around(passed[-1])
            if here is not None:
                text.append(f" (here {here:.4f})")
        if coming:
            text.append("; " if passed else "")
            text.append(f"next {coming[0].printed} at step {coming[0].step}")
            if len(coming) > 1:
                text.append(f", {len(coming) - 1} more", "dim")
        return text

    def figures(self) -> list[str]:
        """The recent mean loss, the rate, and what else the last steps showed."""
        if not self._readings:
            return []
        recent, last = self._readings[-RECENT_STEPS:], self._readings[-1]
        over = f" (mean of {len(recent)} steps)" if len(recent) > 1 else ""
        shown = [f"loss {_mean([r.loss for r in recent]):.4f}{over}", f"lr {last.learning_rate:.2e}"]
        shown.append(f"grad norm {last.grad_norm:.3g}")
        margins = [r.reward_margin for r in recent if r.reward_margin is not None]
        if margins:
            shown.append(f"reward margin {_mean(margins):.3g}")
        right = [r.reward_accuracy for r in recent if r.reward_accuracy is not None]
        if right:
            shown.append(f"accuracy {_mean(right):.2f}")
        timed = [r for r in recent if r.seconds > 0]
        if timed:
            shown.append(f"{sum(r.input_tokens for r in timed) / sum(r.seconds for r in timed):,.0f} tokens/s")
        return shown

    def _around(self, milestone: Milestone) -> float | None:
        near = [r.loss for r in self._readings if abs(r.step - milestone.step) <= RECENT_STEPS // 2]
        return _mean(near) if near else None


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)
