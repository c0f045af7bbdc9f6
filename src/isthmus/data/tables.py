"""Tables: text (csv and its relatives) and Parquet."""

from __future__ import annotations

import csv
import difflib
import io
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from isthmus.atrow import FileRowError
from isthmus.data.cells import cleaned, conformed, is_text, settled, with_texts
from isthmus.data.columns.exact import inexact
from isthmus.data.csvlayout import Layout, is_number, layout, ragged, refuse_open, tabular, told, values
from isthmus.data.idx import is_idx
from isthmus.data.parquetfiles import Where, first_rows, parquet_file, reading
from isthmus.data.record import NO_LABEL, Array, Colour, Data, NoRowsError, refuse_infinite

TEXT = frozenset([".csv", ".tsv", ".txt", ".data"])
# Endings of other kinds, which are asked no further.
OTHER = frozenset([".parquet", ".pq", ".npy", ".npz", ".zarr"])
Types = Mapping[str, Any]
# Of more different numbers each is no class of its own.
CLASSES = 20


def text_file(path: Path) -> bool:
    """Tell whether a file is a text table: by its ending, or by its content where that says nothing."""
    suffix = Path(path.name.removesuffix(".gz")).suffix.lower()
    return suffix in TEXT or (suffix not in OTHER and path.is_file() and not is_idx(path) and tabular(path))


def read_csv(path: Path, label: str | None, drop: Sequence[str], limit: int | None, types: Types | None) -> Data:
    """Read a text table; an unnamed first column of a named table is the rows' names, as R and pandas write it."""
    found = layout(path)
    return csv_rows(arrow_csv(path, found, with_texts(types, drop)), found, path, label, drop, limit, types)


def csv_rows(
    table: Any,
    found: Layout,
    path: Path,
    label: str | None,
    drop: Sequence[str],
    limit: int | None,
    types: Types | None,
) -> Data:
    """Return what :func:`arrow_csv` read as rows."""
    names = found.header or tuple(str(i) for i in range(table.num_columns))
    if len(names) != table.num_columns:
        where = f" in line {found.skip}" if found.skip else ""
        raise ValueError(
            f"{str(path)!r} names {len(names)} columns{where} and has {table.num_columns}; make them agree"
        )
    index = [0] if found.rows_named else []
    table = table.rename_columns(names if found.header else [f"x{i}" for i in range(len(names))])
    table = cleaned(table, found.decimal, with_texts(types, drop), names=index, decided=found.decided)
    return _data(table, names, path, label, drop, limit, index, found.header is not None, types)


def read_parquet(path: Where, label: str | None, drop: Sequence[str], limit: int | None, types: Types | None) -> Data:
    """Read a Parquet file; a column of vectors of one length becomes that many columns."""
    with parquet_file(path) as file:
        table = reading(path, file.read if limit is None else lambda: first_rows(file, limit))
    return parquet_rows(table, path, label, drop, limit, types)


def parquet_rows(
    table: Any, path: Where, label: str | None, drop: Sequence[str], limit: int | None, types: Types | None
) -> Data:
    """Return a table of a Parquet file as rows."""
    schema, table = table.schema, expanded(table)
    names = tuple(str(name) for name in table.column_names)
    return _data(table, names, path, label, drop, limit, row_names(names, schema), True, types)


def row_names(names: tuple[str, ...], schema: Any) -> list[int]:
    """Find the columns of row names that pandas writes, one for each level of its index; those with names it notes."""
    noted = (schema.pandas_metadata or {}).get("index_columns", ())
    # Numbers from 0 up are noted by their bounds, and are no column.
    levels = {level for level in noted if isinstance(level, str)}
    return [i for i, name in enumerate(names) if name in levels or name.startswith("__index_level_")]


def named(X: Array, names: Sequence[str] | None) -> Any:
    """Return rows with the names of their columns, where they have such, so that an estimator can check them."""
    import pyarrow as pa

    return X if names is None else pa.table({name: np.ascontiguousarray(X[:, i]) for i, name in enumerate(names)})


