"""The rows that a page is about: their cells and columns, and which of them the page shows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from isthmus.atrow import labels_of
from isthmus.data.codec import TableCodec
from isthmus.data.record import unlabelled
from isthmus.estimators.inputs import gather, row_shape, rows_at
from isthmus.estimators.series import channels
from isthmus.report.contract import Column, Data, Labels
from isthmus.report.packing import Array, Blobs

CLASSES, TITLE = 1000, 200


@dataclass(frozen=True, eq=False)
class Given:
    """What a report is about.

    Attributes:
        model: a fitted estimator.
        X: rows like those of its fit.
        y: a label or number per row, or None; ``label`` is what they are called.
        name: what the rows are called.
        shape: of one row.
        codec: of a table, else None.
        names: of the columns.
        cells: (rows, columns), see :mod:`isthmus.report.contract`.
        bytes_per_row: what a row takes at its source, where that is known; that of ``X`` otherwise.
        titles: what each row is called, or None.
    """

    model: Any
    X: Any
    y: Array | None
    label: str
    name: str
    shape: tuple[int, ...]
    codec: TableCodec | None
    names: tuple[str, ...]
    cells: Array
    bytes_per_row: float | None = None
    titles: Any = None

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.cells)

    @property
    def autoencoder(self) -> Any:
        """The autoencoder, or that underneath a self-explaining model; None of a detector."""
        inner = getattr(self.model, "autoencoder_", self.model)
        return inner if hasattr(inner, "objective_") else None

    @property
    def kind(self) -> str:
        """How rows are looked at."""
        if getattr(self.model, "window", None) is not None:
            return "series"
        if len(self.shape) > 1:
            return "image" if len(self.shape) == 3 else "signal"
        return "table" if self.codec is not None or hasattr(self.X, "columns") else "numbers"

    @cached_property
    def scores(self) -> tuple[Array, Array]:
        """Anomaly scores and p-values of all rows, which a detector takes its time for."""
        found = self.model.reading_.scored(self.model.members_, self.model._read(self.X))
        return found[0].sum(1), self.model._p_values(*found)

    @cached_property
    def _answers(self) -> tuple[Array, ...]:
        """What an autoencoder says of all rows in one pass: codes, variables that come back, scores, nats of tables."""
        model = self.autoencoder
        x = model._checked(self.X)
        wanted = ("codes", "reconstructions", "scores", *(("errors",) if self.codec is not None else ()))
        codes, back, scores, *errors = model.answers.ask(x, *wanted)
        nats = (model.form_.errors(x, found) for found in errors)
        return codes.astype(np.float64), back, model.form_.scores(x, scores), *nats

    @property
    def codes(self) -> Array:
        """The code of every row, (rows, numbers)."""
        return self._answers[0]

    @cached_property
    def back(self) -> Array:
        """The cells that come back of every row, (rows, columns)."""
        back = self._answers[1]
        return back.astype(np.float64) if self.codec is None else self.codec.cells(self.codec.decode(back, self.X))

    @property
    def likelihood(self) -> Array:
        """The log-likelihood of every row, (rows,)."""
        return self._answers[2]

    @cached_property
    def surprise(self) -> Array:
        """How far off every cell is, (rows, columns): nats of tables, else squared errors."""
        return self._answers[3] if self.codec is not None else np.square(self.cells - self.back)

    def some(self, rows: Any) -> Any:
        """Return some rows as the model takes them."""
        return rows_at(self.X, np.asarray(rows))

    def cells_of(self, X: Any) -> Array:
        """Return the cells of rows that the model gave, as the caller gave such."""
        return cells_of(self.codec, X)

    def cells_of_objects(self, values: Array) -> Array:
        """Return the cells of objects, (rows, columns), as explanations hold them."""
        if self.codec is None:
            return values.astype(np.float64)
        import pyarrow as pa

        read = (codec.cells(pa.array(values[:, i].tolist())) for i, codec in enumerate(self.codec.columns))
        return np.stack([np.asarray(column, np.float64) for column in read], 1)


def given(
    model: Any,
    X: Any,
    y: Any = None,
    *,
    name: str = "data",
    label: str = "",
    shape: Any = None,
    bytes_per_row: float | None = None,
    titles: Any = None,
) -> Given:
    """Read the rows that a report is about.

    Raises:
        ValueError: no rows, labels or titles that are not one per row, or a shape that does not hold a row.
    """
    X = gather(X)
    titles = labels_of(X) if titles is None else titles
    series = getattr(model, "window", None) is not None
    X = channels(X) if series else X
    if not X.shape[0]:
        raise ValueError(f"{name} has no rows; give rows like those of the fit")
    codec = codec_of(model)
    cells = cells_of(codec, X) if series else model.cells(X)
    found = tuple(shape) if shape is not None else shape_of(model, X, cells.shape[1])
    if shape is None and int(np.prod(found)) != cells.shape[1]:
        raise ValueError(
            f"{name} has rows of {cells.shape[1]:,} numbers, the model was fitted to {' x '.join(map(str, found))}; "
            "give rows like those of the fit"
        )
    if int(np.prod(found)) != cells.shape[1]:
        raise ValueError(f"shape={found} does not hold the {cells.shape[1]} numbers of a row; correct shape")
    labels = None if y is None else np.asarray(gather(y))
    if labels is not None and labels.shape != (len(cells),):
        raise ValueError(f"y has the shape {labels.shape}, X has {len(cells)} rows; give one label per row")
    label = label or getattr(y, "name", None) or getattr(model, "target_name_", None) or "label"
    names = names_of(codec, X, cells.shape[1])
    if titles is not None and len(titles) != len(cells):
        raise ValueError(f"there are {len(titles)} titles, X has {len(cells)} rows; give one title per row")
    return Given(model, X, labels, str(label), name, found, codec, names, cells, bytes_per_row, titles)


def codec_of(model: Any) -> TableCodec | None:
    """Return the codec of a table's model; None of one that reads numbers as they are."""
    reading = getattr(model, "reading_", None)
    if reading is not None:
        found: TableCodec | None = getattr(reading, "codec", None)
        return found
    form = getattr(model, "autoencoder_", model).form_
    return form.table  # type: ignore[no-any-return]


