"""A sweep's Parquet tables: parts that are written whole as rows are done, and the two tables made of them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from repro.errors import PrerequisiteError
from repro.files import writing_whole
from repro.finding import Severity
from repro.sweep_card import Swept

CARDS, FINDINGS = "cards", "findings"
PARTS = "parts"
COMPRESSION = "zstd"
ROWS = 5_000
"""Rows of a row group in the final tables, and the most that are in memory while they are made."""


def need_pyarrow() -> None:
    """
    Raises:
        PrerequisiteError: pyarrow is not installed.
    """
    try:
        import pyarrow.parquet  # noqa: F401
    except ImportError as error:
        raise PrerequisiteError(
            "a sweep keeps its results as Parquet, which needs pyarrow", hint="pip install 'card-repro[sweep]'"
        ) from error


def cards_schema(codes: Sequence[str]) -> Any:
    """One row a card; after what is said of every card, one column a check with its worst outcome on that card."""
    import pyarrow as pa

    words = pa.dictionary(pa.int32(), pa.string())
    return pa.schema(
        [
            ("number", pa.int64()),
            ("id", pa.string()),
            ("place", pa.string()),
            ("error", words),
            ("sha256", pa.string()),
            ("dialect", words),
            ("language", words),
            ("bytes", pa.int64()),
            ("seconds", pa.float64()),
            ("making", words),
            ("completeness", pa.int32()),
            ("missing", pa.list_(pa.string())),
            ("problems", pa.int32()),
            *((severity.value, pa.int32()) for severity in Severity),
            *((code, words) for code in codes),
        ]
    )


def findings_schema() -> Any:
    """One row a finding that failed or could not tell, or a place that could not be read (code and outcome "unread");
    `number` and `id` are the card's."""
    import pyarrow as pa

    words = pa.dictionary(pa.int32(), pa.string())
    return pa.schema(
        [
            ("number", pa.int64()),
            ("id", pa.string()),
            ("code", words),
            ("severity", words),
            ("outcome", words),
            ("line", pa.int32()),
            ("message", pa.string()),
        ]
    )


def _card_rows(swept: Sequence[Swept], codes: Sequence[str]) -> Iterator[dict[str, object]]:
    for card in swept:
        read = not card.error
        yield {
            "number": card.number,
            "id": card.id,
            "place": card.place,
            "error": card.error or None,
            "sha256": card.sha256 or None,
            "dialect": card.dialect or None,
            "language": card.language or None,
            "bytes": card.bytes,
            "seconds": card.seconds if read else None,
            "making": card.making or None,
            "completeness": card.completeness,
            "missing": card.missing if read else None,
            "problems": card.problems if read else None,
            **{severity.value: card.count(severity) if read else None for severity in Severity},
            **dict.fromkeys(codes),
            **dict(card.outcomes),
        }


class Parts:
    """The finished pieces of a sweep in a folder: piece `n` holds rows `n * size` to `(n + 1) * size - 1`.

    A piece's findings are written before its cards: it is finished when its cards are there.
    """

    def __init__(self, folder: Path, size: int, codes: Sequence[str]) -> None:
        self._folder = folder / PARTS
        self._size = size
        self._codes = codes
        self._finished = {int(p.name.split(".")[0]) for p in self._folder.glob(f"*.{CARDS}.parquet")}

    def covers(self, start: int, count: int) -> bool:
        """Whether all these rows are in finished pieces."""
        return all(n in self._finished for n in range(start // self._size, (start + count - 1) // self._size + 1))

    def write(self, piece: int, swept: Sequence[Swept]) -> None:
        """Keep a piece; its rows in order."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        rows = sorted(swept, key=lambda card: card.number)
        found = [
            {"number": c.number, "id": c.id, "code": f.code, "outcome": f.outcome,
             "severity": f.severity or None, "line": f.line, "message": f.message}
            for c in rows for f in c.findings
        ]  # fmt: skip
        tables = (
            (FINDINGS, found, findings_schema()),
            (CARDS, list(_card_rows(rows, self._codes)), cards_schema(self._codes)),
        )
        for name, values, schema in tables:
            with writing_whole(self._path(piece, name)) as place:
                pq.write_table(pa.Table.from_pylist(values, schema), place, compression=COMPRESSION)
        self._finished.add(piece)

    def join(self, name: str, target: Path) -> None:
        """All pieces of one table in order, as one file, written whole."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        schema = cards_schema(self._codes) if name == CARDS else findings_schema()
        with (
            writing_whole(target) as place,
            pq.ParquetWriter(place, schema, compression=COMPRESSION, use_dictionary=True) as writer,
        ):
            waiting: list[Any] = []
            for piece in sorted(self._finished):
                waiting.append(pq.read_table(self._path(piece, name), schema=schema))
                if sum(table.num_rows for table in waiting) >= ROWS:
                    writer.write_table(pa.concat_tables(waiting).unify_dictionaries(), row_group_size=ROWS)
                    waiting = []
            if waiting:
                writer.write_table(pa.concat_tables(waiting).unify_dictionaries(), row_group_size=ROWS)

    def remove(self) -> None:
        """Take the pieces away, when the tables are made of them."""
        with contextlib.suppress(OSError):
            for path in sorted(self._folder.iterdir()):
                path.unlink(missing_ok=True)
            self._folder.rmdir()

    def _path(self, piece: int, name: str) -> Path:
        return self._folder / f"{piece:07d}.{name}.parquet"


def batches(path: Path, columns: Sequence[str]) -> Iterator[dict[str, list[Any]]]:
    """Columns of a table, some rows at a time."""
    import pyarrow.parquet as pq

    with pq.ParquetFile(path, pre_buffer=False, buffer_size=1 << 20) as file:
        for batch in file.iter_batches(4096, columns=list(columns)):
            yield {name: batch.column(name).to_pylist() for name in columns}