def arrow_csv(path: Path, found: Layout, types: Types | None, source: Any = None) -> Any:
    """Read the values of a text file, or of ``source``, some lines of it, with the types that cells look like.

    Where ``types`` are None every cell is the text that it is.
    """
    import pyarrow as pa
    import pyarrow.csv as pc

    # A block holds at least one whole line; tables may have very many columns.
    read = pc.ReadOptions(
        skip_rows=found.skip, autogenerate_column_names=True, encoding=found.encoding, block_size=1 << 24
    )
    convert = pc.ConvertOptions(
        decimal_point=found.decimal,
        strings_can_be_null=types is not None,
        null_values=missing_marks(),
        column_types=_texts(found, types) if types is not None else _all_text(path, found),
    )
    # Lines in quoted cells cost the reading of blocks side by side, so they are looked for only where cells are quoted.
    parse = pc.ParseOptions(delimiter=found.delimiter, newlines_in_values=found.quoted)
    try:
        with told(path, found.encoding):
            table = pc.read_csv(path if source is None else source, read, parse, convert)
    except pa.ArrowInvalid as error:
        if source is not None or not any(sign in str(error) for sign in ("Empty CSV", "Could not skip")):
            whole = layout(path)
            refuse_open(path, whole)
            why = ragged(path, whole) or _line(error)
            raise ValueError(f"cannot read {str(path)!r} as a table: {why}; correct that line") from error
        line = values(path, found)
        if not line:
            raise NoRowsError(f"{str(path)!r} has a header and no rows; give at least one row") from error
    else:
        if source is None and _goes_on(table):
            refuse_open(path, found)
        return table
    # pyarrow does not see a line of values that is the only one and has no end.
    read.skip_rows, read.encoding = 0, "utf8"
    return pc.read_csv(pa.BufferReader(f"{line}\n".encode()), read, parse, convert)


def missing_marks() -> list[str]:
    """Return what cells of any column are missing by."""
    import pyarrow.csv as pc

    return [*pc.ConvertOptions().null_values, "?"]


def _all_text(path: Path, found: Layout) -> dict[str, Any]:
    import pyarrow as pa

    first = next(csv.reader(io.StringIO(values(path, found)), delimiter=found.delimiter), [])
    return {f"f{i}": pa.string() for i in range(len(first))}


def _goes_on(table: Any) -> bool:
    """Tell whether a cell of the last row has several lines, as where pyarrow takes the end of a file for its end."""
    last = table.slice(max(0, table.num_rows - 1)).to_pylist()
    return any(isinstance(cell, str) and "\n" in cell for row in last for cell in row.values())


def _texts(found: Layout, types: Types) -> dict[str, Any]:
    """Return the columns that are text whatever they look like, names of rows too, by pyarrow's names."""
    import pyarrow as pa

    texts = {name for name, kind in types.items() if is_text(kind)}
    if found.header is None:
        return {f"f{name[1:]}": pa.string() for name in texts if name.startswith("x")}
    if found.rows_named:
        texts.add(found.header[0])
    return {f"f{i}": pa.string() for i, name in enumerate(found.header) if name in texts}


def expanded(table: Any) -> Any:
    """Return a table whose columns of vectors are a column for each number."""
    import pyarrow as pa

    columns: list[tuple[str, Any]] = []
    for name, column in zip(table.column_names, table.columns, strict=True):
        if pa.types.is_fixed_size_list(column.type) and column.null_count == 0:
            size = column.type.list_size
            values = column.combine_chunks().flatten().to_numpy(zero_copy_only=False).reshape(-1, size)
            columns += [(f"{name}_{i}", pa.array(values[:, i])) for i in range(size)]
        else:
            columns.append((name, column))
    return pa.table([column for _, column in columns], names=[name for name, _ in columns])


