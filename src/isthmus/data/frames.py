"""Frames of any library as Arrow columns, and back in the caller's own types."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from numbers import Real
from typing import Any

import numpy as np

from isthmus.data.record import Array


@dataclass(frozen=True, eq=False)
class Frame:
    """A table's columns by name; labels that are no text are written so. ``named`` says that names are the caller's."""

    native: Any
    names: tuple[str, ...]
    rows: int
    named: bool

    def columns(self) -> Iterator[tuple[str, Any]]:
        """Give every column: a numpy array of numbers, or an Arrow array; one of nulls where nothing is there."""
        if isinstance(self.native, np.ndarray):
            for i, name in enumerate(self.names):
                values = self.native[:, i]
                yield name, values if values.dtype.kind in "biuf" else _arrow(name, values.tolist())
            return
        import narwhals.stable.v2 as nw
        import pyarrow as pa

        # By place: labels of pandas may be numbers or pairs.
        columns = nw.from_native(self.native, eager_only=True).iter_columns()
        for name, column in zip(self.names, columns, strict=True):
            try:
                values = _one(column.to_arrow())
            except (pa.ArrowException, OverflowError):
                values = _arrow(name, column.to_list())
            yield name, values if _any(values) else pa.nulls(self.rows)

    def template(self) -> Any:
        """Return the table without rows, which keeps types and levels."""
        import narwhals.stable.v2 as nw

        if isinstance(self.native, np.ndarray):
            return self.native[:0]
        return nw.from_native(self.native, eager_only=True).head(0).to_native()


def _any(values: Any) -> bool:
    """Say whether a column has any value: what type it has says nothing where it has none."""
    import pyarrow.compute as pc

    return values.null_count < len(values) and not pc.all(values.is_null(nan_is_null=True)).as_py()


def framed(X: Any) -> Frame:
    """Return a table's columns.

    Raises:
        ValueError: something else than a table, no rows, or two columns of one name.
    """
    if isinstance(X, np.ndarray):
        if X.ndim != 2:
            raise ValueError(f"a table has rows and columns, not the shape {X.shape}; reshape it")
        frame = Frame(X, tuple(f"x{i}" for i in range(X.shape[1])), len(X), named=False)
    else:
        frame = _of_frame(X)
    if not frame.rows:
        raise ValueError("Found array with 0 sample(s) (a table without rows); give at least one")
    if not frame.names:
        raise ValueError("the table has no columns (0 feature(s)); give at least one")
    return frame


def _of_frame(X: Any) -> Frame:
    import narwhals.stable.v2 as nw
    from narwhals.exceptions import DuplicateError

    refuse_twice(X)
    try:
        frame = nw.from_native(X, eager_only=True)
        return Frame(X, tuple(map(str, frame.columns)), len(frame), named=True)
    except DuplicateError as error:
        raise ValueError(f"the table has two columns of one name ({error}); rename one") from None
    except TypeError:
        wanted = "give a pandas, polars or pyarrow table, or an array"
        raise ValueError(f"a {type(X).__name__} is no table; {wanted}") from None


def refuse_twice(X: Any) -> None:
    """Refuse a table that has two columns of one name, or labels of which only some are text.

    Raises:
        ValueError: always with the name.
    """
    labels = getattr(X, "column_names", None)
    labels = list(labels if labels is not None else getattr(X, "columns", []) if hasattr(X, "dtypes") else [])
    twice = _twice([str(label) for label in labels])
    if twice is not None:
        raise ValueError(f"the table has two columns called {twice!r}; rename one")
    other = [label for label in labels if not isinstance(label, str)]
    if other and len(other) < len(labels):
        remedy = "make all of them text: X.columns = X.columns.map(str)"
        raise ValueError(f"the table has names of columns that are text, and {other[0]!r}, which is not; {remedy}")


def _twice(names: list[str]) -> str | None:
    return None if len(set(names)) == len(names) else next(n for i, n in enumerate(names) if n in names[:i])


def is_missing(value: Any) -> bool:
    """Say whether a cell holds nothing: None, NaN or NaT, which are not themselves, or what pandas calls NA.

    A comparison with NA is NA, which is neither true nor false; where pandas was not imported there is none.
    """
    return value is None or value is getattr(sys.modules.get("pandas"), "NA", None) or bool(value != value)


def _arrow(name: str, values: list[Any]) -> Any:
    """Return Python values as an Arrow array: numbers, or text where they are mixed.

    Raises:
        ValueError: values of a type that no column has.
    """
    import pyarrow as pa

    values = [None if is_missing(v) else v for v in values]
    try:
        return pa.array(values)
    except (pa.ArrowException, OverflowError):
        pass
    here = [v for v in values if v is not None]
    if all(isinstance(v, Real | Decimal) and not isinstance(v, bool | np.bool_) for v in here):
        return pa.array([None if v is None else float(v) for v in values])
    strange = next((v for v in here if not isinstance(v, str | Real | np.bool_)), None)
    if strange is None:
        return pa.array([None if v is None else str(v) for v in values])
    raise ValueError(f"column {name!r} holds a {type(strange).__name__}; give numbers, text, truth values or dates")


def _one(values: Any) -> Any:
    """Return one array of chunks; categories of chunks are made the same first."""
    import pyarrow as pa

    if isinstance(values, pa.ChunkedArray):
        if pa.types.is_dictionary(values.type):
            values = values.unify_dictionaries()
        return values.combine_chunks() if values.num_chunks != 1 else values.chunk(0)
    return values


def restored(values: Mapping[str, Any], like: Any, rows: int) -> Any:
    """Return columns as a table of the library, types, levels and (where it has as many rows) index of ``like``."""
    if isinstance(like, np.ndarray):
        return _restored_array(list(values.values()), like)
    import narwhals.stable.v2 as nw
    import pyarrow as pa

    frame = nw.from_native(like, eager_only=True)
    kind, columns = frame.implementation, frame.iter_columns()
    made = [_series(name, v, column) for (name, v), column in zip(values.items(), columns, strict=True)]
    if kind.is_pyarrow():
        fields = [field.with_type(column.type) for field, column in zip(like.schema, made, strict=True)]
        return type(like).from_arrays(made, schema=pa.schema(fields, like.schema.metadata))
    if not kind.is_pandas_like():
        return type(like)(made)
    index = like.index if len(like) == rows else None
    whole = {i: column.set_axis(index) if index is not None else column for i, column in enumerate(made)}
    return type(like)(whole, index=index).set_axis(like.columns, axis=1)


def _restored_array(values: list[Any], like: Array) -> Array:
    """Return columns as an array of the type of ``like``, or of a wider one where that is needed."""
    dtype = like.dtype
    if dtype.hasobject:
        cells = like if like.ndim == 2 and like.shape[1] == len(values) else np.empty((0, len(values)), dtype)
        columns = [_objects(_filled_arrow(v), cells[:, i].tolist()) for i, v in enumerate(values)]
        return np.column_stack([np.fromiter(column, dtype=object, count=len(column)) for column in columns])
    if dtype.kind in "biuf":
        stacked = _within(np.column_stack([_numbers(v) for v in values]), dtype)
        holes = dtype.kind in "biu" and np.isnan(stacked).any()
        return stacked.astype(np.float64 if holes else dtype)
    stacked = np.column_stack([np.asarray(v) for v in values])
    return stacked.astype(np.result_type(stacked, dtype) if dtype.kind in "US" else dtype)


def _numbers(values: Any) -> Array:
    return np.asarray([np.nan if v is None else v for v in values] if isinstance(values, list) else values, dtype=float)


def _within(values: Array, dtype: np.dtype[Any]) -> Array:
    """Return numbers no farther out than a type reaches, which would make others of them."""
    if dtype.kind not in "iuf":
        return values
    limits = np.iinfo(dtype) if dtype.kind in "iu" else np.finfo(dtype)
    low, high = float(limits.min), float(limits.max)
    return values.clip(low, high if int(high) <= int(limits.max) else np.nextafter(high, 0))


def _filled_arrow(values: Any, *, nan: bool = False) -> Any:
    """Return decoded values as an Arrow array; missing, or NaN where that is asked for, where they are not there."""
    import pyarrow as pa

    if not isinstance(values, np.ndarray):
        return pa.array(values)
    missing = np.isnat(values) if values.dtype.kind == "M" else np.isnan(values)
    return pa.array(values, mask=None if nan and values.dtype.kind == "f" else missing)


def _series(name: str, values: Any, like: Any) -> Any:
    """Return values as a column of the type of ``like``, a column of narwhals, and with its mark of what is missing."""
    import narwhals.stable.v2 as nw

    nan = like.dtype.is_float() and not like.is_null().any() and bool(like.is_nan().any())
    if nan or like.dtype.is_integer():
        values = _numbers(values)
    if like.dtype.is_integer() and like.dtype not in (nw.Int128, nw.UInt128):
        values = _within(values, np.dtype(str(like.dtype).lower()))
    arrow, native = _filled_arrow(values, nan=nan), like.to_native()
    try:
        return _typed(name, arrow, native, like.implementation)
    except Exception:  # every library has its own
        if not like.is_null().all():
            raise
    # The type of a column without any value says nothing, and could not hold what is expected there.
    return _natural(name, arrow, native, like.implementation)


def _typed(name: str, arrow: Any, native: Any, library: Any) -> Any:
    """Return Arrow values as a column of the type of ``native``."""
    if library.is_pandas_like():
        return _pandas(arrow, native)
    return type(native)(name, arrow).cast(native.dtype) if library.is_polars() else _cast(arrow, native.type)


def _natural(name: str, arrow: Any, native: Any, library: Any) -> Any:
    """Return Arrow values as a column of a library, of what type they are."""
    if library.is_pandas_like():
        return arrow.to_pandas()
    return type(native)(name, arrow) if library.is_polars() else arrow


def _cast(values: Any, kind: Any) -> Any:
    """Cast Arrow values; whole numbers are already rounded, and categories are encoded."""
    import pyarrow as pa

    if pa.types.is_dictionary(kind):
        return _cast(values, kind.value_type).dictionary_encode().cast(kind)
    if pa.types.is_null(values.type):
        return pa.nulls(len(values), kind)
    return values.cast(kind, safe=False)


def _pandas(arrow: Any, like: Any) -> Any:
    """Return a pandas column of the type of ``like``; whole numbers with holes become what pandas makes of them."""
    kind = like.dtype
    values = arrow.to_pandas()
    if isinstance(kind, np.dtype) and kind.hasobject:
        return type(like)(_objects(arrow, like.tolist()), dtype=object)
    if isinstance(kind, np.dtype) and kind.kind in "iub" and values.isna().any():
        return values.astype(np.float64) if kind.kind != "b" else values.astype(object)
    if str(kind) == "category":
        return _category(arrow, like)
    if getattr(kind, "tz", None) is not None:
        return values.dt.tz_localize("UTC").dt.tz_convert(kind.tz).astype(kind)
    return values.astype(kind)


def _category(arrow: Any, like: Any) -> Any:
    """Return levels as a pandas column of categories: their places among those of ``like``, as values or as text."""
    levels = like.cat.categories
    known = {str(level): i for i, level in enumerate(levels)} | {level: i for i, level in enumerate(levels)}
    codes = [-1 if value is None else known.get(value, -1) for value in arrow.to_pylist()]
    return type(like)(like.array.from_codes(codes, dtype=like.dtype))


def _objects(arrow: Any, like: list[Any]) -> list[Any]:
    """Return values as Python objects of the types of those of ``like``, and missing as they have it."""
    import pyarrow as pa

    here = [value for value in like if not is_missing(value)]
    holes = [value for value in like if is_missing(value)]
    hole = None if any(value is None for value in holes) else next(iter(holes), None)
    try:
        arrow = _cast(arrow, pa.array(here).type) if here else arrow
    except (pa.ArrowException, OverflowError):
        mixed = {str(value): value for value in here}  # which were read as text
        return [hole if value is None else mixed.get(value, value) for value in arrow.to_pylist()]
    return [hole if value is None else value for value in arrow.to_pylist()]


def filled(X: Any, made: Any) -> Any:
    """Return X with the values of ``made`` where it has none."""
    if isinstance(X, np.ndarray):
        missing = np.array([[is_missing(cell) for cell in row] for row in X.tolist()])
        return np.where(missing, made, X).astype(X.dtype)
    import narwhals.stable.v2 as nw

    here, there = nw.from_native(X, eager_only=True), nw.from_native(made, eager_only=True)
    columns = []
    for column, new in zip(here.iter_columns(), there.iter_columns(), strict=True):
        missing = column.is_null() | column.is_nan() if column.dtype.is_float() else column.is_null()
        if missing.any():
            columns.append(column.zip_with(~missing, new))
    return here.with_columns(*columns).to_native() if columns else X


def deviations_like(X: Any, values: Array) -> Any:
    """Return numbers as a table with the columns and the library of X, or as an array."""
    if isinstance(X, np.ndarray):
        return values
    import narwhals.stable.v2 as nw

    frame = nw.from_native(X, eager_only=True)
    if frame.implementation.is_pandas_like():
        return type(X)(values, index=X.index, columns=X.columns)
    columns = {name: np.ascontiguousarray(values[:, i]) for i, name in enumerate(frame.columns)}
    return nw.from_dict(columns, backend=frame.implementation).to_native()


def packed(template: Any) -> dict[str, str]:
    """Return a table without rows as text: its library, and its types as an Arrow stream."""
    if isinstance(template, np.ndarray):
        return {"library": "numpy", "types": template.dtype.str if template.dtype != object else "object"}
    import base64

    import narwhals.stable.v2 as nw
    import pyarrow as pa

    frame = nw.from_native(template, eager_only=True)
    try:
        table = frame.to_arrow()
    except pa.ArrowException:  # integers of 128 bits, categories of several types
        table = frame.with_columns(*_simple(frame)).to_arrow()
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        # A table without rows would be written without batches, and so without the levels of its categories.
        writer.write_batch(pa.RecordBatch.from_arrays([_one(column) for column in table.columns], schema=table.schema))
    return {"library": str(frame.implementation), "types": base64.b64encode(sink.getvalue().to_pybytes()).decode()}


def _simple(frame: Any) -> Iterator[Any]:
    """Give the columns that Arrow does not know in types that it does."""
    import narwhals.stable.v2 as nw
    import pyarrow as pa

    for column in frame.iter_columns():
        try:
            column.to_arrow().validate()
        except pa.ArrowException:
            yield column.cast(nw.Float64 if column.dtype.is_numeric() else nw.String)


def unpacked(saved: Mapping[str, str]) -> Any:
    """Return a table without rows from its text, in its library where that is installed, else as an Arrow table."""
    if saved["library"] == "numpy":
        return np.empty((0, 0), dtype=saved["types"])
    import base64
    import importlib

    import pyarrow as pa

    table = pa.ipc.open_stream(base64.b64decode(saved["types"])).read_all()
    if saved["library"] not in ("pandas", "polars"):
        return table
    try:
        library = importlib.import_module(saved["library"])
    except ImportError:
        return table
    return table.to_pandas() if saved["library"] == "pandas" else library.from_arrow(table)
