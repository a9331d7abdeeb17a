"""Fixes change what they name and no other byte, mend what they promise, and are written only where they may be."""

from __future__ import annotations

import dataclasses
import os
import re
import stat
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from repro.card import Span
from repro.diff import shown_diff, unified_diff
from repro.edits import apply_edits
from repro.errors import CardError, ReproError
from repro.finding import Edit, Family, Finding, Outcome, Severity
from repro.mend import Look, Mended, mend, write_mended


def characters(data: bytes) -> list[tuple[str, bytes]]:
    """(character, its bytes) of a card, read one at a time: another way to the same places than the program's."""
    found = []
    place = 3 if data.startswith(b"\xef\xbb\xbf") else 0
    while place < len(data):
        if data[place : place + 2] == b"\r\n":
            found.append(("\n", b"\r\n"))
        elif data[place : place + 1] in (b"\r", b"\n"):
            found.append(("\n", data[place : place + 1]))
        else:
            for length in (1, 2, 3, 4):
                try:
                    text = data[place : place + length].decode()
                except UnicodeDecodeError:
                    continue
                if len(text) == 1:
                    found.append((text, data[place : place + length]))
                    break
            else:
                found.append(("\ufffd", data[place : place + 1]))
        place += len(found[-1][1])
    return found


PIECES = st.sampled_from(
    [
        b"\n",
        b"\r\n",
        b"\r",
        b"a",
        b"12.5",
        b"\xc3\xa9",
        b"\xe4\xb8\xad",
        b"\xf0\x9f\x98\x80",
        b"\xff",
        b"\xe4\xb8",
        b"|",
    ]
)
DATA = st.tuples(st.sampled_from([b"", b"\xef\xbb\xbf"]), st.lists(PIECES, max_size=40)).map(
    lambda parts: parts[0] + b"".join(parts[1])
)


@settings(max_examples=400, deadline=None)
@given(data=DATA, picks=st.lists(st.tuples(st.integers(0, 60), st.integers(0, 4), st.text("xyé\n", max_size=3))))
def test_every_byte_outside_the_edits_stays(data: bytes, picks: list[tuple[int, int, str]]) -> None:
    units = characters(data)
    lines: list[list[int]] = [[]]
    for index, (character, _) in enumerate(units):
        if character == "\n":
            lines.append([])
        else:
            lines[-1].append(index)
    edits: list[Edit] = []
    touched: set[int] = set()
    replaced: dict[int, str] = {}
    removed: set[int] = set()
    for number, width, new in picks:
        line = number % len(lines)
        column = number % (len(lines[line]) + 1)
        indices = lines[line][column : column + width]
        old = "".join(units[i][0] for i in indices)
        if not indices or "\ufffd" in old or old == new or touched & set(indices):
            continue
        touched |= set(indices)
        edits.append(Edit(line + 1, column + 1, column + len(indices), old, new))
        replaced[indices[0]] = new
        removed |= set(indices)
    done = apply_edits(data, [(e,) for e in edits])
    assert not any(done.refused)

    def ending(index: int) -> bytes:
        after = next((b for c, b in units[index:] if c == "\n"), None)
        before = next((b for c, b in reversed(units[:index]) if c == "\n"), b"\n")
        return after if after is not None else before

    expected = b"\xef\xbb\xbf" if data.startswith(b"\xef\xbb\xbf") else b""
    for index, (_, raw) in enumerate(units):
        if index in replaced:
            expected += replaced[index].encode().replace(b"\n", ending(index))
        if index not in removed:
            expected += raw
    assert done.data == expected


@settings(max_examples=200, deadline=None)
@given(data=DATA, edits=st.lists(st.builds(Edit, *[st.integers(-2, 9)] * 3, *[st.text("a12.5\x00é", max_size=3)] * 2)))
def test_edits_of_any_kind_never_raise_and_refused_ones_change_nothing(data: bytes, edits: list[Edit]) -> None:
    done = apply_edits(data, [(e,) for e in edits])
    assert len(done.refused) == len(edits)
    if all(done.refused):
        assert done.data == data


def test_a_line_put_in_bears_the_endings_of_its_neighbours() -> None:
    edit = Edit(2, 1, 0, "", "license: mit\n")
    assert apply_edits(b"---\r\n---\r\n# A\n", [(edit,)]).data == b"---\r\nlicense: mit\r\n---\r\n# A\n"
    assert apply_edits(b"\xef\xbb\xbf---\n---", [(edit,)]).data == b"\xef\xbb\xbf---\nlicense: mit\n---"


