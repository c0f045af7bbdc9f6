"""What the units of a code do, over many rows.

A code is (rows, units), or (rows, units, *places) for a map; statistics are per unit, over rows and places.
"""

from __future__ import annotations

import numpy as np

from isthmus.measures.checks import Array, coded


def by_unit(codes: Array) -> Array:
    """Return codes as (rows * places, units) in float64.

    Raises:
        ValueError: There is no axis of units, no row or no unit, or a number is not finite.
    """
    codes = coded(codes)
    return np.moveaxis(codes, 1, -1).reshape(-1, codes.shape[1]).astype(np.float64)


def unit_range(codes: Array) -> tuple[Array, Array]:
    """Return the smallest and the largest value of every unit, each (units,)."""
    units = by_unit(codes)
    return units.min(axis=0), units.max(axis=0)


def dead_units(codes: Array, tolerance: float = 0.0) -> Array:
    """Tell of every unit whether it is dead: it takes the same value for every row, to within ``tolerance``.

    A ReLU or top-k unit that is never active is dead, and so is a saturated logistic one.

    >>> dead_units(np.array([[0.0, 1.0], [0.0, 2.0]]))
    array([ True, False])
    """
    low, high = unit_range(codes)
    return np.asarray(high - low <= tolerance)


def active_units(means: Array, threshold: float = 1e-2) -> Array:
    r"""Tell of every unit whether it is active: :math:`Var_x(E_q[h \mid x]) > 0.01`.

    Args:
        means: The posterior means of many rows.
        threshold: The least variance; 0.01 in Burda, Grosse & Salakhutdinov (2016), Importance weighted autoencoders.
    """
    return np.asarray(by_unit(means).var(axis=0) > threshold)


def mean_l0(codes: Array, tolerance: float = 0.0) -> float:
    """Return how many entries of a row's code are not zero, on average over rows.

    >>> mean_l0(np.array([[0.0, 1.0], [2.0, 3.0]]))
    1.5
    """
    return float((np.abs(by_unit(codes)) > tolerance).sum() / len(codes))


def correlation(codes: Array) -> Array:
    """Return Pearson's correlation of every two units, (units, units); a dead unit correlates with itself alone."""
    units = by_unit(codes)
    centred = units - units.mean(axis=0)
    centred[:, dead_units(codes)] = 0.0  # the mean of equal numbers may differ from them in the last digit
    norm = np.sqrt((centred**2).sum(axis=0))
    scaled = centred / np.where(norm > 0, norm, 1.0)
    matrix: Array = (scaled.T @ scaled).clip(-1, 1)
    np.fill_diagonal(matrix, 1.0)
    return matrix
