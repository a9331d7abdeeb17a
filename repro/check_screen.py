"""The hands of `repro check`: from its options to a run, and what of it goes to stdout and to stderr."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from repro import fix_view, screen
from repro.errors import UsageError

if TYPE_CHECKING:
    from repro.checked import CheckedCard, Refused
    from repro.checking import Checking
    from repro.inputs import Walked

MOST_GAPS = 5
"""Missing facts that are named of a card that is checked alone."""


def check(
    cards: list[str],
    *,
    select: list[str] | None = None,
    ignore: list[str] | None = None,
    fail_on: str | None = None,
    persona: str | None = None,
    min_severity: str | None = None,
    min_confidence: str | None = None,
    config: Path | None = None,
    no_card_ignores: bool = False,
    stdin_filename: str = "",
    fix: bool = False,
    diff: bool = False,
    source: str = "none",
    endpoint: str | None = None,
    offline: bool = False,
    format: str = "text",
    output: Path | None = None,
    verbose: bool = False,
) -> int:
    """Check the cards and show what was found; the exit code.

    Raises:
        UsageError: the options contradict each other, or name what does not exist.
    """
    from repro.checking import Checking
    from repro.fixing import Fixes
    from repro.render.check_formats import CHECK_FORMATS

    if fix and diff:
        raise UsageError("--fix and --diff contradict each other", hint="--diff shows, --fix changes")
    if diff and format != "text":
        raise UsageError("--diff has a format of its own", hint="leave out --format")
    screen.only(format, "text", *CHECK_FORMATS)
    screen.no_folder(output)
    words = {"fail-on": fail_on, "persona": persona, "min-severity": min_severity, "min-confidence": min_confidence}
    checking = Checking(
        options=screen.options({**locals(), "select": _split(select), "ignore": _split(ignore)}),
        words={key: str(value) for key, value in words.items() if value is not None},
        config_file=config,
        stdin=_read_stdin,
        stdin_filename=stdin_filename,
        fixes=Fixes.MADE if fix else Fixes.SHOWN if diff else Fixes.NONE,
    )
    if diff:
        fix_view.show_diffs(checking, cards, lambda item: _tell(item, verbose), output)
    elif format == "text":
        _show(checking, cards, verbose, output)
    else:
        _write(checking, cards, verbose, format, output)
    return checking.exit_code


def _split(words: list[str] | None) -> tuple[str, ...]:
    return tuple(part for word in words or () for part in (word.split(",") if "," in word else (word,)))


def _show(checking: Checking, words: list[str], verbose: bool, output: Path | None) -> None:
    """Text, each card as soon as it is checked."""
    from repro.checked import CheckedCard
    from repro.render.check_text import card_text, coloured, plain, summary

    paint = coloured if output is None and screen.has_colour() else plain
    width = screen.PLAIN_WIDTH if output is not None else screen.width()
    # Who asks for one card and for all checks wants to know what to write; who selects asks for something else.
    alone = len(words) == 1 and not checking.options.select and not os.path.isdir(words[0])
    parts: list[str] = []
    for item in checking.run(words):
        _tell(item, verbose)
        if isinstance(item, CheckedCard):
            fix_view.tell(checking, item)
            text = card_text(item, width=width, paint=paint, verbose=verbose, most_gaps=MOST_GAPS if alone else 0)
            if output is not None:
                parts.append(text)
            elif text:
                screen.emit(text, None)
    _tell_idle(checking)
    if checking.cards:
        limit = width if output is None and sys.stdout.isatty() else 0
        refused = len(checking.refused)
        line = summary(checking.cards, num_refused=refused, paint=paint, verbose=verbose, width=limit)
        screen.emit("".join([*parts, line]), output)
    fix_view.offer(checking)


def _write(checking: Checking, words: list[str], verbose: bool, format: str, output: Path | None) -> None:
    """A format that needs every card before its first byte."""
    from repro.render.check_formats import CHECK_FORMATS

    for item in checking.run(words):
        _tell(item, verbose)
        fix_view.tell(checking, item)
    run = checking.whole()
    _tell_idle(checking)
    if format == "html" and len(run.cards) != 1:
        raise UsageError("the format html is one card's page", hint="give one card, or --format md")
    screen.emit(CHECK_FORMATS[format](run), output)


def _tell(item: CheckedCard | Refused | Walked, verbose: bool) -> None:
    """On stderr: what could not be read, what did nothing, how many cards a folder holds."""
    from repro.checked import CheckedCard, Refused
    from repro.render.words import plural

    if isinstance(item, Refused):
        screen.failure(item.error, verbose)
    elif isinstance(item, CheckedCard):
        screen.warn(item.report.spec)
        for problem in item.problems:
            screen.say(f"warning: {problem.span}: {problem.message}")
    elif item.num_cards:
        others = f"; {plural(item.num_others, 'other Markdown file')} left out" if item.num_others else ""
        screen.say(f"{item.name}: {plural(item.num_cards, 'model card')}{others}")


def _tell_idle(checking: Checking) -> None:
    for problem in checking.idle_wishes():
        screen.say(f"warning: {problem.span}: {problem.message}")


def _read_stdin() -> bytes:
    from repro.files import MAX_CARD_BYTES

    return sys.stdin.buffer.read(MAX_CARD_BYTES + 1)
