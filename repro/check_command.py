"""The command `repro check`: its options, as Typer knows them; `start.quick` knows the same without it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from repro import check_screen
from repro.arguments import (
    CheckFormats,
    Endpoint,
    Levels,
    Offline,
    Output,
    Personas,
    Severities,
    SourceOpt,
    Verbose,
)


def check(
    cards: Annotated[
        list[str],
        typer.Argument(
            metavar="CARD...", help=r"Model cards: files, folders, - for standard input, ORG/NAME\[@REV] on the Hub."
        ),
    ],
    select: Annotated[list[str] | None, typer.Option(help="Only these checks (R4, R401 or a slug).")] = None,
    ignore: Annotated[list[str] | None, typer.Option(help="Do not run these checks.")] = None,
    fail_on: Annotated[
        Levels | None, typer.Option(help="Exit 10 when a finding is at least this grave (default: low).")
    ] = None,
    persona: Annotated[
        Personas | None,
        typer.Option(help="author (default): what to mend in the card; auditor: everything."),
    ] = None,
    min_severity: Annotated[Severities | None, typer.Option(help="Show nothing less grave.")] = None,
    min_confidence: Annotated[Severities | None, typer.Option(help="Show nothing less sure.")] = None,
    config: Annotated[
        Path | None,
        typer.Option(help="A repro.toml or pyproject.toml (default: the nearest one upward from each card)."),
    ] = None,
    no_card_ignores: Annotated[
        bool, typer.Option("--no-card-ignores", help="Do not let a card ask for checks to be ignored.")
    ] = False,
    stdin_filename: Annotated[str, typer.Option(help="The name of what comes on standard input.")] = "",
    fix: Annotated[
        bool, typer.Option("--fix", help="Make the fixes that need no judgement, in the cards' own files.")
    ] = False,
    diff: Annotated[
        bool, typer.Option("--diff", help="Only show these fixes, as a unified diff; change nothing.")
    ] = False,
    source: SourceOpt = "none",
    endpoint: Endpoint = None,
    offline: Offline = False,
    format: Annotated[
        CheckFormats, typer.Option("--format", "-f", help="What to print on stdout.")
    ] = CheckFormats.text,
    output: Output = None,
    verbose: Verbose = False,
) -> int:
    """The static audit alone: no torch; for editors, pre-commit and CI."""
    return check_screen.check(**locals())
