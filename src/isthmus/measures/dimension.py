r"""How many units a code needs: the rule behind ``n_components="auto"``.

The rule asks how many leading principal components, made independent of each other, fill space as the rows do.

1. The noise floor. Components are kept until the remaining variances look like one white noise: the first of them is
   below :math:`\bar\lambda (1 + \sqrt{\gamma})^2`, the edge of the Marchenko-Pastur law for the columns and rows that
   remain (as Kritchman & Nadler, 2008, Determining the number of components in a factor model, count signals). Rows
   that leave half of the directions of their columns empty have no noise, and keep all. On flat data with little noise
   this alone is the answer; a curved sheet, though, lies in more components than it has dimensions.
2. The local dimension. :math:`m = 1 / mean(\log r_k / r_j)` over the k nearest neighbours of 500 rows (Levina & Bickel,
   2004, Maximum likelihood estimation of intrinsic dimension). It sees through the bend, but is biased by borders, by
   unequal variances, and in more than a few dimensions by the number of rows.
3. The comparison, which removes that bias. Every component's scores are permuted over the rows: the copy has the same
   variances, marginal laws and number of rows, but is flat. The answer is the smallest number of leading components
   whose copy has at least 0.96 m; where that is most of them (three quarters) and m is at least 0.96 of the whole
   copy's, the rows are flat themselves, and all components of step 1 count.

k is a tenth of the rows, so that neighbours are far apart compared with noise and gentle bends look flat. What folds
back onto itself is not gentle: a circle counts 2, a long Swiss roll may count 1.

Measured on generated rows: Gaussian or uniform positions of dimension 3 in 20 columns and 10 in 100; linear maps with
equal or decaying variances, tanh, quadratic, ReLU and two-layer tanh maps; 500, 1,000, 2,000 and 5,000 rows; 6 seeds.
Out of 480 cases each, the answer was off by more than one in 2 with noise of 1 % of the standard deviation, in 5 with
5 %, and in 14 with 10 % (quadratic and tanh sheets of dimension 10 then come out as 12 or 13). Linear rows with
Gaussian positions were exact in all 288. On data whose dimension nobody knows it says 7 for scikit-learn's digits, 15
to 17 for MNIST, 18 for the Olivetti faces.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from isthmus.measures.checks import Array, some

_ROWS, _QUERIES, _SHARE, _AGREEMENT, _MOST = 2000, 500, 0.1, 0.96, 0.75


def intrinsic_dimension(X: Array, *, random_state: int = 0) -> int:
    """Return the number of dimensions that rows vary in, at least 1; the rule is described in this module.

    Args:
        X: The rows, (rows, *shape), in the units in which errors will be measured; 2,000 of them are looked at.
        random_state: Seed of the rows drawn and of the permutations.

    Returns:
        The dimension, at most the number of entries of a row.

    Raises:
        ValueError: There is no row, or a number is not finite.

    >>> rng = np.random.default_rng(0)
    >>> X = np.tanh(rng.normal(size=(800, 3)) @ rng.normal(size=(3, 20)) / 2) + 0.01 * rng.normal(size=(800, 20))
    >>> intrinsic_dimension(X)
    3
    """
    if len(X) == 0:
        raise ValueError("the dimension of no rows is unknown; give some")
    X = some(X, "rows")
    rng = np.random.default_rng(random_state)
    drawn = X[rng.permutation(len(X))[:_ROWS]]
    # Rows that repeat have neighbours at distance zero, which tell nothing.
    rows = rng.permutation(np.unique(drawn.reshape(len(drawn), -1).astype(np.float64), axis=0))
    scores = _above_noise(*_components(rows), _different(rows))
    count = scores.shape[1]
    if count < 2:
        return 1
    local, flat = _local_dimension(scores), rng.permuted(scores, axis=0)
    leading = _first(lambda k: _local_dimension(flat[:, :k]) >= _AGREEMENT * local, count)
    is_flat = leading >= _MOST * count and local >= _AGREEMENT * _local_dimension(flat)
    return count if is_flat else leading


def _components(rows: Array) -> tuple[Array, Array]:
    """Return the components' scores, (rows, components), and variances, largest first, without the empty ones."""
    centred = rows - rows.mean(axis=0)
    if len(rows) > rows.shape[1]:
        variances, axes = np.linalg.eigh(centred.T @ centred / len(rows))
        scores = centred @ axes
    else:
        variances, scores = np.linalg.eigh(centred @ centred.T / len(rows))
        scores = scores * np.sqrt(len(rows) * variances.clip(0))
    full = np.flatnonzero(variances > 1e-12 * variances[-1])[::-1]
    return scores[:, full], variances[full]


def _different(rows: Array) -> int:
    """Return how many columns are neither constant nor a multiple of another, but for a constant."""
    varying = rows[:, np.ptp(rows, axis=0) > 0]
    scaled = (varying - varying[0]) / np.abs(varying - varying[0]).max(axis=0)
    first = np.abs(scaled).argmax(axis=0)
    signed = scaled * np.sign(np.take_along_axis(scaled, first[None], axis=0))
    return len(np.unique(signed.round(6), axis=1).T)


def _above_noise(scores: Array, variances: Array, columns: int) -> Array:
    """Keep the components before the first whose successors look like white noise; all, where all look like it.

    Noise varies in as many directions as there are different ``columns``, or nearly, as some may be sums of others:
    rows that leave half of them empty have none.
    """
    rows, rank = scores.shape
    if 2 * rank <= min(rows - 1, columns):
        return scores
    columns = min(rank, columns) if rank < rows - 1 else columns
    for count in range(rank):
        if variances[count] <= variances[count:].mean() * _white(rows - count, columns - count):
            return scores[:, :count] if count else scores
    return scores


def _white(rows: int, columns: int) -> float:
    """Return the largest over the mean non-zero eigenvalue of white noise, its 99 % point (Johnstone, 2001)."""
    a, b = np.sqrt(rows), np.sqrt(columns)
    return float(((a + b) ** 2 + 2.02 * (a + b) * (1 / a + 1 / b) ** (1 / 3)) / max(rows, columns))


def _local_dimension(scores: Array) -> float:
    """Return the dimension that distances to the k nearest neighbours tell."""
    k = min(max(5, int(_SHARE * len(scores))), len(scores) - 1)
    queries, norms = scores[:_QUERIES], np.square(scores).sum(axis=1)
    squares = norms[: len(queries), None] + norms - 2 * queries @ scores.T
    np.fill_diagonal(squares, np.inf)
    nearest = np.partition(squares, k - 1, axis=1)[:, :k]
    logs = 0.5 * np.log(nearest.clip(1e-12 * norms.mean()))
    spread = (logs.max(axis=1, keepdims=True) - logs).mean()
    return float((k - 1) / k / spread) if spread > 0 else float(scores.shape[1])


def _first(holds: Callable[[int], bool], last: int) -> int:
    """Return the first count that ``holds``, or ``last``: doubling, then halving."""
    high = 1
    while high < last and not holds(high):
        high = min(2 * high, last)
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle, high)
    return high
