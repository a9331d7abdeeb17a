"""A sweep's summary as Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from repro.render.safe_text import markdown_text, short
from repro.sweep_summary import DISTINCT, Quartiles, Summary

MOST_MISSING = 25


def to_markdown(summary: Summary) -> str:
    """summary.md: what was read, what is wrong how often, by dialect, and what could not be read."""
    s = summary
    parts = [
        f"# Sweep of {_safe(s.source)}",
        _overview(s),
        "## Findings",
        "Share of the cards that were read on which the check failed. A card counts once a check.",
        _table(
            ("check", "what it asks", "severity", "failed", "share", "cannot tell", "passed", "nothing to ask"),
            (
                (c.code, _safe(c.title), c.severity, f"{c.failed:,}", _percent(c.share), f"{c.unknown:,}",
                 f"{c.passed:,}", f"{c.not_applicable:,}")
                for c in s.checks
            ),
        ),
        "## Dialects and completeness",
        _table(
            ("dialect", "cards", "share", "completeness: first quartile", "median", "third quartile"),
            ((_safe(d.dialect), f"{d.cards:,}", _percent(d.share), *_quartiles(d.completeness)) for d in s.dialects),
        ),
        "## How the models came to be, as far as their cards tell",
        _table(("making", "cards"), ((_safe(name), f"{count:,}") for name, count in s.makings.items())),
        "## What would be needed to regenerate the models and is not told",
        _table(
            ("fact", "cards", "share"),
            ((_safe(k), f"{n:,}", _percent(n / max(1, s.read))) for k, n in list(s.missing.items())[:MOST_MISSING]),
        ),
        "## Slowest cards",
        _table(
            ("card", "where", "bytes", "seconds"),
            ((_safe(c.id), _safe(c.place), f"{c.bytes:,}", f"{c.seconds:.3f}") for c in s.slowest),
        ),
    ]  # fmt: skip
    if s.unread_places:
        parts += [
            "## Places of cards that could not be read",
            _table(("reason", "places"), ((_safe(reason), f"{count:,}") for reason, count in s.unread_places.items())),
        ]
    if s.errors:
        parts += [
            "## Rows that could not be read",
            _table(("reason", "rows"), ((_safe(reason), f"{count:,}") for reason, count in s.errors.items())),
            "The first of them:",
            "\n".join(f"- {_safe(line)}" for line in s.first_errors),
        ]
    return "\n\n".join(parts) + "\n"


def _overview(s: Summary) -> str:
    read = f"{s.read:,} of {s.rows:,} rows held a card that could be read"
    distinct = f"{s.distinct:,} different texts" if s.distinct < DISTINCT else f"{DISTINCT:,} or more different texts"
    lines = [
        f"- {read}; {distinct}.",
        f"- At least one check failed on {s.with_failures:,} cards ({_percent(s.with_failures / max(1, s.read))}).",
        f"- {s.with_problems:,} cards have a place that could not be read, such as broken front matter.",
        "- Findings by severity: " + ", ".join(f"{count:,} {name}" for name, count in s.severities.items()) + ".",
        f"- Reading and checking took {s.seconds:,.1f} s of one processor, {s.median_ms:.2f} ms for the median card.",
        f"- repro {s.tool_version}.",
    ]
    if s.completeness is not None:
        first, median, third = _quartiles(s.completeness)
        lines.insert(2, f"- Completeness (0 to 100): median {median}, half of the cards between {first} and {third}.")
    return "\n".join(lines)


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _safe(text: str) -> str:
    return str(markdown_text(short(text)))


def _percent(share: float) -> str:
    return f"{100 * share:.1f}%"


def _quartiles(values: Quartiles | None) -> tuple[str, str, str]:
    if values is None:
        return "", "", ""
    return f"{values.first:g}", f"{values.median:g}", f"{values.third:g}"
