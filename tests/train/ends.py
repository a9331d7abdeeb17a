"""A watch for tests: it ends one stage after one step."""

from __future__ import annotations

from dataclasses import dataclass

from repro.run import StageRun, Stop


@dataclass(frozen=True)
class Ends:
    """Ends a stage of that name after a step, for reasons of its own."""

    stage: str
    step: int

    def points(self, stage: str, total_steps: int) -> frozenset[int]:
        return frozenset({self.step} if stage == self.stage else ())

    def stop(self, done: tuple[StageRun, ...], running: StageRun, total_steps: int) -> Stop | None:
        if running.name != self.stage or len(running.steps) < self.step:
            return None
        return Stop(len(running.steps), total_steps, "a test has seen enough.")
