"""A classifier that starts from an autoencoder."""

from __future__ import annotations

import copy
import math
import numbers
from collections.abc import Sequence
from typing import Any, Self

import numpy as np
import torch
from sklearn.base import ClassifierMixin, clone
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_y, check_consistent_length, check_is_fitted

from isthmus.corruption import Clean, Corruption
from isthmus.estimators.assembly import Parts, part_of
from isthmus.estimators.autoencoder import Autoencoder
from isthmus.estimators.forms import Plain, form_of
from isthmus.estimators.inference import batch_of
from isthmus.estimators.inputs import Array, gather, tensor
from isthmus.estimators.parameters import PartParameters, whole
from isthmus.noise import Noise
from isthmus.records import Rows, Spec
from isthmus.training.callbacks import Callback
from isthmus.training.supervised import FineTuning
from isthmus.training.trainer import Trainer

CHUNK = 1024
FINE = 8


class FineTunedClassifier(ClassifierMixin, PartParameters):
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
        x = self._form(X).begin(self, X)
        labels = self._labels(y, x)
        trainer = part_of(self.trainer, Trainer, Trainer(), "trainer")
        corruption = part_of(self.corruption, Corruption, Clean(), "corruption")
        self.autoencoder_ = self._pretrained(X)
        noise = Noise(self.autoencoder_._noise.seed if self.random_state is None else self._seed()).branch(FINE)
        self.task_ = FineTuning(
            self.autoencoder_.objective_,
            len(self.classes_),
            corruption=corruption,
            l2=float(self.l2),
            frozen=self.frozen,
        )
        held = None if held_out is None else self._held_out(held_out)
        loop = trainer.fit(
            self.task_, self._rows(x, labels), noise, held_out=held, callbacks=callbacks, phase="fine-tuning"
        )
        self.autoencoder_._answer_anew()
        self.history_, self.n_iter_ = loop.history, loop.epoch
        self._copies: dict[torch.dtype, FineTuning] = {}
        return self

    def _form(self, X: Any) -> Plain:
        """Return what rows are to the autoencoder, before it is fitted."""
        self._refuse_settings()
        given = self.autoencoder if self.autoencoder is not None else Autoencoder()
        return given.form_ if hasattr(given, "form_") else form_of(given, X)

    def _refuse_settings(self) -> None:
        l2: Any = self.l2
        if isinstance(self.l2, bool) or not isinstance(l2, numbers.Real) or not 0 <= float(l2) < math.inf:
            raise ValueError(f"l2={self.l2!r} is not a weight; give a number from 0 up")
        if not isinstance(self.frozen, (bool, np.bool_)):
            raise ValueError(f"frozen={self.frozen!r} is neither True nor False")
        if self.autoencoder is not None and not hasattr(self.autoencoder, "reconstruct"):
            raise ValueError(f"autoencoder={self.autoencoder!r} is none; give isthmus.Autoencoder() or a recipe")
        if isinstance(self.autoencoder, type):
            raise ValueError(f"autoencoder is the class {self.autoencoder.__name__}; give an instance of it")

    def _seed(self) -> int:
        seed: int = Autoencoder(random_state=self.random_state)._seed()
        return seed

    def _pretrained(self, X: Any) -> Autoencoder:
        given = self.autoencoder if self.autoencoder is not None else Autoencoder()
        if hasattr(given, "objective_"):
            given._checked(X)
            return copy.deepcopy(given)
        made: Autoencoder = clone(given)
        if made.random_state is None:
            made.set_params(random_state=self.random_state)
        return made.fit(X)

    def _labels(self, y: Any, x: Array) -> Array:
        if y is None:
            raise ValueError(f"{type(self).__name__} requires y to be passed, but the target y is None")
        y = _check_y(gather(y), estimator=self)
        check_consistent_length(x, y)
        try:
            check_classification_targets(y)
            self.classes_, numbers = np.unique(y, return_inverse=True)
        except TypeError as error:
            raise ValueError(f"labels of y cannot be compared ({error}); use one type, and drop rows without") from None
        if len(self.classes_) < 2:
            raise ValueError(f"y holds one class only, {self.classes_[0]}; a classifier needs two or more")
        return numbers

    def _held_out(self, pair: Any) -> Rows:
        if not isinstance(pair, (tuple, list)) or len(pair) != 2:
            raise ValueError("held_out of a classifier is rows and their labels; give a pair (X, y)")
        x, y = self._checked(pair[0]), np.asarray(gather(pair[1]))
        check_consistent_length(x, y)
        unknown = np.setdiff1d(y, self.classes_)
        if len(unknown):
            raise ValueError(f"held_out holds the label {unknown[0]}, which y lacks; leave those rows out")
        return self._rows(x, np.searchsorted(self.classes_, y))

    def _rows(self, x: Array, labels: Array) -> Rows:
        rows = self.autoencoder_._rows(x, None)
        return Rows(rows.x, rows.seen, y=torch.from_numpy(labels.astype(np.int64)))

    def _checked(self, X: Any) -> Array:
        check_is_fitted(self, "task_")
        x = self.autoencoder_.form_.admit(self, gather(X))
        self.autoencoder_._refuse_cells(x, scored=True)
        return x

    @torch.no_grad()
    def decision_function(self, X: Any) -> Array:
        """Return the logits, (rows, classes); for two classes their difference, (rows,)."""
        x = self._checked(X)
        task = self._in_precision(x)
        values = tensor(self.autoencoder_.scaling_.forward(x)).reshape(-1, *task.model.spec.shape)
        device = task.head.weight.device
        batches = (batch_of(task.model.spec, part.to(device)) for part in values.split(CHUNK))
        logits = np.concatenate([task.logits(batch).cpu().numpy() for batch in batches])
        return logits[:, 1] - logits[:, 0] if len(self.classes_) == 2 else logits

    def _in_precision(self, x: Array) -> FineTuning:
        dtype = torch.float64 if x.dtype == np.float64 else torch.float32
        if dtype not in self._copies:
            same = self.task_.head.weight.dtype == dtype
            self._copies[dtype] = (self.task_ if same else copy.deepcopy(self.task_).to(dtype)).eval()
        return self._copies[dtype]

    def predict_proba(self, X: Any) -> Array:
        """Return the probability of each class, (rows, classes)."""
        scores = self.decision_function(X)
        logits = np.stack([np.zeros_like(scores), scores], axis=1) if scores.ndim == 1 else scores
        weights = np.exp(logits - logits.max(1, keepdims=True))
        return np.asarray(weights / weights.sum(1, keepdims=True))

    def predict(self, X: Any) -> Array:
        """Return the most probable label of each row."""
        scores = self.decision_function(X)
        return np.asarray(self.classes_[(scores > 0).astype(int) if scores.ndim == 1 else scores.argmax(1)])

    def _part(self, name: str) -> Any:
        value = getattr(self, name)
        if value is None and name in ("trainer", "autoencoder"):
            return Trainer() if name == "trainer" else Autoencoder()
        return value

    def __getstate__(self) -> dict[str, Any]:
        """Leave copies made for inference behind."""
        state: dict[str, Any] = super().__getstate__()
        return state | {"_copies": {}} if "_copies" in state else state

    @property
    def row_shape_(self) -> tuple[int, ...]:
        """The shape of one row as X had it."""
        return self.autoencoder_.row_shape_

    @property
    def spec_(self) -> Spec:
        """The data as the parts see them."""
        return self.autoencoder_.spec_

    @property
    def parts_(self) -> Parts:
        """The parts of the autoencoder underneath."""
        check_is_fitted(self, "task_")
        return self.autoencoder_.parts_
