"""Which rows of a fit are most like a row, in columns of every kind."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from isthmus.estimators.inputs import Array
from isthmus.records import Column

NEIGHBOURS, CELLS = 3, 2**20


def nearest(
    x: Array, known: Array, numbers: Array, variables: Sequence[Column] = (), slices: Sequence[slice] = ()
) -> Array:
    """Return the numbers of the known rows that are nearest, (rows, 3).

    A distance is the mean over the columns that both rows have, after Gower (1971, "A General Coefficient of Similarity
    and Some of Its Properties"): of numbers the square of what they differ by in standard units, of levels 0 or 1, of
    angles the square of the chord. A missing cell is like nothing and unlike nothing, and so is out of the mean.

    Args:
        x: rows as variables, NaN where one is missing.
        known: rows of the fit, in the same way.
        numbers: those of the known rows.
        variables: what each variable is; numbers in standard units where there are none.
        slices: the variables of each column, which count as one; each for itself where there are none.
    """
    found = np.empty((len(x), min(NEIGHBOURS, len(known))), dtype=int)
    if not found.size:
        return found
    own = _Variables(known, variables, slices)
    for row, values in enumerate(x):
        total, shared = np.zeros(len(known)), np.zeros(len(known))
        for part in own.parts():
            away = own.apart(values, part)
            total += np.where(np.isnan(away), 0.0, away) @ own.weights[part]
            shared += ~np.isnan(away) @ own.weights[part]
        distance = np.divide(total, shared, out=np.full(len(known), np.inf), where=shared > 0)
        found[row] = numbers[np.argsort(distance, kind="stable")[: found.shape[1]]]
    return found


class _Variables:
    """The variables of known rows: how each is compared, and how much it weighs."""

    def __init__(self, known: Array, variables: Sequence[Column], slices: Sequence[slice]) -> None:
        """Find kinds, units and weights."""
        size = known.shape[1]
        kinds = np.array([column.kind for column in variables]) if variables else np.full(size, "number")
        self.known, self.levels, self.angles = known, np.isin(kinds, ("category", "binary")), kinds == "angle"
        self.units, self.weights = np.ones(size), np.ones(size)
        for place in np.flatnonzero(kinds == "count"):  # numbers are in standard units, and counts as they are
            there = known[~np.isnan(known[:, place]), place]
            self.units[place] = (there.std() if len(there) else 0.0) or 1.0
        for own in slices:
            self.weights[own] = 1 / max(1, own.stop - own.start)

    def parts(self) -> Iterator[slice]:
        """Cut variables, so that what they differ by fits the memory."""
        most = max(1, CELLS // len(self.known))
        yield from (slice(start, start + most) for start in range(0, len(self.weights), most))

    def apart(self, values: Array, part: slice) -> Array:
        """Return how far some variables of a row are from those of the known rows; NaN where one is missing."""
        away: Array = (self.known[:, part] - values[part]) / self.units[part]
        levels, angles = self.levels[part], self.angles[part]
        away[:, levels] = np.sign(away[:, levels])
        away[:, angles] = 2 * np.sin(away[:, angles] / 2)
        with np.errstate(over="ignore"):
            return np.square(away, out=away)
