"""Frames of any library as Arrow columns, and back in the caller's own types."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from isthmus.data.record import Array


@dataclass(frozen=True, eq=False)
class Frame:
    """A table's columns by name; ``named`` says that the names are the caller's."""

    native: Any
    names: tuple[str, ...]
    rows: int
    named: bool

    def columns(self) -> Iterator[tuple[str, Any]]:
        """Give every column: a numpy array of numbers, or an Arrow array."""
        if isinstance(self.native, np.ndarray):
            for i, name in enumerate(self.names):
                values = self.native[:, i]
                yield name, values if values.dtype.kind in "biuf" else _arrow(name, values.tolist())
            return
        import narwhals.stable.v2 as nw
        import pyarrow as pa

        frame = nw.from_native(self.native, eager_only=True)
        for name in self.names:
            try:
                values = frame[name].to_arrow()
            except (pa.ArrowInvalid, pa.ArrowTypeError):
                values = _arrow(name, frame[name].to_list())
            yield name, _one(values)

    def template(self) -> Any:
        """Return the table without rows, which keeps types and levels."""
        import narwhals.stable.v2 as nw

        if isinstance(self.native, np.ndarray):
            return self.native[:0]
        return nw.from_native(self.native, eager_only=True).head(0).to_native()


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
        return Frame(X, tuple(frame.columns), len(frame), named=True)
    except DuplicateError as error:
        raise ValueError(f"the table has two columns of one name ({error}); rename one") from None
    except TypeError:
        wanted = "give a pandas, polars or pyarrow table, or an array"
        raise ValueError(f"a {type(X).__name__} is no table; {wanted}") from None


def refuse_twice(X: Any) -> None:
    """Refuse a table that has two columns of one name.

    Raises:
        ValueError: always with the name.
    """
    names = getattr(X, "column_names", None) or (getattr(X, "columns", []) if hasattr(X, "dtypes") else [])
    twice = _twice([str(name) for name in names])
    if twice is not None:
        raise ValueError(f"the table has two columns called {twice!r}; rename one")


def _twice(names: list[str]) -> str | None:
    return None if len(set(names)) == len(names) else next(n for i, n in enumerate(names) if n in names[:i])


def _arrow(name: str, values: list[Any]) -> Any:
    """Return Python values as an Arrow array: numbers, or text where they are mixed.

    Raises:
        ValueError: values of a type that no column has.
    """
    import pyarrow as pa

    values = [None if isinstance(v, float) and v != v else v for v in values]
    try:
        return pa.array(values)
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        pass
    if all(v is None or isinstance(v, (str, int, float, bool, np.generic)) for v in values):
        return pa.array([None if v is None else str(v) for v in values])
    strange = next(v for v in values if v is not None and not isinstance(v, (str, int, float, bool)))
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
        dtype = like.dtype
        if dtype.kind in "biuf" and any(isinstance(v, list) for v in values.values()):
            return np.column_stack([_numbers(v) for v in values.values()]).astype(_room_for_holes(dtype, values))
        stacked = np.column_stack([np.asarray(v, dtype=object if dtype.hasobject else None) for v in values.values()])
        return stacked.astype(_room_for_holes(dtype, values))
    import narwhals.stable.v2 as nw

    frame = nw.from_native(like, eager_only=True)
    kind = frame.implementation
    made = {name: _series(name, column, frame[name].to_native(), kind) for name, column in values.items()}
    if not kind.is_pandas_like():
        return type(like).from_pydict(made) if kind.is_pyarrow() else type(like)(made)
    index = like.index if len(like) == rows else None
    whole = {name: column.set_axis(index) if index is not None else column for name, column in made.items()}
    return type(like)(whole, index=index).set_axis(list(like.columns), axis=1)


def _numbers(values: Any) -> Array:
    return np.asarray([np.nan if v is None else v for v in values] if isinstance(values, list) else values, dtype=float)


def _room_for_holes(dtype: np.dtype[Any], values: Mapping[str, Any]) -> np.dtype[Any]:
    """Return a type that holds NaN where a number may be missing."""
    whole = dtype.kind in "biu" and any(np.isnan(_numbers(v)).any() for v in values.values())
    return np.dtype(np.float64) if whole else dtype


def _series(name: str, values: Any, like: Any, kind: Any) -> Any:
    """Return values as a column of the type of ``like``; missing where they are NaN, None or not a time."""
    import pyarrow as pa

    if isinstance(values, np.ndarray):
        missing = np.isnat(values) if values.dtype.kind == "M" else np.isnan(values)
        arrow = pa.array(values, mask=missing)
    else:
        arrow = pa.array(values)
    if kind.is_pandas_like():
        return _pandas(arrow, like)
    return type(like)(name, arrow).cast(like.dtype) if kind.is_polars() else _cast(arrow, like.type)


def _cast(values: Any, kind: Any) -> Any:
    """Cast Arrow values; whole numbers are already rounded, and categories are encoded."""
    import pyarrow as pa

    if pa.types.is_dictionary(kind):
        return values.cast(kind.value_type).dictionary_encode().cast(kind)
    return values.cast(kind, safe=False)


def _pandas(arrow: Any, like: Any) -> Any:
    """Return a pandas column of the type of ``like``; whole numbers with holes become what pandas makes of them."""
    kind = like.dtype
    values = arrow.to_pandas()
    if isinstance(kind, np.dtype) and kind.hasobject:
        return values.astype(object).where(~values.isna(), None if _holds_none(like) else np.nan)
    if isinstance(kind, np.dtype) and kind.kind in "iub" and values.isna().any():
        return values.astype(np.float64) if kind.kind != "b" else values.astype(object)
    if getattr(kind, "tz", None) is not None:
        return values.dt.tz_localize("UTC").dt.tz_convert(kind.tz).astype(kind)
    if str(kind) == "category" and kind.categories.dtype != values.dtype and len(values):
        values = values.astype(kind.categories.dtype) if not values.isna().any() else values
    return values.astype(kind)


def _holds_none(like: Any) -> bool:
    return any(value is None for value in like)


def filled(X: Any, made: Any) -> Any:
    """Return X with the values of ``made`` where it has none."""
    if isinstance(X, np.ndarray):
        missing = np.array([[cell is None or cell != cell for cell in row] for row in X.tolist()])
        return np.where(missing, made, X).astype(X.dtype)
    import narwhals.stable.v2 as nw

    here, there = nw.from_native(X, eager_only=True), nw.from_native(made, eager_only=True)
    columns = []
    for name in here.columns:
        column = here[name]
        missing = column.is_null() | column.is_nan() if column.dtype.is_float() else column.is_null()
        if missing.any():
            columns.append(column.zip_with(~missing, there[name]))
    return here.with_columns(*columns).to_native() if columns else X


def deviations_like(X: Any, values: Array) -> Any:
    """Return numbers as a table with the columns and the library of X, or as an array."""
    if isinstance(X, np.ndarray):
        return values
    import narwhals.stable.v2 as nw

    frame = nw.from_native(X, eager_only=True)
    columns = [
        nw.new_series(name, np.ascontiguousarray(values[:, i]), nw.Float64, backend=frame.implementation)
        for i, name in enumerate(frame.columns)
    ]
    made = nw.from_dict({column.name: column for column in columns}, backend=frame.implementation).to_native()
    return made.set_axis(X.index, axis=0) if frame.implementation.is_pandas_like() else made


def packed(template: Any) -> dict[str, str]:
    """Return a table without rows as text: its library, and its types as an Arrow stream."""
    if isinstance(template, np.ndarray):
        return {"library": "numpy", "types": template.dtype.str if template.dtype != object else "object"}
    import base64

    import narwhals.stable.v2 as nw
    import pyarrow as pa

    frame = nw.from_native(template, eager_only=True)
    table = frame.to_arrow()
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return {"library": str(frame.implementation), "types": base64.b64encode(sink.getvalue().to_pybytes()).decode()}


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
