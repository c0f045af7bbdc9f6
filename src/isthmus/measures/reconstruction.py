"""How well rows come back, and how well principal components would have done at the same size."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from isthmus.measures.checks import Array as Array
from isthmus.measures.checks import both, finite, some

_CHUNK = 4096
# Columns at once of a covariance.
_BLOCK = 128


def squared_error(X: Array, reconstruction: Array) -> Array:
    r"""Return :math:`\sum_j (x_j - \hat x_j)^2` of every row, summed in float64.

    Args:
        X: The rows, (rows, *shape).
        reconstruction: The same rows as they came back, same shape.

    Returns:
        One error per row, (rows,), in squared units of X.

    Raises:
        ValueError: The shapes differ, there is no row, or a number is not finite.

    >>> squared_error(np.array([[1.0, 2.0], [3.0, 4.0]]), np.zeros((2, 2)))
    array([ 5., 25.])
    """
    X, reconstruction = both(X, reconstruction)
    errors = np.empty(len(X))
    for start in range(0, len(X), _CHUNK):
        rows = slice(start, start + _CHUNK)
        errors[rows] = _squares(np.subtract(X[rows], reconstruction[rows], dtype=np.float64))
    return errors


def explained_variance(X: Array, reconstruction: Array) -> float:
    r"""Return :math:`1 - \sum_{ij} (x_{ij} - \hat x_{ij})^2 / \sum_{ij} (x_{ij} - \bar x_j)^2` over all rows at once.

    1 is perfect, 0 is as good as the rows' mean; NaN where the rows do not vary, so that there is nothing to explain. A
    mean of ratios per batch or per column would weigh quiet parts of the data too much.

    Raises:
        ValueError: The shapes differ, there is no row, or a number is not finite.

    >>> X = np.array([[0.0, 0.0], [2.0, 2.0]])
    >>> explained_variance(X, X), explained_variance(X, np.ones((2, 2)))
    (1.0, 0.0)
    """
    X, reconstruction = both(X, reconstruction)
    total = _variation(X)
    return float(1 - squared_error(X, reconstruction).sum() / total) if total > 0 else float("nan")


def _variation(X: Array) -> float:
    """Return the sum of squares about the columns' means."""
    flat = _flat(X)
    # The mean of equal numbers may differ from them in the last digit.
    varies, centre = flat.max(axis=0) > flat.min(axis=0), flat.mean(axis=0, dtype=np.float64)
    return float(sum(_squares((chunk - centre) * varies).sum() for chunk in _chunks(X)))


def mean_error(X_train: Array, X_test: Array) -> float:
    """Return the mean over test rows of the summed squared error when every row comes back as the training mean.

    Raises:
        ValueError: Rows of both differ in shape, there is no row, or a number is not finite.
    """
    X_train, X_test = _two(X_train, X_test)
    centre = _flat(X_train).mean(axis=0, dtype=np.float64)
    return float(np.concatenate([_squares(chunk - centre) for chunk in _chunks(X_test)]).mean())


@dataclass(frozen=True, eq=False)
class PrincipalAxes:
    """The principal axes of training rows, largest variance first (Pearson, 1901; Hotelling, 1933).

    Attributes:
        centre: The mean row, (entries,).
        axes: One unit vector per row, (axes, entries): min(rows - 1, entries) of them at most.
        variances: The training rows' variance along each axis (sum of squares / rows).
    """

    centre: Array
    axes: Array
    variances: Array

    def errors(self, X: Array, k: int) -> Array:
        """Return the summed squared error of every row that is kept as its first ``k`` components, (rows,).

        Raises:
            ValueError: k is negative or larger than a row.
        """
        if not 0 <= k <= len(self.centre):
            raise ValueError(f"{k} components of rows with {len(self.centre)} entries; give 0 to {len(self.centre)}")
        kept = self.axes[:k]
        return np.concatenate([_squares(_without(chunk - self.centre, kept)) for chunk in _chunks(X)])


