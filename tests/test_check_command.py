"""`repro check` as people use it: readers, wishes to ignore a check, folders, standard input, the Hub, its formats."""

from __future__ import annotations

import io
import itertools
import json
import os
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hub.loopback import LoopbackHub

from repro.card import Span
from repro.completeness import Completeness, Gap, Making
from repro.finding import Persona, Severity
from repro.render.check_json import check_json_schema
from repro.render.gap_rows import advice
from repro.start import main

CARD = Path(__file__).parents[1] / "cards" / "dpo-mahals.md"
CONTRADICTION = """---
license: mit
---

# org/halved

Trained with DPO from org/base by TRL.

| Step | Training loss | Change |
|---|---|---|
| 1 | 0.800 | |
| 100 | 0.400 | -20% |
"""
"""The change from 0.800 to 0.400 is -50%, whatever was rounded."""

WISHES = b"\n<!-- repro: ignore[R410] why -->\n<!-- repro: ignore[R9] x -->\n"

Check = Callable[..., tuple[int, str, str]]


@pytest.fixture
def check(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Check:
    """Types `repro check` in an empty folder; (exit code, stdout, stderr)."""
    monkeypatch.chdir(tmp_path)
    for name in ("FORCE_COLOR", "HF_ENDPOINT", "HF_TOKEN"):
        monkeypatch.delenv(name, raising=False)

    def typed(*words: str) -> tuple[int, str, str]:
        capfd.readouterr()
        code = main(["check", *words])
        return (code, *capfd.readouterr())

    return typed


def codes(text: str) -> list[str]:
    """The codes of the headings, in order."""
    return re.findall(r"^\S+ (R\d{3}) (?:high|medium|low|info) ", text, re.MULTILINE)


def one_card(check: Check, *words: str) -> dict[str, Any]:
    code, out, _ = check(*words, "--format", "json")
    assert code in {0, 10}
    (card,) = json.loads(out)["cards"]
    assert isinstance(card, dict)
    return card


# --- what is shown


def test_a_finding_has_a_heading_a_reason_a_line_and_a_remedy(check: Check) -> None:
    Path("halved.md").write_text(CONTRADICTION)
    _, out, _ = check("halved.md")
    block = next(b for b in out.split("\n\n") if b.startswith("halved.md:12"))
    lines = block.split("\n")
    assert re.fullmatch(r"halved\.md:12:\d+ R\d{3} \w+ [a-z-]+", lines[0])
    quoted = next(line for line in lines if line.startswith("12 | "))
    under = lines[lines.index(quoted) + 1]
    start = under.index("^")
    assert quoted[start : start + under.count("^")] == "-20%"
    assert any(line.startswith("   = help: ") for line in lines)
    assert re.fullmatch(r"   = note: .*repro explain R\d{3}", lines[-1])


def test_spans_in_one_line_are_underlined_together(check: Check) -> None:
    Path("row.md").write_text("# Wren-7B\n\n| Model | ARC | MMLU |\n|---|---|---|\n| Wren-7B | 50.1 | 40.2 |\n")
    _, out, _ = check("row.md", "--select", "R502")
    lines = out.split("\n")
    quoted = lines.index("5 | | Wren-7B | 50.1 | 40.2 |")
    assert lines[quoted + 1] == "  |             ^^^^   ^^^^"
    assert sum(line.startswith("5 | ") for line in lines) == 1
    assert "..." not in lines


def test_a_front_matter_fence_is_not_quoted(check: Check) -> None:
    Path("chat.md").write_text("---\nlicense: mit\n---\n# Wren-7B-chat\n\nA chat model.\n")
    _, out, _ = check("chat.md", "--select", "R310")
    assert "chat.md:1 R310" in out
    assert "| ---" not in out


@pytest.mark.parametrize(
    ("label", "says"),
    [
        ("training method (SFT, DPO, ...)", "state the training method first"),
        ("warm-up, as steps or as a share", "state the warm-up first"),
        ("how token losses are averaged", "state how token losses are averaged first"),
    ],
)
def test_what_to_state_first_is_a_sentence(label: str, says: str) -> None:
    gap = Gap("key", label, "sft", 5.5, Span("a.md", 9, 9), "after it", "It decides.", "none")
    found = advice(Completeness(Making.TUNING, 40, 1, 2, (gap,)))
    assert found == f"completeness 40/100: {says} (sft, line 9)"


def test_the_output_named_by_a_dash_is_stdout(check: Check) -> None:
    assert check(str(CARD), "-o", "-") == check(str(CARD))
    assert not Path("-").exists()


def test_the_last_line_sums_up(check: Check) -> None:
    _, out, err = check(str(CARD))
    last = out.splitlines()[-1]
    counted = re.match(r"(\d+) findings \(", last)
    assert counted
    assert int(counted[1]) == len(codes(out))
    assert "in 1 card; " in last
    assert "cannot be told (-v says why)" in last
    assert re.search(r"completeness \d+/100: state the .* first \(.*line \d+\)$", last)
    assert err == ""


def test_what_is_missing_is_named_of_one_card_that_is_checked_whole(check: Check) -> None:
    Path("halved.md").write_text(CONTRADICTION)
    missing = re.compile(r"^ +\+\d+\.\d .*\(.*line \d+.*\)$", re.MULTILINE)
    assert 1 <= len(missing.findall(check("halved.md")[1])) <= 5
    assert len(missing.findall(check("halved.md", "-v")[1])) > 5
    where = re.findall(r"^ +\+.*\((.*)\)$", check("halved.md", "-v")[1], re.MULTILINE)
    assert all(a != b or (a.startswith("line ") and "," not in a) for a, b in itertools.pairwise(where)), "said once"
    assert not missing.search(check("halved.md", str(CARD))[1])
    assert not missing.search(check("halved.md", "--select", "R4")[1])


def test_what_cannot_be_told_is_short_until_it_is_asked_for(check: Check) -> None:
    short, loud, whole = check(str(CARD))[1], check(str(CARD), "-v")[1], check(str(CARD), "--persona", "auditor")[1]
    assert "cannot be told:" not in short
    assert "cannot be told:" in loud
    assert "cannot be told:" in whole


def test_gravest_first(check: Check) -> None:
    levels = re.findall(r"^\S+ R\d{3} (high|medium|low|info) ", check(str(CARD))[1], re.MULTILINE)
    ranks = [Severity(level).rank for level in levels]
    assert ranks == sorted(ranks, reverse=True)


def test_levels_hide_and_say_so(check: Check) -> None:
    code, out, _ = check(str(CARD), "--min-severity", "high")
    assert code == 10
    assert set(re.findall(r" R\d{3} (\w+) ", out)) == {"high"}
    assert re.search(r"; \d+ not shown; ", out)
    sure = one_card(check, str(CARD), "--min-confidence", "high")
    assert {f["confidence"] for f in sure["findings"]} == {"high"}


def test_only_what_is_shown_fails_a_run(check: Check) -> None:
    assert check(str(CARD), "--select", "R410", "--fail-on", "medium")[0] == 10
    assert check(str(CARD), "--select", "R410", "--fail-on", "high")[0] == 0
    assert check(str(CARD), "--select", "R410", "--min-severity", "high")[0] == 0


def test_an_author_does_not_see_what_is_for_auditors(check: Check) -> None:
    for_author, for_auditor = one_card(check, str(CARD)), one_card(check, str(CARD), "--persona", "auditor")
    assert {f["persona"] for f in for_author["findings"]} <= {Persona.AUTHOR.value}
    assert len(for_auditor["findings"]) == len(for_author["findings"]) + for_author["not_shown"]


def test_words_may_be_joined_by_commas(check: Check) -> None:
    assert codes(check(str(CARD), "--select", "R3,sample-seed")[1]) == ["R301", "R201"]


# --- ignoring


def test_a_card_may_ignore_with_a_reason_and_is_always_seen_to(check: Check) -> None:
    comment = "<!-- repro: ignore[R410] the window is one step, on purpose -->\n"
    Path("card.md").write_bytes(CARD.read_bytes() + b"\n" + comment.encode())
    code, out, err = check("card.md", "--select", "R410")
    assert (code, err) == (0, "")
    assert "ignored:" in out
    assert "by the card itself: the window is one step, on purpose" in out
    assert "1 ignored (1 by the card itself)" in out
    code, out, _ = check("card.md", "--select", "R410", "--no-card-ignores")
    assert code == 10
    assert "ignored" not in out


@pytest.mark.parametrize(
    ("comment", "says"),
    [
        ("ignore[R410]", "R410 is not ignored: ignoring a check takes a reason"),
        ("ignore[R999] so", "no check is called 'R999'"),
        ("ignore so", "it names no check"),
        ("ignore[R101] so", "R101 found nothing; take it out"),
    ],
)
def test_a_wish_that_does_nothing_is_told_with_its_line(check: Check, comment: str, says: str) -> None:
    Path("card.md").write_text(f"<!-- repro: {comment} -->\n\n{CONTRADICTION.partition('---')[2].partition('---')[2]}")
    _, _, err = check("card.md")
    assert "warning: card.md:1: " in err
    assert says in err


def test_a_project_ignores_with_a_reason(check: Check, tmp_path: Path) -> None:
    (tmp_path / "deep" / "er").mkdir(parents=True)
    (tmp_path / "deep" / "er" / "card.md").write_bytes(CARD.read_bytes())
    (tmp_path / "pyproject.toml").write_text('[tool.repro.ignore]\nloss-window-stated = "known"\n')
    found = one_card(check, "deep/er/card.md", "--select", "R410")
    assert found["findings"] == []
    assert [(f["code"], f["reason"], f["ignored_by"]) for f in found["ignored"]] == [("R410", "known", "configuration")]
    (tmp_path / "deep" / "repro.toml").write_text('fail-on = "never"\n')
    code, out, _ = check("deep/er/card.md", "--select", "R410")
    assert code == 0
    assert codes(out) == ["R410"]


def test_a_project_ignores_by_path_and_hears_of_what_ignored_nothing(check: Check, tmp_path: Path) -> None:
    for name in ("old", "new"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "card.md").write_bytes(CARD.read_bytes())
    (tmp_path / "repro.toml").write_text('[ignore]\nR101 = "never"\n\n[ignore."old/*"]\nR410 = "history"\n')
    code, out, err = check("old/card.md", "new/card.md", "--select", "R410", "--select", "R101")
    assert code == 10
    assert codes(out) == ["R410"]
    assert out.startswith("new/card.md:")
    assert "warning: repro.toml:2: this ignores nothing: R101" in err
    assert "R410" not in err


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("ignore = ['R410']\n", "repro.toml:1: ignore is not a table: ignoring a check takes a reason"),
        ("[ignore]\nR410 = 1\n", "repro.toml:2: the reason is not a text"),
        ("fail-on = 'loud'\n", "repro.toml:1: fail-on = 'loud' is none of"),
        ("select = 'R4'\n", "repro.toml:1: select is not a list"),
        ("colour = 1\n", "repro.toml:1: there is no setting 'colour'"),
        ("a = [\n", "repro.toml: this is not TOML"),
        ("\xff", "repro.toml: this is not TOML"),
    ],
)
def test_a_wrong_configuration_is_a_question_of_usage(check: Check, text: str, says: str) -> None:
    Path("card.md").write_bytes(CARD.read_bytes())
    Path("repro.toml").write_bytes(text.encode("latin-1"))
    code, out, err = check("card.md")
    assert (code, out) == (2, "")
    assert says in err


