"""What users pass as X: arrays, data frames, tensors, torch data sets and loaders become one 2-D array."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import torch
from sklearn.utils import _safe_indexing
from sklearn.utils.validation import _check_sample_weight, validate_data
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, IterableDataset, RandomSampler

from isthmus.atrow import RowError, labelled
from isthmus.data.columns.exact import warn_of_inexact
from isthmus.data.columns.facts import refuse_words
from isthmus.data.frames import one_array, refuse_nothing
from isthmus.data.streams import Stream

Array = np.ndarray[Any, np.dtype[Any]]
BLOCK = 4096
# The least height and width of what may be a picture whose channels come last.
SIDE = 8

ENCODE = "read X as a table (schema='auto'), drop the column or encode it first (sklearn.preprocessing.OneHotEncoder)"
FILL = "read X as a table (schema='auto'), which may have holes, drop those rows or fill them (SimpleImputer)"
# A model that is fitted is what it is.
ALIKE = "the model was fitted to numbers, give the columns that it was fitted to"
WHOLE = "the model was fitted to rows without holes, drop those rows or fill them (SimpleImputer)"
EXPECTED = "give an array, a data frame, a torch tensor, Dataset or DataLoader"


def gather(X: Any, *, ordered: bool = True) -> Any:
    """Turn torch tensors, data sets and loaders into an array (the first item of each element); leave the rest.

    Raises:
        ValueError: something that holds no rows, or rows of different shapes, or a loader that shuffles where answers,
            labels or weights belong to rows by their order.
    """
    if isinstance(X, Tensor):
        return _plain(X)
    if isinstance(X, Stream):
        raise ValueError(
            "X is a stream, which Autoencoder's fit, transform, reconstruct, feature_errors and score_samples read in "
            "blocks; all else needs rows in memory: give X.sample(), some of its rows"
        )
    if isinstance(X, DataLoader):
        if ordered and isinstance(X.sampler, RandomSampler):
            raise ValueError(
                "the DataLoader shuffles, so that nothing could be told apart by the order of its rows; give it "
                "shuffle=False, or give its dataset"
            )
        return _joined(np.concatenate, X, "DataLoader")
    if isinstance(X, IterableDataset):
        return _joined(np.stack, X, "Dataset")
    if isinstance(X, Dataset):
        return _joined(np.stack, (X[i] for i in range(len(X))), "Dataset")  # type: ignore[arg-type]
    if isinstance(X, np.ma.MaskedArray):
        return np.ma.filled(X.astype(np.float64), np.nan)
    return X if hasattr(X, "shape") else _array(X)


def _plain(X: Tensor) -> Array:
    """Return a tensor as an array; numpy has no bfloat16."""
    X = X.detach().cpu()
    return np.asarray((X.float() if X.dtype == torch.bfloat16 else X).numpy())


def _joined(join: Any, elements: Iterable[Any], name: str) -> Array:
    """Join the first items of elements, with torch's generator as it was: loaders draw a seed from it."""
    with torch.random.fork_rng([]):
        items = [_first(element, name) for element in elements]
    if not items:
        raise ValueError(f"the {name} is empty: found array with 0 sample(s); give at least one row")
    shapes = {item.shape[1:] if join is np.concatenate else item.shape for item in items}
    if len(shapes) > 1:
        raise ValueError(f"the {name} holds rows of different shapes, {' and '.join(map(str, sorted(shapes)[:2]))}")
    return np.asarray(join(items))


def _first(element: Any, name: str) -> Array:
    value = element[0] if isinstance(element, (tuple, list)) and len(element) else element
    found = _plain(value) if isinstance(value, Tensor) else np.asarray(value)
    if found.ndim == 0:
        raise ValueError(
            f"the {name} gives elements of type {type(element).__name__}, in which no row is found; "
            "let it give a row, or a pair of a row and something else"
        )
    return found


def _array(X: Any) -> Array:
    try:
        made = np.asarray(X)
    except ValueError as error:
        raise ValueError(f"the rows of X have different lengths ({error}); {EXPECTED}") from None
    if made.ndim == 0 and made.dtype == object:
        hint = "collect() it first" if hasattr(X, "collect") else EXPECTED
        raise ValueError(f"Expected 2D array, got a {type(X).__name__} instead; {hint}")
    return made


