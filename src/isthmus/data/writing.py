"""Rows to files, whole or not at all."""

from __future__ import annotations

import csv
import os
import secrets
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from isthmus.data.cells import is_text, replaced
from isthmus.data.images import is_written, write_pictures
from isthmus.data.record import Array

TABLES = (".csv", ".parquet")
# So many rows are Python's own at a time.
CHUNK = 8192


def write(
    path: str | os.PathLike[str], array: Any, names: Sequence[str] | None = None, *, called: Sequence[Any] | None = None
) -> None:
    """Write rows as csv, Parquet, npy or npz by the path's suffix, or as a folder of PNGs where it has none.

    The file appears whole or not at all: a failure leaves an older one as it was. Missing parent folders are made. A
    table's columns are called x0, x1, ... without ``names``; rows of any shape are laid flat in tables. What is written
    reads back with :func:`isthmus.data.read`.

    Args:
        path: Where to write; an existing file is replaced, a folder only if it holds nothing but written PNGs.
        array: The rows, (rows, *shape), or one number per row; or an Arrow table of any columns, for csv and Parquet.
        names: One name per column; a table has its own.
        called: The files that rows were read from, below one folder: their pictures are written by these names.

    Raises:
        ValueError: The suffix is unknown, the names do not fit, or the place cannot be written.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    refuse_ending(path, table=hasattr(array, "column_names"))
    if hasattr(array, "column_names"):
        return _write_columns(path, array)
    if suffix == ".npz":
        return write_arrays(path, {"X": array} if names is None else {"X": array, "names": np.array(names)})
    if suffix == "":
        return _write_folder(path, array, called)
    if suffix == ".npy":
        with atomic(path) as temporary, temporary.open("wb") as file:
            np.save(file, array, allow_pickle=False)
        return None
    return _write_table(path, array, names)


def refuse_ending(path: Path, *, table: bool) -> None:
    """Refuse a path whose ending is that of no file that is written, or of none that holds a table of any columns.

    Raises:
        ValueError: always with the remedy.
    """
    suffix = path.suffix.lower()
    if suffix in TABLES:
        return
    if suffix not in (".npy", ".npz", ""):
        raise ValueError(f"{str(path)!r} ends in {suffix!r}; use .csv, .parquet, .npy, .npz, or no ending for PNGs")
    if table:
        ends = f"ends in {suffix!r}, which" if suffix else "has no ending, so that it is a folder of pictures, which"
        raise ValueError(f"{str(path)!r} {ends} holds no table of columns; use .csv or .parquet")


def write_arrays(path: str | os.PathLike[str], arrays: Mapping[str, Array]) -> None:
    """Write several arrays under their names to one npz file, whole or not at all."""
    objects = [name for name, array in arrays.items() if array.dtype.hasobject]
    if objects:
        raise ValueError(
            f"array {objects[0]!r} holds objects, which {str(path)!r} cannot; convert it to numbers or text"
        )
    with atomic(path) as temporary, temporary.open("wb") as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]  # any name is an array here


@contextmanager
def atomic(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Give a temporary path beside ``path``, which takes its place when the block ends well.

    Raises:
        ValueError: The place cannot be written, or is full; what was there before is untouched.
    """
    path = Path(path)
    if not path.name:
        raise ValueError(f"{str(path)!r} is a folder; give the name of what is to be written")
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        _replace(temporary, path)
    except OSError as error:
        above = next(p for p in path.parents if p.exists())
        reason = error.strerror or str(error) if above.is_dir() else f"{str(above)!r} is a file, not a folder"
        raise ValueError(f"cannot write {str(path)!r}: {reason}; choose another place") from error
    finally:
        if temporary.is_dir():
            shutil.rmtree(temporary)
        elif temporary.exists():
            temporary.unlink()


@contextmanager
def table_writer(path: str | os.PathLike[str], schema: Any) -> Iterator[Callable[[Any], None]]:
    """Give a function that appends Arrow tables of a schema to a csv or Parquet file, whole or not at all.

    Raises:
        ValueError: The suffix is another, or the place cannot be written; what was there before is untouched.
    """
    path = Path(path)
    refuse_ending(path, table=True)
    with atomic(path) as temporary:
        if path.suffix.lower() == ".parquet":
            import pyarrow.parquet as pq

            with pq.ParquetWriter(temporary, schema) as writer:
                yield writer.write_table
            return
        with temporary.open("w", encoding="utf-8", newline="") as file:
            lines = csv.writer(file, lineterminator="\n")
            lines.writerow(schema.names)
            if _numeric(schema):
                file.flush()
                yield partial(_append_numbers, file.buffer)
            else:
                yield lambda table: lines.writerows(zip(*(_cells(c) for c in for_text(table).columns), strict=True))


