"""Why a row scores as it does: what each column adds, what was expected there, and rows that are most like it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from isthmus.estimators.inputs import Array
from isthmus.estimators.members import Members

if TYPE_CHECKING:
    from isthmus.estimators.anomaly import AnomalyDetector

NEIGHBOURS, CENTRAL = 3, 1.645


@dataclass(frozen=True, eq=False)
class Explanation:
    """Reasons for the scores of some rows.

    Attributes:
        score: (rows,), as ``anomaly_score`` returns it.
        contributions: (rows, columns): what each column adds; they sum to the score.
        columns: the names of the columns.
        values: (rows, columns): what is there, as objects.
        expected: (rows, columns): what the members expect there, given the other columns, as objects.
        low, high: (rows, columns): ends of the range in which nine of ten values lie, as objects; None for levels.
        neighbours: (rows, 3): numbers of the training rows most like each, among those that are like most.
        p_value: (rows,).
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

    def reasons(self, row: int = 0, most: int = 3) -> list[str]:
        """Return the columns that add most to a row's score, each with what is there and what was expected."""
        order = np.argsort(-self.contributions[row], kind="stable")[:most]
        total = max(float(self.score[row]), 1e-12)
        told = []
        for j in order:
            share = 100 * self.contributions[row, j] / total
            between = ""
            if self.low[row, j] is not None:
                between = f" ({_brief(self.low[row, j])} to {_brief(self.high[row, j])})"
            there, wanted = _brief(self.values[row, j]), _brief(self.expected[row, j])
            told.append(f"{self.columns[j]} is {there}, expected {wanted}{between}: {share:.0f} % of the score")
        return told

    def __str__(self) -> str:
        """Print every row with its reasons."""
        lines = []
        for row, score in enumerate(self.score):
            lines.append(f"row {row}: score {score:.3g}, p {self.p_value[row]:.3g}")
            lines += [f"  {reason}" for reason in self.reasons(row)]
        return "\n".join(lines)


def _brief(value: Any) -> str:
    if isinstance(value, (float, np.floating)):
        return f"{value:.4g}"
    return "missing" if value is None else str(value)


def explained(detector: AnomalyDetector, x: Array, X: Any) -> Explanation:
    """Explain the scores of rows, which are ``x`` as variables."""
    members, reading = detector.members_, detector.reading_
    contributions = reading.by_column(members.contributions(x)[0])
    expected = hidden_expectations(members, x, reading.slices)
    spread = CENTRAL * members.deviations
    return Explanation(
        score=contributions.sum(1),
        contributions=contributions,
        columns=reading.names,
        values=reading.values(X),
        expected=reading.objects(expected),
        low=reading.objects(expected - spread, ranges=True),
        high=reading.objects(expected + spread, ranges=True),
        neighbours=nearest(x, detector.known_rows_, detector.known_),
        p_value=detector.p_values(X),
    )


def hidden_expectations(members: Members, x: Array, slices: Sequence[slice]) -> Array:
    """Return what members expect of every variable where its column is hidden, (rows, variables)."""
    expected = np.empty_like(x)
    number = np.array([column.kind == "number" for column in members.spec.columns])
    for place in slices:
        hidden = x.copy()
        hidden[:, place] = np.nan
        found = np.stack([answers.reconstructions(hidden)[:, place] for answers in members.filling])
        # A mean of levels is none: the first member's word counts there.
        expected[:, place] = np.where(number[place], found.mean(0), found[0])
    return expected


def nearest(x: Array, known: Array, numbers: Array) -> Array:
    """Return the numbers of the known rows that are nearest, (rows, 3), by the root of summed squares of variables."""
    found = np.empty((len(x), min(NEIGHBOURS, len(known))), dtype=int)
    there = np.nan_to_num(known)
    for row, values in enumerate(np.nan_to_num(x)):
        distance = np.square(there - values).sum(1)
        found[row] = numbers[np.argsort(distance, kind="stable")[: found.shape[1]]]
    return found
