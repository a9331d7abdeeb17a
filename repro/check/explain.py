"""The page on one check, as Markdown: the same words that the check's docstring has."""

from __future__ import annotations

import re

from repro.finding import NEEDS, Check, Persona, Severity

CONFIDENCE = {
    Severity.HIGH: "a failure is a fact",
    Severity.MEDIUM: "a failure is very likely one",
    Severity.LOW: "a failure deserves a look",
    Severity.INFO: "a failure is a remark",
}
_ADDRESS = re.compile(r"https?://[^\s;]+")


def explain(check: Check) -> str:
    """What the check asks, why, what to do about it, and where the knowledge comes from."""
    needs = ", ".join(NEEDS.get(n, n) for n in check.needs)
    sure = f"{check.confidence.value} ({CONFIDENCE[check.confidence]})"
    weight = f"severity: {check.severity.value} · confidence: {sure}"
    shown = "" if check.persona is Persona.AUTHOR else " · shown to auditors"
    lines = [
        f"# {check.code}: {check.title}",
        "",
        f"`{check.slug}` · family: {check.family.value} · {weight}{shown}",
        "",
        "## What it asks",
        "",
        check.what,
        "",
        "## Why it matters",
        "",
        check.why,
        "",
        "## What to do",
        "",
        check.fix,
        "",
        "## What it needs",
        "",
        f'It reads {needs}. Without that the answer is "cannot tell", never a guess.',
        "",
        "## Sources",
        "",
        *(f"- {linked(source)}" for source in check.sources),
    ]
    return "\n".join(lines) + "\n"


def linked(source: str) -> str:
    """A source with its addresses marked as links."""
    return _ADDRESS.sub(lambda m: f"<{m.group(0)}>", source)
