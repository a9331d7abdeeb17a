"""`repro check --fix` and `--diff` as a user calls them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CARD = (
    b"\xef\xbb\xbf# Kestrel 1B\r\n\r\n"
    b"| step | loss | change |\r\n|---|---|---|\r\n| 1 | 0.800 | |\r\n| 100 | 0.600 | -30% |\r\n\r\n"
    b"\xff is no text.\r\n\r\n"
    b"| | A | B | Average |\r\n|---|---|---|---|\r\n| wren | 10.0 | 20.0 | 15.0 |\r\n| finch | 12.0 | 20.0 | 16.0 |\r\n"
    b"| robin | 14.0 | 20.0 | 17.0 |\r\n| kestrel | 10.0 | 30.0 | 21.0 |"
)
MENDED = CARD.replace(b"-30%", b"-25%").replace(b"| 21.0 |", b"| 20.0 |")


def repro(*words: str, cwd: Path, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "repro", *words],
        cwd=cwd,
        input=stdin,
        capture_output=True,
        timeout=120,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", "NO_COLOR": "1"},
    )


@pytest.fixture
def card(tmp_path: Path) -> Path:
    place = tmp_path / "card.md"
    place.write_bytes(CARD)
    return place


def test_fix_mends_percentage_and_average_and_leaves_every_other_byte(card: Path) -> None:
    done = repro("check", "--fix", "--select", "R412", "--select", "R503", "card.md", cwd=card.parent)
    assert done.returncode == 0, done.stderr
    assert card.read_bytes() == MENDED
    assert b"card.md: 2 fixes made: R412 on line 6, R503 on line 15" in done.stderr
    again = repro("check", "--fix", "--select", "R412", "--select", "R503", "card.md", cwd=card.parent)
    assert again.returncode == 0
    assert b"fix" not in again.stderr
    assert card.read_bytes() == MENDED


def test_a_check_tells_of_fixes_that_it_could_make(card: Path) -> None:
    done = repro("check", "card.md", cwd=card.parent)
    assert b"2 of these can be mended without judgement: --diff shows how, --fix does it." in done.stderr
    assert b"mended" not in repro("check", "--ignore", "R412", "--ignore", "R503", "card.md", cwd=card.parent).stderr


def test_the_exit_code_is_that_of_what_is_left(card: Path) -> None:
    done = repro("check", "--fix", "--fail-on", "medium", "card.md", cwd=card.parent)
    assert card.read_bytes() == MENDED
    assert done.returncode == 10
    assert b"R706" in done.stdout
    assert b"R412 high" not in done.stdout


def test_diff_changes_nothing_and_git_takes_it(card: Path) -> None:
    done = repro("check", "--diff", "card.md", cwd=card.parent)
    assert done.returncode == 10
    assert card.read_bytes() == CARD
    assert done.stdout.startswith(b"--- card.md\n+++ card.md\n@@ ")
    applied = subprocess.run(
        ["git", "apply", "-p0", "--whitespace=nowarn", "-"], cwd=card.parent, input=done.stdout, capture_output=True
    )
    assert applied.returncode == 0, applied.stderr
    assert card.read_bytes() == MENDED


def test_an_empty_difference_says_that_something_is_left(card: Path) -> None:
    done = repro("check", "--diff", "--select", "R706", "card.md", cwd=card.parent)
    assert (done.returncode, done.stdout) == (10, b"")
    assert b"No fix without judgement for 1 finding: repro check without --diff shows what is wrong." in done.stderr
    card.write_bytes(MENDED)
    clean = repro("check", "--diff", "--select", "R412", "card.md", cwd=card.parent)
    assert (clean.returncode, clean.stdout, clean.stderr) == (0, b"", b"")


def test_what_is_ignored_or_not_selected_is_not_fixed(card: Path) -> None:
    repro("check", "--fix", "--ignore", "R412", "card.md", cwd=card.parent)
    assert card.read_bytes() == CARD.replace(b"| 21.0 |", b"| 20.0 |")
    (card.parent / "repro.toml").write_text('[ignore]\nR412 = "kept as published"\n')
    card.write_bytes(CARD)
    done = repro("check", "--fix", "--select", "R412", "card.md", cwd=card.parent)
    assert done.returncode == 0, done.stderr
    assert card.read_bytes() == CARD


def test_standard_input_is_only_shown_its_difference(card: Path) -> None:
    refused = repro("check", "--fix", "-", cwd=card.parent, stdin=CARD)
    assert refused.returncode == 2
    assert b"error: <stdin>: is no file on this machine: there is nothing to fix in place" in refused.stderr
    shown = repro("check", "--diff", "-", "--stdin-filename", "card.md", cwd=card.parent, stdin=CARD)
    assert shown.returncode == 10
    assert b"\n+| 100 | 0.600 | -25% |\r\n" in shown.stdout


def test_a_link_is_not_written_through_and_the_other_cards_are_fixed(card: Path) -> None:
    (card.parent / "elsewhere").mkdir()
    card.rename(card.parent / "elsewhere" / "card.md")
    (card.parent / "link.md").symlink_to("elsewhere/card.md")
    (card.parent / "own.md").write_bytes(CARD + b"\r\n")
    done = repro("check", "--fix", "link.md", "own.md", cwd=card.parent)
    assert done.returncode == 3
    assert b"error: link.md: is a link: a fix is not written through it" in done.stderr
    assert (card.parent / "elsewhere" / "card.md").read_bytes() == CARD
    assert (card.parent / "own.md").read_bytes() == MENDED + b"\r\n"


@pytest.mark.parametrize(
    ("words", "told"),
    [(("--fix", "--diff"), b"contradict each other"), (("--diff", "--format", "json"), b"has a format of its own")],
)
def test_what_cannot_be_meant_is_refused(card: Path, words: tuple[str, ...], told: bytes) -> None:
    done = repro("check", *words, "card.md", cwd=card.parent)
    assert done.returncode == 2
    assert told in done.stderr
    assert card.read_bytes() == CARD


def test_front_matter_that_the_body_states_is_put_in_before_its_closing_line(tmp_path: Path) -> None:
    before = (
        b"---\r\nlicence: mit\r\nlanguage: english\r\n---\r\n# Kestrel letters\r\n\r\n"
        b"This model is a fine-tuned version of [aviary/kestrel-base](https://huggingface.co/aviary/kestrel-base) on "
        b"letters.\r\n"
    )
    after = (
        before.replace(b"licence:", b"license:")
        .replace(b"english", b"en")
        .replace(b"\r\n---\r\n# ", b"\r\nbase_model: aviary/kestrel-base\r\n---\r\n# ")
    )
    card = tmp_path / "card.md"
    card.write_bytes(before)
    done = repro("check", "--fix", "--fail-on", "never", "card.md", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert card.read_bytes() == after
    assert b"3 fixes made: R121 on line 2, R126 on line 3, R127 on line 7" in done.stderr


BULK = ROOT.parent / "shared" / "corpus" / "cards"


@pytest.mark.skipif(not BULK.is_dir(), reason="the corpus is not here")
def test_every_fix_of_a_real_card_mends_it_and_stays_mended() -> None:
    from repro.check.checker import run_checks
    from repro.evidence import Evidence
    from repro.mend import Look, mend
    from repro.read.reader import read

    def look(data: bytes) -> Look:
        _, spec = read(data, "card.md")
        return Look(run_checks(spec, Evidence()), spec.problems)

    places = sorted(BULK.rglob("*.md"))
    assert len(places) > 50
    for place in places:
        data = place.read_bytes()
        once = mend(data, look)
        if once.changed:
            assert mend(once.data, look).data == once.data, place.name
            assert not {(f.code, f.message) for f in once.fixed} & {
                (f.code, f.message) for f in once.look.findings if f.outcome == "fail"
            }, place.name