def shape_of(model: Any, X: Any, width: int) -> tuple[int, ...]:
    """Return the shape of a row as it is looked at: pictures of one channel get an axis for it."""
    known = getattr(model, "reading_", None)
    spec = getattr(getattr(model, "autoencoder_", model), "spec_", None)
    shape = tuple(known.given) if known is not None else tuple(spec.shape) if spec is not None else ()
    if known is not None and len(shape) == 2:
        return (1, *shape)  # of a detector: a picture without channels
    if len(shape) > 1:
        return shape
    inner = row_shape(X)
    return (width,) if len(inner) < 2 else (1, *inner) if len(inner) == 2 else inner


def sizes(rows: int, columns: int) -> str:
    """Write how many rows and columns there are."""
    return f"{rows:,} {'row' if rows == 1 else 'rows'} of {columns:,} {'column' if columns == 1 else 'columns'}"


def cells_of(codec: TableCodec | None, X: Any) -> Array:
    """Return the cells of rows, (rows, columns)."""
    if codec is not None:
        return codec.cells(X)
    if hasattr(X, "columns"):
        columns = X.columns if hasattr(X, "column_names") else [X[name] for name in X.columns]
        return np.column_stack([np.asarray(column, dtype=np.float64) for column in columns])
    values = np.asarray(X, dtype=np.float64)
    return values.reshape(len(values), -1)


def names_of(codec: TableCodec | None, X: Any, width: int) -> tuple[str, ...]:
    """Return what columns are called; their numbers where they have no names."""
    if codec is not None:
        return codec.names
    found = getattr(X, "column_names", None) or getattr(X, "columns", None)
    return tuple(map(str, found if found is not None else range(width)))


