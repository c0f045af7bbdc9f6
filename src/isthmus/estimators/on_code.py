"""What estimators on top of an autoencoder's code share: the autoencoder underneath, labels, answers."""

from __future__ import annotations

import copy
import math
import numbers
from typing import Any

import numpy as np
import torch
from sklearn.base import ClassifierMixin, clone
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_y, check_consistent_length, check_is_fitted, column_or_1d

from isthmus.estimators.assembly import Parts
from isthmus.estimators.autoencoder import Autoencoder
from isthmus.estimators.beginning import rows_of_fit
from isthmus.estimators.forms import Plain, form_of
from isthmus.estimators.inference import batch_of, in_precision, weights_of
from isthmus.estimators.inputs import Array, gather, tensor
from isthmus.estimators.parameters import PartParameters, seed_of
from isthmus.noise import Noise
from isthmus.records import Batch, Rows, Spec
from isthmus.training.loop import Loop
from isthmus.training.trainer import Trainer

CHUNK = 1024


class Copies:
    """A task in several precisions, with the weights that it has now: a user may change these."""

    def __init__(self) -> None:
        """Hold none."""
        self.by_dtype: dict[torch.dtype, Any] = {}
        self.weights: list[Any] = []

    def of(self, task: Any, dtype: torch.dtype) -> Any:
        """Return the task in a precision, in use."""
        if self.weights != (now := weights_of(task)):
            self.by_dtype, self.weights = {}, now
        if dtype not in self.by_dtype:
            self.by_dtype[dtype] = in_precision(task, dtype)
        return self.by_dtype[dtype]


class OnCode(PartParameters):
    """An estimator that holds an autoencoder, ``autoencoder_``, and a task over its code, ``task_``."""

    autoencoder: Autoencoder | None
    random_state: Any
    autoencoder_: Autoencoder
    task_: Any
    _copies: Copies

    def _given(self, X: Any) -> Autoencoder:
        """Return the autoencoder to start from for rows.

        Raises:
            ValueError: something else was given.
        """
        given = self.autoencoder
        if isinstance(given, type):
            raise ValueError(f"autoencoder is the class {given.__name__}; give an instance of it")
        if given is not None and not hasattr(given, "reconstruct"):
            raise ValueError(f"autoencoder={given!r} is none; give isthmus.Autoencoder() or a recipe")
        return given if given is not None else self._default(X)

    def _default(self, X: Any = None) -> Autoencoder:
        return Autoencoder()

    def _form(self, X: Any) -> Plain:
        """Return what rows are to the autoencoder, before it is fitted."""
        given = self._given(X)
        # A clone, as looking at rows leaves their width and names behind, and what the user gave stays as it is.
        return given.form_ if hasattr(given, "form_") else form_of(clone(given), X)

    def _pretrained(self, X: Any, sample_weight: Any = None) -> Autoencoder:
        """Return a copy of the autoencoder if it is fitted, else a clone of it fitted on X."""
        given = self._given(X)
        if hasattr(given, "objective_"):
            given._checked(X)
            return copy.deepcopy(given)
        made: Autoencoder = clone(given)
        if made.random_state is None:
            made.set_params(random_state=self.random_state)
        return made.fit(X, sample_weight=sample_weight)

    def _noise_of_fit(self) -> Noise:
        """Return the noise of this fit: by its own seed, or where it has none by the autoencoder's."""
        return Noise(self.autoencoder_._noise.seed if self.random_state is None else seed_of(self.random_state))

    def _rows(self, x: Array, y: Array, weight: Array | None = None) -> Rows:
        rows = rows_of_fit(self.autoencoder_, x, weight)
        return Rows(rows.x, rows.seen, rows.weight, torch.from_numpy(y))

    def _checked(self, X: Any) -> Array:
        check_is_fitted(self, "task_")
        x = self.autoencoder_.form_.admit(self, gather(X))
        self.autoencoder_._refuse_cells(x, scored=True)
        return x

    def _pair(self, pair: Any, what: str) -> tuple[Array, Array]:
        if not isinstance(pair, (tuple, list)) or len(pair) != 2:
            raise ValueError(f"held_out is rows and their {what}; give a pair (X, y)")
        x, y = self._checked(pair[0]), np.asarray(gather(pair[1]))
        check_consistent_length(x, y)
        return x, y

    def _batches(self, x: Array) -> list[Batch]:
        """Return rows in batches, in the precision in which they are answered."""
        values = tensor(self.autoencoder_.scaling_.forward(x)).reshape(-1, *self.spec_.shape)
        device = next(self.task_.parameters()).device
        return [batch_of(self.spec_, part.to(device)) for part in values.split(CHUNK)]

    def _logits(self, X: Any) -> Array:
        return self._logits_of(self._checked(X))

    @torch.no_grad()
    def _logits_of(self, x: Array) -> Array:
        """Return the logits of rows as variables."""
        task = self._in_precision(x)
        return np.concatenate([task.logits(batch).cpu().numpy() for batch in self._batches(x)])

    def _in_precision(self, x: Array) -> Any:
        return self._copies.of(self.task_, torch.float64 if x.dtype == np.float64 else torch.float32)

    def _answer_anew(self) -> None:
        """Forget what depends on the weights as they were."""
        self.autoencoder_._answer_anew()
        self._copies = Copies()

    def _measure_anew(self, loop: Loop) -> None:
        """Keep how far a table's hidden cells are from what is expected of them by the weights as they are now."""
        self.autoencoder_._hide(loop.held_out if loop.held_out is not None else loop.rows)

    def _part(self, name: str) -> Any:
        value = getattr(self, name)
        if value is None and name in ("trainer", "autoencoder"):
            return Trainer() if name == "trainer" else self._default()
        return value

    def __getstate__(self) -> dict[str, Any]:
        """Leave copies made for inference behind."""
        state: dict[str, Any] = super().__getstate__()
        return state | {"_copies": Copies()} if "_copies" in state else state

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


