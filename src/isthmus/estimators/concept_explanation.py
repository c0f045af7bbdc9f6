"""What every concept adds to a prediction: contributions that sum to the logits, and how far neighbours agree."""

from __future__ import annotations

import math
import numbers
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from isthmus.atrow import called
from isthmus.estimators.inputs import Array
from isthmus.estimators.naming import CONSTANT, DEFAULT
from isthmus.explain.movement import moves
from isthmus.explain.words import brief, plain

if TYPE_CHECKING:
    from isthmus.estimators.self_explaining_base import SelfExplainingEstimator

PROTOTYPES, TINY = 8, 1e-12


@dataclass(frozen=True, eq=False)
class ConceptExplanation:
    """Predictions of some rows, taken apart.

    Attributes:
        concepts: (rows, concepts + 1): h; the last one is the constant 1.
        relevances: (rows, concepts + 1, outputs): theta.
        contributions: theta times h, (rows, concepts + 1, outputs), which sum to ``logits``; against a class,
            (rows, concepts + 1), which sum to the gap between the predicted class and that one.
        logits: (rows, outputs); against a class the gap, (rows,). Of a regressor the predictions.
        outputs: labels of the outputs.
        classes: whether these are classes, or targets.
        predicted: (rows,): place of the predicted class among the outputs; 0 of a regressor.
        counter: (rows,): place of the class that comes next, or of the one to explain against; 0 of a regressor.
        names: names of the concepts.
        prototypes: (concepts, 8): numbers of the training rows in which each concept is strongest.
        stability: (rows,): the largest ||theta(x) - theta(x')|| / ||h(x) - h(x')|| over neighbours x' of the row; NaN
            where it was not measured.
        labels: what the data frame of the rows calls them, where that is more than their positions; else None.
        moves: of a table with names the columns that each concept moves most when it rises, in words.
    """

    concepts: Array
    relevances: Array
    contributions: Array
    logits: Array
    outputs: tuple[Any, ...]
    classes: bool
    predicted: Array
    counter: Array
    names: tuple[str, ...]
    prototypes: Array
    stability: Array
    labels: Any = None
    moves: tuple[str, ...] = ()

    @property
    def against(self) -> bool:
        """Whether contributions are those to the gap between two classes."""
        return self.contributions.ndim == 2

    def itself(self, row: int) -> bool:
        """Tell whether the class to explain against is the predicted one, so that nothing speaks for either."""
        return self.against and bool(self.predicted[row] == self.counter[row])

    def gap(self) -> ConceptExplanation:
        """Return what speaks for each class predicted rather than ``counter``; of targets the explanation itself."""
        if self.against or not self.classes:
            return self
        each = np.arange(len(self.logits))
        parts = self.contributions[each, :, self.predicted] - self.contributions[each, :, self.counter]
        return replace(self, contributions=parts, logits=parts.sum(1))

    def of(self, row: int, output: int | None = None) -> Array:
        """Return what the concepts add, (concepts + 1,): to the gap, else to an output, that predicted unless given."""
        if self.against:
            return np.asarray(self.contributions[row])
        return np.asarray(self.contributions[row, :, self.predicted[row] if output is None else output])

    def total(self, row: int = 0) -> str:
        """Say what the contributions of a row add up to: a gap between classes, a logit, or a target."""
        named = self.outputs[self.predicted[row]]
        if self.itself(row):
            return f"{named} is predicted, the class to explain against: there is no gap to explain"
        if self.against:
            return f"{named} rather than {self.outputs[self.counter[row]]} by {self.logits[row]:.3g}"
        if self.classes:
            return f"{named} with logit {self.logits[row, self.predicted[row]]:.3g}"
        return ", ".join(
            f"{name} {plain(float(value))}" for name, value in zip(self.outputs, self.logits[row], strict=True)
        )

    def reasons(self, row: int = 0, most: int = 3, output: int | None = None) -> list[str]:
        """Return the concepts that add most, in either direction, largest first; none to the gap of a class to itself.

        Args:
            row: whose prediction.
            most: how many.
            output: the output that they add to; the gap, else the one predicted, if None.
        """
        if self.itself(row):
            return []
        parts = self.of(row, output)
        order = np.argsort(-np.abs(parts), kind="stable")[:most]
        told = []
        for i in order:
            told.append(f"{self._valued(row, i)} adds {plain(float(parts[i]), 3, '+')}")
        return told

    def _valued(self, row: int, i: int) -> str:
        """Write a concept with its value, and with the columns that it moves where these are known."""
        if i == len(self.names) - 1:
            return self.names[i]
        value, named = brief(float(self.concepts[row, i])), beside_name(self.names, self.moves, i)
        return f"{named} ({value})" if named == self.names[i] else f"{named} at {value}"

    def __str__(self) -> str:
        """Print every row with its reasons: by its label in a data frame, else by its position, which counts from 0."""
        return "\n".join(line for row in range(len(self.logits)) for line in self._lines(row))

    def _lines(self, row: int) -> Sequence[str]:
        if self.classes or len(self.outputs) == 1:
            return [f"{called(row, self.labels)}: {self.total(row)}", *(f"  {reason}" for reason in self.reasons(row))]
        lines = [f"{called(row, self.labels)}:"]
        for output, name in enumerate(self.outputs):
            lines.append(f"  {name} {plain(float(self.logits[row, output]))}")
            lines += [f"    {reason}" for reason in self.reasons(row, output=output)]
        return lines


