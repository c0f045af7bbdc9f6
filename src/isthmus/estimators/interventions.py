"""What if a concept were otherwise: predictions and decoded rows after concepts are set, and the least such change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from isthmus.atrow import called
from isthmus.component import suggest
from isthmus.estimators.concept_explanation import beside_name, concept_names, output_names, per_row
from isthmus.estimators.inputs import Array
from isthmus.explain.movement import moves

if TYPE_CHECKING:
    from isthmus.estimators.self_explaining_base import SelfExplainingEstimator

# Percentiles of known concepts between which they may be set by a search.
RANGE = (0.5, 99.5)


@dataclass(frozen=True, eq=False)
class Intervention:
    """Rows before and after concepts were set.

    Attributes:
        logits_before, logits_after: (rows, outputs); of a regressor the predictions.
        outputs: labels of the outputs.
        classes: whether these are classes, or targets.
        names: names of the concepts.
        concepts_before, concepts_after: (rows, concepts).
        decoded_before, decoded_after: what the autoencoder makes of both, as X was given.
        labels: what the data frame of the rows calls them, where that is more than their positions; else None.
        moves: of a table with names the columns that each concept moves most when it rises, in words.
    """

    logits_before: Array
    logits_after: Array
    outputs: tuple[Any, ...]
    classes: bool
    names: tuple[str, ...]
    concepts_before: Array
    concepts_after: Array
    decoded_before: Any
    decoded_after: Any
    labels: Any = field(default=None, kw_only=True)
    moves: tuple[str, ...] = field(default=(), kw_only=True)

    @property
    def flipped(self) -> Array:
        """Whether another class is predicted afterwards, (rows,); never of a regressor."""
        if not self.classes:
            return np.zeros(len(self.logits_before), dtype=bool)
        return np.asarray(self.logits_before.argmax(1) != self.logits_after.argmax(1))

    @property
    def effect(self) -> Array:
        """The change of every logit, (rows, outputs)."""
        return np.asarray(self.logits_after - self.logits_before)

    @property
    def predicted(self) -> Array:
        """What is predicted afterwards: labels, or of a regressor the targets."""
        if not self.classes:
            return self.logits_after
        return np.asarray(self.outputs)[self.logits_after.argmax(1)]

    @property
    def changes(self) -> Array:
        """What is added to every concept, (rows, concepts)."""
        return np.asarray(self.concepts_after - self.concepts_before)

    def __str__(self) -> str:
        """Print every row, by its label or else its position, with the concepts that changed and what that does."""
        return "\n".join(f"{called(row, self.labels)}: {self.told(row)}" for row in range(len(self.logits_before)))

    def told(self, row: int, most: int = 3) -> str:
        """Say which concepts of a row changed, those that changed most first, and what that does to the prediction."""
        changes = self.changes[row]
        order = [i for i in np.argsort(-np.abs(changes), kind="stable") if changes[i]]
        moved = [
            f"{beside_name(self.names, self.moves, i)} {self.concepts_before[row, i]:.3g} to "
            f"{self.concepts_after[row, i]:.3g}"
            for i in order[:most]
        ]
        moved += [f"{len(order) - most} more"] if len(order) > most else []
        return f"{', '.join(moved) or 'nothing changed'}: {self.verdict(row)}"

    def verdict(self, row: int) -> str:
        """Say what is predicted of a row before and after."""
        before, after = self.logits_before[row], self.logits_after[row]
        if not self.classes:
            pairs = zip(self.outputs, before, after, strict=True)
            return ", ".join(f"{name} {one:.4g} to {other:.4g}" for name, one, other in pairs)
        first, then = self.outputs[int(before.argmax())], self.outputs[int(after.argmax())]
        return f"{first} becomes {then}" if first != then else f"still {first}"


@dataclass(frozen=True, eq=False)
class Counterfactual(Intervention):
    """The least change of concepts after which another class is predicted.

    Where relevances read the row it is the least there is, and a class that is not reached is out of reach. Where they
    read the code it is the least that a search has found, and a class that is not reached was not found.

    Attributes:
        target: (rows,): place of the class wanted.
        reached: (rows,): whether it is predicted afterwards; not all classes are in reach of the concepts of a row.
        cost: (rows,): sum of changes, each in standard deviations of its concept.
    """

    target: Array
    reached: Array
    cost: Array

    def verdict(self, row: int) -> str:
        """Say what is predicted before and after, and at which cost, or that the class wanted is out of reach."""
        if not self.reached[row]:
            return f"{self.outputs[self.target[row]]} was not reached, {super().verdict(row)}"
        return f"{super().verdict(row)} at {self.cost[row]:.3g} standard deviations of change"


def intervened(model: SelfExplainingEstimator, x: Array, given: Mapping[Any, Any]) -> Intervention:
    """Set concepts of rows, which are ``x`` as variables."""
    concepts, relevances = model._taken_apart(x)
    after = concepts.copy()
    for unit, (name, value) in once(model, given).items():
        after[:, unit] = values(name, value, after.dtype, len(x))
    return Intervention(**outcome(model, concepts, relevances, after))


def once(model: SelfExplainingEstimator, given: Mapping[Any, Any]) -> dict[int, tuple[Any, Any]]:
    """Return what was given by the places of concepts, with what they were called.

    Raises:
        ValueError: there is no such concept, or one is given twice, by number and name.
    """
    found: dict[int, tuple[Any, Any]] = {}
    for name, value in given.items():
        unit = place(model, name)
        if unit in found:
            raise ValueError(f"concept {unit} is set twice, as {found[unit][0]!r} and as {name!r}; give it once")
        found[unit] = name, value
    return found


def values(name: Any, value: Any, dtype: Any, rows: int) -> Array:
    """Return what a concept is set to, one value for all rows or one for each.

    Raises:
        ValueError: as many values as there are no rows, or one that is no finite number.
    """
    try:
        found = np.asarray(value, dtype=dtype)
    except (TypeError, ValueError):
        raise ValueError(
            f"concept {name!r} is set to {value!r}, which is no number; give one, or one per row"
        ) from None
    if not np.isfinite(found).all():
        raise ValueError(f"concept {name!r} is set to a number that is not finite; give finite numbers")
    return per_row(found, rows, f"concept {name!r} is set to values")


def outcome(model: SelfExplainingEstimator, before: Array, relevances: Array, after: Array) -> dict[str, Any]:
    """Return what is known before and after, given both sides' concepts and the relevances before."""
    changed = relevances if model.reads == "inputs" else model._relevances_of(after)
    return {
        "logits_before": (before[:, :, None] * relevances).sum(1),
        "logits_after": (after[:, :, None] * changed).sum(1),
        "outputs": output_names(model, relevances.shape[2]),
        "classes": hasattr(model, "classes_"),
        "names": concept_names(model)[:-1],
        "moves": moves(model),
        "concepts_before": before[:, :-1],
        "concepts_after": after[:, :-1],
        "decoded_before": model.autoencoder_.inverse_transform(before[:, :-1]),
        "decoded_after": model.autoencoder_.inverse_transform(after[:, :-1]),
    }


def place(model: SelfExplainingEstimator, name: Any) -> int:
    """Return the place of a concept, by number or name.

    Raises:
        ValueError: there is none of it.
    """
    names = concept_names(model)[:-1]
    if isinstance(name, (int, np.integer)) and not isinstance(name, bool):
        if 0 <= name < len(names):
            return int(name)
        raise ValueError(f"there is no concept {name}: they are numbered from 0 to {len(names) - 1}")
    if name in names:
        return names.index(name)
    raise ValueError(f"there is no concept {name!r}; {suggest(str(name), names[:40])}")
