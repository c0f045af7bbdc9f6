"""Rows whose concepts are known: superposed features, parents with children, chords. All drawn from one seed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class Known:
    """Rows to fit and to measure on, and what they are made of.

    Attributes:
        X: Rows to fit, (rows, entries), float32.
        held_out: Rows to measure on.
        units: How many units a dictionary gets.
        l0: How many features are present in a row, on average.
        atoms: The true features, (features, entries); none where nobody knows them.
        present: How much of each feature is in the rows held out, (rows, features).
        parents: Features without which others cannot be present.
        complete: The features make up the whole of a row, and not only a part of it.
        factors: Levels of factors of the rows held out, (rows, factors).
        categorical: The factors whose levels have no order.
    """

    X: Array
    held_out: Array
    units: int
    l0: float
    atoms: Array | None = None
    present: Array | None = None
    parents: tuple[int, ...] = ()
    complete: bool = True
    factors: Array | None = None
    categorical: tuple[int, ...] = ()


def directions(count: int, entries: int, rng: np.random.Generator) -> Array:
    """Return directions drawn evenly from the sphere, (count, entries), each of length one."""
    drawn = rng.normal(size=(count, entries))
    return np.asarray(drawn / np.linalg.norm(drawn, axis=1, keepdims=True))


def amounts(present: Array, rng: np.random.Generator) -> Array:
    """Return how much of each feature there is where it is present: sizes of normal draws, mean 1, deviation 0.25."""
    return np.asarray(present * np.abs(rng.normal(1.0, 0.25, present.shape)))


def superposition(
    seed: int,
    *,
    features: int = 128,
    entries: int = 32,
    l0: float = 4.0,
    zipf: float = 0.5,
    children: int = 0,
    correlation: float = 0.0,
    rows: tuple[int, int] = (20_000, 4_000),
) -> Known:
    """Return sums of sparse features that outnumber the entries, so that no two of them are quite orthogonal.

    After Elhage et al. (2022), Toy models of superposition, with the hierarchy and correlation of Chanin &
    Garriga-Alonso (2026), SynthSAEBench.

    Args:
        seed: Decides everything.
        features: How many true features.
        entries: Numbers of a row.
        l0: How many features are present in a row, on average.
        zipf: Rates fall as rank to minus this power; 0 for equal rates.
        children: How many features hang on each parent; at most one of them is present, and only with its parent.
        correlation: The share of variance that one common cause has in each feature's Gaussian copula.
        rows: How many to fit and to hold out.

    Raises:
        ValueError: Some feature would have to be present in more than every row.
    """
    rng = np.random.default_rng(seed)
    atoms = directions(features, entries, rng)
    # A family is a parent and its children, which are present in three quarters of its rows; alone, it is one feature.
    families = features // (children + 1)
    rates = np.arange(1, families + 1.0) ** -zipf
    rates *= l0 / ((1.75 if children else 1.0) * rates.sum())
    if rates[0] > 1:
        raise ValueError(f"l0={l0} with zipf={zipf} asks for a rate of {rates[0]:.2f}; lower one of them")
    there = np.zeros((sum(rows), features), dtype=bool)
    there[:, :families] = _together(sum(rows), rates, correlation, rng)
    if children:
        chosen = families + rng.integers(children, size=(sum(rows), families)) * families + np.arange(families)
        born = there[:, :families] & (rng.random((sum(rows), families)) < 0.75)
        np.put_along_axis(there, chosen, born, axis=1)
    parents = tuple(range(families)) if children else ()
    return _known(amounts(there, rng), atoms, rows[0], parents=parents)


def pairs(seed: int, *, count: int = 16, entries: int = 48, rows: tuple[int, int] = (20_000, 4_000)) -> Known:
    """Return parents in a tenth of the rows, each with one child in four tenths of its own; all atoms are orthogonal.

    Reconstruction is as good, and sparser, where the child's unit speaks for its parent too: absorption (Chanin et al.,
    2024, A is for absorption).
    """
    rng = np.random.default_rng(seed)
    atoms = np.linalg.qr(rng.normal(size=(entries, entries)))[0][: 2 * count]
    parent = rng.random((sum(rows), count)) < 0.1
    child = parent & (rng.random(parent.shape) < 0.4)
    return _known(amounts(np.hstack([parent, child]), rng), atoms, rows[0], parents=tuple(range(count)))


CHORDS = ((0,), (0, 12), (0, 7), (0, 4, 7), (0, 3, 7), (0, 4, 7, 10))


def chords(seed: int, *, bands: int = 128, rows: tuple[int, int] = (20_000, 4_000)) -> Known:
    """Return frames of sound, (rows, bands), in which one to four of a piano's 88 notes sound together.

    A note has eight partials, the n-th as loud as 1/n, on bands that are even in the logarithm of frequency from 27 to
    8,000 Hz; a frame is log(1 + loudness), so that notes add up only nearly. Notes come in intervals, triads and
    sevenths, so that partials of one fall on those of another.
    """
    rng = np.random.default_rng(seed)
    chosen, root = rng.integers(len(CHORDS), size=sum(rows)), rng.integers(76, size=sum(rows))
    there = np.zeros((sum(rows), 88), dtype=bool)
    for kind, steps in enumerate(CHORDS):
        of_kind = np.flatnonzero(chosen == kind)
        there[of_kind[:, None], root[of_kind, None] + np.array(steps)] = True
    frequency = 27.5 * 2 ** (np.arange(88) / 12)
    centres = np.linspace(np.log(27.0), np.log(8_000.0), bands)
    partials = np.log(frequency[:, None] * np.arange(1, 9))
    heard = np.exp(-0.5 * np.square((centres - partials[:, :, None]) / (0.7 * (centres[1] - centres[0]))))
    loudness = (heard / np.arange(1, 9)[:, None]).sum(axis=1)
    amount = amounts(there, rng)
    sound = np.log1p(amount @ loudness)
    return _parts(sound, np.log1p(loudness), amount, rows[0])


def _together(rows: int, rates: Array, correlation: float, rng: np.random.Generator) -> Array:
    """Return who is present, (rows, len(rates)): at these rates, and with one common cause where there is one."""
    from scipy.special import ndtri

    common = rng.normal(size=(rows, 1)) * rng.choice([-1.0, 1.0], size=len(rates))
    own = rng.normal(size=(rows, len(rates)))
    return np.asarray(np.sqrt(correlation) * common + np.sqrt(1 - correlation) * own > -ndtri(rates))


def _known(amount: Array, atoms: Array, fitted: int, parents: tuple[int, ...]) -> Known:
    return _parts(amount @ atoms, atoms, amount, fitted, parents)


def _parts(X: Array, atoms: Array, amount: Array, fitted: int, parents: tuple[int, ...] = ()) -> Known:
    l0 = float((amount[:fitted] > 0).sum(axis=1).mean())
    rows = X.astype(np.float32)
    return Known(rows[:fitted], rows[fitted:], len(atoms), l0, atoms, amount[fitted:], parents)
