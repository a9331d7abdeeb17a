"""Cards of a Parquet file, a few rows at a time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from repro.errors import CardError, PrerequisiteError, UsageError
from repro.row import ID_COLUMNS, TEXT_COLUMNS, Columns, Done, Row, checked_row, reason, shown

BATCH = 64
"""Rows of a Parquet file that are held at a time."""


def open_table(path: Path) -> Any:
    """The Parquet file.

    Raises:
        PrerequisiteError: pyarrow is not installed.
        CardError: not a Parquet file, or one that is damaged.
    """
    try:
        import pyarrow.parquet as pq
    except ImportError as error:
        raise PrerequisiteError(
            "reading Parquet needs pyarrow", where=str(path), hint="pip install 'card-repro[sweep]'"
        ) from error
    try:
        # Without the buffer ahead a row group is read page by page: a dump may be one group of gigabytes.
        return pq.ParquetFile(path, pre_buffer=False, buffer_size=1 << 20)
    except (OSError, ValueError) as error:
        raise CardError(f"is not a Parquet file: {reason(error)}", where=str(path)) from error


def _column(path: Path, names: list[str], wanted: str, usual: tuple[str, ...], what: str) -> str:
    found = next((n for n in ((wanted,) if wanted else usual) if n in names), "")
    if not found and (wanted or what == "text"):
        looked = f"called {wanted}" if wanted else f"with a card's text ({', '.join(usual)})"
        raise UsageError(
            f"has no column {looked}; it has {', '.join(names[:20])}",
            where=str(path),
            hint=f"name it with --{what}-column",
        )
    return found


def read_table(path: Path, columns: Columns, number: int, done: Done) -> Iterator[Row | int]:
    """Rows from `number` on; a whole number instead of a row says from which number it goes on.

    Raises:
        UsageError: it has no column with a card's text.
    """
    file = open_table(path)
    import pyarrow as pa

    names = list(file.schema_arrow.names)
    text = _column(path, names, columns.text, TEXT_COLUMNS, "text")
    own = _column(path, names, columns.id, ID_COLUMNS, "id")
    kind = file.schema_arrow.field(text).type
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    if not (pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_binary(kind)):
        raise UsageError(
            f"the column {text} holds {kind}, not text", where=str(path), hint="name it with --text-column"
        )
    first = number
    for group in range(file.num_row_groups):
        end = number + file.metadata.row_group(group).num_rows
        if done(number, end - number):
            number = end
            yield number
            continue
        try:
            for batch in file.iter_batches(BATCH, row_groups=[group], columns=[text, own] if own else [text]):
                count = batch.num_rows
                if done(number, count):
                    number += count
                    yield number
                    continue
                texts, ids = _plain(batch.column(text)), batch.column(own).to_pylist() if own else [None] * count
                for data, name in zip(texts, ids, strict=True):
                    place = f"{path}:{number - first + 1}"
                    called = place if name is None else shown(str(name))
                    if done(number, 1):
                        yield number + 1
                    elif data is None:
                        yield Row(number, called, place, error=f"{text} holds nothing (null), not text")
                    else:
                        yield checked_row(number, called, place, data)
                    number += 1
        except (OSError, ValueError, pa.ArrowException) as error:
            why = f"the row group cannot be read: {reason(error)}"
            for rest in range(number, end):
                place = f"{path}:{rest - first + 1}"
                yield rest + 1 if done(rest, 1) else Row(rest, place, place, error=why)
            number = end


def _plain(column: Any) -> list[bytes | None]:
    """A text column as bytes: what a writer stored as text need not be UTF-8."""
    import pyarrow as pa

    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    values: list[bytes | None] = column.cast(pa.large_binary()).to_pylist()
    return values
