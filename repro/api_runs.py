"""Planning, running and verifying as calls on the same nouns: for notebooks and programs."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from repro.api import PathLike, options_of
from repro.errors import UsageError
from repro.options import Outcome
from repro.task import SENSITIVITY_STEPS, Observer, Scale, Start, ignore

if TYPE_CHECKING:
    from repro.plan import Plan
    from repro.sensitivity import Sensitivity


def plan_card(
    card: PathLike,
    *,
    scale: Scale | str = Scale.FULL,
    stages: Sequence[str] = (),
    start: Start | str | None = None,
    assume: Mapping[str, object] | None = None,
    seed: int | None = None,
    seeds: int | None = None,
    source: str = "none",
    endpoint: str | None = None,
    offline: bool = False,
    rate: float | None = None,
    dry_run: bool = False,
) -> Plan:
    """Every value a run needs with its origin, what it takes, and what deciding each claim costs (`repro plan`).

    Args:
        stages: names of the stages to regenerate; empty for all.
        start: "published" or "regenerated": what a stage starts from whose parent the card describes too.
        assume: values that stand over the card's: {"dpo.beta": 0.1}.
        seeds: how many runs, one a seed.
        rate: money per device-hour, for `Plan.prices`.
        dry_run: count the memory on the models themselves, built without memory; needs torch and transformers.

    Raises:
        CardError: the file cannot be read as a card.
        HoleError: a run needs a fact that the card lacks and no recipe gives.
        UsageError: an option names what does not exist.
    """
    from repro import pipeline

    given = options_of(scale=scale, start=start, source=source, endpoint=endpoint, offline=offline, assume=assume)
    wished = replace(given, stages=tuple(stages), seed=seed, num_seeds=seeds, rate=rate)
    return pipeline.plan(os.fspath(card), wished, dry_run=dry_run)[1]


def study_card(
    card: PathLike,
    *,
    steps: int = SENSITIVITY_STEPS,
    reports: PathLike = "reports",
    assume: Mapping[str, object] | None = None,
    observer: Observer = ignore,
) -> Sensitivity:
    """How far each value that the card leaves open moves its claims, on the stand-in (`repro plan --sensitivity`).

    Raises:
        HoleError: a run needs a fact that the card lacks and no recipe gives.
        RunError: the baseline did not finish.
    """
    from repro import pipeline, whatif

    given = options_of(scale=Scale.PROXY, assume=assume, reports=reports)
    return whatif.study(pipeline.audit(os.fspath(card), given), given, observer, steps=steps)


def run_card(
    card: PathLike,
    *,
    scale: Scale | str = Scale.PROXY,
    stages: Sequence[str] = (),
    start: Start | str | None = None,
    stop_when_decided: bool = False,
    assume: Mapping[str, object] | None = None,
    seed: int | None = None,
    seeds: int | None = None,
    source: str = "none",
    endpoint: str | None = None,
    offline: bool = False,
    reports: PathLike = "reports",
    max_samples: int | None = None,
    score_published: bool = False,
    report_to: Sequence[str] = (),
    observer: Observer = ignore,
) -> Outcome:
    """Everything: read, gather, check, plan, train, evaluate, compare, render (`repro run`). Called again, it resumes.

    Args:
        scale: "proxy" (a stand-in, minutes on a laptop) or "full" (the recipe as stated).
        stop_when_decided: end a stage where nothing more of it can change what is said of the claims.
        reports: the folder under which the report and all that it rests on are kept.
        observer: told of progress; see `repro.task.Progress`.

    Returns:
        The report, and the folder that holds it.

    Raises:
        HoleError: a run needs a fact that the card lacks and no recipe gives.
        PrerequisiteError: a package, the weights, the data or the network are missing.
        RunError: training or evaluation did not finish.
        UsageError: an option names what does not exist; or this process only helps with another's training.
    """
    from repro import pipeline

    given = options_of(
        scale=scale, start=start, source=source, endpoint=endpoint, offline=offline, assume=assume, reports=reports
    )
    wished = replace(
        given,
        stages=tuple(stages),
        stop_when_decided=stop_when_decided,
        seed=seed,
        num_seeds=seeds,
        max_samples=max_samples,
        score_published=score_published,
        report_to=tuple(report_to),
    )
    outcome = pipeline.run(os.fspath(card), wished, observer)
    if outcome is None:
        raise UsageError("this process helps the main one with its training and has no report", hint="use its outcome")
    return outcome


def verify_card(
    target: PathLike = "",
    against: str = "hub",
    *,
    stages: Sequence[str] = (),
    start: Start | str | None = None,
    endpoint: str | None = None,
    offline: bool = False,
    reports: PathLike = "reports",
    max_samples: int | None = None,
    score_published: bool = False,
    observer: Observer = ignore,
) -> Outcome:
    """The latest run of a card, or the run in a folder, against the published model (`repro verify`).

    `Outcome.blocked` is the error that kept some of it from being done; what needs no network is done all the same.

    Args:
        target: a card, a run's folder, or empty for the latest run of any card.
        against: "hub", a local folder, or REPO[@REVISION].
        stages: only a run that regenerated these.
        start: only a run from that start; either, by default.

    Raises:
        UsageError: `against` is none of these.
        PrerequisiteError: there is no run yet, or the folder does not exist.
    """
    from repro import pipeline

    given = options_of(start=start, endpoint=endpoint, offline=offline, reports=reports)
    wished = replace(given, stages=tuple(stages), max_samples=max_samples, score_published=score_published)
    return pipeline.verify(os.fspath(target), against, wished, observer)
