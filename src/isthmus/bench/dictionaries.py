"""Ways to find a dictionary: ours, and scikit-learn's. Each is a function of rows, units, a target L0 and a seed.

A code that no method makes sparse (PCA, FastICA, NMF) is cut to the target's number of largest entries per row, so that
all are compared at equal L0; lassos have the weight that meets the target.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np

from isthmus.bench.planted import Array


class Fitted(NamedTuple):
    """A dictionary: its atoms, (units, entries), and both directions between rows and codes."""

    atoms: Array
    encode: Callable[[Array], Array]
    decode: Callable[[Array], Array]


class NotPossible(ValueError):
    """A method cannot be used on such rows; the message says why."""


Method = Callable[[Array, int, int, int], Fitted]


def ours(by: str) -> Method:
    """Return the method that fits ``recipes.dictionary`` with default settings."""

    def method(X: Array, units: int, l0: int, seed: int) -> Fitted:
        from isthmus import recipes

        model = recipes.dictionary(units, l0=l0, by=by, random_state=seed).fit(X)
        # What one unit alone adds to a row, in the rows' own units: scaling and bias cancel.
        one, none = np.eye(units, dtype=np.float32), np.zeros((1, units), dtype=np.float32)
        atoms = model.inverse_transform(one) - model.inverse_transform(none)
        return Fitted(atoms, model.transform, model.inverse_transform)

    return method


def lasso(X: Array, units: int, l0: int, seed: int) -> Fitted:
    """Fit MiniBatchDictionaryLearning (Mairal et al., 2009) with codes from 0 up, at the weight that meets the target.

    The weight is found on 1,000 rows, and once the dictionary is fitted, that of the codes anew; the time of the fit
    holds both searches.
    """
    from sklearn.decomposition import MiniBatchDictionaryLearning, SparseCoder

    def fit(alpha: float, rows: Array) -> Any:
        return MiniBatchDictionaryLearning(
            units, alpha=alpha, fit_algorithm="cd", positive_code=True, transform_algorithm="lasso_cd",
            batch_size=256, max_iter=10, random_state=seed,
        ).fit(rows)  # fmt: skip

    few, scale = X[:1_000], float(np.linalg.norm(X, axis=1).mean())
    alpha = met(lambda weight: active(fit(weight, few).transform(few[:500])), l0, scale)
    atoms = fit(alpha, X).components_

    def coder(weight: float) -> Any:
        return SparseCoder(atoms, transform_algorithm="lasso_cd", transform_alpha=weight, positive_code=True)

    code = coder(met(lambda weight: active(coder(weight).transform(few)), l0, scale))
    return Fitted(atoms, code.transform, lambda h: h @ atoms)


def nmf(X: Array, units: int, l0: int, seed: int) -> Fitted:
    """Fit non-negative matrix factorisation (Lee & Seung, 1999).

    Raises:
        NotPossible: The rows have negative numbers.
    """
    from sklearn.decomposition import MiniBatchNMF

    if X.min() < 0:
        raise NotPossible("rows have negative numbers")
    model = MiniBatchNMF(units, init="random", random_state=seed).fit(X)
    return Fitted(model.components_, lambda rows: largest(model.transform(rows), l0), lambda h: h @ model.components_)


def ica(X: Array, units: int, l0: int, seed: int) -> Fitted:
    """Fit FastICA (Hyvarinen & Oja, 2000), with no more units than dimensions in which rows vary."""
    from sklearn.decomposition import PCA, FastICA

    # It divides by the deviations along all principal axes, and those of pixels that are always black are rounding.
    rank = int(np.linalg.matrix_rank(X[:4_000] - X[:4_000].mean(axis=0)))
    axes = PCA(rank, random_state=seed).fit(X.astype(np.float64))
    model = FastICA(min(units, rank), whiten="unit-variance", random_state=seed).fit(axes.transform(X))

    def decode(codes: Array) -> Array:
        return np.asarray(axes.inverse_transform(model.inverse_transform(codes)))

    atoms = model.mixing_.T @ axes.components_
    return Fitted(atoms, lambda rows: largest(model.transform(axes.transform(rows)), l0), decode)


def pca(X: Array, units: int, l0: int, seed: int) -> Fitted:
    """Fit principal components, with no more units than entries."""
    from sklearn.decomposition import PCA

    model = PCA(min(units, X.shape[1]), random_state=seed).fit(X)
    return Fitted(model.components_, lambda rows: largest(model.transform(rows), l0), model.inverse_transform)


METHODS: dict[str, Method] = {
    "top-k": ours("top_k"),
    "batch top-k": ours("batch_top_k"),
    "Matryoshka": ours("matryoshka"),
    "JumpReLU": ours("jump_relu"),
    "gated": ours("gated"),
    "L1": ours("l1"),
    "annealed Lp": ours("lp"),
    "MiniBatchDictionaryLearning": lasso,
    "NMF": nmf,
    "FastICA": ica,
    "PCA": pca,
}


def largest(codes: Array, k: int) -> Array:
    """Return codes with the k entries of each row that are farthest from zero, and zeros elsewhere.

    >>> largest(np.array([[1.0, -3.0, 2.0]]), 2)
    array([[ 0., -3.,  2.]])
    """
    if k >= codes.shape[1]:
        return codes
    kept = np.argpartition(-np.abs(codes), k - 1, axis=1)[:, :k]
    found = np.zeros_like(codes)
    np.put_along_axis(found, kept, np.take_along_axis(codes, kept, axis=1), axis=1)
    return found


def active(codes: Array) -> float:
    """Return the mean number of entries of a row that are not zero."""
    return float(np.count_nonzero(codes) / len(codes))


def met(measured: Callable[[float], float], target: float, scale: float, steps: int = 9) -> float:
    """Return the weight, 1e-4 to 10 times ``scale``, at which a falling count meets its target: halving in logarithms.

    >>> round(met(lambda weight: 10 / weight, 5, 1.0, steps=30), 3)
    2.0
    """
    low, high = np.log(1e-4 * scale), np.log(10 * scale)
    for _ in range(steps):
        middle = (low + high) / 2
        low, high = (middle, high) if measured(float(np.exp(middle))) > target else (low, middle)
    return float(np.exp((low + high) / 2))


@contextmanager
def unfinished() -> Iterator[None]:
    """Let solvers stop at their limit of steps without a word: these limits are part of the set-up."""
    from sklearn.exceptions import ConvergenceWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        yield
