"""Kept patterns are the patterns that would have been compiled, and what cannot be read does no harm."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from repro import warm

PATTERNS = [
    (r"\b(?P<name>[a-zé]+)-(\d{1,3})(?P=name)?\b", re.IGNORECASE),
    (r"(?<!x)(?:a|bc|[^\W_]+)*?$", re.MULTILINE | re.DOTALL),
    (r"第\s*([一二三])\s*(?:阶段|段階)", 0),
    (r"(?i)^licen[sc]e\s*:\s*(\S.*)$", 0),
]
TEXT = "abc-12 Licence: mit\nlicense: x\n第 二 阶段 bcbc"


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    re.purge()
    for pattern, flags in PATTERNS:
        re.compile(pattern, flags)
    for number in range(warm._FEW):
        re.compile(f"filler{number}")
    return tmp_path / "patterns"


def test_a_kept_pattern_matches_as_the_compiled_one(place: Path) -> None:
    fresh = [re.compile(pattern, flags) for pattern, flags in PATTERNS]
    assert warm.keep(0, place)
    re.purge()
    assert warm.load(place) >= len(PATTERNS)
    for pattern, (text, flags) in zip(fresh, PATTERNS):
        kept = re.compile(text, flags)
        assert kept is not pattern
        assert kept == pattern
        assert (kept.flags, kept.groups, kept.groupindex) == (pattern.flags, pattern.groups, pattern.groupindex)
        assert [m.groups() for m in kept.finditer(TEXT)] == [m.groups() for m in pattern.finditer(TEXT)]


@pytest.mark.parametrize("damage", [b"", b"no marshal", b"\xe9" * 40])
def test_what_cannot_be_read_does_no_harm(place: Path, damage: bytes) -> None:
    place.write_bytes(damage)
    assert warm.load(place) == 0


def test_nothing_is_written_where_python_writes_nothing(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    assert not warm.keep(0, place)
    assert not place.exists()


def test_a_folder_that_cannot_be_written_is_left_alone(place: Path) -> None:
    place.parent.joinpath("file").write_text("")
    assert not warm.keep(0, place.parent / "file" / "patterns")


def test_a_check_says_the_same_with_and_without_kept_patterns() -> None:
    command = [sys.executable, "-m", "repro", "check", "cards/dpo-mahals.md", "--format", "json"]
    runs = [subprocess.run(command, capture_output=True, cwd=Path(__file__).parents[1], timeout=120) for _ in range(2)]
    assert runs[0].stdout == runs[1].stdout
    assert runs[0].returncode == runs[1].returncode