@dataclass(frozen=True, eq=False)
class Shown:
    """The rows of the page: ``numbers`` says which rows of the data they are, ascending."""

    numbers: Array

    @classmethod
    def of(cls, rows: int, most: int, wanted: Iterable[Array], seed: int = 0) -> Shown:
        """Take all rows, or a sample of them with all that are wanted."""
        if rows <= most:
            return cls(np.arange(rows))
        needed = np.unique(np.concatenate([np.empty(0, int), *(np.ravel(some) for some in wanted)]))
        order = np.random.default_rng(seed).permutation(rows)
        others = order[~np.isin(order, needed)][: max(0, most - len(needed))]
        return cls(np.sort(np.concatenate([needed, others])))

    def __len__(self) -> int:
        """Return the number of rows of the page."""
        return len(self.numbers)

    def place(self, rows: Any) -> list[int]:
        """Return where rows of the data are on the page."""
        found: list[int] = np.searchsorted(self.numbers, np.asarray(rows, int)).tolist()
        return found

    def take(self, values: Array) -> Array:
        """Return what rows of the page have of values of all rows."""
        return values[self.numbers]


def data(found: Given, shown: Shown, blobs: Blobs, limits: tuple[float, float]) -> Data:
    """Return the rows of the page."""
    note = ""
    if len(shown) < len(found):
        note = f"{len(shown):,} of {len(found):,} rows are shown: a random sample, and the rows that sections point to"
    return Data(
        name=found.name,
        kind=found.kind,
        shape=list(found.shape),
        columns=columns(found),
        rows=len(found),
        cells=blobs.cells("cells", shown.take(found.cells)),
        numbers=blobs.whole("numbers", shown.numbers),
        low=limits[0],
        high=limits[1],
        note=note,
        labels=labels(found, shown, blobs),
        titles=[] if found.titles is None else [str(found.titles[row])[:TITLE] for row in shown.numbers],
    )


def columns(found: Given) -> list[Column]:
    """Return every column."""
    known = np.isfinite(found.cells)
    low = found.cells.min(0, initial=np.inf, where=known)
    high = found.cells.max(0, initial=-np.inf, where=known)
    described = found.codec.described() if found.codec is not None else [{"kind": "number"}] * len(found.names)
    return [
        Column(
            name=name,
            kind=told["kind"],
            # The text that stands for a bucket may be missing; other levels are what JSON holds, or read as text.
            levels=["" if level is None else _plain(level) for level in told.get("levels", [])],
            low=float(low[i]) if known[:, i].any() else None,
            high=float(high[i]) if known[:, i].any() else None,
            step=float(told.get("step", told.get("whole", False))),
            format=getattr(found.codec.columns[i], "format", "") if found.codec is not None else "",
            buckets=told.get("buckets", 0),
            unseen=told.get("unseen", 0),
        )
        for i, (name, told) in enumerate(zip(found.names, described, strict=True))
    ]


def _plain(level: Any) -> str | bool | int | float:
    return level if isinstance(level, (str, bool, int, float)) else str(level)


def labels(found: Given, shown: Shown, blobs: Blobs) -> Labels | None:
    """Return what rows are labelled with: classes, or numbers where there are too many."""
    if found.y is None:
        return None
    y = shown.take(found.y)
    known = y[~unlabelled(y)]
    if found.y.dtype.kind == "f" and (len(np.unique(known)) > 20 or not (known == np.round(known)).all()):
        return Labels(found.label, [], blobs.single("labels", y))
    names = np.array([_told(value) for value in y])
    classes, index = np.unique(names, return_inverse=True)
    if found.y.dtype.kind in "iuf":
        order = np.argsort([float(name) for name in classes])
        classes, index = classes[order], np.argsort(order)[index]
    if len(classes) > CLASSES:
        return None
    return Labels(found.label, classes.tolist(), blobs.whole("labels", index))


def _told(value: Any) -> str:
    """Write a label: whole numbers without a point."""
    plain = value.item() if isinstance(value, np.generic) else value
    return str(int(plain)) if isinstance(plain, float) and plain.is_integer() else str(plain)