def explained(model: SelfExplainingEstimator, x: Array, against: Any, probes: int, eps: float) -> ConceptExplanation:
    """Explain the predictions for rows, which are ``x`` as variables.

    Raises:
        ValueError: probes that are no number of neighbours, eps that is no distance, or what ``places`` refuses.
    """
    refuse_distance(eps)
    if isinstance(probes, bool) or not isinstance(probes, (int, np.integer)) or probes < 0:
        raise ValueError(f"probes={probes!r} is no number of neighbours; give a whole number from 0 up")
    concepts, relevances = model._taken_apart(x)
    told = apart(model, concepts, relevances, against)
    steady = stability(model, x, concepts, relevances, probes, eps)
    return replace(told, prototypes=prototypes(model), stability=steady)


def refuse_distance(eps: Any) -> None:
    """Refuse neighbours at no distance, or at any.

    Raises:
        ValueError: eps is not a finite number above 0.
    """
    if isinstance(eps, bool) or not isinstance(eps, numbers.Real) or not 0 < float(eps) < math.inf:
        raise ValueError(f"eps={eps!r} is no distance of neighbours; give a finite number above 0, such as 0.1")


def apart(model: SelfExplainingEstimator, concepts: Array, relevances: Array, against: Any) -> ConceptExplanation:
    """Explain predictions whose concepts and relevances are known, without prototypes and stability."""
    contributions = concepts[:, :, None] * relevances
    logits, classes, rows = contributions.sum(1), hasattr(model, "classes_"), len(concepts)
    predicted, counter = ranked(logits) if classes else np.zeros((2, rows), dtype=int)
    if against is not None:
        counter = places(model, against, rows)
    told = ConceptExplanation(
        concepts=concepts,
        relevances=relevances,
        contributions=contributions,
        logits=logits,
        outputs=output_names(model, relevances.shape[2]),
        classes=classes,
        predicted=predicted,
        counter=counter,
        names=concept_names(model),
        prototypes=np.empty((model.n_concepts_, 0), dtype=int),
        stability=np.full(rows, np.nan),
        moves=moves(model),
    )
    return told if against is None else told.gap()


def output_names(model: Any, outputs: int) -> tuple[Any, ...]:
    """Return the labels of the classes, or what targets are called."""
    if hasattr(model, "classes_"):
        return tuple(model.classes_)
    return (model.target_name_ or "target",) if outputs == 1 else tuple(f"target {i}" for i in range(outputs))


