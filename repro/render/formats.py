"""The table of report formats: a name and the function that writes it, loaded when it is used."""

from __future__ import annotations

from collections.abc import Callable

from repro.errors import PrerequisiteError
from repro.report import Report, to_json


def _markdown(report: Report) -> str:
    from repro.render.markdown import to_markdown

    return to_markdown(report)


def _html(report: Report) -> str:
    from repro.render.html import to_html

    if not report.stages:
        return to_html(report, {})
    from repro.render.plots import loss_plots

    try:
        plots = loss_plots(report)
    except PrerequisiteError:
        plots = {}
    return to_html(report, plots)


def _sarif(report: Report) -> str:
    from repro.render.sarif import to_sarif

    return to_sarif(report)


FORMATS: dict[str, Callable[[Report], str]] = {
    "json": to_json,
    "md": _markdown,
    "html": _html,
    "sarif": _sarif,
}
"""Add a format: one function, one row."""
