"""What a run's folder says of itself: its plan, its steps so far, its finished stages, and at last its run."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypeVar

import pydantic
import pydantic_core

from repro.errors import ReproError, RunError
from repro.files import cannot_write, write_whole
from repro.plan import Plan
from repro.run import Run, StageRun, Step

T = TypeVar("T")
RUN_FILE = "run.json"
"""Written last: its presence means that the run finished."""
PLAN_FILE = "plan.json"
STAGE_FILE = "stage.json"
STEPS_FILE = "steps.jsonl"
SECONDS_FILE = "step_seconds.txt"


def plan_bytes(plan: Plan) -> bytes:
    """The plan as JSON: equal plans give equal bytes."""
    return pydantic_core.to_json(plan, indent=1)


def plan_hash(plan: Plan) -> str:
    """SHA-256 of `plan_bytes`, in hex."""
    return hashlib.sha256(plan_bytes(plan)).hexdigest()


def claim_folder(folder: Path, plan: Plan) -> None:
    """Write the plan into the folder, or make sure that the folder is this very plan's.

    Raises:
        ReproError: the folder belongs to another plan, or cannot be written.
    """
    place = folder / PLAN_FILE
    ours = plan_bytes(plan)
    if not place.exists():
        write_whole(place, ours)
    elif place.read_bytes() != ours:
        raise ReproError(
            "this folder holds a run of another plan",
            where=str(place),
            hint="give each plan its own folder, or remove this one",
        )


def save_run(folder: Path, run: Run) -> None:
    """Write run.json, whole.

    Raises:
        ReproError: it cannot be written.
    """
    write_whole(folder / RUN_FILE, pydantic_core.to_json(run, indent=1))


def load_run(folder: str | Path) -> Run | None:
    """The finished run in a folder, or None when there is none (or it did not finish).

    Raises:
        ReproError: run.json is there but is not a run.
    """
    place = Path(folder) / RUN_FILE
    try:
        data = place.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise ReproError(f"cannot be read: {error.strerror or error}", where=str(place)) from error
    hint = "remove this file and run again: stages that finished are kept"
    return _read_back(Run, data, "a run", place, hint)


def save_stage(folder: Path, stage: StageRun) -> None:
    """Write stage.json: its presence means that the stage finished.

    Raises:
        ReproError: it cannot be written.
    """
    write_whole(folder / STAGE_FILE, pydantic_core.to_json(stage))


def load_stage(folder: Path) -> StageRun | None:
    """The finished stage in a folder, or None.

    Raises:
        ReproError: stage.json is there but is not a stage.
    """
    place = folder / STAGE_FILE
    if not place.exists():
        return None
    hint = "remove this file to train the stage again"
    return _read_back(StageRun, place.read_bytes(), "a finished stage", place, hint)


def _read_back(kind: type[T], data: bytes, what: str, place: Path, hint: str) -> T:
    """
    Raises:
        ReproError: the file does not hold what it should.
    """
    try:
        return pydantic.TypeAdapter(kind).validate_json(data)
    except pydantic.ValidationError as error:
        first = error.errors()[0]
        message = f"not {what} of this version ({'.'.join(map(str, first['loc']))}: {first['msg']})"
        raise ReproError(message, where=str(place), hint=hint) from error


class StepLog:
    """steps.jsonl: one line a step, flushed as it is written, cut back to a checkpoint's step on resume.

    The wall time of each step lies beside it in a file of its own: the same run has the same steps and never the same
    times.
    """

    def __init__(self, path: Path, keep: int) -> None:
        """
        Args:
            path: the file; made when absent.
            keep: how many steps are kept; whatever was written after them is cut off.

        Raises:
            ReproError: the file cannot be written.
            RunError: the file holds fewer whole steps than `keep`.
        """
        self.path = path
        kept = read_steps(path)[:keep]
        if len(kept) < keep:
            raise RunError(
                f"holds {len(kept)} steps where the checkpoint stands at {keep}",
                where=str(path),
                hint="remove the stage's folder to train it again",
            )
        lines = b"".join(_line(step) for step in kept)
        write_whole(path, lines)
        self._hash = hashlib.sha256(lines)
        self.steps: list[Step] = kept
        times = path.with_name(SECONDS_FILE)
        write_whole(times, "".join(f"{seconds:.6f}\n" for seconds in read_seconds(times, keep)))
        try:
            self._file = path.open("ab", buffering=0)
            self._times = times.open("ab", buffering=0)
        except OSError as error:
            raise cannot_write(path, error) from error

    def append(self, step: Step, seconds: float = 0.0) -> None:
        """One step, and how long it took.

        Raises:
            ReproError: the disk is full, or the file cannot be written.
        """
        line = _line(step)
        try:
            if self._file.write(line) != len(line):
                raise OSError(28, os.strerror(28))
            self._times.write(f"{seconds:.6f}\n".encode())
        except OSError as error:
            raise cannot_write(self.path, error) from error
        self._hash.update(line)
        self.steps.append(step)

    def hash(self) -> str:
        """`log_hash` of what is logged so far."""
        return self._hash.hexdigest()

    def sync(self) -> None:
        """Make what was appended survive a power cut: called before a checkpoint that counts on it.

        Raises:
            ReproError: the disk is full.
        """
        try:
            os.fsync(self._file.fileno())
        except OSError as error:
            raise cannot_write(self.path, error) from error

    def close(self) -> None:
        self._file.close()
        self._times.close()


def read_steps(path: Path) -> list[Step]:
    """The whole steps of a steps.jsonl, up to the first line that a kill cut short."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return []
    steps: list[Step] = []
    for line in data.split(b"\n"):
        try:
            values: dict[str, Any] = json.loads(line)
            step = Step(**values)
        except (ValueError, TypeError):
            break
        if step.step != len(steps) + 1:
            break
        steps.append(step)
    return steps


def log_hash(path: Path, steps: int) -> str:
    """SHA-256 of the first `steps` lines of a steps.jsonl, in hex; of what there is where it has fewer."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        data = b""
    return hashlib.sha256(b"".join(data.splitlines(keepends=True)[:steps])).hexdigest()


def read_seconds(path: Path, steps: int) -> list[float]:
    """Wall time of each of the first `steps` steps; 0 for one whose time was lost."""
    try:
        lines = path.read_bytes().split(b"\n")[:steps]
    except FileNotFoundError:
        lines = []
    seconds = [float(line) if re.fullmatch(rb"\d+\.\d{6}", line) else 0.0 for line in lines]
    return seconds + [0.0] * (steps - len(seconds))


def write_json_lines(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    """Rows as JSON lines, whole.

    Raises:
        ReproError: it cannot be written.
    """
    write_whole(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))


def _line(step: Step) -> bytes:
    # repr-exact floats: what is read back is bit for bit what was logged
    return pydantic_core.to_json(step) + b"\n"
