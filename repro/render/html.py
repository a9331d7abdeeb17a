"""A report as one self-contained HTML page: nothing is fetched, nothing is run, every text of a card is escaped."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from repro.render.palette import PLOT_VARIABLES
from repro.render.templates import fill
from repro.render.view import view
from repro.report import Report

if TYPE_CHECKING:
    from markupsafe import Markup

_SVG = re.compile(r"<svg\b.*</svg>", re.DOTALL)
_METADATA = re.compile(r"<metadata>.*?</metadata>", re.DOTALL)
_SIZE = re.compile(r'(<svg\b[^>]*?)\swidth="[^"]*"|(<svg\b[^>]*?)\sheight="[^"]*"')
_ID = re.compile(r'(\bid="|url\(#|href="#)')
_COLOUR = re.compile(r"#[0-9a-fA-F]{6}\b")


@dataclass(frozen=True, slots=True)
class Picture:
    """One drawing, ready to stand in the page."""

    name: str
    svg: Markup


def to_html(report: Report, plots: Mapping[str, bytes | str]) -> str:
    """report.html. `plots` are SVG pictures by name; what is no SVG is left out."""
    pictures = [inline(name, data) for name, data in plots.items()]
    return fill("report.html.j2", {"view": view(report), "plots": [p for p in pictures if p is not None]})


def inline(name: str, data: bytes | str) -> Picture | None:
    """An SVG file's element as part of a page: ids made unique, colours following the page's, size by its width."""
    from markupsafe import Markup

    text = data.decode("utf-8", "replace") if isinstance(data, bytes) else data
    found = _SVG.search(text)
    if found is None:
        return None
    svg = _METADATA.sub("", found[0])
    svg = _SIZE.sub(lambda m: m[1] or m[2], svg, count=1)
    svg = _SIZE.sub(lambda m: m[1] or m[2], svg, count=1)
    prefix = re.sub(r"[^A-Za-z0-9-]", "-", name)
    svg = _ID.sub(lambda m: f"{m[1]}{prefix}-", svg)
    svg = _COLOUR.sub(lambda m: PLOT_VARIABLES.get(m[0].lower(), m[0]), svg)
    label = name.rsplit(".", 1)[0].replace("-", " ")
    svg = svg.replace("<svg ", f'<svg role="img" aria-label="{Markup.escape(label)}" ', 1)
    return Picture(name, Markup(svg))
