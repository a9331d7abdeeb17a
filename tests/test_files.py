"""Files are seen whole or not at all, never outside their folder, and what is no card is refused."""

from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from repro.errors import CardError, ReproError
from repro.files import (
    MAX_CARD_BYTES,
    cannot_write,
    checked_card_bytes,
    inside,
    read_card_bytes,
    write_named,
    write_whole,
)


@pytest.mark.parametrize("name", ["a", "a/b.md", "a/../b", ".hidden", "a b", "..a", "…"])
def test_names_that_stay_inside(tmp_path: Path, name: str) -> None:
    place = inside(tmp_path, name)
    assert tmp_path.resolve() in place.parents


@pytest.mark.parametrize("name", ["..", "../x", "a/../../x", "/etc/passwd", "a/../../" + "b/../../c"])
def test_names_that_lead_out(tmp_path: Path, name: str) -> None:
    with pytest.raises(ReproError, match="leads outside"):
        inside(tmp_path, name)


def test_a_link_that_leads_out(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "door").symlink_to(tmp_path)
    with pytest.raises(ReproError, match="leads outside"):
        inside(tmp_path / "run", "door/file")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from(["..", ".", "a", "b", "", "~"]), max_size=6))
def test_inside_never_gives_a_place_outside(tmp_path: Path, parts: list[str]) -> None:
    root = tmp_path.resolve()
    try:
        place = inside(tmp_path, "/".join(parts))
    except ReproError:
        return
    assert place == root or root in place.parents


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=20)
@given(st.binary(max_size=2000))
def test_what_was_written_is_read_back(tmp_path: Path, data: bytes) -> None:
    place = tmp_path / "deep" / "file"
    write_whole(place, data)
    assert place.read_bytes() == data
    assert [p.name for p in place.parent.iterdir()] == ["file"]
    assert stat.S_IMODE(place.stat().st_mode) == 0o644


def test_text_is_utf_8_with_its_own_newlines(tmp_path: Path) -> None:
    write_whole(tmp_path / "t", "ä\r\n\n")
    assert (tmp_path / "t").read_bytes() == b"\xc3\xa4\r\n\n"


def test_a_failed_write_leaves_the_old_file_and_no_part(tmp_path: Path) -> None:
    place = tmp_path / "kept"
    write_whole(place, "old")
    code = (
        "import resource, signal, sys; from pathlib import Path; from repro.files import write_whole\n"
        "from repro.errors import ReproError\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "try: write_whole(Path(sys.argv[1]), b'x' * 100_000)\n"
        "except ReproError as error: print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(place)], capture_output=True, text=True, timeout=60)
    assert done.stdout.startswith(f"{place}: cannot be written: ")
    assert place.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["kept"]


def test_a_folder_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ReproError, match="cannot be written"):
        write_whole(tmp_path / "file" / "x", "")


@pytest.mark.parametrize(
    ("number", "says"),
    [
        (errno.ENOSPC, "the disk is full"),
        (errno.EDQUOT, "the disk is full"),
        (errno.EACCES, "no permission"),
        (errno.EROFS, "no permission"),
        (errno.EIO, os.strerror(errno.EIO)),
    ],
)
def test_each_failure_has_its_sentence(number: int, says: str) -> None:
    error = cannot_write(Path("a/b"), OSError(number, os.strerror(number)))
    assert says in str(error)
    assert str(error).startswith("a/b: ")
    assert error.exit_code == 1


def test_a_card_is_read_as_it_is(tmp_path: Path) -> None:
    place = tmp_path / "card.md"
    place.write_bytes(b"\xef\xbb\xbf# t\r\n\xff")
    assert read_card_bytes(str(place)) == b"\xef\xbb\xbf# t\r\n\xff"


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "empty"),
        (b" \r\n\t", "empty"),
        (b"\xef\xbb\xbf\n", "empty"),
        (b"\0" * 100, "binary"),
        (bytes(range(256)) * 4, "binary"),
        (b"x" * (MAX_CARD_BYTES + 1), "too large"),
    ],
)
def test_what_is_no_card(data: bytes, says: str) -> None:
    with pytest.raises(CardError, match=says) as caught:
        checked_card_bytes(data, "org/m@abc:README.md")
    assert caught.value.where == "org/m@abc:README.md"


@pytest.mark.parametrize(
    "data", [b"x", b"\x1b[31m# red\x1b[0m" * 3, "中文の卡片".encode("utf-16")[:1] + b"words", b"a" * 1000]
)
def test_odd_text_is_still_text(data: bytes) -> None:
    assert checked_card_bytes(data, "c") == data


def test_a_card_of_exactly_the_limit_is_read(tmp_path: Path) -> None:
    place = tmp_path / "big.md"
    place.write_bytes(b"x" * MAX_CARD_BYTES)
    assert len(read_card_bytes(str(place))) == MAX_CARD_BYTES
    place.write_bytes(b"x" * (MAX_CARD_BYTES + 1))
    with pytest.raises(CardError, match="too large"):
        read_card_bytes(str(place))


def test_a_device_that_never_ends_is_no_card() -> None:
    if not Path("/dev/zero").exists():
        pytest.skip("no /dev/zero here")
    with pytest.raises(CardError):
        read_card_bytes("/dev/zero")


def test_a_pipe_stays_a_pipe(tmp_path: Path) -> None:
    place = tmp_path / "pipe"
    os.mkfifo(place)
    with subprocess.Popen(["cat", str(place)], stdout=subprocess.PIPE) as reader:
        write_named(place, "found")
        assert reader.stdout is not None
        assert reader.stdout.read() == b"found"
    assert stat.S_ISFIFO(place.stat().st_mode)


def test_a_link_stays_a_link_and_its_file_is_written(tmp_path: Path) -> None:
    link = tmp_path / "latest"
    link.symlink_to("first.txt")
    for text in ("one", "two"):
        write_named(link, text)
        assert link.is_symlink()
        assert (tmp_path / "first.txt").read_text() == text


def test_a_link_that_leads_to_itself_is_told(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(ReproError, match="cannot be written"):
        write_named(tmp_path / "loop", "x")
