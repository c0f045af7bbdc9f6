"""Values in bins, and conformal p-values of the next one among all that came before: exact, however long the stream."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np

from isthmus.measures.reconstruction import Array

BINS, BLOCK, ABOVE = 32, 32, 1e-6
QUANTILES = (1 / 256, 1 / 64, 63 / 64, 255 / 256, *np.linspace(0, 1, BINS))


def edges_of(values: Array, ordered: Array) -> list[Array]:
    """Return what divides each column into bins: quantiles, or of levels the most frequent ones, most frequent first.

    Quantiles are moved up by a millionth of their range: a value that occurs often lies below its edge, also where it
    comes back from a model's units with its last digits changed.

    Args:
        values: (rows, columns), numbers, or places of levels; NaN where one is missing.
        ordered: (columns,), whether numbers between two others are like both.

    Returns:
        Of every column (edges,), at most 35 for numbers and 32 for levels; none where every value is missing.

    >>> edges_of(np.array([[3.0], [1.0], [1.0], [np.nan]]), np.array([False]))
    [array([1., 3.])]
    """
    found: list[Array] = [np.empty(0)] * values.shape[1]
    for i, own in zip(np.flatnonzero(ordered), quantiles_of(values[:, ordered], QUANTILES), strict=True):
        own = np.unique(own[~np.isnan(own)])
        found[i] = own + ABOVE * np.ptp(own) if len(own) else own
    for i in np.flatnonzero(~ordered):
        levels, times = np.unique(values[~np.isnan(values[:, i]), i], return_counts=True)
        found[i] = levels[np.argsort(-times, kind="stable")][:BINS]
    return found


def quantiles_of(values: Array, q: Sequence[float]) -> Array:
    """Return the quantiles of each column, (columns, quantiles), values that occur; NaN where all are missing.

    >>> quantiles_of(np.array([[3.0, np.nan], [1.0, 5.0], [2.0, np.nan]]), (0.5,)).tolist()
    [[2.0], [5.0]]
    """
    found = np.full((values.shape[1], len(q)), np.nan)
    holed = np.isnan(values).any(0)
    if len(values) and not holed.all():
        # All at once: a table may have a thousand columns.
        found[~holed] = np.quantile(values[:, ~holed], q, axis=0, method="inverted_cdf").T
    for i in np.flatnonzero(holed):
        here = values[~np.isnan(values[:, i]), i]
        if len(here):
            found[i] = np.quantile(here, q, method="inverted_cdf")
    return found


def bins_of(values: Array, edges: Array, *, ordered: bool) -> Array:
    """Return the bin of each value, (rows,): below each edge, beyond the last; the last bin is that of missing ones.

    Bins of levels are the levels of ``edges``, and one for all others.

    >>> bins_of(np.array([0.5, 1.0, 9.0, np.nan]), np.array([1.0, 2.0]), ordered=True)
    array([0, 0, 2, 3])
    """
    if ordered:
        found = np.searchsorted(edges, values, side="left")
    else:
        order = np.argsort(edges)
        place = np.searchsorted(edges[order], values).clip(0, max(0, len(edges) - 1))
        known = np.zeros(len(values), bool) if not len(edges) else edges[order][place] == values
        found = np.where(known, order[place] if len(edges) else 0, len(edges))
    return np.where(np.isnan(values), len(edges) + 1, found)


class Urn:
    r"""Conformal p-values of streams of bins.

    The value that comes as the N-th, those of the reference counted, has

    .. math:: p = (\#\{i < N: b_i > b_N\} + U \, \#\{i \le N: b_i = b_N\}) / N,

    with U uniform. Where all values are exchangeable, those of the reference among them, the p-values of a stream are
    independent and uniform, exactly (Vovk, Gammerman & Shafer, 2005, Algorithmic Learning in a Random World, theorem
    8.1). With a reference that stays as it is they would not be: each value is then compared with the same sample, and
    its chance error would look like drift in a stream that is long enough.

    Args:
        counts: (streams, bins), how often each bin was seen; rows are padded with zeros.
    """

    def __init__(self, counts: Array) -> None:
        """Begin with the reference."""
        self.counts = np.array(counts, dtype=np.int64)

    def p_values(self, bins: Array, uniform: Array) -> Array:
        """Return the p-value of every value, and add it to the urn.

        Args:
            bins: (rows, streams).
            uniform: U, (rows, streams), numbers between 0 and 1.

        >>> urn = Urn([[2, 1]])
        >>> urn.p_values(np.array([[1], [1]]), np.array([[0.5], [0.5]])).ravel().tolist()
        [0.25, 0.3]
        """
        found = np.empty(bins.shape)
        for start in range(0, len(bins), BLOCK):
            part = slice(start, start + BLOCK)
            found[part] = self._some(bins[part], uniform[part])
        return found

    def _some(self, bins: Array, uniform: Array) -> Array:
        """Return the p-values of so few rows that each can be compared with each."""
        streams = np.arange(len(self.counts))
        above = self.counts[:, ::-1].cumsum(1)[:, ::-1] - self.counts
        # A row is compared with the rows before it, too.
        before = np.tril(np.ones((len(bins), len(bins)), bool), -1)[:, :, None]
        greater = above[streams, bins] + (before & (bins[None] > bins[:, None])).sum(1)
        equal = self.counts[streams, bins] + 1 + (before & (bins[None] == bins[:, None])).sum(1)
        total = self.counts.sum(1) + 1 + np.arange(len(bins))[:, None]
        np.add.at(self.counts, (np.broadcast_to(streams, bins.shape), bins), 1)
        return np.asarray((greater + uniform * equal) / total)

    def to_lists(self) -> list[list[int]]:
        """Return plain numbers, for JSON."""
        found: list[list[int]] = self.counts.tolist()
        return found

    @classmethod
    def from_lists(cls, counts: Sequence[Sequence[Any]]) -> Self:
        """Rebuild an urn from :meth:`to_lists`'s numbers."""
        return cls(np.asarray(counts))
