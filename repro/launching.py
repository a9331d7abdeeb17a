"""A plan and what the command line says of machines -> a configuration on disk, or a run started elsewhere."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from pathlib import Path

from repro import launch, measure, pipeline, slurm
from repro.launch_config import Machine, accelerate_config
from repro.options import Options
from repro.plan import Plan
from repro.task import Scale


def machine_of(plan: Plan, *, processes: int | None, machines: int, sharding: str, elsewhere: bool = False) -> Machine:
    """What a run is launched on: as many processes as were asked for, else one a device of this machine.

    Args:
        elsewhere: another machine may be meant: processes that this one has no devices for are devices of that one.

    Raises:
        UsageError: the machines do not share the processes evenly.
    """
    devices, device_gb = measure.this_machine()
    there = elsewhere and plan.scale is Scale.FULL and processes is not None
    return Machine(
        processes=processes if processes is not None else max(1, devices) * machines,
        machines=machines,
        accelerators=devices > 0 or there,
        device_gb=device_gb,
        sharding=sharding,
    )


def write_config(place: Path, plan: Plan, machine: Machine) -> tuple[str, ...]:
    """Write accelerate's configuration; what a user should know of it.

    Raises:
        ReproError: it cannot be written.
    """
    from repro.files import write_named

    text, notes = accelerate_config(plan, machine)
    write_named(place, text)
    return notes


def run_accelerate(
    card: str, options: Options, words: Sequence[str], *, processes: int | None, machines: int, sharding: str
) -> int:
    """The run by `accelerate launch` on this machine; its exit code."""
    _, plan = pipeline.plan(card, options)
    machine = machine_of(plan, processes=processes, machines=machines, sharding=sharding)
    text, _ = accelerate_config(plan, machine)
    config = launch.write_config(options.reports, text)
    return launch.run_accelerate(config, words, cpu=not machine.accelerators)


def run_slurm(
    card: str,
    options: Options,
    words: Sequence[str],
    say: Callable[[str], None],
    show: Callable[[str], None],
    *,
    processes: int | None,
    machines: int,
    sharding: str,
    limit: str,
) -> int:
    """The run as a job on a cluster, followed to its end; its exit code."""
    _, plan = pipeline.plan(card, options)
    machine = machine_of(plan, processes=processes, machines=machines, sharding=sharding, elsewhere=True)
    text, notes = accelerate_config(plan, machine)
    config = launch.write_config(options.reports, text)
    asked = slurm.hours(plan, machine)
    job = slurm.write_job(
        launch.folder(options.reports),
        plan,
        machine,
        config,
        words,
        limit=limit or (f"{asked}:00:00" if asked else ""),
    )
    for note in notes:
        say(note)
    say(f"Job script: {job.script}")
    start = slurm.log_size(job)
    number = slurm.submit(job)
    say(f"Job {number}, log: {job.log}")
    try:
        return slurm.follow(job, number, show, start=start)
    except KeyboardInterrupt:
        say(f"No longer followed; the job goes on. To end it: {shlex.join(['scancel', number])}")
        raise
