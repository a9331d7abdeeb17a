"""The words and marks in which every rendering speaks of verdicts and what they weigh."""

from __future__ import annotations

from repro.comparison import Verdict, Weight
from repro.render.words import Word

VERDICTS: dict[Verdict, Word] = {
    Verdict.REPRODUCED: Word(
        "REPRODUCED",
        "reproduced",
        "✓",
        "good",
        "measured at the claim's own scale; agrees within a margin that was stated before looking",
    ),
    Verdict.DIFFERS: Word(
        "DIFFERS",
        "differs",
        "✗",
        "bad",
        "measured at the claim's own scale, or decided by arithmetic or an artefact; does not agree",
    ),
    Verdict.INCONCLUSIVE: Word("INCONCLUSIVE", "inconclusive", "?", "warn", "measured, but too noisy to say"),
    Verdict.NOT_COMPARABLE: Word(
        "NOT_COMPARABLE",
        "not comparable",
        "∥",
        "info",
        "measured under other conditions: the numbers stand side by side and no more is said",
    ),
    Verdict.CONSISTENT: Word(
        "CONSISTENT", "consistent", "≈", "calm", "not regenerated; evidence of a lower kind, which is named, agrees"
    ),
    Verdict.UNTESTED: Word("UNTESTED", "untested", "·", "mute", "nothing was measured"),
    Verdict.UNSTATED: Word("UNSTATED", "left open", "○", "mute", "the card announces a figure and leaves it open"),
}

NOT_COMPARED = Word("", "not compared", "–", "mute", "this audit read and checked the card, and compared nothing")

WEIGHTS: dict[Weight, str] = {
    Weight.NONE: "○○○ none",
    Weight.WEAK: "●○○ weak",
    Weight.MODERATE: "●●○ moderate",
    Weight.STRONG: "●●● strong",
}
