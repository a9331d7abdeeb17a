"""The command line: words to options, outcomes to exit codes; the only module that prints, the only one that exits."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from repro import __version__, screen
from repro.errors import ReproError, UsageError

app = typer.Typer(
    name="repro",
    help="Which of the things this model card says are true, how do we know, and what would it take to know the rest?",
    epilog="Exit codes: 0 nothing to report, 2 usage, 3 card, 4 prerequisite missing, 5 run failed, 10 findings, "
    "11 a claim differs, 12 some inconclusive, 130 interrupted.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


class Scales(StrEnum):
    proxy = "proxy"
    full = "full"


class Formats(StrEnum):
    text = "text"
    json = "json"
    yaml = "yaml"
    md = "md"
    html = "html"
    sarif = "sarif"


class Levels(StrEnum):
    info = "info"
    low = "low"
    medium = "medium"
    high = "high"
    never = "never"


CardArg = Annotated[str, typer.Argument(metavar="CARD", help="A model card: a Markdown file.")]
Format = Annotated[Formats, typer.Option("--format", "-f", help="What to print on stdout.")]
Output = Annotated[Path | None, typer.Option("--output", "-o", help="Write there instead of stdout.")]
Scale = Annotated[
    Scales,
    typer.Option(help="proxy: small stand-in model and data, minutes on a laptop; full: the recipe as stated."),
]
Assume = Annotated[
    list[str] | None,
    typer.Option("--assume", metavar="KEY=VALUE", help="Stands over what the card says; also STAGE.KEY=VALUE."),
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
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Show the traceback of an error.")]
Samples = Annotated[int | None, typer.Option("--max-samples", min=1, help="At most so many held-out samples a task.")]
ScorePublished = Annotated[
    bool, typer.Option("--score-published", help="Download and score the published model whatever its size.")
]

INTERRUPTED = 130

_state = {"verbose": False}


@app.callback(invoke_without_command=True)
def _root(version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    if version:
        screen.emit(f"repro {__version__}", None)
        raise typer.Exit(0)


@app.command()
def run(
    card: CardArg,
    scale: Scale = Scales.proxy,
    assume: Assume = None,
    seed: Seed = None,
    seeds: Seeds = None,
    source: SourceOpt = "none",
    endpoint: Endpoint = None,
    offline: Offline = False,
    reports: Reports = Path("reports"),
    max_samples: Samples = None,
    score_published: ScorePublished = False,
    format: Format = Formats.text,
    output: Output = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> int:
    """Everything: read, gather, check, plan, train, evaluate, compare, render."""
    from repro import measure, pipeline

    _state["verbose"] = verbose
    screen.can_write(format, output)
    options = screen.options(locals())
    quiet = quiet or not measure.is_main_process()
    if scale is Scales.proxy and not quiet:
        screen.say(
            "Scale: proxy (a small stand-in on this machine). It decides no absolute number of the full-scale model."
        )
    outcome = screen.watched(quiet, lambda watch: pipeline.run(card, options, watch))
    if outcome is None:
        return 0
    return screen.show_outcome(outcome, format, output, quiet)


@app.command()
def verify(
    target: Annotated[
        str, typer.Argument(metavar="CARD|RUN", help="A card (its latest run), a run's folder; else the latest run.")
    ] = "",
    against: Annotated[str, typer.Option(help=r"hub, a local FOLDER, or REPO\[@REV].")] = "hub",
    endpoint: Endpoint = None,
    offline: Offline = False,
    reports: Reports = Path("reports"),
    max_samples: Samples = None,
    score_published: ScorePublished = False,
    format: Format = Formats.text,
    output: Output = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> int:
    """The latest (or named) run against the published model."""
    from repro import pipeline

    _state["verbose"] = verbose
    screen.can_write(format, output)
    options = screen.options({**locals(), "source": "none"})
    outcome = screen.watched(quiet, lambda watch: pipeline.verify(target, against, options, watch))
    code = screen.show_outcome(outcome, format, output, quiet)
    if outcome.blocked is not None:
        raise outcome.blocked
    return code


@app.command()
def read(card: CardArg, format: Format = Formats.text, output: Output = None, verbose: Verbose = False) -> int:
    """The spec: stages, facts with origin and lines, claims."""
    from repro import pipeline
    from repro.render import terminal

    _state["verbose"] = verbose
    _, _, spec = pipeline.read(card)
    if format in {Formats.json, Formats.yaml}:
        screen.emit(screen.as_data(spec, format), output)
    else:
        screen.only(format, "text", "json", "yaml")
        screen.emit(terminal.spec_view(spec), output)
    return 0


@app.command()
def check(
    cards: Annotated[list[str], typer.Argument(metavar="CARD...", help="Model cards.")],
    select: Annotated[list[str] | None, typer.Option(help="Only these checks (R4, R401 or a slug).")] = None,
    ignore: Annotated[list[str] | None, typer.Option(help="Not these checks.")] = None,
    fail_on: Annotated[Levels, typer.Option(help="Exit 10 when a finding is at least this grave.")] = Levels.low,
    source: SourceOpt = "none",
    endpoint: Endpoint = None,
    offline: Offline = False,
    format: Format = Formats.text,
    output: Output = None,
    verbose: Verbose = False,
) -> int:
    """The static audit alone: no torch; for editors, pre-commit and CI."""
    from repro import pipeline

    _state["verbose"] = verbose
    options = screen.options({**locals(), "select": tuple(select or ()), "ignore": tuple(ignore or ())})
    screen.can_write(format, output)
    if len(cards) > 1:
        screen.only(format, "text")
    code = 0
    reports = []
    for path in cards:
        try:
            report = pipeline.check(path, options)
        except ReproError as error:
            code = screen.failure(error, verbose)
            continue
        screen.warn(report.spec)
        reports.append(report)
        if output is None:
            screen.show_findings([report], format, None)
        grave = any(screen.at_least(fail_on, f.severity) for f in report.failures)
        code = code or (10 if grave else 0)
    if output is not None and reports:
        screen.show_findings(reports, format, output)
    return code


@app.command()
def plan(
    card: CardArg,
    scale: Scale = Scales.full,
    assume: Assume = None,
    seed: Seed = None,
    seeds: Seeds = None,
    source: SourceOpt = "none",
    endpoint: Endpoint = None,
    offline: Offline = False,
    format: Format = Formats.text,
    output: Output = None,
    verbose: Verbose = False,
) -> int:
    """The plan, each value with its origin; memory, time, devices; the commands to run it elsewhere."""
    from repro import pipeline
    from repro.render import terminal

    _state["verbose"] = verbose
    audited, the_plan = pipeline.plan(card, screen.options(locals()))
    screen.warn(audited.spec)
    if format in {Formats.json, Formats.yaml}:
        screen.emit(screen.as_data(the_plan, format), output)
    else:
        screen.only(format, "text", "json", "yaml")
        screen.emit(terminal.plan_view(the_plan), output)
    return 0


@app.command()
def card(
    card: CardArg,
    reports: Reports = Path("reports"),
    output: Output = None,
    open_pr: Annotated[
        bool, typer.Option("--open-pr", help="Propose it to the model's repository on the Hub.")
    ] = False,
    endpoint: Endpoint = None,
    offline: Offline = False,
    verbose: Verbose = False,
) -> int:
    """The refreshed card from the latest report."""
    from repro import refresh

    _state["verbose"] = verbose
    options = screen.options({**locals(), "source": "none"})
    data, report = refresh.refreshed_card(card, options)
    if open_pr:
        screen.emit(refresh.propose_card(data, report, options), output)
        return 0
    screen.emit_bytes(data, output)
    return 0


@app.command()
def explain(
    code: Annotated[str, typer.Argument(metavar="CODE", help="A check's code or slug, such as R401.")],
    format: Format = Formats.text,
    output: Output = None,
) -> int:
    """A check: what, why, how to fix, sources."""
    from repro.check.checker import find_check, near
    from repro.check.explain import explain as page
    from repro.render import terminal

    found = find_check(code)
    if found is None:
        close = ", ".join(near(code))
        raise UsageError(
            f"no check is called {code!r}", hint=f"near it: {close}" if close else "repro check lists codes"
        )
    screen.only(format, "text", "md")
    screen.emit(page(found) if format is Formats.md else terminal.check_page(found), output)
    return 0


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    try:
        result = app(args=arguments, prog_name="repro", standalone_mode=False)
        sys.stdout.flush()  # here, where a full disk or a closed pipe can still be answered for
        if result == INTERRUPTED:  # typer makes this of Ctrl-C; no command returns it
            raise KeyboardInterrupt
        return result if isinstance(result, int) else 0
    except KeyboardInterrupt:
        screen.say("Interrupted. What was finished is kept: the same command goes on from there.")
        return INTERRUPTED
    except BrokenPipeError:
        screen.drop_stdout()
        return 0
    except Exception as error:
        return screen.failure(error, _state["verbose"])
