"""The command line: words to options, outcomes to exit codes; the only module that prints, the only one that exits."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from repro import __version__, screen
from repro.arguments import (
    Assume,
    CardArg,
    DryRun,
    Endpoint,
    Format,
    Formats,
    Launcher,
    Launchers,
    Machines,
    Offline,
    Output,
    Processes,
    Quiet,
    Rate,
    Reports,
    ReportTo,
    Samples,
    Scale,
    Scales,
    ScorePublished,
    Seed,
    Seeds,
    Sharding,
    Shardings,
    SourceOpt,
    Stages,
    StartOpt,
    Starts,
    StopWhenDecided,
    TimeLimit,
    Verbose,
    WriteConfig,
)
from repro.check_command import check
from repro.errors import UsageError
from repro.launch_command import launched, leave_exit_code, remember, write_config
from repro.screen import INTERRUPTED
from repro.sweep_command import sweep
from repro.task import SENSITIVITY_STEPS

app = typer.Typer(
    name="repro",
    help="Which of the things this model card says are true, how do we know, and what would it take to know the rest?",
    epilog="Exit codes: 0 nothing to report, 2 usage, 3 card, 4 prerequisite missing, 5 run failed, 10 findings, "
    "11 a claim differs, 12 some inconclusive, 130 interrupted.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


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
    stages: Stages = None,
    start: StartOpt = Starts.regenerated,
    stop_when_decided: StopWhenDecided = False,
    source: SourceOpt = "none",
    endpoint: Endpoint = None,
    offline: Offline = False,
    reports: Reports = Path("reports"),
    max_samples: Samples = None,
    score_published: ScorePublished = False,
    report_to: ReportTo = None,
    launcher: Launcher = Launchers.here,
    processes: Processes = None,
    machines: Machines = 1,
    sharding: Sharding = Shardings.fsdp2,
    time: TimeLimit = "",
    format: Format = Formats.text,
    output: Output = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> int:
    """Everything: read, gather, check, plan, train, evaluate, compare, render."""
    from repro import measure, pipeline

    screen.can_write(format, output)
    options = screen.options(locals())
    if launcher is not Launchers.here:
        return launched(launcher, card, options, processes, machines, sharding, time)
    quiet = quiet or not measure.is_main_process()
    if scale is Scales.proxy and not quiet:
        screen.say(
            "Scale: proxy (a small stand-in on this machine). It decides no absolute number of the full-scale model."
        )
        if stop_when_decided:
            screen.say("No claimed number can be decided at this scale: --stop-when-decided ends nothing early.")
        if start is Starts.published:
            screen.say(
                "Start: published. Nothing of the stand-in is published: each stage starts from the stand-in's own "
                "pretrained base, and only what holds from any start is tested."
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
    stages: Stages = None,
    start: Annotated[
        Starts | None, typer.Option("--start", help="The card's latest run from that start; without it from either.")
    ] = None,
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

    _, _, spec = pipeline.read(card)
    if format in {Formats.json, Formats.yaml}:
        screen.emit(screen.as_data(spec, format), output)
    else:
        screen.only(format, "text", "json", "yaml")
        screen.emit(terminal.spec_view(spec), output)
    return 0


app.command()(check)
app.command()(sweep)


@app.command()
def plan(
    card: CardArg,
    scale: Scale = Scales.full,
    assume: Assume = None,
    seed: Seed = None,
    seeds: Seeds = None,
    stages: Stages = None,
    start: StartOpt = Starts.regenerated,
    source: SourceOpt = "none",
    endpoint: Endpoint = None,
    offline: Offline = False,
    dry_run: DryRun = False,
    write_accelerate_config: WriteConfig = None,
    processes: Processes = None,
    machines: Machines = 1,
    sharding: Sharding = Shardings.fsdp2,
    rate: Rate = None,
    format: Format = Formats.text,
    output: Output = None,
    sensitivity: Annotated[
        bool,
        typer.Option(
            "--sensitivity",
            help="Train the stand-in once more for every value that the card leaves open, and rank them by what they "
            "move: half an hour on a laptop, kept under --reports and taken up again after an interruption.",
        ),
    ] = False,
    sensitivity_steps: Annotated[
        int, typer.Option(min=20, help="Most optimizer steps of a stage in --sensitivity.")
    ] = SENSITIVITY_STEPS,
    reports: Reports = Path("reports"),
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> int:
    """The plan, each value with its origin; memory, time, devices; what deciding each claim costs; the commands."""
    from repro import pipeline
    from repro.render import sensitivity_view, terminal

    screen.only(format, "text", "json", "yaml", *(() if sensitivity else ("md",)))
    options = screen.options(locals())
    audited, the_plan = pipeline.plan(card, options, dry_run=dry_run)
    screen.warn(audited.spec)
    if write_accelerate_config is not None:
        write_config(write_accelerate_config, the_plan, processes, machines, sharding)
    studied = None
    if sensitivity:
        from repro import whatif

        studied = screen.watched(quiet, lambda watch: whatif.study(audited, options, watch, steps=sensitivity_steps))
    if format in {Formats.json, Formats.yaml}:
        data = the_plan if studied is None else {"plan": the_plan, "sensitivity": studied}
        screen.emit(screen.as_data(data, format), output)
    elif format is Formats.md:
        from repro.render.plan_markdown import plan_markdown

        screen.emit(plan_markdown(the_plan, audited.spec), output)
    elif studied is None:
        screen.emit(terminal.plan_view(the_plan), output)
    else:
        screen.emit(sensitivity_view.plan_and_study(the_plan, studied), output)
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

    options = screen.options({**locals(), "source": "none"})
    data, report = refresh.refreshed_card(card, options)
    if open_pr:
        screen.emit(refresh.propose_card(data, report, options), output)
        return 0
    screen.emit_bytes(data, output)
    return 0


@app.command()
def explain(
    code: Annotated[
        str,
        typer.Argument(metavar="CODE", help="A check's code or slug, such as R401; a beginning, such as R4, lists."),
    ] = "R",
    format: Format = Formats.text,
    output: Output = None,
) -> int:
    """A check: what, why, how to fix, sources."""
    from repro.check.checker import all_checks, find_check, near
    from repro.check.explain import explain as page
    from repro.render import terminal

    found = find_check(code)
    listed = [c for c in all_checks() if found is None and c.code.startswith(code.upper())]
    if listed:
        screen.only(format, "text")
        screen.emit("\n".join(f"{c.code}  {c.slug:<34}{c.severity.value:<8}{c.title}" for c in listed), output)
        return 0
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

    def work() -> int:
        result = app(args=arguments, prog_name="repro", standalone_mode=False)
        if result == INTERRUPTED:  # typer makes this of Ctrl-C; no command returns it
            raise KeyboardInterrupt
        return result if isinstance(result, int) else 0

    remember(arguments)
    return leave_exit_code(screen.guarded(work))
