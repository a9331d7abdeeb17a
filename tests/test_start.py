"""The short way into `repro check` and the one through Typer ask the same of it, or the short one steps aside."""

from __future__ import annotations

import inspect
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer
from hypothesis import given, settings
from hypothesis import strategies as st

from repro import check_screen, cli, start

ROOT = Path(__file__).parents[1]
COMMAND = typer.main.get_command(cli.app).commands["check"]  # type: ignore[attr-defined]
TABLES = (start.FLAGS, start.LISTS, start.VALUES)
WORDS = (*(word for table in TABLES for word in table), "card.md", "other.md", "-", "high", "json", "never", "author")
WRONG = ("--help", "--bogus", "--fix=1", "-vf", "-fjson", "--", "--format=", "--select=R4", "--output=x", "")


def test_the_tables_are_typers_options() -> None:
    known = {opt: p for p in COMMAND.params for opt in p.opts if opt.startswith("-") and opt != "--help"}
    assert {word for table in TABLES for word in table} == set(known)
    for word, name in {**start.FLAGS, **start.LISTS, **start.VALUES}.items():
        assert known[word].name == name
        assert known[word].is_flag == (word in start.FLAGS)
        assert known[word].multiple == (word in start.LISTS)


def asked(main: Any, words: list[str]) -> dict[str, Any] | None:
    """What a way in asks of the check, with every option; None where it asks nothing."""
    seen: list[dict[str, Any]] = []
    defaults = {n: p.default for n, p in inspect.signature(check_screen.check).parameters.items()}

    def spy(**options: Any) -> int:
        seen.append({**defaults, **options})
        return 0

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(check_screen, "check", spy)
        main(["check", *words])
    return seen[0] if seen else None


def same(options: dict[str, Any] | None) -> dict[str, Any] | None:
    return None if options is None else {name: value or None for name, value in options.items()}


@settings(deadline=None)
@given(st.lists(st.sampled_from((*WORDS, *WRONG)), max_size=8))
def test_both_ways_ask_the_same(words: list[str]) -> None:
    if start.quick(words) is not None:
        assert same(asked(start.main, words)) == same(asked(cli.main, words))


@pytest.mark.parametrize("word", [w for w in WRONG if w not in ("--select=R4", "--output=x")])
def test_what_is_not_plain_is_left_to_typer(word: str) -> None:
    assert start.quick(["card.md", word]) is None
    assert start.quick([]) is None
    assert start.quick(["card.md", "--format", "yaml"]) is None
    assert start.quick(["card.md", "--select"]) is None


def test_a_plain_check_loads_no_parser_and_no_network() -> None:
    code = (
        "import sys; from repro.start import main; main(['check', 'cards/dpo-mahals.md']); "
        "unwanted = ('typer', 'pydantic', 'rich.console', 'jinja2', 'huggingface_hub', 'repro.gather.hub'); "
        "sys.stderr.write('LOADED ' + ' '.join(n for n in unwanted if n in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, timeout=120)
    assert done.stderr == "LOADED "
