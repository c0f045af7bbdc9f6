"""Stability of explanations: how much they change between neighbours, over how much their concepts do."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from isthmus.measures.checks import alike, finite
from isthmus.measures.reconstruction import Array


@dataclass(frozen=True, eq=False)
class Lipschitz:
    """The largest ratio of every row to a neighbour.

    Attributes:
        ratios: (rows,); NaN for a row without a neighbour to compare with.
        neighbours: How many neighbours each row was compared with, (rows,).
        left_out: How many pairs of neighbours had the same concepts, so that there is no ratio.
    """

    ratios: Array
    neighbours: Array
    left_out: int


def local_lipschitz(
    relevances: Array, concepts: Array, points: Array | None = None, *, eps: float, same: float = 1e-6
) -> Lipschitz:
    r"""Return of each row :math:`\max_{\|x_j - x_i\| \le eps} \|\theta_i - \theta_j\| / \|h_i - h_j\|`.

    The discrete estimate over the rows given (Alvarez-Melis & Jaakkola, 2018, Towards robust interpretability with
    self-explaining neural networks): of distances, not of their squares. It grows with eps and with the number of rows,
    so state both; rescaling concepts by a and relevances by 1 / a divides it by a squared, so compare models whose
    concepts have the same scale, or divide each by its own. Pairs whose concepts agree have no ratio and are left out
    and counted: many of them with different relevances mean that relevances see what concepts do not.

    Args:
        relevances: theta, (rows, ...): of all classes together, or of one.
        concepts: h, (rows, ...).
        points: What neighbours are near in, (rows, ...); concepts themselves where not given.
        eps: The radius, a Euclidean distance in units of ``points``.
        same: Concepts that differ by no more than this share of their typical length (root mean square) agree.

    Raises:
        ValueError: Rows differ in number or are fewer than two, eps is not above zero, or a number is not finite.

    >>> x = np.array([[0.0], [1.0], [9.0]])
    >>> local_lipschitz(3 * x, x, eps=2.0).ratios
    array([ 3.,  3., nan])
    """
    theta, h = _flat(relevances, "relevances"), _flat(concepts, "concepts")
    x = h if points is None else _flat(points, "points")
    alike(theta, h, "relevances and concepts")
    alike(h, x, "concepts and points")
    if not eps > 0:
        raise ValueError(f"a radius eps={eps} has no neighbours; give a distance above 0")
    if len(h) < 2:
        raise ValueError("one row has no neighbours; give at least two")
    floor = same * float(np.sqrt(np.square(h).sum(axis=1).mean()))
    ratios, neighbours, left_out = np.full(len(h), np.nan), np.zeros(len(h), dtype=np.int64), 0
    for i in range(len(h)):
        near = np.flatnonzero(_distances(x, i) <= eps)
        near = near[near != i]
        apart = np.linalg.norm(h[near] - h[i], axis=1)
        told = apart > floor
        neighbours[i], left_out = told.sum(), left_out + int((~told).sum())
        if told.any():
            ratios[i] = (np.linalg.norm(theta[near[told]] - theta[i], axis=1) / apart[told]).max()
    return Lipschitz(ratios, neighbours, left_out // 2)


def _distances(x: Array, i: int) -> Array:
    """Return the distances of all rows to one: differences first, as products lose the digits of near ones."""
    return np.asarray(np.linalg.norm(x - x[i], axis=1))


def _flat(values: Array, name: str) -> Array:
    found = np.asarray(values)
    if found.ndim < 2 or not found.size:
        raise ValueError(f"{name} of shape {found.shape} are not (rows, numbers); give some of each")
    return finite(found, name).astype(np.float64).reshape(len(found), -1)
