"""How an anomaly detector reads X: tables by their codec, arrays as numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, ClassVar

import numpy as np

from isthmus import export
from isthmus.data.codec import TableCodec, facts_of, warn_of_names
from isthmus.data.columns import Codec
from isthmus.data.columns.facts import Facts
from isthmus.data.columns.number import Number
from isthmus.data.frames import framed, is_missing
from isthmus.data.schema import declared
from isthmus.data.spelled import recognised
from isthmus.estimators import plan
from isthmus.estimators.explanation import deviations, errors, hidden_expectations, ranges
from isthmus.estimators.forms import keep_columns, numeric, schema_of
from isthmus.estimators.inputs import Array, validated
from isthmus.estimators.members import FLOOR, Members
from isthmus.estimators.neighbours import nearest
from isthmus.noise import Noise
from isthmus.records import Spec


class Reading:
    """A table or an array of numbers: variables by the codec.

    ``floor`` is the share of the mean surprise of all columns that is added to that of each, before a cell is measured
    by it; ``by_row`` says that rows are answered one by one.
    """

    floor = FLOOR
    by_row: ClassVar[bool] = True

    def __init__(self, codec: TableCodec, *, plain: bool = False) -> None:
        """Hold the codec; ``plain`` says that rows are arrays of numbers, as scikit-learn checks them."""
        self.codec, self.plain = codec, plain

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the columns."""
        return self.codec.names

    @property
    def given(self) -> tuple[int, ...]:
        """The shape of one row."""
        return (len(self.codec.columns),)

    def begin(self, detector: Any, X: Any) -> Array:
        """Return the variables of a fit, and keep the columns as scikit-learn asks for it."""
        if not self.plain:
            keep_columns(detector, self.codec, X)
        return self._encoded(detector, X, reset=True)

    def admit(self, detector: Any, X: Any) -> Array:
        """Return the variables of rows like those of the fit."""
        return self._encoded(detector, X, reset=False)

    def _encoded(self, detector: Any, X: Any, *, reset: bool) -> Array:
        return self.codec.encode(validated(detector, X, reset=reset, finite=False) if self.plain else X)

    def spec(self, x: Array) -> Spec:
        """Describe the variables."""
        return self.codec.spec(x)

    def by_column(self, values: Array) -> Array:
        """Add up what the variables of each column have."""
        return self.codec.by_column(values)

    @property
    def slices(self) -> tuple[slice, ...]:
        """Where the variables of each column are."""
        return self.codec.slices

    @property
    def hidden(self) -> Sequence[Any]:
        """The variables that are hidden at once where expectations are asked, by column."""
        return self.slices

    @property
    def ordered(self) -> list[bool]:
        """Whether what a column holds can lie between two of its kind."""
        return [codec.variables[0].kind in ("number", "count") for codec in self.codec.columns]

    def in_graphs(self) -> export.Cells:
        """Return the way between cells and variables as a part of a graph."""
        return export.Columns(self.codec)

    def cells(self, detector: Any, X: Any) -> Array:
        """Return rows as graphs read them."""
        return self.codec.cells(validated(detector, X, reset=False, finite=False) if self.plain else X)

    def described(self) -> list[dict[str, Any]]:
        """Return what is to be known of cells."""
        return self.codec.described()

    def cut(self, x: Array, split: plan.Split) -> tuple[Array, list[Array], list[Array]]:
        """Return the rows that members are fitted to, and by member those of the fit and those held out of it."""
        return x, split.fits, split.held

    def doubt(self, members: Members, x: Array, split: plan.Split) -> None:
        """Measure on rows that no member has seen, or each member on its own, how far off expectations are."""
        every = range(len(members.filling))
        alone = [((m,), own) for m, own in zip(every, split.held, strict=False)]
        asked = alone if split.calibration is None else [(every, split.calibration)]
        members.deviations = deviations(errors(members, x, self.hidden, asked), members.ends)

    def remember(self, members: Members, x: Array, split: plan.Split, noise: Noise) -> tuple[Array, Array]:
        """Return the numbers and variables of some rows that are like most, for neighbours."""
        some = plan.known(x, members, noise)
        return some, x[some]

    def scored(self, members: Members, x: Array) -> tuple[Array, Array]:
        """Return what columns add to the scores of rows, (rows, columns), and scores by each member alone."""
        added, alone = members.contributions(x)
        return self.by_column(added), alone

    def alone(self, members: Members, m: int, x: Array) -> Array:
        """Return the scores of rows by one member."""
        found: Array = members.alone(m, x).sum(1)
        return found

    def expected(self, members: Members, x: Array, wanted: Array) -> tuple[Array, Array, Array]:
        """Return what is expected of the variables of wanted cells where their column is hidden, and its range."""
        return ranges(members, hidden_expectations(members, x, self.hidden, wanted))

    def nearest(self, x: Array, known: Array, numbers: Array) -> Array:
        """Return the numbers of the known rows most like each row."""
        return nearest(x, known, numbers, self.codec.variables, self.slices)

    def values(self, X: Any) -> Array:
        """Return the cells of a table as objects, (rows, columns); None where one is missing."""
        return _objects([_listed(values) for _, values in framed(X).columns()])

    def objects(self, U: Array, *, ranges: bool = False) -> Array:
        """Return variables as cells, (rows, columns); of ``ranges`` only what can lie between two of its kind."""
        found = []
        for codec, place, ordered in zip(self.codec.columns, self.codec.slices, self.ordered, strict=True):
            found.append([None] * len(U) if ranges and not ordered else _listed(_local(codec, U[:, place])))
        return _objects(found)


