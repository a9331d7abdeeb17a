"""`repro check --format sarif`: several cards in one run, lines and columns where editors and GitHub look for them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from render.sarif_standard import sound

from repro.start import main

CARD = Path(__file__).parents[1] / "cards" / "dpo-mahals.md"
CORPUS = Path(__file__).parents[2] / "shared" / "corpus" / "cards"
TABLE = """---
license: mit
---

# org/halved 🤗🤗

Trained with DPO from org/base by TRL.

| Step | Training loss | 🤗🤗 | Change |
|---|---|---|---|
| 1 | 0.800 | 🤗 | |
| 100 | 0.400 | 🤗🤗 | -20% |
"""

Run = Callable[..., dict[str, Any]]


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """Types the command in an empty folder; the run of its log, which keeps to the standard."""
    monkeypatch.chdir(tmp_path)

    def typed(*words: str) -> dict[str, Any]:
        capfd.readouterr()
        main(["check", *words, "-f", "sarif"])
        return sound(json.loads(capfd.readouterr().out))

    return typed


def places(run: dict[str, Any]) -> list[dict[str, Any]]:
    return [result["locations"][0]["physicalLocation"] for result in run["results"]]


def test_several_cards_are_one_run_with_a_rule_for_each_check(run: Run) -> None:
    Path("a.md").write_bytes(CARD.read_bytes())
    Path("b.md").write_text(TABLE)
    found = run("a.md", "b.md", "gone.md")
    uris = {place["artifactLocation"]["uri"] for place in places(found)}
    assert uris == {"a.md", "b.md"}
    for rule in found["tool"]["driver"]["rules"]:
        assert "Why:" in rule["help"]["text"]
        assert rule["fullDescription"]["text"]
    (invocation,) = found["invocations"]
    assert invocation["executionSuccessful"] is False
    (told,) = invocation["toolExecutionNotifications"]
    assert told["level"] == "error"
    assert "no such file" in told["message"]["text"]


def test_columns_are_utf16_code_units(run: Run) -> None:
    Path("card.md").write_text(TABLE, encoding="utf-8")
    found = run("card.md")
    regions = [p["region"] for p in places(found) if p.get("region", {}).get("startLine") == 12]
    region = next(r for r in regions if "startColumn" in r)
    line = TABLE.split("\n")[11].encode("utf-16-le")
    marked = line[2 * (region["startColumn"] - 1) : 2 * (region["endColumn"] - 1)].decode("utf-16-le")
    assert marked in {"-20%", "0.400"}


def test_paths_are_those_of_the_repository(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "repo" / "my models").mkdir(parents=True)
    (tmp_path / "repo" / "my models" / "card.md").write_bytes(CARD.read_bytes())
    (tmp_path / "repo" / ".git").mkdir()
    monkeypatch.chdir(tmp_path / "repo" / "my models")
    for word in ("card.md", "../my models/card.md", str(tmp_path / "repo" / "my models" / "card.md")):
        location = places(run(word))[0]["artifactLocation"]
        assert location == {"uri": "my%20models/card.md", "uriBaseId": "%SRCROOT%"}


def test_what_is_ignored_is_suppressed_with_its_reason(run: Run) -> None:
    Path("card.md").write_bytes(CARD.read_bytes() + b"\n<!-- repro: ignore[R410] one step, on purpose -->\n")
    Path("repro.toml").write_text('[ignore]\nR411 = "still running"\n')
    found = run("card.md", "--select", "R410,R411,R405")
    told = {
        result["ruleId"]: [(s["kind"], s["justification"]) for s in result.get("suppressions", [])]
        for result in found["results"]
    }
    assert told == {
        "R405": [],
        "R410": [("inSource", "one step, on purpose")],
        "R411": [("external", "still running")],
    }


def test_a_finding_stays_the_same_one_when_the_card_grows_above_it(run: Run) -> None:
    def prints() -> list[str]:
        found = run("card.md", "--select", "R410,R411,R415")
        return [result["partialFingerprints"]["ruleAndLines/v1"] for result in found["results"]]

    Path("card.md").write_bytes(CARD.read_bytes())
    before = prints()
    Path("card.md").write_bytes(CARD.read_bytes().replace(b"\n# ", b"\nA sentence that was not there.\n\n# ", 1))
    assert prints() == before


@pytest.mark.skipif(not CORPUS.is_dir(), reason="the corpus is not here")
def test_real_cards_keep_to_the_standard(run: Run) -> None:
    found = run(str(CORPUS), "--persona", "auditor")
    assert len(found["results"]) > 100
    assert len(found["artifacts"]) > 40
