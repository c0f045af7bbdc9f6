"""Rows of a file in blocks, each as :func:`isthmus.data.read` reads it, for what needs no two rows at once."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from isthmus.data import tables
from isthmus.data.csvlayout import Layout, layout
from isthmus.data.record import Data

ROWS, BYTES = 8192, 1 << 22


def blocks(
    source: str | os.PathLike[str],
    *,
    label: str | None = None,
    drop: Sequence[str] = (),
    types: Mapping[str, Any] | None = None,
    rows: int = ROWS,
) -> Iterator[Data]:
    """Read a csv or Parquet file in blocks of up to so many rows, in memory that does not grow with the file.

    Args:
        source: the file.
        label: column to leave out as labels.
        drop: columns to leave out.
        types: Arrow types by column, as for :func:`isthmus.data.read`; a block of a text file has no others to go by
            than what its own cells look like.
        rows: most rows in a block.

    Raises:
        ValueError: the file cannot be read.
    """
    path = Path(source).expanduser()
    if path.suffix.lower() in tables.PARQUET:
        for table in _parquet(path, rows):
            yield tables.parquet_rows(table, path, label, drop, None, types or {})
        return
    found = layout(path)
    # What is left of the file is written as pyarrow writes it.
    inner = replace(found, skip=0, encoding="utf-8", quoted=True)
    for table in _csv(path, found, rows):
        again = tables.arrow_csv(path, inner, types or {}, _written(table, found.delimiter))
        yield tables.csv_rows(again, inner, path, label, drop, None, types or {})


def in_blocks(source: str) -> bool:
    """Tell whether :func:`blocks` reads a source."""
    path = Path(source).expanduser()
    suffix = Path(path.name.removesuffix(".gz")).suffix.lower()
    return path.is_file() and (suffix in tables.TEXT or suffix in tables.PARQUET)


def parts(data: Data, rows: int = ROWS) -> Iterator[Data]:
    """Give rows that are in memory in blocks."""
    for start in range(0, len(data), rows):
        part = slice(start, start + rows)
        yield replace(
            data,
            X=None if data.X is None else data.X[part],
            y=None if data.y is None else data.y[part],
            index=None if data.index is None else data.index[part],
            table=None if data.table is None else data.table.slice(start, rows),
        )


def count(source: str) -> int | None:
    """Return the number of rows of a file, where it says so by itself."""
    path = Path(source).expanduser()
    if path.suffix.lower() not in tables.PARQUET:
        return None
    with tables.parquet_file(path) as file:
        found: int = file.metadata.num_rows
    return found


def _parquet(path: Path, rows: int) -> Iterator[Any]:
    import pyarrow as pa

    with tables.parquet_file(path) as file:
        batches = iter(file.iter_batches(batch_size=rows))
        while (batch := tables.reading(path, lambda: next(batches, None))) is not None:
            if batch.num_rows:
                yield pa.Table.from_batches([batch])


def _csv(path: Path, found: Layout, rows: int) -> Iterator[Any]:
    """Give the cells of a text file as text, in blocks."""
    import pyarrow as pa
    import pyarrow.csv as pc

    read = pc.ReadOptions(
        skip_rows=found.skip, autogenerate_column_names=True, encoding=found.encoding, block_size=BYTES
    )
    parse = pc.ParseOptions(delimiter=found.delimiter, newlines_in_values=found.quoted)
    try:
        with pc.open_csv(path, read, parse) as first:
            texts = pc.ConvertOptions(column_types=dict.fromkeys(first.schema.names, pa.string()))
        with pc.open_csv(path, read, parse, texts) as reader:
            for batch in reader:
                for start in range(0, batch.num_rows, rows):
                    yield pa.Table.from_batches([batch.slice(start, rows)])
    except pa.ArrowInvalid as error:
        if "Empty CSV" not in str(error):
            raise ValueError(
                f"cannot read {str(path)!r} as a table: {str(error).splitlines()[0].rstrip('.')}; correct that line"
            ) from error
        # A line that is the only one and has no end, or none at all: the reader of whole files knows both.
        yield tables.arrow_csv(path, found, {name: pa.string() for name in found.header or ()})


def _written(table: Any, delimiter: str) -> io.BytesIO:
    """Return a block as the lines of a text file."""
    import pyarrow as pa
    import pyarrow.csv as pc

    text = io.BytesIO()
    table = pa.table([column.cast(pa.string()) for column in table.columns], names=table.column_names)
    pc.write_csv(table, text, pc.WriteOptions(include_header=False, delimiter=delimiter))
    text.seek(0)
    return text
