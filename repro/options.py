"""What was asked of one audit, what it works on, and what it leaves."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from repro.card import Card, Ignore
from repro.errors import ReproError
from repro.evidence import Evidence, Source
from repro.report import Report
from repro.spec import Spec
from repro.task import Scale, Start


@dataclass(frozen=True, slots=True)
class Options:
    """What the user asked for, as plain values."""

    reports: Path = Path("reports")
    scale: Scale = Scale.PROXY
    assume: Mapping[str, str] = dataclasses.field(default_factory=dict)
    seed: int | None = None
    num_seeds: int | None = None
    source: str = "none"
    """Where to look for what the card does not say: "none", "hub", or a folder laid out like one."""
    endpoint: str | None = None
    offline: bool = False
    select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    """Checks that are not run."""
    ignores: tuple[Ignore, ...] = ()
    """Checks that are run and whose findings are ignored, each with a reason."""
    card_ignores: bool = True
    """Whether a card may ask for checks to be ignored."""
    score_published: bool = False
    """Download and score the published model whatever its size."""
    report_to: tuple[str, ...] = ()
    """Trackers that a run's steps are told to: "tensorboard", "trackio", "wandb"."""
    max_samples: int | None = None
    """At most so many held-out samples a task."""
    stages: tuple[str, ...] = ()
    """The stages to regenerate; empty: all that the card describes."""
    start: Start | None = None
    """What a stage starts from where the card describes the one before it; None: the chain is regenerated, and a
    kept run of either start will do."""
    stop_when_decided: bool = False
    """End a stage where nothing more of it can change what is said of the claims."""
    rate: float | None = None
    """Money per device-hour, in whatever money it is; None: prices are device-hours alone."""

    @property
    def cache_folder(self) -> str:
        """Where what a Hub gave is kept."""
        return str(self.reports / ".cache" / "hub")

    @property
    def tokens_folder(self) -> str:
        """Where rows that were tokenised are kept for the next run on them."""
        return str(self.reports / ".cache" / "tokens")


class Audited(NamedTuple):
    """A card read, with what was found outside it."""

    data: bytes
    card: Card
    spec: Spec
    evidence: Evidence
    source: Source | None


class Outcome(NamedTuple):
    """A report and the folder that holds it; `blocked` says what could not be done, and why."""

    report: Report
    folder: Path
    blocked: ReproError | None = None