def _data(
    table: Any,
    names: tuple[str, ...],
    path: Where,
    label: str | None,
    drop: Sequence[str],
    limit: int | None,
    index: Sequence[int],
    named: bool,
    types: Types | None,
) -> Data:
    """Split a table into rows, labels and row names; without ``types`` complete numbers become an array.

    Of several columns of row names, as of a data frame with an index of levels, the first one's are kept.

    Raises:
        NoRowsError: there is no row.
    """
    table = table.slice(0, limit)
    if not table.num_rows:
        raise NoRowsError(f"{str(path)!r} has columns and no rows; give at least one row")
    taken = None if label is None else _finder(names, path, named)(label)
    kept = kept_of(names, path, index, taken, drop, named)
    others = set(range(len(names))).difference(kept, index, [taken])
    aside = _aside(table, sorted(others), names, named) if others else None
    lacking = isinstance(label, Colour)
    y = None if taken is None else _labels(table.column(taken), names[taken], path, lacking=lacking)
    rows_of = np.asarray(table.column(index[0]).to_pylist()) if index else None
    X = numbers_of(table, kept, names, path) if types is None and _complete(table, kept) else None
    if X is not None and not np.isnan(X).any():
        own = tuple(names[i] for i in kept) if named else None
        return Data(X, y=y, names=own, source=str(path), index=rows_of, aside=aside)
    own = tuple(names[i] if named else f"x{i}" for i in kept)
    rows = _typed(table.select(kept).rename_columns(own), types or {}, path)
    return Data(None, y=y, names=own, source=str(path), index=rows_of, table=rows, aside=aside)


def _aside(table: Any, places: list[int], names: tuple[str, ...], named: bool) -> Any:
    """Return columns that are left out; where places are their names, as text: blocks could differ in types."""
    import pyarrow as pa

    found = table.select(places).rename_columns([names[i] if named else f"x{i}" for i in places])
    return found if named else found.cast(pa.schema([(name, pa.string()) for name in found.column_names]))


def _complete(table: Any, kept: list[int]) -> bool:
    """Tell whether columns are numbers without holes, which an array holds to the last digit."""
    columns = [table.column(i) for i in kept]
    return not any(column.null_count or not_numbers(column) or inexact(column) is not None for column in columns)


def _typed(table: Any, types: Types, path: Where) -> Any:
    """Return columns that some kind of column reads.

    Raises:
        ValueError: lists, or infinite numbers.
    """
    import pyarrow as pa

    for name, column in zip(table.column_names, table.columns, strict=True):
        if pa.types.is_nested(column.type):
            raise ValueError(
                f"{str(path)!r}: column {name!r} holds {not_numbers(column)}; give a column per value, or leave "
                "it out with drop="
            )
        if pa.types.is_floating(column.type):
            refuse_infinite(column.to_numpy(), name, str(path))
    return conformed(settled(table), types)


def kept_of(
    names: tuple[str, ...], path: Where, index: Sequence[int], taken: int | None, drop: Sequence[str], named: bool
) -> list[int]:
    """Return the places of the columns that are rows' numbers."""
    _distinct(names, path)
    find = _finder(names, path, named)
    left_out = {*index, taken, *(find(name) for name in drop)}
    kept = [i for i in range(len(names)) if i not in left_out]
    if not kept:
        raise ValueError(f"{str(path)!r} has no columns besides its labels and row names; give at least one")
    return kept


def _distinct(names: tuple[str, ...], path: Where) -> None:
    twice = (
        next((name for i, name in enumerate(names) if name in names[:i]), None)
        if len(set(names)) < len(names)
        else None
    )
    if twice is not None:
        raise ValueError(f"{str(path)!r} has two columns called {twice!r}; rename one")


