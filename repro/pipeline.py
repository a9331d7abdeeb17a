"""The order of the verbs: which one feeds which, and where a report's files go."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from repro import __version__, measure, shelf
from repro.card import Card
from repro.comparison import Comparison
from repro.errors import PrerequisiteError
from repro.evidence import Source
from repro.files import read_card_bytes
from repro.finding import Finding
from repro.options import Audited, Options, Outcome
from repro.plan import Plan, Scale
from repro.report import Report, of_card, to_json
from repro.run import Observer, Progress, Run, ignore
from repro.score import Score
from repro.spec import Fact, Origin, Spec


def read(path: str) -> tuple[bytes, Card, Spec]:
    """
    Raises:
        CardError: the file cannot be read as a card.
    """
    from repro.read.reader import read as read_bytes

    data = read_card_bytes(path)
    card, spec = read_bytes(data, path)
    return data, card, spec


def open_source(options: Options, choice: str | None = None) -> Source | None:
    """The place to look things up: none when offline or when nothing was chosen.

    Raises:
        PrerequisiteError: the folder does not exist.
    """
    where = options.source if choice is None else choice
    if where in {"", "none"} or (options.offline and where == "hub"):
        return None
    if where == "hub":
        from repro.gather.hub import Hub

        return Hub(endpoint=options.endpoint, cache_folder=str(options.reports / ".cache" / "hub"))
    from repro.gather.folder import Folder

    return Folder(where)


def audit(path: str, options: Options, source: Source | None = None, *, subject: str = "") -> Audited:
    """Read a card and gather what is known outside it. `subject` (REPO or REPO@REV) stands over the card's own id."""
    from repro.gather.gatherer import gather
    from repro.read.reader import read as read_bytes

    data, card, spec = read(path)
    if subject:
        why = "named on the command line"
        fact = Fact("model_id", subject, Origin.ASSUMED, printed=subject, why=why)
        spec = dataclasses.replace(spec, facts=(fact, *spec.facts))
    source = source if source is not None else open_source(options)
    evidence = gather(spec, source, lambda text, name: read_bytes(text, name)[1])
    return Audited(data, card, spec, evidence, source)


def check(path: str, options: Options) -> Report:
    """The static audit: read, gather (when a source was chosen), check. Loads no torch."""
    from repro.check.checker import run_checks

    started = time.monotonic()
    audited = audit(path, options)
    findings = run_checks(audited.spec, audited.evidence, select=options.select, ignore=options.ignore)
    return of_card(
        audited.card,
        audited.spec,
        audited.evidence,
        findings,
        tool_version=__version__,
        created=_now(),
        kind="check",
        seconds=time.monotonic() - started,
    )


def plan(path: str, options: Options) -> tuple[Audited, Plan]:
    """The card's plan: every hole filled, each value with its origin."""
    audited = audit(path, options)
    return audited, resolve_plan(audited, options)


def resolve_plan(audited: Audited, options: Options) -> Plan:
    """
    Raises:
        HoleError: a run needs a fact that the card lacks and no recipe gives.
        UsageError: an --assume key that does not exist.
    """
    from repro.resolve.resolver import resolve

    return resolve(
        audited.spec,
        audited.evidence,
        scale=options.scale,
        assume=options.assume,
        seed=options.seed,
        num_seeds=options.num_seeds,
    )


def run(path: str, options: Options, observer: Observer = ignore) -> Outcome | None:
    """Everything: read, gather, check, plan, train, evaluate, compare, render.

    None in a process that `accelerate launch` started only to help with the training.
    """
    from repro.check.checker import run_checks

    started = time.monotonic()
    if options.scale is Scale.FULL and options.source == "none" and not options.offline:
        options = dataclasses.replace(options, source="hub")
    audited = audit(path, options)
    findings = run_checks(audited.spec, audited.evidence)
    the_plan = resolve_plan(audited, options)
    folder = shelf.run_folder(options.reports, audited.card, the_plan, _model_id(audited.spec))
    shelf.prepare(folder, audited.data)
    finished = measure.train(the_plan, audited, folder, observer)
    if not measure.is_main_process():
        return None
    scores = measure.score_run(finished, folder, options, observer)
    notes = list(the_plan.notes)
    if options.scale is Scale.FULL and audited.source is not None:
        published, why = measure.score_published(audited, finished, folder, options, observer)
        scores += published
        notes += [why] if why else []
    report = _report(audited, findings, the_plan, finished, scores, "run", tuple(notes), started)
    save(report, folder, audited.data, observer)
    return Outcome(report, folder)


