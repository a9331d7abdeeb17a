"""The colours of verdicts and of plots, chosen to stay apart for those who see fewer of them."""

from __future__ import annotations

TONES = {
    "good": "#1b7a4d",
    "bad": "#b3261e",
    "warn": "#94610a",
    "info": "#3b5ea8",
    "calm": "#0f7380",
    "mute": "#6a7178",
}
"""On white, each has a contrast of at least 4.5 to 1."""

TERMINAL = {
    "good": "green",
    "bad": "red",
    "warn": "yellow",
    "info": "blue",
    "calm": "cyan",
    "mute": "bright_black",
}

INK = "#22272c"
SOFT = "#5a636b"
GRID = "#e4e5e0"
PAPER = "#fefefc"
CURVES = ("#8fa6cf", "#c9b58a", "#9dc3ae", "#c7a3bd", "#b3b3b3")
"""Single steps, one colour a seed."""
MEANS = ("#33548f", "#8a6a1f", "#2f7353", "#84486f", "#555555")
"""Local means, one colour a seed."""
PUBLISHED = "#a8551e"

PLOT_VARIABLES = {
    INK: "var(--ink)",
    SOFT: "var(--soft)",
    GRID: "var(--line)",
    PAPER: "var(--sheet)",
    PUBLISHED: "var(--published)",
    CURVES[0]: "var(--curve)",
    MEANS[0]: "var(--mean)",
    **{colour: f"var(--{tone})" for tone, colour in TONES.items()},
}
"""Colours of a plot -> the page's variables, so that a picture in a page follows its dark and light."""
