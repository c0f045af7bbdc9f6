"""Absorption: a unit stays silent where its concept is present, because more special units speak for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from isthmus.measures.checks import alike, one_vs_rest, table
from isthmus.measures.dictionaries import unit_length
from isthmus.measures.reconstruction import Array


@dataclass(frozen=True, eq=False)
class Absorption:
    """How much of each concept is absorbed, each (concepts,).

    Attributes:
        rates: The share of the concept's rows in which its main units are silent and absorbers speak for it; NaN where
            the concept's direction shows in no row.
        fractions: The mean over these rows of the absorbers' share of what units say along the direction.
        main: The main units, (concepts, main).
    """

    rates: Array
    fractions: Array
    main: Array


def absorption(
    codes: Array,
    atoms: Array,
    X: Array,
    labels: Any,
    *,
    directions: Array | None = None,
    main: int = 1,
    cosine: float = 0.1,
    share: float = 0.4,
    absorbers: int = 3,
) -> Absorption:
    r"""Return how often each concept is absorbed by units other than its own.

    A concept has a direction w (of unit length) and main units, those whose atoms have the largest :math:`\cos(d, w)`.
    In a row that has the concept, and where :math:`w^T x > 0`, it is absorbed if every main unit is zero while the at
    most three largest contributions :math:`h_j w^T d_j` of others with :math:`\cos(d_j, w) \ge 0.1` add up to 40 % of
    :math:`w^T x` (after Chanin et al., 2024, A is for absorption, with the thresholds of SAEBench, Karvonen et al.,
    2025; these find main units by sparse probes, which confuse parent and child where both are frequent).

    Args:
        codes: (rows, units).
        atoms: (units, entries).
        X: The rows, (rows, entries), less the decoder's bias.
        labels: One per row, or (rows, concepts) truth values.
        directions: (concepts, entries); by default the weights of a logistic regression of each concept on X.
        main: How many units are a concept's own.
        cosine: The least cosine of an absorber.
        share: The least share of the projection that absorbers carry.
        absorbers: How many units may absorb together.

    Raises:
        ValueError: Shapes do not fit together, there are no units beside the main ones, or no unit may absorb.

    >>> atoms = np.array([[1.0, 0.0], [0.7, 0.7]])  # the second says parent and child at once
    >>> X = np.array([[1.0, 0.0], [1.0, 1.0], [0.0, 0.0]])
    >>> codes, parent = np.array([[1.0, 0.0], [0.0, 1.4], [0.0, 0.0]]), np.array([[True], [True], [False]])
    >>> absorption(codes, atoms, X, parent, directions=np.eye(2)[:1]).rates
    array([0.5])
    """
    h, d, rows = table(codes, "codes"), table(atoms, "atoms", "entries"), table(X, "X", "entries")
    if h.shape[1] != len(d) or d.shape[1] != rows.shape[1]:
        raise ValueError(f"{h.shape[1]} units, atoms {d.shape} and rows {rows.shape} do not fit together")
    alike(h, rows, "codes and X")
    if not 1 <= main < len(d):
        raise ValueError(f"main={main} of {len(d)} units leaves none to absorb; give 1 to {len(d) - 1}")
    if absorbers < 1:
        raise ValueError(f"absorbers={absorbers} lets no unit absorb; give a whole number from 1 up")
    _, member = one_vs_rest(labels, len(rows))
    w = unit_length(table(_probes(rows, member) if directions is None else directions, "directions", "entries"))
    if w.shape != (member.shape[1], rows.shape[1]):
        raise ValueError(f"directions of shape {w.shape} are not one of {rows.shape[1]} entries per concept")
    alike_w = unit_length(d) @ w.T
    own = np.argsort(-alike_w, axis=0, kind="stable")[:main].T
    found = []
    for c, units in enumerate(own):
        with_it = member[:, c] & (rows @ w[c] > 0)
        others = alike_w[:, c] >= cosine
        others[units] = False
        said = h[with_it] * (d @ w[c])
        found.append(_of_one(said, h[with_it][:, units], units, others, rows[with_it] @ w[c], share, absorbers))
    rates, fractions = np.array(found).T
    return Absorption(rates, fractions, own)


def _of_one(
    said: Array, own: Array, units: Array, others: Array, whole: Array, share: float, absorbers: int
) -> tuple[float, float]:
    """Return rate and fraction of one concept from what each unit says along its direction, (rows, units)."""
    if not len(said):
        return float("nan"), float("nan")
    candidates = np.sort(said[:, others].clip(0), axis=1)[:, -absorbers:].sum(axis=1)
    mine = said[:, units].sum(axis=1).clip(0)
    # A main unit that says it all leaves nothing to absorb, whatever others add.
    part = np.where(mine < whole, candidates / np.maximum(candidates + mine, 1e-300), 0.0)
    absorbed = (own == 0).all(axis=1) & (candidates >= share * whole)
    return float(absorbed.mean()), float(part.mean())


def _probes(rows: Array, member: Array) -> Array:
    from sklearn.linear_model import LogisticRegression

    probe = LogisticRegression(class_weight="balanced", max_iter=1000)
    return np.stack([probe.fit(rows, y).coef_[0] for y in member.T])
