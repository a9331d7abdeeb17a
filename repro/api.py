"""What the commands do without training, as calls on the same nouns: for notebooks and programs."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from repro.errors import UsageError
from repro.options import Options
from repro.report import Report
from repro.spec import Spec
from repro.task import Observer, Scale, Start, ignore

if TYPE_CHECKING:
    from repro.mend import Mended
    from repro.plan import Plan
    from repro.sweep_summary import Summary

PathLike = str | os.PathLike[str]


def read_card(card: PathLike) -> Spec:
    """What a card says: stages, facts with origin and lines, claims (`repro read`).

    Raises:
        CardError: the file cannot be read as a card.
    """
    from repro import pipeline

    return pipeline.read(os.fspath(card))[2]


def check_card(
    card: PathLike,
    *,
    select: Sequence[str] = (),
    ignore: Sequence[str] = (),
    source: str = "none",
    endpoint: str | None = None,
    offline: bool = False,
) -> Report:
    """The static audit of one card (`repro check`): findings and completeness. Loads no torch; no network unless asked.

    Args:
        select: codes, beginnings of codes or slugs of the checks to run; empty for all.
        ignore: those not to run.
        source: where to look up parents' cards, configurations and data: "none", "hub", or a folder laid out like it.

    Raises:
        CardError: the file cannot be read as a card.
        UsageError: a selector names no check.
    """
    from repro import pipeline

    given = options_of(source=source, endpoint=endpoint, offline=offline)
    return pipeline.check(os.fspath(card), replace(given, select=tuple(select), ignore=tuple(ignore)))


def mend_card(card: PathLike, *, write: bool = False) -> Mended:
    """The fixes that need no judgement (`repro check --diff`, and with `write` `--fix`): the card before and after.

    Raises:
        CardError: the file cannot be read as a card.
        ReproError: it cannot be written.
    """
    from repro import pipeline
    from repro.mend import Look, mend, write_mended

    path = os.fspath(card)

    def look(data: bytes) -> Look:
        report = pipeline.check(path, Options(), data=data)
        return Look(report.findings, report.spec.problems)

    mended = mend(Path(path).read_bytes(), look)
    if write and mended.changed:
        write_mended(path, mended)
    return mended


def refresh_card(card: PathLike, *, reports: PathLike = "reports") -> bytes:
    """The author's card with a Reproducibility section from its latest report (`repro card`); no other byte changes.

    Raises:
        PrerequisiteError: there is no report on the card as it stands.
    """
    from repro import refresh

    return refresh.refreshed_card(os.fspath(card), options_of(reports=reports))[0]


def propose_card(card: PathLike, *, reports: PathLike = "reports", endpoint: str | None = None) -> str:
    """Open a pull request with the refreshed card (`repro card --open-pr`); its address.

    Raises:
        PrerequisiteError: no report, no token, no network, or the card does not name its repository.
    """
    from repro import refresh

    given = options_of(reports=reports, endpoint=endpoint)
    data, report = refresh.refreshed_card(os.fspath(card), given)
    return refresh.propose_card(data, report, given)


def explain_check(code: str) -> str:
    """A check's page as Markdown, by code or slug: what, why, how to fix, sources (`repro explain`).

    Raises:
        UsageError: no check is called so.
    """
    from repro.check.checker import find_check, near
    from repro.check.explain import explain

    found = find_check(code)
    if found is None:
        close = ", ".join(near(code))
        raise UsageError(f"no check is called {code!r}", hint=f"near it: {close}" if close else "")
    return explain(found)


def sweep_cards(source: PathLike, output: PathLike, *, jobs: int = 1, observer: Observer = ignore) -> Summary:
    """Thousands of cards of a folder, JSON lines or Parquet, read and checked (`repro sweep`).

    Raises:
        CardError: the source does not exist, or holds nothing that could be cards.
        UsageError: the output holds another sweep or something else.
        PrerequisiteError: pyarrow is not installed.
    """
    from repro.sweep import SweepOptions, sweep

    return sweep(Path(source), SweepOptions(output=Path(output), jobs=jobs), observer)


def rendered(noun: Report | Plan | Spec, format: str = "text") -> str:
    """A report ("text", "md", "html", "json", "sarif"), a plan ("text", "md", "json") or a spec ("text", "json").

    Raises:
        UsageError: there is no such format of it.
    """
    from repro.rendering import forms

    own = forms(noun)
    if format not in own:
        raise UsageError(f"a {type(noun).__name__.lower()} has no format {format!r}", hint=f"it has {', '.join(own)}")
    return own[format]()


def options_of(
    *,
    scale: Scale | str = Scale.PROXY,
    start: Start | str | None = None,
    source: str = "none",
    endpoint: str | None = None,
    offline: bool = False,
    assume: Mapping[str, object] | None = None,
    reports: PathLike = "reports",
) -> Options:
    """The options that several calls share, from plain values.

    Raises:
        UsageError: a word that is none of those there are, or two that contradict each other.
    """
    if endpoint and source == "none" and not offline:
        source = "hub"
    if offline and source == "hub":
        raise UsageError("offline and source='hub' contradict each other", hint="drop one of them")
    return Options(
        reports=Path(reports),
        scale=_one_of(Scale, scale, "scale"),
        start=None if start is None else _one_of(Start, start, "start"),
        source=source,
        endpoint=endpoint,
        offline=offline,
        assume={key: str(value) for key, value in (assume or {}).items()},
    )


def _one_of(kind: Any, value: Any, name: str) -> Any:
    try:
        return kind(value)
    except ValueError:
        raise UsageError(f"{name}={value!r}: it is {' or '.join(repr(k.value) for k in kind)}") from None
