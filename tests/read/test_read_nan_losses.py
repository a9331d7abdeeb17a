"""A loss that diverged is a figure that the card prints."""

from __future__ import annotations

from collections.abc import Callable

from repro.spec import ClaimKind, Spec


def test_nan_is_printed_and_has_no_value(spec_of: Callable[[str], Spec]) -> None:
    table = "| Training Loss | Step | Validation Loss |\n|---|---|---|\n| No log | 10 | nan |\n| 1.5 | 20 | 1.7 |\n"
    spec = spec_of(f"# SFT\n\n## Training results\n\n{table}")
    losses = [(c.step, c.split, c.printed, c.value) for c in spec.claims if c.kind is ClaimKind.LOSS]
    assert losses == [(20, "train", "1.5", 1.5), (10, "validation", "nan", None), (20, "validation", "1.7", 1.7)]
