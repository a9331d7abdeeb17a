"""A run as a Slurm job: its script, its submission, and its log until it ends."""

from __future__ import annotations

import hashlib
import math
import re
import shlex
import shutil
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from repro.errors import PrerequisiteError, RunError, UsageError
from repro.files import write_whole
from repro.launch import EXIT_CODE_FILE, command
from repro.launch_config import PORT, Machine
from repro.plan import Plan

SLACK = 2.0
"""The time asked for, as a multiple of the plan's device-hours, which are those of a well-fed device."""
LEAST_HOURS = 1
WARNING_SECONDS = 300
"""So long before its time is up the job hears of it, and has itself put back into the queue."""
POLL_SECONDS = 5.0
PATIENCE = 12
"""Questions about a job that may go unanswered one after the other."""
ENDED = ("COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL", "OUT_OF_MEMORY", "BOOT_FAIL", "DEADLINE")


class Job(NamedTuple):
    """A job's files."""

    script: Path
    log: Path
    left: Path
    """Where the run leaves its exit code."""


def hours(plan: Plan, machine: Machine) -> int | None:
    """Hours to ask for: twice the plan's device-hours over the devices; None where the plan does not know them."""
    told = [f.device_hours for f in plan.feasibility]
    if not machine.accelerators:
        return None
    if any(one is None for one in told):
        return None
    return max(LEAST_HOURS, math.ceil(SLACK * sum(one or 0.0 for one in told) * len(plan.seeds) / machine.processes))


def write_job(place: Path, plan: Plan, machine: Machine, config: Path, words: Sequence[str], *, limit: str) -> Job:
    """Write the script of a job that runs `words` on the machines.

    Everything that a card or a user wrote stands in shell words, quoted; the lines for sbatch hold numbers and a name
    of letters alone.

    Args:
        limit: the time limit as Slurm writes it, empty for the cluster's own.

    Raises:
        UsageError: the limit is none.
        ReproError: it cannot be written.
    """
    if limit and not re.fullmatch(r"(\d{1,3}-)?\d{1,4}(:\d{2}){0,2}", limit):
        raise UsageError(f"--time {limit!r} is no time limit", hint="for example 12:00:00, or 2-00:00:00 for two days")
    slug = re.sub(r"[^a-z0-9]+", "-", Path(plan.card).stem.lower()).strip("-")[:40] or "card"
    name = f"{slug}-{hashlib.sha256(repr((list(words), machine)).encode()).hexdigest()[:8]}"
    place.mkdir(parents=True, exist_ok=True)
    place = place.resolve()
    job = Job(place / f"{name}.sbatch", place / f"{name}.log", place / f"{name}.exit")
    gpus = [f"#SBATCH --gpus-per-node={machine.processes // machine.machines}"] if machine.accelerators else []
    processors = [] if machine.accelerators else [f"#SBATCH --cpus-per-task={machine.processes // machine.machines}"]
    launched = shlex.join(command(config, words))
    if machine.machines > 1:
        meet = '--machine_rank "$SLURM_NODEID" --main_process_ip "$REPRO_HEAD" --main_process_port ' + str(PORT)
        launched = launched.replace(" -m repro ", f" {meet} -m repro ", 1)
    lines = [
        "#!/bin/bash",
        f"#SBATCH --job-name=repro-{slug}",
        f"#SBATCH --nodes={machine.machines}",
        "#SBATCH --ntasks-per-node=1",
        *gpus,
        *processors,
        *([f"#SBATCH --time={limit}"] if limit else []),
        "#SBATCH --requeue",
        "#SBATCH --open-mode=append",
        f"#SBATCH --signal=B:USR1@{WARNING_SECONDS}",
        "# A killed run goes on from its last checkpoint: put back into the queue, the job takes it up.",
        "set -u",
        f"cd {shlex.quote(str(Path.cwd()))} || exit 1",
        f"export {EXIT_CODE_FILE}={shlex.quote(str(job.left))}",
        *([] if machine.accelerators else ["export ACCELERATE_USE_CPU=true"]),
        'REPRO_HEAD=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)',
        "export REPRO_HEAD",
        "trap 'scontrol requeue \"$SLURM_JOB_ID\"' USR1",
        f"srun bash -c {shlex.quote(launched)} &",
        'wait "$!"',
    ]
    write_whole(job.script, "\n".join(lines) + "\n", mode=0o755)
    return job


