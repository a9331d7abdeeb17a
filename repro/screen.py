"""The command line's hands: what it writes to stdout, to stderr and to --output; for the commands alone."""

from __future__ import annotations

import errno
import os
import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from repro.errors import ReproError, UsageError
from repro.files import cannot_write, write_named

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.text import Text

    from repro.options import Options, Outcome
    from repro.progress import Watcher
    from repro.spec import Spec

T = TypeVar("T")
INTERRUPTED = 130
PLAIN_WIDTH = 120
"""Columns when stdout is no terminal: a file or a pipe has no width of its own."""

_state = {"verbose": False}


def be_verbose(value: bool) -> bool:
    """Remember whether more was asked for; an option's callback, so it hands the value back."""
    _state["verbose"] = value
    return value


def verbose() -> bool:
    """Whether more was asked for: the traceback of an error, and what is shortened otherwise."""
    return _state["verbose"]


def out_console() -> Console:
    """Results."""
    from rich.console import Console

    console = Console(highlight=False, soft_wrap=False)
    return console if console.is_terminal else Console(highlight=False, width=PLAIN_WIDTH)


def has_colour() -> bool:
    """Whether stdout takes colour: a terminal that is not dumb, or FORCE_COLOR; never with NO_COLOR."""
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    return sys.stdout.isatty() and os.environ.get("TERM") != "dumb"


def width() -> int:
    """Columns of the terminal, or `PLAIN_WIDTH`."""
    import shutil  # here, and traceback below: what few starts need takes time to load

    return max(40, shutil.get_terminal_size((80, 24)).columns) if sys.stdout.isatty() else PLAIN_WIDTH


def say(text: str | Text) -> None:
    """A line on stderr: progress, announcements, complaints. Never markup: it may quote a card."""
    from rich.console import Console
    from rich.text import Text

    from repro.render.safe_text import clean

    plain = text if isinstance(text, Text) else Text(clean(text))
    Console(stderr=True, highlight=False).print(plain, soft_wrap=True)


def complain(error: ReproError) -> None:
    """One clear sentence, where it is, and what to do."""
    from rich.text import Text

    from repro.render.safe_text import clean

    text = Text("error: ", style="bold red")
    text.append(clean(str(error)), style="none")
    if error.hint:
        text.append(f"\n  {clean(error.hint)}", style="dim")
    say(text)


def guarded(work: Callable[[], int]) -> int:
    """The exit code of a command, also where it was interrupted or failed."""
    try:
        code = work()
        sys.stdout.flush()  # here, where a full disk or a closed pipe can still be answered for
        return code
    except KeyboardInterrupt:
        say("Interrupted. What was finished is kept: the same command goes on from there.")
        return INTERRUPTED
    except BrokenPipeError:
        drop_stdout()
        return 0
    except Exception as error:
        return failure(error, verbose())


def failure(error: Exception, verbose: bool) -> int:
    """Say what went wrong, in one sentence unless the traceback was asked for; the exit code."""
    if verbose:
        import traceback

        say("".join(traceback.format_exception(error)))
    show, code = getattr(error, "show", None), getattr(error, "exit_code", None)
    number = re.search(r"\(os error (\d+)\)", str(error))
    full = _full_disk(error)
    if isinstance(error, ReproError):
        complain(
            error
            if full is None or "disk is full" in str(error)
            else cannot_write(Path(full.filename or error.where or "the run's folder"), full)
        )
        return error.exit_code
    if callable(show) and isinstance(code, int):  # typer's own: wrong option, missing argument
        show()
        return code
    if isinstance(error, OSError):
        if error.filename is None:
            drop_stdout()
        complain(cannot_write(Path(error.filename or "standard output"), error))
        return 1
    if number:  # Rust libraries (tokenizers, safetensors) say it in words only
        complain(cannot_write(Path("the run's folder"), OSError(int(number[1]), os.strerror(int(number[1])))))
        return 1
    say(f"repro: a bug: {type(error).__name__}: {error} (run again with -v for the traceback, and report it)")
    return 1


def _full_disk(error: BaseException | None) -> OSError | None:
    # Libraries wrap it in errors of their own that say nothing of a disk.
    while error is not None:
        if isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT}:
            return error
        error = error.__cause__ or error.__context__
    return None


