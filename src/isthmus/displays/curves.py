"""Training curves, term by term."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from matplotlib.axes import Axes

from isthmus.displays.look import DASHES, INKS, panels, plain

if TYPE_CHECKING:
    from isthmus.estimators import Autoencoder
    from isthmus.training.history import History

HELD_OUT = DASHES[1]
WIDE_RANGE = 5.0


class LossCurvesDisplay:
    """Every term of the objective over epochs, in nats per row: training solid, held-out rows dashed.

    A fit in several phases (layers pretrained one by one) has a panel per phase. The scale is logarithmic where all
    values are positive and span more than a factor of five.

    Args:
        history: what happened in the fit.
        best_epoch: the epoch whose weights were kept, marked in the last phase.

    Attributes:
        figure_, axes_: the figure, and its axes (phases,).

    >>> from isthmus.training.history import History
    >>> rows = [{"epoch": e, "train": {"reconstruction": 2.0 / e, "loss": 2.0 / e}, "held_out": {}} for e in (1, 2)]
    >>> LossCurvesDisplay.from_history(History(rows)).axes_[0].get_ylabel()
    'nats per row'
    """

    def __init__(self, history: History, best_epoch: int | None = None) -> None:
        """Keep the history."""
        self.history, self.best_epoch = history, best_epoch

    @classmethod
    def from_estimator(cls, model: Autoencoder, *, ax: Axes | None = None) -> Self:
        """Draw the history of a fitted model."""
        return cls.from_history(model.history_, best_epoch=getattr(model, "best_epoch_", None), ax=ax)

    @classmethod
    def from_history(cls, history: History, *, best_epoch: int | None = None, ax: Axes | None = None) -> Self:
        """Draw a history.

        Raises:
            ValueError: no epoch was trained.
        """
        if not len(history):
            raise ValueError("the history has no epochs, so there is no curve; fit with epochs of 1 or more")
        return cls(history, best_epoch).plot(ax=ax)

    def plot(self, ax: Axes | None = None) -> Self:
        """Draw on a new figure, or in the place of ``ax``."""
        phases = self.history.phases
        self.figure_, axes = panels(ax, 1, len(phases), (2.0 + max(4.0, 2.4 * len(phases)), 3.2), title="Training")
        self.axes_ = axes[0]
        for panel, phase in zip(self.axes_, phases, strict=True):
            self._draw(panel, [row for row in self.history if row.get("phase", "fit") == phase])
            if len(phases) > 1:
                panel.set_title(phase, fontsize=9)
        self.axes_[0].set_ylabel("nats per row", fontsize=9)
        if self.best_epoch:
            mark(self.axes_[-1], self.best_epoch)
        drawn = [panel.get_legend_handles_labels() for panel in self.axes_]
        legend = {label: handle for handles, labels in drawn for handle, label in zip(handles, labels, strict=True)}
        self.figure_.legend(legend.values(), legend.keys(), loc="outside right upper", fontsize=8, frameon=False)
        return self

    def _draw(self, ax: Axes, rows: list[dict[str, Any]]) -> None:
        terms = list(rows[-1]["train"])
        # A lone term is the loss itself.
        terms = ["loss"] if len(terms) == 2 else ["loss", *(name for name in terms if name != "loss")]
        drawn: list[float] = []
        for ink, term in zip(INKS * (1 + len(terms) // len(INKS)), terms, strict=False):
            for part, dash, label in (("train", "-", term), ("held_out", HELD_OUT, f"{term}, held out")):
                points = [(row["epoch"], row[part][term]) for row in rows if term in row[part]]
                if points:
                    epochs, values = zip(*points, strict=True)
                    ax.plot(epochs, values, color=ink, linestyle=dash, linewidth=1.2, label=label, marker=_dot(points))
                    drawn += values
        if wide(drawn):
            ax.set_yscale("log")
        ax.set_xlabel("epoch", fontsize=9)
        plain(ax, 8)


def wide(values: list[float]) -> bool:
    """Tell whether a logarithmic scale shows more."""
    finite = np.array([value for value in values if math.isfinite(value)])
    return bool(finite.size and finite.min() > 0 and finite.max() > WIDE_RANGE * finite.min())


def mark(ax: Axes, epoch: int) -> None:
    """Mark the epoch whose weights were kept."""
    ax.axvline(epoch, color=INKS[-1], linewidth=1.0, zorder=0, label=f"kept: epoch {epoch}")


def _dot(points: list[Any]) -> str:
    return "o" if len(points) == 1 else ""
