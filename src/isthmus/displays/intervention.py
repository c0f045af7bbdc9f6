"""Rows before and after concepts were set: what the decoder makes of both, and what is predicted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from matplotlib.axes import Axes

from isthmus.displays.anomaly import taken
from isthmus.displays.beside import Rows, rows_of
from isthmus.displays.look import INKS, VERSIONS, Array, Picture, bare, ground, plain, shortened
from isthmus.displays.viewing import PALE, short
from isthmus.explain.movement import travelled
from isthmus.explain.writing import cells

if TYPE_CHECKING:
    from isthmus.estimators.interventions import Intervention
    from isthmus.estimators.self_explaining_base import SelfExplainingEstimator

SHOWN, CLASSES, LINES, HEAD = 4, 8, 7, 0.32
# What is moved by less, in standard deviations, and a probability that stays below this, are left out.
TINY, SEEN = 0.02, 0.005


class InterventionDisplay:
    """Decoded rows before and after a change of concepts, the difference, and the probabilities of both.

    Of pictures the difference has mid-grey where nothing changed. Signals lie over each other. Of a table the columns
    that changed most are written with both values. Of a regressor the bars are its predictions.

    Args:
        intervention: what ``intervene`` or ``counterfactual`` returned.
        before, after: the decoded rows, as they are drawn.
        moved: (rows, columns): how far each column of a table moves.
        called: what the rows are called; their labels, else their positions from 0, if None.

    Attributes:
        figure_, axes_: the figure, and its axes with probabilities (rows,).

    >>> from sklearn.datasets import load_iris
    >>> from isthmus import Autoencoder, SelfExplainingClassifier, Trainer
    >>> X, y = load_iris(return_X_y=True)
    >>> quick = Autoencoder(3, scaling="standard", trainer=Trainer(2), random_state=0)
    >>> model = SelfExplainingClassifier(quick, trainer=Trainer(2), random_state=0).fit(X, y)
    >>> InterventionDisplay.from_estimator(model, X[:2], {0: 0.0}).axes_.shape
    (2,)
    """

    def __init__(
        self,
        intervention: Intervention,
        before: Rows | None = None,
        after: Rows | None = None,
        moved: Array | None = None,
        *,
        called: Sequence[Any] | None = None,
    ) -> None:
        """Keep what is drawn."""
        self.intervention, self.before, self.after, self.moved = intervention, before, after, moved
        called = intervention.labels if called is None else called
        self.called = list(range(len(intervention.logits_before))) if called is None else list(called)

    @classmethod
    def from_estimator(
        cls,
        model: SelfExplainingEstimator,
        X: Any,
        concepts: Mapping[Any, Any] | None = None,
        *,
        target: Any = None,
        n_rows: int | None = None,
        rows: Sequence[Any] | None = None,
        shape: tuple[int, ...] | None = None,
        ax: Axes | None = None,
    ) -> Self:
        """Change concepts of rows of X and draw that.

        Args:
            model: a fitted self-explaining model.
            X: rows.
            concepts: values by number or name of the concept; None asks for the least change to another class.
            target: the class wanted of that change; None is the one that comes next.
            n_rows: draw the first so many; 4 if None.
            rows: what the rows are called.
            shape: draw flat rows as pictures, (channels, height, width).
            ax: draw in its place.

        Raises:
            ValueError: no concepts are given to a regressor, which has no other class.
        """
        X = taken(X, np.arange(min(len(X), SHOWN if n_rows is None else n_rows)))
        if concepts is None and not hasattr(model, "counterfactual"):
            raise ValueError("a regressor has no other class to change to; give concepts={number or name: value}")
        found = model.intervene(X, concepts) if concepts is not None else model.counterfactual(X, target)
        before, after = found.decoded_before, found.decoded_after
        one, other = rows_of(model, before, shape, cells(after)), rows_of(model, after, shape, cells(before))
        moved = travelled(model, found.concepts_before, found.concepts_after) if one.table else None
        return cls(found, one, other, moved, called=rows).plot(ax=ax)

    def plot(self, ax: Axes | None = None) -> Self:
        """Draw on a new figure, or in the place of ``ax``."""
        n, widths = len(self.intervention.logits_before), [*self._widths, 2.6]
        shown = [self.likeliest(place) for place in range(n)]
        least = 0.19 * (LINES + 1) if self.before is not None and self.before.table else 1.25
        heights = [high for which in shown for high in (HEAD, max(least, 0.6 + 0.17 * len(which)))]
        self.figure_, grid = ground(ax, 2 * n, 1, (sum(widths) + 0.2, sum(heights) + 0.1 * n), heights=heights)
        drawn = []
        for place in range(n):
            head = self.figure_.add_subplot(grid[2 * place, 0])
            head.set_axis_off()
            head.text(0.0, 0.0, self.title(place), fontsize=8, va="bottom", transform=head.transAxes)
            spec = grid[2 * place + 1, 0].subgridspec(1, len(widths), width_ratios=widths)
            panels = [self.figure_.add_subplot(spec[0, k]) for k in range(len(widths))]
            if self.before is not None and self.after is not None:
                self._rows(panels[:-1], place, self.before, self.after)
            self._outputs(panels[-1], place, shown[place])
            drawn.append(panels[-1])
        self.axes_ = np.array(drawn, dtype=object)
        return self

    def likeliest(self, place: int) -> Array:
        """Return the classes that are drawn, in their order: the likeliest before or after; of a regressor all."""
        found = self.intervention
        if not found.classes:
            return np.arange(len(found.outputs))[:CLASSES]
        top = np.maximum(*(probabilities(logits[place]) for logits in (found.logits_before, found.logits_after)))
        order = np.argsort(-top, kind="stable")[:CLASSES]
        return np.sort([i for k, i in enumerate(order) if k < 2 or top[i] >= SEEN])

    @property
    def _widths(self) -> list[float]:
        """Inches of the panels of rows."""
        if self.before is None:
            return []
        if self.before.table:
            return [3.6]
        return [1.2] * 3 if isinstance(self.before.look, Picture) else [2.4, 2.0]

    def title(self, place: int) -> str:
        """Say what changed in a row, and what that does."""
        changes, _, verdict = self.intervention.told(place).rpartition(": ")
        return f"row {self.called[place]}: {shortened(verdict, 90)}\n{shortened(changes, 100)}"

    def _rows(self, panels: Sequence[Axes], place: int, before: Rows, after: Rows) -> None:
        if before.table:
            self._card(panels[0], place, before, after)
            return
        one, other = (np.asarray(rows.values[place], dtype=np.float64) for rows in (before, after))
        top = float(np.abs(other - one).max()) or 1.0
        between = replace(before.look, low=-top, high=top)
        between.draw(panels[-1], {"": other - one})
        panels[-1].set_title("difference", fontsize=7)
        if isinstance(before.look, Picture):
            panels[-1].set_anchor("N")
            for panel, row, name in zip(panels, (one, other), ("before", "after"), strict=False):
                before.look.draw(panel, {"": row})
                panel.set_anchor("N")
                panel.set_title(name, fontsize=7)
            return
        before.look.draw(panels[0], {"before": one, "after": other})
        panels[0].legend(fontsize=6, frameon=False, ncols=2, loc="upper right", bbox_to_anchor=(1.0, 1.18))

    def _card(self, ax: Axes, place: int, before: Rows, after: Rows) -> None:
        """Write the columns that changed most, with both values."""
        bare(ax)
        ax.set_xlim(0, 1.05)
        ax.set_ylim(LINES, -1)
        moved = self.moved[place] if self.moved is not None else np.ones(len(before.columns))
        order = [int(j) for j in np.argsort(-moved, kind="stable")[: LINES - 1] if moved[j] > TINY]
        for at, name in ((0.66, "before"), (1.0, "after")):
            ax.text(at, -0.5, name, fontsize=7, va="center", ha="right", fontweight="bold")
        for k, j in enumerate(order):
            ax.text(0.0, k + 0.5, shortened(before.columns[j], 20), fontsize=7, va="center", color=PALE)
            for at, rows in ((0.66, before), (1.0, after)):
                ax.text(at, k + 0.5, shortened(short(rows.values[place, j]), 16), fontsize=7, va="center", ha="right")
        rest = len(before.columns) - len(order)
        if rest:
            told = f"{rest} columns move less" if rest > 1 else "1 column moves less"
            ax.text(0.0, len(order) + 0.5, told, fontsize=6, va="center", color=PALE, style="italic")

    def _outputs(self, ax: Axes, place: int, order: Array) -> None:
        """Draw the probabilities of classes before and after, or of a regressor the predictions."""
        found = self.intervention
        pair = [found.logits_before[place], found.logits_after[place]]
        pair = [probabilities(logits) for logits in pair] if found.classes else pair
        for values, ink, thick, name in zip(pair, VERSIONS, (0.8, 0.4), ("before", "after"), strict=False):
            ax.barh(range(len(order)), values[order], thick, color=ink, label=name)
        ax.set_yticks(range(len(order)), told_apart([str(found.outputs[i]) for i in order]))
        ax.set_ylim(len(order) - 0.4, -0.6)
        if found.classes:
            ax.set_xlim(0, 1)
        ax.axvline(0.0, color=INKS[0], linewidth=0.6)
        plain(ax, 7)
        ax.tick_params(axis="y", length=0)
        ax.set_title("probability" if found.classes else "prediction", fontsize=7, loc="left")
        ax.legend(fontsize=6, frameon=False, ncols=2, loc="lower right", bbox_to_anchor=(1.02, 0.96), borderaxespad=0.1)


def told_apart(names: Sequence[str], length: int = 20) -> list[str]:
    """Shorten names, at their beginnings where their ends tell them apart."""
    short_ones = [shortened(name, length) for name in names]
    if len(set(short_ones)) == len(set(names)):
        return short_ones
    return [name if len(name) <= length else f"…{name[1 - length :]}" for name in names]


def probabilities(logits: Array) -> Array:
    """Return the softmax of the logits of a row."""
    weights = np.exp(logits - logits.max())
    return np.asarray(weights / weights.sum())