def test_a_configuration_of_other_tools_is_passed_over(check: Check, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "card.md").write_bytes(CARD.read_bytes())
    (tmp_path / "in" / "pyproject.toml").write_text("[tool.other]\nx = 1\n")
    (tmp_path / "repro.toml").write_text('select = ["R410"]\n')
    assert codes(check("in/card.md")[1]) == ["R410"]
    assert codes(check("in/card.md", "--select", "R411")[1]) == ["R411"]


def test_what_could_not_be_read_is_told_once_in_every_format(check: Check) -> None:
    Path("card.md").write_text("---\n- a\n- b\n---\n" + CONTRADICTION.rpartition("---\n\n")[2])
    _, _, err = check("card.md")
    assert err.count("is a list, not a mapping") == 1
    card = json.loads(check("card.md", "-f", "json")[1])["cards"][0]
    assert (len(card["unreadable"]), card["problems"]) == (1, [])
    (run,) = json.loads(check("card.md", "-f", "sarif")[1])["runs"]
    assert len(run["invocations"][0]["toolExecutionNotifications"]) == 1
    assert check("card.md", "-f", "github")[1].count("title=repro::") == 1


# --- inputs


def test_a_folder_is_its_cards(check: Check, tmp_path: Path) -> None:
    for name in ("a", "b", ".hidden", "node_modules/x"):
        (tmp_path / "models" / name).mkdir(parents=True)
        (tmp_path / "models" / name / "README.md").write_text(CONTRADICTION)
    (tmp_path / "models" / "CHANGELOG.md").write_text("# Changes\n")
    (tmp_path / "models" / "b" / "again.md").symlink_to("../a/README.md")
    (tmp_path / "models" / "gone.md").symlink_to("nowhere.md")
    code, out, err = check("models")
    assert code == 3
    assert "models: 2 model cards; 1 other Markdown file left out\n" in err
    assert "error: models/gone.md: this link leads nowhere" in err
    assert "in 2 cards" in out
    assert "1 input could not be checked" in out
    assert check("models/a", "models/a/README.md", "models/a")[1].count("models/a/README.md:12") == 1


