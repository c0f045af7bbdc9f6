"""The invertible codec of plain arrays: shift and scale, and back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from isthmus.data.record import Array

MODES = ("none", "common", "standard")
_CHUNK = 4096


@dataclass(frozen=True, eq=False)
class Scaling:
    r"""Shift and scale every entry of a row, :math:`u = (x - c) / s`, and back, :math:`x = c + s u`.

    ``none`` leaves the rows as they are. ``common`` centres each entry and divides all of them by one number, the
    square root of their mean variance, so that distances and principal axes keep their proportions. ``standard``
    divides each entry by its own standard deviation; an entry that is constant is only centred (s = 1).

    A density in the scaled units is one in the caller's after :math:`-\log p(x) = -\log p(u) + \sum_j \log s_j`; the
    sum is :attr:`log_factor`.

    Attributes:
        mode: ``none``, ``common`` or ``standard``.
        centre: c in float64, shaped as one row.
        factor: s in float64, shaped as one row.

    >>> scaling = Scaling.fit(np.array([[0.0, 7.0], [2.0, 7.0]]), "standard")
    >>> scaling.forward(np.array([[2.0, 8.0]]))
    array([[1., 1.]])
    """

    mode: str
    centre: Array
    factor: Array

    @classmethod
    def fit(cls, X: Array, mode: str, weight: Array | None = None) -> Self:
        """Measure shift and scale on the rows ``X``, shaped (rows, *shape), by their weights where these are given.

        Raises:
            ValueError: The mode is unknown, there is no row, or the numbers are too large to be squared.
        """
        _refuse_unknown(mode)
        if X.ndim < 2 or X.size == 0:
            raise ValueError(f"scaling needs rows of numbers, not an array of shape {X.shape}; give (rows, columns)")
        if mode == "none":
            return cls(mode, np.zeros(X.shape[1:]), np.ones(X.shape[1:]))
        return cls.of(mode, *_moments(X, np.ones(len(X)) if weight is None else weight), X.dtype)

    @classmethod
    def of(cls, mode: str, centre: Array, variance: Array, dtype: np.dtype[Any]) -> Self:
        """Return the scaling of rows with this mean and variance, which come in ``dtype``."""
        _refuse_unknown(mode)
        if mode == "none":
            return cls(mode, np.zeros_like(centre), np.ones_like(centre))
        if mode == "common":
            variance = np.full_like(variance, variance.mean())
        return cls(mode, centre, _usable(np.sqrt(variance), dtype))

    def forward(self, X: Array, dtype: Any = None) -> Array:
        """Return the rows scaled, in ``dtype``; without one float32 and float64 are kept, others become float64.

        Rows that need no change come back as they are, others are written block by block.
        """
        self._fits(X)
        dtype = np.dtype(dtype or _floating(X.dtype))
        if self.mode == "none" and X.dtype == dtype:
            return X
        out = np.empty(X.shape, dtype)
        for start in range(0, len(X), _CHUNK):
            self.into(X[start : start + _CHUNK], out[start : start + _CHUNK])
        return out

    def into(self, X: Array, out: Array) -> None:
        """Write the rows scaled to ``out``, in its precision; they are centred in their own, which may be finer."""
        with np.errstate(over="ignore", invalid="ignore"):  # whoever reads them looks whether they are finite
            if self.mode == "none":
                np.copyto(out, X, casting="same_kind")
                return
            np.subtract(X, self.centre.astype(_floating(X.dtype)), out=out, casting="same_kind")
            np.divide(out, self.factor.astype(out.dtype), out=out)

    def back(self, U: Array, out: Array) -> None:
        """Write scaled rows to ``out`` in the units that :meth:`fit` saw."""
        if self.mode == "none":
            out[...] = U
            return
        np.multiply(U, self.factor.astype(out.dtype), out=out)
        np.add(out, self.centre.astype(out.dtype), out=out)

    def inverse(self, X: Array) -> Array:
        """Return scaled rows in the units that :meth:`fit` saw."""
        self._fits(X)
        out = np.empty(X.shape, _floating(X.dtype))
        self.back(X, out)
        return out

    def comparable(self, X: Array) -> Array:
        """Return rows in units in which errors of different entries add up.

        These are standard deviations under ``standard``, whose entries may be kilograms beside millimetres, and else
        the units that :meth:`fit` saw.
        """
        if self.mode != "standard":
            return X
        self._fits(X)
        return np.asarray(X / self.factor.astype(_floating(X.dtype)))

    def _fits(self, X: Array) -> None:
        if X.shape[1:] != self.centre.shape:
            raise ValueError(f"rows of shape {X.shape[1:]} do not fit a scaling of {self.centre.shape}; give these")

    @property
    def log_factor(self) -> float:
        """The sum of log s over a row's entries: what turns nats of scaled rows into nats of the caller's."""
        return float(np.log(self.factor).sum())

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {"mode": self.mode, "centre": self.centre.tolist(), "factor": self.factor.tolist()}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """Rebuild a scaling from :meth:`to_dict`'s values."""
        scaling = cls(values["mode"], np.asarray(values["centre"], float), np.asarray(values["factor"], float))
        if scaling.mode not in MODES or scaling.centre.shape != scaling.factor.shape or not (scaling.factor > 0).all():
            raise ValueError(f"these are not the values of a scaling (mode {scaling.mode!r}); save it again")
        return scaling


