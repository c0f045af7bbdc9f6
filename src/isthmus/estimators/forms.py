"""The form of X: plain numbers, or a table whose codec makes numbers of it and brings answers back."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor

from isthmus.data.codec import TableCodec
from isthmus.data.frames import refuse_twice
from isthmus.data.schema import Schema
from isthmus.estimators import assembly
from isthmus.estimators.inputs import WHOLE, Array, gather, like, refuse_holes, row_shape, validated
from isthmus.likelihood import Likelihood
from isthmus.records import Spec

if TYPE_CHECKING:
    from isthmus.data.arrays import Scaling


class Plain:
    """Arrays, pictures, and frames of complete numbers: one variable per number."""

    table: TableCodec | None = None

    def begin(self, estimator: Any, X: Any) -> Array:
        """Return the rows of a fit, and keep how many columns there are and their names."""
        return validated(estimator, X, reset=True)

    def shape(self, asked: Any, given: tuple[int, ...], width: int) -> tuple[int, ...]:
        """Return the shape of a row for the model."""
        return assembly.pick_shape(asked, given, width)

    def describe(self, x: Array, shape: Any, parts: assembly.Parts, scaling: Scaling, names: Any, n: Any) -> Spec:
        """Describe the data as parts will see them."""
        return assembly.describe(x, shape, parts, scaling, names, rows=n)

    def scaling(self, mode: str, likelihood: Likelihood) -> str:
        """Return how numbers are scaled."""
        return assembly.pick_scaling(mode, likelihood)

    def admit(self, estimator: Any, X: Any) -> Array:
        """Return rows like those of the fit; their cells are looked at while they are answered."""
        x = validated(estimator, X, reset=False, finite=False)
        refuse_shape(estimator, row_shape(X))
        return x

    def refuse_cells(self, estimator: Any, x: Array, scored: bool) -> None:
        """Refuse holes, and for scores values that the likelihood does not know; codes need none, except of levels."""
        names = getattr(estimator, "feature_names_in_", None)
        refuse_holes(x, names, WHOLE)
        if scored or estimator.spec_.levels:
            chosen = estimator.likelihood is None
            assembly.refuse_unsupported(x, estimator.parts_.likelihood, names, chosen=chosen)

    def restore(self, values: Array, X: Any = None, given: tuple[int, ...] = ()) -> Any:
        """Return values in the type of X, frame and names, in rows of the shape ``given``."""
        return values if X is None else like(X, values.reshape(len(values), *given))

    def drawn(self, values: Array) -> Any:
        """Return new rows in the form of the fit's."""
        return self.restore(values)

    def errors(self, x: Array, found: Array) -> Array:
        """Return nats of each column."""
        return found

    def scores(self, x: Array, found: Array) -> Array:
        """Return log-likelihoods of rows."""
        return found


def refuse_shape(estimator: Any, given: tuple[int, ...]) -> None:
    """Refuse rows of another shape with as many numbers.

    Raises:
        ValueError: always with both shapes.
    """
    if len(given) > 1 and given not in (estimator.row_shape_, estimator.spec_.shape, estimator.spec_.shape[1:]):
        had = estimator.row_shape_
        raise ValueError(f"rows of X have the shape {given}, those of the fit had {had}; transpose X")


