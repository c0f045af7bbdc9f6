"""What every reader returns: rows of numbers, with whatever the source knew about them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class Data:
    """Rows of finite numbers, and what their source said about them.

    Attributes:
        X: The rows, shaped (rows, columns) for a table, (rows, channels, height, width) for pictures; float32 or
            float64. Pictures lie in [0, 1], everything else keeps the units of its source.
        y: One label per row (numbers or text), or None.
        names: One name per column, or None where the source has none.
        source: Where the rows came from, as the caller wrote it.
        index: One name per row (a picture's file, the unnamed first column of a table), or None.
        itemsize: Bytes per number at the source, where that is known (1 for pictures); X's own where it is 0.

    Raises:
        ValueError: There is no row or no column, labels or names are too many or too few, or a number is not finite.

    >>> data = Data(np.zeros((5, 1, 8, 8), np.float32), source="zeros")
    >>> data.shape, data.flat.shape, data.bytes_per_row
    ((1, 8, 8), (5, 64), 256)
    """

    X: Array
    y: Array | None = None
    names: tuple[str, ...] | None = None
    source: str = ""
    index: Array | None = None
    itemsize: int = 0

    def __post_init__(self) -> None:
        if 0 in self.X.shape:
            lacks = "rows" if len(self.X) == 0 else "columns"
            raise ValueError(f"{self.source!r} has no {lacks} (shape {self.X.shape}); give at least one")
        if self.y is not None and len(self.y) != len(self.X):
            raise ValueError(f"{self.source!r} has {len(self.X)} rows and {len(self.y)} labels; give one per row")
        if self.names is not None and len(self.names) != self.flat.shape[1]:
            count = self.flat.shape[1]
            raise ValueError(f"{self.source!r} has {count} columns and {len(self.names)} names; give one per column")
        refuse_holes(self.flat, self.names, self.source)

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one row: (columns,), or (channels, height, width) of a picture."""
        return self.X.shape[1:]

    @property
    def bytes_per_row(self) -> int:
        """What one row takes at its source, unpacked: the size that codes are compared with."""
        return int(self.flat.shape[1]) * (self.itemsize or self.X.itemsize)

    @property
    def flat(self) -> Array:
        """The rows as a table, (rows, entries)."""
        return self.X.reshape(len(self.X), -1)


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
