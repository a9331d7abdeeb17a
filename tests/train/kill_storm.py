"""SIGKILL at random moments of a run, each resumed and held against a run left alone, byte for byte.

By hand: `python tests/train/kill_storm.py --kills 50 [--seed 1]` prints one line a kill and ends with 1 where any
resumed run is another.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from plans import plan_of, stage_of
from same import files

from repro.plan import Plan
from repro.run import NO_ASSETS
from repro.task import ignore
from repro.train.record import load_run, plan_bytes

WORKER = Path(__file__).parent / "run_engine.py"
PRELOADED = ("repro.train.pretraining", "transformers.models.llama.modeling_llama", "torch._inductor", "datasets")
LONGEST_SECONDS = 120.0
STAGES = {"base": Path("base"), "sft": Path("seed-42", "sft"), "dpo": Path("seed-42", "dpo")}
STEPS = {"base": 4, "sft": 8, "dpo": 24}


@dataclass(frozen=True)
class Moment:
    """When to kill."""

    kind: str
    """"step", "reference", "checkpoint", "model", "tokens" or "any"."""
    stage: str = ""
    at: float = 0.0
    """"step" and "checkpoint": the least step logged; "any": seconds after the start."""

    def __str__(self) -> str:
        what = {
            "step": f"{self.stage}, step {self.at:.0f}",
            "reference": "dpo, caching the reference",
            "checkpoint": f"{self.stage}, writing a checkpoint",
            "model": f"{self.stage}, writing the model",
            "tokens": f"{self.stage}, writing tokens",
            "any": f"{self.at:.2f} s after the start",
        }
        return what[self.kind]


@dataclass(frozen=True)
class Kill:
    """What a kill left."""

    moment: Moment
    stage: str
    """The stage that was not finished."""
    logged: int
    """Steps in its log."""
    kept: int
    """The step of its last whole checkpoint."""
    half: tuple[str, ...]
    """Files and folders that were being written."""

    def __str__(self) -> str:
        half = f"; half-written: {', '.join(self.half)}" if self.half else ""
        return f"{self.moment!s:32} {self.stage or 'done':5} {self.logged:3} logged, {self.kept:3} kept{half}"


def plan() -> Plan:
    return plan_of(stage_of("sft", steps=STEPS["sft"]), stage_of("dpo", steps=STEPS["dpo"]))


def run_alone(folder: Path) -> None:
    """An interpreter of its own, with a hash seed of its own, that nothing disturbs and that writes no checkpoint."""
    given = folder.with_name(f"{folder.name}.plan.json")
    given.write_bytes(plan_bytes(plan()))
    command = [sys.executable, str(WORKER), str(given), str(folder), "1000"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
    subprocess.run(command, check=True, capture_output=True, timeout=LONGEST_SECONDS, env=environment)


class Victims:
    """Starts runs in processes that are forked from one that has imported everything: half a second instead of five."""

    def __init__(self) -> None:
        self._context: Any = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(list(PRELOADED))

    def start(self, folder: Path) -> Any:
        process = self._context.Process(target=_victim, args=(str(folder),))
        process.start()
        return process

    def kill_at(self, moment: Moment, folder: Path, before: Callable[[int], None] | None = None) -> Kill | None:
        """Run in the folder until the moment has come, then call `before` with the process's id and kill it; None when
        the run ended first."""
        process = self.start(folder)
        come = _watch(moment, folder)
        deadline = time.monotonic() + LONGEST_SECONDS
        while not come():
            if not process.is_alive() or time.monotonic() > deadline:
                break
        if before is not None:
            os.kill(process.pid, signal.SIGSTOP)
            before(process.pid)
        process.kill()
        process.join()
        if process.exitcode == 0:
            return None
        assert process.exitcode == -9, f"ended with {process.exitcode} by itself ({moment})"
        return _left(moment, folder)

    def finish(self, folder: Path) -> None:
        process = self.start(folder)
        process.join(LONGEST_SECONDS)
        assert process.exitcode == 0, f"the resumed run ended with {process.exitcode}"


def _victim(folder: str) -> None:
    import gc
    import warnings

    import torch

    from repro.train.engine import AccelerateEngine

    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    gc.freeze()  # what was imported before the fork need not be looked through again
    AccelerateEngine(checkpoint_seconds=0).run(plan(), NO_ASSETS, folder, ignore)


def _watch(moment: Moment, folder: Path) -> Callable[[], bool]:
    began = time.monotonic()
    place = folder / STAGES.get(moment.stage, Path())

    def logged() -> bool:
        return _lines(place / "steps.jsonl") >= moment.at

    checks: dict[str, Callable[[], bool]] = {
        "any": lambda: time.monotonic() - began >= moment.at,
        "step": logged,
        "reference": lambda: (place / "reference.pt").exists() or (place / ".reference.pt.part").exists(),
        "checkpoint": lambda: logged() and any(n.startswith(".part-") for n in _names(place / "checkpoints")),
        "model": lambda: (place / ".model.part").exists(),
        "tokens": lambda: (folder / "data" / f".{moment.stage}.tokens.part").exists(),
    }
    return checks[moment.kind]


def _left(moment: Moment, folder: Path) -> Kill:
    names = {"base": "base", "sft": "sft", "dpo": "dpo"}
    stage = next((s for s in names if not (folder / STAGES[s] / "stage.json").exists()), "")
    place = folder / STAGES.get(stage, Path())
    kept = [int(n.removeprefix("step-")) for n in _names(place / "checkpoints") if n.startswith("step-")]
    half = sorted(p.name for p in folder.rglob(".*") if p.name.startswith(".part-") or p.name.endswith(".part"))
    return Kill(moment, stage, _lines(place / "steps.jsonl"), max(kept, default=0), tuple(half))


def _lines(path: Path) -> int:
    try:
        return path.read_bytes().count(b"\n")
    except OSError:
        return 0


def _names(folder: Path) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []


def moments(chance: random.Random, usual_seconds: float) -> Iterator[Moment]:
    """Endlessly: every kind in turn, everything else about it by chance."""
    while True:
        yield Moment("step", "sft", chance.randint(1, STEPS["sft"]))
        yield Moment("reference", "dpo")
        yield Moment("checkpoint", "dpo", chance.randint(1, STEPS["dpo"] - 2))
        yield Moment("step", "dpo", chance.randint(1, STEPS["dpo"]))
        yield Moment("any", at=chance.uniform(0, usual_seconds))
        yield Moment("checkpoint", chance.choice(["base", "sft"]), 1)
        yield Moment("model", chance.choice(["base", "sft", "dpo"]))
        yield Moment("tokens", chance.choice(["sft", "dpo"]))


def storm(
    rounds: Iterator[tuple[Moment, ...]], alone: Path, folder: Path, victims: Victims
) -> Iterator[tuple[list[Kill], bool]]:
    """For each round of kills, in one folder and in the order of the stages: what they left, and whether the run that
    was then left to end has the files of the one left alone."""
    expected = files(alone)
    for number, given in enumerate(rounds):
        place = folder / f"round-{number}"
        kills = [kill for moment in given if (kill := victims.kill_at(moment, place)) is not None]
        victims.finish(place)
        run = load_run(place)
        yield kills, run is not None and files(place) == expected and len(files(place)) == len(expected)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    chance = random.Random(options.seed)
    with tempfile.TemporaryDirectory() as scratch:
        alone = Path(scratch, "alone")
        victims = Victims()
        run_alone(alone)
        victims.finish(Path(scratch, "first"))
        began = time.monotonic()
        victims.finish(Path(scratch, "second"))
        source = moments(chance, time.monotonic() - began)

        def rounds() -> Iterator[tuple[Moment, ...]]:
            while True:
                given = [next(source) for _ in range(chance.randint(1, 3))]
                yield tuple(sorted(given, key=lambda m: list(STAGES).index(m.stage) if m.stage else 0))

        done = differing = caught = 0
        for kills, same in storm(rounds(), alone, Path(scratch), victims):
            for kill in kills:
                done += 1
                caught += bool(kill.half)
                differing += not same
                print(f"kill {done:3}  {kill}; resumed identical: {'yes' if same else 'NO'}", flush=True)  # noqa: T201
            if done >= options.kills:
                break
        print(f"{done} kills, {caught} of them while something was written, {differing} resumed runs differ")  # noqa: T201
    return int(differing > 0)


if __name__ == "__main__":
    raise SystemExit(main())
