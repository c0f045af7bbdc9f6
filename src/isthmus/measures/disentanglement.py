"""Does every factor of variation have one unit of its own, and every unit one factor?

Codes are (rows, units), the posterior's means; factors are (rows, factors), whose values are levels: whole numbers, or
few different ones. Every measure is, to rounding, the same for units in another order, mirrored or rescaled. They need
rows whose factors are known, and seeds differ more than methods (Locatello et al., 2019, Challenging common assumptions
in the unsupervised learning of disentangled representations), so give medians over seeds.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np

from isthmus.measures.checks import alike, centre, table
from isthmus.measures.reconstruction import Array

DIGITS = 9


def mutual_information(codes: Array, factors: Any, bins: int = 20) -> Array:
    r"""Return :math:`I(z_j; v_k)` in nats of every unit in ``bins`` equal bins and every factor, (units, factors).

    A unit's bins divide its range over the rows; a unit of no more values than bins has a bin for each value. Values on
    the edge of two bins belong to either: the answer is the mean of both ways to count them. It is the estimate of
    counts, which is too large by about :math:`(bins - 1)(levels - 1) / (2 rows)`: with 20 bins and 40 levels, 10,000
    rows are 0.04 nats too many.

    Raises:
        ValueError: Rows differ in number, there are fewer than two bins, or a factor has one level.

    >>> v = np.arange(8) % 2
    >>> mutual_information(np.stack([v, np.arange(8) // 4], axis=1), v[:, None]).round(3).tolist()
    [[0.693], [0.0]]
    """
    found, levels = code_and_levels(codes, factors)
    if bins < 2:
        raise ValueError(f"{bins} bins tell no values apart; give at least 2")
    return np.array([np.mean([_all_information(z, levels) for z in binned(unit, bins)], axis=0) for unit in found.T])


def binned(values: Array, bins: int) -> list[Array]:
    """Return the bin of each of a unit's values, (rows,): once, or twice where some lie on an edge.

    First such values are in the upper bin and then in the lower one, so that a mirror exchanges the two.

    >>> [ways.tolist() for ways in binned(np.array([0.0, 5.0, 5.0, 9.0]), 3)]
    [[0, 1, 1, 2]]
    >>> [ways.tolist() for ways in binned(np.array([0.0, 1.0, 5.0, 10.0]), 2)]
    [[0, 0, 1, 1], [0, 0, 0, 1]]
    """
    low, width = values.min(), np.ptp(values)
    # Other units change the last digits: what is as near as this is the same place.
    places = ((values - low) / (width if width > 0 else 1.0)).round(DIGITS)
    distinct, numbers = np.unique(places, return_inverse=True)
    if len(distinct) <= bins:
        return [numbers]
    scaled = bins * places
    edges = scaled.round()
    on = np.abs(scaled - edges) <= bins * 10.0**-DIGITS
    below = np.floor(scaled).astype(np.int64)
    upper = np.where(on, edges, below).clip(max=bins - 1).astype(np.int64)
    lower = np.where(on, edges - 1, below).clip(min=0).astype(np.int64)
    return [upper] if (upper == lower).all() else [upper, lower]


def _all_information(binned: Array, levels: Array) -> list[float]:
    return [_information(binned, v) for v in levels.T]


def mig(codes: Array, factors: Any, bins: int = 20) -> float:
    r"""Return the mutual information gap, :math:`mean_k (I(z_{(1)}; v_k) - I(z_{(2)}; v_k)) / H(v_k)`.

    :math:`z_{(1)}, z_{(2)}` are the two units that say most about the factor (with one unit, the second says nothing).
    Chen et al. (2018), Isolating sources of disentanglement in variational autoencoders, draw z from the posterior and
    leave the factor *shape* out; here units are the means in 20 equal bins, as :func:`mutual_information` says, and
    every factor that is given counts. For one model these conventions differ by more than published methods do: compare
    numbers of one convention only.

    1 where each factor has a unit of its own that the bins resolve; 0 where two units say the same, as after a rotation
    by 45 degrees.

    >>> v = np.stack(np.meshgrid(np.arange(4), np.arange(4)), axis=-1).reshape(-1, 2)
    >>> round(mig(v, v), 9), round(mig(v @ [[1, 1], [1, -1]], v), 9)
    (1.0, 0.0)
    """
    known = mutual_information(codes, factors, bins)
    entropies = np.array([_information(v, v) for v in code_and_levels(codes, factors)[1].T])
    ranked = np.sort(np.vstack([np.zeros_like(entropies), known]), axis=0)[::-1]
    return float(((ranked[0] - ranked[1]) / entropies).mean())


def modularity(codes: Array, factors: Any, bins: int = 20) -> float:
    r"""Return how far units keep to one factor: :math:`mean_j (1 - \sum_{k \ne b} m_{jk}^2 / ((K - 1) m_{jb}^2))`.

    m is the mutual information, b the factor that unit j says most about, K their number (Ridgeway & Mozer, 2018,
    Learning deep disentangled embeddings with the F-statistic loss). Units that say nothing are left out; the noise of
    the estimate makes units that say next to nothing look entangled, and ten copies of one unit are perfect.

    Raises:
        ValueError: There is one factor, or no unit says anything.

    >>> v = np.stack(np.meshgrid(np.arange(4), np.arange(4)), axis=-1).reshape(-1, 2)
    >>> round(modularity(v, v), 9), round(modularity(v @ [[1, 1], [1, -1]], v), 9)
    (1.0, 0.0)
    """
    squares = np.square(mutual_information(codes, factors, bins))
    if squares.shape[1] < 2:
        raise ValueError("one factor has no others to be told apart from; give at least two")
    best = squares.max(axis=1)
    if not best.any():
        raise ValueError("no unit says anything about a factor; look for dead units")
    others = (squares.sum(axis=1) - best)[best > 0] / (squares.shape[1] - 1)
    return float((1 - others / best[best > 0]).mean())


def sap(codes: Array, factors: Any, categorical: Collection[int] = ()) -> float:
    r"""Return the separated attribute predictability: the mean gap of the two units that predict a factor best.

    A unit's score is :math:`R^2`: the squared correlation where levels are ordered, and for ``categorical`` factors the
    share of the unit's variance that lies between levels. Kumar, Sattigeri & Balakrishnan (2018), Variational inference
    of disentangled latent concepts, take a linear classifier's accuracy for categories, which cannot cut out the middle
    one of three on a line, and whose chance level is lost from the gap. A factor that turns (an angle) is ordered for
    nobody; a unit that follows it well scores low.

    Args:
        codes: (rows, units).
        factors: (rows, factors).
        categorical: The columns of factors whose levels have no order.

    Raises:
        ValueError: Rows differ in number, or ``categorical`` names no column.

    >>> v = np.stack(np.meshgrid(np.arange(4), np.arange(4)), axis=-1).reshape(-1, 2)
    >>> round(sap(v, v), 9), round(sap(v @ [[1, 1], [1, -1]], v), 9)
    (1.0, 0.0)
    """
    found, levels = code_and_levels(codes, factors)
    given = np.asarray(factors)
    if bad := [column for column in categorical if not 0 <= column < levels.shape[1]]:
        raise ValueError(f"factor {bad[0]} does not exist; they are 0 to {levels.shape[1] - 1}")
    centred = centre(found)
    scores = np.zeros((found.shape[1] + 1, levels.shape[1]))  # the last row is a unit that says nothing
    for k in range(levels.shape[1]):
        explain = _between if k in categorical else _linear
        scores[:-1, k] = explain(centred, levels[:, k] if k in categorical else given[:, k].astype(np.float64))
    ranked = np.sort(scores, axis=0)[::-1]
    return float((ranked[0] - ranked[1]).mean())


def code_and_levels(codes: Array, factors: Any) -> tuple[Array, Array]:
    """Return codes in float64 and factors as numbers of their levels."""
    found, given = table(codes, "codes").astype(np.float64), table(factors, "factors", "factors", levels=True)
    alike(found, given, "codes and factors")
    levels = np.stack([np.unique(column, return_inverse=True)[1] for column in given.T], axis=1)
    if (levels == 0).all(axis=0).any():
        k = int((levels == 0).all(axis=0).argmax())
        raise ValueError(f"factor {k} has the same level in every row, so nothing can be known of it; leave it out")
    return found, levels


def _information(a: Array, b: Array) -> float:
    """Return the mutual information of two columns of small whole numbers, in nats."""
    wide = int(b.max()) + 1
    joint = np.bincount(a * wide + b, minlength=(int(a.max()) + 1) * wide).reshape(-1, wide)
    apart = joint.sum(axis=1, keepdims=True) * joint.sum(axis=0)
    seen = joint > 0
    # Of whole numbers, so that the ratio of a unit that never varies is exactly 1.
    return max(0.0, float((joint[seen] * np.log(joint[seen] * len(a) / apart[seen])).sum() / len(a)))


def _linear(centred: Array, v: Array) -> Array:
    v = v - v.mean()
    total = np.square(centred).sum(axis=0) * np.square(v).sum()
    return np.asarray(np.square(v @ centred) / np.where(total > 0, total, 1.0))


def _between(centred: Array, levels: Array) -> Array:
    counts = np.bincount(levels)
    sums = np.stack([np.bincount(levels, weights=column) for column in centred.T], axis=1)
    total = np.square(centred).sum(axis=0)
    return np.asarray((np.square(sums) / counts[:, None]).sum(axis=0) / np.where(total > 0, total, 1.0))
