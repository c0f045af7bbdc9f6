"""How passports are made."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from isthmus.explain.absorption import absorbed
from isthmus.explain.activity import Activity, Array, activity, contrasting, dead, dense, names_of, on_and_off, steps
from isthmus.explain.book import Passports
from isthmus.explain.labels import checked, lifts
from isthmus.explain.likeness import cosines, duplicates, stability
from isthmus.explain.writing import Writer, by_column, levels, spreads
from isthmus.measures import correlation

if TYPE_CHECKING:
    from isthmus.estimators import Autoencoder

STEPS = 7


def passports(
    model: Autoencoder,
    X: Any,
    y: Any = None,
    *,
    others: Sequence[Autoencoder] = (),
    examples: int = 8,
    dense_above: float | None = None,
) -> Passports:
    r"""Return a passport for every concept, a unit of the code, of a fitted autoencoder.

    For unit i and typical value t (see :class:`Activity`): its rate :math:`P(h_i \text{ active})`; its atom
    :math:`g(\bar h, h_i = \text{on}) - g(\bar h, h_i = \text{off})` around the mean code; where it writes, the mean of
    :math:`|g(h) - g(h, h_i = t)|` over rows in which it is active; the labels it lifts, :math:`P(\text{label} \mid
    \text{active}) / P(\text{label})`, with intervals and a test; rows from every quarter of its values; and what is
    wrong with it: dead, dense, duplicate, absorbed.

    Args:
        model: a fitted autoencoder.
        X: rows like those of the fit, in memory, best ones that the fit has not seen; (rows, columns) or
            (rows, *shape), a few thousand are plenty.
        y: labels of the rows, (rows,), where concepts should be compared with them.
        others: the same autoencoder fitted with other seeds or rows, to see which concepts come back.
        examples: rows per quarter of a concept's values.
        dense_above: a concept that is active in more than this share of the rows is dense; None as :func:`dense` says.

    Raises:
        ValueError: rows unlike those of the fit, labels that are none, or other fits of other columns.

    Source:
        Alvarez-Melis & Jaakkola (2018), "Towards robust interpretability with self-explaining neural networks"
        (prototypes); Bricken et al. (2023), "Towards monosemanticity" (quarters of activation, not the top alone).

    >>> from isthmus import Trainer, data, recipes
    >>> digits = data.read("digits", limit=300)
    >>> model = recipes.k_sparse(12, k=3, trainer=Trainer(epochs=5), random_state=0).fit(digits.X)
    >>> book = passports(model, digits.X, digits.y)
    >>> len(book), book.atoms.shape, book[0].traversal.shape
    (12, (12, 64), (7, 64))
    """
    codes = codes_of(model, X)
    found = activity(codes, model.parts_.bottleneck.provides)
    labels = None if y is None else checked(y, len(codes))
    writer = Writer(model, codes.reshape(*codes.shape[:2], -1), found)
    on, off = on_and_off(found)
    directions = writer.directions(on, off)
    drawn, where = _by_column(writer, writer.atoms(on, off, directions), writer.moves())
    shape = tuple(model.spec_.shape) if model.form_.table is None else (drawn.shape[1],)
    cosine, correlated = cosines(directions, directions), correlation(found.values)
    share, absorber = _absorbed(writer, directions / (on - off)[:, None], labels)
    return Passports(
        model=model,
        X=X,
        writer=writer,
        activity=found,
        atoms=drawn,
        atom_units=_units(writer, shape),
        steps=steps(found, STEPS),
        where=where,
        columns=names_of(getattr(model, "feature_names_in_", ()), drawn.shape[1]),
        shape=shape,
        cosine=cosine,
        correlation=correlated,
        dead=dead(found, "density" in model.parts_.bottleneck.provides),
        dense=dense(found, dense_above),
        duplicate=duplicates(cosine, correlated),
        contrast=contrasting(found, examples),
        lifts=() if labels is None else lifts(found, labels),
        absorbed=share,
        absorber=absorber,
        stability=stability(directions, found, [_other(other, X, directions) for other in others]),
        examples=examples,
    )


def codes_of(model: Any, X: Any) -> Array:
    """Return codes in their shape, (rows, units, *places), float64.

    Raises:
        ValueError: something that is no fitted autoencoder, or rows that are not in memory.
    """
    if not hasattr(X, "__getitem__") or not (hasattr(X, "shape") or isinstance(X, list)):
        raise ValueError(
            f"passports point to rows by number, which a {type(X).__name__} has not; give an array or frame"
        )
    if not hasattr(model, "objective_") or not hasattr(model, "inverse_transform"):
        inner = "; pass its autoencoder_" if hasattr(model, "autoencoder_") else "; call fit first"
        raise ValueError(f"passports are of a fitted Autoencoder, and this is a {type(model).__name__}{inner}")
    codes = np.asarray(model.transform(X), dtype=np.float64)
    return codes.reshape(len(codes), *model.objective_.model.code_shape)


def _absorbed(writer: Writer, weights: Array, labels: Array | None) -> tuple[Array, Array]:
    """Return absorption where it has a meaning: labels, a sparse code, a linear decoder."""
    if labels is None or not (writer.found.sparse and writer.linear):
        return np.full(len(weights), np.nan), np.full(len(weights), -1)
    return absorbed(writer.found, weights, labels)


def _by_column(writer: Writer, atoms: Array, moves: Array) -> tuple[Array, Array]:
    """Return both per column; of tables in standard deviations."""
    if len(writer.model.spec_.shape) > 1:
        return atoms, moves
    spread = spreads(writer)
    # The distance from one level to another says nothing; that it changes does.
    atoms = np.where(levels(writer.model), atoms != 0, atoms)
    drawn = atoms if writer.scale else atoms / spread
    return by_column(writer.model, drawn), by_column(writer.model, moves / spread)


def _units(writer: Writer, shape: tuple[int, ...]) -> str:
    """Say in what units atoms are."""
    if writer.scale:
        return f"nats of the {writer.scale}"
    if len(shape) > 1:
        return "units of the data"
    return "1: another level, else sd" if levels(writer.model).any() else "standard deviations"


def _other(model: Autoencoder, X: Any, directions: Array) -> tuple[Array, Activity]:
    """Return atoms and activity of another fit."""
    codes = codes_of(model, X)
    found = activity(codes, model.parts_.bottleneck.provides)
    made = Writer(model, codes.reshape(*codes.shape[:2], -1), found).directions(*on_and_off(found))
    if made.shape[1] != directions.shape[1]:
        raise ValueError(
            f"another fit writes {made.shape[1]} numbers, this one {directions.shape[1]}; give fits of the same columns"
        )
    return made, found
