"""The command line's words: the arguments and options that several commands share."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from repro import screen
from repro.errors import UsageError


class Scales(StrEnum):
    proxy = "proxy"
    full = "full"


class Starts(StrEnum):
    regenerated = "regenerated"
    published = "published"


class Formats(StrEnum):
    text = "text"
    json = "json"
    yaml = "yaml"
    md = "md"
    html = "html"
    sarif = "sarif"
    github = "github"


class CheckFormats(StrEnum):
    text = "text"
    json = "json"
    md = "md"
    html = "html"
    sarif = "sarif"
    github = "github"


class Personas(StrEnum):
    author = "author"
    auditor = "auditor"


class Severities(StrEnum):
    info = "info"
    low = "low"
    medium = "medium"
    high = "high"


class Levels(StrEnum):
    info = "info"
    low = "low"
    medium = "medium"
    high = "high"
    never = "never"


def _trackers(given: list[str] | None) -> list[str]:
    """The names of --report-to, which may be given several times or with commas between.

    Raises:
        UsageError: there is no such tracker.
    """
    from repro.task import TRACKERS

    names = dict.fromkeys(name.strip().lower() for words in given or () for name in words.split(",") if name.strip())
    for name in names:
        if name not in TRACKERS:
            raise UsageError(f"--report-to {name!r} is no tracker", hint=f"it takes {', '.join(TRACKERS)}")
    return list(names)


CardArg = Annotated[str, typer.Argument(metavar="CARD", help="A model card: a Markdown file.")]
Format = Annotated[Formats, typer.Option("--format", "-f", help="What to print on stdout.")]
Output = Annotated[
    Path | None,
    typer.Option(
        "--output",
        "-o",
        help="Write there instead of stdout.",
        callback=lambda path: None if path == Path("-") else path,
    ),
]
Scale = Annotated[
    Scales,
    typer.Option(help="proxy: small stand-in model and data, minutes on a laptop; full: the recipe as stated."),
]
Assume = Annotated[
    list[str] | None,
    typer.Option("--assume", metavar="KEY=VALUE", help="Stands over what the card says; also STAGE.KEY=VALUE."),
]
Stages = Annotated[
    list[str] | None,
    typer.Option(
        "--stages",
        metavar="NAME",
        help="Only this stage of the card, and what it is regenerated from; several: again, or with commas.",
    ),
]
StartOpt = Annotated[
    Starts,
    typer.Option(
        "--start",
        help="What a stage starts from: regenerated, this run's own earlier stage (the whole chain); "
        "published, the author's model (the stage alone).",
    ),
]
StopWhenDecided = Annotated[
    bool,
    typer.Option(
        "--stop-when-decided",
        help="End a stage where a claim is excluded for good, or where no comparison needs more of it.",
    ),
]
Rate = Annotated[
    float | None,
    typer.Option(
        "--rate", metavar="MONEY", help="Price of one device-hour, in any money; without it only hours are printed."
    ),
]
Seed = Annotated[int | None, typer.Option(help="Training seed, standing over the card's.")]
Seeds = Annotated[int | None, typer.Option("--seeds", min=1, max=20, help="How many runs, one a seed.")]
SourceOpt = Annotated[
    str,
    typer.Option(
        "--source", help="Where to look up parents' cards, configs and data: none, hub, or a FOLDER laid out like it."
    ),
]
Endpoint = Annotated[
    str | None,
    typer.Option(help="The Hub's address (default: HF_ENDPOINT, else the public Hub); implies --source hub."),
]
Offline = Annotated[bool, typer.Option("--offline", help="Never touch the network.")]
Reports = Annotated[Path, typer.Option(help="Where reports are kept.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress, no announcements.")]
Verbose = Annotated[
    bool, typer.Option("--verbose", "-v", help="Say more; show the traceback of an error.", callback=screen.be_verbose)
]
Samples = Annotated[int | None, typer.Option("--max-samples", min=1, help="At most so many held-out samples a task.")]
ReportTo = Annotated[
    list[str] | None,
    typer.Option(
        "--report-to",
        metavar="TRACKER",
        help="Also log every step to tensorboard, trackio or wandb; repeatable.",
        callback=_trackers,
    ),
]
ScorePublished = Annotated[
    bool, typer.Option("--score-published", help="Download and score the published model whatever its size.")
]
DryRun = Annotated[
    bool,
    typer.Option(
        "--dry-run", help="Build the models without memory and count what each device would hold (needs torch)."
    ),
]


class Launchers(StrEnum):
    here = "here"
    accelerate = "accelerate"
    slurm = "slurm"


class Shardings(StrEnum):
    fsdp2 = "fsdp2"
    zero3 = "zero3"


Launcher = Annotated[
    Launchers,
    typer.Option(
        help="here: this process; accelerate: one process a device, by accelerate launch; slurm: a job on a cluster."
    ),
]
Processes = Annotated[
    int | None,
    typer.Option(
        "--processes",
        min=1,
        max=65536,
        help="Processes over all machines, one a device (default: this machine's devices).",
    ),
]
Machines = Annotated[int, typer.Option("--machines", min=1, max=8192, help="Machines that share the processes.")]
Sharding = Annotated[
    Shardings,
    typer.Option("--sharding", help="How several devices share a full-scale model: FSDP2 or DeepSpeed ZeRO-3."),
]
TimeLimit = Annotated[
    str,
    typer.Option("--time", metavar="LIMIT", help="Time limit of a Slurm job (default: twice the plan's device-hours)."),
]
WriteConfig = Annotated[
    Path | None,
    typer.Option(
        "--write-accelerate-config",
        metavar="PATH",
        help="Also write accelerate's launch configuration for this plan and machine.",
    ),
]
