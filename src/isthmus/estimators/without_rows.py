"""A copy of a fitted estimator that holds no rows of its fit, and no codes from which some could be decoded."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np

from isthmus.estimators.generation import new_codes
from isthmus.estimators.inputs import Array
from isthmus.estimators.past import Past, TrainingRows
from isthmus.estimators.reference import References

DRAW = 9


def without_rows(model: Any) -> Any:
    """Return a copy of a fitted estimator that answers as it does, but for what names or shows rows of its fit.

    A detector forgets the rows that it compares with (``neighbours`` are then empty). Codes of training rows, which
    decode to what is nearly a row, are replaced: those of an autoencoder by draws from their density, which is all that
    ``sample`` asks of them, and the concepts of a self-explaining model by such of the same values, unit by unit, in
    another order for each, so that ranges stay and prototypes go. Quantiles of columns, which are values of rows, go
    too: a :class:`isthmus.Monitor` then watches scores alone, or compares with other rows.

    >>> from isthmus import AnomalyDetector, Trainer
    >>> X = np.random.default_rng(0).normal(size=(60, 3))
    >>> detector = AnomalyDetector(members=1, trainer=Trainer(epochs=1), random_state=0).fit(X)
    >>> without_rows(detector).explain(X[:2]).neighbours.shape
    (2, 0)
    """
    found = copy.copy(model)
    if hasattr(model, "members_"):
        found.known_, found.known_rows_ = model.known_[:0], model.known_rows_[:0]
        found._references = References(score=model.references.score)
    elif hasattr(model, "autoencoder_"):
        found.autoencoder_ = of_autoencoder(model.autoencoder_)
        found.known_, found.known_concepts_ = model.known_[:0], shuffled(model)
    else:
        found = of_autoencoder(model)
    return found


def shuffled(model: Any) -> Array:
    """Return concepts like those that a model remembers: each in an order of its own; of one, a whole code, draws."""
    known, noise = model.known_concepts_, model.autoencoder_._noise.branch(DRAW)
    if known.shape[1] > 1:
        found: Array = np.random.default_rng(noise.seed % 2**31).permuted(known, axis=0)
        return found
    codes: Array = new_codes(model.autoencoder_, len(known), noise).reshape(known.shape).astype(known.dtype)
    return codes


def of_autoencoder(model: Any) -> Any:
    """Return a copy of an autoencoder whose sample of codes is drawn from the density of codes."""
    found, past, noise = copy.copy(model), model.past, model._noise.branch(DRAW)
    codes = new_codes(model, len(past.codes), noise).reshape(past.codes.shape).astype(np.float32)
    found._seen = TrainingRows(model._n_features_out, noise, Past(past.baseline, codes))
    found._references = References(score=model.references.score)
    found.__dict__.pop("_density", None)
    return found
