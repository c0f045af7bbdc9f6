"""Which rows an anomaly detector's members are fitted on, chosen by and calibrated with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from isthmus.estimators.inputs import Array, rows_at
from isthmus.estimators.members import Members
from isthmus.noise import Noise

SPLIT, MEMBER, KNOWN = 1, 20, 2
ENOUGH, MOST_CALIBRATION, REMEMBERED = 1000, 20_000, 512
ENOUGH_WINDOWS = 100


@dataclass(frozen=True, eq=False)
class Split:
    """For every member the rows it is fitted on and those held out of it, and the rows that none of them sees."""

    fits: list[Array]
    held: list[Array]
    calibration: Array | None
    noises: list[Noise]

    def seen(self, x: Array) -> Array:
        """Return the rows that do not calibrate."""
        return x if self.calibration is None else np.delete(x, self.calibration, axis=0)


def split(n: int, how: str, members: int | None, noise: Noise) -> Split:
    """Divide n rows.

    ``cross``: one fold per member is held out of it, and calibrates. ``split``: a fifth calibrates, and of the others
    every member holds a tenth of its own out.
    """
    order = noise.branch(SPLIT).permutation(n).numpy()
    how = how if how != "auto" else "split" if n >= ENOUGH else "cross"
    count = members or (5 if how == "cross" else 3)
    if how == "cross":
        count = min(max(2, count), n)
        folds = [np.sort(fold) for fold in np.array_split(order, count)]
        least = min(n - len(fold) for fold in folds)
        # Equally many rows for all, so that they are trained at once.
        fits = [np.setdiff1d(order, fold)[:least] if len(fold) else order for fold in folds]
        return Split(fits, folds, None, [noise.branch(MEMBER + m) for m in range(count)])
    calibration, rest = np.split(order, [min(MOST_CALIBRATION, max(1, n // 5))])
    fits, held = [], []
    for m in range(count):
        own = rest[noise.branch(MEMBER + m).at(1).permutation(len(rest)).numpy()]
        kept = min(5000, max(1, len(rest) // 10))
        held.append(np.sort(own[:kept]))
        fits.append(np.sort(own[kept:] if kept < len(own) else own))
    return Split(fits, held, np.sort(calibration), [noise.branch(MEMBER + m) for m in range(count)])


def split_in_time(n: int, size: int, how: str, members: int | None, noise: Noise) -> Split:
    """Divide n points of time in blocks, of which no window of ``size`` points lies in two: neighbours are alike.

    ``cross``: the series falls into one block per member. ``split``: the last fifth calibrates, so that it follows the
    fit as what is scored later does, and of the points before it every member holds a tenth of its own out.

    Raises:
        ValueError: a block would be shorter than one window.
    """
    how = how if how != "auto" else "split" if n >= ENOUGH_WINDOWS * size else "cross"
    count = members or (5 if how == "cross" else 3)
    order = np.arange(n)
    if how == "cross":
        folds = np.array_split(order, min(max(2, count), max(1, n // size)))
        if len(folds) < 2:
            raise ValueError(f"a series of {n} points is too short for window={size}; give 2 x {size} points or more")
        fits = [np.setdiff1d(order, fold) for fold in folds]
        return Split(fits, folds, None, [noise.branch(MEMBER + m) for m in range(len(folds))])
    rest, calibration = np.split(order, [n - min(MOST_CALIBRATION, n // 5)])
    width = max(size, len(rest) // 10)
    if len(calibration) < size or len(rest) < 3 * size:
        told = f"calibration='split' leaves {len(calibration)} of {n} points to calibrate, too few for window={size}"
        raise ValueError(f"{told}; give calibration='cross', or {5 * size} points or more")
    begins = np.linspace(0, len(rest) - width, count).astype(int)
    held = [rest[begin : begin + width] for begin in begins]
    fits = [np.setdiff1d(rest, own) for own in held]
    return Split(fits, held, calibration, [noise.branch(MEMBER + m) for m in range(count)])


def known(x: Array, members: Members, noise: Noise) -> Array:
    """Return the numbers of some training rows that are like most, for neighbours."""
    some = np.sort(noise.branch(KNOWN).permutation(len(x)).numpy()[: 2 * REMEMBERED])
    return some[ordinary(members, x[some])]


def ordinary(members: Members, x: Array) -> Array:
    """Return the numbers of the rows that are like most, nine in ten by score."""
    scores = members.contributions(x)[0].sum(1)
    return np.sort(np.argsort(scores, kind="stable")[: max(1, 9 * len(x) // 10)])


def refuse_settings(detector: Any) -> None:
    """Refuse settings that have no meaning.

    Raises:
        ValueError: always with the setting.
    """
    c = detector.contamination
    share = isinstance(c, (int, float, np.number)) and not isinstance(c, bool) and 0 <= float(c) <= 0.5
    if not share and not (isinstance(c, str) and c == "unknown"):
        raise ValueError(f"contamination={c!r} is no share; give 'unknown', 0 or a number up to 0.5")
    rate = detector.alarm_rate
    if not isinstance(rate, (float, np.floating)) or not 0 < float(rate) < 1:
        raise ValueError(f"alarm_rate={rate!r} is no rate; give a number between 0 and 1, as 0.05")
    if detector.calibration not in ("auto", "split", "cross"):
        raise ValueError(f"calibration={detector.calibration!r} is unknown; give 'auto', 'split' or 'cross'")
    if detector.stride is not None and detector.window is None:
        raise ValueError(f"stride={detector.stride!r} is of windows, and there are none; give window, as 64")
    m = detector.members
    if m is not None and (isinstance(m, bool) or not isinstance(m, (int, np.integer)) or m < 1):
        raise ValueError(f"members={m!r} is no number of members; give a whole number from 1 up")


def counted(X: Any) -> int:
    """Return the number of rows of a fit; what is no rows at all is left to be refused by what reads it.

    Raises:
        ValueError: a single row.
    """
    n = len(X) if hasattr(X, "__len__") else X.shape[0] if getattr(X, "shape", ()) else 2
    if n == 1:
        raise ValueError("X has 1 sample, from which nothing can be learnt; give at least 2 rows to fit")
    return max(2, int(n))


def without(X: Any, rows: Array | None) -> Any:
    """Return the rows of X but some."""
    if rows is None or not hasattr(X, "shape") or not len(X.shape) or len(rows) >= X.shape[0]:
        return X
    return rows_at(X, np.setdiff1d(np.arange(X.shape[0]), rows))
