"""Rows of bulk sources: every row is there once, in order, with its text or its reason."""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from repro.errors import CardError, UsageError
from repro.row import Columns, Row
from repro.rows import count_rows, read_rows

CARD = "# Kestrel 1B\n\nFine-tuned for 3 epochs.\n"


def rows(source: Path, columns: Columns = Columns()) -> list[Row]:  # noqa: B008
    return list(read_rows(source, columns))


def lines(path: Path, *values: object) -> Path:
    path.write_bytes(b"".join((v if isinstance(v, bytes) else json.dumps(v).encode()) + b"\n" for v in values))
    return path


def test_a_folder_gives_its_markdown_files_in_order_and_follows_no_folder_link(tmp_path: Path) -> None:
    for name in ("b/README.md", "a/README.md", "a/notes.txt", "z.md"):
        (tmp_path / "cards" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "cards" / name).write_text(CARD)
    (tmp_path / "cards" / "round").symlink_to(tmp_path / "cards")
    found = rows(tmp_path / "cards")
    assert [Path(r.place).relative_to(tmp_path / "cards").as_posix() for r in found] == [
        "z.md",
        "a/README.md",
        "b/README.md",
    ]
    assert [r.number for r in found] == [0, 1, 2]
    assert count_rows(tmp_path / "cards") == 3


def test_in_a_folder_a_pipe_a_dead_link_and_an_empty_file_are_rows_with_their_reason(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.md")
    (tmp_path / "b.md").symlink_to(tmp_path / "nowhere")
    (tmp_path / "c.md").write_text("")
    (tmp_path / "d.md").write_bytes(bytes(range(8)) * 100)
    (tmp_path / "e.md").write_text(CARD)
    assert [r.error for r in rows(tmp_path)] == [
        "is no regular file",
        "is a link that leads nowhere",
        "the file is empty",
        "this is binary data, not text",
        "",
    ]


@pytest.mark.parametrize("packed", [False, True])
def test_json_lines_each_bad_line_is_a_row_with_its_reason(tmp_path: Path, packed: bool) -> None:
    place = lines(
        tmp_path / "dump.jsonl",
        {"modelId": "wren/one", "card": CARD},
        b"{not json",
        b"",
        [1, 2],
        {"modelId": "wren/two", "size": 3},
        {"modelId": "wren/three", "card": None},
        {"modelId": "wren/four", "card": 7},
        {"modelId": "wren/five", "card": " \n"},
        {"modelId": "wren/six", "card": "x" * (10 * 2**20 + 1)},
        b"[" * 100_000,
        {"text": CARD},
    )
    if packed:
        place = tmp_path / "dump.jsonl.gz"
        place.write_bytes(gzip.compress((tmp_path / "dump.jsonl").read_bytes()))
    found = rows(place)
    assert [r.number for r in found] == list(range(10))
    assert [r.place.rsplit(":", 1)[1] for r in found] == ["1", "2", "4", "5", "6", "7", "8", "9", "10", "11"]
    told = [r.error for r in found]
    assert told[0] == told[9] == ""
    assert told[1].startswith("not JSON: ")
    assert told[2] == "the line holds a list, not an object"
    assert told[3].startswith("has no text: no column is called any of card, text")
    assert told[3].endswith("(--text-column names another)")
    assert told[4] == "card holds nothing (null), not text"
    assert told[5] == "card holds a number, not text"
    assert told[6] == "the file is empty"
    assert told[7].endswith("is too large for a model card")
    assert told[8].startswith("not JSON: ")
    assert [r.id for r in found][:1] + [r.id for r in found][-1:] == ["wren/one", f"{place}:11"]


def test_a_gzip_file_that_ends_early_says_so_after_what_could_be_read(tmp_path: Path) -> None:
    whole = lines(tmp_path / "w.jsonl", *({"id": str(i), "text": f"{CARD}{os.urandom(40).hex()}"} for i in range(400)))
    place = tmp_path / "cut.jsonl.gz"
    place.write_bytes(gzip.compress(whole.read_bytes())[:-2000])
    found = rows(place)
    assert len(found) > 100
    assert [r.error for r in found[:-1]] == [""] * (len(found) - 1)
    assert found[-1].error.startswith("the rest of the file cannot be read: ")


def test_a_lone_surrogate_is_no_crash(tmp_path: Path) -> None:
    (found,) = rows(lines(tmp_path / "s.jsonl", b'{"id": "\\udc80", "text": "# Wren \\ud800\\n"}'))
    assert not found.error
    assert found.id.encode()
    assert found.data == b"# Wren \xed\xa0\x80\n"


def parquet(path: Path, table: dict[str, object], group: int = 3) -> Path:
    pq.write_table(pa.table(table), path, row_group_size=group)
    return path


@pytest.mark.parametrize(
    "kind", [pa.string(), pa.large_string(), pa.binary(), pa.dictionary(pa.int32(), pa.string())], ids=str
)
def test_parquet_text_of_every_kind(tmp_path: Path, kind: pa.DataType) -> None:
    texts = [f"{CARD}{i}\n" for i in range(7)]
    place = parquet(
        tmp_path / "d.parquet",
        {"modelId": [f"wren/{i}" for i in range(7)], "likes": list(range(7)), "card": pa.array(texts).cast(kind)},
    )
    found = rows(place)
    assert [r.data.decode() for r in found] == texts
    assert [r.id for r in found] == [f"wren/{i}" for i in range(7)]
    assert found[6].place == f"{place}:7"
    assert count_rows(place) == 7


def test_parquet_rows_without_text_and_with_bytes_that_are_not_text(tmp_path: Path) -> None:
    bad = pa.array([CARD.encode(), None, b"# Wren \xff\xfe\n", b""], pa.binary())
    place = parquet(tmp_path / "d.parquet", {"text": pa.Array.from_buffers(pa.string(), 4, bad.buffers())})
    found = rows(place)
    assert [r.error for r in found] == ["", "text holds nothing (null), not text", "", "the file is empty"]
    assert found[2].data == b"# Wren \xff\xfe\n"


def test_a_damaged_row_group_costs_its_own_rows(tmp_path: Path) -> None:
    texts = [f"{CARD}{os.urandom(3000).hex()}" for _ in range(9)]
    place = parquet(tmp_path / "d.parquet", {"text": texts})
    about = pq.ParquetFile(place).metadata.row_group(1).column(0)
    data = bytearray(place.read_bytes())
    start = about.dictionary_page_offset or about.data_page_offset
    data[start : start + 4000] = bytes(4000)
    place.write_bytes(data)
    found = rows(place)
    assert [bool(r.error) for r in found] == [False] * 3 + [True] * 3 + [False] * 3
    assert found[4].error.startswith("the row group cannot be read: ")
    assert found[4].place == f"{place}:5"


def test_named_columns_stand_over_the_usual_ones(tmp_path: Path) -> None:
    place = lines(tmp_path / "d.jsonl", {"text": "no", "body": CARD, "id": 1, "repo": "wren/one"})
    (found,) = rows(place, Columns(text="body", id="repo"))
    assert (found.id, found.data.decode()) == ("wren/one", CARD)


def test_what_is_no_source_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "x.csv").write_text("a,b")
    (tmp_path / "x.parquet").write_text("no")
    for name, words in (
        ("nowhere", "no such file or folder"),
        ("empty", "holds no Markdown file, JSON lines or Parquet"),
        ("x.csv", "is neither a folder"),
        ("x.parquet", "is not a Parquet file"),
    ):
        with pytest.raises(CardError, match=words):
            rows(tmp_path / name)
    numbers = parquet(tmp_path / "n.parquet", {"text": [1, 2]})
    with pytest.raises(UsageError, match="the column text holds int64, not text"):
        rows(numbers)
    with pytest.raises(UsageError, match="has no column with a card's text"):
        rows(parquet(tmp_path / "o.parquet", {"likes": [1, 2]}))


