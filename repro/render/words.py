"""The words, marks and figures in which every rendering speaks of verdicts, origins and numbers."""

from __future__ import annotations

import math
from dataclasses import dataclass

from repro.finding import Outcome, Severity
from repro.spec import AnyFact, Origin, Value


@dataclass(frozen=True, slots=True)
class Word:
    """How one value of an enumeration is shown: a word, a mark for those who see no colours, a tone, a meaning."""

    key: str
    label: str
    mark: str
    tone: str
    """good, bad, warn, info, calm or mute: each rendering has its own colour for it."""
    meaning: str


ORIGINS: dict[Origin, Word] = {
    Origin.STATED: Word("stated", "stated", "●", "good", "the card says so"),
    Origin.FOUND: Word("found", "found", "◆", "info", "an artefact at a pinned revision says so"),
    Origin.DERIVED: Word("derived", "derived", "ƒ", "calm", "follows from other values by the formula shown"),
    Origin.ASSUMED: Word("assumed", "assumed", "△", "warn", "a recipe's default at a named commit, or --assume"),
    Origin.MISSING: Word("missing", "missing", "∅", "bad", "nobody says"),
}

SEVERITIES: dict[Severity, Word] = {
    Severity.HIGH: Word("high", "high", "▲", "bad", "changes what the model is or what its figures mean"),
    Severity.MEDIUM: Word("medium", "medium", "◆", "warn", "a careful person could not repeat the work without it"),
    Severity.LOW: Word("low", "low", "▽", "info", "worth a line in the card"),
    Severity.INFO: Word("info", "info", "·", "mute", "for information"),
}

OUTCOMES: dict[Outcome, str] = {
    Outcome.FAIL: "found",
    Outcome.UNKNOWN: "cannot tell",
    Outcome.PASS: "passed",
    Outcome.NOT_APPLICABLE: "not applicable",
}


def figure(value: float) -> str:
    """A measured number to four significant digits; thousands separated, tiny and huge ones in powers of ten."""
    if math.isnan(value) or math.isinf(value):
        return str(value)
    if value == int(value) and abs(value) < 1e15:
        return f"{int(value):,}"
    if abs(value) >= 1000:
        return f"{value:,.0f}" if abs(value) < 1e9 else f"{value:.3e}"
    text = f"{value:.4g}"
    if "e" in text or abs(value) >= 1:
        return text
    return f"{value:.4f}" if abs(value) >= 0.01 else text


def interval_text(interval: tuple[float, float] | None) -> str:
    """ "0.5132 to 0.6021", or nothing."""
    return "" if interval is None else f"{figure(interval[0])} to {figure(interval[1])}"


def value_text(value: Value | None) -> str:
    """A fact's value as people write it."""
    if value is None:
        return "?"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        return ", ".join(value)
    if isinstance(value, float):
        if value and (abs(value) < 1e-3 or abs(value) >= 1e9) and math.isfinite(value):
            mantissa, _, exponent = f"{value:.6e}".partition("e")
            return f"{mantissa.rstrip('0').rstrip('.')}e{int(exponent)}"
        return f"{value:g}"
    if isinstance(value, int) and abs(value) >= 10000:
        return f"{value:,}"
    return str(value)


def fact_text(fact: AnyFact) -> str:
    """The value of a fact; for one that could not be read, what was printed."""
    return fact.printed if fact.value is None and fact.printed else value_text(fact.value)


def duration(seconds: float) -> str:
    """ "0.4 s", "1 min 07 s", "5 h 11 min"."""
    if not math.isfinite(seconds) or seconds < 0:
        return "?"
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def moment(iso: str) -> str:
    """ "2026-11-23T05:10:44Z" as "2026-11-23 05:10 UTC"; anything else as it is."""
    if len(iso) >= 16 and iso[10:11] == "T" and iso.endswith(("Z", "+00:00")):
        return f"{iso[:10]} {iso[11:16]} UTC"
    return iso


def plural(count: int, one: str, many: str = "") -> str:
    """ "1 claim", "12 claims"."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"
