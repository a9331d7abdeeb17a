"""Checkpoints of real, tiny models, saved as transformers saves them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from evaluate_fixtures import save_tiny

Save = Callable[..., str]


@pytest.fixture(scope="session")
def save(tmp_path_factory: pytest.TempPathFactory) -> Save:
    """Saves a model with these properties in a folder of its own (see save_tiny)."""

    def make(seed: int = 0, **properties: Any) -> str:
        return save_tiny(Path(tmp_path_factory.mktemp("checkpoint")), seed, **properties)

    return make


@pytest.fixture(scope="session")
def plain(save: Save) -> str:
    """An untrained model with the Tulu template."""
    return save()