class Table(Plain):
    """A table: every column by its kind, missing cells as NaN among the variables."""

    def __init__(self, codec: TableCodec) -> None:
        """Hold the codec."""
        self.table: TableCodec = codec

    def begin(self, estimator: Any, X: Any) -> Array:
        """Return the variables of a fit, and keep the table's columns."""
        keep_columns(estimator, self.table, X)
        return self.table.encode(X)

    def shape(self, asked: Any, given: tuple[int, ...], width: int) -> tuple[int, ...]:
        """Return the number of variables."""
        return (width,)

    def describe(self, x: Array, shape: Any, parts: assembly.Parts, scaling: Scaling, names: Any, n: Any) -> Spec:
        """Describe a table as parts will see it; where a corruption hides entries, rows are as if some were missing."""
        return self.table.spec(x, missing=parts.hides, level=parts.corruption.level)

    def scaling(self, mode: str, likelihood: Likelihood) -> str:
        """Return that the codec has scaled every column by its kind.

        Raises:
            ValueError: another scaling was asked for.
        """
        if mode not in ("auto", "none"):
            raise ValueError(
                f"scaling={mode!r} is for arrays of numbers; the columns of a table are scaled by their kinds; "
                "leave scaling out and name a scale in the schema, as {'income': 'number:scale=log'}"
            )
        return "none"

    def admit(self, estimator: Any, X: Any) -> Array:
        """Return the variables of rows like those of the fit."""
        X = gather(X)
        if isinstance(X, np.ndarray) and hasattr(estimator, "feature_names_in_"):
            name = type(estimator).__name__
            warnings.warn(
                f"X does not have valid feature names, but {name} was fitted with feature names", stacklevel=3
            )
        elif isinstance(self.table.template, np.ndarray) and numeric(X):
            X = validated(estimator, X, reset=False, finite=False)
        return self.table.encode(X)

    def refuse_cells(self, estimator: Any, x: Array, scored: bool) -> None:
        """Refuse nothing: the codec has looked at every cell."""

    def restore(self, values: Array, X: Any = None, given: tuple[int, ...] = ()) -> Any:
        """Return values as a table of the types of X, or of the fit's."""
        frame = isinstance(X, np.ndarray) or hasattr(X, "columns")
        made = self.table.decode(values, X if frame else None)
        return like(X, made) if isinstance(X, Tensor) and isinstance(made, np.ndarray) else made

    def drawn(self, values: Array) -> Any:
        """Return new rows as a table, numbers within those of the fit."""
        return self.table.decode(values, within=True)

    def errors(self, x: Array, found: Array) -> Array:
        """Return nats of the table's own units, column by column; 0 where a value is missing."""
        return self.table.by_column(found - self.table.log_slopes(x))

    def scores(self, x: Array, found: Array) -> Array:
        """Return log-likelihoods in the table's own units."""
        slopes: Array = self.table.log_slopes(x).sum(1)
        return found + slopes


def keep_columns(estimator: Any, codec: TableCodec, X: Any) -> None:
    """Keep the number of columns of a table, and their names where these are text: scikit-learn knows no others."""
    estimator.n_features_in_ = len(codec.columns)
    estimator.__dict__.pop("feature_names_in_", None)
    labels = [] if isinstance(X, np.ndarray) else getattr(X, "column_names", None) or list(X.columns)
    if all(isinstance(label, str) for label in labels) and labels:
        estimator.feature_names_in_ = np.asarray(labels, dtype=object)


def form_of(estimator: Any, X: Any) -> Plain:
    """Return the form of the rows of a fit: a table where a schema is given, or where a frame holds more than numbers.

    Raises:
        ValueError: something that is no schema, or a column that no kind can hold.
    """
    schema = schema_of(estimator)
    if schema is None and not _more_than_numbers(X):
        return Plain()
    return Table(TableCodec.fit(validated(estimator, X, reset=True, finite=False) if numeric(X) else X, schema))


def numeric(X: Any) -> bool:
    """Say whether X is an array of numbers, which scikit-learn checks."""
    return not hasattr(X, "columns") and not (isinstance(X, np.ndarray) and X.dtype.kind in "OSU")


def schema_of(estimator: Any) -> Schema | None:
    """Return what a schema declares; None where there is none.

    Raises:
        ValueError: something that is no schema.
    """
    schema = estimator.schema
    if schema is None or isinstance(schema, Mapping):
        return schema
    if isinstance(schema, str) and schema == "auto":
        return {}
    raise ValueError(f"schema={schema!r} is no schema; give kinds by column, {{'city': 'category'}}, or 'auto'")


def _more_than_numbers(X: Any) -> bool:
    if isinstance(X, np.ndarray) or not hasattr(X, "shape"):
        return False
    import narwhals.stable.v2 as nw

    refuse_twice(X)
    frame = nw.from_native(X, eager_only=True, pass_through=True)
    if not isinstance(frame, nw.DataFrame) or not len(frame) or not frame.columns:
        return False
    if any(not (dtype.is_numeric() or dtype == nw.Boolean) for dtype in frame.schema.values()):
        return True
    return any(_holes(column) for column in frame.iter_columns())


def _holes(column: Any) -> bool:
    return bool(column.is_null().any()) or (column.dtype.is_float() and bool(column.is_nan().any()))
