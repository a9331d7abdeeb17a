"""The forms of each noun as text: what `rendered` gives and the commands print."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from repro.plan import Plan
from repro.report import Report, as_json
from repro.spec import Spec

if TYPE_CHECKING:
    from rich.console import RenderableType

WIDTH = 120
"""Columns of a text that is for no terminal."""


def forms(noun: Report | Plan | Spec) -> Mapping[str, Callable[[], str]]:
    """The formats that a noun has, each with what writes it."""
    from repro.render import terminal

    if isinstance(noun, Report):
        from rich.console import Group

        from repro.render.formats import FORMATS

        told = {name: (lambda write=write: write(noun)) for name, write in FORMATS.items()}
        return {"text": lambda: plain(Group(terminal.ledger_view(noun), terminal.answer_view(noun))), **told}
    if isinstance(noun, Plan):
        from repro.render.plan_markdown import plan_markdown

        return {
            "text": lambda: plain(terminal.plan_view(noun)),
            "md": lambda: plan_markdown(noun, Spec(noun.card, "", "", "", (), (), (), ())),
            "json": lambda: as_json(noun),
        }
    return {"text": lambda: plain(terminal.spec_view(noun)), "json": lambda: as_json(noun)}


def plain(shown: RenderableType) -> str:
    """What a terminal would show, without colours."""
    from rich.console import Console

    console = Console(width=WIDTH, color_system=None, force_terminal=False, highlight=False)
    with console.capture() as capture:
        console.print(shown)
    return capture.get()
