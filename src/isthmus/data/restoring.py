"""Columns back as a frame of the caller's library, or as an array, in the caller's own types."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from isthmus.data.columns.facts import plain
from isthmus.data.frames import is_missing
from isthmus.data.record import Array


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
            columns.append(_merged(column, ~missing, new))
    return here.with_columns(*columns).to_native() if columns else X


def _merged(column: Any, there: Any, new: Any) -> Any:
    """Return a column with the values of another one where it has none."""
    import narwhals.stable.v2 as nw
    import pyarrow as pa

    native = column.to_native()
    if not column.implementation.is_pyarrow() or not pa.types.is_string_view(native.type):
        return column.zip_with(there, new)
    whole = put((~there).to_native(), new.to_native(), native)
    return nw.from_native(whole, series_only=True).alias(column.name)


def put(holes: Any, new: Any, old: Any) -> Any:
    """Return an Arrow column with the values of another one in its holes, in its own type where that can hold them."""
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = old.type
    if pa.types.is_dictionary(kind):
        whole = put(holes, new, old.cast(kind.value_type))
        return _cast(whole, kind) if whole.type == kind.value_type else whole
    if pa.types.is_string_view(kind):  # of which Arrow chooses between no two
        return put(holes, new, old.cast(pa.large_string())).cast(kind)
    new = plain(new)
    new = pc.if_else(holes, new, pa.scalar(None, new.type))
    if pa.types.is_integer(kind) and pa.types.is_floating(new.type):
        new = pc.round(new)
    try:
        return pc.if_else(holes, new.cast(kind), old)
    except pa.ArrowException:  # what is expected lies outside of the type
        return pc.if_else(holes, new, old.cast(new.type))


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
