"""Progress events, at most ten a second whatever the speed of the work."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from repro.run import Step
from repro.task import Observer, Progress, Reading

INTERVAL_SECONDS = 0.1


class Reporter:
    """Tells an observer how far one task is: the first and the last unit always, the rest as time allows."""

    def __init__(
        self,
        observer: Observer,
        task: str,
        total: int,
        *,
        stage: str = "",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._observer = observer
        self._task = task
        self._total = total
        self._stage = stage
        self._clock = clock
        self._started = clock()
        self._last = float("-inf")
        self._readings: list[Reading] = []

    def __call__(self, done: int, *, note: str = "", warning: str = "") -> None:
        self._tell(done, note, warning)

    def begin(self, earlier: Iterable[Step]) -> None:
        """The start of a stage, with the steps of an earlier attempt."""
        self._readings = [reading(step, 0.0) for step in earlier]
        self._tell(len(self._readings))

    def step(self, step: Step, seconds: float) -> None:
        """One optimizer step and its wall time."""
        self._readings.append(reading(step, seconds))
        self._tell(step.step)

    def _tell(self, done: int, note: str = "", warning: str = "") -> None:
        now = self._clock()
        if now - self._last < INTERVAL_SECONDS and done < self._total and not note and not warning:
            return
        self._last = now
        told, self._readings = tuple(self._readings), []
        self._observer(
            Progress(
                task=self._task,
                done=done,
                total=self._total,
                seconds=now - self._started,
                loss=told[-1].loss if told else None,
                learning_rate=told[-1].learning_rate if told else None,
                note=note,
                warning=warning,
                stage=self._stage,
                readings=told,
            )
        )


def reading(step: Step, seconds: float) -> Reading:
    """What a watcher sees of a step."""
    rewarded = step.reward_chosen is not None and step.reward_rejected is not None
    return Reading(
        step=step.step,
        loss=step.loss,
        learning_rate=step.learning_rate,
        grad_norm=step.grad_norm,
        seconds=seconds,
        input_tokens=step.input_tokens,
        reward_margin=(step.reward_chosen or 0.0) - (step.reward_rejected or 0.0) if rewarded else None,
        reward_accuracy=step.reward_accuracy,
    )
