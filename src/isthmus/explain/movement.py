"""Which columns the concepts of a self-explaining model move, and from where to where."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from isthmus.explain.words import brief
from isthmus.explain.writing import by_column, cells, levels

if TYPE_CHECKING:
    from isthmus.estimators.self_explaining_base import SelfExplainingEstimator

Array = NDArray[Any]

LOW, HIGH = 0.05, 0.95
COLUMNS, LETTERS = 2, 24
# Words of models, and the concepts that they were found with: every block of a file and every request asks for them.
_KNOWN: WeakKeyDictionary[Any, tuple[Array, tuple[str, ...]]] = WeakKeyDictionary()


def columns_of(model: SelfExplainingEstimator, width: int) -> tuple[str, ...]:
    """Return the names of the columns, those of a table in its order."""
    codec = model.autoencoder_.form_.table
    named = codec.names if codec is not None else getattr(model, "feature_names_in_", None)
    return tuple(map(str, named)) if named is not None else tuple(f"x{i}" for i in range(width))


def movement(model: SelfExplainingEstimator) -> tuple[Array, Array, Array]:
    """Return rows decoded with each concept low and high, (concepts, columns) each, and how far each column moves.

    All other concepts are at their mean over training rows; low and high are the 5 and 95 % quantiles.
    """
    known, autoencoder = model.known_concepts_, model.autoencoder_
    count = known.shape[1]
    codes = np.repeat(known.mean(0, keepdims=True), 2 * count, axis=0)
    each = np.arange(count)
    codes[each, each], codes[count + each, each] = np.quantile(known, (LOW, HIGH), axis=0)
    made = cells(autoencoder.inverse_transform(codes))
    return made[:count], made[count:], travelled(model, codes[:count], codes[count:])


def travelled(model: SelfExplainingEstimator, codes: Array, others: Array) -> Array:
    """Return how far each column moves between what codes and others stand for, (rows, columns).

    Numbers move in standard deviations over training rows; a column of levels moves by 1 where its level changes.
    """
    autoencoder = model.autoencoder_
    differ = np.abs(autoencoder.answers.decode(others) - autoencoder.answers.decode(codes))
    scaled = np.divide(differ, model.spread_, out=np.zeros_like(differ), where=model.spread_ > 0)
    return by_column(autoencoder, np.where(levels(autoencoder), differ != 0, scaled))


def moves(model: SelfExplainingEstimator) -> tuple[str, ...]:
    """Return in words which columns each concept moves most when it rises, such as ``priors up, age down``.

    Columns of levels become another level. Nothing is said of pictures, and of columns without names.
    """
    found = _KNOWN.get(model)
    if found is None or found[0] is not model.known_concepts_:
        named = model.autoencoder_.form_.table is not None or hasattr(model, "feature_names_in_")
        words = _moves(model) if named and len(model.spec_.shape) == 1 else ("",) * model.n_concepts_
        found = _KNOWN[model] = (model.known_concepts_, words)
    return found[1]


def _moves(model: SelfExplainingEstimator) -> tuple[str, ...]:
    low, high, far = movement(model)
    columns = columns_of(model, far.shape[1])
    return tuple(_told(*of_concept, columns) for of_concept in zip(low, high, far, strict=True))


def _told(low: Array, high: Array, far: Array, columns: Sequence[str]) -> str:
    order = [j for j in np.argsort(-far, kind="stable")[:COLUMNS] if far[j] > 0]
    return ", ".join(f"{_shortened(columns[j])} {_way(low[j], high[j])}" for j in order)


def _way(low: Any, high: Any) -> str:
    if isinstance(low, (bool, np.bool_, str)) or low is None or high is None:
        return f"to {_shortened(brief(high))}"
    return "up" if high > low else "down"


def _shortened(name: str) -> str:
    return name if len(name) <= LETTERS else f"{name[: LETTERS - 1]}…"
