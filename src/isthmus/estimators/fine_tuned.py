"""A classifier that starts from an autoencoder."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

from isthmus.corruption import Clean, Corruption
from isthmus.estimators.assembly import part_of
from isthmus.estimators.autoencoder import Autoencoder
from isthmus.estimators.exporting_on_code import ExportedOnCode
from isthmus.estimators.inputs import gather
from isthmus.estimators.on_code import ClassifierOnCode, refuse_no_switch, refuse_weight
from isthmus.estimators.parameters import whole
from isthmus.estimators.reference import of_autoencoder
from isthmus.training.callbacks import Callback
from isthmus.training.supervised import FineTuning
from isthmus.training.trainer import Trainer

FINE = 8


class FineTunedClassifier(ExportedOnCode, ClassifierOnCode):
    """-log softmax(W h(x) + b)_y, trained through the encoder of an autoencoder (Vincent et al., 2010).

    Args:
        autoencoder: where the encoder comes from: a fitted one is copied as it is, an unfitted one is cloned and fitted
            on X first; None is ``Autoencoder()``. ``Trainer(epochs=0)`` in it gives the same net without pretraining.
            Cross-validation clones its estimators, which forgets fits: give it ``FrozenEstimator(fitted)`` of
            scikit-learn, or an unfitted one.
        trainer: how the classifier and the encoder are trained; None is ``Trainer()``.
        corruption: how inputs are damaged while fine-tuning; None is Clean().
        l2: weight of 1/2 ||W||^2 over the encoder's weights and the classifier's.
        frozen: leave the encoder as it is and fit the classifier only.
        random_state: seed of split, order and noise, and of an autoencoder that has none of its own.

    Attributes:
        classes_: the labels; autoencoder_: the autoencoder underneath; history_: terms and error rate of every epoch.

    >>> from sklearn.datasets import load_digits
    >>> from isthmus import Trainer, recipes
    >>> X, y = load_digits(return_X_y=True)
    >>> start = recipes.denoising(16, trainer=Trainer(epochs=2), random_state=0)
    >>> FineTunedClassifier(start, trainer=Trainer(epochs=5), random_state=0).fit(X, y).score(X, y) > 0.8
    True
    """

    def __init__(
        self,
        autoencoder: Autoencoder | None = None,
        *,
        trainer: Trainer | None = None,
        corruption: Corruption | None = None,
        l2: float = 0.0,
        frozen: bool = False,
        random_state: Any = None,
    ) -> None:
        """Keep the parameters as they are."""
        self.autoencoder = autoencoder
        self.trainer = trainer
        self.corruption = corruption
        self.l2 = l2
        self.frozen = frozen
        self.random_state = random_state

    def fit(self, X: Any, y: Any, *, held_out: Any = None, callbacks: Sequence[Callback] = ()) -> Self:
        """Train on rows and labels; ``held_out`` is a pair (X, y) that chooses the weights.

        Raises:
            ValueError: unusable data, or fewer than two classes.
        """
        with whole(self):
            return self._fit(gather(X), y, held_out, callbacks)

    def _fit(self, X: Any, y: Any, held_out: Any, callbacks: Sequence[Callback]) -> Self:
        l2, frozen = refuse_weight(self.l2, "l2"), refuse_no_switch(self.frozen, "frozen")
        x = self._form(X).begin(self, X)
        labels = self._labels(y, x)
        trainer = part_of(self.trainer, Trainer, Trainer(), "trainer")
        corruption = part_of(self.corruption, Corruption, Clean(), "corruption")
        self.autoencoder_ = self._pretrained(X)
        noise = self._noise_of_fit().branch(FINE)
        self.task_ = FineTuning(
            self.autoencoder_.objective_, len(self.classes_), corruption=corruption, l2=l2, frozen=frozen
        )
        held = None if held_out is None else self._held_out(held_out)
        loop = trainer.fit(
            self.task_, self._rows(x, labels), noise, held_out=held, callbacks=callbacks, phase="fine-tuning"
        )
        self._answer_anew()
        if not frozen:
            self._measure_anew(loop)
            # The rows that the autoencoder held out had their scores of the encoder as it was.
            self.autoencoder_._references = of_autoencoder(self.autoencoder_, x, None)
        self.history_, self.n_iter_ = loop.history, loop.epoch
        return self
