"""The documents keep their word: every command and exit code is told, every example parses, every check has a page."""

from __future__ import annotations

import re
import shlex
import tomllib
from pathlib import Path

import pytest
import typer

from repro import __version__, errors
from repro.check.checker import all_checks, find_check
from repro.check.explain import explain
from repro.check.pages import all_pages
from repro.cli import app
from repro.errors import ReproError

ROOT = Path(__file__).parents[1]
COMMANDS = [command.callback.__name__ for command in app.registered_commands if command.callback]
VERBS = ("read", "gather", "check", "resolve", "train", "evaluate", "compare", "render")
EXIT_CODES = (0, 2, 3, 4, 5, 10, 11, 12, 130)


def document(name: str) -> str:
    return (ROOT / name).read_text("utf-8")


def code_lines(text: str) -> list[str]:
    """Lines of fenced code that begin with `repro`, a prompt and a comment taken off."""
    found = []
    for block in re.findall(r"^```[^\n]*\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        joined = block.replace("\\\n", " ")
        found += [line.strip().removeprefix("$ ") for line in joined.splitlines()]
    return [line for line in found if re.match(r"repro (?=[a-z-])", line)]


def test_the_commands_are_the_ones_of_the_house() -> None:
    assert sorted(COMMANDS) == ["card", "check", "explain", "plan", "read", "run", "sweep", "verify"]


@pytest.mark.parametrize("command", COMMANDS)
def test_readme_names_every_command(command: str) -> None:
    assert f"repro {command}" in document("README.md")


@pytest.mark.parametrize("words", ["make run", "make test"])
def test_readme_names_the_two_commands_of_a_fresh_machine(words: str) -> None:
    assert words in document("README.md")


@pytest.mark.parametrize("code", EXIT_CODES)
def test_readme_tells_every_exit_code(code: int) -> None:
    assert re.search(rf"(?<![\w.]){code}(?![\w.]\d)", document("README.md"))


def test_the_help_tells_every_exit_code() -> None:
    told = {int(n) for n in re.findall(r"\b(\d+) ", app.info.epilog or "")}
    assert told == set(EXIT_CODES)


@pytest.mark.parametrize("name", ["README.md", "docs/check.md", "docs/ci.md", "docs/starts.md", "docs/deciding.md"])
def test_examples_parse(name: str) -> None:
    lines = code_lines(document(name))
    assert lines
    group = typer.main.get_command(app)
    for line in lines:
        words = shlex.split(re.split(r" [>|] ", line)[0], comments=True)[1:]
        command = group.commands.get(words[0])  # type: ignore[attr-defined]
        assert command is not None, line
        with command.make_context(words[0], words[1:]):  # parses every option and its value, runs nothing
            pass


def test_the_readmes_python_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    blocks = re.findall(r"^```python\n(.*?)^```", document("README.md"), re.MULTILINE | re.DOTALL)
    assert blocks
    (tmp_path / "cards").symlink_to(ROOT / "cards")
    monkeypatch.chdir(tmp_path)
    for block in blocks:
        exec(compile(block, "README.md", "exec"), {"__name__": "readme"})
    out = capsys.readouterr().out
    assert "A100-hours on 2 devices decide ('dpo.loss@103', 'dpo.loss@197')" in out
    assert list((tmp_path / "reports").glob("dpo-mahals/proxy-*/report.json"))


def test_readme_names_every_call() -> None:
    import repro

    for name in repro._HOMES:
        assert f"`{name}`" in document("README.md") or f"`repro.{name}`" in document("README.md")


def test_links_between_documents_lead_somewhere() -> None:
    for name in (
        "README.md",
        "CONTRIBUTING.md",
        "CHANGELOG.md",
        "docs/check.md",
        "docs/ci.md",
        "docs/starts.md",
        "docs/deciding.md",
    ):
        for target in re.findall(r"\]\((?!https?:|mailto:|#)([^)\s#]+)", (ROOT / name).read_text("utf-8")):
            assert ((ROOT / name).parent / target).exists(), f"{name}: {target}"


def test_contributing_tells_the_house() -> None:
    text = document("CONTRIBUTING.md")
    for verb in VERBS:
        assert f"`{verb}`" in text or f"`{verb}/`" in text
    for verdict in ("REPRODUCED", "DIFFERS", "INCONCLUSIVE", "NOT_COMPARABLE", "CONSISTENT", "UNTESTED", "UNSTATED"):
        assert f"| {verdict} |" in text


def test_files_that_contributing_names_exist() -> None:
    text = document("CONTRIBUTING.md")
    for path in re.findall(r"`((?:tests|repro|[a-z]+)/[\w./-]*)`", text):
        assert (ROOT / path).exists() or (ROOT / "repro" / path).exists() or (ROOT / "repro" / f"{path}.py").exists(), (
            path
        )


def test_changelog_knows_this_version() -> None:
    assert __version__ in (ROOT / "CHANGELOG.md").read_text("utf-8")


def test_the_exception_tree_is_the_one_in_its_docstring() -> None:
    drawn: dict[str, tuple[str, int]] = {}
    above: list[tuple[int, str]] = []
    for line in (errors.__doc__ or "").splitlines():
        found = re.match(r"( *)(\w+Error)\s+(\d+)\s+(\S.*)", line)
        if not found:
            continue
        depth, name, code = len(found[1]), found[2], int(found[3])
        above = [(d, n) for d, n in above if d < depth]
        drawn[name] = (above[-1][1] if above else "Exception", code)
        above.append((depth, name))
    real = {
        name: (kind.__bases__[0].__name__, kind.exit_code)
        for name, kind in vars(errors).items()
        if isinstance(kind, type) and issubclass(kind, ReproError)
    }
    assert drawn == real


def test_the_page_of_all_checks_is_what_their_docstrings_say(request: pytest.FixtureRequest) -> None:
    place = ROOT / "docs" / "checks.md"
    if request.config.getoption("--update-goldens"):
        place.write_text(all_pages(), "utf-8")
    assert place.read_text("utf-8") == all_pages(), "run: pytest tests/test_docs.py --update-goldens"


def test_the_page_of_all_checks_has_an_anchor_for_every_slug() -> None:
    text = document("docs/checks.md")
    for check in all_checks():
        assert text.count(f'<a id="{check.slug}"></a>') == 1
        assert f"[{check.code}](#{check.slug})" in text


@pytest.mark.parametrize("check", all_checks(), ids=lambda c: c.code)
def test_every_check_has_a_page(check) -> None:  # type: ignore[no-untyped-def]
    page = explain(check)
    for part in (check.code, check.slug, check.title):
        assert part in page
    for part in (check.what, check.why, check.fix, *check.sources):
        assert part
    assert find_check(check.slug) is find_check(check.code.lower()) is find_check(check.code)


def test_codes_and_slugs_are_one_each() -> None:
    checks = all_checks()
    assert len(checks) >= 20
    assert len({c.code for c in checks}) == len({c.slug for c in checks}) == len(checks)
    assert {c.code[1] for c in checks} == set("1234567")


def test_make_and_pyproject_agree() -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    for target in ("run", "test", "lint"):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    assert project["project"]["scripts"] == {"repro": "repro.start:main"}
    extras = set(re.search(r"\.\[([\w,]+)\]", makefile)[1].split(","))  # type: ignore[index]
    assert extras <= set(project["project"]["optional-dependencies"])
    assert "torch==2.13.0" in (ROOT / "constraints.txt").read_text("utf-8")
