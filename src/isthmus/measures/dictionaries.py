r"""Dictionaries beside a known one: are the atoms found, and does each unit fire when its feature is there?

Atoms are (units, entries), one direction per row, of any length and sign; true atoms are (features, entries). Where
nobody knows the truth these numbers do not exist; explained variance does, but it ranks dictionaries wrongly
(Chanin & Garriga-Alonso, 2026, SynthSAEBench).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from isthmus.measures.checks import alike, both, centre, table
from isthmus.measures.reconstruction import Array

_CHUNK = 4096


def cosines(atoms: Array, truth: Array) -> Array:
    r"""Return :math:`|\cos(d_i, t_j)|` of every atom and every true one, (units, features); 0 where one is zero.

    Raises:
        ValueError: Atoms are not (units, entries) of equal width, or a number is not finite.

    >>> cosines(np.array([[1.0, 1.0]]), np.array([[0.0, -3.0]])).round(3)
    array([[0.707]])
    """
    found, true = table(atoms, "atoms", "entries"), table(truth, "true atoms", "entries")
    alike(found, true, "atoms and true atoms", axis=1)
    return np.asarray(np.abs(unit_length(found) @ unit_length(true).T).clip(0, 1))


def mean_max_cosine(atoms: Array, truth: Array) -> float:
    r"""Return MMCS, :math:`mean_j \max_i |\cos(d_i, t_j)|`: how near, on average, a true atom has one that was found.

    Exchange the arguments for the other direction: how near an atom that was found has a true one. The first is high
    for any dictionary that is large enough, the second for one true atom found many times, so look at both
    (Sharkey, Braun & Millidge, 2022, Taking features out of superposition with sparse autoencoders).

    >>> mean_max_cosine(np.array([[1.0, 0.0]]), np.eye(2)), mean_max_cosine(np.eye(2), np.array([[1.0, 0.0]]))
    (0.5, 1.0)
    """
    return float(cosines(atoms, truth).max(axis=0).mean())


def matched_cosine(atoms: Array, truth: Array) -> float:
    r"""Return MCC, the mean :math:`|\cos|` of pairs under the best one-to-one matching of atoms and true ones.

    The Hungarian algorithm makes min(units, features) pairs, and the mean is over those (O'Neill, Gumran & Klindt,
    2024, Compute optimal inference and provable amortisation gap in sparse autoencoders). Random atoms do not score 0:
    in d dimensions the largest of many cosines is about :math:`\sqrt{2 \log n / d}`.

    >>> matched_cosine(np.array([[0.0, -2.0], [1.0, 0.0]]), np.eye(2))
    1.0
    """
    return _matched(cosines(atoms, truth))


def matched_correlation(codes: Array, factors: Array) -> float:
    r"""Return the mean :math:`|corr|` of units and factors under the best one-to-one matching.

    The MCC of codes instead of atoms (Hyvarinen & Morioka, 2016, Unsupervised feature extraction by time-contrastive
    learning); a unit or factor that does not vary correlates with nothing. Both are (rows, columns).

    >>> h = np.array([[0.0, 1.0], [1.0, 1.0], [0.0, 3.0], [1.0, 3.0]])
    >>> round(matched_correlation(h[:, ::-1] * [5, -2], h), 9)
    1.0
    """
    found, true = table(codes, "codes"), table(factors, "factors", "factors")
    alike(found, true, "codes and factors")
    standard = [unit_length(centre(side).T) for side in (found, true)]
    return _matched(np.abs(standard[0] @ standard[1].T).clip(0, 1))


def uniqueness(atoms: Array, truth: Array) -> float:
    """Return how many different true atoms are some atom's nearest one, as a share of the atoms.

    1 where no true atom is found twice; at most features / units. An atom of zeros is nearest to nothing.

    >>> uniqueness(np.array([[1.0, 0.1], [1.0, 0.0]]), np.eye(2))
    0.5
    """
    similar = cosines(atoms, truth)
    nearest = similar.argmax(axis=1)[similar.max(axis=1) > 0]
    return len(np.unique(nearest)) / len(similar)


def shrinkage(X: Array, reconstruction: Array) -> float:
    r"""Return :math:`mean_i \|\hat x_i\| / \|x_i\|`: 1 where nothing shrinks, less where a penalty pulls codes down.

    Give both without the decoder's bias; rows of zeros are left out. Noise that is not reconstructed counts as
    shrinkage too (Wright & Sharkey, 2024, Addressing feature suppression in sparse autoencoders).

    Raises:
        ValueError: Shapes differ, a number is not finite, or every row is zero.

    >>> shrinkage(np.ones((3, 2)), np.full((3, 2), 0.5))
    0.5
    """
    before, after = (
        np.linalg.norm(side.reshape(len(side), -1).astype(np.float64), axis=1) for side in both(X, reconstruction)
    )
    if not before.any():
        raise ValueError("every row is zero, so that no length can shrink; give rows that are not")
    return float((after[before > 0] / before[before > 0]).mean())


@dataclass(frozen=True, eq=False)
class Detection:
    """How well each unit tells that its feature is present, each (units,).

    Attributes:
        feature: The feature that the unit tells best; -1 for one that never fires where a feature is present.
        precision: The share of the unit's firings in which the feature is present.
        recall: The share of the feature's rows in which the unit fires.
        f1: Their harmonic mean; all three are 0 for a unit without a feature.
    """

    feature: Array
    precision: Array
    recall: Array
    f1: Array


def detection(codes: Array, features: Array, tolerance: float = 0.0) -> Detection:
    r"""Return each unit's precision, recall and F1 as a detector of the feature that it detects best (by F1).

    :math:`F_1 = 2 |fires \cap present| / (|fires| + |present|)`. The mean over units forgives duplicates, so look at
    :func:`uniqueness` beside it (Chanin & Garriga-Alonso, 2026, SynthSAEBench).

    Args:
        codes: (rows, units); a unit fires where it is farther from zero than ``tolerance``.
        features: (rows, features), amounts or truth values; a feature is present where it is not zero.
        tolerance: How near to zero is silence, in units of the codes.

    Raises:
        ValueError: Rows differ in number, or a number is not finite.

    >>> detection(np.array([[1.0], [2.0], [0.0]]), np.array([[1, 0], [1, 1], [1, 0]])).f1
    array([0.8])
    """
    found, true = table(codes, "codes"), table(features, "features", "features")
    alike(found, true, "codes and features")
    together, fires, present = _counts(found, true, tolerance)
    f1 = 2 * together / np.maximum(fires[:, None] + present, 1)
    best = f1.argmax(axis=1)
    units = np.arange(len(best))
    hits = together[units, best]
    precision, recall = hits / np.maximum(fires, 1), hits / np.maximum(present[best], 1)
    return Detection(np.where(hits > 0, best, -1), precision, recall, f1[units, best])


def _counts(found: Array, true: Array, tolerance: float) -> tuple[Array, Array, Array]:
    """Return how often units and features speak together, (units, features), and each alone."""
    together, fires, present = (
        np.zeros((found.shape[1], true.shape[1])),
        np.zeros(found.shape[1]),
        np.zeros(true.shape[1]),
    )
    for start in range(0, len(found), _CHUNK):
        rows = slice(start, start + _CHUNK)
        speaks, there = (np.abs(found[rows]) > tolerance).astype(np.float32), (true[rows] != 0).astype(np.float32)
        # Counts of a chunk are exact in float32, which multiplies faster.
        together += speaks.T @ there
        fires, present = fires + speaks.sum(axis=0), present + there.sum(axis=0)
    return together, fires, present


def unit_length(rows: Array) -> Array:
    """Return rows divided by their lengths, in float64; a row of zeros stays."""
    rows = rows.astype(np.float64)
    # Squares of very small numbers are zero.
    rows = rows / np.where((largest := np.abs(rows).max(axis=1, keepdims=True)) > 0, largest, 1.0)
    norm = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.where(norm > 0, norm, 1.0))


def _matched(similar: Array) -> float:
    from scipy.optimize import linear_sum_assignment

    pairs: Any = linear_sum_assignment(similar, maximize=True)
    return float(similar[pairs].mean())
