"""An anomaly detector's answers to a block of rows as a table: what the shell streams, and what a cluster maps."""

from __future__ import annotations

from typing import Any

import numpy as np

from isthmus.estimators.anomaly import AnomalyDetector
from isthmus.estimators.explanation import explained
from isthmus.estimators.reading import Pictures
from isthmus.estimators.series import Series

REASONS, ADDS = 3, "adds_"


def detect_batches(detector: AnomalyDetector, batch: Any, *, per_column: bool = False) -> Any:
    """Score a block of rows; blocks of any size give each row the same answers.

    Args:
        detector: a fitted detector; it is not changed.
        batch: an Arrow table or record batch with the columns of the fit; others are ignored. Where the fit had no
            names, its columns are taken by their places.
        per_column: add what each column contributes to the score, as ``adds_<column>``.

    Returns:
        An Arrow table of as many rows: ``score`` (high is anomalous), ``p_value``, ``anomaly`` (whether ``predict``
        raises an alarm), and ``reason_1`` to ``reason_3``, null where there are fewer columns.

    Raises:
        ValueError: columns that are not those of the fit, or a detector of series, whose points lie in several blocks.

    >>> import pyarrow as pa
    >>> table = pa.table({"a": np.arange(60.0), "b": np.arange(60.0) ** 2})
    >>> found = detect_batches(AnomalyDetector(random_state=0).fit(table), table.slice(0, 2))
    >>> found.column_names, found.num_rows
    (['score', 'p_value', 'anomaly', 'reason_1', 'reason_2', 'reason_3'], 2)
    """
    import pyarrow as pa

    if isinstance(detector.reading_, Series):
        raise ValueError("a detector of series reads windows, which blocks would cut; give the series to its explain")
    schema = detected_schema(detector, per_column=per_column)
    table = pa.Table.from_batches([batch]) if isinstance(batch, pa.RecordBatch) else batch
    if not table.num_rows:
        return schema.empty_table()
    plain = isinstance(detector.reading_, Pictures) or detector.reading_.plain
    X = columns_of_fit(detector, table, list(detector.reading_.names), plain=plain)
    found = explained(detector, detector._read(X), detector.reading_.values(X), REASONS)
    reasons = [found.reasons(row, REASONS) for row in range(len(found.score))]
    columns: list[Any] = [found.score, found.p_value, -found.score - detector.offset_ < 0]
    columns += [[told[k] if k < len(told) else None for told in reasons] for k in range(REASONS)]
    columns += list(found.contributions.T) if per_column else []
    arrays = [pa.array(values, kind) for values, kind in zip(columns, schema.types, strict=True)]
    return pa.Table.from_arrays(arrays, schema=schema)


def detected_schema(detector: AnomalyDetector, *, per_column: bool = False) -> Any:
    """Return the Arrow schema of what ``detect_batches`` returns."""
    import pyarrow as pa

    fields = [("score", pa.float64()), ("p_value", pa.float64()), ("anomaly", pa.bool_())]
    fields += [(f"reason_{k + 1}", pa.string()) for k in range(REASONS)]
    fields += [(f"{ADDS}{name}", pa.float64()) for name in detector.reading_.names] if per_column else []
    return pa.schema(fields)


def admitted_by(form: Any, model: Any, table: Any) -> Any:
    """Return the columns of the fit as a model takes them that reads rows in a form.

    Raises:
        ValueError: another number of columns, where these have no names.
    """
    codec = form.table
    names = [f"x{i}" for i in range(model.n_features_in_)] if codec is None else list(codec.names)
    return columns_of_fit(model, table, names, plain=codec is None)


def columns_of_fit(model: Any, table: Any, names: list[str], *, plain: bool) -> Any:
    """Return the columns of the fit as a model takes them: those called ``names``, or by their places where ``plain``.

    Raises:
        ValueError: another number of columns, where these have no names.
    """
    given = table.column_names
    if hasattr(model, "feature_names_in_"):
        names = [str(name) for name in model.feature_names_in_]
        # What is missing is told by the model.
        return table.select(names) if set(names) <= set(given) else table
    if len(given) != len(names):
        raise ValueError(
            f"the table has {len(given)} columns and the fit had {len(names)} without names; leave out the others, so "
            "that columns can be told by their places"
        )
    if not plain:
        return table.rename_columns(names)
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
        raise ValueError(f"column {name!r} was numbers in the fit and is {kind} now; give it as it was, or fit again")
    return column.cast(pa.float64()).to_numpy()
