"""What deciding the claims of a card costs: each one's cheapest run, and the one run that decides them all."""

from __future__ import annotations

from dataclasses import dataclass

from repro.need import Need


@dataclass(frozen=True, slots=True)
class Price:
    """One claim's cheapest run; the numbers are None where none is needed, or where size or rows are not known."""

    need: Need
    printed: str
    """The claim as the card prints it."""
    text: str
    steps: int | None = None
    """Optimizer steps of the claim's stage to train."""
    total_steps: int | None = None
    """Optimizer steps of the whole stage."""
    alone_hours: float | None = None
    """Device-hours of those steps from the published parent, all runs together."""
    chain_hours: float | None = None
    """The same with the stages that the claim's stems from regenerated before it."""
    device_hours: float | None = None
    """The cheaper of the two."""
    money: float | None = None
    """Device-hours x the rate, in whatever money the rate is; None without a rate."""


@dataclass(frozen=True, slots=True)
class Part:
    """The steps of one stage that a run takes."""

    stage: str
    steps: int | None
    total_steps: int | None
    device_hours: float | None
    how: str
    """The formula with its numbers."""


@dataclass(frozen=True, slots=True)
class PricedRun:
    """One run that decides all claims that a run from its start can decide."""

    start: str
    """"published" or "regenerated"."""
    parts: tuple[Part, ...]
    claims: tuple[str, ...]
    """Ids of the claims that it decides."""
    device: str
    """The device that the hours are of: "A100"."""
    devices: int | None
    """The fewest that hold the training state."""
    devices_how: str
    device_hours: float | None
    """All seeds together."""
    hours: float | None
    """On the clock, on that many devices at once."""
    money: float | None
    command: str


@dataclass(frozen=True, slots=True)
class Prices:
    """What deciding a card's claims costs."""

    rate: float | None
    """Money per device-hour, as given; None prints device-hours alone."""
    claims: tuple[Price, ...]
    """One for each claim, in the card's order."""
    runs: tuple[PricedRun, ...]
    """Cheapest first: from published parents, and the whole chain."""