def test_refusals_have_their_reason_one_by_one() -> None:
    data = "one 1.5 two\nthree \ufffd four\n".encode()
    wanted = [
        (Edit(1, 5, 7, "1.5", "2.5"),),
        (Edit(1, 5, 7, "1.5", "3.5"),),
        (Edit(1, 6, 5, "", "x"),),
        (Edit(1, 5, 7, "1.5", "2.5"),),
        (Edit(1, 1, 3, "two", "six"),),
        (Edit(9, 1, 0, "", "x"),),
        (Edit(1, 11, 15, "o", "x"),),
        (Edit(2, 7, 7, "\ufffd", "x"),),
        (Edit(1, 1, 3, "one", "o\x1be"),),
        (Edit(1, 1, 3, "one", "one"),),
        (),
        (Edit(1, 1, 3, "one", "1"), Edit(1, 5, 7, "1.5", "4")),
        (Edit(1, 1, 0, "", "("), Edit(1, 12, 11, "", ")")),
    ]
    done = apply_edits(data, wanted)
    assert [bool(r) for r in done.refused] == [False, True, True, False, *[True] * 8, False]
    assert done.refused[1] == done.refused[2] == done.refused[11] == "it meets another edit in the same place"
    assert done.refused[4] == "line 1 does not say 'two' there"
    assert done.refused[5] == "the card has no line 9"
    assert done.data == "(one 2.5 two)\nthree \ufffd four\n".encode()
    assert done.made == 3


# --- diff


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    before=st.lists(st.sampled_from([b"a\n", b"b\n", b"c\r\n", b"d\x0be\n", b"\xff\n", b"--- x\n", b"f"]), min_size=1),
    after=st.lists(st.sampled_from([b"a\n", b"b\n", b"c\r\n", b"x\x1b[31m\n", b"\n", b"g"]), min_size=1),
)
def test_git_makes_the_second_version_of_the_first_with_the_diff(
    tmp_path: Path, before: list[bytes], after: list[bytes]
) -> None:
    old, new = b"".join(before), b"".join(after)
    assume(old != new)
    (tmp_path / "card.md").write_bytes(old)
    done = subprocess.run(
        ["git", "apply", "-p0", "--whitespace=nowarn", "-"],
        cwd=tmp_path,
        input=unified_diff(old, new, "card.md"),
        capture_output=True,
        env={**os.environ, "GIT_CEILING_DIRECTORIES": str(tmp_path.parent), "GIT_CONFIG_GLOBAL": os.devnull},
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "card.md").read_bytes() == new


def test_a_diff_of_far_changes_has_a_hunk_each_and_three_lines_around() -> None:
    old = b"".join(b"line %d\n" % n for n in range(30))
    new = old.replace(b"line 5\n", b"line five\n").replace(b"line 25\n", b"line 25\nmore\n")
    text = unified_diff(old, new, "a card.md").decode()
    assert text.splitlines()[:2] == ["--- a card.md", "+++ a card.md"]
    assert re.findall(r"^@@ .*", text, re.MULTILINE) == ["@@ -3,7 +3,7 @@", "@@ -24,6 +24,7 @@"]
    assert unified_diff(old, old, "x") == b""


def test_a_diff_of_a_very_long_card_is_made_at_once() -> None:
    old = b"".join(b"| %d | x |\n" % (n % 7) for n in range(60_000))
    lines = old.split(b"\n")
    lines[1] = lines[59_990] = b"changed"
    text = unified_diff(old, b"\n".join(lines), "card.md")
    assert text.count(b"\n@@ ") == 2
    longer = b"\n".join([*lines[:5], b"new", *lines[5:]])
    assert unified_diff(old, longer, "card.md").startswith(b"--- card.md\n")


def test_what_a_terminal_is_shown_cannot_drive_it() -> None:
    diff = unified_diff(b"a\x1b[31m\r\n\xff\n", b"b\xe2\x80\xae\n", "c\x1b]0;x\x07\n.md")
    shown = shown_diff(diff)
    assert "\x1b" not in shown
    assert "\u202e" not in shown
    assert "-a\\x1b[31m\n" in shown
    assert shown.splitlines()[0] == "--- c\\x1b]0;x\\x07\\n.md"


# --- mend


def finding(code: str, line: int, edits: tuple[Edit, ...] = (), message: str = "") -> Finding:
    return Finding(
        code, code.lower(), "", Family.TRAINING, Severity.LOW, Severity.HIGH, Outcome.FAIL,
        message or f"line {line}", (Span("c", line, line),), edits=edits,
    )  # fmt: skip


