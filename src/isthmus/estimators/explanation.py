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
from isthmus.explain.words import brief, decimals_of

if TYPE_CHECKING:
    from isthmus.estimators.anomaly import AnomalyDetector

CENTRAL, INSIDE = 1.645, 0.9
# Rows of which errors are measured, of one column and of all columns together, and the columns that are hidden alone.
MEASURED, PASSES, ALONE = 1000, 2**15, 512


@dataclass(frozen=True, eq=False)
class Explanation:
    """Reasons for the scores of some rows; of a series rows are points of time, and columns its channels.

    Attributes:
        score: (rows,), as ``anomaly_score`` returns it.
        contributions: (rows, columns): what each column adds; they sum to the score.
        columns: the names of the columns.
        values: (rows, columns): what is there, as objects.
        expected: (rows, columns): what the members expect there, given the other columns, as objects.
        low, high: (rows, columns): ends of the range in which nine of ten values lie, as rows held out of the fit tell,
            as objects; None for levels.
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
        cells = (self.values, self.expected, self.low, self.high)
        decimals = decimals_of(self.low[row, column], self.high[row, column])
        there, wanted, low, high = (brief(values[row, column], decimals) for values in cells)
        between = "" if self.low[row, column] is None or low == high else f" ({low} to {high})"
        if there == wanted:
            return f"{self.columns[column]} is {there}, the likeliest of several{between}"
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


def hidden_expectations(
    members: Members, x: Array, places: Sequence[Any], wanted: Array, which: Sequence[int] | None = None
) -> Array:
    """Return what members expect of every variable where its column is hidden, (rows, variables); NaN elsewhere.

    ``places`` are the variables of each column, and ``wanted``, (rows, columns), marks the cells of which that is
    asked. ``which`` are the members that are asked, all where it is None.
    """
    asked = range(len(members.filling)) if which is None else which
    expected = np.full_like(x, np.nan)
    number = np.array([column.kind == "number" for column in members.spec.columns])
    for column, own in enumerate(places):
        rows = np.flatnonzero(wanted[:, column])
        if not len(rows):
            continue
        place = np.arange(x.shape[1])[own]
        found = np.empty((len(asked), len(rows), len(place)))
        for answer, m in zip(found, asked, strict=True):
            hidden = members.within(x[rows], m)
            hidden[:, place] = np.nan
            answer[:] = members.filling[m].reconstructions(hidden)[:, place]
        # A mean of levels is none: the first member's word counts there.
        expected[np.ix_(rows, place)] = np.where(number[place], found.mean(0), found[0])
    return expected


def errors(members: Members, x: Array, places: Sequence[Any], asked: Sequence[tuple[Sequence[int], Array]]) -> Array:
    """Return how far expectations are off in rows that were not fitted, (rows, variables); NaN where a cell is missing.

    They are asked as :func:`hidden_expectations` asks. ``asked`` has members beside the numbers of rows of x that none
    of them has seen. Where columns are very many, some that lie far apart are hidden together, and fewer rows are
    asked, so that the cost is bounded.
    """
    groups = [places[i::ALONE] for i in range(min(ALONE, len(places)))]
    apart = [np.concatenate([np.arange(x.shape[1])[own] for own in group]) for group in groups]
    most = min(MEASURED, PASSES // len(apart)) // len(members.filling) + 1
    found = []
    for which, own in asked:
        rows = x[own[np.linspace(0, len(own) - 1, min(most, len(own))).astype(int)]]
        everything = np.ones((len(rows), len(apart)), bool)
        found.append(rows - ranges(members, hidden_expectations(members, rows, apart, everything, which))[0])
    return np.concatenate(found)


def deviations(off: Array, ends: Array) -> Array:
    """Return what ``CENTRAL`` times is the distance within which 9 of 10 errors of each variable lie, (variables,).

    Of n errors, (rows, variables), that is the one of rank 0.9 (n + 1), so that it holds for one to come: the largest
    where they are few. Where there is none it is the range of the fit, whose ends are (2, variables).
    """
    off, count = np.sort(np.abs(off), axis=0), (~np.isnan(off)).sum(0)  # those of missing cells come last
    rank = np.clip(np.ceil(INSIDE * (count + 1)).astype(int), 1, np.maximum(count, 1))
    span = ends[1] - ends[0]
    found = np.where(count > 0, off[rank - 1, np.arange(off.shape[1])], np.where(np.isfinite(span), span, 0.0))
    return np.asarray(found / CENTRAL)
