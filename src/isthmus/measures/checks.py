"""What measures refuse, each with culprit, reason and remedy, and what they do to arrays first."""

from __future__ import annotations

from typing import Any

import numpy as np

from isthmus.atrow import RowError
from isthmus.measures.reconstruction import Array


def table(values: Any, name: str, columns: str = "units") -> Array:
    """Return values as an array of (rows, columns).

    Raises:
        ValueError: It has other axes, no row or no column, or a number that is not finite.
    """
    found = np.asarray(values)
    if found.ndim != 2:
        raise ValueError(f"{name} of shape {found.shape} are not (rows, {columns}); reshape them")
    if not found.size:
        missing = columns if len(found) else "rows"
        raise ValueError(f"{name} of shape {found.shape} have no {missing}, so there is nothing to measure; give some")
    return finite(found, name)


def finite(values: Array, name: str) -> Array:
    """Return values as they are.

    Raises:
        ValueError: One of them is NaN or infinite.
    """
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        row = int(np.argwhere(~np.isfinite(values))[0][0])
        raise RowError(f"{name} have a number that is not finite, first in ", row, "; leave such rows out")
    return values


def alike(first: Array, second: Array, names: str, axis: int = 0) -> None:
    """Refuse two arrays of different lengths along an axis.

    Raises:
        ValueError: The lengths differ; ``names`` says what they are, "codes and labels".
    """
    if first.shape[axis] != second.shape[axis]:
        what, a, b = ("rows", "columns")[axis], first.shape[axis], second.shape[axis]
        raise ValueError(f"{names} have {a} and {b} {what}; give those of the same {what}")


def centre(columns: Array) -> Array:
    """Return columns less their means, in float64; those that do not vary are exactly zero."""
    columns = columns.astype(np.float64)
    # The mean of equal numbers may differ from them in the last digit, which then correlates with anything.
    return np.where(np.ptp(columns, axis=0) > 0, columns - columns.mean(axis=0), 0.0)


def one_vs_rest(labels: Any, rows: int) -> tuple[Array, Array]:
    """Return the names of classes, and (rows, classes) truth values.

    Labels are one per row, of any type, or already one column of truth values per concept; concepts may overlap.

    Raises:
        ValueError: There are other than so many rows, columns that hold more than truth values, or a class that every
            row or no row belongs to.
    """
    found = np.asarray(labels)
    if found.ndim not in (1, 2) or len(found) != rows:
        raise ValueError(f"labels of shape {found.shape} do not describe {rows} rows; give one per row")
    if found.ndim == 1:
        names, numbers = np.unique(finite(found, "labels"), return_inverse=True)
        member = numbers[:, None] == np.arange(len(names))
    elif not np.isin(found, (0, 1)).all():
        raise ValueError("labels of several columns hold more than truth values; give one label per row, or 0 and 1")
    else:
        names, member = np.arange(found.shape[1]), found.astype(bool)
    for name, share in zip(names, member.mean(axis=0), strict=True):
        if share in (0, 1):
            whose = "all rows" if share else "no row"
            raise ValueError(f"class {name!s} holds {whose}, so nothing tells it from others; give rows of both kinds")
    return names, member
