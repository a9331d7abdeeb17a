"""What deciding a card's claims costs, as rows of text: claims with one answer together, and the runs that decide."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby

from repro.need import RUNS, By
from repro.price import Price, PricedRun, Prices
from repro.render.words import figure, plural

TITLE = "What deciding each claim costs"
STARTS = {
    "published": "From the published parent, each stage alone",
    "regenerated": "The whole chain, every parent regenerated",
}
ESTIMATE = (
    "Hours are device-hours, estimated by the formulas shown; loading, data and failures come on top. With "
    "--stop-when-decided a run ends where nothing more of it can change a verdict."
)


@dataclass(frozen=True, slots=True)
class PriceRow:
    """One claim, or several that the same sentence answers."""

    claims: tuple[tuple[str, str], ...]
    """(what is claimed, as printed)."""
    by: str
    steps: str
    alone: str
    """Device-hours from the published parent."""
    chain: str
    money: str
    why: str


@dataclass(frozen=True, slots=True)
class RunRow:
    """One run that tests all that a run from its start can."""

    title: str
    cost: str
    hows: tuple[str, ...]
    command: str


def price_rows(prices: Prices) -> tuple[PriceRow, ...]:
    """Rows by what decides: runs first, dearest last, then what costs nothing, then what no run decides."""
    order = [By.STEPS, By.STAGE, By.SCORES, By.LOOK_UP, By.NOTHING, By.NO_RUN, By.OPEN]
    rows = sorted(prices.claims, key=lambda p: (order.index(p.need.by), p.device_hours or 0.0))
    grouped = groupby(rows, key=lambda p: (p.need.by, p.need.why))
    return tuple(_row(tuple(together), prices.rate) for _, together in grouped)


def run_rows(prices: Prices) -> tuple[RunRow, ...]:
    """The runs, cheapest first."""
    return tuple(_run(run, prices.rate) for run in prices.runs)


def summary(prices: Prices) -> str:
    """One sentence: how many claims are decided already, how many a run decides, and what that costs."""
    by = [p.need.by for p in prices.claims]
    free, look, runs = by.count(By.NOTHING), by.count(By.LOOK_UP), sum(b in RUNS for b in by)
    parts = [f"{plural(free, 'claim')} cost nothing: arithmetic or an artefact decides them" if free else ""]
    parts.append(f"{look} may be settled by a look-up" if look else "")
    if runs and prices.runs:
        best = prices.runs[0]
        parts.append(f"{plural(runs, 'claim')} take a run, at best {_cost(best, prices.rate)}")
    elif not runs:
        parts.append("no claim is left that a run would decide")
    rest = by.count(By.NO_RUN)
    parts.append(f"{rest} no run of this version decides" if rest else "")
    text = "; ".join(part for part in parts if part)
    return f"{text[:1].upper()}{text[1:]}."


def _row(prices: tuple[Price, ...], rate: float | None) -> PriceRow:
    first = prices[0]
    trained = first.need.by in RUNS
    steps = ""
    if trained:
        steps = "?" if first.steps is None else f"{first.steps:,}"
        if first.total_steps is not None:
            steps += f" of {first.total_steps:,}"
    free = first.need.by in {By.NOTHING, By.LOOK_UP}
    hours = ("0" if free else "", "0" if free else "")
    if trained:
        hours = (_hours(first.alone_hours), _hours(first.chain_hours))
    money = "" if rate is None else "0" if free else _money(first.money) if trained else ""
    return PriceRow(
        tuple((p.text, p.printed or "left open") for p in prices),
        first.need.by.value,
        steps,
        *hours,
        money,
        first.need.why,
    )


def _run(run: PricedRun, rate: float | None) -> RunRow:
    title = f"{STARTS[run.start]}: tests {plural(len(run.claims), 'claim')}"
    hows = [p.how for p in run.parts]
    if len(run.parts) > 1 and run.device_hours is not None:
        hows.append(
            f"{' + '.join(_hours(p.device_hours) for p in run.parts)} = {_hours(run.device_hours)} device-hours"
        )
    hows.append(f"devices: {run.devices_how}")
    if run.hours is not None and run.device_hours is not None:
        hows.append(f"on the clock: {run.device_hours:.3g} device-hours / {run.devices} = {run.hours:.3g} h")
    if rate is not None and run.money is not None and run.device_hours is not None:
        hows.append(f"money: {run.device_hours:.3g} device-hours x {figure(rate)} a device-hour = {_money(run.money)}")
    return RunRow(title, _cost(run, rate), tuple(hows), run.command)


def _cost(run: PricedRun, rate: float | None) -> str:
    if run.device_hours is None:
        return "a cost that is not known: the model's size or the rows are not"
    text = f"{_hours(run.device_hours)} {run.device}-hours"
    if run.devices is not None and run.hours is not None:
        text += f", {_hours(run.hours)} h on {plural(run.devices, run.device)}"
    return text + (f", {_money(run.money)} at {figure(rate)} a device-hour" if rate is not None else "")


def _hours(hours: float | None) -> str:
    return "?" if hours is None else f"{hours:.1f}" if hours >= 1 else f"{hours:.2g}"


def _money(money: float | None) -> str:
    return "?" if money is None else f"{money:,.2f}"
