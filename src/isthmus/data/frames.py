"""Frames of any library as Arrow columns."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from numbers import Real
from typing import Any

import numpy as np


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
                values = one_array(column.to_arrow())
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
    refuse_nothing(frame.rows, len(frame.names))
    return frame


def refuse_nothing(rows: int, columns: int) -> None:
    """Refuse a table of no rows, or of no columns.

    Raises:
        ValueError: always with what is missing.
    """
    if not rows:
        raise ValueError("Found array with 0 sample(s) (a table without rows); give at least one")
    if not columns:
        raise ValueError("the table has no columns (0 feature(s)); give at least one")


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


def one_array(values: Any) -> Any:
    """Return one array of chunks; categories of chunks are made the same first."""
    import pyarrow as pa

    if isinstance(values, pa.ChunkedArray):
        if pa.types.is_dictionary(values.type):
            values = values.unify_dictionaries()
        return values.combine_chunks() if values.num_chunks != 1 else values.chunk(0)
    return values