@pytest.mark.parametrize("word", ["", "x" * 5000, "a\\b", "./org/name", "org/name.md", "~/card.md", "a/b/c"])
def test_a_word_that_means_nothing_stops_no_other(check: Check, word: str) -> None:
    Path("card.md").write_text(CONTRADICTION)
    code, out, err = check(word, "card.md", "--offline")
    assert code == 3
    assert out.startswith("card.md:")
    assert len([line for line in err.splitlines() if line.startswith("error: ")]) == 1
    assert "Traceback" not in err
    assert "a bug" not in err


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_what_may_not_be_read_is_told(check: Check) -> None:
    Path("closed.md").write_text(CONTRADICTION)
    Path("closed.md").chmod(0)
    assert check("closed.md")[0] == 3


def test_standard_input_has_the_name_it_is_given(check: Check, monkeypatch: pytest.MonkeyPatch) -> None:
    class Stdin:
        buffer = io.BytesIO(CONTRADICTION.encode())

    monkeypatch.setattr(sys, "stdin", Stdin())
    Path("docs").mkdir()
    Path("docs/repro.toml").write_text('fail-on = "never"\n')
    code, out, _ = check("-", "--stdin-filename", "docs/model.md")
    assert code == 0
    assert out.startswith("docs/model.md:")


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[LoopbackHub]:
    folder = tmp_path / "published"
    folder.mkdir()
    (folder / "README.md").write_text(CONTRADICTION)
    with LoopbackHub() as served:
        served.add_model("org/halved", folder)
        (folder / "README.md").unlink()
        (folder / "config.json").write_text("{}")
        served.add_model("org/bare", folder)
        yield served


