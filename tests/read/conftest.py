"""Cards to read: the given one, and short ones written for these tests."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from repro.card import Card
from repro.read.reader import read
from repro.spec import Spec

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def given() -> tuple[Card, Spec]:
    return read((ROOT / "cards" / "dpo-mahals.md").read_bytes(), "cards/dpo-mahals.md")


@pytest.fixture(scope="session")
def spec_of() -> Callable[[str], Spec]:
    def make(text: str) -> Spec:
        return read(text.encode("utf-8"), "card.md")[1]

    return make