def look(data: bytes) -> Look:
    """A small checker of its own: `sum N M T` is wrong where T is not N + M, and 99 may stand nowhere."""
    found = []
    for number, line in enumerate(data.decode("utf-8", "replace").replace("\r\n", "\n").split("\n"), start=1):
        if match := re.fullmatch(r"sum (\d+) (\d+) (\d+)", line):
            total = str(int(match[1]) + int(match[2]))
            if total != match[3]:
                edit = Edit(number, match.start(3) + 1, match.end(3), match[3], total)
                found.append(finding("R412", number, (edit,)))
        if re.fullmatch(r"twice \d+", line):
            found.append(finding("R503", number, (Edit(number, 1, 5, "twice", "still twice"[6:]),)))
        if "99" in line:
            found.append(finding("R601", number))
        if line == "wish":
            found.append(finding("R706", number, (Edit(number, 1, 4, "wish", "sum 1 1 3"),)))
        if line == "trap":
            found.append(finding("R707", number, (Edit(number, 1, 4, "trap", "bait 99"),)))
    return Look(tuple(found))


def test_fixes_are_made_and_what_does_harm_is_taken_back() -> None:
    card = b"sum 1 2 4\r\nsum 50 49 1\r\ntrap\r\n\xff sum 1 2 4\r\nsum 2 2 4"
    done = mend(card, look)
    assert done.data == b"sum 1 2 3\r\nsum 50 49 1\r\ntrap\r\n\xff sum 1 2 4\r\nsum 2 2 4"
    assert [f.spans[0].line for f in done.fixed] == [1]
    assert [(f.code, reason) for f, reason in done.refused] == [
        ("R412", "R601 would then fail: line 2"),
        ("R707", "R601 would then fail: line 3"),
    ]
    assert mend(done.data, look).data == done.data
    assert not mend(b"sum 1 1 2\n", look).changed


def test_a_fix_that_does_not_mend_is_taken_back() -> None:
    done = mend(b"twice 7\nsum 1 1 1\n", look)
    assert done.data == b"twice 7\nsum 1 1 2\n"
    assert [(f.code, why) for f, why in done.refused] == [("R503", "it would change nothing")]

    def stubborn(data: bytes) -> Look:
        return Look((finding("R401", 1, (Edit(1, 1, 1, data[:1].decode(), "z" if data[:1] != b"z" else "y"),)),))

    still = mend(b"abc\n", stubborn)
    assert still.data == b"abc\n"
    assert [why for _, why in still.refused] == ["R401 would still fail"]


@settings(max_examples=150, deadline=None)
@given(lines=st.lists(st.sampled_from(["sum 1 2 3", "sum 1 2 9", "sum 98 1 5", "trap", "twice 1", "x 99", "é"])))
def test_mending_twice_is_mending_once(lines: list[str]) -> None:
    once = mend("\n".join(lines).encode(), look)
    assert mend(once.data, look).data == once.data
    failing = {f.message for f in once.look.findings}
    assert not failing & {f.message for f in once.fixed}


def test_ignored_findings_are_left_alone() -> None:
    def ignoring(data: bytes) -> Look:
        return Look(tuple(dataclasses.replace(f, ignored="kept as published") for f in look(data).findings))

    assert not mend(b"sum 1 2 4\n", ignoring).changed


# --- writing


def mended(before: bytes, after: bytes) -> Mended:
    return Mended(before, after, (), (), Look(()))


def test_a_card_is_written_in_its_own_place_with_its_own_permissions(tmp_path: Path) -> None:
    card = tmp_path / "card.md"
    card.write_bytes(b"old")
    card.chmod(0o640)
    write_mended(str(card), mended(b"old", b"new"))
    assert card.read_bytes() == b"new"
    assert stat.S_IMODE(card.stat().st_mode) == 0o640
    assert [p.name for p in tmp_path.iterdir()] == ["card.md"]


def test_nothing_is_written_through_a_link_or_over_what_changed(tmp_path: Path) -> None:
    card, link = tmp_path / "card.md", tmp_path / "link.md"
    card.write_bytes(b"old")
    link.symlink_to(card)
    with pytest.raises(CardError, match="is a link"):
        write_mended(str(link), mended(b"old", b"new"))
    with pytest.raises(CardError, match="changed while it was checked"):
        write_mended(str(card), mended(b"older", b"new"))
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(CardError, match="is no regular file"):
        write_mended(str(tmp_path / "pipe"), mended(b"old", b"new"))
    with pytest.raises(CardError, match="cannot be read: No such file"):
        write_mended(str(tmp_path / "gone.md"), mended(b"old", b"new"))
    assert card.read_bytes() == b"old"
    assert link.is_symlink()


@pytest.mark.skipif(os.geteuid() == 0, reason="everything may be written by root")
def test_a_card_that_may_not_be_written_stays(tmp_path: Path) -> None:
    card = tmp_path / "card.md"
    card.write_bytes(b"old")
    card.chmod(0o444)
    with pytest.raises(ReproError, match="no permission"):
        write_mended(str(card), mended(b"old", b"new"))
    assert card.read_bytes() == b"old"
