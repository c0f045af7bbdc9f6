"""Targets that are sums of relevance times concept, as scikit-learn's regressor."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
import torch
from sklearn.base import RegressorMixin
from sklearn.utils.validation import _check_y, check_consistent_length

from isthmus import export
from isthmus.architecture import Architecture
from isthmus.estimators.autoencoder import Autoencoder
from isthmus.estimators.inputs import Array, gather, row_weights
from isthmus.estimators.parameters import whole
from isthmus.estimators.self_explaining_base import SelfExplainingEstimator, named
from isthmus.records import Rows
from isthmus.training.callbacks import Callback
from isthmus.training.trainer import Trainer


class SelfExplainingRegressor(RegressorMixin, SelfExplainingEstimator):
    r"""f_c(x) = sum_i theta_ic(x) h_i(x): targets by concepts that an autoencoder finds and relevances of each row.

    As :class:`SelfExplainingClassifier`, trained on 1/2 ||f - y||^2 in standard deviations of the targets.
    Contributions are in the targets' units, and the constant concept has their mean.

    >>> from sklearn.datasets import load_diabetes
    >>> from isthmus import Autoencoder, Trainer
    >>> X, y = load_diabetes(return_X_y=True)
    >>> concepts = Autoencoder(5, scaling="standard", random_state=0)
    >>> model = SelfExplainingRegressor(concepts, trainer=Trainer(epochs=30), random_state=0).fit(X, y)
    >>> model.score(X, y) > 0.4
    True
    """

    def __init__(
        self,
        autoencoder: Autoencoder | None = None,
        *,
        relevances: Architecture | None = None,
        reads: str = "inputs",
        robustness: float = 0.1,
        conciseness: float = 0.0,
        fidelity: float = 0.1,
        trainer: Trainer | None = None,
        frozen: bool = False,
        random_state: Any = None,
    ) -> None:
        """Keep the parameters as they are."""
        self.autoencoder = autoencoder
        self.relevances = relevances
        self.reads = reads
        self.robustness = robustness
        self.conciseness = conciseness
        self.fidelity = fidelity
        self.trainer = trainer
        self.frozen = frozen
        self.random_state = random_state

    def fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        *,
        held_out: Any = None,
        callbacks: Sequence[Callback] = (),
    ) -> Self:
        """Train on rows and targets, (rows,) or (rows, targets); ``held_out``, a pair (X, y), chooses the weights.

        Raises:
            ValueError: unusable data.
        """
        with whole(self):
            X = gather(X)
            x = self._form(X).begin(self, X)
            targets = self._targets(y, x)
            self.target_name_ = named(y)
            weight = row_weights(sample_weight, x)
            self.target_mean_ = np.average(targets, axis=0, weights=weight)
            spread = np.sqrt(np.average(np.square(targets - self.target_mean_), axis=0, weights=weight))
            self.target_scale_ = np.where(spread > 0, spread, 1.0)
            y = self._scaled(targets)
            return self._fit_task(X, x, y, weight, y.shape[1], held_out=held_out, callbacks=callbacks)

    def _targets(self, y: Any, x: Array) -> Array:
        if y is None:
            raise ValueError(f"{type(self).__name__} requires y to be passed, but the target y is None")
        y = gather(y)
        try:
            y = _check_y(y, multi_output=True, y_numeric=True, estimator=self).astype(np.float64)
        except ValueError as error:
            if "could not convert" not in str(error):
                raise
            remedy = "give targets as numbers, or use SelfExplainingClassifier"
            raise ValueError(f"y holds what is no number ({error}); {remedy}") from None
        check_consistent_length(x, y)
        self._flat = y.ndim == 1
        return np.asarray(y.reshape(len(y), -1))

    def _scaled(self, targets: Array) -> Array:
        return np.asarray((targets - self.target_mean_) / self.target_scale_)

    def _held_out(self, pair: Any) -> Rows:
        x, y = self._pair(pair, "targets")
        return self._rows(x, self._scaled(np.asarray(y, dtype=np.float64).reshape(len(x), -1)))

    def _in_units(self, relevances: Array) -> Array:
        """Return relevances in the units of the targets; the constant concept carries their mean."""
        # In float64, as predictions are: a mean far from zero has no digits to spare.
        relevances = relevances * self.target_scale_
        relevances[:, -1] += self.target_mean_
        return relevances

    def _units_of_outputs(self) -> export.Units:
        return export.Units(torch.from_numpy(self.target_mean_), torch.from_numpy(self.target_scale_))

    def __sklearn_tags__(self) -> Any:
        """Say that there may be several targets."""
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags

    def predict(self, X: Any) -> Array:
        """Return the expected targets, shaped as y was."""
        found = self._predicted(X)
        return found[:, 0] if self._flat else found

    def _predicted(self, X: Any) -> Array:
        """Return targets, (rows, targets)."""
        return np.asarray(self._logits(X) * self.target_scale_ + self.target_mean_)
