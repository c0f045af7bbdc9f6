"""What single units know about labels: sparse probes, label entropy, matched accuracy."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from isthmus.measures.checks import alike, labelled, one_vs_rest, table
from isthmus.measures.reconstruction import Array


@dataclass(frozen=True, eq=False)
class SparseProbes:
    """One probe per class that reads k units.

    Attributes:
        classes: The classes, sorted, or the columns of labels that were columns.
        units: The units that each probe reads, (classes, k), the one that tells most first.
        accuracy: Balanced accuracy of each on rows left out, (classes,); guessing reaches 0.5.
    """

    classes: Array
    units: Array
    accuracy: Array


def k_sparse_probing(
    codes: Array, labels: Any, k: int = 1, *, left_out: float = 0.25, random_state: int = 0
) -> SparseProbes:
    r"""Return how well k units tell each class from the rest, :math:`\frac12 (TPR + TNR)` on rows left out.

    The units are those with the largest :math:`|mean(h_j | c) - mean(h_j | not c)| / std(h_j)`, means on the training
    rows and the deviation on all; a logistic regression reads them (Gurnee et al., 2023, Finding neurons in a haystack;
    SAEBench does not divide by the deviation, so that there a unit's scale decides). With ``k=1`` it asks whether a
    concept has a unit of its own. What many units carry together it does not see.

    Args:
        codes: (rows, units).
        labels: One per row, or (rows, concepts) truth values.
        k: How many units a probe may read.
        left_out: The share of rows that measure.
        random_state: Seed of the split.

    Raises:
        ValueError: k is not 1 to the number of units, rows differ in number, ``left_out`` is no share, or a class has
            fewer than two rows, or too few for some of both kinds among those left out.

    >>> y = np.arange(80) % 2
    >>> k_sparse_probing(np.stack([np.zeros(80), y], axis=1), y)
    SparseProbes(classes=array([0, 1]), units=array([[1],
           [1]]), accuracy=array([1., 1.]))
    """
    found = table(codes, "codes").astype(np.float64)
    if not 1 <= k <= found.shape[1]:
        raise ValueError(f"k={k} of {found.shape[1]} units cannot be read; give 1 to {found.shape[1]}")
    if not 0 < left_out < 1:
        raise ValueError(f"left_out={left_out!r} is no share of the rows; give a number between 0 and 1")
    names, member = one_vs_rest(labels, len(found))
    spread = found.std(axis=0)
    standard = (found - found.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    probes = [_probe(standard, member[:, c], names[c], k, left_out, random_state) for c in range(len(names))]
    return SparseProbes(names, np.array([units for units, _ in probes]), np.array([right for _, right in probes]))


def _probe(h: Array, y: Array, name: Any, k: int, left_out: float, seed: int) -> tuple[Array, float]:
    """Return the units that one probe reads, and its balanced accuracy on rows left out."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import balanced_accuracy_score

    train, test, y_train, y_test = _split(h, y, name, left_out, seed)
    apart = np.abs(train[y_train].mean(axis=0) - train[~y_train].mean(axis=0))
    units = np.argsort(-apart, kind="stable")[:k]
    probe = LogisticRegression(class_weight="balanced", max_iter=1000).fit(train[:, units], y_train)
    return units, float(balanced_accuracy_score(y_test, probe.predict(test[:, units])))


def _split(h: Array, y: Array, name: Any, left_out: float, seed: int) -> tuple[Array, Array, Array, Array]:
    """Return rows to learn from and rows to measure on, and which of them are in the class.

    Raises:
        ValueError: one of both has rows of one kind only.
    """
    from sklearn.model_selection import train_test_split

    if min(y.sum(), (~y).sum()) < 2:
        raise ValueError(f"class {name!s} has fewer than two rows in or out of it; leave it out or give more rows")
    measured = math.ceil(left_out * len(y))
    if 2 <= measured <= len(y) - 2:
        train, test, y_train, y_test = train_test_split(h, y, test_size=left_out, stratify=y, random_state=seed)
        if len(np.unique(y_train)) == len(np.unique(y_test)) == 2:
            return train, test, y_train, y_test
    raise ValueError(
        f"class {name!s} has {y.sum()} of {len(y)} rows, too few to have rows in and out of it both among the "
        f"{measured} left out and among the rest; give more rows, another left_out, or leave the class out"
    )


def label_entropy(codes: Array, labels: Any, top: int = 50) -> Array:
    r"""Return :math:`-\sum_c p_c \log p_c` of the labels of the rows that activate each unit most, (units,).

    Where more rows are tied than fit, each counts as the share of them that fits, so that their order says nothing.
    In nats: 0 where all show one label, :math:`\log C` where C labels are equally frequent. Only rows in which the unit
    is above zero count; NaN for a unit that never is. Labels that are rare in the rows are rare among the top ones by
    chance too, and a unit may stand for something that labels do not name: low entropy says that a unit is about a
    label, high entropy says nothing.

    Args:
        codes: (rows, units).
        labels: One per row.
        top: How many rows per unit.

    Raises:
        ValueError: Rows differ in number, a number is not finite, a label is missing, or ``top`` counts nothing.

    >>> label_entropy(np.array([[3.0, 1.0], [2.0, 0.0], [0.0, 1.0]]), ["a", "a", "b"], top=2).round(3)
    array([0.   , 0.693])
    """
    found = table(codes, "codes")
    if top < 1:
        raise ValueError(f"top={top} looks at no row; give a whole number from 1 up")
    numbers, classes = _numbered(labels, found)
    entropies = np.full(found.shape[1], np.nan)
    for unit, values in enumerate(found.T):
        kept = min(top, int((values > 0).sum()))
        if kept:
            share = np.bincount(numbers, weights=_highest(values, kept), minlength=classes) / kept
            entropies[unit] = -(share[share > 0] * np.log(share[share > 0])).sum() + 0.0
    return entropies


def _highest(values: Array, kept: int) -> Array:
    """Return how much each row counts among so many largest ones: 1, 0, or the same share for all tied at the cut."""
    cut = np.partition(values, len(values) - kept)[len(values) - kept]
    above, tied = values > cut, values == cut
    return np.asarray(above + tied * ((kept - above.sum()) / tied.sum()))


def matched_accuracy(codes: Array, labels: Any) -> float:
    r"""Return the accuracy of the largest unit as a name of the label, under the best matching of units and labels.

    :math:`\max_\pi mean_i [\pi(\arg\max_j h_{ij}) = y_i]` over one-to-one :math:`\pi`, by the Hungarian algorithm
    (Yang et al., 2010, Image clustering using local discriminant models and global integration). It answers "are ten
    concepts the ten digits?": 1 where they are, the share of the largest label where every row has the same largest
    unit. The units' scales decide which is largest, so standardise codes whose units have none in common. Rows of a
    unit without a label count as wrong, so that a dictionary with more units than labels cannot reach 1 by splitting;
    so do rows in which several units are the largest, as where all are silent.

    Args:
        codes: (rows, units).
        labels: One per row.

    Raises:
        ValueError: Rows differ in number, a number is not finite, or a label is missing.

    >>> matched_accuracy(np.array([[0.0, 1.0], [0.2, 0.9], [2.0, 0.0]]), ["a", "a", "b"])
    1.0
    """
    from scipy.optimize import linear_sum_assignment

    found = table(codes, "codes")
    numbers, classes = _numbered(labels, found)
    together = np.zeros((found.shape[1], classes))
    alone = (found == found.max(axis=1, keepdims=True)).sum(axis=1) == 1
    np.add.at(together, (found.argmax(axis=1)[alone], numbers[alone]), 1)
    return float(together[linear_sum_assignment(together, maximize=True)].sum() / len(found))


def _numbered(labels: Any, codes: Array) -> tuple[Array, int]:
    given = np.asarray(labels)
    if given.ndim != 1:
        raise ValueError(f"labels of shape {given.shape} are not one per row; give (rows,)")
    alike(codes, given, "codes and labels")
    names, numbers = np.unique(labelled(given, "labels"), return_inverse=True)
    return numbers, len(names)
