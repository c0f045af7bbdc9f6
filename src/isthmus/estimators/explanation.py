"""Why a row scores as it does: what each column adds, what was expected there, and rows that are most like it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from isthmus.atrow import called
from isthmus.estimators.inputs import Array
from isthmus.estimators.members import Members
from isthmus.estimators.regions import called as place_of
from isthmus.estimators.regions import regions
from isthmus.explain.words import brief

if TYPE_CHECKING:
    from isthmus.estimators.anomaly import AnomalyDetector

NEIGHBOURS, CENTRAL = 3, 1.645


@dataclass(frozen=True, eq=False)
class Explanation:
    """Reasons for the scores of some rows; of a series rows are points of time, and columns its channels.

    Attributes:
        score: (rows,), as ``anomaly_score`` returns it.
        contributions: (rows, columns): what each column adds; they sum to the score.
        columns: the names of the columns.
        values: (rows, columns): what is there, as objects.
        expected: (rows, columns): what the members expect there, given the other columns, as objects.
        low, high: (rows, columns): ends of the range in which nine of ten values lie, as objects; None for levels.
        neighbours: (rows, 3): numbers of the training rows most like each, among those that are like most.
        p_value: (rows,).
        shape: the shape of one row: (columns,), or that of a picture.
        labels: what the data frame of the rows calls them, where that is more than their positions; else None.
    """

    score: Array
    contributions: Array
    columns: tuple[str, ...]
    values: Array
    expected: Array
    low: Array
    high: Array
    neighbours: Array
    p_value: Array
    shape: tuple[int, ...]
    labels: Any = None

    @property
    def maps(self) -> Array:
        """Return contributions in the shape of rows, (rows, *shape): of a picture a map of where it is odd."""
        return self.contributions.reshape(len(self.contributions), *self.shape)

    def reasons(self, row: int = 0, most: int = 3) -> list[str]:
        """Return the columns that add most to a row's score, each with what is there and what was expected.

        Of a picture, or another row of two axes or more, these are the regions of its map that add most, an eighth of
        height and width each: a single pixel adds next to nothing.
        """
        added = self.contributions[row]
        added = np.isinf(added).astype(float) if np.isinf(added).any() else added  # these are all of the score
        added = added / max(float(added.sum()), 1e-12)
        if len(self.shape) > 1:
            return _places(added.reshape(-1, *self.shape[-2:]).sum(0), most)
        told = []
        for j in np.argsort(-self.contributions[row], kind="stable")[:most]:
            share = f"{100 * added[j]:.0f} %"
            if share == "0 %" and _missing(self.values[row, j]):  # what is not there is no reason
                continue
            told.append(f"{self.cell(row, int(j))}: {share} of the score")
        return told

    def cell(self, row: int, column: int) -> str:
        """Say what is in a cell and what was expected there."""
        there, wanted = brief(self.values[row, column]), brief(self.expected[row, column])
        low, high = brief(self.low[row, column]), brief(self.high[row, column])
        between = "" if self.low[row, column] is None or low == high else f" ({low} to {high})"
        if there == wanted:
            return f"{self.columns[column]} is {there}, as expected{between}"
        return f"{self.columns[column]} is {there}, expected {wanted}{between}"

    def __str__(self) -> str:
        """Print every row with its reasons: by its label in a data frame, else by its position, which counts from 0."""
        lines = []
        for row, score in enumerate(self.score):
            lines.append(f"{called(row, self.labels)}: score {score:.3g}, p {self.p_value[row]:.3g}")
            lines += [f"  {reason}" for reason in self.reasons(row)]
        return "\n".join(lines)


def _places(shares: Array, most: int) -> list[str]:
    """Say where a picture is odd, of the shares of its score, (height, width), that its places have."""
    told = [(place_of(region, shares.shape), 100 * shares[region].sum()) for region in regions(shares, most)]
    return [f"{place}: {share:.0f} % of the score" for place, share in told if share >= 0.5]


def _missing(value: Any) -> bool:
    return value is None or bool(value != value)  # a number that is none


def explained(
    detector: AnomalyDetector, x: Array, values: Array, most: int | None = None, labels: Any = None
) -> Explanation:
    """Explain the scores of rows, which are ``x`` as variables and ``values`` as objects.

    With ``most``, expectations are found for so many columns of each row only, those that add most, and no neighbours:
    what reasons need, at a cost that does not grow with the number of columns.
    """
    members, reading = detector.members_, detector.reading_
    contributions, alone = reading.scored(members, x)
    wanted = np.ones(contributions.shape, bool) if most is None else largest(contributions, most)
    expected, low, high = reading.expected(members, x, wanted)
    known = detector.known_rows_ if most is None else detector.known_rows_[:0]
    return Explanation(
        score=contributions.sum(1),
        contributions=contributions,
        columns=reading.names,
        values=values,
        expected=reading.objects(expected),
        low=reading.objects(low, ranges=True),
        high=reading.objects(high, ranges=True),
        neighbours=reading.nearest(x, known, detector.known_),
        p_value=detector._p_values(contributions, alone),
        shape=reading.given,
        labels=labels,
    )


def ranges(members: Members, expected: Array) -> tuple[Array, Array, Array]:
    """Return expectations and the ends of their ranges, none beyond what rows of the fit have, as below zero."""
    free = np.array([column.kind not in ("number", "count") for column in members.spec.columns])
    bottom, top = np.where(free, [[-np.inf], [np.inf]], members.ends)
    middle, spread = np.clip(expected, bottom, top), CENTRAL * members.deviations
    return middle, np.maximum(middle - spread, bottom), np.minimum(middle + spread, top)


def largest(contributions: Array, most: int) -> Array:
    """Mark the ``most`` columns that add most to each row's score, (rows, columns)."""
    marked = np.zeros(contributions.shape, bool)
    np.put_along_axis(marked, np.argsort(-contributions, axis=1, kind="stable")[:, :most], True, axis=1)
    return marked


def hidden_expectations(members: Members, x: Array, places: Sequence[Any], wanted: Array) -> Array:
    """Return what members expect of every variable where its column is hidden, (rows, variables); NaN elsewhere.

    ``places`` are the variables of each column, and ``wanted``, (rows, columns), marks the cells of which that is
    asked.
    """
    expected = np.full_like(x, np.nan)
    number = np.array([column.kind == "number" for column in members.spec.columns])
    for column, which in enumerate(places):
        rows = np.flatnonzero(wanted[:, column])
        if not len(rows):
            continue
        place = np.arange(x.shape[1])[which]
        found = np.empty((len(members.filling), len(rows), len(place)))
        for m, answers in enumerate(members.filling):
            hidden = members.within(x[rows], m)
            hidden[:, place] = np.nan
            found[m] = answers.reconstructions(hidden)[:, place]
        # A mean of levels is none: the first member's word counts there.
        expected[np.ix_(rows, place)] = np.where(number[place], found.mean(0), found[0])
    return expected


def nearest(x: Array, known: Array, numbers: Array) -> Array:
    """Return the numbers of the known rows that are nearest, (rows, 3), by the root of summed squares of variables."""
    found = np.empty((len(x), min(NEIGHBOURS, len(known))), dtype=int)
    there = np.nan_to_num(known)
    for row, values in enumerate(np.nan_to_num(x)):
        distance = np.square(there - values).sum(1)
        found[row] = numbers[np.argsort(distance, kind="stable")[: found.shape[1]]]
    return found
