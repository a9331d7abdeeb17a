"""How long steps are shown: bars and a live panel on a terminal, a plain line now and then elsewhere."""

from __future__ import annotations

import time
from dataclasses import replace
from types import TracebackType

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars

from repro.panel import StagePanel
from repro.render.safe_text import clean
from repro.task import Progress

SECONDS_BETWEEN_LINES = 10.0
"""Off a terminal: often enough to see that it lives, seldom enough for a log."""


def details(event: Progress) -> str:
    """Loss, learning rate, rate and time left, as far as the event has them."""
    parts = []
    if event.loss is not None:
        parts.append(f"loss {event.loss:.4f}")
    if event.learning_rate is not None:
        parts.append(f"lr {event.learning_rate:.2e}")
    if event.rate > 0:
        parts.append(f"{event.rate:.1f}/s")
        if event.total > event.done:
            parts.append(f"{clock((event.total - event.done) / event.rate)} left")
    if event.note:
        parts.append(event.note)
    return ", ".join(parts)


def clock(seconds: float) -> str:
    """ "0:07", "12:30", "2:05:00"."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def safe(event: Progress) -> Progress:
    """The event without control characters: a card names the stages and prints the losses."""
    claims = tuple(replace(m, printed=clean(m.printed)) for m in event.milestones)
    return replace(
        event, task=clean(event.task), note=clean(event.note), warning=clean(event.warning), milestones=claims
    )


class Watcher:
    """An observer that shows progress on a console; use it as a context manager."""

    def __init__(self, console: Console, *, quiet: bool) -> None:
        self._console = console
        self._quiet = quiet
        self._tasks: dict[str, int] = {}
        self._last: dict[str, float] = {}
        self._bars: Bars | None = None
        self._live: Live | None = None
        self._panel: StagePanel | None = None
        if console.is_terminal and not quiet:
            self._bars = Bars(
                TextColumn("{task.description}", markup=False),
                BarColumn(bar_width=24),
                MofNCompleteColumn(),
                TimeElapsedColumn(),
                TextColumn("{task.fields[details]}", markup=False),
                console=console,
            )
            self._live = Live(console=console, refresh_per_second=5, get_renderable=self._view)

    def __enter__(self) -> Watcher:
        if self._live:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._panel = None  # the bars stay on the screen, each with its last figures
        if self._live:
            self._live.stop()

    def __call__(self, event: Progress) -> None:
        if self._quiet:
            return
        event = safe(event)
        if event.warning:
            self._console.print(f"{event.task}: {event.warning}", markup=False, highlight=False, soft_wrap=True)
            return
        if self._bars:
            self._show_bar(self._bars, event)
        else:
            self._show_line(event)

    def _show_bar(self, bars: Bars, event: Progress) -> None:
        if event.task not in self._tasks:
            self._tasks[event.task] = bars.add_task(event.task, total=event.total or None, details="")
        task = bars.tasks[self._tasks[event.task]].id
        bars.update(task, completed=event.done, total=event.total or None, details=details(event))
        if event.stage:
            self._panel = self._panel or StagePanel()
            self._panel.tell(event)
        if not event.stage or event.done >= event.total:
            self._panel = None

    def _view(self) -> RenderableType:
        bars = self._bars or ""
        return Group(bars, self._panel) if self._panel else bars

    def _show_line(self, event: Progress) -> None:
        now = time.monotonic()
        finished = event.total > 0 and event.done >= event.total
        if not finished and now - self._last.get(event.task, 0.0) < SECONDS_BETWEEN_LINES:
            return
        self._last[event.task] = now
        of = f"/{event.total}" if event.total else ""
        rest = details(event)
        line = f"{event.task}: {event.done}{of}" + (f" ({rest})" if rest else "")
        self._console.print(line, markup=False, highlight=False, soft_wrap=True)
