"""The pre-commit hooks and the GitHub Action call the command line as it is."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from repro.arguments import Levels, Personas
from repro.cli import app

ROOT = Path(__file__).parents[1]
HOOKS: list[dict[str, Any]] = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text("utf-8"))
ACTION: dict[str, Any] = yaml.safe_load((ROOT / "action.yml").read_text("utf-8"))
STEPS: dict[str, dict[str, Any]] = {step.get("name", step.get("uses")): step for step in ACTION["runs"]["steps"]}
CARD = "# Kestrel 1B\n\n| step | loss | change |\n|---|---|---|\n| 1 | 0.800 | |\n| 100 | 0.600 | -30% |\n"


def parses(words: list[str]) -> None:
    """Every option and its value, and runs nothing."""
    command = typer.main.get_command(app).commands[words[1]]  # type: ignore[attr-defined]
    with command.make_context(words[1], words[2:]):
        pass


@pytest.mark.parametrize("hook", HOOKS, ids=lambda hook: str(hook["id"]))
def test_a_hook_calls_what_the_command_line_takes(hook: dict[str, Any]) -> None:
    assert hook["language"] == "python"
    assert hook["types"] == ["markdown"]
    words = [*shlex.split(hook["entry"]), *hook.get("args", []), "README.md", "models/wren/README.md"]
    assert words[0] == "repro"
    parses(words)
    taken = re.compile(hook["files"])
    for name in ("README.md", "models/wren/README.md", "model_card.md", "wren/modelcard.md"):
        assert taken.search(name), name
    for name in ("CHANGELOG.md", "docs/readme.md.txt", "NOTREADME.md"):
        assert not taken.search(name), name


def test_the_documents_tell_every_hook_and_every_input() -> None:
    text = (ROOT / "docs" / "ci.md").read_text("utf-8")
    for name in (*(hook["id"] for hook in HOOKS), *ACTION["inputs"], *ACTION["outputs"]):
        assert f"`{name}`" in text, name
    for block in re.findall(r"^```yaml\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        told = yaml.safe_load(block)
        for repo in told.get("repos", ()):
            for hook in repo["hooks"]:
                own = next(h for h in HOOKS if h["id"] == hook["id"])
                parses([*shlex.split(own["entry"]), *hook.get("args", []), "README.md"])
        for job in told.get("jobs", {}).values():
            given = job["steps"][-1]["with"]
            assert set(given) <= set(ACTION["inputs"])


def test_inputs_name_the_values_that_the_command_line_has() -> None:
    for level in Levels:
        assert level.value in ACTION["inputs"]["fail-on"]["description"]
    for persona in Personas:
        assert persona.value in ACTION["inputs"]["persona"]["description"]


def test_no_input_is_pasted_into_a_script() -> None:
    for step in STEPS.values():
        assert "${{" not in step.get("run", "")
        if "run" in step:
            assert step["shell"] == "bash"
    used = set(re.findall(r"inputs\.([\w-]+)", json.dumps(ACTION["runs"])))
    assert used == set(ACTION["inputs"])


def test_every_line_that_calls_repro_is_taken_by_the_command_line() -> None:
    lines = [line.strip() for step in STEPS.values() for line in step.get("run", "").splitlines()]
    calls = [line for line in lines if line.startswith("repro ")]
    assert len(calls) == 2
    for call in calls:
        call = call.replace('"${words[@]}"', "--persona author --select=R4").replace('"${cards[@]}"', "README.md")
        call = call.replace("$sarif", "repro.sarif").split("||")[0]
        assert "$" not in call
        parses(shlex.split(call))


def run_check(folder: Path, **inputs: str) -> tuple[subprocess.CompletedProcess[str], dict[str, str]]:
    """The action's Check step as the runner would run it, with this checkout as what was installed."""
    temp = folder / "temp"
    (temp / "repro" / "bin").mkdir(parents=True, exist_ok=True)
    program = temp / "repro" / "bin" / "repro"
    program.write_text(f'#!/bin/sh\nPYTHONPATH={shlex.quote(str(ROOT))} exec {sys.executable} -m repro "$@"\n')
    program.chmod(0o755)
    given = {name: str(about["default"]) for name, about in ACTION["inputs"].items()} | {
        name.replace("_", "-"): value for name, value in inputs.items()
    }
    step = STEPS["Check"]
    env = {key: re.sub(r"\$\{\{ inputs\.([\w-]+) \}\}", lambda m: given[m[1]], v) for key, v in step["env"].items()}
    out = temp / "output"
    out.write_text("")
    done = subprocess.run(
        ["bash", "--noprofile", "--norc", "-e", "-o", "pipefail", "-c", step["run"]],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "RUNNER_TEMP": str(temp), "GITHUB_OUTPUT": str(out), **env},
        capture_output=True,
        text=True,
        timeout=240,
    )
    return done, dict(line.split("=", 1) for line in out.read_text().splitlines())


def test_the_action_annotates_the_lines_and_leaves_sarif(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text(CARD)
    done, outputs = run_check(tmp_path)
    assert done.returncode == 10, done.stderr
    assert re.search(r"^::error file=README\.md,line=6,[^\n]*R412", done.stdout, re.MULTILINE), done.stdout
    found = json.loads(Path(outputs["sarif"]).read_text("utf-8"))["runs"][0]["results"]
    assert "R412" in {result["ruleId"] for result in found}


def test_the_action_hands_on_its_inputs(tmp_path: Path) -> None:
    (tmp_path / "a card.md").write_text(CARD)
    (tmp_path / "b.md").write_text(CARD)
    done, outputs = run_check(tmp_path, cards="a card.md\nb.md\n", args="--select=R412", fail_on="never")
    assert done.returncode == 0, done.stderr
    found = json.loads(Path(outputs["sarif"]).read_text("utf-8"))["runs"][0]["results"]
    assert {result["ruleId"] for result in found} == {"R412"}
    assert len(found) == 2
    done, _ = run_check(tmp_path, cards="$(touch pwned)\n`touch pwned`", args='--select=R412"; touch pwned; "')
    assert done.returncode != 0
    assert not (tmp_path / "pwned").exists()


def test_scripts_of_the_action_are_bash() -> None:
    for step in STEPS.values():
        if "run" in step:
            subprocess.run(["bash", "-n", "-c", step["run"]], check=True)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("pre-commit") is None, reason="pre-commit is not installed")
def test_pre_commit_runs_the_hook(tmp_path: Path) -> None:
    def git(*words: str) -> None:
        subprocess.run(["git", "-c", "user.email=a@b.c", "-c", "user.name=a", *words], cwd=tmp_path, check=True)

    git("init", "-q", ".")
    (tmp_path / "README.md").write_text(CARD)
    git("add", ".")
    done = subprocess.run(
        ["pre-commit", "try-repo", str(ROOT), "repro-check", "--all-files"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env={**os.environ, "PRE_COMMIT_HOME": str(tmp_path / "home")},
    )
    assert "exit code: 10" in done.stdout, done.stdout + done.stderr
    assert "R412" in done.stdout
