"""A run started through `accelerate launch`: its processes, its output, its exit code, and Ctrl-C."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from repro.errors import PrerequisiteError
from repro.files import write_whole

EXIT_CODE_FILE = "REPRO_EXIT_CODE_FILE"
"""The environment's name of the file in which the main process leaves its exit code: launchers take any code but 0 for
a failure, and give back one of their own."""
FIRST_VERDICT = 10
NOT_FINISHED = 5
GRACE_SECONDS = 60.0
OWN_OPTIONS = ("--launcher", "--processes", "--machines", "--sharding", "--time")
"""Options of the launch, which its processes are not given; each has a value."""


def folder(reports: Path) -> Path:
    """Where configurations, job scripts and logs are kept."""
    return reports / ".launch"


def write_config(reports: Path, text: str) -> Path:
    """The configuration's file, named after what it holds.

    Raises:
        ReproError: it cannot be written.
    """
    place = folder(reports) / f"accelerate-{hashlib.sha256(text.encode()).hexdigest()[:12]}.yaml"
    place.parent.mkdir(parents=True, exist_ok=True)
    write_whole(place, text)
    return place.resolve()


def without_launch(words: Sequence[str]) -> list[str]:
    """The command line that each process is given."""
    kept: list[str] = []
    skip = False
    for number, word in enumerate(words):
        if skip:
            skip = False
        elif word == "--":
            return [*kept, *words[number:]]
        elif word in OWN_OPTIONS:
            skip = True
        elif not word.startswith(tuple(f"{option}=" for option in OWN_OPTIONS)):
            kept.append(word)
    return kept


def command(config: Path, words: Sequence[str]) -> list[str]:
    """`accelerate launch` of this very program, whose command line is `words`."""
    accelerate = [sys.executable, "-m", "accelerate.commands.launch", "--config_file", str(config)]
    return [*accelerate, "-m", "repro", *without_launch(words)]


def run_accelerate(config: Path, words: Sequence[str], *, cpu: bool) -> int:
    """Run it to its end, its output ours; the main process's exit code.

    Raises:
        PrerequisiteError: accelerate is not installed.
        KeyboardInterrupt: it was interrupted, and has ended.
    """
    import importlib.util

    if importlib.util.find_spec("accelerate") is None:
        raise PrerequisiteError("accelerate is not installed", hint="pip install 'card-repro[run]'")
    left = config.with_name(f"exit-{os.getpid()}")
    left.unlink(missing_ok=True)
    try:
        process = subprocess.Popen(command(config, words), env=environment(left, cpu=cpu))
        try:
            launched = process.wait()
        except KeyboardInterrupt:
            # on a terminal it has heard it too; another sender reaches this process alone
            process.send_signal(signal.SIGINT)
            _end(process)
            raise
        return exit_code(left, launched)
    finally:
        left.unlink(missing_ok=True)


def environment(left: Path, *, cpu: bool) -> dict[str, str]:
    """The processes': where the exit code goes, and, on processors, what has accelerate use all of them."""
    more: Mapping[str, str] = {EXIT_CODE_FILE: str(left), **({"ACCELERATE_USE_CPU": "true"} if cpu else {})}
    return {**os.environ, **more}


def exit_code(left: Path, launched: int) -> int:
    """What the main process left, or, where it left nothing, that the run did not finish."""
    try:
        return int(left.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return NOT_FINISHED if launched else 0


def leave_exit_code(code: int) -> int:
    """Called at the end of a process: tell the launcher of the code, and keep a verdict from looking like a failure."""
    place = os.environ.get(EXIT_CODE_FILE)
    if not place:
        return code
    if os.environ.get("RANK", "0") in {"", "0"}:
        Path(place).write_text(str(code), encoding="ascii")
    return 0 if code >= FIRST_VERDICT and code != 128 + signal.SIGINT else code


def _end(process: subprocess.Popen[bytes]) -> None:
    began = time.monotonic()
    while process.poll() is None and time.monotonic() - began < GRACE_SECONDS:
        time.sleep(0.1)
    if process.poll() is None:
        process.kill()
        process.wait()
