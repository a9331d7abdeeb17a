"""The command line as a user meets it: help, exit codes, bad input, formats, pipes, hostile text."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import jsonschema
import pytest
import yaml

from repro import __version__, screen
from repro.check.checker import all_checks
from repro.comparison import Comparison, Verdict, Weight
from repro.errors import RunError
from repro.evidence import Evidence
from repro.options import Outcome
from repro.render.check_json import check_json_schema
from repro.report import from_json, of_card
from repro.start import main

ROOT = Path(__file__).parents[1]
CARD = str(ROOT / "cards" / "dpo-mahals.md")
COMMANDS = ("run", "verify", "read", "check", "plan", "card", "explain")
UNREACHABLE = "http://127.0.0.1:9"
"""The discard port: nothing listens there, and a refusal comes at once."""


@dataclass(frozen=True)
class Answer:
    code: int
    out: str
    err: str

    @property
    def sentence(self) -> str:
        """The one line that begins with "error: "."""
        lines = [line for line in self.err.splitlines() if line.startswith("error: ")]
        assert len(lines) == 1, self.err
        return lines[0].removeprefix("error: ")


Tell = Callable[..., Answer]


@pytest.fixture
def tell(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Tell:
    """Types a command in an empty folder, in this process; stdout and stderr are no terminals."""
    monkeypatch.chdir(tmp_path)
    for name in ("FORCE_COLOR", "HF_ENDPOINT", "HF_TOKEN"):
        monkeypatch.delenv(name, raising=False)

    def typed(*words: str) -> Answer:
        capfd.readouterr()
        code = main(list(words))
        out, err = capfd.readouterr()
        return Answer(code, out, err)

    return typed


def spawn(*words: str, cwd: Path, stdout: int = subprocess.PIPE, **env: str) -> subprocess.Popen[bytes]:
    """The same in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "repro", *words],
        cwd=cwd,
        env={**os.environ, **env},
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=subprocess.PIPE,
    )


def card(path: Path, body: str, front: str = "license: mit\n") -> str:
    path.write_text(f"---\n{front}---\n\n{body}", encoding="utf-8")
    return str(path)


CONTRADICTION = """# org/halved

| Step | Training loss | Change |
|---|---|---|
| 1 | 0.800 | |
| 100 | 0.400 | -20% |
"""
"""The change from 0.800 to 0.400 is -50%, whatever was rounded."""


# --- help


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(tell: Tell, command: str) -> None:
    answer = tell(command, "--help")
    assert answer.code == 0
    assert f"Usage: repro {command} [OPTIONS]" in answer.out
    documentation = getattr(sys.modules["repro.cli"], command).__doc__
    assert " ".join(documentation.split())[:40] in " ".join(answer.out.split())
    assert answer.err == ""


def test_the_first_screen_names_every_command_and_every_exit_code(tell: Tell) -> None:
    answer = tell("--help")
    assert answer.code == 0
    words = answer.out.split()
    assert set(COMMANDS) <= set(words)
    assert {"0", "2", "3", "4", "5", "10", "11", "12", "130"} <= {w.strip(",.") for w in words}


def test_no_command_at_all_is_a_question_for_help(tell: Tell) -> None:
    answer = tell()
    assert answer.code == 2
    assert "Usage" in answer.out + answer.err


def test_version(tell: Tell) -> None:
    assert tell("--version") == Answer(0, f"repro {__version__}\n", "")


