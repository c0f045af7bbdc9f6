"""When a unit speaks: its typical value, the rows in which it is active, and rows that show the whole of its range."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

BANDS = ("0-25 %", "25-50 %", "50-75 %", "75-100 %")
# A share of exact zeros that numbers on a continuous scale do not reach by chance.
ZEROS = 0.01
FARTHEST, HALF = 0.995, 0.5


@dataclass(frozen=True, eq=False)
class Activity:
    r"""What every unit does in every row.

    A code is *sparse* where its bottleneck selects units, or lets them be silent and one is in some row. Others are
    where at least one unit is exactly zero in a hundredth of the rows or more, not counting units that are zero in
    every row unless all are, as a dead unit says nothing of the others. A unit of a sparse code is
    active where :math:`h \ne 0`, and its typical value t is 0. In other codes every unit always says something: t is
    the median, and a row is active where :math:`|h - t|` is more than half of the 99.5 % quantile of :math:`|h - t|`
    (16 % of the rows, were the unit a Gaussian one; more than 0.5 for a logistic unit that is off).

    Attributes:
        values: (rows, units): the code; of a code map the value at the place where it is farthest from t.
        typical: t, (units,).
        active: (rows, units), whether a row is active.
        sparse: whether the code is.

    >>> found = activity(np.array([[0.0, 1.0], [2.0, 3.0], [0.0, 5.0]]))
    >>> found.sparse, found.rate.round(2).tolist()
    (True, [0.33, 1.0])
    """

    values: Array
    typical: Array
    active: Array
    sparse: bool

    @cached_property
    def rate(self) -> Array:
        """The share of rows in which each unit is active, (units,)."""
        rate: Array = self.active.mean(axis=0)
        return rate

    @property
    def strength(self) -> Array:
        """How far each value is from the typical one, as a share of the unit's farthest, (rows, units) from 0 to 1."""
        far = np.abs(self.values - self.typical)
        strength: Array = far / np.maximum(far.max(axis=0), 1e-300)
        return strength

    def side(self, sign: int) -> Array:
        """Say in which rows a unit is active above (1) or below (-1) its typical value, (rows, units)."""
        side: Array = self.active & (sign * (self.values - self.typical) > 0)
        return side


def activity(codes: Array, provided: frozenset[str] = frozenset()) -> Activity:
    """Look at codes, (rows, units) or (rows, units, *places), of a bottleneck that provides these words, if known."""
    flat = codes.reshape(*codes.shape[:2], -1).astype(np.float64)
    sparse = is_sparse((flat == 0).mean(axis=(0, 2)), provided)
    typical = np.zeros(flat.shape[1]) if sparse else np.median(flat, axis=(0, 2))
    place = np.abs(flat - typical[:, None]).argmax(axis=2)
    values = np.take_along_axis(flat, place[:, :, None], axis=2)[:, :, 0]
    if sparse:
        return Activity(values, typical, values != 0, sparse)
    far = np.abs(values - typical)
    return Activity(values, typical, far > HALF * np.quantile(far, FARTHEST, axis=0), sparse)


def is_sparse(zeros: Array, provided: frozenset[str]) -> bool:
    """Tell whether a code is sparse, by its bottleneck and the share of exact zeros of each unit, (units,).

    Rows alone may mislead: in one row every unit is always or never zero.
    """
    if "selection" in provided or ("silent units" in provided and zeros.any()):
        return True
    return bool((zeros[zeros < 1] >= ZEROS).any() or (zeros == 1).all())


def dead(found: Activity, density: bool) -> Array:
    """Tell of every unit whether it is dead, (units,).

    A unit of a sparse code is where it is never active. Others are where they hardly vary: their variance is at most
    0.01 in codes with a density, whose prior has 1 (Burda et al., 2016, "Importance weighted autoencoders"), else their
    standard deviation at most a hundredth of the liveliest unit's.
    """
    if found.sparse:
        return np.asarray(~found.active.any(axis=0))
    spread = found.values.std(axis=0)
    return np.asarray(spread <= (0.1 if density else 0.01 * spread.max()))


