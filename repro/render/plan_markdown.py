"""A plan as GitHub Markdown: its values, what it takes, and what deciding each claim costs."""

from __future__ import annotations

from repro.plan import Plan
from repro.render.places import card_lines
from repro.render.plan_rows import cost, plan_stages
from repro.render.price_rows import ESTIMATE, TITLE, price_rows, run_rows, summary
from repro.render.starts import scale_words
from repro.render.templates import fill
from repro.spec import Spec


def plan_markdown(plan: Plan, spec: Spec) -> str:
    """The plan of the card that `spec` is of."""
    scale, text = scale_words(plan)
    prices = plan.prices
    return fill(
        "plan.md.j2",
        {
            "card": plan.card,
            "scale": scale,
            "scale_text": text,
            "recipe": plan.recipe,
            "notes": plan.notes,
            "stages": plan_stages(plan, spec, card_lines(spec)),
            "scaled": plan.scaled,
            "costs": tuple(cost(f) for f in plan.feasibility),
            "prices_title": TITLE,
            "summary": "" if prices is None else summary(prices),
            "prices": () if prices is None else price_rows(prices),
            "rate": prices is not None and prices.rate is not None,
            "runs": () if prices is None else run_rows(prices),
            "estimate": ESTIMATE,
            "commands": plan.commands,
        },
    )
