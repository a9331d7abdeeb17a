"""What dialects hand over: one statement of the card each, not yet assigned to a stage."""

from __future__ import annotations

from typing import NamedTuple

from repro.card import Cell, Problem, Span
from repro.number import Number
from repro.spec import AnyFact, Fact, Origin, Value


class Parameter(NamedTuple):
    """One value in standard form."""

    key: str
    printed: str
    value: Value | None
    number: Number | None = None
    why: str = ""


class Statement(NamedTuple):
    """One "key is value" that the card prints somewhere."""

    key: str
    """A standard term, or the label as written (in snake case) where no term is known."""
    printed: str
    span: Span
    value: Value | None = None
    number: Number | None = None
    why: str = ""
    stage: str = ""
    """The stage that the place names ("dpo", "sft", "#2" for a second training), or empty."""
    label: str = ""
    medium: str = ""
    """"table", "list", "prose", "diagram", "code" or "front matter"."""
    cell: Cell | None = None
    known: bool = True
    """Whether `key` is a term the reader knows."""
    group: int = -1
    """The table, list or code block it stands in, by its place among the card's blocks; -1 for a sentence."""

    def fact(self, why: str = "") -> AnyFact:
        reasons = "; ".join(reason for reason in (self.why, why) if reason)
        return Fact(self.key, self.value, Origin.STATED, self.printed, self.span, reasons, self.number)


class Reading(NamedTuple):
    """One loss (or other figure) that the card prints for a step, an epoch or the end of training."""

    metric: str
    """"loss", "eval_loss" or a folded name ("rewards_chosen", "accuracy")."""
    printed: str
    span: Span
    number: Number | None
    step: int | None = None
    step_printed: str = ""
    step_cell: Cell | None = None
    epoch: float | None = None
    split: str = "train"
    stage: str = ""
    window: int = 1
    window_why: str = ""
    """Set when the window is not known: the figure may be a mean over more steps than `window`."""
    cell: Cell | None = None
    note: Cell | None = None
    why: str = ""
    group: int = 0
    """Readings of one table share it; the first of them is what relative changes refer to."""


class Result(NamedTuple):
    """One score that the card prints for its model."""

    task: str
    metric: str
    printed: str
    span: Span
    number: Number | None
    conditions: tuple[AnyFact, ...] = ()
    cell: Cell | None = None
    split: str = "test"
    step: int | None = None
    epoch: float | None = None
    stage: str = ""


class Memory(NamedTuple):
    """Memory that inference needs in one precision, as the card prints it."""

    precision: str
    precision_printed: str
    printed: str
    span: Span
    number: Number | None
    cell: Cell | None
    gpus: tuple[str, ...] = ()
    gpus_printed: str = ""


class Part(NamedTuple):
    """One stage of a training pipeline that the card draws: from one model, by a method, to the next."""

    stage: str
    method: str
    base: str
    base_span: Span
    produces: str
    produces_span: Span
    span: Span
    dataset: str = ""
    fraction: Statement | None = None
    this_model: bool = False
    """Whether `produces` is marked as the model that the card describes."""


class Gathered(NamedTuple):
    """Everything that one dialect reads from one card."""

    statements: tuple[Statement, ...] = ()
    readings: tuple[Reading, ...] = ()
    results: tuple[Result, ...] = ()
    memories: tuple[Memory, ...] = ()
    parts: tuple[Part, ...] = ()
    problems: tuple[Problem, ...] = ()

    def with_all(self, other: Gathered) -> Gathered:
        if other == _NOTHING:
            return self
        return Gathered(
            self.statements + other.statements,
            self.readings + other.readings,
            self.results + other.results,
            self.memories + other.memories,
            self.parts + other.parts,
            self.problems + other.problems,
        )


_NOTHING = Gathered()
