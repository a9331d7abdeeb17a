"""The price of deciding a card's claims: what each needs by what is known without a run, priced on its plan."""

from __future__ import annotations

from repro.errors import UsageError
from repro.options import Audited, Options
from repro.plan import Plan
from repro.task import Scale


def check_rate(rate: float | None) -> None:
    """
    Raises:
        UsageError: a rate below zero, or one that is no number.
    """
    if rate is not None and not 0 <= rate < float("inf"):
        raise UsageError(f"--rate {rate}: money per device-hour, such as --rate 2.5")


def quoted(audited: Audited, plan: Plan, options: Options) -> Plan:
    """The plan with what deciding each claim costs; at proxy scale as it is, for a stand-in decides no number."""
    if options.scale is not Scale.FULL:
        return plan
    from repro.compare.deciding import needs_of
    from repro.evaluate.catalogue import task_names
    from repro.resolve.pricing import Asked, priced

    needs = needs_of(audited.spec, audited.evidence, plan, task_names())
    asked = Asked(options.assume, options.seed, options.num_seeds)
    return priced(plan, audited.spec, needs, asked, options.rate)
