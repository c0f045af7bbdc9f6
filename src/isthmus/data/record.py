"""What every reader returns: rows, with whatever the source knew about them."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from isthmus.atrow import FileRowError

Array = np.ndarray[Any, np.dtype[Any]]
NO_LABEL = "no label"


class Colour(str):
    """The name of a column of labels that some rows may lack, as where it only colours what is drawn."""

    __slots__ = ()


def unlabelled(y: Array) -> Array:
    """Say which rows have no label, of labels that were read as a :class:`Colour`."""
    if y.dtype.kind == "f":
        missing: Array = np.isnan(y)
        return missing
    return y == NO_LABEL if y.dtype.kind in "UO" else np.zeros(len(y), bool)


class NoRowsError(ValueError):
    """A refusal of a table that has columns and no rows, as a part of others may be."""


@dataclass(frozen=True, eq=False)
class Data:
    """Rows, finite numbers or a table of any columns, and what their source said about them.

    Attributes:
        X: The rows, shaped (rows, columns) for a table, (rows, channels, height, width) for pictures; float32 or
            float64. Pictures lie in [0, 1], everything else keeps the units of its source. None where ``table`` holds
            the rows.
        y: One label per row (numbers or text), or None.
        names: One name per column, or None where the source has none.
        source: Where the rows came from, as the caller wrote it.
        index: One name per row (a picture's file, the unnamed first column of a table), or None.
        itemsize: Bytes per number at the source, where that is known (1 or 2 for pictures); X's own where it is
            0.
        table: The rows as an Arrow table of their own types, where they hold more than complete numbers: text, dates,
            missing cells. Else None. :attr:`rows` is what an estimator takes in both cases.
        aside: The columns that were left out on request, as an Arrow table, those of a text file as text; or None.

    Raises:
        ValueError: There is no row or no column, labels or names are too many or too few, or a number is not finite
            (in a table: is infinite).

    >>> data = Data(np.zeros((5, 1, 8, 8), np.float32), source="zeros")
    >>> data.shape, data.flat.shape, data.bytes_per_row
    ((1, 8, 8), (5, 64), 256)
    """

    X: Array | None
    y: Array | None = None
    names: tuple[str, ...] | None = None
    source: str = ""
    index: Array | None = None
    itemsize: int = 0
    table: Any = None
    aside: Any = None

    def __post_init__(self) -> None:
        shape = self._held.shape
        if 0 in shape:
            lacks = "rows" if shape[0] == 0 else "columns"
            raise ValueError(f"{self.source!r} has no {lacks} (shape {shape}); give at least one")
        if self.y is not None and len(self.y) != len(self):
            raise ValueError(f"{self.source!r} has {len(self)} rows and {len(self.y)} labels; give one per row")
        count = math.prod(shape[1:])
        if self.names is not None and len(self.names) != count:
            raise ValueError(f"{self.source!r} has {count} columns and {len(self.names)} names; give one per column")
        if self.table is None:
            refuse_holes(self.flat, self.names, self.source)

    @property
    def _held(self) -> Any:
        return self.X if self.table is None else self.table

    def __len__(self) -> int:
        """Return the number of rows."""
        rows: int = self._held.shape[0]
        return rows

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one row: (columns,), or (channels, height, width) of a picture."""
        return tuple(self._held.shape[1:])

    @property
    def rows(self) -> Any:
        """The rows as an estimator takes them: with the names of their columns, where they have such."""
        if self.table is not None or self.X is None or self.names is None:
            return self._held
        import pyarrow as pa

        return pa.table({name: np.ascontiguousarray(self.X[:, i]) for i, name in enumerate(self.names)})

    @property
    def arrow(self) -> Any:
        """The rows as an Arrow table; those without names of columns, pictures too, by places: x0, x1, ..."""
        import pyarrow as pa

        if self.table is not None or self.names is not None:
            return self.rows
        return pa.table({f"x{i}": np.ascontiguousarray(column) for i, column in enumerate(self.flat.T)})

    @property
    def bytes_per_row(self) -> int:
        """What one row takes at its source, unpacked: the size that codes are compared with."""
        if self.table is not None:
            return max(1, int(self.table.nbytes) // len(self))
        return int(self.flat.shape[1]) * (self.itemsize or self.flat.itemsize)

    @property
    def flat(self) -> Array:
        """The rows as an array of numbers, (rows, entries).

        Raises:
            ValueError: they are a table that holds more than numbers.
        """
        if self.X is None:
            raise ValueError(f"{self.source!r} holds text, dates or missing cells, no plain numbers; give such numbers")
        return self.X.reshape(len(self.X), -1)


def of_array(X: Array, *, names: tuple[str, ...] | None = None, source: str, **told: Any) -> Data:
    """Return an array's rows; with missing cells they are a table, as those of a text file are."""
    own = names or tuple(f"x{i}" for i in range(X.shape[-1]))
    # A minimum is not a number where a cell is none: one look, without an array of answers, at rows that are complete.
    if X.shape[1:] != (len(own),) or not X.size or not np.isnan(X.min()) or np.isinf(X).any():
        return Data(X, names=names, source=source, **told)  # which refuses what it cannot hold
    import pyarrow as pa

    columns = [pa.array(np.ascontiguousarray(column), from_pandas=True) for column in X.T]
    return Data(None, names=own, source=source, table=pa.Table.from_arrays(columns, names=list(own)), **told)


def as_table(data: Data) -> Data:
    """Return rows as a table."""
    table = data.arrow
    return replace(data, X=None, names=tuple(table.column_names), table=table)


def refuse_holes(X: Array, names: tuple[str, ...] | None, source: str) -> None:
    """Raise a ValueError that names the first columns of the table ``X`` that hold NaN or infinite numbers."""
    bad = ~np.isfinite(X)
    if not bad.any():
        return
    columns = np.flatnonzero(bad.any(axis=0))
    first = [_hole(X[:, c], bad[:, c], names[c] if names else f"{c}") for c in columns[:3]]
    more = f", and {len(columns) - 3} more columns" if len(columns) > 3 else ""
    raise ValueError(f"{source!r} has {'; '.join(first)}{more}; fill in or leave out these rows or columns")


def _hole(values: Array, bad: Array, name: str) -> str:
    kind = "missing (NaN)" if np.isnan(values).any() else "infinite"
    row = int(np.argmax(bad))
    return f"{int(bad.sum())} {kind} values in column {name!r} (first in row {row + 1})"


def refuse_infinite(values: Array, name: str, source: str) -> None:
    """Raise a ValueError where a column holds infinite numbers; it may have holes."""
    bad = np.isinf(values)
    if bad.any():
        before = f"{source!r} has {int(bad.sum())} infinite values in column {name!r} (first in "
        raise FileRowError(before, int(bad.argmax()), "); fill in or leave out these rows or columns")
