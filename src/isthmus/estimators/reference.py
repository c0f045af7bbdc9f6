"""What a fit keeps of its rows to compare later ones with: of every column and of scores how often each bin came."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property, partial
from typing import Any, Self

import numpy as np
import torch

from isthmus import export
from isthmus.data.codec import TableCodec
from isthmus.estimators.imputation import some as held_out
from isthmus.estimators.inputs import Array
from isthmus.measures.urn import bins_of, edges_of, quantiles_of
from isthmus.noise import Noise
from isthmus.records import Rows, Source, Spec

# Rows and columns that are looked at, and cells, so that of many columns it costs no more than a few epochs' steps.
MOST, COLUMNS, CELLS, REFER = 20_000, 1000, 2**20, 1009
PREFIX = "reference."


@dataclass(frozen=True, eq=False)
class Reference:
    """Streams of numbers or places of levels, as they were in a fit.

    The edges of bins are those of a fifth of the rows, and the others are counted: rows to come are then like those
    counted, bin by bin, whatever the edges are.

    Attributes:
        edges: (streams, most edges), padded with infinity.
        counts: (streams, most bins), how often each bin came; the one behind the last edge's two is for missing cells.
        ordered: (streams,), whether a stream is of numbers, not levels.
        quartiles: (streams, 3), of numbers; NaN of levels.
    """

    edges: Array
    counts: Array
    ordered: Array
    quartiles: Array

    @classmethod
    def of(cls, values: Array, ordered: Array, noise: Noise) -> Self:
        """Look at rows, (rows, streams); of many at some."""
        values = values[some_of(len(values), values.shape[1], noise)]
        cut = len(values) // 5
        found = edges_of(values[: cut or 1], np.asarray(ordered, bool))
        most = max(map(len, found), default=0)
        edges, counts = np.full((len(found), most), np.inf), np.zeros((len(found), most + 2), np.int64)
        for i, (own, column) in enumerate(zip(found, values.T, strict=True)):
            edges[i, : len(own)] = own
            counts[i] = np.bincount(bins_of(column[cut:], own, ordered=bool(ordered[i])), minlength=most + 2)
        quartiles = quantiles_of(values, (0.25, 0.5, 0.75))
        quartiles[~np.asarray(ordered, bool)] = np.nan
        return cls(edges, counts, np.asarray(ordered, bool), quartiles)

    def __len__(self) -> int:
        """Return the number of streams."""
        return len(self.edges)

    def bins(self, values: Array) -> Array:
        """Return the bins of rows, (rows, streams)."""
        each = zip(values.T, self.edges, self.ordered, strict=True)
        found = [bins_of(column, own[np.isfinite(own)], ordered=bool(o)) for column, own, o in each]
        return np.stack(found, 1)

    def joined(self, other: Reference) -> Reference:
        """Return the streams of both."""
        most = max(self.edges.shape[1], other.edges.shape[1])
        return Reference(
            np.concatenate([_padded(one.edges, most, np.inf) for one in (self, other)]),
            np.concatenate([_padded(one.counts, most + 2, 0) for one in (self, other)]),
            np.concatenate([self.ordered, other.ordered]),
            np.concatenate([self.quartiles, other.quartiles]),
        )

    def some(self, streams: Array) -> Reference:
        """Return some of the streams."""
        return Reference(*(getattr(self, f.name)[streams] for f in fields(self)))

    def to_arrays(self, prefix: str) -> dict[str, Array]:
        """Return arrays by name, for a safetensors file."""
        return {f"{prefix}{f.name}": getattr(self, f.name) for f in fields(self)}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Array], prefix: str) -> Self | None:
        """Rebuild a reference; None where the file, of an older release, holds none.

        Raises:
            RuntimeError: the arrays do not fit each other.
        """
        if f"{prefix}edges" not in arrays:
            return None
        made = cls(*(np.asarray(arrays[f"{prefix}{f.name}"]) for f in fields(cls)))
        n, m = made.edges.shape
        if made.counts.shape != (n, m + 2) or made.ordered.shape != (n,) or made.quartiles.shape != (n, 3):
            raise RuntimeError(f"{prefix}edges {made.edges.shape} and {prefix}counts {made.counts.shape} do not fit")
        return made


class References:
    """What a model keeps to compare rows with: its columns, where they can be told one by one, and its score.

    Columns may be looked at later, when somebody asks: until then some rows are kept of them.
    """

    def __init__(
        self, columns: Reference | Callable[[], Reference] | None = None, score: Reference | None = None
    ) -> None:
        """Keep both; columns may be what will look at them."""
        self._columns, self.score = columns, score

    @cached_property
    def columns(self) -> Reference | None:
        """The columns of the rows of the fit."""
        return self._columns() if callable(self._columns) else self._columns

    def __getstate__(self) -> dict[str, Any]:
        """Travel without rows."""
        return {"_columns": self.columns, "score": self.score}

    @classmethod
    def of(cls, cells: Array | None, ordered: Array, scores: Array | None, noise: Noise) -> Self:
        """Look at cells of rows of a fit, and at scores of rows held out of it; too few, or too many columns, are none.

        Args:
            cells: (rows, columns), nobody else's; None of pictures, whose entries are no columns.
            ordered: whether a column holds numbers, not levels.
            scores: (rows,), high where rows are strange.
            noise: draws the rows that edges are taken from.
        """
        columns: Callable[[], Reference] | None = None
        score = None
        if cells is not None and cells.shape[1] <= COLUMNS and len(cells) > 1:
            columns = partial(Reference.of, cells, ordered, noise)
        if scores is not None and len(scores) > 1:
            score = Reference.of(scores[:, None].astype(float), np.ones(1, bool), noise)
        return cls(columns, score)

    def to_arrays(self) -> dict[str, Array]:
        """Return arrays by name, for a safetensors file."""
        columns = {} if self.columns is None else self.columns.to_arrays(f"{PREFIX}columns.")
        return columns | ({} if self.score is None else self.score.to_arrays(f"{PREFIX}score."))

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Array]) -> Self:
        """Rebuild them; models of older releases have none.

        Raises:
            RuntimeError: arrays that do not fit each other.
        """
        return cls(*(Reference.from_arrays(arrays, f"{PREFIX}{name}.") for name in ("columns", "score")))


def ordered_of(told: Sequence[Mapping[str, Any]]) -> Array:
    """Say of every column that ``describe_columns`` tells of whether it holds numbers, not levels."""
    return np.array(["levels" not in one and "buckets" not in one for one in told], bool)


def of_autoencoder(model: Any, x: Array, held: Source | None, rows: Source | None = None) -> References:
    """Return the references of a fitted autoencoder.

    Args:
        model: the autoencoder.
        x: (rows, variables), rows of the fit.
        held: rows that were held out of it, as the model is given them.
        rows: the rows that it was trained on.
    """
    codec, cells, scores = model.form_.table, None, None
    if len(model.spec_.shape) == 1 and len(model.row_shape_) == 1:
        some = x[some_of(len(x), x.shape[1], model._noise)]
        cells = some if codec is None else cells_of(codec, some)
    if held is not None:
        out = met(model.spec_, rows, model.scaling_.inverse(held_out(held, model._noise).reshape(-1, x.shape[1])))
        scores = -model.form_.scores(out, model.answers.scores(out))
    return References.of(cells, ordered_of(model.describe_columns()), scores, model._noise)


def met(spec: Spec, rows: Source | None, out: Array) -> Array:
    """Return held-out rows in which levels that no row of the training has are new, as they are in rows to come."""
    for i, column in enumerate(spec.columns if isinstance(rows, Rows) and spec.table else ()):
        if column.kind == "category":
            known = rows.x[:, i].unique().cpu().numpy()  # type: ignore[union-attr]
            out[:, i] = np.where(np.isin(out[:, i], known) | np.isnan(out[:, i]), out[:, i], column.levels)
    return out


def some_of(rows: int, columns: int, noise: Noise) -> Array:
    """Return the places of the rows that are looked at, in an order that the noise draws."""
    found: Array = noise.branch(REFER).permutation(rows).numpy()[: min(MOST, CELLS // max(columns, 1))]
    return found


def cells_of(codec: TableCodec, variables: Array) -> Array:
    """Return the cells of a table's variables, (rows, columns)."""
    found: Array = export.Columns(codec).cells(torch.from_numpy(np.ascontiguousarray(variables, np.float64))).numpy()
    return found


def _padded(values: Array, width: int, by: float) -> Array:
    return np.pad(values, ((0, 0), (0, width - values.shape[1])), constant_values=by)
