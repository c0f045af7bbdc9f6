"""How often units speak: firing rates, dead and dense units, and how many speak at once.

A unit fires in a row where its value is not zero (or farther from it than a tolerance). Codes are (rows, units) or
(rows, units, *places); rates count each place of a map as a row.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from isthmus.measures.checks import Array, coded

_CHUNK = 4096


def firing_rates(codes: Array, tolerance: float = 0.0) -> Array:
    r"""Return the share of rows in which each unit fires, :math:`\rho_j = mean_i [|h_{ij}| > tolerance]`, (units,).

    Raises:
        ValueError: There is no row, no unit or no axis of units, or a number is not finite.

    >>> firing_rates(np.array([[0.0, 1.0], [2.0, 3.0]]))
    array([0.5, 1. ])
    """
    codes = coded(codes)
    counts = np.zeros(codes.shape[1])
    for start in range(0, len(codes), _CHUNK):
        fires = np.abs(codes[start : start + _CHUNK]) > tolerance
        counts += np.moveaxis(fires, 1, -1).reshape(-1, codes.shape[1]).sum(axis=0)
    return np.asarray(counts / (codes.size / codes.shape[1]))


def dead_fraction(codes: Array, tolerance: float = 0.0) -> float:
    """Return the share of units that never fire in these rows.

    A unit that always takes the same value other than zero fires always; :func:`~isthmus.measures.dead_units` finds it.
    Rare units look dead in few rows: of a unit that fires in one row of a thousand, 1,000 rows see nothing in 37 cases
    of 100.

    >>> dead_fraction(np.array([[0.0, 1.0], [0.0, 3.0]]))
    0.5
    """
    return float((firing_rates(codes, tolerance) == 0).mean())


def dense_fraction(codes: Array, rate: float = 0.1, tolerance: float = 0.0) -> float:
    """Return the share of units that fire in more than ``rate`` of the rows; 10 % by convention.

    >>> dense_fraction(np.array([[0.0, 1.0], [0.0, 3.0]]))
    0.5
    """
    return float((firing_rates(codes, tolerance) > rate).mean())


def l0_quantiles(codes: Array, q: Sequence[float] = (0.0, 0.25, 0.5, 0.75, 1.0), tolerance: float = 0.0) -> Array:
    """Return quantiles over rows of how many entries of a row's code fire, (len(q),).

    :func:`~isthmus.measures.mean_l0` is their mean. A mean that is met says little of rows: a batch-wise selection may
    give one row nothing and another twice its share.

    Raises:
        ValueError: There is no row, no unit or no axis of units, or a number is not finite.

    >>> l0_quantiles(np.array([[0.0, 1.0], [2.0, 3.0]]), (0.0, 1.0))
    array([1., 2.])
    """
    codes = coded(codes)
    flat = codes.reshape(len(codes), -1)
    pieces = [flat[start : start + _CHUNK] for start in range(0, len(flat), _CHUNK)]
    counts = np.concatenate([(np.abs(piece) > tolerance).sum(axis=1) for piece in pieces])
    return np.asarray(np.quantile(counts, q))