def ranked(logits: Array) -> tuple[Array, Array]:
    """Return the places of the largest and the next output of each row."""
    order = np.argsort(-logits, axis=1, kind="stable")
    return order[:, 0], order[:, min(1, logits.shape[1] - 1)]


def places(model: Any, labels: Any, rows: int, what: str = "against") -> Array:
    """Return the place of the class that is asked for as ``what``, for each row.

    Raises:
        ValueError: no class of the fit, or a regressor, which has none.
    """
    if not hasattr(model, "classes_"):
        raise ValueError(f"{what}= names a class, and a regressor has none; leave it out")
    asked, known = per_row(np.asarray(labels), rows, "classes asked for are"), model.classes_.tolist()
    strange = next((label for label in asked.tolist() if label not in known), None)
    if strange is not None:
        some = ", ".join(map(repr, known[:8])) + (", ..." if len(known) > 8 else "")
        raise ValueError(f"{what}={strange!r} is no class of the fit; give one of {some}")
    return np.asarray(model._numbered(asked, what))


def per_row(given: Array, rows: int, what: str) -> Array:
    """Return one entry per row, of as many or of one for all.

    Raises:
        ValueError: another number of them.
    """
    if given.shape not in ((), (1,), (rows,)):
        raise ValueError(f"{what} of shape {given.shape}, but X has {rows} rows; give one for all, or one per row")
    return np.broadcast_to(given, (rows,))


def concept_names(model: SelfExplainingEstimator) -> tuple[str, ...]:
    """Return the names of the concepts, those that the user gave where there are any."""
    units, given = model.autoencoder_.objective_.model.code_shape[0], model.autoencoder_.concept_names_
    # Of a code map every place is a concept, and names are those of units.
    known = given if model.n_concepts_ == units else {}
    return (*(known.get(i, f"{DEFAULT} {i}") for i in range(model.n_concepts_)), CONSTANT)


def beside_name(names: Sequence[str], moved: Sequence[str], i: int) -> str:
    """Return the name of a concept, with the columns that it moves where these are known."""
    return f"{names[i]} ({moved[i]})" if moved and moved[i] else names[i]


def prototypes(model: SelfExplainingEstimator) -> Array:
    """Return the numbers of the training rows in which each concept is strongest, (concepts, 8)."""
    if not len(model.known_):  # a model that was shared without its rows
        return np.empty((model.n_concepts_, 0), dtype=int)
    order = np.argsort(-model.known_concepts_, axis=0, kind="stable")[:PROTOTYPES]
    return np.asarray(model.known_[order].T)


def stability(
    model: SelfExplainingEstimator, x: Array, concepts: Array, relevances: Array, probes: int, eps: float
) -> Array:
    """Return the discrete local Lipschitz number of each row's relevances over its concepts.

    max ||theta(x) - theta(x')|| / ||h(x) - h(x')|| over ``probes`` neighbours x', drawn evenly from the box of ``eps``
    standard deviations of each number around the row. What is no number, such as a category, stays as it is. Infinity
    where relevances change and no concept does.
    """
    found = np.full(len(x), np.nan)
    reach = eps * model.spread_ * continuous(model)
    if not probes or not reach.any():
        return found
    largest = np.zeros(len(x))
    # The same steps for every row, so that what is said of one does not depend on the others.
    for step in np.random.default_rng(0).uniform(-1, 1, (probes, x.shape[1])):
        moved = x + (reach * step).astype(x.dtype)
        h, theta = model._taken_apart(moved)
        far = np.linalg.norm(h - concepts, axis=1)
        turned = np.linalg.norm((theta - relevances).reshape(len(x), -1), axis=1)
        still = np.where(turned > TINY, np.inf, 0.0)
        largest = np.maximum(largest, np.where(far > TINY, turned / np.maximum(far, TINY), still))
    return largest


def continuous(model: SelfExplainingEstimator) -> Array:
    """Mark the variables that are numbers, (variables,)."""
    spec = model.spec_
    if not spec.columns:
        return np.ones(spec.size)
    return np.array([float(column.kind == "number") for column in spec.columns])
