"""A stage's curve for those who watch it elsewhere: accelerate's trackers, and a table in the run's own folder."""

from __future__ import annotations

import dataclasses
import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from repro.errors import PrerequisiteError, RunError
from repro.files import cannot_write
from repro.plan import StagePlan
from repro.run import Step
from repro.train.progress import reading
from repro.train.record import SECONDS_FILE, read_seconds

TABLE_FILE = "steps.parquet"
PROJECT = "repro"


class Trackers:
    """The trackers of one stage's run, each told of every step."""

    def __init__(self, names: Sequence[str], *, folder: Path, run: str, config: Mapping[str, Any]) -> None:
        """
        Args:
            names: of `task.TRACKERS`.
            folder: the run's folder; TensorBoard writes into `tensorboard/` there, wandb its local files.
            run: names this stage's run within the project.
            config: stored as the run's configuration.
        """
        self._names = tuple(names)
        self._folder = folder
        self._run = run
        self._config = dict(config)
        self._open: list[Any] = []
        self._began = False

    def __call__(self, step: Step, seconds: float) -> None:
        """
        Raises:
            RunError: a tracker cannot be started (no network, not logged in).
            ReproError: the disk is full.
        """
        if not self._began:
            self._began = True
            self._open = [self._start(name, step.step) for name in self._names]
        values = logged(step, seconds)
        for tracker in self._open:
            try:
                tracker.log(values, step=step.step)
            except OSError as error:
                raise cannot_write(self._folder, error) from error

    def finish(self) -> None:
        """Flush and close them all, also after an error."""
        for tracker in self._open:
            tracker.finish()
        self._open = []

    def _start(self, name: str, first: int) -> Any:
        from accelerate import tracking

        resumed = first > 1
        try:
            if name == "tensorboard":
                # what an attempt that was killed wrote beyond its last checkpoint is purged
                tracker: Any = tracking.TensorBoardTracker(
                    self._run, str(self._folder / "tensorboard"), purge_step=first if resumed else None
                )
            elif name == "wandb":
                (self._folder / "wandb").mkdir(parents=True, exist_ok=True)
                tracker = tracking.WandBTracker(
                    PROJECT, name=self._run, id=_identity(self._folder, self._run), resume="allow", dir=self._folder
                )
            else:
                tracker = tracking.TrackioTracker(PROJECT, name=_identity(self._folder, self._run), resume="allow")
            tracker.start()
            if not resumed:
                tracker.store_init_configuration(self._config)
        except OSError as error:
            raise cannot_write(self._folder, error) from error
        except Exception as error:  # each tracker has errors of its own
            raise RunError(
                f"the tracker {name} cannot be started: {str(error).splitlines()[0] if str(error) else error!r}",
                hint="what was trained so far is kept; leave it out of --report-to to go on without it",
            ) from error
        return tracker


def check_trackers(names: Sequence[str]) -> None:
    """Whether each tracker's package is here: better known now than at the first step.

    Raises:
        PrerequisiteError: one is not.
    """
    if not names:
        return
    from accelerate.tracking import get_available_trackers

    available = {str(getattr(name, "value", name)) for name in get_available_trackers()}
    for name in names:
        if name not in available:
            raise PrerequisiteError(
                f"--report-to {name} needs a package that is not installed", hint=f"pip install {name}"
            )
    if "wandb" in names:
        _check_wandb()


def _check_wandb() -> None:
    # asked here, without a prompt: wandb would ask in the middle of the training, and wait
    import wandb

    if os.environ.get("WANDB_MODE", "online") in {"offline", "disabled", "dryrun"}:
        return
    try:
        known = wandb.login(prompt=False)
    except Exception:  # a key that is none, a server that does not answer
        known = False
    if not known:
        raise PrerequisiteError(
            "--report-to wandb: not logged in there",
            hint="wandb login, or WANDB_MODE=offline to keep its files here and sync them later",
        )


@contextmanager
def tracking(names: Sequence[str], *, folder: Path, stage: StagePlan, run: str) -> Iterator[Trackers]:
    """The trackers of a stage, closed whatever happens."""
    trackers = Trackers(names, folder=folder, run=run, config=configuration(stage))
    try:
        yield trackers
    finally:
        trackers.finish()


def configuration(stage: StagePlan) -> dict[str, bool | int | float | str]:
    """The stage's plan as flat values."""
    values = {"stage": stage.name, "method": stage.method, "base": stage.base}
    given = dataclasses.asdict(stage.hyperparameters)
    plain = {k: v if isinstance(v, (bool, int, float, str)) else str(v) for k, v in given.items() if v is not None}
    return {**values, **plain}


def logged(step: Step, seconds: float) -> dict[str, float]:
    """What is told of a step, by the names under which trainers log it."""
    seen = reading(step, seconds)
    values = {
        "train/loss": step.loss,
        "train/learning_rate": step.learning_rate,
        "train/grad_norm": step.grad_norm,
        "train/epoch": step.epoch,
        "train/label_tokens": float(step.tokens),
    }
    if seconds > 0:
        values["train/tokens_per_second"] = step.input_tokens / seconds
    if seen.reward_margin is not None:
        values["rewards/chosen"] = step.reward_chosen or 0.0
        values["rewards/rejected"] = step.reward_rejected or 0.0
        values["rewards/margins"] = seen.reward_margin
    if step.reward_accuracy is not None:
        values["rewards/accuracies"] = step.reward_accuracy
    return values


def write_table(folder: Path, steps: Sequence[Step]) -> None:
    """The stage's steps with their wall time and tokens a second as Parquet, whole.

    Raises:
        ReproError: it cannot be written.
    """
    from datasets import Dataset

    times = read_seconds(folder / SECONDS_FILE, len(steps))
    rows = [
        {
            **dataclasses.asdict(step),
            "seconds": seconds or None,
            "tokens_per_second": step.input_tokens / seconds if seconds else None,
        }
        for step, seconds in zip(steps, times, strict=True)
    ]
    part = folder / f".{TABLE_FILE}.part"
    try:
        Dataset.from_list(rows).to_parquet(str(part))
        os.replace(part, folder / TABLE_FILE)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise cannot_write(folder / TABLE_FILE, error) from error


def _identity(folder: Path, run: str) -> str:
    """The same for the same run's folder: a resumed stage goes on in the run that it began."""
    return f"{run}-{hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:8]}"
