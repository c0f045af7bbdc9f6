"""What measures refuse, each with culprit, reason and remedy, and what they do to arrays first."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from isthmus.atrow import RowError

Array = NDArray[Any]


def table(values: Any, name: str, columns: str = "units", *, levels: bool = False) -> Array:
    """Return values as an array of (rows, columns): of numbers, or where they are ``levels`` of anything.

    Raises:
        ValueError: It has other axes, no row or no column, or what :func:`finite` or :func:`labelled` refuses.
    """
    found = np.asarray(values)
    if found.ndim != 2:
        raise ValueError(f"{name} of shape {found.shape} are not (rows, {columns}); reshape them")
    if not found.size:
        missing = columns if len(found) else "rows"
        raise ValueError(f"{name} of shape {found.shape} have no {missing}, so there is nothing to measure; give some")
    return labelled(found, name) if levels else finite(found, name)


def some(values: Any, name: str) -> Array:
    """Return finite values as an array of one axis or more, (rows, *shape).

    Raises:
        ValueError: There is nothing in it, or what :func:`finite` refuses.
    """
    found = np.asarray(values)
    if not found.ndim or not found.size:
        raise ValueError(f"{name} of shape {found.shape} are empty, so there is nothing to measure; give some")
    return finite(found, name)


def coded(values: Any) -> Array:
    """Return codes, (rows, units) or (rows, units, *places).

    Raises:
        ValueError: There is no axis of units, no row or no unit, or what :func:`finite` refuses.
    """
    found = np.asarray(values)
    if found.ndim < 2:
        raise ValueError(f"codes of shape {found.shape} have no units; give (rows, units) or (rows, units, *places)")
    return some(found, "codes")


def both(X: Any, reconstruction: Any) -> tuple[Array, Array]:
    """Return rows, and the same rows as they came back.

    Raises:
        ValueError: The shapes differ, there is no row, or what :func:`finite` refuses.
    """
    before, after = np.asarray(X), np.asarray(reconstruction)
    if before.shape != after.shape:
        raise ValueError(f"rows of shape {before.shape} came back as {after.shape}; compare the same rows")
    return some(before, "rows"), some(after, "rows that came back")


def finite(values: Any, name: str) -> Array:
    """Return values as an array of numbers.

    Raises:
        ValueError: One of them is no number, NaN or infinite.
    """
    found = numeric(values, name)
    if found.dtype.kind == "f" and not (there := np.isfinite(found)).all():
        row = int(np.argwhere(~there)[0][0]) if found.ndim else 0
        raise RowError(f"{name} have a number that is not finite, first in ", row, "; leave such rows out")
    return found


def numeric(values: Any, name: str) -> Array:
    """Return values as an array of numbers, in which None is NaN.

    Raises:
        ValueError: They are something else.
    """
    found = np.asarray(values)
    if found.dtype.kind == "O":
        try:
            return found.astype(np.float64)
        except (TypeError, ValueError) as error:
            raise ValueError(f"{name} hold what is no number ({error}); give numbers alone") from None
    if found.dtype.kind not in "buif":
        raise ValueError(f"{name} of type {found.dtype} are no numbers; give numbers")
    return found


def labelled(values: Array, name: str) -> Array:
    """Return labels or levels of any type.

    Raises:
        ValueError: One of them is missing or infinite, or they cannot be compared with each other.
    """
    gone = missing(values) if values.dtype.kind != "f" else ~np.isfinite(values)
    if gone.any():
        what = "a number that is not finite" if values.dtype.kind == "f" else "one that is missing"
        raise RowError(f"{name} have {what}, first in ", int(np.argwhere(gone)[0][0]), "; leave such rows out")
    try:
        np.unique(values)
    except TypeError as error:
        raise ValueError(f"{name} cannot be compared with each other ({error}); give them of one type") from None
    return values


def missing(labels: Array) -> Array:
    """Tell which labels are missing: None, NaN, NaT and pandas' NA, shaped as they are."""
    if labels.dtype.kind in "mM":
        return np.isnat(labels)
    if labels.dtype.kind != "O":
        return np.asarray(labels != labels)
    return np.array([_missing(label) for label in labels.ravel()], dtype=bool).reshape(labels.shape)


def _missing(label: Any) -> bool:
    try:
        return label is None or bool(label != label)
    except TypeError:  # NA is neither like itself nor unlike
        return True


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
    if not found.size:
        raise ValueError(f"labels of shape {found.shape} are empty, so there is no class to measure; give some")
    if found.ndim == 1:
        names, numbers = np.unique(labelled(found, "labels"), return_inverse=True)
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