def principal_axes(X: Array, weight: Array | None = None) -> PrincipalAxes:
    """Return the exact principal axes in float64, by whichever way is shorter; ``weight`` counts rows so many times.

    Many rows: the eigenvectors of the covariance. Few rows: the singular vectors of the centred rows.

    Raises:
        ValueError: There is no row, or a number is not finite.
    """
    rows = _flat(some(X, "rows"))
    if weight is not None:
        weight = finite(weight, "weights")
    if len(rows) > 2 * rows.shape[1]:
        return axes_of(*covariance(X, weight))
    share, centre = _shares(rows, weight)
    _, singular, axes = np.linalg.svd((rows - centre) * np.sqrt(share)[:, None], full_matrices=False)
    # A direction in which the rows do not vary is rounding, and would explain other rows by chance.
    varying = singular**2 > 1e-12 * np.square(singular).sum()
    return PrincipalAxes(centre, axes[varying], singular[varying] ** 2)


def covariance(X: Array, weight: Array | None = None, *, products: Any = np.float64) -> tuple[Array, Array]:
    """Return the mean of rows and their covariance (over rows, not rows - 1), collected chunk by chunk in float64.

    ``products`` may be float32 where seven digits are enough. They are torch's, which is told how many threads suit
    them, where numpy's wait for each other over small ones.
    """
    rows = _flat(X)
    share, centre = _shares(rows, weight)
    root, middle = np.sqrt(share)[:, None].astype(products), centre.astype(products)
    found = torch.zeros(2 * centre.shape, dtype=torch.float64, device="cpu")
    for chunk, part in zip(_chunks(rows), _chunks(root), strict=True):
        piece = torch.from_numpy((chunk - middle) * part)
        for i in range(0, len(centre), _BLOCK):  # what lies below the diagonal is the same again
            found[i : i + _BLOCK, i:] += piece[:, i : i + _BLOCK].T @ piece[:, i:]
    return centre, (found.triu() + found.triu(1).T).numpy()


def axes_of(centre: Array, covariance: Array, k: int | None = None) -> PrincipalAxes:
    """Return the principal axes of rows with this mean and covariance; the first ``k`` where that is asked for."""
    from scipy.linalg import eigh

    last = len(centre) - 1
    which = None if k is None else [max(0, last - k + 1), last]
    variances, vectors = eigh(covariance, subset_by_index=which)
    return PrincipalAxes(centre, vectors.T[::-1], variances[::-1].clip(0))


def _shares(rows: Array, weight: Array | None) -> tuple[Array, Array]:
    """Return what every row counts, of 1, and the mean."""
    if weight is None:
        return np.full(len(rows), 1 / len(rows)), rows.mean(axis=0, dtype=np.float64)
    share = weight / weight.sum()
    return share, _mean(rows, share)


def _mean(rows: Array, share: Array) -> Array:
    pieces = ((part.T @ chunk)[0] for chunk, part in zip(_chunks(rows), _chunks(share), strict=True))
    return np.asarray(sum(pieces, np.zeros(rows.shape[1])))


def pca_error(X_train: Array, X_test: Array, k: int) -> float:
    """Return what ``k`` principal components of the training rows leave: mean over test rows of summed squared error.

    The yardstick of any code of k units. On MNIST with k = 30 it is 13.866 (Hinton & Salakhutdinov, 2006, Reducing the
    dimensionality of data with neural networks, print 13.87).

    Raises:
        ValueError: Rows of both differ in shape, there is no row, a number is not finite, or k is no number of axes.

    >>> plane = np.random.default_rng(0).normal(size=(50, 2)) @ np.ones((2, 5))
    >>> round(pca_error(plane, plane, 1), 9)
    0.0
    """
    X_train, X_test = _two(X_train, X_test)
    return float(principal_axes(X_train).errors(X_test, k).mean())


def _without(centred: Array, axes: Array) -> Array:
    """Subtract the part along ``axes``; the rest itself is squared later, as differences of squares lose digits."""
    return np.asarray(centred - (centred @ axes.T) @ axes)


def _two(X_train: Array, X_test: Array) -> tuple[Array, Array]:
    """Return rows to learn from and rows to measure, of one shape."""
    learnt, measured = some(X_train, "training rows"), some(X_test, "test rows")
    if learnt.shape[1:] != measured.shape[1:]:
        raise ValueError(f"training rows {learnt.shape} and test rows {measured.shape} differ in shape; give the same")
    return learnt, measured


def _flat(X: Array) -> Array:
    return X.reshape(len(X), -1)


def _chunks(X: Array) -> list[Array]:
    flat = _flat(X)
    return [flat[start : start + _CHUNK] for start in range(0, len(flat), _CHUNK)]


def _squares(rows: Array) -> Array:
    flat = _flat(rows)
    return np.asarray(np.einsum("ij,ij->i", flat, flat))
