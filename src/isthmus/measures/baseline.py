"""PCA at equal code size: what every reconstruction is compared with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from isthmus.measures.reconstruction import Array, PrincipalAxes, principal_axes

WORK = 1e10


@dataclass(frozen=True, eq=False)
class Baseline:
    """The mean and the leading principal axes of training rows, small enough to travel with a model.

    ``axes`` is (k, columns). The rows used are all of them where their covariance costs at most 1e10 products, else an
    evenly spaced share; ``rows`` says how many. Where there were none, as of a model that another library trained,
    errors are NaN.
    """

    mean: Array
    axes: Array
    rows: Array

    @classmethod
    def fit(cls, X: Array, k: int, weight: Array | None = None) -> Self:
        """Measure mean and axes on the rows ``X``; k is lowered to what the rows can support."""
        n, d = X.shape
        allowed = max(k + 1, int(WORK / (d * min(n, d))))
        some = slice(None, None, -(-n // allowed))  # a view: other picks would copy a good part of the rows
        used = X[some]
        found = principal_axes(used, None if weight is None else weight[some], k=k, products=np.float32)
        # Directions in which the rows do not vary are rounding, and would explain other rows by chance.
        varying = found.variances > 1e-12 * found.variances.sum()
        axes = found.axes[:k][varying[:k]]
        return cls(found.centre.astype(np.float32), axes.astype(np.float32), np.array([len(used)]))

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
