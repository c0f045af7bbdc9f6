"""Classes that are sums of relevance times concept, as scikit-learn's classifier."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Self

from sklearn.utils import compute_class_weight

from isthmus.architecture import Architecture
from isthmus.atrow import labels_of
from isthmus.estimators.autoencoder import Autoencoder
from isthmus.estimators.counterfactuals import counterfactual
from isthmus.estimators.inputs import Array, gather, row_weights
from isthmus.estimators.interventions import Counterfactual
from isthmus.estimators.on_code import ClassifierOnCode
from isthmus.estimators.parameters import whole
from isthmus.estimators.self_explaining_base import SelfExplainingEstimator, named
from isthmus.training.callbacks import Callback
from isthmus.training.trainer import Trainer


class SelfExplainingClassifier(ClassifierOnCode, SelfExplainingEstimator):
    r"""f_c(x) = sum_i theta_ic(x) h_i(x): classes by concepts that an autoencoder finds and relevances of each row.

    Trained on -log softmax(f)_y + robustness ||J_f - theta^T J_h||_F^2 + fidelity (the autoencoder's objective), after
    Alvarez-Melis & Jaakkola (2018), "Towards robust interpretability with self-explaining neural networks", with the
    Jacobian taken of the logits. Concepts are the units of the code and one that is always 1, so that relevances that
    do not depend on the row are logistic regression on the concepts: training starts there, and large ``robustness``
    leads back to it.

    Args:
        autoencoder: what finds the concepts: a fitted one is copied, an unfitted one is cloned and fitted on X first;
            None is ``Autoencoder()``, with every column in its own standard deviations.
        relevances: architecture of the relevance network, of which the encoder is used; None is of the family of the
            autoencoder's.
        reads: what relevances see: the ``inputs``, or the ``code``, so that nothing passes by the concepts.
        robustness: the paper's lambda: weight of the squared norm per row, by values of X in their own units, or in
            standard deviations where columns are scaled one by one; by the code where relevances read the code.
        conciseness: weight of the sum of relevances' lengths (a group lasso): how strongly few concepts are to decide.
        fidelity: weight of the autoencoder's objective beside the cross-entropy.
        trainer: how everything is trained; None is Trainer().
        class_weight: ``balanced``, or weights by label; None counts rows as they are.
        frozen: leave the autoencoder as it is.
        random_state: seed of split, order and noise, and of an autoencoder that has none of its own.

    Attributes:
        classes_: the labels; autoencoder_: the autoencoder underneath; history_: every term of every epoch;
        target_name_: what y was called, None where it had no name.

    >>> import numpy as np
    >>> from sklearn.datasets import load_digits
    >>> from isthmus import Trainer
    >>> X, y = load_digits(return_X_y=True)
    >>> model = SelfExplainingClassifier(trainer=Trainer(epochs=10), random_state=0).fit(X / 16, y)
    >>> model.score(X / 16, y) > 0.9
    True
    >>> told = model.explain(X[:3] / 16)
    >>> bool(np.allclose(told.contributions.sum(1), told.logits, atol=1e-5))
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
        class_weight: str | Mapping[Any, float] | None = None,
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
        self.class_weight = class_weight
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
        """Train on rows and labels; ``held_out`` is a pair (X, y) that chooses the weights.

        Raises:
            ValueError: unusable data, or fewer than two classes.
        """
        with whole(self):
            X = gather(X)
            x = self._form(X).begin(self, X)
            labels = self._labels(y, x)
            self.target_name_ = named(y)
            weight = self._weights(sample_weight, labels, x)
            return self._fit_task(X, x, labels, weight, len(self.classes_), held_out=held_out, callbacks=callbacks)

    def counterfactual(self, X: Any, target: Any = None) -> Counterfactual:
        """Find the least change of concepts after which another class is predicted.

        Least is the sum of changes, each in standard deviations of its concept, none beyond the range that training
        rows have. With ``reads="inputs"`` it is exact, a linear programme; with ``reads="code"`` relevances change with
        the concepts, and it is the least of several searches.

        Args:
            X: rows.
            target: the class wanted, or one per row; None is the one that comes next.
        """
        return replace(counterfactual(self, self._checked(X), target), labels=labels_of(X))

    def _weights(self, sample_weight: Any, labels: Array, x: Array) -> Array | None:
        """Return weights of rows, by their class too."""
        weight = row_weights(sample_weight, x)
        if self.class_weight is None:
            return weight
        each = compute_class_weight(self.class_weight, classes=self.classes_, y=self.classes_[labels])
        return row_weights(each[labels] if weight is None else weight * each[labels], x)
