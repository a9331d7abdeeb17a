"""What a training run left behind: its steps, its checkpoints, its environment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from repro.plan import Plan
from repro.task import Observer

TEST_SPLIT = "the test split"
"""The one source of held-out rows whose scores a card's may be held against."""


@dataclass(frozen=True, slots=True)
class Step:
    """One optimizer step as the trainer logged it. `step` counts from 1."""

    step: int
    loss: float
    """As the framework would log it: before the update, averaged over the accumulation."""
    learning_rate: float
    grad_norm: float
    tokens: int
    """Label tokens that the loss covers."""
    rows: int
    """Sequences (SFT) or pairs (DPO) in the step."""
    epoch: float
    reward_chosen: float | None = None
    reward_rejected: float | None = None
    reward_accuracy: float | None = None
    input_tokens: int = 0
    """Tokens that went through the model, padding left out; 0 in a run of an older version."""


@dataclass(frozen=True, slots=True)
class Stop:
    """Where and why a stage was ended before its last step; a run without that wish takes it up from there."""

    step: int
    """The last step trained."""
    total_steps: int
    """Steps of the whole stage."""
    why: str
    claims: tuple[str, ...] = ()
    """Ids of the claims that what was trained excludes for good; empty where no comparison needs more of the stage."""
    step_seconds: float = 0.0
    """Mean wall time of the steps trained."""


@dataclass(frozen=True, slots=True)
class StageRun:
    """One stage of a run: the curve and where it ended."""

    name: str
    method: str
    seed: int
    base: str
    """Folder (relative to the run's) or repository of the starting weights."""
    checkpoint: str
    """Folder of the final weights and tokenizer, relative to the run's folder; empty for a stage that was stopped."""
    steps: tuple[Step, ...]
    rows_sampled: int
    rows_used: int
    """After filters."""
    seconds: float
    resumed: int = 0
    """How many times the stage was taken up again after an interruption."""
    stopped: Stop | None = None
    """Set where the stage was ended early: it has no final model then."""


@dataclass(frozen=True, slots=True)
class Environment:
    """What the run ran on; enough to know whether bit-identity can be expected."""

    python: str
    platform: str
    processor: str
    cpu_capability: str
    threads: int
    devices: tuple[str, ...]
    packages: tuple[tuple[str, str], ...]
    """(name, version), sorted."""


@dataclass(frozen=True, slots=True)
class Run:
    """A finished run. `run.json` is written last: its presence means that the run finished."""

    id: str
    plan: Plan
    environment: Environment
    stages: tuple[StageRun, ...]
    """One for each (seed, stage), seeds outermost."""
    base_checkpoint: str
    """Folder (relative to the run's) of the model before the first stage."""
    heldout: tuple[tuple[str, str], ...] = ()
    """(kind, file relative to the run's folder): "preference" and "sft" rows that no stage trained on, JSON lines."""
    started: str = ""
    """ISO time, UTC."""
    seconds: float = 0.0
    heldout_from: tuple[tuple[str, str, int], ...] = ()
    """(kind, source, rows of that source before any were left out): the source is TEST_SPLIT, or says what else."""

    def curves(self, stage: str) -> tuple[StageRun, ...]:
        """The stage's runs, one a seed."""
        return tuple(s for s in self.stages if s.name == stage)

    @property
    def stopped(self) -> tuple[StageRun, ...]:
        """The stages that were ended before their last step."""
        return tuple(s for s in self.stages if s.stopped is not None)


@dataclass(frozen=True, slots=True)
class Assets:
    """Local copies of what a full-scale run needs; empty for a proxy run."""

    models: Mapping[str, str]
    """Repository id -> local folder."""
    datasets: Mapping[str, tuple[str, ...]]
    """Data set's repository id -> local data files (parquet, JSON lines, CSV) of the training split."""
    heldout: Mapping[str, tuple[str, ...]]
    """Data set's repository id -> local data files of its test or validation split, where it has one."""


NO_ASSETS = Assets(models={}, datasets={}, heldout={})


class Watch(Protocol):
    """Whoever knows the claims, asked on the way whether more of a stage can change what is said of them."""

    def points(self, stage: str, total_steps: int) -> frozenset[int]:
        """The steps of a stage after which it is worth asking."""
        ...

    def stop(self, done: tuple[StageRun, ...], running: StageRun, total_steps: int) -> Stop | None:
        """Whether to end the stage `running` where it stands: its answer depends on the steps alone."""
        ...


class Engine(Protocol):
    """Runs a plan in a folder; called again on the same folder, it resumes or returns what is finished."""

    def run(self, plan: Plan, assets: Assets, folder: str, observer: Observer, watch: Watch | None = None) -> Run:
        """
        Raises:
            PrerequisiteError: a package, a device or a local file is missing.
            RunError: training did not finish.
        """
        ...
