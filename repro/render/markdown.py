"""A report, or one check's page, as GitHub Markdown."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

from repro.finding import Check
from repro.render.templates import fill
from repro.render.view import view
from repro.report import Report


def to_markdown(report: Report, plots: Iterable[str] = ()) -> str:
    """report.md: the answer first, then everything the report holds.

    `plots` are paths of pictures, relative to where the text will stand; without them none is shown.
    """
    return fill("report.md.j2", {"view": view(report), "plots": tuple(plots)})


def check_markdown(check: Check) -> str:
    """The page of one check: what it asks, why, how to fix what it finds, and where that is known from."""
    # The function is code, which a template has no business with.
    fields = {f.name: getattr(check, f.name) for f in dataclasses.fields(check) if f.name != "function"}
    return fill("check.md.j2", fields)
