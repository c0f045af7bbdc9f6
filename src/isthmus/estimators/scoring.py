"""An anomaly detector's answers to a block of rows as a table: what the shell streams, and what a cluster maps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from isthmus.data.columns.facts import refuse_words
from isthmus.data.frames import one_array
from isthmus.estimators.anomaly import AnomalyDetector
from isthmus.estimators.explanation import explained
from isthmus.estimators.pictures import Pictures
from isthmus.estimators.series import Series

REASONS, ADDS = 3, "adds_"


def detected(detector: AnomalyDetector, table: Any, *, per_column: bool) -> list[Any]:
    """Return the columns of :func:`detected_schema` for the rows of an Arrow table."""
    X = admitted(detector, table)
    most = REASONS if len(detector.reading_.given) == 1 else 0  # of a picture it is said where, not what is expected
    found = explained(detector, detector._read(X), detector.reading_.values(X), most)
    reasons = [found.reasons(row, REASONS) for row in range(len(found.score))]
    columns: list[Any] = [found.score, found.p_value, -found.score - detector.offset_ < 0]
    columns += [[told[k] if k < len(told) else None for told in reasons] for k in range(REASONS)]
    return columns + (list(found.contributions.T) if per_column else [])


def known_among(detector: AnomalyDetector, take: Callable[[Any], Any], size: int, before: int = 0) -> int:
    """Count the rows of the fit that a detector keeps and that are at their own places among some rows.

    Where all that are kept are there, the rows begin with those of the fit, which are :func:`rows_of_fit` in number.

    Args:
        detector: that keeps some.
        take: gives rows by their places, as the detector takes them.
        size: how many rows there are.
        before: the number of rows that come before these.
    """
    if isinstance(detector.reading_, Series):
        return 0  # windows of it are kept, and no rows
    kept = detector.known_ - before
    here = np.flatnonzero((kept >= 0) & (kept < size))
    if not len(here):
        return 0
    rows = detector._read(take(kept[here]))
    return int(np.isclose(rows, detector.known_rows_[here], rtol=1e-6, atol=1e-9, equal_nan=True).all(1).sum())


def rows_of_fit(detector: AnomalyDetector) -> int:
    """Return to how many rows a detector was fitted: those that its members know, and those that calibrate apart."""
    apart = len(detector.calibration_[0]) if len(detector.calibration_) == 1 else 0
    return int(detector.members_.spec.rows) + apart


def detected_schema(detector: AnomalyDetector, *, per_column: bool = False) -> Any:
    """Return the Arrow schema of a detector's answers.

    Raises:
        ValueError: a detector of series, whose points lie in several blocks.
    """
    if isinstance(detector.reading_, Series):
        raise ValueError("a detector of series reads windows, which blocks would cut; give the series to its explain")
    return _schema(detector, per_column=per_column)


def detected_points(detector: AnomalyDetector, table: Any, *, per_column: bool = False) -> Any:
    """Return the answers to all points of a series, an Arrow table in order of time, as another."""
    import pyarrow as pa

    schema = _schema(detector, per_column=per_column)
    columns = zip(detected(detector, table, per_column=per_column), schema.types, strict=True)
    return pa.Table.from_arrays([pa.array(values, kind) for values, kind in columns], schema=schema)


def _schema(detector: AnomalyDetector, *, per_column: bool) -> Any:
    import pyarrow as pa

    fields = [("score", pa.float64()), ("p_value", pa.float64()), ("anomaly", pa.bool_())]
    fields += [(f"reason_{k + 1}", pa.string()) for k in range(REASONS)]
    fields += [(f"{ADDS}{name}", pa.float64()) for name in detector.reading_.names] if per_column else []
    return pa.schema(fields)


def plain(model: Any) -> bool:
    """Say whether rows are arrays of numbers to a model, and no tables."""
    if hasattr(model, "reading_"):
        return isinstance(model.reading_, Pictures) or bool(model.reading_.plain)
    return getattr(model, "autoencoder_", model).form_.table is None


def admitted(model: Any, table: Any) -> Any:
    """Return the columns of the fit as a model takes them: by their names, or by their places where it had none.

    Raises:
        ValueError: another number of columns, where these have no names.
    """
    given = table.column_names
    if hasattr(model, "feature_names_in_"):
        names = [str(name) for name in model.feature_names_in_]
        # What is missing is told by the model.
        return table.select(names) if set(names) <= set(given) else table
    if len(given) != model.n_features_in_:
        raise ValueError(
            f"the table has {len(given)} columns and the fit had {model.n_features_in_} without names; leave out the "
            "others, so that columns can be told by their places"
        )
    if not plain(model):
        own = getattr(model, "autoencoder_", model)
        return table.rename_columns(own.reading_.names if hasattr(own, "reading_") else own.form_.table.names)
    return np.column_stack([_numbers(name, column) for name, column in zip(given, table.columns, strict=True)])


def _numbers(name: str, column: Any) -> Any:
    """Return a column of numbers, NaN where one is missing.

    Raises:
        ValueError: something else.
    """
    import pyarrow as pa

    kind = column.type
    known = (pa.types.is_floating, pa.types.is_integer, pa.types.is_boolean, pa.types.is_null)
    if not any(is_one(kind) for is_one in known):
        remedy = "correct it (empty it where it means missing), or fit again"
        refuse_words(f"column {name!r} was numbers in the fit and is text now", one_array(column), remedy)
        raise ValueError(f"column {name!r} was numbers in the fit and is {kind} now; give it as it was, or fit again")
    return column.cast(pa.float64()).to_numpy()
