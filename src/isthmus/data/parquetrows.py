"""Rows of numbers from row groups of Parquet files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from isthmus.data.parquetfiles import Where, first_rows, parquet_file, reading
from isthmus.data.record import Array
from isthmus.data.tables import expanded, kept_of, not_numbers, numbers_of, row_names


@dataclass(frozen=True)
class Columns:
    """Columns of numbers in a Parquet file: the names of those that are kept, those of their numbers, and types."""

    kept: tuple[str, ...]
    names: tuple[str, ...]
    dtype: np.dtype[Any]
    layout: tuple[str, ...]


def columns_of(path: Where, metadata: Any, drop: Sequence[str], source: Any) -> Columns:
    """Return which columns of a Parquet file are rows' numbers.

    Raises:
        ValueError: there is none, or one holds no numbers; with an example from the first row.
    """
    schema = metadata.schema.to_arrow_schema()
    names = tuple(str(name) for name in schema.names)
    kept = [names[i] for i in kept_of(names, path, row_names(names, schema), None, drop, named=True)]
    empty = expanded(schema.empty_table().select(kept))
    if metadata.num_rows and any(not_numbers(column) for column in empty.columns):
        with parquet_file(path, metadata, source) as file:
            empty = expanded(reading(path, lambda: first_rows(file, 1)).select(kept))
    numbers = numbers_of(empty, list(range(empty.num_columns)), tuple(empty.column_names), path)
    layout = tuple(f"{name!r} {schema.field(name).type}" for name in kept)
    return Columns(tuple(kept), tuple(empty.column_names), numbers.dtype, layout)


def read_row_group(path: Where, metadata: Any, group: int, kept: Sequence[str], source: Any) -> Array:
    """Return the numbers of one row group, as :func:`read_parquet` does, of the columns ``kept``."""
    with parquet_file(path, metadata, source) as file:
        table = reading(path, lambda: file.read_row_group(group, list(kept)))
    # A column called "a.b" comes along with "a".
    table = table if table.num_columns == len(kept) else table.select(list(kept))
    quick = _uniform(table)
    if quick is not None:
        return quick
    table = expanded(table)
    return numbers_of(table, list(range(table.num_columns)), tuple(table.column_names), path)


def _uniform(table: Any) -> Array | None:
    """Return the numbers of columns of one floating type, or of one column of vectors, without a step per column."""
    import pyarrow as pa

    types, floats = set(table.schema.types), (pa.float32(), pa.float64())
    if len(types) == 1 and table.schema.types[0] in floats:
        found: Array = table.combine_chunks().to_batches()[0].to_tensor(null_to_nan=True).to_numpy()
        return found
    only = table.schema.types[0]
    if table.num_columns == 1 and pa.types.is_fixed_size_list(only) and only.value_type in floats:
        values = table.column(0).combine_chunks()
        if values.null_count == 0 and values.flatten().null_count == 0:
            flat: Array = values.flatten().to_numpy(zero_copy_only=False)
            return flat.reshape(-1, only.list_size)
    return None