def _finder(names: tuple[str, ...], path: Where, named: bool) -> Callable[[str], int]:
    def find(name: str) -> int:
        if name in names:
            return names.index(name)
        if not named:
            place = name.removeprefix("x")
            if place.removeprefix("-").isdigit() and -len(names) <= int(place) < len(names):
                return int(place) % len(names)
            last = len(names) - 1
            raise ValueError(f"{str(path)!r} has no header and no column {name!r}; give a number from 0 to {last}")
        close = difflib.get_close_matches(name, names, n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"it has {', '.join(names[:8])}{', ...' * (len(names) > 8)}"
        raise ValueError(f"{str(path)!r} has no column {name!r}; {hint}")

    return find


def numbers_of(table: Any, kept: list[int], names: tuple[str, ...], path: Where) -> Array:
    """Return columns as an array.

    Raises:
        ValueError: text, dates or whole numbers beyond 2**53, which only a table that is read at once may hold.
    """
    import pyarrow as pa

    wrong = [f"column {names[i]!r} holds {what}" for i in kept if (what := _not_in_array(table.column(i)))]
    if wrong:
        more = f", and so on ({len(wrong)} columns)" if len(wrong) > 3 else ""
        raise ValueError(
            f"{str(path)!r}: {'; '.join(wrong[:3])}{more}, and rows in blocks are numbers; code such columns as "
            "numbers, leave them out with drop=, or read the file at once: isthmus.data.read(path)"
        )
    single = all(pa.types.is_float32(table.column(i).type) or pa.types.is_float16(table.column(i).type) for i in kept)
    X = np.empty((table.num_rows, len(kept)), np.float32 if single else np.float64)
    for place, i in enumerate(kept):
        column = table.column(i)
        if pa.types.is_boolean(column.type):
            column = column.cast(pa.uint8())
        elif pa.types.is_decimal(column.type):
            column = column.cast(pa.float64())
        X[:, place] = column.to_numpy()
    return X


def _not_in_array(column: Any) -> str | None:
    row = None if not_numbers(column) else inexact(column)
    return not_numbers(column) if row is None else f"whole numbers beyond 2**53 ({column[row]})"


def not_numbers(column: Any) -> str | None:
    """Say what a column holds instead of numbers, with an example; None for numbers."""
    import pyarrow as pa

    kind = column.type
    if (
        pa.types.is_integer(kind)
        or pa.types.is_floating(kind)
        or pa.types.is_boolean(kind)
        or pa.types.is_decimal(kind)
    ):
        return None
    if pa.types.is_null(kind):
        return "missing values only"
    if pa.types.is_temporal(kind):
        return "dates or times" + (f" ({column[0].as_py()})" if len(column) else "")
    values = column.to_pylist()
    kind_of = "lists" if pa.types.is_nested(kind) else "text"
    if not values:
        return kind_of
    row = next((i for i, v in enumerate(values) if v is not None and not is_number(str(v))), 0)
    return f"{kind_of} ({values[row]!r} in row {row + 1})"


def _labels(column: Any, name: str, path: Where, *, lacking: bool) -> Array:
    if lacking and column.null_count:
        return _colours(column)
    if column.null_count:
        values = column.to_pylist()
        after = f" (column {name!r}); fill in or leave out such rows"
        raise FileRowError(f"{str(path)!r} has no label in ", values.index(None), after)
    values = column.to_pylist()
    return np.asarray([v.strip() if isinstance(v, str) else v for v in values])


def _colours(column: Any) -> Array:
    """Return labels of which some are missing: words of what is there, of many numbers the numbers."""
    import pyarrow as pa

    values = column.to_pylist()
    if pa.types.is_integer(column.type) or pa.types.is_floating(column.type):
        numbers: Array = column.cast(pa.float64()).to_numpy()
        known = np.unique(numbers[~np.isnan(numbers)])
        if len(known) > CLASSES or (known != known.round()).any():
            return numbers
        values = [v if v is None or v != v else int(v) for v in values]
    return np.asarray([NO_LABEL if v is None or v != v else str(v).strip() for v in values])


def _line(error: Exception) -> str:
    return str(error).splitlines()[0].rstrip(".")