def verify(target: str, against: str, options: Options, observer: Observer = ignore) -> Outcome:
    """The latest (or named) run against a published model: card and config compared, both models scored by the same
    harness on the same samples, published losses laid over the regenerated curve.

    What needs no network is done and saved first; `Outcome.blocked` then says what could not be.
    """
    from repro.check.checker import run_checks

    started = time.monotonic()
    path, folder, before = find_run(target, options)
    blocked: PrerequisiteError | None = None
    source: Source | None = None
    subject = ""
    is_hub = against == "hub" or not Path(against).exists()
    if against != "hub" and is_hub:
        subject = against
    if is_hub and options.offline:
        blocked = PrerequisiteError(
            "the published model was not looked up: --offline was given",
            hint="run it again without --offline, or with --against FOLDER for a local copy",
        )
    else:
        source = open_source(options, "hub" if is_hub else against)
    audited = audit(path, options, source, subject=subject)
    shelf.prepare(folder, audited.data)
    findings = run_checks(audited.spec, audited.evidence)
    the_plan = before.plan if before else None
    finished = measure.load_run(folder) if before else None
    scores = before.scores if before else ()
    scores = tuple(s for s in scores if s.model != "published")
    notes = list(
        before.notes if before else ("No run of this card was found: only the published model was looked at.",)
    )
    if source is not None and blocked is None:
        published, why = measure.score_published(audited, finished, folder, options, observer)
        scores += published
        notes += [why] if why else []
        if not audited.evidence.role("subject"):
            blocked = _unreachable(audited, against)
    report = _report(audited, findings, the_plan, finished, scores, "verify", tuple(notes), started)
    save(report, folder / shelf.VERIFY, audited.data, observer)
    return Outcome(report, folder / shelf.VERIFY, blocked)


def _report(
    audited: Audited,
    findings: tuple[Finding, ...],
    the_plan: Plan | None,
    finished: Run | None,
    scores: tuple[Score, ...],
    kind: str,
    notes: tuple[str, ...],
    started: float,
) -> Report:
    from repro.compare.comparer import compare

    comparisons: tuple[Comparison, ...] = compare(audited.spec, audited.evidence, the_plan, finished, scores)
    return of_card(
        audited.card,
        audited.spec,
        audited.evidence,
        findings,
        tool_version=__version__,
        created=_now(),
        kind=kind,
        plan=the_plan,
        run_id=finished.id if finished else "",
        stages=finished.stages if finished else (),
        environment=finished.environment if finished else None,
        scores=scores,
        comparisons=comparisons,
        notes=notes,
        seconds=time.monotonic() - started,
    )


def save(report: Report, folder: Path, data: bytes, observer: Observer = ignore) -> None:
    """Every rendering of a report, into its folder; report.json, the truth, last."""
    from repro.render.card import refresh_card
    from repro.render.html import to_html
    from repro.render.markdown import to_markdown
    from repro.render.plots import loss_plots
    from repro.render.sarif import to_sarif

    started = time.monotonic()
    plots = loss_plots(report)
    pictures = {f"plots/{name}": partial(bytes, picture) for name, picture in plots.items()}
    renderings: dict[str, Callable[[], str | bytes]] = {
        **pictures,
        "report.md": lambda: to_markdown(report, pictures),
        "report.html": lambda: to_html(report, plots),
        "report.sarif": lambda: to_sarif(report),
        "card.md": lambda: refresh_card(data, report),
        "report.json": lambda: to_json(report),
    }
    shelf.keep(
        folder,
        renderings,
        lambda done, name: observer(Progress("report", done, len(renderings), time.monotonic() - started, note=name)),
    )


def find_run(target: str, options: Options) -> tuple[str, Path, Report | None]:
    """(card's path, run's folder, its report) for a run's folder, or for a card: its latest run.

    A card without a run gets a folder of its own and no report.
    """
    place = Path(target)
    if (place / "report.json").is_file():
        return str(place / shelf.CARD_COPY), place, shelf.load_report(place)
    _, card, spec = read(target)
    for folder in shelf.report_folders(options.reports, card):
        if folder.name != shelf.VERIFY:
            return target, folder, shelf.load_report(folder)
    return target, shelf.card_folder(options.reports, card, _model_id(spec)) / "no-run", None


def refreshed_card(path: str, options: Options) -> tuple[bytes, Report]:
    """The refreshed card from the latest report on this card.

    Raises:
        PrerequisiteError: there is no report on it yet.
    """
    from repro.render.card import refresh_card

    data, card, _ = read(path)
    for folder in shelf.report_folders(options.reports, card):
        report = shelf.load_report(folder)
        if report is not None:
            return refresh_card(data, report), report
    raise PrerequisiteError(
        "there is no report on this card as it stands", where=path, hint=f"make one: repro run {path}"
    )


def propose_card(data: bytes, report: Report, options: Options) -> str:
    """Open a pull request with the refreshed card; the address of the pull request.

    Raises:
        PrerequisiteError: offline, no token, no network, or the card does not name its repository.
    """
    if options.offline:
        raise PrerequisiteError("a pull request needs the network, and --offline was given", hint="drop --offline")
    from repro.gather.hub import Hub
    from repro.gather.propose import open_pull_request

    hub = Hub(endpoint=options.endpoint, cache_folder=str(options.reports / ".cache" / "hub"))
    title = "Add a Reproducibility section and the metadata that the card states"
    description = f"{report.answer[1]}\n\nMade by repro {__version__}; every line of the card stays as it was."
    return open_pull_request(hub, _model_id(report.spec), data, title=title, description=description)


def _unreachable(audited: Audited, against: str) -> PrerequisiteError:
    absences = audited.evidence.absences
    why = absences[0].why if absences else "it was not found"
    return PrerequisiteError(
        f"the published model could not be looked up ({why})",
        hint="check the network, HF_ENDPOINT and HF_TOKEN, or give --against FOLDER for a local copy",
        where="" if against == "hub" else against,
    )


def _model_id(spec: Spec) -> str:
    return str(spec.get("model_id").value or "")


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