def drop_stdout() -> None:
    """Send what is still buffered nowhere: Python would complain of it again on its way out."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def warn(spec: Spec) -> None:
    """On stderr, the places of a card that could not be read: whatever is said of the card, it is said without them."""
    for problem in spec.problems:
        say(f"could not read {problem.span}: {problem.message}")


def emit(result: RenderableType, output: Path | None) -> None:
    """A result to stdout, or whole to a file."""
    if output is None:
        if isinstance(result, str):
            sys.stdout.write(result if result.endswith("\n") else result + "\n")
        else:
            out_console().print(result)
        return
    if not isinstance(result, str):
        from rich.console import Console

        console = Console(width=PLAIN_WIDTH, color_system=None, force_terminal=False, highlight=False)
        with console.capture() as capture:
            console.print(result)
        result = capture.get()
    write_named(output, result)


def emit_bytes(data: bytes, output: Path | None) -> None:
    """Bytes as they are: a card must not change on its way out."""
    if output is None:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
    else:
        write_named(output, data)


def only(format: str, *allowed: str) -> None:
    """
    Raises:
        UsageError: this command has no such format.
    """
    if str(format) not in allowed:
        raise UsageError(f"this command has no format {str(format)!r}", hint=f"it has {', '.join(allowed)}")


def can_write(format: str, output: Path | None) -> None:
    """Whether a report can be given so: better known now than after the training.

    Raises:
        UsageError: there is no such format, or the output is a folder.
    """
    from repro.render.formats import FORMATS

    only(format, "text", *FORMATS)
    no_folder(output)


def no_folder(output: Path | None) -> None:
    """
    Raises:
        UsageError: the output is a folder.
    """
    if output is not None and output.is_dir():
        raise UsageError("--output names a folder, not a file", where=str(output))


def as_data(value: Any, format: str) -> str:
    """A noun as JSON or YAML."""
    from repro.report import as_json, is_plain

    text = as_json(value)
    if format == "json":
        return text
    import json

    import yaml

    def dump(*, allow_unicode: bool) -> str:
        return yaml.safe_dump(json.loads(text), allow_unicode=allow_unicode, sort_keys=False, width=PLAIN_WIDTH)

    written = dump(allow_unicode=True)
    return written if is_plain(written) else dump(allow_unicode=False)


def options(given: Mapping[str, Any]) -> Options:
    """The pipeline's options from a command's parameters, by their names.

    Raises:
        UsageError: an --assume that is no KEY=VALUE, or --offline together with a network.
    """
    from repro.options import Options
    from repro.task import Scale, Start

    assume: dict[str, str] = {}
    for pair in given.get("assume") or ():
        key, equals, value = pair.partition("=")
        if not equals or not key.strip() or not value.strip():
            raise UsageError(f"--assume {pair!r} is not KEY=VALUE", hint="for example --assume dpo.beta=0.1")
        assume[key.strip()] = value.strip()
    source, endpoint, offline = given.get("source") or "none", given.get("endpoint"), bool(given.get("offline"))
    if endpoint and source == "none" and not offline:
        source = "hub"
    if offline and source == "hub":
        raise UsageError("--offline and --source hub contradict each other", hint="drop one of them")
    return Options(
        reports=given.get("reports") or Path("reports"),
        scale=Scale(str(given.get("scale") or "proxy")),
        assume=assume,
        seed=given.get("seed"),
        num_seeds=given.get("seeds"),
        source=source,
        endpoint=endpoint,
        offline=offline,
        select=tuple(given.get("select") or ()),
        ignore=tuple(given.get("ignore") or ()),
        card_ignores=not given.get("no_card_ignores"),
        score_published=bool(given.get("score_published")),
        max_samples=given.get("max_samples"),
        report_to=tuple(given.get("report_to") or ()),
        stages=tuple(n.strip() for word in given.get("stages") or () for n in word.split(",") if n.strip()),
        start=Start(str(given["start"])) if given.get("start") else None,
        stop_when_decided=bool(given.get("stop_when_decided")),
        rate=given.get("rate"),
    )


def watched(quiet: bool, work: Callable[[Watcher], T]) -> T:
    """Run something long and show how far it is, on stderr."""
    from rich.console import Console

    from repro.progress import Watcher

    with Watcher(Console(stderr=True, highlight=False), quiet=quiet) as watcher:
        return work(watcher)


def show_outcome(outcome: Outcome, format: str, output: Path | None, quiet: bool) -> int:
    """The report in the chosen format, where its files are, and the exit code that its verdicts give."""
    from rich.console import Group
    from rich.padding import Padding
    from rich.text import Text

    from repro.comparison import Verdict, count
    from repro.render import terminal
    from repro.render.formats import FORMATS

    report = outcome.report
    warn(report.spec)
    if format == "text":
        own = report.notes if report.plan is None else tuple(n for n in report.notes if n not in report.plan.notes)
        notes = [Padding(Text(terminal.clean(note), "dim"), (0, 0, 0, 2)) for note in own]
        emit(Group(terminal.ledger_view(report), terminal.answer_view(report), *notes), output)
    elif format in FORMATS:
        emit(FORMATS[format](report), output)
    else:
        only(format, "text", *FORMATS)
    if not quiet:
        say(f"Report: {outcome.folder / 'report.html'} (also report.md, report.json, card.md), {report.seconds:.0f} s")
    counts = count(report.comparisons)
    if counts[Verdict.DIFFERS]:
        return 11
    return 12 if counts[Verdict.INCONCLUSIVE] else 0
