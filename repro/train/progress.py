"""Progress events, at most ten a second whatever the speed of the work."""

from __future__ import annotations

import time
from collections.abc import Callable

from repro.task import Observer, Progress

INTERVAL_SECONDS = 0.1


class Reporter:
    """Tells an observer how far one task is: the first and the last unit always, the rest as time allows."""

    def __init__(
        self, observer: Observer, task: str, total: int, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._observer = observer
        self._task = task
        self._total = total
        self._clock = clock
        self._started = clock()
        self._last = float("-inf")

    def __call__(
        self,
        done: int,
        *,
        loss: float | None = None,
        learning_rate: float | None = None,
        note: str = "",
        warning: str = "",
    ) -> None:
        now = self._clock()
        if now - self._last < INTERVAL_SECONDS and done < self._total and not note and not warning:
            return
        self._last = now
        self._observer(
            Progress(
                task=self._task,
                done=done,
                total=self._total,
                seconds=now - self._started,
                loss=loss,
                learning_rate=learning_rate,
                note=note,
                warning=warning,
            )
        )
