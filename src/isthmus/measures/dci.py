"""Disentanglement, completeness and informativeness (Eastwood & Williams, 2018)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from isthmus.measures.checks import table
from isthmus.measures.disentanglement import code_and_levels
from isthmus.measures.reconstruction import Array

# The fewest rows in a leaf of the default forest.
LEAF = 5


@dataclass(frozen=True, eq=False)
class DCI:
    """Three numbers from 0 to 1, and what they were read from.

    Attributes:
        disentanglement: Does each unit serve one factor?
        completeness: Is each factor served by one unit?
        informativeness: The mean accuracy with which factors are predicted on rows left out.
        importances: R, (units, factors).
    """

    disentanglement: float
    completeness: float
    informativeness: float
    importances: Array


def dci(codes: Array, factors: Any, *, classifier: Any = None, left_out: float = 0.25, random_state: int = 0) -> DCI:
    r"""Return disentanglement, completeness and informativeness of a code, by the importances of classifiers.

    One classifier per factor predicts its level from all units, and R holds the units' importances. With
    :math:`P_{jk} = R_{jk} / \sum_k R_{jk}` and K factors, unit j has :math:`D_j = 1 + \sum_k P_{jk} \log_K P_{jk}`, and
    D is their mean weighted by :math:`\sum_k R_{jk}`. C is the same over the units of each factor, a plain mean
    (Eastwood & Williams, 2018, A framework for the quantitative evaluation of disentangled representations).

    The default classifier is a forest, as in the paper, of 50 trees with leaves of at least five rows that look at all
    units in every split, and takes seconds. Locatello et al. (2019) take gradient boosting,
    ``classifier=GradientBoostingClassifier()``, which is slower by a hundred where factors have many levels; forests
    spread importance a little wider, so numbers of one kind compare only with each other. Trees follow the axes: after
    a rotation D and C fall, and informativeness hardly does.

    Args:
        codes: (rows, units).
        factors: (rows, factors) of levels.
        classifier: One of scikit-learn's, with ``feature_importances_``; it is cloned for every factor.
        left_out: The share of rows on which informativeness is measured.
        random_state: Seed of the split and the forests.

    Raises:
        ValueError: Rows differ in number, a factor has one level, or rows are too few for the forest.

    >>> v = np.stack(np.meshgrid(np.arange(4), np.arange(4)), axis=-1).reshape(-1, 2).repeat(20, axis=0)
    >>> found = dci(v, v)
    >>> found.disentanglement, found.completeness, found.informativeness
    (1.0, 1.0, 1.0)
    """
    from sklearn.base import clone
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.model_selection import train_test_split

    found, levels = code_and_levels(codes, factors)
    forest = RandomForestClassifier(50, min_samples_leaf=LEAF, max_features=None, random_state=random_state)
    train, test, v_train, v_test = train_test_split(found, levels, test_size=left_out, random_state=random_state)
    if classifier is None and len(train) < 2 * LEAF:
        raise ValueError(
            f"{len(train)} of {len(found)} rows to learn from are too few for the default forest, whose leaves hold "
            f"{LEAF} rows each; give more rows, or a classifier= for few"
        )
    classifier = forest if classifier is None else classifier
    fitted = [clone(classifier).fit(train, column) for column in v_train.T]
    importances = np.stack([one.feature_importances_ for one in fitted], axis=1)
    right = [float((one.predict(test) == column).mean()) for one, column in zip(fitted, v_test.T, strict=True)]
    if not importances.any():
        raise ValueError("classifiers found no unit that tells levels apart; look for dead units, or give more rows")
    return DCI(*concentrations(importances), float(np.mean(right)), importances)


def concentrations(importances: Array) -> tuple[float, float]:
    """Return disentanglement and completeness of a matrix of importances, (units, factors), none negative.

    Raises:
        ValueError: An importance is negative, or all are zero.

    >>> concentrations(np.eye(3)), concentrations(np.ones((2, 2)))
    ((1.0, 1.0), (0.0, 0.0))
    """
    r = table(importances, "importances", "factors").astype(np.float64)
    if (r < 0).any() or not r.any():
        raise ValueError("importances are negative or all zero; give those of trees, or absolute weights")
    of_units, of_factors = 1 - _entropy(r), 1 - _entropy(r.T)
    return float(np.average(of_units, weights=r.sum(axis=1))), float(of_factors[r.sum(axis=0) > 0].mean())


def _entropy(rows: Array) -> Array:
    """Return each row's entropy as a share of the largest possible one; 0 where there is a single column."""
    if rows.shape[1] == 1:
        return np.zeros(len(rows))
    total = rows.sum(axis=1, keepdims=True)
    p = rows / np.where(total > 0, total, 1.0)
    logs = np.log(np.where(p > 0, p, 1.0)) / np.log(rows.shape[1])
    return np.asarray(-(p * logs).sum(axis=1)) + 0.0
