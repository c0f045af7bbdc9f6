"""What users pass as X: arrays, data frames, tensors, torch data sets and loaders become one 2-D array."""

from __future__ import annotations

from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
import torch
from sklearn.utils.validation import validate_data
from torch import Tensor

Array = np.ndarray[Any, np.dtype[Any]]


def gather(X: Any) -> Any:
    """Turn torch tensors, data sets and loaders into an array (the first item of each element); leave the rest."""
    if hasattr(X, "detach"):
        return X.detach().cpu().numpy()
    module = type(X).__module__
    if hasattr(X, "dataset") and hasattr(X, "batch_size"):
        return np.concatenate([_first(batch) for batch in X])
    is_torch = module.startswith("torch.utils.data") or any(
        c.__module__.startswith("torch.utils.data") for c in type(X).__mro__
    )
    if is_torch and hasattr(X, "__getitem__"):
        return np.stack([_first(X[i]) for i in range(len(X))])
    return X if hasattr(X, "shape") else np.asarray(X)


def _first(element: Any) -> Array:
    value = element[0] if isinstance(element, (tuple, list)) else element
    return value.detach().cpu().numpy() if hasattr(value, "detach") else np.asarray(value)


def tensor(x: Array) -> Tensor:
    """Return an array as a tensor; shared memory where that can be written, else a copy."""
    return torch.from_numpy(np.require(x, requirements=["C", "W"]))


def row_shape(X: Any) -> tuple[int, ...]:
    """Return the shape of one row as the caller gave it."""
    return tuple(X.shape[1:])


def refuse_text(X: Any) -> None:
    """Refuse text columns of a data frame by name.

    Raises:
        ValueError: a column that holds no numbers.
    """
    frame = nw.from_native(X, eager_only=True, pass_through=True)
    if not isinstance(frame, nw.DataFrame):
        return
    for name, dtype in zip(frame.columns, frame.schema.values(), strict=True):
        if not (dtype.is_numeric() or dtype == nw.Boolean):
            raise ValueError(
                f"could not convert column {name!r} to numbers: it holds {dtype}; drop it or encode it first, "
                "for example with sklearn.preprocessing.OneHotEncoder"
            )


def validated(estimator: Any, X: Any, *, reset: bool) -> Array:
    """Return X as a finite float array (rows, variables), checked against the columns of the fit.

    Raises:
        ValueError: text, NaN, infinity, no rows, another width or other columns than in the fit.
    """
    X = gather(X)
    refuse_text(X)
    if len(X.shape) > 2:
        X = np.asarray(X).reshape(len(X), -1)
    X = validate_data(estimator, X, dtype=[np.float64, np.float32], reset=reset, ensure_all_finite=False)
    bad = ~np.isfinite(X)
    if bad.any():
        column = int(bad.any(0).argmax())
        names = getattr(estimator, "feature_names_in_", None)
        label = repr(str(names[column])) if names is not None else str(column)
        what = "NaN" if np.isnan(X).any() else "infinity"
        raise ValueError(
            f"Input X contains {what}: column {label} has {int(bad[:, column].sum())} such cells; "
            "drop those rows or fill them first, for example with sklearn.impute.SimpleImputer"
        )
    return X


def like(X: Any, values: Array) -> Any:
    """Give ``values`` the type, columns and row shape of the caller's X (a data frame stays one)."""
    frame = nw.from_native(X, eager_only=True, pass_through=True)
    if isinstance(frame, nw.DataFrame):
        columns = {name: values[:, i] for i, name in enumerate(frame.columns)}
        made = nw.from_dict(columns, backend=frame.implementation)
        index = nw.maybe_get_index(frame)
        return (made if index is None else nw.maybe_set_index(made, index=index)).to_native()
    return values
