"""Rows that a model makes up: along one unit at a time, and from new codes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from matplotlib.axes import Axes

from isthmus.displays.look import Array, Look, Picture, panels
from isthmus.displays.source import code_shape, flat_rows, liveliest, row_look, standardised

if TYPE_CHECKING:
    from isthmus.estimators import Autoencoder

SHOWN = 8


class TraversalDisplay:
    """What changes when one unit moves and the others stay at their mean: a row of panels per unit.

    Args:
        rows: (units, steps, columns).
        units: which units these are.
        offsets: how far each step is from the mean, in standard deviations over training rows.
        look: how a row is drawn.

    Attributes:
        figure_, axes_: the figure, and its axes (units, steps).

    >>> from isthmus import Trainer, data, recipes
    >>> X = data.read("digits", limit=100).X
    >>> model = recipes.variational(4, trainer=Trainer(epochs=1), random_state=0).fit(X)
    >>> TraversalDisplay.from_estimator(model, steps=5).axes_.shape
    (4, 5)
    """

    def __init__(self, rows: Array, units: Sequence[int], offsets: Array, look: Look) -> None:
        """Keep the rows."""
        self.rows, self.units, self.offsets, self.look = rows, list(units), offsets, look

    @classmethod
    def from_estimator(
        cls,
        model: Autoencoder,
        *,
        units: Sequence[int] | None = None,
        span: float = 2.0,
        steps: int = 9,
        shape: tuple[int, ...] | None = None,
        ax: Axes | None = None,
    ) -> Self:
        """Move each unit from ``-span`` to ``+span`` standard deviations, within what training rows reach.

        The units that vary most are shown first; a unit of a code map moves at all places together.
        """
        units = liveliest(model, units, SHOWN)
        offsets = np.linspace(-span, span, steps)
        rows = model.answers.decode(traversed(model, units, offsets)).reshape(len(units), steps, -1)
        look = row_look(model, rows, shape)
        known = model.answers.decode(model.past.codes)
        (drawn,) = standardised(look, known, rows)
        return cls(drawn, units, offsets, made_look(model, drawn, known, shape)).plot(ax=ax)

    def plot(self, ax: Axes | None = None) -> Self:
        """Draw on a new figure, or in the place of ``ax``."""
        count, steps = self.rows.shape[:2]
        wide, high = self.look.panel
        size = (0.5 + steps * wide, 0.3 + count * high)
        self.figure_, self.axes_ = panels(ax, count, steps, size, title="One unit at a time")
        for band, unit, rows in zip(self.axes_, self.units, self.rows, strict=True):
            for panel, row in zip(band, rows, strict=True):
                self.look.draw(panel, {"": row})
                panel.tick_params(labelleft=panel is band[0])
            band[0].set_ylabel(f"unit {unit}", fontsize=8)
        self.look.caption(self.axes_[-1])
        for panel, offset in zip(self.axes_[0], self.offsets, strict=True):
            panel.set_title("mean" if abs(offset) < 1e-9 else f"{offset:+.3g} sd", fontsize=8)
        return self


def traversed(model: Autoencoder, units: Sequence[int], offsets: Array) -> Array:
    """Return the codes of a traversal, (units * steps, numbers per code)."""
    shape = code_shape(model)
    known = model.past.codes.reshape(len(model.past.codes), shape[0], -1).astype(np.float64)
    mean, spread = known.mean(0), known.std(axis=(0, 2))
    low, high = known.min(axis=(0, 2)), known.max(axis=(0, 2))
    codes = np.tile(mean, (len(units), len(offsets), 1, 1))
    for i, unit in enumerate(units):
        moved = mean[unit] + offsets[:, None] * spread[unit]
        codes[i, :, unit] = moved.clip(low[unit], high[unit])
    return codes.reshape(len(units) * len(offsets), -1)


class SamplesDisplay:
    """New rows from new codes: of the prior where codes have one, else of a mixture on the codes of training rows.

    Args:
        rows: (samples, columns).
        look: how a row is drawn.

    Attributes:
        figure_, axes_: the figure, and its axes (rows, columns), of which the last ones may be empty.

    >>> from isthmus import data, recipes
    >>> X = data.read("digits", limit=100).X
    >>> SamplesDisplay.from_estimator(recipes.pca(4, random_state=0).fit(X), n_samples=6).rows.shape
    (6, 64)
    """

    def __init__(self, rows: Array, look: Look) -> None:
        """Keep the rows."""
        self.rows, self.look = rows, look

    @classmethod
    def from_estimator(
        cls,
        model: Autoencoder,
        X: Any = None,
        *,
        n_samples: int | None = None,
        shape: tuple[int, ...] | None = None,
        random_state: int = 0,
        ax: Axes | None = None,
    ) -> Self:
        """Draw new rows, three lines of panels if None; columns of tables in standard deviations from the mean of X.

        Pictures are on the scale of X, or of what training rows come back as, so that one that leaves it dims no other.
        """
        n = n_samples if n_samples is not None else 3 * row_look(model, np.empty(0), shape).across
        rows = np.asarray(model.sample(n, random_state=random_state)).reshape(n, -1)
        look = row_look(model, rows, shape)
        known = model.answers.decode(model.past.codes) if X is None else flat_rows(model, X)
        if X is not None:
            (rows,) = standardised(look, known, rows)
        return cls(rows, made_look(model, rows, known, shape)).plot(ax=ax)

    def plot(self, ax: Axes | None = None) -> Self:
        """Draw on a new figure, or in the place of ``ax``."""
        wide, high = self.look.panel
        columns = min(len(self.rows), self.look.across)
        height = -(-len(self.rows) // columns)
        size = (max(2.0, columns * wide), max(1.0, height * high))
        self.figure_, self.axes_ = panels(ax, height, columns, size, title="New rows from new codes")
        for i, (panel, row) in enumerate(zip(self.axes_.flat, self.rows, strict=False)):
            self.look.draw(panel, {"": row})
            panel.tick_params(labelleft=i % columns == 0)
        self.look.caption(self.axes_[-1])
        for panel in self.axes_.flat[len(self.rows) :]:
            panel.set_axis_off()
        return self


def made_look(model: Autoencoder, made: Array, known: Array, shape: tuple[int, ...] | None) -> Look:
    """Return how rows that a model made up are drawn: pictures on the scale of known rows, others on their own."""
    look = row_look(model, made, shape)
    return row_look(model, known, shape) if isinstance(look, Picture) else look