class ClassifierOnCode(ClassifierMixin, OnCode):
    """A classifier whose task has ``logits``."""

    classes_: Array

    def _labels(self, y: Any, x: Array) -> Array:
        """Return labels as whole numbers, and keep ``classes_``."""
        if y is None:
            raise ValueError(f"{type(self).__name__} requires y to be passed, but the target y is None")
        y = _check_y(gather(y), estimator=self)
        check_consistent_length(x, y)
        if y.dtype.kind in "mM":
            # Files of models have no dates, and everything that tells of classes would write them in its own way.
            raise ValueError("labels of y are dates or durations; give them as text: numpy.asarray(y).astype(str)")
        try:
            check_classification_targets(y)
            self.classes_, numbers = np.unique(y, return_inverse=True)
        except TypeError as error:
            raise ValueError(f"labels of y cannot be compared ({error}); use one type, and drop rows without") from None
        if len(self.classes_) < 2:
            raise ValueError(f"y holds one class only, {self.classes_[0]}; a classifier needs two or more")
        return numbers.astype(np.int64)

    def _numbered(self, y: Array, what: str) -> Array:
        """Return labels of other rows as whole numbers; a column of them counts as in the fit.

        Raises:
            ValueError: a label that the fit did not see.
        """
        y = column_or_1d(y, warn=True)
        unknown = np.setdiff1d(y, self.classes_)
        if len(unknown):
            raise ValueError(f"{what} holds the label {unknown[0]}, which y of the fit lacks; leave those rows out")
        return np.searchsorted(self.classes_, y).astype(np.int64)

    def _held_out(self, pair: Any) -> Rows:
        x, y = self._pair(pair, "labels")
        return self._rows(x, self._numbered(y, "held_out"))

    def decision_function(self, X: Any) -> Array:
        """Return the logits, (rows, classes); for two classes their difference, (rows,)."""
        logits = self._logits(X)
        return logits[:, 1] - logits[:, 0] if len(self.classes_) == 2 else logits

    def predict_proba(self, X: Any) -> Array:
        """Return the probability of each class, (rows, classes)."""
        scores = self.decision_function(X)
        return softmax(np.stack([np.zeros_like(scores), scores], axis=1) if scores.ndim == 1 else scores)

    def predict(self, X: Any) -> Array:
        """Return the most probable label of each row."""
        scores = self.decision_function(X)
        return np.asarray(self.classes_[(scores > 0).astype(int) if scores.ndim == 1 else scores.argmax(1)])


def softmax(logits: Array) -> Array:
    """Return probabilities of classes, (rows, classes)."""
    weights = np.exp(logits - logits.max(1, keepdims=True))
    return np.asarray(weights / weights.sum(1, keepdims=True))


def refuse_weight(value: Any, name: str) -> float:
    """Return a weight as a number.

    Raises:
        ValueError: it is none.
    """
    if isinstance(value, bool) or not isinstance(value, numbers.Real) or not 0 <= float(value) < math.inf:
        raise ValueError(f"{name}={value!r} is not a weight; give a number from 0 up")
    return float(value)


def refuse_no_switch(value: Any, name: str) -> bool:
    """Return a switch.

    Raises:
        ValueError: it is neither True nor False.
    """
    if not isinstance(value, (bool, np.bool_)):
        raise ValueError(f"{name}={value!r} is neither True nor False; give one of them")
    return bool(value)
