"""The page on all checks, as Markdown: an index by family, a section for each, and how completeness is scored."""

from __future__ import annotations

from collections.abc import Iterable

from repro.check.checker import all_checks
from repro.check.explain import CONFIDENCE, linked
from repro.check.needs import tables
from repro.finding import NEEDS, Check, Family, Persona

_INTRODUCTION = """\
# What is checked

Every check asks one question of a card and gives one of four answers: **pass**, **fail**, **cannot tell** (with what
would be needed) or **not applicable**. Severity says how grave a failure is, confidence how sure, and the reader for
whom it is shown: an author sees what should be mended, `--persona auditor` shows everything. A check is chosen,
ignored and linked to by its code or its slug; neither ever changes its meaning.

This page is made of the checks' docstrings: `pytest tests/test_docs.py --update-goldens` writes it anew.
"""
_COMPLETENESS = """\
## Completeness

Beside the findings, a report says which facts keep the card's model from being regenerated: weightiest first, each
with the line where it belongs, why it matters, and what is assumed without it.

The score is 100 times the weight of the facts that are told over the weight of all that the making needs, rounded
down; with several training stages the mean over the stages. Which facts are needed depends on how the model was made
and on the stages that the card names, never on how much it tells of them: stating a missing fact never lowers the
score. What a parent's card tells of an earlier stage counts. A card with no making of its own (a copy, a conversion, a
stub) has nothing to regenerate and no score.
"""


def all_pages() -> str:
    """Every check's page in one document, ready to be written to a file."""
    checks = all_checks()
    families = [(family, [c for c in checks if c.family is family]) for family in Family]
    parts = [_INTRODUCTION, _index(families), _COMPLETENESS, *_needs()]
    for family, members in families:
        parts.append(f"## {family.value.capitalize()}\n")
        parts += [_section(check) for check in members]
    return "\n".join(parts)


def _index(families: Iterable[tuple[Family, list[Check]]]) -> str:
    lines = []
    for family, members in families:
        lines += [f"**{family.value.capitalize()}**", "", "| code | asks that | severity | confidence | shown to |"]
        lines.append("|---|---|---|---|---|")
        lines += [
            f"| [{c.code}](#{c.slug}) | {_cell(c.title)} | {c.severity.value} | {c.confidence.value} | {_readers(c)} |"
            for c in members
        ]
        lines.append("")
    return "\n".join(lines)


def _readers(check: Check) -> str:
    return "everybody" if check.persona is Persona.AUTHOR else "auditors"


def _cell(text: str) -> str:
    return text.strip().replace("|", "\\|")


def _section(check: Check) -> str:
    needs = ", ".join(NEEDS.get(n, n) for n in check.needs)
    sure = f"{check.confidence.value} ({CONFIDENCE[check.confidence]})"
    weight = f"Severity {check.severity.value}, confidence {sure}"
    lines = [
        f'<a id="{check.slug}"></a>',
        "",
        f"### {check.code} {check.slug}: {check.title.strip()}",
        "",
        f"{weight}, shown to {_readers(check)}. Reads {needs}.",
        "",
        f"**What it asks.** {check.what}",
        "",
        f"**Why it matters.** {check.why}",
        "",
        f"**What to do.** {check.fix}",
        "",
        "**Sources.**",
        "",
        *(f"- {linked(source)}" for source in check.sources),
    ]
    return "\n".join(lines) + "\n"


def _needs() -> Iterable[str]:
    for making, needs in tables():
        rows = [
            f"| {_cell(n.label)} | {n.weight} | {_cell(n.why)} | {_cell(n.assumed)} |"
            for n in sorted(needs, key=lambda n: -n.weight)
        ]
        head = "| fact | weight | why it matters | assumed without it |"
        yield "\n".join([f"### A {making}", "", head, "|---|---|---|---|", *rows, ""])