def reading_of(detector: Any, X: Any, aside: Callable[[], Any] | None = None) -> Reading:
    """Return how a table or an array of numbers is read; ``aside`` gives rows that leave no trace but in warnings.

    Raises:
        ValueError: no rows, text in an array without a schema, or a column that its kind cannot hold.
    """
    schema = schema_of(detector)
    plain = not schema and (numeric(X) or (schema is None and not hasattr(X, "columns")))
    frame = framed(validated(detector, X, reset=True, finite=False) if plain else X)
    schema = recognised(frame, schema) if not plain else schema
    facts = facts_of(frame, schema)
    kinds: dict[Any, Any] = dict(declared(frame.names, schema))
    if aside is not None and frame.named:
        with suppress(ValueError):  # what cannot be read is refused with all rows, which have their own numbers
            _warn_of_counters({name: known for name, known in facts.items() if name not in kinds}, aside())
    if not frame.named:  # whether zeros and ones of an array are levels, nobody said
        of_numbers = {name: known.levels for name, known in facts.items() if known.type == "number"}
        several = {name: Number() for name, levels in of_numbers.items() if levels is None or len(levels) > 1}
        kinds = several | kinds
    return Reading(TableCodec.of(facts, frame.template(), kinds), plain=plain)


def _warn_of_counters(facts: Mapping[str, Facts], aside: Any) -> None:
    """Warn of columns that count the rows of a fit, where rows aside have left gaps in the others' numbers."""
    gaps = {name: known for name, known in facts.items() if known.step == 1 and not known.names_rows}
    among = [name for name, known in gaps.items() if known.type == "number" and known.high - known.low < 2 * known.rows]
    for name, values in framed(aside).columns() if among else ():
        rest = Facts.of(name, values) if name in among else None
        if rest is not None and rest.type == "number" and (whole := gaps[name].joined(rest)).names_rows:
            warn_of_names(name, whole.rows)


def _objects(columns: Sequence[Sequence[Any]]) -> Array:
    table = np.empty((len(columns[0]), len(columns)), dtype=object)
    for i, column in enumerate(columns):
        table[:, i] = column
    return table


def _local(codec: Codec, U: Array) -> Any:
    """Return the values of a column's variables: dates in its time zone, where it has one."""
    values, zone = codec.decode(U), getattr(codec, "zone", None)
    if not zone:
        return values
    import pyarrow as pa

    return pa.array(values).cast(pa.timestamp("us", zone))


def _listed(values: Any) -> list[Any]:
    """Return a column's cells as Python objects; None where one is missing."""
    listed = values.tolist() if isinstance(values, np.ndarray) and values.dtype.kind != "M" else values
    listed = listed.to_pylist() if hasattr(listed, "to_pylist") else list(listed)
    return [None if is_missing(v) else v for v in listed]
