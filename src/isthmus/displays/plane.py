"""The code as a plane of points."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from matplotlib.axes import Axes

from isthmus.data.record import NO_LABEL, unlabelled
from isthmus.displays.look import INKS, Array, panels, plain, shortened
from isthmus.displays.source import flat_rows
from isthmus.measures import principal_axes

if TYPE_CHECKING:
    from isthmus.estimators import Autoencoder

MARKERS = "osD^vP*X<>"
MANY_CLASSES = 20


class CodePlaneDisplay:
    """Codes as points: two units, or the two principal components of the code; labels by sign and colour.

    Args:
        points: (rows, 2).
        axis_labels: names of the two axes.
        y: a label per row, or None.

    Attributes:
        figure_, axes_: the figure, and its one axes (1,).

    >>> from isthmus import Trainer, data, recipes
    >>> digits = data.read("digits", limit=100)
    >>> model = recipes.pca(4, random_state=0).fit(digits.X)
    >>> CodePlaneDisplay.from_estimator(model, digits.X, y=digits.y, units=(0, 1)).points.shape
    (100, 2)
    """

    def __init__(self, points: Array, axis_labels: Sequence[str], y: Array | None = None) -> None:
        """Keep the points."""
        self.points, self.axis_labels, self.y = points, list(axis_labels), y

    @classmethod
    def from_estimator(
        cls,
        model: Autoencoder,
        X: Any,
        *,
        y: Any = None,
        units: tuple[int, int] | None = None,
        max_rows: int = 3000,
        ax: Axes | None = None,
    ) -> Self:
        """Draw at most ``max_rows`` rows of X, evenly spaced.

        Raises:
            ValueError: a unit that the code does not have, or a code of one number, which is no plane.
        """
        x = model.form_.admit(model, X) if model.spec_.table else flat_rows(model, X)
        index = np.unique(np.linspace(0, len(x) - 1, min(len(x), max_rows)).astype(int))
        codes = model.answers.codes(x[index])
        points, labels = plane(codes, units)
        return cls(points, labels, None if y is None else np.asarray(y)[index]).plot(ax=ax)

    def plot(self, ax: Axes | None = None) -> Self:
        """Draw on a new figure, or in the place of ``ax``."""
        self.figure_, axes = panels(ax, 1, 1, (5.2, 4.2), title="Codes")
        self.axes_ = axes[0]
        panel = self.axes_[0]
        lacking = np.zeros(len(self.points), bool) if self.y is None else unlabelled(self.y)
        classes = np.unique(self.y[~lacking]) if self.y is not None else np.array([])
        if lacking.any():
            panel.scatter(*self.points[lacking].T, s=6, color=INKS[-1], linewidths=0, label=NO_LABEL)
        if self.y is None:
            panel.scatter(*self.points.T, s=6, color=INKS[1], linewidths=0)
        elif len(classes) > MANY_CLASSES and self.y.dtype.kind in "if":
            drawn = panel.scatter(*self.points[~lacking].T, s=6, c=self.y[~lacking], cmap="cividis", linewidths=0)
            self.figure_.colorbar(drawn, ax=panel).ax.tick_params(labelsize=6)
        else:
            self._classes(panel, classes, legend=bool(lacking.any()))
        for name, axis in zip(self.axis_labels, (panel.xaxis, panel.yaxis), strict=True):
            axis.set_label_text(name, fontsize=9)
        plain(panel, 8)
        return self

    def _classes(self, ax: Axes, classes: Array, *, legend: bool) -> None:
        """Give every class its own sign, its own text where that is short, and a colour."""
        from matplotlib import colormaps

        # Signs are mathematical text, in which $ and _ have a meaning of their own.
        short = all(str(name).isalnum() and len(str(name)) <= 2 for name in classes)
        for i, name in enumerate(classes):
            marker = f"${name}$" if short else MARKERS[i % len(MARKERS)]
            colour = colormaps["tab10" if len(classes) <= 10 else "tab20"](i % 20)
            x, y = self.points[self.y == name].T
            ax.scatter(
                x,
                y,
                s=22 if short else 12,
                marker=marker,
                color=colour,
                linewidths=0.2 if short else 0,
                label=shortened(str(name)).replace("$", r"\$"),
            )
        if legend or not short:
            ax.legend(fontsize=7, frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5))


def plane(codes: Array, units: tuple[int, int] | None) -> tuple[Array, list[str]]:
    """Return points of a plane in the code, and what its axes are."""
    width = codes.shape[1]
    if width < 2:
        raise ValueError("the code is one number, which spans no plane; fit with n_components of 2 or more")
    if units is None and width > 2:
        found = principal_axes(codes)
        share = 100 * found.variances / max(found.variances.sum(), 1e-300)
        points = (codes - found.centre) @ found.axes[:2].T
        points = np.pad(points, ((0, 0), (0, 2 - points.shape[1])))
        names = [f"principal component {i + 1} of the code ({share[i] if i < len(share) else 0:.0f} %)" for i in (0, 1)]
        return points, names
    first, second = units if units is not None else (0, 1)
    for unit in (first, second):
        if not 0 <= unit < width:
            raise ValueError(f"units={units} names unit {unit}, the code has 0 to {width - 1}; correct units")
    return codes[:, [first, second]], [f"unit {first} of the code", f"unit {second} of the code"]
