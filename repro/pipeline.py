"""The order of the verbs: which one feeds which, and where a report's files go."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from repro import __version__
from repro.card import Card
from repro.errors import ReproError
from repro.evidence import Source
from repro.files import Scores, checked_card_bytes, read_card_bytes, score_files
from repro.finding import Finding
from repro.options import Audited, Options, Outcome
from repro.report import Report, of_card, to_json
from repro.spec import Spec
from repro.task import Observer, Progress, Scale, Start, ignore

if TYPE_CHECKING:  # a check needs none of these
    from repro.comparison import Comparison
    from repro.plan import Plan
    from repro.run import Run
    from repro.score import Score


def read(path: str, *, shown_as: str = "", data: bytes | None = None, scores: Scores = ()) -> tuple[bytes, Card, Spec]:
    """The card's bytes and what they say; `shown_as` is the path that stands in its places, where it is another.

    `data` are the card's bytes where they are no file's, `scores` its files of scores; else those beside the file.

    Raises:
        CardError: the file cannot be read as a card.
    """
    from repro.read.reader import read as read_bytes

    scores = scores or (score_files(path) if data is None else ())
    data = read_card_bytes(path) if data is None else checked_card_bytes(data, path)
    # A file's name need not be UTF-8; a report is.
    name = (shown_as or path).encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    card, spec = read_bytes(data, name)
    if scores:
        from repro.read.eval_results import with_eval_results

        spec = with_eval_results(spec, scores)
    return data, card, spec


def audit_source(options: Options) -> Source | None:
    """The place to look things up that the user chose: none unless one was.

    Raises:
        PrerequisiteError: the folder does not exist.
    """
    if options.source in {"", "none"}:
        return None
    from repro.gather.sources import open_source

    return open_source(options.source, endpoint=options.endpoint, cache_folder=options.cache_folder)


def audit(
    path: str,
    options: Options,
    source: Source | None = None,
    *,
    shown_as: str = "",
    subject: str = "",
    revision: str = "",
    data: bytes | None = None,
    scores: Scores = (),
) -> Audited:
    """Read a card and gather what is known outside it. `subject`, at `revision`, stands over the card's own id."""
    from repro.gather.gatherer import gather
    from repro.read.reader import read as read_bytes

    data, card, spec = read(path, shown_as=shown_as, data=data, scores=scores)
    source = source if source is not None else audit_source(options)
    evidence = gather(spec, source, lambda text, name: read_bytes(text, name)[1], subject=subject, revision=revision)
    if evidence.repos:
        from repro.read.eval_results import with_published

        spec = with_published(spec, evidence)
    return Audited(data, card, spec, evidence, source)


def check(
    path: str, options: Options, *, data: bytes | None = None, source: Source | None = None, scores: Scores = ()
) -> Report:
    """The static audit: read, gather (when a source was chosen), check. Loads no torch.

    `data` and `scores` are as for `read`; `source` is the place to look things up, when it is open.
    """
    from repro.check.completeness import completeness

    started = time.monotonic()
    audited = audit(path, options, source, data=data, scores=scores)
    return of_card(
        audited.card,
        audited.spec,
        audited.evidence,
        _findings(audited, options),
        tool_version=__version__,
        created=_now(),
        kind="check",
        completeness=completeness(audited.spec, audited.evidence),
        seconds=time.monotonic() - started,
    )


def _findings(audited: Audited, options: Options) -> tuple[Finding, ...]:
    from repro.check.checker import run_checks
    from repro.check.ignoring import ignored

    findings = run_checks(audited.spec, audited.evidence, select=options.select, ignore=options.ignore)
    wishes = options.ignores + (audited.spec.ignores if options.card_ignores else ())
    return ignored(findings, wishes) if wishes else findings


def plan(path: str, options: Options, *, dry_run: bool = False) -> tuple[Audited, Plan]:
    """The card's plan: every hole filled, each value with its origin; at full scale with what its claims cost.
    `dry_run` counts its memory on the models.

    Raises:
        PrerequisiteError: a dry run without torch and transformers, or of a model that they cannot build.
        UsageError: a rate below zero, or one that is no number.
    """
    from repro import quote

    quote.check_rate(options.rate)
    audited = audit(path, options)
    the_plan = resolve_plan(audited, options)
    if dry_run:
        from repro import measure

        the_plan = measure.dry_run(the_plan)
    return audited, quote.quoted(audited, the_plan, options)


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
        stages=options.stages,
        start=options.start or Start.REGENERATED,
    )