# --- exit codes


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["check", CARD, "--fail-on", "never"], 0),
        (["read", CARD], 0),
        (["plan", CARD], 0),
        (["explain", "R401"], 0),
        (["bogus"], 2),
        (["check"], 2),
        (["check", "--bogus", CARD], 2),
        (["check", CARD, "--format", "yaml"], 2),
        (["check", CARD, CARD, "--format", "json"], 10),
        (["check", CARD, "missing.md", "--format", "html"], 3),
        (["check", "org/name", "--offline"], 4),
        (["check", "missing.md", "org/name", "--offline"], 4),
        (["check", CARD, "--config", "missing.toml"], 2),
        (["check", CARD, "--select", "R999"], 2),
        (["check", CARD, "--source", "hub", "--offline"], 2),
        (["explain", "R999"], 2),
        (["plan", CARD, "--assume", "beta"], 2),
        (["plan", CARD, "--assume", "=1"], 2),
        (["plan", CARD, "--assume", "no_such_key=1"], 2),
        (["plan", CARD, "--assume", "nostage.beta=1"], 2),
        (["plan", CARD, "--assume", "dpo.beta=many"], 2),
        (["plan", CARD, "--seeds", "0"], 2),
        (["run", CARD, "--scale", "huge"], 2),
        (["run", CARD, "--format", "yaml"], 2),
        (["run", CARD, "--output", "."], 2),
        (["verify", CARD, "--offline", "--format", "yaml"], 2),
        (["check", "missing.md"], 3),
        (["plan", CARD, "--source", "missing-folder"], 4),
        (["card", CARD], 4),
        (["verify", CARD, "--offline"], 4),
        (["run", CARD, "--scale", "full", "--offline"], 4),
        (["check", CARD], 10),
        (["check", CARD, "--fail-on", "high"], 10),
    ],
    ids=lambda v: " ".join(Path(w).name for w in v) if isinstance(v, list) else str(v),
)
def test_exit_code(tell: Tell, words: list[str], code: int) -> None:
    answer = tell(*words)
    assert answer.code == code, answer.err
    assert "Traceback" not in answer.err
    if 0 < code < 10:
        assert answer.err.strip()


def test_a_claim_that_differs_is_11(tell: Tell, tmp_path: Path) -> None:
    (tmp_path / "published").mkdir()
    answer = tell("verify", card(tmp_path / "halved.md", CONTRADICTION), "--against", "published")
    assert answer.code in {4, 11}
    report = from_json(next(tmp_path.glob("reports/*/*/verify/report.json")).read_text("utf-8"))
    assert Verdict.DIFFERS in {c.verdict for c in report.comparisons}
    if answer.code == 4:
        assert "could not be looked up" in answer.sentence


