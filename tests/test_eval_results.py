"""Files of scores on their way from beside a card, a folder or a Hub into the spec, the findings, the renderings."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from hub.loopback import LoopbackHub
from render.sarif_standard import sound

from repro import pipeline
from repro.files import MAX_SCORE_BYTES, MAX_SCORE_FILES, score_files
from repro.finding import Outcome
from repro.gather.folder import Folder
from repro.gather.hub import Hub
from repro.options import Options
from repro.render.card import refresh_card
from repro.render.html import to_html
from repro.render.markdown import to_markdown
from repro.render.sarif import to_sarif
from repro.start import main

CARD = """---
license: mit
model-index:
- name: tern
  results:
  - task: {type: text-generation}
    dataset: {name: MMLU, type: cais/mmlu}
    metrics:
    - type: accuracy
      value: 58.31
---

# tern

```python
AutoModelForCausalLM.from_pretrained("quarry/tern")
```

## Evaluation

| Benchmark | Metric | Score |
|---|---|---|
| MMLU | accuracy | 58.3 |
"""
SCORES = "- dataset:\n    id: cais/mmlu\n    task_id: default\n  value: 61.9\n"
BROKEN = "- dataset:\n    id: cais/hle\n    task_id: default\n  value: [\n"

Typed = Callable[..., tuple[int, str, str]]


def lay(folder: Path, **files: str) -> Path:
    """A repository with a card and files of scores."""
    (folder / ".eval_results").mkdir(parents=True)
    (folder / "README.md").write_text(CARD)
    for name, text in files.items():
        (folder / f".eval_results/{name}.yaml").write_text(text)
    return folder


@pytest.fixture
def typed(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Typed:
    monkeypatch.chdir(tmp_path)
    for name in ("FORCE_COLOR", "HF_ENDPOINT", "HF_TOKEN", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(name, raising=False)

    def run(*words: str) -> tuple[int, str, str]:
        capfd.readouterr()
        code = main(list(words))
        return (code, *capfd.readouterr())

    return run


def test_files_beside_a_card_are_read_in_order_and_bounded(tmp_path: Path) -> None:
    folder = lay(tmp_path / "m", b=SCORES, a=SCORES)
    (folder / ".eval_results/notes.txt").write_text("x")
    (folder / ".eval_results/sub.yaml").mkdir()
    (folder / ".eval_results/big.yaml").write_text("#" * (MAX_SCORE_BYTES + 9))
    found = dict(score_files(str(folder / "README.md")))
    assert [os.path.basename(name) for name in found] == ["a.yaml", "b.yaml", "big.yaml", "sub.yaml"]
    assert found[str(folder / ".eval_results/a.yaml")] == SCORES.encode()
    assert found[str(folder / ".eval_results/sub.yaml")] == "this is no file"
    assert len(found[str(folder / ".eval_results/big.yaml")]) == MAX_SCORE_BYTES + 1
    for number in range(MAX_SCORE_FILES):
        (folder / f".eval_results/{number:03}.yaml").write_text("[]")
    many = score_files(str(folder / "README.md"))
    assert len(many) == MAX_SCORE_FILES + 1
    assert str(many[-1][1]).startswith("only the first")


def test_links_that_lead_out_are_not_followed(tmp_path: Path) -> None:
    folder = lay(tmp_path / "m", a=SCORES)
    (tmp_path / "secret.yaml").write_text(SCORES)
    (folder / ".eval_results/out.yaml").symlink_to(tmp_path / "secret.yaml")
    (folder / ".eval_results/loop.yaml").symlink_to(folder / ".eval_results/loop.yaml")
    (folder / ".eval_results/in.yaml").symlink_to(folder / ".eval_results/a.yaml")
    found = {os.path.basename(name): data for name, data in score_files(str(folder / "README.md"))}
    assert found["in.yaml"] == SCORES.encode()
    assert "leads out" in str(found["out.yaml"])
    assert isinstance(found["loop.yaml"], str)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/x.yaml").write_text(SCORES)
    (tmp_path / "n").mkdir()
    (tmp_path / "n/README.md").write_text(CARD)
    (tmp_path / "n/.eval_results").symlink_to(tmp_path / "elsewhere")
    assert all("leads out" in str(data) for _, data in score_files(str(tmp_path / "n/README.md")))


def test_files_belong_to_a_readme_or_to_a_lone_card(tmp_path: Path) -> None:
    folder = lay(tmp_path / "m", a=SCORES)
    (folder / "other.md").write_text(CARD)
    assert score_files(str(folder / "other.md")) == ()
    assert len(score_files(str(folder / "README.md"))) == 1
    (folder / "README.md").unlink()
    assert len(score_files(str(folder / "other.md"))) == 1
    assert score_files(str(tmp_path / "none" / "README.md")) == ()


def test_read_shows_them_beside_the_cards_own(typed: Typed, tmp_path: Path) -> None:
    lay(tmp_path / "m", mmlu=SCORES, broken=BROKEN)
    code, out, _ = typed("read", "m/README.md", "-f", "json")
    spec = json.loads(out)
    assert code == 0
    (claim,) = [c for c in spec["claims"] if c["id"] == "eval_results.mmlu"]
    assert (claim["span"]["source"], claim["span"]["line"]) == ("m/.eval_results/mmlu.yaml", 4)
    assert [p["span"]["source"] for p in spec["problems"]] == ["m/.eval_results/broken.yaml"]
    assert "m/.eval_results/mmlu.yaml:4" in typed("read", "m/README.md")[1]


def test_the_check_quotes_the_card_and_names_the_file(typed: Typed, tmp_path: Path) -> None:
    lay(tmp_path / "m", mmlu=SCORES)
    code, out, _ = typed("check", "m/README.md", "--select", "R538,R504,R506")
    assert code == 10
    assert "R538 medium eval-results-against-text" in out
    assert "MMLU" not in out.split("R538")[0]
    assert "mmlu: 61.9 in mmlu.yaml, 58.3, 58.31 in the card." in out
    assert "= also: m/.eval_results/mmlu.yaml:4" in out
    assert re.search(r"^23 \| \| MMLU", out, re.MULTILINE)
    # R504 and R506 compare the card's own front matter with its own text.
    found = json.loads(typed("check", "m/README.md", "--select", "R504,R506", "-f", "json")[1])["cards"][0]
    assert (found["findings"], found["cannot_tell"], found["passed"]) == ([], [], 2)


def test_standard_input_has_no_neighbours(typed: Typed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lay(tmp_path / "m", mmlu=SCORES)
    monkeypatch.chdir(tmp_path / "m")
    with (tmp_path / "m/README.md").open("rb") as card:
        monkeypatch.setattr("sys.stdin", card)
        report = pipeline.check("README.md", Options(select=("R538",)), data=card.read())
    assert [f.outcome for f in report.findings] == [Outcome.NOT_APPLICABLE]


def test_code_scanning_finds_both_files(typed: Typed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".git").mkdir()
    lay(tmp_path / "models/m", mmlu=SCORES, broken=BROKEN)
    monkeypatch.chdir(tmp_path / "models")
    log = sound(json.loads(typed("check", "m/README.md", "--select", "R538", "-f", "sarif")[1]))
    (result,) = log["results"]
    assert _uri(result["locations"][0]) == "models/m/README.md"
    (other,) = result["relatedLocations"]
    assert (_uri(other), other["physicalLocation"]["region"]) == (
        "models/m/.eval_results/mmlu.yaml",
        {"startLine": 4, "endLine": 4},
    )
    notes = log["invocations"][0]["toolExecutionNotifications"]
    assert {_uri(n["locations"][0]) for n in notes} == {"models/m/.eval_results/broken.yaml"}
    out = typed("check", "m/README.md", "--select", "R538", "-f", "github")[1]
    assert "::warning file=models/m/README.md,line=23," in out
    assert "::warning file=models/m/.eval_results/broken.yaml,line=" in out


def _uri(location: dict[str, dict[str, dict[str, str]]]) -> str:
    return location["physicalLocation"]["artifactLocation"]["uri"]


def test_no_line_of_a_file_is_taken_for_the_cards(tmp_path: Path) -> None:
    folder = lay(tmp_path / "m", mmlu=SCORES, broken=BROKEN)
    path = str(folder / "README.md")
    report = pipeline.check(path, Options())
    claim = report.spec.claim("eval_results.mmlu")
    assert claim is not None
    for text in (to_markdown(report, {}), to_html(report, {})):
        assert f"{folder}/.eval_results/mmlu.yaml:4" in text
        assert f"{folder}/.eval_results/broken.yaml:" in text
    assert "- name: tern" not in to_sarif(report)  # the card's fourth line
    refreshed = refresh_card((folder / "README.md").read_bytes(), report)
    assert refreshed.startswith(CARD.encode())
    assert (folder / ".eval_results/mmlu.yaml").read_text() == SCORES


def test_a_fix_leaves_them_alone(typed: Typed, tmp_path: Path) -> None:
    folder = lay(tmp_path / "m", mmlu=SCORES)
    typed("check", "m/README.md", "--fix")
    assert (folder / ".eval_results/mmlu.yaml").read_text() == SCORES
    assert typed("check", "m/README.md", "--select", "R538", "--diff")[0] == 10


@pytest.mark.parametrize("place", ["hub", "folder"])
def test_the_models_repository_is_asked_for_them(place: str, tmp_path: Path, loopback: LoopbackHub) -> None:
    published = lay(tmp_path / "published", mmlu=SCORES)
    base = lay(tmp_path / "base", mmlu=SCORES)
    (published / ".eval_results/deep").mkdir()
    (published / ".eval_results/deep/x.yaml").write_text(SCORES)
    loopback.add_model("quarry/tern", published)
    loopback.add_model("quarry/base", base)
    source = Hub(loopback.endpoint, cache_folder=str(tmp_path / "cache")) if place == "hub" else Folder(str(published))
    repo = source.describe("quarry/tern", kind="model", role="subject")
    assert [f.path for f in repo.files if f.text == SCORES] == [".eval_results/mmlu.yaml"]
    (tmp_path / "card.md").write_text(CARD.replace("license: mit", "license: mit\nbase_model: quarry/base"))
    report = pipeline.check(str(tmp_path / "card.md"), Options(select=("R538",)), source=source)
    (finding,) = report.findings
    assert finding.outcome is Outcome.FAIL
    assert [str(s) for s in finding.spans][-1] == f"quarry/tern@{repo.revision[:12]}:.eval_results/mmlu.yaml:4"
    assert not [c for c in report.spec.claims if c.span.source.startswith("quarry/base")]
    if place == "hub":
        assert len(loopback.asked("mmlu.yaml")) == 1
        # The same file beside the card and in its repository is read once.
        local = pipeline.check(str(published / "README.md"), Options(), source=source)
        assert sum(c.id.startswith("eval_results.") for c in local.spec.claims) == 1


@pytest.mark.parametrize("more", [[], ["--source", "hub"]])
def test_a_repository_that_is_checked_brings_its_own(
    more: list[str], typed: Typed, tmp_path: Path, loopback: LoopbackHub
) -> None:
    sha = loopback.add_model("quarry/tern", lay(tmp_path / "m", mmlu=SCORES, broken=BROKEN))
    words = ("quarry/tern@main", "--endpoint", loopback.endpoint, "--select", "R538", "-f", "json", *more)
    code, out, err = typed("check", *words)
    assert code == 10, err
    (card,) = json.loads(out)["cards"]
    (finding,) = card["findings"]
    assert finding["places"][-1]["path"] == f"quarry/tern@{sha[:12]}:.eval_results/mmlu.yaml"
    assert [p["place"]["path"] for p in card["unreadable"]] == [f"quarry/tern@{sha[:12]}:.eval_results/broken.yaml"]


@pytest.fixture
def loopback(monkeypatch: pytest.MonkeyPatch):  # type: ignore[no-untyped-def]
    for name in ("HF_TOKEN", "HF_ENDPOINT", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    with LoopbackHub() as hub:
        yield hub