def run(path: str, options: Options, observer: Observer = ignore) -> Outcome | None:
    """Everything: read, gather, check, plan, train, evaluate, compare, render.

    None in a process that `accelerate launch` started only to help with the training.
    """
    from repro import measure, runs, shelf

    started = time.monotonic()
    if options.scale is Scale.FULL and options.source == "none" and not options.offline:
        options = replace(options, source="hub")
    audited = audit(path, options)
    findings = _findings(audited, options)
    the_plan = resolve_plan(audited, options)
    recipe = shelf.recipe_of(the_plan)
    folder = shelf.run_folder(options.reports, audited.card, recipe, audited.spec.model_id)
    shelf.prepare(folder, audited.data)
    watch = measure.watch_of(audited, the_plan) if options.stop_when_decided else None
    trained = measure.train(recipe, audited, folder, options, observer, watch=watch)
    finished = replace(trained, plan=the_plan)
    if not measure.is_main_process():
        return None
    scores = measure.score_run(finished, folder, options, observer)
    notes = [*runs.stop_notes(finished), *the_plan.notes]
    if options.scale is Scale.FULL and audited.source is not None:
        published, why, _ = measure.score_published(audited, finished, folder, options, observer)
        scores += published
        notes += [why] if why else []
    report = _report(audited, findings, the_plan, finished, scores, "run", tuple(notes), started, options.reports)
    report = runs.with_beside(report, audited.card, folder, options.reports)
    save(report, folder, audited.data, observer)
    return Outcome(report, folder)


def verify(target: str, against: str, options: Options, observer: Observer = ignore) -> Outcome:
    """The latest (or named) run against a published model: card and config compared, both models scored by the same
    harness on the same samples, published losses laid over the regenerated curve.

    What needs no network is done and saved first; `Outcome.blocked` then says what could not be.

    Raises:
        UsageError: `against` is neither "hub", a folder, nor REPO[@REV].
        PrerequisiteError: the folder does not exist.
    """
    from repro import measure, runs, shelf
    from repro.compare.published_card import beside_published
    from repro.gather.sources import not_found, open_published, read_against
    from repro.read.eval_results import with_earlier

    started = time.monotonic()
    options = replace(options, source="none")
    wanted = read_against(against)
    path, folder, before = runs.find_run(target, options)
    blocked: ReproError | None
    source, blocked = open_published(
        wanted, endpoint=options.endpoint, cache_folder=options.cache_folder, offline=options.offline
    )
    shown = before.card_source if before else path
    audited = audit(path, options, source, shown_as=shown, subject=wanted.repo_id, revision=wanted.revision)
    if before and path != target:  # the run's own copy of the card has no neighbours
        audited = audited._replace(spec=with_earlier(audited.spec, before.spec))
    subject = next(iter(audited.evidence.role("subject")), None)
    if source is not None and subject is None:
        blocked = not_found(audited.evidence.absences, wanted)
    notes = [f"Not verified: {blocked}."] if blocked else []
    if blocked and before and before.evidence.repos and not audited.evidence.repos and not wanted.repo_id:
        audited = audited._replace(evidence=before.evidence)
        notes.append(f"What is said here of other repositories was found by the run of {before.created[:10]}.")
    shelf.prepare(folder, audited.data)
    ran = before.plan if before else None
    again = runs.options_of(ran, options)
    the_plan, finished, since = measure.known_now(
        folder, ran, lambda scale: resolve_plan(audited, replace(again, scale=scale))
    )
    scores = tuple(s for s in before.scores if s.model != "published") if before else ()
    if subject is not None:
        notes += beside_published(audited.spec, subject)
        published, why, failure = measure.score_published(audited, finished, folder, options, observer)
        scores += published
        notes += [why] if why and finished else []
        blocked = blocked or failure
    if before is None:
        notes.append(runs.none_yet(target, options))
    findings = _findings(audited, options)
    notes += [*since, *(runs.stop_notes(finished) if finished else ()), *(the_plan.notes if the_plan else ())]
    report = _report(audited, findings, the_plan, finished, scores, "verify", tuple(notes), started, options.reports)
    report = runs.with_beside(report, audited.card, folder, options.reports)
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
    reports: Path,
) -> Report:
    from repro import shelf
    from repro.check.completeness import completeness
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
        completeness=completeness(audited.spec, audited.evidence),
        sensitivity=shelf.latest_sensitivity(reports, audited.card, audited.spec.model_id),
        seconds=time.monotonic() - started,
    )


def save(report: Report, folder: Path, data: bytes, observer: Observer = ignore) -> None:
    """Every rendering of a report, into its folder; report.json, the truth, last."""
    from repro import shelf
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


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime())