@pytest.mark.parametrize(
    ("verdicts", "code"),
    [
        ([], 0),
        ([Verdict.REPRODUCED], 0),
        ([Verdict.NOT_COMPARABLE, Verdict.UNTESTED, Verdict.UNSTATED, Verdict.CONSISTENT], 0),
        ([Verdict.REPRODUCED, Verdict.INCONCLUSIVE], 12),
        ([Verdict.INCONCLUSIVE, Verdict.DIFFERS], 11),
    ],
)
def test_verdicts_give_the_exit_code(
    verdicts: list[Verdict], code: int, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    from repro import pipeline

    _, the_card, spec = pipeline.read(CARD)
    claims = spec.claims[: len(verdicts)]
    assert len(claims) == len(verdicts)
    comparisons = tuple(Comparison(c.id, v, "", "none", Weight.NONE, "") for c, v in zip(claims, verdicts, strict=True))
    report = of_card(the_card, spec, Evidence(), (), tool_version="0", created="", kind="run", comparisons=comparisons)
    assert screen.show_outcome(Outcome(report, tmp_path), "text", None, quiet=True) == code
    assert capfd.readouterr().err == ""


# --- bad input


@pytest.fixture
def bad(tmp_path: Path) -> Callable[[str], str]:
    """Makes an input that is no card; returns its path."""

    def make(kind: str) -> str:
        place = tmp_path / f"{kind}.md"
        if kind == "folder":
            place.mkdir()
        elif kind != "missing":
            place.write_bytes(
                {
                    "empty": b"",
                    "blank": b"\xef\xbb\xbf \n\t\r\n",
                    "binary": bytes(range(256)) * 40,
                    "png": b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\1\0",
                    "huge": b"# t\n" + b"a b c d\n" * (11 * 2**17),
                    "nul": b"\0" * 1000,
                }[kind]
            )
        return str(place)

    return make


@pytest.mark.parametrize("command", ["read", "check", "plan", "run", "card", "verify"])
@pytest.mark.parametrize("kind", ["missing", "folder", "empty", "blank", "binary", "png", "huge", "nul"])
def test_what_is_no_card_is_one_sentence(
    tell: Tell, bad: Callable[[str], str], kind: str, command: str, tmp_path: Path
) -> None:
    path = bad(kind)
    extra = ["-q"] if command in {"run", "verify"} else []
    answer = tell(command, path, *extra)
    assert answer.code == 3
    assert answer.out == ""
    assert answer.sentence.startswith(f"{path}: ")
    assert len(answer.err.splitlines()) <= 2
    assert "Traceback" not in answer.err
    assert not (tmp_path / "reports").exists()


def test_a_folder_where_one_card_is_wanted_is_answered_with_the_cards_name(tell: Tell, tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    card(tmp_path / "model" / "README.md", "# m\n")
    assert str(Path("model") / "README.md") in tell("read", "model").err


@pytest.mark.parametrize(
    ("front", "where", "says"),
    [
        ("- a\n- b\n", ":1-4", "is a list, not a mapping"),
        ("just words\n", ":1-3", "not a mapping"),
        ("a: [1\n", ":3", "is not YAML"),
        ("a: 1\n\tb: 2\n", "", "is not YAML"),
        ("a: !!python/object/apply:os.system ['touch hacked']\n", ":2", "tag"),
    ],
)
@pytest.mark.parametrize("command", ["read", "check"])
def test_front_matter_that_is_none_is_named_with_its_line(
    tell: Tell, tmp_path: Path, front: str, where: str, says: str, command: str
) -> None:
    path = card(tmp_path / "odd.md", "# org/odd\n\nWords.\n", front)
    answer = tell(command, path)
    assert answer.code in {0, 10}
    named = [line for line in (answer.out + answer.err).splitlines() if line.startswith("could not read ")]
    assert len(named) == 1
    assert f"{path}{where}" in named[0]
    assert says in " ".join((answer.out + answer.err).split())
    assert not (tmp_path / "hacked").exists()


def test_a_card_without_front_matter_is_read(tell: Tell, tmp_path: Path) -> None:
    (tmp_path / "plain.md").write_text("# A model\n\nWords.\n")
    answer = tell("read", "plain.md")
    assert answer.code == 0
    assert answer.err == ""


@pytest.mark.parametrize("command", ["plan", "run"])
def test_a_card_without_training_has_nothing_to_run(tell: Tell, tmp_path: Path, command: str) -> None:
    path = card(tmp_path / "chat.md", "# org/chat\n\nA friendly model.\n")
    answer = tell(command, path)
    assert answer.code == 3
    assert answer.sentence.startswith(f"{path}: ")
    assert "no training stage" in answer.sentence
    assert not (tmp_path / "reports").exists()


def test_a_hole_names_what_is_missing_and_how_to_fill_it(tell: Tell, tmp_path: Path) -> None:
    body = "# org/x\n\nTrained with DPO.\n\n| Parameter | Value |\n|---|---|\n| Learning rate | 5e-7 |\n"
    answer = tell("plan", card(tmp_path / "thin.md", body))
    assert answer.code == 3
    assert "lacks" in answer.sentence
    assert "--assume" in answer.err


def test_unknown_assume_keys_are_named(tell: Tell) -> None:
    answer = tell("plan", CARD, "--assume", "lerning_rate=1")
    assert "lerning_rate" in answer.sentence
    assert "learning_rate" in answer.err.splitlines()[1]


def test_assume_stands_over_the_card(tell: Tell) -> None:
    plan = json.loads(tell("plan", CARD, "--assume", "dpo.beta=0.25", "-f", "json").out)
    dpo = next(s for s in plan["stages"] if s["name"] == "dpo")
    assert dpo["hyperparameters"]["beta"] == 0.25
    fact = next(f for f in dpo["facts"] if f["key"] == "beta")
    assert fact["origin"] == "assumed"
    assert "--assume" in fact["why"]


def test_ten_megabytes_of_card_are_read(tell: Tell, tmp_path: Path) -> None:
    body = "# big\n\n| Step | Loss |\n|---|---|\n" + "| 1 | 0.5 |\n" * 200 + "\n"
    prose = "words and words of a model that was trained on words " * 40 + "\n\n"
    size = 10 * 2**20 - 100
    place = tmp_path / "big.md"
    place.write_text((body + prose * (size // len(prose) + 1))[:size])
    answer = tell("check", str(place))
    assert answer.code in {0, 10}, answer.err
    assert "Traceback" not in answer.err


@pytest.mark.parametrize("reports", ["taken", "taken/deeper", "/proc/reports", "/dev/null"])
@pytest.mark.parametrize("command", ["run", "verify"])
def test_reports_that_cannot_be_kept_are_known_before_the_training(
    tell: Tell, tmp_path: Path, reports: str, command: str
) -> None:
    (tmp_path / "taken").write_text("a file\n")
    (tmp_path / "published").mkdir()
    extra = ["--against", "published"] if command == "verify" else []
    answer = tell(command, CARD, "--reports", reports, "-q", *extra)
    assert answer.code == 1
    assert "cannot be written" in answer.sentence
    assert Path(reports).name in answer.sentence
    assert (tmp_path / "taken").read_text() == "a file\n"


@pytest.mark.parametrize("output", [".", "taken/x", "/proc/x"])
def test_an_output_that_cannot_be_written(tell: Tell, tmp_path: Path, output: str) -> None:
    (tmp_path / "taken").write_text("a file\n")
    answer = tell("read", CARD, "-o", output)
    assert answer.code == 1
    assert answer.out == ""
    assert "cannot be written" in answer.sentence
    assert sorted(p.name for p in tmp_path.iterdir()) == ["taken"]


def test_the_traceback_is_shown_when_asked_for(tell: Tell) -> None:
    assert "Traceback" not in tell("check", "missing.md").err
    loud = tell("check", "missing.md", "-v")
    assert "Traceback" in loud.err
    assert loud.sentence.startswith("missing.md: ")
    assert loud.code == 3


def test_a_bug_is_one_sentence_and_1(tell: Tell, monkeypatch: pytest.MonkeyPatch) -> None:
    from repro import pipeline

    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("\x1b[31mhostile\x1b[0m")

    monkeypatch.setattr(pipeline, "check", broken)
    answer = tell("check", CARD)
    assert answer.code == 1
    assert answer.err.startswith("repro: a bug: ZeroDivisionError: hostile (")
    assert len(answer.err.splitlines()) == 1
    loud = tell("check", CARD, "-v")
    assert "Traceback" in loud.err
    assert "\x1b" not in loud.err


# --- results


def test_read_shows_stages_origins_and_claims(tell: Tell) -> None:
    answer = tell("read", CARD)
    for word in ("sft", "dpo", "stated", "5e-7", "0.634", "TBD", "dpo_norm", "meta-llama/Llama-3.1-8B"):
        assert word in answer.out
    assert answer.err == ""


def test_read_asks_a_merge_for_no_data(tell: Tell, tmp_path: Path) -> None:
    card = tmp_path / "merge.md"
    merge = "merge_method: slerp\nbase_model: acme/finch\nmodels:\n  - model: acme/finch\n  - model: acme/wren\n"
    card.write_text(f"---\ntags: [mergekit]\n---\n# Bramble\n\nA merge.\n\n```yaml\n{merge}```\n")
    answer = tell("read", str(card))
    assert "from acme/finch\n" in answer.out
    assert "no data set" not in answer.out


def test_plan_shows_every_origin_and_the_commands(tell: Tell) -> None:
    out = tell("plan", CARD).out
    for word in ("stated", "derived", "assumed", "844", "accelerate launch", "At full scale", "device-hours"):
        assert word in out
    assert "open-instruct@" in out


def test_check_shows_places_and_remedies(tell: Tell) -> None:
    out = tell("check", CARD).out
    assert f"{CARD}:70 R602 medium generation-prompt\n" in out
    assert "= help: " in out
    assert "^^^^^" in out
    assert "cannot be told (-v says why)" in out.splitlines()[-1]


def test_explain_by_code_and_by_slug(tell: Tell) -> None:
    by_code = tell("explain", "R401")
    for word in ("What", "Why", "Fix", "Sources", "effective-batch"):
        assert word in by_code.out
    assert tell("explain", "effective-batch") == by_code
    assert tell("explain", "r401").out == by_code.out
    assert tell("explain", "R401", "-f", "md").out.startswith("#")


def test_explain_lists_the_checks_of_a_beginning(tell: Tell) -> None:
    every, some = tell("explain").out.splitlines(), tell("explain", "r4").out.splitlines()
    assert [line.split()[0] for line in every] == [c.code for c in all_checks()]
    assert some == [line for line in every if line.startswith("R4")]
    assert "effective-batch" in some[0]
    assert tell("explain", "R9").code == 2


def test_select_and_ignore(tell: Tell) -> None:
    def codes(*words: str) -> set[str]:
        (found,) = json.loads(tell("check", CARD, "-f", "json", "--persona", "auditor", *words).out)["cards"]
        return {f["code"] for f in (*found["findings"], *found["cannot_tell"])}

    everything = codes()
    assert codes("--select", "R4") == {c for c in everything if c.startswith("R4")}
    assert codes("--ignore", "R602") == everything - {"R602"}
    assert codes("--select", "generation-prompt") == {"R602"}


def test_check_json_is_of_its_schema(tell: Tell) -> None:
    text = tell("check", CARD, "missing.md", "-f", "json").out
    jsonschema.Draft202012Validator(check_json_schema()).validate(json.loads(text))


def test_other_formats_parse(tell: Tell) -> None:
    assert json.loads(tell("check", CARD, "-f", "sarif").out)["version"] == "2.1.0"
    assert tell("check", CARD, "-f", "html").out.lower().startswith("<!doctype html>")
    assert tell("check", CARD, "-f", "md").out.startswith("#")
    for command in ("read", "plan"):
        as_json = json.loads(tell(command, CARD, "-f", "json").out)
        as_yaml = yaml.safe_load(tell(command, CARD, "-f", "yaml").out)
        assert as_json == as_yaml
        assert len(as_json["stages"]) == 2


def test_the_same_command_says_the_same(tell: Tell) -> None:
    for words in (["read", CARD], ["plan", CARD, "-f", "json"], ["check", CARD, "-f", "sarif"]):
        assert tell(*words) == tell(*words)


def test_many_cards_of_which_one_is_bad(tell: Tell, tmp_path: Path) -> None:
    good = card(tmp_path / "good.md", "# org/good\n\nWords.\n")
    answer = tell("check", good, "missing.md", CARD)
    assert answer.code == 3
    assert answer.sentence.startswith("missing.md: ")
    assert f"{CARD}:70 R602" in answer.out
    assert "in 1 of 2 cards" in answer.out.splitlines()[-1]
    assert "1 input could not be checked" in answer.out.splitlines()[-1]


def test_output_holds_all_cards_whole(tell: Tell, tmp_path: Path) -> None:
    good = card(tmp_path / "good.md", "# org/good\n\nWords.\n")
    shown = tell("check", good, CARD)
    written = tell("check", good, CARD, "-o", "found.txt")
    assert written.out == ""
    assert (tmp_path / "found.txt").read_text("utf-8") == shown.out
    assert written.code == shown.code == 10
    assert not list(tmp_path.glob(".*.part"))


@pytest.mark.parametrize("words", [["read", CARD], ["plan", CARD, "-f", "yaml"], ["explain", "R401"]])
def test_output_is_what_stdout_would_have_been(tell: Tell, tmp_path: Path, words: list[str]) -> None:
    shown = tell(*words)
    written = tell(*words, "-o", "deep/er/out.txt")
    assert written == Answer(0, "", "")
    assert (tmp_path / "deep" / "er" / "out.txt").read_text("utf-8") == shown.out


# --- verify without a network


def test_verify_offline_does_what_it_can_and_says_the_rest(tell: Tell, tmp_path: Path) -> None:
    answer = tell("verify", CARD, "--offline")
    assert answer.code == 4
    assert "--offline" in answer.sentence
    report = from_json(next(tmp_path.glob("reports/dpo-mahals/*/verify/report.json")).read_text("utf-8"))
    assert report.kind == "verify"
    assert report.comparisons
    assert all(c.verdict is not Verdict.REPRODUCED for c in report.comparisons)
    assert "0.634" in answer.out


@pytest.mark.parametrize("how", ["option", "environment"])
def test_verify_with_nobody_at_the_other_end(
    tell: Tell, tmp_path: Path, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if how == "environment":
        monkeypatch.setenv("HF_ENDPOINT", UNREACHABLE)
    answer = tell("verify", CARD, *(["--endpoint", UNREACHABLE] if how == "option" else []))
    assert answer.code == 4
    assert "could not be" in answer.sentence
    assert "Traceback" not in answer.err
    assert list(tmp_path.glob("reports/dpo-mahals/*/verify/report.json"))


def test_a_verify_report_refreshes_the_card_without_touching_a_byte_of_it(tell: Tell, tmp_path: Path) -> None:
    tell("verify", CARD, "--offline")
    assert tell("card", CARD, "-o", "new.md") == Answer(0, "", "")
    old, new = Path(CARD).read_bytes(), (tmp_path / "new.md").read_bytes()
    kept = iter(new.splitlines())
    assert all(line in kept for line in old.splitlines())  # in order: `in` goes on from where it stopped
    assert b"Reproducibility" in new
    assert b"| 844 | TBD | Final |" in new
    assert tell("card", CARD).out.encode() == new


def test_a_changed_card_has_no_report(tell: Tell, tmp_path: Path) -> None:
    path = tmp_path / "dpo-mahals.md"
    path.write_bytes(Path(CARD).read_bytes())
    tell("verify", str(path), "--offline")
    assert tell("card", str(path), "-o", "a.md").code == 0
    path.write_bytes(path.read_bytes() + b"\nOne more line.\n")
    answer = tell("card", str(path))
    assert answer.code == 4
    assert "repro run" in answer.err
    assert answer.out == ""


def test_a_pull_request_needs_the_network(tell: Tell) -> None:
    tell("verify", CARD, "--offline")
    answer = tell("card", CARD, "--open-pr", "--offline")
    assert answer.code == 4
    assert "--offline" in answer.sentence


# --- streams


def test_stdout_has_results_and_stderr_the_rest(tmp_path: Path) -> None:
    out, err = spawn("check", CARD, "missing.md", cwd=tmp_path).communicate(timeout=60)
    assert b"missing.md" not in out
    assert b"R602" in out
    assert b"R602" not in err
    assert err.startswith(b"error: missing.md: ")


@pytest.mark.parametrize("words", [["read", CARD, "-f", "json"], ["check", CARD], ["plan", CARD]])
def test_a_reader_that_leaves_early_is_no_error(words: list[str], tmp_path: Path) -> None:
    read_end, write_end = os.pipe()
    os.close(read_end)
    process = spawn(*words, cwd=tmp_path, stdout=write_end)
    os.close(write_end)
    _, err = process.communicate(timeout=60)
    assert process.returncode in {0, 1, 10}
    assert err == b""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
@pytest.mark.parametrize("words", [["read", CARD], ["read", CARD, "-f", "json"], ["explain", "R401"]])
def test_a_full_disk_behind_stdout_is_one_sentence(words: list[str], tmp_path: Path) -> None:
    full = os.open("/dev/full", os.O_WRONLY)
    process = spawn(*words, cwd=tmp_path, stdout=full)
    os.close(full)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert err.decode().splitlines()[0] == "error: standard output: the disk is full"
    assert b"Traceback" not in err
    assert b"Exception ignored" not in err


def test_no_colour_off_a_terminal_and_colour_when_asked(tell: Tell, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = tell("check", CARD, "missing.md")
    assert "\x1b" not in plain.out + plain.err
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert "\x1b[" in tell("check", CARD).out
    monkeypatch.setenv("NO_COLOR", "1")
    painted = [line for line in tell("check", CARD).out.splitlines() if "\x1b[3" in line]
    assert painted == []


# --- hostile text

EVIL = "\x1b]0;pwned\x07\x1b[31mred\x1b[0m\x9b31m\u202eback\u2066\u200bwards\x08\x0c[bold]x[/bold]"


@contextmanager
def nothing_drives_the_terminal() -> Iterator[Callable[[Answer], None]]:
    def look(answer: Answer) -> None:
        text = answer.out + answer.err
        wrong = {c for c in text if (ord(c) < 32 and c not in "\n\t") or 0x7F <= ord(c) < 0xA0}
        wrong |= {c for c in text if c in "\u202a\u202b\u202d\u202e\u2066\u2067\u2068\u2069\u200b\u200e\u200f"}
        assert not wrong, sorted(map(hex, map(ord, wrong)))

    yield look


@pytest.mark.parametrize(
    "words",
    [
        ["read"],
        ["read", "-f", "yaml"],
        ["check"],
        ["check", "-v"],
        ["check", "-f", "github"],
        ["check", "-f", "md"],
        ["check", "-f", "html"],
        ["check", "-f", "json"],
        ["check", "-f", "sarif"],
        ["plan"],
        ["plan", "--scale", "proxy"],
        ["verify", "--offline"],
    ],
    ids=" ".join,
)
def test_a_cards_text_never_drives_the_terminal(tell: Tell, tmp_path: Path, words: list[str]) -> None:
    body = (
        f"# org/{EVIL} model\n\nTrained with DPO, TRL. {EVIL} <script>alert(1)</script>\n\n"
        f"| Parameter | Value |\n|---|---|\n| Learning rate | 5e-7{EVIL} |\n| Beta{EVIL} | 0.1 |\n| {EVIL} | {EVIL} |\n"
        f"\n| Step | Loss |\n|---|---|\n| 1 | 0.693{EVIL} |\n| 10 | 0.5 |\n\n```python{EVIL}\nx = '{EVIL}'\n```\n"
    )
    quoted = json.dumps(EVIL)
    front = f"license: {quoted}\nbase_model: {quoted}\ntags: [{quoted}]\ndatasets: [org/data]\n{quoted}: 1\n"
    path = card(tmp_path / "evil.md", body, front)
    answer = tell(words[0], path, *words[1:])
    assert "Traceback" not in answer.err
    assert answer.code in {0, 3, 4, 10, 11}
    with nothing_drives_the_terminal() as look:
        look(answer)


def test_a_paths_text_never_drives_the_terminal(tell: Tell, tmp_path: Path) -> None:
    name = EVIL.replace("/", "|")
    path = card(tmp_path / f"{name}.md", "# org/x\n\nWords.\n", "- no mapping\n")
    with nothing_drives_the_terminal() as look:
        for words in (["check", path], ["read", path], ["plan", path], ["check", path + "gone"], ["card", path]):
            look(tell(*words))
        for words in (["explain", EVIL], ["check", CARD, "--select", EVIL], ["plan", CARD, "--assume", f"{EVIL}=1"]):
            answer = tell(*words)
            assert answer.code == 2
            look(answer)


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device", "reports/x"),
        Exception("Error while serializing: I/O error: No space left on device (os error 28)"),
    ],
    ids=["python", "rust"],
)
def test_a_full_disk_is_told_whoever_met_it(error: Exception, capfd: pytest.CaptureFixture[str]) -> None:
    assert screen.failure(error, verbose=False) == 1
    told = capfd.readouterr().err
    assert "the disk is full" in told
    assert "a bug" not in told


def test_a_full_disk_that_a_library_wrapped_is_told_with_the_callers_exit_code(
    capfd: pytest.CaptureFixture[str],
) -> None:
    try:
        try:
            raise OSError(errno.ENOSPC, "No space left on device", "cache/x.arrow")
        except OSError as inner:
            raise ValueError("could not generate") from inner
    except ValueError as middle:
        error = RunError("scoring did not finish")
        error.__cause__ = middle
    assert screen.failure(error, verbose=False) == 5
    assert capfd.readouterr().err.startswith("error: cache/x.arrow: the disk is full")