def dense(found: Activity, above: float | None) -> Array:
    """Tell of every unit of a sparse code whether it speaks too often to mean one thing, (units,).

    That is in more than ``above`` of the rows. None is a tenth, as usual in dictionaries of thousands of units, but
    three times the mean rate of all units where that is more, and never more than nine tenths.
    """
    if not found.sparse:
        return np.zeros(len(found.typical), bool)
    limit = float(np.clip(3 * found.rate.mean(), 0.1, 0.9)) if above is None else above
    return np.asarray(found.rate > limit)


def bands(found: Activity, unit: int, count: int) -> tuple[Array, ...]:
    """Return rows from every quarter of a unit's values, weakest quarter first, up to ``count`` each.

    Quarters are those of the active rows, of all rows where the code is not sparse. Within a quarter rows are evenly
    spaced by rank, from its largest value to its smallest. Few rows fill the upper quarters first.
    """
    values = found.values[:, unit]
    rows = np.flatnonzero(found.active[:, unit]) if found.sparse else np.arange(len(values))
    falling = rows[np.argsort(-values[rows], kind="stable")]
    return tuple(spaced(part, count) for part in reversed(np.array_split(falling, len(BANDS))))


def spaced(rows: Array, count: int) -> Array:
    """Return up to ``count`` of some rows, evenly spaced."""
    some: Array = rows[np.unique(np.linspace(0, len(rows) - 1, min(len(rows), count)).round().astype(int))]
    return some


def contrasting(found: Activity, count: int) -> Array:
    r"""Return the rows in which a unit speaks and the others do not, (units, count); -1 where there are fewer.

    They are those with the largest :math:`s_i - \sum_{j \ne i} s_j` among the unit's active rows, s being strengths
    (Alvarez-Melis & Jaakkola, 2018, "Towards robust interpretability with self-explaining neural networks").
    """
    strength = found.strength
    total = strength.sum(axis=1)
    chosen = np.full((strength.shape[1], count), -1)
    for unit in range(strength.shape[1]):
        rows = np.flatnonzero(found.active[:, unit])
        order = rows[np.argsort(total[rows] - 2 * strength[rows, unit], kind="stable")][:count]
        chosen[unit, : len(order)] = order
    return chosen


def on_and_off(found: Activity) -> tuple[Array, Array]:
    """Return a value of each unit that stands for speaking and one for silence, each (units,).

    In sparse codes silence is 0, and speech the median of the active values on the side that has more of them; in
    others they are the 84 % and 16 % quantiles, a standard deviation from the median of a Gaussian unit.
    """
    if not found.sparse:
        low, high = np.quantile(found.values, [0.16, 0.84], axis=0)
        return np.where(high > low, high, low + 1.0), low
    on = np.ones(len(found.typical))
    for unit, values in enumerate(found.values.T):
        more = (
            np.sign(values).sum() or values.sum()
        )  # rows count, not how far one goes, but where both sides have as many
        spoken = values[values > 0] if more >= 0 else values[values < 0]
        if len(spoken):
            on[unit] = np.median(spoken)
    return on, np.zeros_like(on)


def steps(found: Activity, count: int) -> Array:
    """Return values from the least to the most that each unit reaches, (units, count), evenly spaced.

    The ends are the 0.5 % and 99.5 % quantiles of its values; in sparse codes those of the active ones, and zero.
    """
    ends = np.zeros((len(found.typical), 2))
    for unit, values in enumerate(found.values.T):
        known = values[found.active[:, unit]] if found.sparse else values
        if len(known):
            ends[unit] = np.quantile(known, [1 - FARTHEST, FARTHEST])
    if found.sparse:
        ends = np.stack([ends[:, 0].clip(max=0), ends[:, 1].clip(min=0)], axis=1)
    return np.linspace(ends[:, 0], ends[:, 1], count, axis=1)


def names_of(names: Sequence[str], count: int) -> tuple[str, ...]:
    """Return names of columns, their numbers where they have none."""
    return tuple(map(str, names)) if len(names) else tuple(map(str, range(count)))
