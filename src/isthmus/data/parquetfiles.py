"""Parquet files of this machine or of a store."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from isthmus.data.places import Place, refused, trouble

PARQUET = frozenset([".parquet", ".pq"])
Where = Path | Place


def parquet_file(path: Where, metadata: Any = None, source: Any = None) -> Any:
    """Open a Parquet file; ``metadata`` that are given need not be read again, nor need ``source`` be opened again."""
    import pyarrow.parquet as pq

    given = source if source is not None else path.source() if isinstance(path, Place) else path
    # Of a store ranges that lie side by side are asked for together.
    far = isinstance(path, Place) and path.here is None
    return reading(path, lambda: pq.ParquetFile(given, metadata=metadata, pre_buffer=far))


def size(path: Where) -> int:
    """Return the bytes of the columns of a Parquet file, unpacked."""
    found = parquet_file(path).metadata
    return sum(found.row_group(group).total_byte_size for group in range(found.num_row_groups))


def reading(path: Where, step: Callable[[], Any]) -> Any:
    """Take a step of reading a Parquet file, and say what is wrong with it."""
    import pyarrow as pa

    try:
        return step()
    except Exception as error:  # every store has errors of its own
        if not isinstance(error, (pa.ArrowException, OSError)) or refused(error):
            raise trouble(str(path), error) from error
        raise ValueError(
            f"cannot read {str(path)!r} as Parquet: {str(error).splitlines()[0].rstrip('.')}; write the file again"
        ) from error


def first_rows(file: Any, limit: int) -> Any:
    """Read the first rows of an open file."""
    import pyarrow as pa

    batches = []
    for batch in file.iter_batches(batch_size=min(limit, 1 << 16)):
        batches.append(batch)
        if sum(b.num_rows for b in batches) >= limit:
            break
    return pa.Table.from_batches(batches, file.schema_arrow).slice(0, limit)
