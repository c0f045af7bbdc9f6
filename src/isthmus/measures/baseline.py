"""PCA at equal code size: what every reconstruction is compared with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]
WORK = 2e10
CHUNK = 4096


@dataclass(frozen=True, eq=False)
class Baseline:
    """The mean and the leading principal axes of training rows, small enough to travel with a model.

    ``axes`` is (k, columns). The rows used are all of them where their covariance costs at most 2e10 products, else an
    evenly spaced share; ``rows`` says how many.
    """

    mean: Array
    axes: Array
    rows: Array

    @classmethod
    def fit(cls, X: Array, k: int) -> Self:
        """Measure mean and axes on the rows ``X``; k is lowered to what the rows can support."""
        n, d = X.shape
        allowed = max(k + 1, int(WORK / (d * min(n, d))))
        used = X[np.linspace(0, n - 1, min(n, allowed)).astype(int)] if n > allowed else X
        mean = used.mean(0, dtype=np.float64)
        centred = used - mean.astype(used.dtype)
        k = min(k, d, max(len(used) - 1, 0))
        if d <= len(used):
            axes = np.linalg.eigh((centred.T @ centred).astype(np.float64))[1][:, ::-1][:, :k].T
        else:
            values, left = np.linalg.eigh((centred @ centred.T).astype(np.float64))
            kept = values[::-1][:k] > max(values[-1], 0.0) * 1e-12
            axes = left[:, ::-1][:, :k][:, kept].T @ centred
            axes = axes / np.linalg.norm(axes, axis=1, keepdims=True).clip(1e-300)
        return cls(mean.astype(np.float32), np.ascontiguousarray(axes, dtype=np.float32), np.array([len(used)]))

    def errors(self, X: Array) -> Array:
        """Return the squared error of each row after projection on the axes, summed over columns."""
        found = []
        for start in range(0, len(X), CHUNK):
            centred = X[start : start + CHUNK].astype(np.float64) - self.mean
            scores = centred @ self.axes.T.astype(np.float64)
            found.append(np.square(centred - scores @ self.axes.astype(np.float64)).sum(1))
        return np.concatenate(found)

    def errors_of_mean(self, X: Array) -> Array:
        """Return the squared error of each row against the mean alone."""
        return np.square(X.astype(np.float64) - self.mean).sum(1)

    def arrays(self) -> dict[str, Array]:
        """Return the arrays to save; the constructor takes them back."""
        return {"mean": self.mean, "axes": self.axes, "rows": self.rows}
