"""Explained variance of more rows than memory holds."""

from __future__ import annotations

import numpy as np

from isthmus.measures.reconstruction import Array, squared_error


class ExplainedVariance:
    r"""Explained variance, collected batch by batch: :math:`1 - SS_{res} / SS_{tot}` about the mean of *all* rows.

    :math:`SS_{tot}` of two sets of n and m rows is the sum of theirs and :math:`nm / (n + m)` times the squared
    distance of their means (Chan, Golub & LeVeque, 1983, Algorithms for computing the sample variance). A mean of the
    batches' own ratios is another number, which changes with the batch size.

    >>> X = np.array([[0.0], [2.0], [4.0], [6.0]])
    >>> found = ExplainedVariance()
    >>> for rows in (X[:1], X[1:]):
    ...     found.add(rows, rows + 1)
    >>> found.value
    0.8
    """

    def __init__(self) -> None:
        """Begin with no rows."""
        self.rows = 0
        self._mean, self._total, self._residual = np.zeros(0), np.zeros(0), 0.0
        self._low, self._high = np.zeros(0), np.zeros(0)

    def add(self, X: Array, reconstruction: Array) -> None:
        """Count some rows, (rows, *shape), and the same rows as they came back.

        Raises:
            ValueError: The shapes differ from each other or from those of earlier batches, or a number is not finite.
        """
        if X.shape == reconstruction.shape and not len(X):
            return
        residual = float(squared_error(X, reconstruction).sum())
        flat = X.reshape(len(X), -1).astype(np.float64)
        mean = flat.mean(axis=0)
        if self.rows and mean.shape != self._mean.shape:
            raise ValueError(f"a batch has rows of {mean.size} numbers, earlier ones of {self._mean.size}; start anew")
        away = mean - self._mean if self.rows else np.zeros_like(mean)
        n, m = self.rows, len(flat)
        total, low, high = np.square(flat - mean).sum(axis=0), flat.min(axis=0), flat.max(axis=0)
        self._total = self._total + total + n * m / (n + m) * np.square(away) if n else total
        self._low, self._high = (np.minimum(self._low, low), np.maximum(self._high, high)) if n else (low, high)
        self._mean = self._mean + away * (m / (n + m)) if n else mean
        self._residual, self.rows = self._residual + residual, n + m

    @property
    def value(self) -> float:
        """The explained variance so far; NaN where rows do not vary, or there are none."""
        # Of a column that does not vary the sum may be rounding, as the mean of equal numbers is.
        total = float(self._total[self._high > self._low].sum())
        return 1 - self._residual / total if total > 0 else float("nan")
