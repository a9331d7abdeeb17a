"""Gives every test that asks for a `case` each case of the folder."""

from __future__ import annotations

import pytest
from check_cases import all_cases


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "case" in metafunc.fixturenames:
        cases = all_cases()
        metafunc.parametrize("case", cases, ids=[c.label for c in cases])