def test_a_repository_is_read_from_the_hub(check: Check, hub: LoopbackHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", hub.endpoint)
    code, out, _ = check("org/halved", "org/halved@main", "--select", "R4")
    assert code == 10
    assert re.match(r"org/halved@[0-9a-f]{12}:README\.md:12:\d+ R4", out)
    assert "in 1 card;" in out
    code, out, err = check("org/bare", "org/nowhere", "org/halved@v9", "--select", "R4")
    assert code == 4
    assert "this repository has no card (README.md)" in err
    assert len([line for line in err.splitlines() if line.startswith("error: ")]) == 3
    assert out == ""


def test_a_file_stands_over_a_repository_and_offline_asks_nobody(
    check: Check, hub: LoopbackHub, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", hub.endpoint)
    (tmp_path / "org").mkdir()
    (tmp_path / "org" / "halved").write_text("# A model fine-tuned on words\n")
    assert check("org/halved")[0] in {0, 10}
    code, _, err = check("org/bare", "--offline")
    assert code == 4
    assert "--offline" in err
    assert hub.requests == []


# --- formats


def test_json_holds_every_card_and_what_was_none(check: Check) -> None:
    Path("card.md").write_bytes(CARD.read_bytes() + WISHES)
    Path("binary.md").write_bytes(bytes(range(256)) * 20)
    code, out, _ = check("card.md", "binary.md", "gone.md", "-f", "json")
    assert code == 3
    told = json.loads(out)
    jsonschema.Draft202012Validator(check_json_schema()).validate(told)
    (card,) = told["cards"]
    assert [r["path"] for r in told["not_checked"]] == ["binary.md", "gone.md"]
    assert [f["ignored_by"] for f in card["ignored"]] == ["card"]
    assert "R9" in card["problems"][0]["message"]
    assert card["completeness"]["gaps"][0]["place"]["line"] > 0


def test_the_schema_refuses_what_it_should(check: Check) -> None:
    told = json.loads(check(str(CARD), "-f", "json")[1])
    validator = jsonschema.Draft202012Validator(check_json_schema())
    assert validator.is_valid(told)
    for wrong in (
        {**told, "schema_version": 2},
        {**told, "cards": [{**told["cards"][0], "findings": [{"code": "R1"}]}]},
        {key: value for key, value in told.items() if key != "not_checked"},
    ):
        assert not validator.is_valid(wrong)


def test_annotations_are_escaped_as_github_reads_them(check: Check) -> None:
    Path("a,b:c%.md").write_text(CONTRADICTION)
    _, out, _ = check("a,b:c%.md", "gone.md", "-f", "github")
    lines = out.splitlines()
    assert all(re.match(r"::(error|warning|notice) file=[^:,]+(,[a-zA-Z]+=[^:,]+)*::\S", line) for line in lines)
    assert any(line.startswith("::error file=a%2Cb%3Ac%25.md,line=12,endLine=12,col=") for line in lines)
    assert any("title=not checked" in line and "gone.md" in line for line in lines)
    assert all("%0A" in line for line in lines if "Fix: " in line)


def test_markdown_is_short_and_escaped(check: Check) -> None:
    Path("card.md").write_text(CONTRADICTION.replace("org/halved", "org/<b>x</b>"))
    _, out, _ = check("card.md", "-f", "md")
    assert out.startswith("### repro check: ")
    assert "| line | check | | what | fix |" in out
    assert "<b>" not in out
    assert len(out) < 65_536


def test_html_is_one_cards(check: Check) -> None:
    Path("card.md").write_text(CONTRADICTION)
    assert check("card.md", str(CARD), "-f", "html")[0] == 2
    _, out, _ = check("card.md", "-f", "html")
    assert "What the card leaves out" in out


def test_html_tells_an_author_what_text_tells_and_an_auditor_everything(check: Check) -> None:
    counts = []
    for persona in ("author", "auditor"):
        _, text, _ = check(str(CARD), "--persona", persona)
        _, page, _ = check(str(CARD), "--persona", persona, "-f", "html")
        shown = len(re.findall(r"^\S+ R\d{3} (?:high|medium|low|info) ", text, re.MULTILINE))
        assert re.findall(r"(\d+) problems?\b", page) == [str(shown)]
        counts.append(shown)
    assert counts[0] < counts[1]
