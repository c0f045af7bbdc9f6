r"""Anomaly scores as a promise: how often normal rows raise an alarm, at any number of rows and for any score.

A score is high where a row is anomalous. Nothing is assumed of how scores are distributed, only that fresh normal rows
and the calibration rows are exchangeable: drawn alike, and none of them seen by the fit of the model that scores them.

The promise is an average over draws of the calibration rows. With one set of n rows the rate of false alarms at level
:math:`\alpha` scatters around :math:`\alpha` with a standard deviation of about :math:`\sqrt{\alpha (1 - \alpha) / n}`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from isthmus.atrow import RowError
from isthmus.measures.checks import Array, numeric


def p_values(scores: Array, calibration: Array) -> Array:
    r"""Return how likely a normal row is to score as high: :math:`p = (1 + \#\{i: c_i \ge s\}) / (n + 1)`.

    For a fresh normal row :math:`P(p \le \alpha) \le \alpha`, and with scores that never tie it is exactly
    :math:`\lfloor \alpha (n + 1) \rfloor / (n + 1)` (Vovk, Gammerman & Shafer, 2005, Algorithmic learning in a random
    world; Bates, Candès, Lei, Romano & Sesia, 2023, Testing for outliers with conformal p-values).

    Args:
        scores: s, (rows,).
        calibration: c, (n,): scores of normal rows that the model was not fitted on.

    Returns:
        (rows,), multiples of 1 / (n + 1) up to 1.

    Raises:
        ValueError: An array is not one number per row, holds NaN, or there is no calibration row.

    >>> p_values(np.array([0.5, 3.0, 9.0]), calibration=np.array([1.0, 2.0, 3.0]))
    array([1.  , 0.5 , 0.25])
    """
    held = _held(calibration, "calibration")
    return (1 + _at_least(_checked(scores, "scores"), held)) / (len(held) + 1)


def cross_p_values(fold_scores: Array, fold_calibration: Sequence[Array]) -> Array:
    r"""Return p-values for which every row calibrates: :math:`p = (1 + \sum_k \#\{i \in k: c_i \ge s_k\}) / (n + 1)`.

    Model k is fitted without fold k, and scores both this fold and the new rows, so that few rows suffice (Vovk, 2015,
    Cross-conformal predictors). The rate of false alarms is close to :math:`\alpha` in practice. What is proven is
    :math:`P(p \le \alpha) \le 2 \alpha + 2 (1 - \alpha) (K - 1) / (n + K)` for K equal folds, because twice a mean of
    p-values is one (Vovk & Wang, 2020, Combining p-values via averaging), and :math:`2 \alpha` where every row is a
    fold of its own (Barber, Candès, Ramdas & Tibshirani, 2021, Predictive inference with the jackknife+).

    Args:
        fold_scores: :math:`s_k`, (folds, rows): scores of the new rows, by the model of each fold.
        fold_calibration: One array for each fold: c, (rows of the fold,), scores of its rows by its model.

    Returns:
        (rows,), multiples of 1 / (n + 1) up to 1, where n is the number of rows of all folds.

    Raises:
        ValueError: There is no fold, their numbers differ, or an array is refused as by :func:`p_values`.

    >>> cross_p_values(np.array([[3.0, 9.0], [3.0, 1.0]]), [np.array([1.0, 4.0]), np.array([2.0])])
    array([0.5, 0.5])
    """
    if len(fold_scores) != len(fold_calibration) or len(fold_scores) == 0:
        told = f"{len(fold_scores)} folds score new rows and {len(fold_calibration)} calibrate"
        raise ValueError(f"{told}; give both for each of at least one fold")
    held = [_held(scores, f"calibration of fold {k}") for k, scores in enumerate(fold_calibration)]
    fresh = [_checked(scores, f"scores by fold {k}") for k, scores in enumerate(fold_scores)]
    counts = np.sum([_at_least(s, c) for s, c in zip(fresh, held, strict=True)], axis=0)
    return np.asarray((1 + counts) / (sum(map(len, held)) + 1))


def threshold(calibration: Array, alpha: float) -> np.float64:
    r"""Return the score that a fresh normal row exceeds with probability at most ``alpha``.

    It is the :math:`\lceil (1 - \alpha) (n + 1) \rceil`-th smallest calibration score, so that ``scores > threshold``
    tells exactly the rows with ``p_values <= alpha``, ties included.

    Args:
        calibration: (n,), as for :func:`p_values`.
        alpha: The rate of false alarms, between 0 and 1.

    Returns:
        The score, in the units of ``calibration``. It is infinite, and nothing raises an alarm, where there are fewer
        than :math:`1 / \alpha - 1` calibration rows: no p-value can then be as small as ``alpha``.

    Raises:
        ValueError: ``alpha`` is not between 0 and 1, or ``calibration`` is refused as by :func:`p_values`.

    >>> float(threshold(np.arange(99.0), alpha=0.05)), float(threshold(np.arange(9.0), alpha=0.05))
    (94.0, inf)
    """
    _refuse_rate(alpha, "alpha")
    held = _held(calibration, "calibration")
    # The p-values that can occur are compared, since rounding may push alpha * (n + 1) below a whole number.
    alarms = np.count_nonzero(np.arange(1, len(held) + 1) / (len(held) + 1) <= alpha)
    # Not a Python float: numpy would round it to the precision of float32 scores that are compared with it.
    return np.float64(held[-alarms] if alarms else np.inf)


def q_values(p: Array) -> Array:
    r"""Return the least ``fdr`` at which each row is a discovery: :math:`\min_{j \ge r} p_{(j)} m / j`, up to 1.

    r is the row's rank among the m p-values in ascending order. They are known as adjusted p-values too (Yekutieli &
    Benjamini, 1999, Resampling-based false discovery rate controlling multiple test procedures for correlated test
    statistics).

    Args:
        p: (m,), p-values of all rows that are looked at together.

    Raises:
        ValueError: A p-value is NaN or not between 0 and 1, or the array is not one number per row.

    >>> q_values(np.array([0.5, 0.01, 0.03, 0.02]))
    array([0.5 , 0.04, 0.04, 0.04])
    """
    p = _checked(p, "p")
    if p.size and not 0 <= p.min() <= p.max() <= 1:
        raise ValueError(f"p lies between {p.min():g} and {p.max():g}; give p-values, between 0 and 1, not scores")
    order = np.argsort(p)
    scaled = p[order] * len(p) / np.arange(1, len(p) + 1)
    q = np.empty_like(p)
    q[order] = np.minimum.accumulate(scaled[::-1])[::-1].clip(max=1)
    return q


def benjamini_hochberg(p: Array, fdr: float) -> Array:
    r"""Tell of every row whether it is a discovery, so that at most a share ``fdr`` of discoveries is false on average.

    The rows of the k smallest p-values, for the largest k with :math:`p_{(k)} \le fdr \, k / m` (Benjamini & Hochberg,
    1995, Controlling the false discovery rate). The share holds for independent p-values, and for those of
    :func:`p_values` although they have the calibration rows in common (Bates et al., 2023); of :func:`cross_p_values`
    it is not proven.

    Args:
        p: (m,), p-values of all rows that are looked at together.
        fdr: The share, between 0 and 1. Nothing is found where n calibration rows are too few for the m rows: k
            discoveries need :math:`n + 1 \ge m / (k \, fdr)`.

    Returns:
        (m,), booleans.

    Raises:
        ValueError: ``fdr`` is not between 0 and 1, or ``p`` is refused as by :func:`q_values`.

    >>> benjamini_hochberg(np.array([0.5, 0.01, 0.03, 0.02]), fdr=0.05)
    array([False,  True,  True,  True])
    """
    _refuse_rate(fdr, "fdr")
    # Conformal p-values often meet the bound exactly, and the division of ranks is rounded.
    return np.asarray(q_values(p) <= fdr * (1 + 1e-12))


def _at_least(scores: Array, held: Array) -> Array:
    """Count, for every score, how many of the sorted calibration scores are as high or higher."""
    return len(held) - np.searchsorted(held, scores, side="left")


def _held(calibration: Array, name: str) -> Array:
    """Return calibration scores in ascending order."""
    held = np.sort(_checked(calibration, name))
    if len(held) == 0:
        raise ValueError(f"{name} has no scores; give those of normal rows that the model was not fitted on")
    return held


def _checked(values: Array, name: str) -> Array:
    """Return one number per row, in float64, in which those of any other precision compare exactly."""
    checked = numeric(values, name).astype(np.float64)
    if checked.ndim != 1:
        raise ValueError(f"{name} of shape {checked.shape} must have one number per row; give an array of (rows,)")
    missing = np.flatnonzero(np.isnan(checked))
    if missing.size:
        after = ", which is neither high nor low; leave out these rows"
        raise RowError(f"{name} has {missing.size} NaN, first in ", missing[0], after)
    return checked


def _refuse_rate(rate: Any, name: str) -> None:
    number = isinstance(rate, (float, int, np.floating, np.integer))
    if not number or not 0 < rate < 1:
        given = f"{rate:g}" if number else repr(rate)
        raise ValueError(f"{name}={given} is no rate of errors; give a number between 0 and 1, say 0.05")
