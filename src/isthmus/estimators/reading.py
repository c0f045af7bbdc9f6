"""How an anomaly detector reads X: tables by their codec, arrays as numbers, pictures entry by entry."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from isthmus import export
from isthmus.data.arrays import Scaling
from isthmus.data.codec import TableCodec, declared, facts_of
from isthmus.data.columns.number import Number
from isthmus.data.frames import framed
from isthmus.estimators import plan
from isthmus.estimators.explanation import hidden_expectations, nearest, ranges
from isthmus.estimators.forms import keep_columns, schema_of
from isthmus.estimators.inputs import Array, refuse_holes, row_shape, validated
from isthmus.estimators.members import FLOOR, Members
from isthmus.noise import Noise
from isthmus.records import Column, Spec

TILES, MEASURED = 4, 1024


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
        return nearest(x, known, numbers)

    def values(self, X: Any) -> Array:
        """Return the cells of a table as objects, (rows, columns); None where one is missing."""
        return _objects([_listed(values) for _, values in framed(X).columns()])

    def objects(self, U: Array, *, ranges: bool = False) -> Array:
        """Return variables as cells, (rows, columns); of ``ranges`` only what can lie between two of its kind."""
        found = []
        for codec, place, ordered in zip(self.codec.columns, self.codec.slices, self.ordered, strict=True):
            found.append([None] * len(U) if ranges and not ordered else _listed(codec.decode(U[:, place])))
        return _objects(found)


class Pictures(Reading):
    """Pictures and signals, (*channels, height, width): every entry less its mean, divided by one deviation for all.

    Surprises of entries are measured by nearly one scale for all, too: one at the rim, where pictures of the fit are
    all alike, would else count for many. (Of MNIST, with one digit normal, the AUROC is 0.922 for the 3, 0.832, 0.895
    and 0.935 for the 8, 2 and 4; with the floor of tables 0.881, 0.777, 0.840 and 0.902.)
    """

    floor = 5.0

    def __init__(self, centre: Array, factor: float, given: tuple[int, ...]) -> None:
        """Hold the scaling and the shape of one row."""
        self.centre, self.factor, self.shape = centre, factor, given

    @property
    def names(self) -> tuple[str, ...]:
        """The places of the entries, as X[row] has them."""
        return tuple(f"x{list(map(int, place))}" for place in np.ndindex(*self.shape))

    @property
    def given(self) -> tuple[int, ...]:
        """The shape of one row."""
        return self.shape

    def begin(self, detector: Any, X: Any) -> Array:
        """Return scaled entries."""
        return self._scaled(validated(detector, X, reset=True))

    def admit(self, detector: Any, X: Any) -> Array:
        """Return scaled entries.

        Raises:
            ValueError: rows of another shape or number of entries, or holes.
        """
        return self._scaled(self._flat(detector, X))

    def _flat(self, detector: Any, X: Any) -> Array:
        if len(X.shape) > 2 and row_shape(X) != self.shape:
            raise ValueError(f"rows of X have the shape {row_shape(X)}, those of the fit had {self.shape}; transpose X")
        return validated(detector, X, reset=False)

    def _scaled(self, x: Array) -> Array:
        return (x.astype(np.float64) - self.centre) / self.factor

    def spec(self, x: Array) -> Spec:
        """Describe every entry as a number."""
        columns = tuple(Column(name) for name in self.names)
        words = frozenset({"kinds", "numbers", "continuous"})
        return Spec((x.shape[1],), columns, False, len(x), words, table=True)

    def by_column(self, values: Array) -> Array:
        """Return entries as they are."""
        return values

    @property
    def slices(self) -> tuple[slice, ...]:
        """Every entry is a column."""
        return tuple(slice(i, i + 1) for i in range(len(self.centre)))

    @property
    def hidden(self) -> Sequence[Any]:
        """Tiles, since the entries beside one give it away."""
        return self.tiles

    @property
    def tiles(self) -> list[Array]:
        """Return the entries of each tile of height and width, four by four, through all channels."""
        grid = np.arange(len(self.centre)).reshape((1, *self.shape))
        bands = np.array_split(grid, min(TILES, grid.shape[-2]), axis=-2)
        found = [tile for band in bands for tile in np.array_split(band, min(TILES, grid.shape[-1]), axis=-1)]
        return [tile.ravel() for tile in found]

    @property
    def ordered(self) -> list[bool]:
        """All entries are."""
        return [True] * len(self.centre)

    def in_graphs(self) -> export.Cells:
        """Return the scaling as a part of a graph."""
        return export.Shifted(Scaling("common", self.centre, np.full(len(self.centre), self.factor)))

    def cells(self, detector: Any, X: Any) -> Array:
        """Return flat rows."""
        return self._flat(detector, X).astype(np.float64)

    def described(self) -> list[dict[str, Any]]:
        """Name the entries."""
        return [{"name": name, "kind": "number"} for name in self.names]

    def expected(self, members: Members, x: Array, wanted: Array) -> tuple[Array, Array, Array]:
        """Return what is expected of entries where their tile is hidden, since those beside one give it away."""
        asked = np.stack([wanted[:, tile].any(1) for tile in self.tiles], 1)
        return ranges(members, hidden_expectations(members, x, self.tiles, asked))

    def remember(self, members: Members, x: Array, split: plan.Split, noise: Noise) -> tuple[Array, Array]:
        """Measure on rows held out how far off hidden tiles are, too."""
        some = x[split.held[0]][:MEASURED]
        off = some - self.expected(members, some, np.ones(some.shape, bool))[0]
        members.deviations = np.sqrt(np.square(off).mean(0))
        return super().remember(members, x, split, noise)

    def values(self, X: Any) -> Array:
        """Return the entries of rows."""
        return np.asarray(X, dtype=np.float64).reshape(len(X), -1).astype(object)

    def objects(self, U: Array, *, ranges: bool = False) -> Array:
        """Return entries in their own unit."""
        return (U * self.factor + self.centre).astype(object)


def reading_of(detector: Any, X: Any) -> Reading:
    """Return how X is read.

    Raises:
        ValueError: no rows, text in an array without a schema, or a column that its kind cannot hold.
    """
    given = row_shape(X) if hasattr(X, "shape") else ()
    if len(given) > 1 or detector.shape is not None:
        flat = np.asarray(X, dtype=np.float64).reshape(len(X), -1)
        refuse_holes(flat)
        shape = given if len(given) > 1 else tuple(detector.shape)
        if math.prod(shape) != flat.shape[1]:
            raise ValueError(f"shape={shape} has {math.prod(shape)} entries, and rows of X {flat.shape[1]}; correct it")
        deviation = float(np.sqrt(flat.var(0).mean())) or 1.0
        return Pictures(flat.mean(0), deviation, shape)
    schema = schema_of(detector)
    plain = not schema and not hasattr(X, "columns")
    frame = framed(validated(detector, X, reset=True, finite=False) if plain else X)
    facts = facts_of(frame, schema)
    kinds: dict[Any, Any] = dict(declared(frame.names, schema))
    if not frame.named:  # whether zeros and ones of an array are levels, nobody said
        several = {name: Number() for name, known in facts.items() if known.levels is None or len(known.levels) > 1}
        kinds = several | kinds
    return Reading(TableCodec.of(facts, frame.template(), kinds), plain=plain)


def _objects(columns: Sequence[Sequence[Any]]) -> Array:
    table = np.empty((len(columns[0]), len(columns)), dtype=object)
    for i, column in enumerate(columns):
        table[:, i] = column
    return table


def _listed(values: Any) -> list[Any]:
    """Return a column's cells as Python objects; None where one is missing."""
    listed = values.tolist() if isinstance(values, np.ndarray) and values.dtype.kind != "M" else values
    listed = listed.to_pylist() if hasattr(listed, "to_pylist") else list(listed)
    return [None if v is None or v != v else v for v in listed]