def _numeric(schema: Any) -> bool:
    import pyarrow as pa

    return all(pa.types.is_floating(kind) or pa.types.is_integer(kind) for kind in schema.types)


def _append_numbers(file: Any, table: Any) -> None:
    """Write numbers, many times faster than cell by cell."""
    import pyarrow.csv as pc

    pc.write_csv(table, file, pc.WriteOptions(include_header=False, quoting_style="none"))


def _cells(column: Any) -> list[Any]:
    """Return a column's cells as a text file has them: truth values in small letters, nothing where one is missing."""
    import pyarrow as pa

    words = {True: "true", False: "false"}
    # In the digits that single precision has.
    cells = (column.cast(pa.string()) if pa.types.is_float32(column.type) else column).to_pylist()
    return [words[cell] if isinstance(cell, bool) else cell for cell in cells]


def _replace(temporary: Path, path: Path) -> None:
    """Move the finished file or folder into place; an older folder steps aside first, as it cannot be replaced."""
    if not (temporary.is_dir() and path.is_dir()):
        temporary.replace(path)
        return
    aside = temporary.with_suffix(".old")
    path.rename(aside)
    temporary.rename(path)
    shutil.rmtree(aside)


def _write_table(path: Path, array: Array, names: Sequence[str] | None) -> None:
    import pyarrow as pa

    flat = np.asarray(array).reshape(len(array), -1)
    columns = list(names) if names is not None else [f"x{i}" for i in range(flat.shape[1])]
    if len(columns) != flat.shape[1]:
        raise ValueError(f"{len(columns)} names for {flat.shape[1]} columns of {str(path)!r}; give one per column")
    _write_columns(path, pa.Table.from_arrays([pa.array(np.ascontiguousarray(c)) for c in flat.T], names=columns))


def _write_columns(path: Path, table: Any) -> None:
    import pyarrow as pa
    import pyarrow.csv as pc
    import pyarrow.parquet as pq

    with atomic(path) as temporary:
        if path.suffix.lower() == ".parquet":
            pq.write_table(table, temporary)
            return
        table = for_text(table)
        style: Any = "none" if _plain(table) else "needed"
        try:
            pc.write_csv(table, temporary, pc.WriteOptions(quoting_style=style))
        except pa.ArrowException as error:
            reason = str(error).splitlines()[0]
            raise ValueError(f"{str(path)!r} cannot hold all columns ({reason}); write a .parquet file") from None


def write_text(path: Path, table: Any, delimiter: str) -> None:
    """Write a table of text as a text file with quotation marks around cells that need them alone."""
    with atomic(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        lines = csv.writer(file, delimiter=delimiter, lineterminator="\n")
        lines.writerow(table.column_names)
        for batch in table.to_batches(max_chunksize=CHUNK):
            lines.writerows(zip(*(column.to_pylist() for column in batch.columns), strict=True))


def for_text(table: Any) -> Any:
    """Return columns as a text file holds them: categories by their names, times without fractions that are zero."""
    import pyarrow as pa
    import pyarrow.compute as pc

    cast = {}
    for i, column in enumerate(table.columns):
        kind = column.type
        if pa.types.is_dictionary(kind):
            cast[i] = column = column.cast(kind.value_type)
            kind = kind.value_type
        if is_text(kind):  # of one type: pyarrow writes no views
            cast[i] = column.cast(pa.large_string())
        elif pa.types.is_timestamp(kind) and kind.unit != "s":
            whole = column.cast(pa.timestamp("s", kind.tz), safe=False)
            if pc.all(pc.equal(whole.cast(kind), column)).as_py() is not False:
                cast[i] = whole
    return replaced(table, cast)


def _plain(table: Any) -> bool:
    """Tell whether no text needs quotation marks: pyarrow else gives them to all text, needed or not."""
    import pyarrow as pa
    import pyarrow.compute as pc

    texts = [column for column in table.columns if is_text(column.type) or pa.types.is_null(column.type)]
    special = [
        pc.any(pc.match_substring_regex(c.cast(pa.large_string()), r'[",\r\n]|^\s|\s$|^$')).as_py() for c in texts
    ]
    return not any(special)


def _write_folder(path: Path, array: Array, called: Sequence[Any] | None) -> None:
    below = (p for p in sorted(path.rglob("*")) if not p.is_dir()) if path.is_dir() else ()
    foreign = next((p for p in below if not is_written(p)), None)
    if foreign is not None:
        name = foreign.relative_to(path)
        raise ValueError(f"{str(path)!r} holds other files ({name}); choose a new or empty folder for the PNGs")
    with atomic(path) as temporary:
        temporary.mkdir()
        write_pictures(temporary, array, called)