def _refuse_unknown(mode: str) -> None:
    if mode not in MODES:
        raise ValueError(f"scaling {mode!r} is unknown; use one of {', '.join(MODES)} (a model takes auto, too)")


def _floating(dtype: np.dtype[Any]) -> np.dtype[Any]:
    return dtype if dtype in (np.float32, np.float64) else np.dtype(np.float64)


def _moments(X: Array, weight: Array) -> tuple[Array, Array]:
    """Return mean and variance over rows in float64, without a float64 copy of X; exact 0 for constant entries."""
    total, weight = weight.sum(), weight.reshape(-1, *[1] * (X.ndim - 1))
    low = X.min(axis=0).astype(np.float64)
    shift = np.zeros(X.shape[1:])
    square = np.zeros(X.shape[1:])
    # Differences to a row of the data, because sums of large numbers lose the digits that the variance needs.
    for start in range(0, len(X), _CHUNK):
        shift += ((X[start : start + _CHUNK] - low) * weight[start : start + _CHUNK]).sum(axis=0)
    centre = low + shift / total
    with np.errstate(over="ignore"):
        for start in range(0, len(X), _CHUNK):
            square += (np.square(X[start : start + _CHUNK] - centre) * weight[start : start + _CHUNK]).sum(axis=0)
    if not np.isfinite(square).all():
        raise ValueError(f"numbers up to {np.abs(X).max():.1e} are too large to be squared; divide the data first")
    return centre, np.where(X.max(axis=0) == low, 0.0, square / total)


@dataclass(frozen=True, eq=False)
class Moments:
    """Mean and variance of rows that come in blocks, in one pass: sums of squares around the mean are merged.

    After Chan, Golub & LeVeque (1983), "Algorithms for computing the sample variance". Exactly 0 for constant entries.

    >>> blocks = (Moments.of(np.array([[1.0], [2.0]])), Moments.of(np.array([[6.0]])))
    >>> both = blocks[0].joined(blocks[1])
    >>> both.rows, both.mean, both.variance.round(6)
    (3, array([3.]), array([4.666667]))
    """

    rows: int
    mean: Array
    squares: Array
    low: Array
    high: Array

    @classmethod
    def of(cls, X: Array) -> Self:
        """Measure a block of rows."""
        mean = X.mean(axis=0, dtype=np.float64)
        with np.errstate(over="ignore", invalid="ignore"):
            squares = np.square(X - mean).sum(axis=0)
        return cls(len(X), mean, squares, X.min(axis=0), X.max(axis=0))

    def joined(self, other: Self) -> Self:
        """Return the moments of both."""
        rows, away = self.rows + other.rows, other.mean - self.mean
        with np.errstate(over="ignore"):
            squares = self.squares + other.squares + np.square(away) * (self.rows * other.rows / rows)
        low, high = np.minimum(self.low, other.low), np.maximum(self.high, other.high)
        return type(self)(rows, self.mean + away * (other.rows / rows), squares, low, high)

    @property
    def variance(self) -> Array:
        """The variance of every entry.

        Raises:
            ValueError: the numbers are too large to be squared.
        """
        if not np.isfinite(self.squares).all():
            largest = max(np.abs(self.low).max(), np.abs(self.high).max())
            raise ValueError(f"numbers up to {largest:.1e} are too large to be squared; divide the data first")
        return np.where(self.high == self.low, 0.0, self.squares / self.rows)


def _usable(factor: Array, dtype: np.dtype[Any]) -> Array:
    """Replace factors that cannot divide, because they are zero in the precision of the data."""
    least = np.finfo(dtype if dtype == np.float32 else np.float64).tiny
    return np.where(factor < least, 1.0, factor)
