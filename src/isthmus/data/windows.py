"""Sliding windows of a series, and their values back at points of time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from isthmus.data.record import Array


@dataclass(frozen=True)
class Windows:
    """Windows of ``size`` points, one every ``stride`` points; the last one ends with the series.

    Where the stride does not divide what the first window leaves of the series, the last window is moved back to the
    end, nearer to its neighbour than a stride: every point lies in at least one window.

    Args:
        size: Points of a window.
        stride: Points between the starts of two windows, at most ``size``.

    Raises:
        ValueError: A field is not a whole number from 1 on, or windows would skip points.

    >>> windows = Windows(size=4, stride=3)
    >>> windows.cut(np.arange(9.0))[:, 0]
    array([[0., 1., 2., 3.],
           [3., 4., 5., 6.],
           [5., 6., 7., 8.]])
    >>> windows.spread(np.array([0.0, 4.0, 8.0]), length=9)
    array([0., 0., 0., 2., 4., 6., 6., 8., 8.])
    """

    size: int
    stride: int = 1

    def __post_init__(self) -> None:
        for name, value in (("size", self.size), ("stride", self.stride)):
            if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
                raise ValueError(f"{name}={value!r} is no number of points; give a whole number from 1 on")
        if self.stride > self.size:
            raise ValueError(f"stride={self.stride} skips points between windows of size={self.size}; lower it to that")

    def count(self, length: int) -> int:
        r"""Return how many windows a series has: :math:`\lceil (length - size) / stride \rceil + 1`.

        Args:
            length: Points of the series.

        Raises:
            ValueError: The series is shorter than one window.

        >>> Windows(size=4, stride=3).count(9)
        3
        """
        if length < self.size:
            told = f"a series of {length} points is shorter than a window of size={self.size}"
            raise ValueError(f"{told}; give a longer series or a smaller size")
        return -(-(length - self.size) // self.stride) + 1

    def starts(self, length: int) -> Array:
        """Return the first point of every window, (windows,), in ascending order.

        Raises:
            ValueError: The series is shorter than one window.

        >>> Windows(size=4, stride=3).starts(9)
        array([0, 3, 5])
        """
        return np.minimum(np.arange(self.count(length)) * self.stride, length - self.size)

    def points(self, length: int) -> Array:
        """Return the points of every window, (windows, size); of labels per point, ``labels[points]`` are the windows'.

        Raises:
            ValueError: The series is shorter than one window.

        >>> np.array([False, False, False, False, True])[Windows(size=3, stride=2).points(5)].any(axis=1)
        array([False,  True])
        """
        return self.starts(length)[:, None] + np.arange(self.size)

    def cut(self, series: Array) -> Array:
        """Return the windows of a series, (windows, channels, size): channels first, as convolutions take them.

        Args:
            series: (time,), or (time, channels); any numbers, NaN too.

        Returns:
            The windows in the series' own type. A read-only view, which takes no memory, where the last window need not
            be moved back; a copy otherwise.

        Raises:
            ValueError: The series has another shape, or is shorter than one window.

        >>> Windows(size=4).cut(np.zeros((100, 2))).shape
        (97, 2, 4)
        """
        series = np.asarray(series)
        if series.ndim not in (1, 2):
            raise ValueError(
                f"a series of shape {series.shape} has no one axis of time; give (time,), (time, channels)"
            )
        starts = self.starts(len(series))
        channels = series[:, None] if series.ndim == 1 else series
        everywhere = np.lib.stride_tricks.sliding_window_view(channels, self.size, axis=0)
        moved = (len(series) - self.size) % self.stride
        return everywhere[starts] if moved else everywhere[:: self.stride]

    def spread(self, values: Array, length: int) -> Array:
        """Return one value per point of time: the mean over the windows that cover it.

        Args:
            values: One per window, (windows,); one per point of each window, (windows, size); or one per channel too,
                (windows, channels, size), as :meth:`cut` returns them. NaN spreads to the points that it covers.
            length: Points of the series.

        Returns:
            (length,), or (length, channels), in float64.

        Raises:
            ValueError: The values do not fit the windows, or the series is shorter than one window.

        >>> Windows(size=2).spread(np.array([[0.0, 1.0], [3.0, 4.0]]), length=3)
        array([0., 2., 4.])
        """
        values, starts = np.asarray(values), self.starts(length)
        fits = values.ndim in (1, 2, 3) and len(values) == len(starts)
        if not fits or (values.ndim > 1 and values.shape[-1] != self.size):
            told = f"values of shape {values.shape} do not fit the {len(starts)} windows of {length} points"
            raise ValueError(f"{told}; give (windows,), (windows, size) or (windows, channels, size={self.size})")
        total, cover = np.zeros((length, *values.shape[1:-1])), np.zeros(length)
        # No two windows have the same point at the same place, so that one place of all is added at once.
        for place in range(self.size):
            total[starts + place] += values if values.ndim == 1 else values[..., place]
            cover[starts + place] += 1
        return np.asarray((total.T / cover).T)
