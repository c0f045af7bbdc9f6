"""PCA at equal code size: what every reconstruction is compared with."""

from __future__ import annotations

from functools import cached_property
from typing import Any, NamedTuple, Self

import numpy as np

from isthmus.measures.reconstruction import Array, PrincipalAxes, axes_of, covariance, principal_axes

WORK = 1e10


class Spread(NamedTuple):
    """The covariance of rows, and how many of its leading axes are wanted."""

    covariance: Array
    k: int


class Baseline:
    """The mean and the leading principal axes of training rows, small enough to travel with a model.

    ``axes`` is (k, columns). The rows used are all of them where their covariance costs at most 1e10 products, else an
    evenly spaced share; ``rows`` says how many. Where there were none, as of a model that another library trained,
    errors are NaN. Of many rows their covariance is kept until axes are asked for: finding them takes longer than an
    epoch of a small net.
    """

    def __init__(self, mean: Array, axes: Array | Spread, rows: Array) -> None:
        """Keep axes, or what they will be found from."""
        self.mean, self.rows, self._found = mean, rows, axes

    @classmethod
    def fit(cls, X: Array, k: int, weight: Array | None = None) -> Self:
        """Measure mean and axes on the rows ``X``; k is lowered to what the rows can support."""
        n, d = X.shape
        allowed = max(k + 1, int(WORK / (d * min(n, d))))
        some = slice(None, None, -(-n // allowed))  # a view: other picks would copy a good part of the rows
        used, share = X[some], None if weight is None else weight[some]
        rows = np.array([len(used)])
        if len(used) > 2 * d:
            mean, spread = covariance(used, share, products=np.float32)
            return cls(mean.astype(np.float32), Spread(spread, k), rows)
        found = principal_axes(used, share)
        return cls(found.centre.astype(np.float32), _varying(found, k), rows)

    @cached_property
    def axes(self) -> Array:
        """The leading axes, (k, columns)."""
        found = self._found
        if isinstance(found, Spread):
            self._found = found = _varying(axes_of(self.mean, *found), found.k)
        return found

    def __getstate__(self) -> dict[str, Any]:
        """Travel with the axes instead of the covariance."""
        return {"mean": self.mean, "rows": self.rows, "_found": self.axes}

    @property
    def known(self) -> bool:
        """Whether there were rows to measure."""
        return bool(np.any(self.rows))

    def errors(self, X: Array) -> Array:
        """Return the squared error of each row after projection on the axes, summed over columns."""
        if not self.known:
            return np.full(len(X), np.nan)
        kept = PrincipalAxes(self.mean.astype(np.float64), self.axes.astype(np.float64), np.empty(0))
        return kept.errors(X, len(self.axes))

    def errors_of_mean(self, X: Array) -> Array:
        """Return the squared error of each row against the mean alone."""
        if not self.known:
            return np.full(len(X), np.nan)
        return PrincipalAxes(self.mean.astype(np.float64), self.axes, np.empty(0)).errors(X, 0)

    def arrays(self) -> dict[str, Array]:
        """Return the arrays to save; the constructor takes them back."""
        return {"mean": self.mean, "axes": self.axes, "rows": self.rows}


def _varying(found: PrincipalAxes, k: int) -> Array:
    """Return the first k axes in which rows vary: others are rounding, and would explain other rows by chance."""
    varying = found.variances > 1e-12 * found.variances.sum()
    return np.asarray(found.axes[:k][varying[:k]], np.float32)
