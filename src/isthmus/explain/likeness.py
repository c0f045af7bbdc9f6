"""Concepts beside others: of the same code, and of other fits."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from isthmus.explain.activity import Activity, Array
from isthmus.measures import correlation
from isthmus.measures.dictionaries import unit_length

WRITES, SPEAKS = 0.95, 0.9


def cosines(a: Array, b: Array) -> Array:
    """Return the cosine of every row of ``a`` with every row of ``b``; 0 with rows of zeros."""
    made: Array = (unit_length(a) @ unit_length(b).T).clip(-1, 1)
    return made


def correlations(a: Array, b: Array) -> Array:
    """Return Pearson's correlation of every column of ``a`` with every column of ``b``; 0 with constants."""
    width = a.shape[1]
    found = correlation(np.concatenate([a, b], axis=1))
    across: Array = found[:width, width:]
    return across


def duplicates(cosine: Array, correlated: Array) -> Array:
    """Return for every unit an earlier one that it repeats, -1 where there is none, (units,).

    A unit repeats another where it writes the same (absolute cosine of 0.95 or more) and speaks in the same rows
    (absolute correlation of 0.9 or more). Of two units that only write the same and never speak together, each is a
    part of one concept.
    """
    same = np.tril((np.abs(cosine) >= WRITES) & (np.abs(correlated) >= SPEAKS), -1)
    return np.where(same.any(axis=1), same.argmax(axis=1), -1)


def nearest(cosine: Array, unit: int, count: int) -> Array:
    """Return the units whose atoms are most like a unit's, by absolute cosine."""
    order = np.argsort(-np.abs(cosine[unit]), kind="stable")
    others: Array = order[order != unit]
    return others[:count]


@dataclass(frozen=True, eq=False)
class Stability:
    """How each unit is found again in other fits, means over them.

    Attributes:
        cosine: absolute cosine of the atoms of matched units, (units,); 0 for a unit that found no partner.
        correlation: absolute correlation of what they say in the same rows, (units,).
        fits: how many others.
    """

    cosine: Array
    correlation: Array
    fits: int


def stability(directions: Array, found: Activity, others: list[tuple[Array, Activity]]) -> Stability | None:
    """Match units with those of other fits one to one, and compare them.

    Matched are those with the largest sum of absolute cosines of atoms. The matching is the Hungarian one (Kuhn, 1955).
    """
    from scipy.optimize import linear_sum_assignment

    if not others:
        return None
    cosine, correlated = np.zeros((2, len(others), len(directions)))
    for k, (atoms, other) in enumerate(others):
        likeness = np.abs(cosines(directions, atoms))
        mine, theirs = linear_sum_assignment(-likeness)
        cosine[k, mine] = likeness[mine, theirs]
        correlated[k, mine] = np.abs(correlations(found.values, other.values))[mine, theirs]
    return Stability(cosine.mean(axis=0), correlated.mean(axis=0), len(others))