def test_a_folder_of_shards_is_read_as_one_source(tmp_path: Path) -> None:
    parquet(tmp_path / "train-0.parquet", {"card": [CARD] * 4, "modelId": list("abcd")})
    lines(tmp_path / "train-1.jsonl", {"card": CARD, "modelId": "e"})
    found = rows(tmp_path)
    assert [r.id for r in found] == list("abcde")
    assert [r.number for r in found] == [0, 1, 2, 3, 4]


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(finished=st.sets(st.integers(0, 12)), kind=st.sampled_from(["jsonl", "parquet", "folder"]))
def test_what_is_done_is_passed_over_and_nothing_else(tmp_path: Path, finished: set[int], kind: str) -> None:
    texts = [f"# Wren {i}\n" for i in range(25)]
    source = tmp_path / f"s.{kind}"
    if kind == "folder":
        source.mkdir(exist_ok=True)
        for i, text in enumerate(texts):
            (source / f"{i:02d}.md").write_text(text)
    elif kind == "jsonl":
        lines(source, *({"text": t} for t in texts))
    else:
        parquet(source, {"text": texts}, group=7)

    def done(start: int, count: int) -> bool:
        return all(n // 2 in finished for n in range(start, start + count))

    found = list(read_rows(source, Columns(), done))
    assert [r.number for r in found] == [n for n in range(25) if n // 2 not in finished]
    assert [r.data.decode() for r in found] == [texts[n] for n in range(25) if n // 2 not in finished]
