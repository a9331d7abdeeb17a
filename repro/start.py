"""Where the program starts: a plain `repro check` goes to its work at once, everything else through Typer.

Loading Typer and parsing with it takes longer than checking a card, and a hook in an editor waits for every start.
"""

from __future__ import annotations

import gc
import sys
from pathlib import Path
from typing import Any

from repro import screen, warm

GARBAGE = 50_000
"""New objects after which garbage is looked for: a card makes some thousand, nearly all free of cycles."""

LEVELS = ("info", "low", "medium", "high")

FLAGS = {
    "--no-card-ignores": "no_card_ignores",
    "--fix": "fix",
    "--diff": "diff",
    "--offline": "offline",
    "--verbose": "verbose",
    "-v": "verbose",
}
LISTS = {"--select": "select", "--ignore": "ignore"}
VALUES = {
    "--fail-on": "fail_on",
    "--persona": "persona",
    "--min-severity": "min_severity",
    "--min-confidence": "min_confidence",
    "--config": "config",
    "--stdin-filename": "stdin_filename",
    "--source": "source",
    "--endpoint": "endpoint",
    "--format": "format",
    "-f": "format",
    "--output": "output",
    "-o": "output",
}
CHOICES = {
    "fail_on": (*LEVELS, "never"),
    "persona": ("author", "auditor"),
    "min_severity": LEVELS,
    "min_confidence": LEVELS,
    "format": ("text", "json", "md", "html", "sarif", "github"),
}
PATHS = ("config", "output")


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    words = sys.argv[1:] if arguments is None else arguments
    options = quick(words[1:]) if words[:1] == ["check"] else None
    if options is None:
        from repro.cli import main as through_typer

        return through_typer(words)
    # What is loaded stays until the end: looking for garbage in it takes a tenth of a start.
    gc.set_threshold(GARBAGE)
    kept = warm.load()
    from repro import check_screen

    screen.be_verbose(options.get("verbose", False))
    code = screen.guarded(lambda: check_screen.check(**options))
    warm.keep(kept)
    return code


def quick(words: list[str]) -> dict[str, Any] | None:
    """The options of a plain `repro check`; None for all that Typer should answer: help, mistakes, other spellings."""
    options: dict[str, Any] = {"cards": []}
    waiting = iter(words)
    for word in waiting:
        name, equals, value = word.partition("=")
        if word == "-" or not word.startswith("-"):
            options["cards"].append(word)
        elif word in FLAGS:
            options[FLAGS[word]] = True
        elif name in LISTS or name in VALUES:
            if equals and not name.startswith("--"):
                return None
            value = value if equals else next(waiting, "-")
            if not value or value.startswith("-"):
                return None
            if name in LISTS:
                options.setdefault(LISTS[name], []).append(value)
            elif value not in CHOICES.get(VALUES[name], (value,)):
                return None
            else:
                options[VALUES[name]] = Path(value) if VALUES[name] in PATHS else value
        else:
            return None
    return options if options["cards"] and all(options["cards"]) else None
