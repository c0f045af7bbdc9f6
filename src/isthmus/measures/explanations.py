r"""Are explanations true of the model? Removal, curves, completeness and infidelity, in the space of concepts.

An explanation gives each concept of each row a contribution to one output, (rows, concepts): of the classes'
(rows, concepts, classes) take those of the class explained. A model is a function from what is kept, truth values of
(rows, concepts), to one score per row, (rows,): how a concept is removed (set to zero, to a median, the code encoded
anew) is the caller's, and part of what is measured. :func:`additive_score` is that of a sum.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from isthmus.measures.checks import finite, some, table
from isthmus.measures.reconstruction import Array

Score = Callable[[Array], Array]


def additive_score(contributions: Array, classes: Array, *, probability: bool = False) -> Score:
    r"""Return the score of a model that adds contributions up, :math:`\sum_{i\ kept} c_{nik}` of each row's class k.

    Args:
        contributions: (rows, concepts, classes), :math:`c_{nik} = \theta_{nik} h_{ni}`.
        classes: The class of each row whose score is asked for, (rows,), 0 up.
        probability: The score is the softmax over classes, and no longer a sum.

    Raises:
        ValueError: Shapes do not fit together, a number is not finite, or a class does not exist.

    >>> c = np.array([[[1.0, 0.0], [2.0, 5.0]]])
    >>> additive_score(c, np.array([0]))(np.array([[True, False]]))
    array([1.])
    """
    c, which = some(contributions, "contributions").astype(np.float64), finite(classes, "classes")
    if c.ndim != 3 or which.shape != c.shape[:1]:
        raise ValueError(
            f"contributions {c.shape} and classes {which.shape} are not (rows, concepts, classes), (rows,)"
        )
    if bad := [k for k in which.tolist() if not (0 <= k < c.shape[2] and k % 1 == 0)]:
        raise ValueError(f"class {bad[0]} does not exist; give whole numbers from 0 to {c.shape[2] - 1}")
    chosen = which.astype(np.int64)[:, None]

    def score(kept: Array) -> Array:
        logits = np.einsum("nik,ni->nk", c, kept.astype(np.float64))
        if probability:
            logits = np.exp(logits - logits.max(axis=1, keepdims=True))
            logits /= logits.sum(axis=1, keepdims=True)
        return np.asarray(np.take_along_axis(logits, chosen, axis=1)[:, 0])

    return score


def removal_drops(score: Score, rows: int, concepts: int) -> Array:
    r"""Return how far the score falls when each concept alone is removed, :math:`f(all) - f(all\ but\ i)`.

    Args:
        score: From what is kept, (rows, concepts), to (rows,).
        rows: How many rows the score is of.
        concepts: How many concepts can be removed.

    Returns:
        (rows, concepts), in units of the score.

    Raises:
        ValueError: There is no row or no concept, or the score is not one finite number per row.

    >>> removal_drops(lambda kept: kept @ [1.0, 3.0], 1, 2)
    array([[1., 3.]])
    """
    if rows < 1 or concepts < 1:
        raise ValueError(f"{rows} rows of {concepts} concepts leave nothing to remove; give at least one of both")
    kept = np.ones((rows, concepts), dtype=bool)
    whole, drops = _scored(score, kept), np.empty((rows, concepts))
    for i in range(concepts):
        kept[:, i] = False
        drops[:, i] = whole - _scored(score, kept)
        kept[:, i] = True
    return drops


def faithfulness(contributions: Array, score: Score) -> Array:
    r"""Return of each row :math:`corr_i(c_i, f(all) - f(all\ but\ i))`: do large contributions belong to large drops?

    Pearson's correlation over concepts (Alvarez-Melis & Jaakkola, 2018, Towards robust interpretability with
    self-explaining neural networks); 1 by construction where the score is the sum of the contributions, so that only
    another score (a probability, a code encoded anew) can tell anything. NaN where all drops or all contributions of a
    row are the same. Removing one concept at a time does not see what concepts do together.

    Args:
        contributions: (rows, concepts).
        score: From what is kept to the score that is explained.

    Raises:
        ValueError: There are fewer than two concepts, or a number is not finite.

    >>> c = np.array([[1.0, 2.0, 4.0]])
    >>> faithfulness(c, lambda kept: (kept * c).sum(axis=1)).round(9)
    array([1.])
    """
    c = table(contributions, "contributions", "concepts").astype(np.float64)
    if c.shape[1] < 2:
        raise ValueError("one concept has nothing to be compared with; give contributions of at least two")
    drops = removal_drops(score, *c.shape)
    sides = [side - side.mean(axis=1, keepdims=True) for side in (c, drops)]
    # The mean of equal numbers may differ from them in the last digit, and correlate with anything.
    varies = (np.ptp(c, axis=1) > 0) & (np.ptp(drops, axis=1) > 1e-12 * np.abs(drops).max(axis=1))
    norm = np.sqrt(np.square(sides[0]).sum(axis=1) * np.square(sides[1]).sum(axis=1))
    found = (sides[0] * sides[1]).sum(axis=1) / np.where(norm > 0, norm, 1.0)
    return np.where(varies & (norm > 0), found.clip(-1, 1), np.nan)


def deletion_curve(contributions: Array, score: Score) -> Array:
    """Return the score after the 0, 1, ... most contributing concepts of each row are removed, (rows, concepts + 1).

    >>> deletion_curve(np.array([[1.0, 3.0]]), lambda kept: kept @ [1.0, 3.0])
    array([[4., 1., 0.]])
    """
    places = _places(contributions)
    steps = range(places.shape[1] + 1)
    return np.stack([_scored(score, places >= step) for step in steps], axis=1)


def insertion_curve(contributions: Array, score: Score) -> Array:
    """Return the score with only the 0, 1, ... most contributing concepts of each row kept, (rows, concepts + 1).

    >>> insertion_curve(np.array([[1.0, 3.0]]), lambda kept: kept @ [1.0, 3.0])
    array([[0., 3., 4.]])
    """
    places = _places(contributions)
    steps = range(places.shape[1] + 1)
    return np.stack([_scored(score, places < step) for step in steps], axis=1)


def deletion_auc(contributions: Array, score: Score) -> Array:
    r"""Return the area under each row's deletion curve over shares 0 to 1 of the concepts, (rows,), in score units.

    Low where the first concepts removed are those that matter (Petsiuk, Das & Saenko, 2018, RISE). The area of an order
    drawn at random is the yardstick: ``deletion_auc(rng.permuted(contributions, axis=1), score)``. Concepts removed
    together leave the model where it was never trained.

    >>> deletion_auc(np.array([[1.0, 3.0]]), lambda kept: kept @ [1.0, 3.0])
    array([1.5])
    """
    return _area(deletion_curve(contributions, score))


def insertion_auc(contributions: Array, score: Score) -> Array:
    """Return the area under each row's insertion curve, (rows,): high where the first concepts kept are enough.

    >>> insertion_auc(np.array([[1.0, 3.0]]), lambda kept: kept @ [1.0, 3.0])
    array([2.5])
    """
    return _area(insertion_curve(contributions, score))


def completeness_error(contributions: Array, outputs: Array) -> Array:
    r"""Return :math:`\max_k |\sum_i c_{nik} - f_{nk}|` of each row: what contributions leave unsaid, (rows,).

    Zero to rounding where explanations are complete (Sundararajan, Taly & Yan, 2017, Axiomatic attribution for deep
    networks). The constant concept is a concept: without it the error is the bias. Completeness is no proof: any
    numbers can be scaled to a sum.

    Args:
        contributions: (rows, concepts, classes) beside outputs (rows, classes), or without classes in both.
        outputs: Logits, or the gap between two of them.

    Raises:
        ValueError: Shapes do not fit together, or a number is not finite.

    >>> completeness_error(np.array([[1.0, 2.0]]), np.array([3.5]))
    array([0.5])
    """
    c, f = (
        some(side, name).astype(np.float64) for side, name in ((contributions, "contributions"), (outputs, "outputs"))
    )
    if c.ndim < 2 or c.shape[:1] + c.shape[2:] != f.shape:
        raise ValueError(f"contributions {c.shape} add up over axis 1, which does not give outputs {f.shape}")
    apart = np.abs(c.sum(axis=1) - f)
    return np.asarray(apart.reshape(len(f), -1).max(axis=1))


def infidelity(relevances: Array, concepts: Array, output: Callable[[Array], Array], moves: Array) -> Array:
    r"""Return :math:`mean_I (I^T \theta - (f(h) - f(h - I)))^2` of each row: do relevances foretell what moves do?

    Zero for a linear f with its own weights (Yeh et al., 2019, On the (in)fidelity and sensitivity of explanations). It
    is in squared units of the output and grows with the moves: compare explanations of one model under the same moves.

    Args:
        relevances: theta, (rows, concepts): the output's slope in each concept.
        concepts: h, (rows, concepts).
        output: f, from concepts (rows, concepts) to one number per row.
        moves: I, (draws, rows, concepts): noise, or ``concepts * mask`` for removals.

    Raises:
        ValueError: Shapes do not fit together, or a number is not finite.

    >>> theta, h = np.array([[1.0, 2.0]]), np.array([[3.0, 4.0]])
    >>> infidelity(theta, h, lambda h: h @ [1.0, 2.0], np.ones((1, 1, 2)))
    array([0.])
    """
    theta, h = table(relevances, "relevances", "concepts"), table(concepts, "concepts", "concepts")
    moves = some(moves, "moves")
    if theta.shape != h.shape or moves.ndim != 3 or moves.shape[1:] != h.shape:
        raise ValueError(f"relevances {theta.shape}, concepts {h.shape} and moves {moves.shape} do not fit together")
    start = _scored(output, h)
    errors = [(move * theta).sum(axis=1) - (start - _scored(output, h - move)) for move in moves]
    return np.asarray(np.square(errors).mean(axis=0))


def _places(contributions: Array) -> Array:
    """Return each concept's place in its row, 0 for the largest contribution."""
    order = np.argsort(-table(contributions, "contributions", "concepts"), axis=1, kind="stable")
    return np.argsort(order, axis=1, kind="stable")


def _scored(score: Score, argument: Array) -> Array:
    found = np.asarray(score(argument.copy()), dtype=np.float64)
    if found.shape != (len(argument),):
        raise ValueError(f"the score has shape {found.shape} for {len(argument)} rows; return one number per row")
    return finite(found, "scores")


def _area(curve: Array) -> Array:
    return np.asarray((curve[:, :-1] + curve[:, 1:]).mean(axis=1) / 2)