def refuse_flat(X: Any) -> None:
    """Refuse a single row or column, which could be either.

    Raises:
        ValueError: an array that has not two axes or more.
    """
    if len(X.shape) < 2:
        raise ValueError(
            f"Expected 2D array, got {len(X.shape)}D array instead. Reshape your data: X.reshape(-1, 1) if it has a "
            "single feature, X.reshape(1, -1) if it contains a single sample"
        )


def tensor(x: Array) -> Tensor:
    """Return an array as a tensor; shared memory where that can be written, else a copy."""
    return torch.from_numpy(np.require(x, requirements=["C", "W"]))


def row_weights(sample_weight: Any, X: Array) -> Array | None:
    """Check row weights and scale them to mean one.

    Raises:
        ValueError: weights that are none, or all zero.
    """
    if sample_weight is None:
        return None
    weight = _check_sample_weight(sample_weight, X, dtype=np.float64, ensure_non_negative=True)
    total = weight.sum()
    if total == 0:
        raise ValueError("sample_weight is zero for every row; give at least one row a weight")
    return np.asarray(weight * (len(weight) / total))


def row_shape(X: Any) -> tuple[int, ...]:
    """Return the shape of one row as the caller gave it."""
    return tuple(X.shape[1:])


def hint_of_channels(given: tuple[int, ...]) -> None:
    """Warn where pictures of this shape look like (height, width, channels), which PIL and Keras have."""
    if len(given) == 3 and given[2] in (1, 3) and min(given[:2]) >= SIDE:
        warnings.warn(
            f"rows of X have the shape {given}, read as {given[0]} channels of {given[1]} x {given[2]}; where they are "
            f"(height, width, channels), give np.moveaxis(X, -1, 1), else say so by shape={given}",
            stacklevel=3,
        )


def refuse_text(X: Any, remedy: str = ENCODE) -> None:
    """Refuse columns of a data frame or array that hold no numbers, by name; and a frame in which there is nothing.

    Raises:
        ValueError: text, dates, categories or complex numbers; a frame without rows or columns.
    """
    if not isinstance(X, np.ndarray):
        _refuse_words_of_frame(X, remedy)
    elif X.dtype.kind == "c":
        raise ValueError("Complex data not supported: give real and imaginary parts as columns of their own")
    elif X.dtype.kind in "OSU" and X.ndim == 2:
        _refuse_words(X, remedy)


def _refuse_words_of_frame(X: Any, remedy: str) -> None:
    import narwhals.stable.v2 as nw

    frame = nw.from_native(X, eager_only=True, pass_through=True)
    if isinstance(frame, nw.DataFrame):
        refuse_nothing(len(frame), len(frame.columns))  # first: what columns hold is no reason where there is no row
        for name, dtype in zip(frame.columns, frame.schema.values(), strict=True):
            if not (dtype.is_numeric() or dtype == nw.Boolean):
                told = f"could not convert column {name!r} to numbers: it holds {dtype}"
                if dtype == nw.String:
                    with labelled(X):
                        refuse_words(told, one_array(frame.get_column(name).to_arrow()), remedy)
                raise ValueError(f"{told}; {remedy}")


def _refuse_words(X: Array, remedy: str) -> None:
    for column in range(X.shape[1]):
        for row, cell in enumerate(X[:, column]):
            if isinstance(cell, (str, bytes)) and not _reads_as_number(cell):
                raise RowError(
                    f"could not convert column {column} to numbers: ", row, f" holds {str(cell)!r}; {remedy}"
                )


def _reads_as_number(cell: str | bytes) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def validated(estimator: Any, X: Any, *, reset: bool, finite: bool = True) -> Array:
    """Return X as a finite float array (rows, variables), checked against the columns of the fit.

    Without ``finite`` the caller looks at the cells later, by :func:`refuse_holes`.

    Raises:
        ValueError: text, NaN, infinity, no rows, another width or other columns than in the fit.
    """
    X = gather(X)
    refuse_flat(X)
    refuse_text(X, ENCODE if reset else ALIKE)
    given = X
    if len(X.shape) > 2:
        X = np.asarray(X).reshape(len(X), -1) if len(X) else np.empty((0, 1))
    try:
        X = validate_data(estimator, X, dtype=_precisions(X), reset=reset, ensure_all_finite=False)
    except ValueError as error:
        raise ValueError(f"{error}{_about_columns(estimator, given, str(error))}") from None
    if reset:
        warn_of_inexact(given)
    if finite:
        with labelled(given):
            refuse_holes(X, getattr(estimator, "feature_names_in_", None), FILL if reset else WHOLE)
    return np.asarray(X)


