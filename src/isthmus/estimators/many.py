"""Several estimators fitted at once: seeds, grid points, folds and ensembles."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from sklearn.base import clone

from isthmus.estimators.autoencoder import Autoencoder
from isthmus.estimators.beginning import begin_fit
from isthmus.estimators.inputs import Array, rows_at
from isthmus.estimators.parameters import whole
from isthmus.records import Rows, Source
from isthmus.training.callbacks import Progress
from isthmus.training.threads import threads_for
from isthmus.training.trainer import Trainer


@dataclass
class Begun:
    """A model that was built, with the rows that it is trained on, also in their own units with their weights."""

    model: Autoencoder
    rows: Source
    x: Array
    weight: Array | None


def fit_many(
    estimators: Sequence[Autoencoder],
    X: Any,
    y: Any = None,
    sample_weight: Any = None,
    *,
    subsets: Sequence[Any] | None = None,
) -> list[Autoencoder]:
    """Fit every estimator on the rows of X, each as by its own ``fit``, those of one structure at once.

    Estimators may differ in anything. Those whose networks, bottleneck, likelihood and trainer are the same, and whose
    numbers of rows are, take their steps together, whatever their seeds, their penalties' weights and, for the most
    part, their corruptions. Weights agree with those of a fit alone up to rounding.

    Args:
        estimators: models, which are fitted in place.
        X: rows, as in ``Autoencoder.fit``.
        y: ignored.
        sample_weight: a weight per row; rows of weight zero are left out.
        subsets: for each estimator the numbers of the rows that it is fitted on, such as folds or the draws of a
            bootstrap; None fits each one on all rows.

    Raises:
        ValueError: what a fit of one of them would raise, and then none is fitted; an estimator that is named twice.

    >>> from sklearn.datasets import load_digits
    >>> from isthmus.parts import L1, Dense
    >>> X = load_digits().data[:500]
    >>> sparser = [
    ...     Autoencoder(8, architecture=Dense((32,)), penalties=L1(w), trainer=Trainer(epochs=3), random_state=0)
    ...     for w in (0.0, 1.0)
    ... ]
    >>> a, b = fit_many(sparser, X)
    >>> bool(abs(a.transform(X)).mean() > abs(b.transform(X)).mean())
    True
    """
    estimators = list(estimators)
    # What is made of a subset is found again by its identity, which rows of an array have only while they are kept.
    subsets = None if subsets is None else list(subsets)
    _refuse_unusable(estimators, subsets)
    with ExitStack() as stack:
        for estimator in estimators:
            stack.enter_context(whole(estimator))
        begun = _begun(estimators, X, sample_weight, subsets)
        for trainer in _distinct([fit.model.trainer_ for fit in begun]):
            _fit(trainer, [fit for fit in begun if fit.model.trainer_ == trainer])
    return estimators


def cross_val_scores(estimators: Sequence[Autoencoder], X: Any, *, cv: Any = 5, sample_weight: Any = None) -> Array:
    """Return the scores of every estimator on rows that it has not seen, (estimators, folds), all fits at once.

    A row is what ``sklearn.model_selection.cross_val_score`` returns for the estimator, up to rounding: copies are
    fitted, and a score is the mean log-likelihood of the fold that was left out.

    Args:
        estimators: models that are not fitted; grid points are ``[clone(model).set_params(**p) for p in grid]``.
        X: rows.
        cv: number of folds, or one of scikit-learn's splitters.
        sample_weight: a weight per row, in the fits.

    >>> from sklearn.datasets import load_digits
    >>> from isthmus.parts import Dense
    >>> X = load_digits().data[:300]
    >>> trainer = Trainer(epochs=5)
    >>> grid = [Autoencoder(k, architecture=Dense(()), trainer=trainer, random_state=0) for k in (2, 16)]
    >>> few, many = cross_val_scores(grid, X, cv=3)
    >>> bool((many > few).all())
    True
    """
    from sklearn.model_selection import check_cv  # a tenth of a second that other imports need not wait for

    folds = list(check_cv(cv).split(X))
    copies = [[clone(estimator) for _ in folds] for estimator in estimators]
    flat = [copy for row in copies for copy in row]
    fit_many(flat, X, sample_weight=sample_weight, subsets=[train for _ in copies for train, _ in folds])
    held = [rows_at(X, test) for _, test in folds]
    return np.array([[copy.score(rows) for copy, rows in zip(row, held, strict=True)] for row in copies])


def _refuse_unusable(estimators: Sequence[Any], subsets: Sequence[Any] | None) -> None:
    for estimator in estimators:
        if not isinstance(estimator, Autoencoder):
            raise ValueError(f"fit_many fits Autoencoders, and {estimator!r} is none; give it to its own fit")
    if len({id(estimator) for estimator in estimators}) < len(estimators):
        raise ValueError("one estimator is named twice, and can be fitted once; use sklearn.base.clone")
    if subsets is not None and len(subsets) != len(estimators):
        raise ValueError(f"there are {len(subsets)} subsets for {len(estimators)} estimators; give one for each")


def _begun(estimators: Sequence[Autoencoder], X: Any, sample_weight: Any, subsets: Sequence[Any] | None) -> list[Begun]:
    """Build every model; those that see the same rows in the same units share them."""
    begun: list[Begun] = []
    known: dict[Any, Source] = {}
    cut: dict[int, tuple[Any, Any]] = {}
    for i, model in enumerate(estimators):
        chosen = None if subsets is None else subsets[i]
        if id(chosen) not in cut:
            cut[id(chosen)] = _cut(X, sample_weight, chosen)
        rows, x, weight = begin_fit(model, *cut[id(chosen)])
        if isinstance(rows, Rows):
            scaling = model.scaling_
            units = scaling.mode, scaling.centre.tobytes(), scaling.factor.tobytes()
            rows = known.setdefault(
                (id(chosen), repr(model.schema), *units, rows.x.dtype, tuple(rows.x.shape)), replace(rows, own=False)
            )
        begun.append(Begun(model, rows, x, weight))
    return begun


def _cut(X: Any, sample_weight: Any, chosen: Any) -> tuple[Any, Any]:
    if chosen is None:
        return X, sample_weight
    weight = None if sample_weight is None else np.asarray(sample_weight)[chosen]
    return rows_at(X, chosen), weight


def _distinct(trainers: Sequence[Trainer]) -> list[Trainer]:
    found: list[Trainer] = []
    for trainer in trainers:
        if trainer not in found:
            found.append(trainer)
    return found


def _fit(trainer: Trainer, begun: Sequence[Begun]) -> None:
    """Train models that share a trainer, and let each look back."""
    callback = Progress() if any(fit.model.verbose for fit in begun) else None
    tasks, noises = [fit.model.objective_ for fit in begun], [fit.model._noise for fit in begun]
    loops = trainer.fit_many(tasks, [fit.rows for fit in begun], noises, callback=callback)
    for fit, loop in zip(begun, loops, strict=True):
        with threads_for(len(fit.rows) * sum(p.numel() for p in fit.model.objective_.parameters())):
            fit.model._ended(loop, fit.x, fit.weight)
