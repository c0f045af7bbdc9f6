"""Whole numbers beyond 2**53, between which double precision, and so a model, cannot tell."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from isthmus.atrow import RowWarning, called, labels_of
from isthmus.data.columns.date import declared_as

EXACT = 2**53


def inexact(values: Any) -> int | None:
    """Return the first row, from 0, whose whole number double precision does not hold; None where it holds all."""
    if not isinstance(values, np.ndarray):
        import pyarrow.types as is_

        if not (is_.is_int64(values.type) or is_.is_uint64(values.type)):
            return None
        values = values.fill_null(0).to_numpy()
    if values.dtype.kind not in "iu" or not len(values):
        return None
    if int(values.min()) >= -EXACT and int(values.max()) <= EXACT:
        return None
    with np.errstate(invalid="ignore"):
        wrong = values.astype(np.float64).astype(values.dtype) != values
    return int(wrong.argmax()) if wrong.any() else None


def warn_of_inexact(X: Any) -> None:
    """Warn of columns of a table or an array whose numbers a model cannot tell apart."""
    for name, values in _whole(X):
        row = inexact(values)
        if row is not None:
            hint = RowWarning(
                f"column {name!r} holds whole numbers beyond 2**53, of which neighbours are one number to a model, as "
                f"{int(values[row])} in ",
                row,
                f"; leave the column out (--drop), subtract what they have in common, or declare "
                f"{declared_as(name, 'category')}",
            )
            labels = labels_of(X)
            warnings.warn(hint if labels is None else hint.named(called(row, labels)), stacklevel=4)


def _whole(X: Any) -> Any:
    """Give columns of whole numbers of 64 bits."""
    if isinstance(X, np.ndarray):
        wide = X.ndim == 2 and X.dtype.kind in "iu" and X.dtype.itemsize == 8
        yield from ((f"x{i}", X[:, i]) for i in range(X.shape[1] if wide else 0))
        return
    import narwhals.stable.v2 as nw

    frame = nw.from_native(X, eager_only=True, pass_through=True)
    if isinstance(frame, nw.DataFrame):
        kinds = (nw.Int64, nw.UInt64)
        wide = [i for i, kind in enumerate(frame.schema.values()) if kind in kinds]
        yield from ((frame.columns[i], frame[:, i].to_arrow()) for i in wide)