def _precisions(X: Any) -> list[Any]:
    """Return the types in which numbers are kept, the first for those that are in none.

    What columns of arrays and of pandas' frames make together scikit-learn sees; other frames would all be float64.
    """
    either: list[Any] = [np.float64, np.float32]
    if isinstance(X, np.ndarray) or hasattr(X, "iloc"):
        return either
    import narwhals.stable.v2 as nw

    frame = nw.from_native(X, eager_only=True, pass_through=True)
    if not isinstance(frame, nw.DataFrame):
        return either
    kinds = set(frame.schema.values())
    single = nw.Float32 in kinds and kinds <= {nw.Float32, nw.Int8, nw.UInt8, nw.Int16, nw.UInt16, nw.Boolean}
    return either[1:] if single else either


def blocks(x: Array) -> Iterator[Array]:
    """Return the rows in blocks, so that what is asked of each cell makes no array as large as x."""
    return (x[start : start + BLOCK] for start in range(0, len(x), BLOCK))


def refuse_holes(X: Array, names: Any = None, remedy: str = FILL) -> None:
    """Refuse cells without a finite number, naming the first column that has one.

    Raises:
        ValueError: NaN or infinity.
    """
    bad, nan = np.zeros(X.shape[1], dtype=int), False
    for rows in blocks(X):
        with np.errstate(over="ignore", invalid="ignore"):
            if np.isfinite(rows.sum()):  # as it is only where every cell is
                continue
        bad += (~np.isfinite(rows)).sum(0)
        nan = nan or bool(np.isnan(rows).any())
    if not bad.any():
        return
    column = int((bad > 0).argmax())
    label = repr(str(names[column])) if names is not None else str(column)
    cells = "such cell" if bad[column] == 1 else "such cells"
    what = "NaN" if nan else "infinity"
    row = int((~np.isfinite(X[:, column])).argmax())
    raise RowError(f"Input X contains {what}: column {label} has {bad[column]} {cells}, first in ", row, f"; {remedy}")


def _about_columns(estimator: Any, X: Any, reason: str) -> str:
    """Say what to do about columns that are not those of the fit, and which one is out of place."""
    if not reason.startswith("The feature names should match"):
        return ""
    moved = ""
    if "same order" in reason:
        import narwhals.stable.v2 as nw

        pairs = zip(nw.from_native(X, eager_only=True).columns, estimator.feature_names_in_, strict=True)
        moved = next(f"Found {now!r} where the fit had {fit!r}.\n" for now, fit in pairs if now != fit)
    return f"{moved}Give the columns of the fit in their order: X[list(model.feature_names_in_)]"


def like(X: Any, values: Array) -> Any:
    """Give ``values`` the type of the caller's X: a tensor, or a data frame with its columns, index and precision."""
    if isinstance(X, Tensor):
        made = torch.from_numpy(values).to(X.device)
        return made.to(X.dtype) if X.is_floating_point() else made
    if isinstance(X, np.ndarray):
        return values
    import narwhals.stable.v2 as nw

    frame = nw.from_native(X, eager_only=True, pass_through=True)
    if not isinstance(frame, nw.DataFrame):
        return values
    columns = [
        nw.new_series(
            name, values[:, i], nw.Float32 if dtype == nw.Float32 else nw.Float64, backend=frame.implementation
        )
        for i, (name, dtype) in enumerate(frame.schema.items())
    ]
    return frame.with_columns(*columns).to_native()


def rows_at(X: Any, places: Array) -> Any:
    """Return some rows, by their places, of an array or of a frame of any library.

    >>> rows_at(np.arange(6).reshape(3, 2), np.array([2, 0])).tolist()
    [[4, 5], [0, 1]]
    """
    return _safe_indexing(X, places)