def submit(job: Job) -> str:
    """Hand the job to Slurm; its number.

    Raises:
        PrerequisiteError: there is no sbatch here; the message says what to run where there is.
        RunError: Slurm does not take it.
    """
    words = ["sbatch", "--parsable", f"--output={job.log}", str(job.script)]
    if shutil.which("sbatch") is None:
        raise PrerequisiteError(
            "the job is written and there is no sbatch here to submit it",
            where=str(job.script),
            hint=f"where there is: {shlex.join(words)}",
        )
    job.left.unlink(missing_ok=True)
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    number = done.stdout.strip().split(";")[0]
    if done.returncode or not number.isdigit():
        why = (done.stderr or done.stdout).strip().splitlines()
        raise RunError(f"sbatch does not take the job: {why[-1] if why else done.returncode}", where=str(job.script))
    return number


def log_size(job: Job) -> int:
    """Bytes that an earlier job of the same command left in the log."""
    return job.log.stat().st_size if job.log.exists() else 0


def follow(
    job: Job, number: str, show: Callable[[str], None], *, start: int = 0, poll_seconds: float = POLL_SECONDS
) -> int:
    """Show the job's log from byte `start` on as it grows, until the job ends; the exit code that the run left.

    Raises:
        RunError: the job ended without one, or nothing can be learnt of it.
        KeyboardInterrupt: it goes on without us.
    """
    read = start
    unanswered = 0
    while True:
        state = _state(number)
        read = _show(job.log, read, show)
        if state in ENDED or state == "GONE":
            break
        unanswered = unanswered + 1 if not state else 0
        if unanswered >= PATIENCE:
            raise RunError(
                f"Slurm does not answer for job {number}", where=str(job.log), hint="squeue and the log tell"
            )
        time.sleep(poll_seconds)
    _show(job.log, read, show)
    try:
        return int(job.left.read_text(encoding="ascii"))
    except (OSError, ValueError):
        ended = _accounted(number) or ("" if state == "GONE" else state)
        how = f"ended as {ended}" if ended else "ended"
        raise RunError(
            f"job {number} {how} before the run was finished",
            where=str(job.log),
            hint="the same command submits it again, and it goes on from there",
        ) from None


def _state(number: str) -> str:
    """Slurm's word, "GONE" where it no longer knows the job, or "" where it does not answer."""
    try:
        done = subprocess.run(
            ["squeue", "--noheader", "--jobs", number, "--format=%T"], capture_output=True, text=True, check=False
        )
    except OSError:
        return ""
    if done.returncode == 0:
        return done.stdout.strip().split("\n")[0].strip() or "GONE"
    return "GONE" if "Invalid job id" in done.stderr else ""


def _accounted(number: str) -> str:
    try:
        done = subprocess.run(
            ["sacct", "--noheader", "--allocations", "--jobs", number, "--format=State", "--parsable2"],
            capture_output=True,
            text=True,
            check=False,
        )
    except OSError:
        return ""
    return done.stdout.strip().split("\n")[0].split(" ")[0] if done.returncode == 0 else ""


def _show(log: Path, start: int, show: Callable[[str], None]) -> int:
    """Show what a log has from a byte on, up to its last whole line; where that ends."""
    try:
        with log.open("rb") as file:
            file.seek(start)
            data = file.read()
    except FileNotFoundError:
        return start
    whole = data.rfind(b"\n") + 1
    if whole:
        show(data[:whole].decode("utf-8", "replace"))
    return start + whole
