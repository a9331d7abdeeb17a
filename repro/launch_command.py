"""`repro run --launcher` and `repro plan --write-accelerate-config`: runs handed to others, and followed."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from repro import screen
from repro.errors import UsageError

if TYPE_CHECKING:
    from repro.options import Options
    from repro.plan import Plan


_words: list[str] = []


def remember(words: list[str] | None) -> None:
    """Keep the command line, to start the same command elsewhere."""
    _words[:] = sys.argv[1:] if words is None else words


def launched(
    launcher: str, card: str, options: Options, processes: int | None, machines: int, sharding: str, limit: str
) -> int:
    """The launched run's exit code.

    Raises:
        UsageError: accelerate on this machine for several machines, or a time limit for no job.
    """
    from repro import launching

    words = list(_words)
    if launcher == "accelerate":
        if machines > 1:
            raise UsageError(
                "--launcher accelerate starts the processes of this machine alone",
                hint="--launcher slurm, or on each machine: accelerate launch with the file of "
                "repro plan --write-accelerate-config",
            )
        if limit:
            raise UsageError("--time is for --launcher slurm")
        return launching.run_accelerate(card, options, words, processes=processes, machines=machines, sharding=sharding)

    def show(text: str) -> None:
        sys.stdout.write(text)
        sys.stdout.flush()

    return launching.run_slurm(
        card,
        options,
        words,
        screen.say,
        show,
        processes=processes,
        machines=machines,
        sharding=sharding,
        limit=limit,
    )


def write_config(place: Path, plan: Plan, processes: int | None, machines: int, sharding: str) -> None:
    """Write accelerate's configuration, and say what a user should know of it."""
    from repro import launching

    machine = launching.machine_of(plan, processes=processes, machines=machines, sharding=sharding, elsewhere=True)
    for note in launching.write_config(place, plan, machine):
        screen.say(note)


def leave_exit_code(code: int) -> int:
    """At the end of a process that a launcher started: see `launch.leave_exit_code`."""
    if "REPRO_EXIT_CODE_FILE" not in os.environ:
        return code
    from repro.launch import leave_exit_code as leave

    return leave(code)
