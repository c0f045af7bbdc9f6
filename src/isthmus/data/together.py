"""Several files as one source: those that match a pattern, those in a folder, and what lies in a store."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from isthmus.data import idx, images
from isthmus.data.parquetfiles import PARQUET
from isthmus.data.places import Place, found, located
from isthmus.data.record import Data, NoRowsError, as_table, of_array
from isthmus.data.streams.opening import stream
from isthmus.data.tables import Types

# (path, first so many rows, types): the rows of one file.
Reader = Callable[[Path, int | None, Types | None], Data]


def read_together(source: str, reader: Reader, limit: int | None, types: Types | None) -> Data:
    """Read the files that a pattern, a folder or a URL stands for, one after another.

    Where one of them holds more than complete numbers all are read as tables. Tables without rows, as Spark writes for
    parts that nothing fell into, are passed over.

    Raises:
        ValueError: there is none, one cannot be read, they have no rows, or they differ in their columns.
    """
    place = located(source)
    files = found(place, PARQUET)
    if not files:
        raise ValueError(f"{str(place)!r} has no Parquet file; give a folder that has, or a pattern of other files")
    parts = _read(files, reader, limit, types)
    if types is None and len(parts) > 1 and any(part.table is not None for part in parts):
        # Text files are read as tables anew; arrays, which have no types to lose, become such.
        parts = [part if part.table is not None else as_table(part) for part in _read(files, reader, limit, {})]
    return replace(_joined(parts), source=str(place))


def of_rows(folder: Path) -> bool:
    """Tell a folder of Parquet files, or an array of zarr, from one of pictures or idx files."""
    if located(folder).zarr():
        return True
    below = ((path, path.relative_to(folder).parts) for path in folder.rglob("*"))
    paths = [path for path, parts in below if not any(part.startswith(".") for part in parts)]
    other = any(images.is_image(path) or idx.is_idx(path) for path in paths)
    return not other and any(path.suffix.lower() in PARQUET for path in paths)


def _read(files: Sequence[Place], reader: Reader, limit: int | None, types: Types | None) -> list[Data]:
    parts: list[Data] = []
    for file in files:
        left = None if limit is None else limit - sum(map(len, parts))
        if left == 0:
            break
        with suppress(NoRowsError):
            parts.append(_one(file, reader, left, types))
    if not parts:
        lack = f"and {len(files) - 1} more have" if len(files) > 1 else "has"
        raise NoRowsError(f"{str(files[0])!r} {lack} no rows; give at least one row")
    return parts


def _one(file: Place, reader: Reader, limit: int | None, types: Types | None) -> Data:
    if file.suffix == ".zarr" or (not file.suffix and file.zarr()):
        rows = stream(file)
        return of_array(rows.take(np.arange(len(rows))[:limit]), source=str(file))
    with file.local() as path:
        return reader(path, limit, types)


def _joined(parts: Sequence[Data]) -> Data:
    first = parts[0]
    if len(parts) == 1:
        return first
    for part in parts[1:]:
        if (part.names, part.shape) != (first.names, first.shape):
            raise ValueError(f"{part.source!r} has not the columns of {first.source!r}; make them agree")
    index = all(part.index is not None for part in parts)
    return replace(
        first,
        X=None if first.X is None else np.concatenate([part.X for part in parts]),
        y=None if first.y is None else np.concatenate([part.y for part in parts]),
        index=np.concatenate([part.index for part in parts]) if index else None,
        table=None if first.table is None else _tables(parts),
        aside=_asides(parts),
    )


def _asides(parts: Sequence[Data]) -> Any:
    """Return columns that were left out; None where files differ in them, which nobody reads."""
    import pyarrow as pa

    with suppress(pa.ArrowException):
        if all(part.aside is not None for part in parts):
            return pa.concat_tables([part.aside for part in parts], promote_options="permissive")
    return None


def _tables(parts: Sequence[Data]) -> Any:
    import pyarrow as pa

    try:
        return pa.concat_tables([part.table for part in parts], promote_options="permissive")
    except pa.ArrowException as error:
        where = f"{parts[0].source!r} and {len(parts) - 1} more"
        raise ValueError(f"{where} have columns of several types ({error}); make them agree") from None
