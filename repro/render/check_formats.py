"""The table of formats in which `repro check` gives a whole run: a name and the function that writes it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from repro.checked import CheckRun
from repro.finding import Outcome


def _json(run: CheckRun) -> str:
    from repro.render.check_json import to_check_json

    return to_check_json(run)


def _sarif(run: CheckRun) -> str:
    from repro.render.sarif import cards_to_sarif

    return cards_to_sarif(run)


def _github(run: CheckRun) -> str:
    from repro.render.annotations import to_annotations

    return to_annotations(run)


def _markdown(run: CheckRun) -> str:
    from repro.render.check_markdown import to_check_markdown

    return to_check_markdown(run)


def _html(run: CheckRun) -> str:
    from repro.render.html import to_html

    card = run.cards[0]
    seen = (f for f in card.report.findings if f.outcome is not Outcome.FAIL or f.ignored or card.reader.sees(f))
    return to_html(replace(card.report, findings=tuple(seen)), {})


CHECK_FORMATS: dict[str, Callable[[CheckRun], str]] = {
    "json": _json,
    "sarif": _sarif,
    "github": _github,
    "md": _markdown,
    "html": _html,
}
"""Add a format: one function, one row. Text is none of them: it is shown card by card."""
