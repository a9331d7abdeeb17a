"""What is installed works outside the checkout: the wheel carries templates, recipes and tasks."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCES = ("repro", "templates", "cards", "pyproject.toml", "README.md", "LICENSE")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    copy = tmp_path_factory.mktemp("source")
    for name in SOURCES:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, copy / name)
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel"], cwd=copy, check=True, capture_output=True
    )
    return next((copy / "dist").glob("*.whl"))


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel's content alone, as an installer lays it out."""
    place = tmp_path_factory.mktemp("site")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(place)
    return place


def python(installed: Path, cwd: Path, *words: str) -> subprocess.CompletedProcess[str]:
    # -P keeps the working directory off the path: the checkout must not be what is imported.
    return subprocess.run(
        [sys.executable, "-P", *words],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(installed)},
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_every_file_that_is_no_module_is_in_the_wheel(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    ours = [p for p in (ROOT / "repro").rglob("*") if p.is_file() and "__pycache__" not in p.parts]
    assert {p.relative_to(ROOT).as_posix() for p in ours} <= names
    for folder in ("templates", "cards"):
        for path in (ROOT / folder).iterdir():
            assert f"repro/_data/{folder}/{path.name}" in names
    assert any(name.endswith("/licenses/LICENSE") for name in names)
    assert not [n for n in names if n.startswith("tests") or "__pycache__" in n]


def test_the_command_is_an_entry_point(wheel: Path) -> None:
    archive = zipfile.ZipFile(wheel)
    entries = next(n for n in archive.namelist() if n.endswith("entry_points.txt"))
    assert "repro = repro.start:main" in archive.read(entries).decode()


def test_it_is_the_installed_one_that_runs(installed: Path, tmp_path: Path) -> None:
    done = python(installed, tmp_path, "-c", "import repro; print(repro.__file__)")
    assert done.stdout.strip() == str(installed / "repro" / "__init__.py")


def test_check_explain_plan_and_read_run(installed: Path, tmp_path: Path) -> None:
    card = installed / "repro" / "_data" / "cards" / "dpo-mahals.md"
    check = python(installed, tmp_path, "-m", "repro", "check", str(card))
    assert (check.returncode, check.stderr) == (10, "")
    assert "R602" in check.stdout
    assert python(installed, tmp_path, "-m", "repro", "explain", "R401").stdout.startswith("R401")
    page = python(installed, tmp_path, "-m", "repro", "explain", "R401", "-f", "md")
    assert page.stdout.startswith("# ")
    plan = python(installed, tmp_path, "-m", "repro", "plan", str(card), "-f", "json")
    assert "open-instruct" in json.loads(plan.stdout)["recipe"]


@pytest.mark.parametrize(("format", "begins"), [("html", "<!doctype html>"), ("md", "### repro check: ")])
def test_reports_are_rendered(installed: Path, tmp_path: Path, format: str, begins: str) -> None:
    card = installed / "repro" / "_data" / "cards" / "dpo-mahals.md"
    done = python(installed, tmp_path, "-m", "repro", "check", str(card), "-f", format)
    assert done.stderr == ""
    assert done.stdout.lower().startswith(begins)


def test_the_evaluation_tasks_are_found(installed: Path, tmp_path: Path) -> None:
    code = (
        "from repro.evaluate import catalogue; from pathlib import Path; "
        "print(sorted(p.name for p in (Path(catalogue.__file__).parent / 'tasks').glob('*.yaml')))"
    )
    done = python(installed, tmp_path, "-c", code)
    names = sorted(p.name for p in (ROOT / "repro" / "evaluate" / "tasks").glob("*.yaml"))
    assert names
    assert done.stdout.strip() == str(names)
