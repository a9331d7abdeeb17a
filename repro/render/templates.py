"""The folder of templates, and the two ways of filling one: HTML and Markdown, both escaping all they are given."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from repro.errors import ReproError
from repro.render.safe_text import clean, markdown_code, markdown_fence, markdown_text

if TYPE_CHECKING:
    from jinja2 import Environment

_PACKAGE = Path(__file__).resolve().parent.parent


def folder() -> Path:
    """Where the templates are: inside an installed package, or at the root of a checkout.

    Raises:
        ReproError: in neither place.
    """
    places = (_PACKAGE / "_data" / "templates", _PACKAGE.parent / "templates")
    for place in places:
        if (place / "report.md.j2").is_file():
            return place
    raise ReproError("the report templates are missing", where=str(places[0]), hint="install the package again")


def fill(name: str, context: dict[str, Any]) -> str:
    """The template `name` with `context` in it. What is in the context is data, whatever it looks like.

    Markdown templates escape every value that is not `Markdown` already; HTML ones every value that is not `Markup`.
    An unknown name in a template is an error, never an empty string.
    """
    return _environment(name.endswith(".html.j2")).get_template(name).render(context)


@cache
def _environment(html: bool) -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(folder()),
        undefined=StrictUndefined,
        autoescape=html,
        finalize=_html_value if html else markdown_text,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["code"] = markdown_code
    environment.filters["fence"] = markdown_fence
    return environment


def _html_value(value: object) -> object:
    # Markup is a str too: what was made here stays, what came from a card loses its controls and is then escaped.
    return clean(value) if type(value) is str else value
