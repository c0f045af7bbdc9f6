"""The model's error beside that of principal components."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from matplotlib.axes import Axes

from isthmus.displays.look import INKS, Array, panels, plain
from isthmus.displays.source import code_shape, flat_rows
from isthmus.measures import squared_error

if TYPE_CHECKING:
    from isthmus.estimators import Autoencoder


class PCAComparisonDisplay:
    """Squared error per row of the model, of PCA at equal code size and of the mean; and PCA's against its size.

    Args:
        errors: the model's error of each row, summed over columns.
        pca: PCA's mean error with 0, 1, ..., k components, fitted to the model's training rows; 0 is the mean alone.
        size: numbers per code, where the model stands on the axis of sizes.

    Attributes:
        figure_, axes_: the figure, and its axes (2,): bars, curve.

    >>> from isthmus import data, recipes
    >>> X = data.read("digits", limit=200).X
    >>> shown = PCAComparisonDisplay.from_estimator(recipes.pca(4, random_state=0).fit(X), X)
    >>> bool(abs(shown.errors.mean() / shown.pca[4] - 1) < 1e-4)
    True
    """

    def __init__(self, errors: Array, pca: Array, size: int) -> None:
        """Keep the errors."""
        self.errors, self.pca, self.size = errors, pca, size

    @classmethod
    def from_estimator(cls, model: Autoencoder, X: Any, *, ax: Axes | None = None) -> Self:
        """Measure both on rows X, in standard deviations if the model scales every column by its own.

        Raises:
            ValueError: the training rows are unknown, as of a model that another library trained.
        """
        if not model.past.baseline.known:
            raise ValueError("training rows of this model are unknown, so PCA has none to be fitted to; fit one here")
        x = flat_rows(model, X)
        comparable, baseline = model.scaling_.comparable, model.past.baseline
        seen, back = comparable(x), comparable(model.answers.reconstructions(x))
        curve = pca_curve(seen, baseline.mean, baseline.axes)
        return cls(squared_error(seen, back), curve, math.prod(code_shape(model))).plot(ax=ax)

    def plot(self, ax: Axes | None = None) -> Self:
        """Draw on a new figure, or in the place of ``ax``."""
        self.figure_, axes = panels(ax, 1, 2, (7.2, 3.0), widths=[1.0, 1.4], title="Error beside that of PCA")
        self.axes_ = axes[0]
        self._bars(self.axes_[0])
        self._curve(self.axes_[1])
        return self

    def _bars(self, ax: Axes) -> None:
        k = len(self.pca) - 1
        heights = [float(self.pca[0]), float(self.pca[-1]), float(self.errors.mean())]
        bars = ax.bar(
            ["mean", f"PCA ({k})", f"model ({self.size})"], heights, color=[INKS[-1], INKS[1], INKS[0]], width=0.65
        )
        ax.bar_label(bars, fmt="%.3g", fontsize=8, padding=2)
        ax.margins(y=0.12)
        ax.set_ylabel("squared error per row", fontsize=9)
        plain(ax, 8)

    def _curve(self, ax: Axes) -> None:
        ax.plot(self.pca, color=INKS[1], marker="o", markersize=3, linewidth=1.0, label="PCA")
        ax.plot(
            [self.size], [self.errors.mean()], color=INKS[0], marker="*", markersize=11, linestyle="", label="model"
        )
        ax.axhline(float(self.errors.mean()), color=INKS[0], linewidth=0.6, linestyle=":")
        ax.set_xlabel("numbers per code", fontsize=9)
        ax.set_ylim(bottom=0.0)
        ax.legend(fontsize=8, frameon=False)
        plain(ax, 8)


def pca_curve(x: Array, centre: Array, axes: Array) -> Array:
    """Return the mean squared error with 0, 1, ..., k of the axes, (k + 1,)."""
    centred = x.astype(np.float64) - centre
    shares = np.square(centred @ axes.T.astype(np.float64)).mean(axis=0)
    total = float(np.square(centred).sum(axis=1).mean())
    return np.maximum(total - np.concatenate([[0.0], np.cumsum(shares)]), 0.0)
