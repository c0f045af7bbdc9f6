"""How one row is drawn: a picture, a signal as lines, a table's row as bars; and the panels to draw on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.gridspec import GridSpecBase
from numpy.typing import NDArray

Array = NDArray[Any]

# Told apart by lightness too, so that they survive a grey printer; the dashes do the rest.
INKS = ("#1a1a1a", "#2f7fc1", "#e0903a", "#7a5195", "#4d9f5b", "#b0b0b0")
VERSIONS = ("#b5b5b5", INKS[1], INKS[0])
DASHES = ("-", "--", ":", "-.")
MANY_COLUMNS = 16


@dataclass(frozen=True)
class Look:
    """How rows of one shape are drawn; ``low`` and ``high`` are the values at the ends of the scale."""

    shape: tuple[int, ...]
    low: float
    high: float
    names: tuple[str, ...] = ()
    panel: tuple[float, float] = (1.0, 1.0)

    @property
    def across(self) -> int:
        """How many panels fit beside each other."""
        return max(1, int(9.0 / self.panel[0]))

    @property
    def axis(self) -> str:
        """What the horizontal axis counts, where it needs saying."""
        return ""

    def bands(self, labels: Sequence[str]) -> list[list[str]]:
        """Group named versions of a row into panels: here they are drawn over each other in one."""
        return [list(labels)]

    def caption(self, panels: Array) -> None:
        """Name the horizontal axis below the middle one of panels side by side."""
        panels[len(panels) // 2].set_xlabel(self.axis, fontsize=8)

    def draw(self, ax: Axes, versions: Mapping[str, Array]) -> None:
        """Draw versions of one row, each flat."""
        raise NotImplementedError  # abstract


class Picture(Look):
    """Grey or colour pictures, (channels, height, width); other numbers of channels stand side by side in grey."""

    def bands(self, labels: Sequence[str]) -> list[list[str]]:
        """Give every version of a picture its own panel."""
        return [[label] for label in labels]

    def draw(self, ax: Axes, versions: Mapping[str, Array]) -> None:
        """Draw the one version as a picture without axes."""
        (row,) = versions.values()
        ax.imshow(self.pixels(row), cmap="gray", vmin=0.0, vmax=1.0, interpolation="nearest")
        bare(ax)

    def pixels(self, row: Array) -> Array:
        """Return a row as (height, width) or (height, width, 3) between 0 and 1."""
        image = row.reshape(self.shape).astype(np.float64)
        image = np.clip((image - self.low) / max(self.high - self.low, 1e-12), 0.0, 1.0)
        if len(image) == 3:
            return np.moveaxis(image, 0, -1)
        return np.concatenate(list(image), axis=-1)


class Signal(Look):
    """Signals, (channels, length), as lines; channels are told apart by lightness."""

    @property
    def axis(self) -> str:
        """Count places."""
        return "place"

    def draw(self, ax: Axes, versions: Mapping[str, Array]) -> None:
        """Draw every version in its own ink, the last one dashed where there are three."""
        for i, (label, row) in enumerate(versions.items()):
            for k, line in enumerate(row.reshape(self.shape)):
                ax.plot(
                    line,
                    color=VERSIONS[i] if len(versions) > 1 else INKS[0],
                    linestyle=DASHES[i // 2],
                    linewidth=2.0 if len(versions) > 1 and i == 0 else 1.0,
                    alpha=1.0 - 0.6 * k / max(self.shape[0], 2),
                    label=label if k == 0 else None,
                )
        ax.set_ylim(*widened(self.low, self.high))
        plain(ax)


class Table(Look):
    """Rows of a table: pale bars, with narrow ones for a second version and dashes for a third upon them."""

    @property
    def axis(self) -> str:
        """Count columns where their names do not stand there."""
        return "" if self._named() else "column"

    def _named(self) -> bool:
        return bool(self.names) and self.shape[0] <= MANY_COLUMNS

    def draw(self, ax: Axes, versions: Mapping[str, Array]) -> None:
        """Draw every version over the ones before, so that the eye compares them column by column."""
        at = np.arange(self.shape[0])
        for i, (label, row) in enumerate(versions.items()):
            ink = VERSIONS[i] if len(versions) > 1 else INKS[1]
            if i < 2:
                ax.bar(at, row, 0.85 - 0.45 * i, color=ink, label=label)
            else:
                ax.plot(at, row, color=ink, linestyle="", marker="_", markersize=100 / (len(at) + 15), label=label)
        ax.axhline(0.0, color=INKS[0], linewidth=0.4)
        ax.set_ylim(*widened(self.low, self.high))
        plain(ax)
        if self._named():
            ax.set_xticks(at, [shortened(name) for name in self.names], rotation=90)


def look_of(shape: tuple[int, ...], rows: Array, names: Sequence[str] = ()) -> Look:
    """Return how rows of a shape are drawn, on the scale of ``rows``; pictures in [0, 1] keep that scale."""
    low, high = (float(rows.min()), float(rows.max())) if rows.size else (0.0, 1.0)
    if len(shape) == 3 and shape[1] == 1:
        shape = (shape[0], shape[2])
    if len(shape) == 3:
        low, high = (0.0, 1.0) if low >= 0.0 and high <= 1.0 else (low, high)
        across = shape[2] * (1 if shape[0] in (1, 3) else shape[0])
        return Picture(shape, low, high, panel=(min(3.0, 0.85 * across / shape[1]) if shape[1] else 0.85, 0.85))
    if len(shape) == 2:
        return Signal(shape, low, high, panel=(2.0, 1.3))
    return Table(shape, low, high, tuple(map(str, names)), panel=(2.2, 1.6))


def panels(
    ax: Axes | None,
    rows: int,
    columns: int,
    size: tuple[float, float],
    *,
    title: str = "",
    heights: Sequence[float] | None = None,
    widths: Sequence[float] | None = None,
) -> tuple[Figure, Array]:
    """Return a figure and (rows, columns) axes: a new figure of ``size`` inches, or a grid in the place of ``ax``.

    Raises:
        ValueError: ``ax`` stands in no grid that could be divided.
    """
    figure, spec = ground(ax, rows, columns, size, title=title, heights=heights, widths=widths)
    made = [[figure.add_subplot(spec[i, j]) for j in range(columns)] for i in range(rows)]
    return figure, np.array(made, dtype=object).reshape(rows, columns)


def ground(
    ax: Axes | None,
    rows: int,
    columns: int,
    size: tuple[float, float],
    *,
    title: str = "",
    heights: Sequence[float] | None = None,
    widths: Sequence[float] | None = None,
) -> tuple[Figure, GridSpecBase]:
    """Return a figure and a grid to draw on: of a new figure of ``size`` inches, or in the place of ``ax``.

    Raises:
        ValueError: ``ax`` stands in no grid that could be divided.
    """
    ratios = {"height_ratios": heights, "width_ratios": widths}
    if ax is None:
        figure = plt.figure(figsize=(size[0], size[1] + 0.25 * bool(title)), layout="constrained")
        figure.suptitle(title, fontsize=10)
        return figure, figure.add_gridspec(rows, columns, **ratios)
    place, owner = ax.get_subplotspec(), ax.get_figure(root=True)
    if place is None or owner is None:
        raise ValueError("ax has no place in a grid; make it with plt.subplots(), or leave ax out")
    ax.set_axis_off()
    return owner, place.subgridspec(rows, columns, **ratios)


def bare(ax: Axes) -> None:
    """Take ticks and frame away."""
    ax.set_xticks([])
    ax.set_yticks([])
    for spine in ax.spines.values():
        spine.set_visible(False)


def plain(ax: Axes, size: float = 6) -> None:
    """Take away the frame's upper and right side, and make the ticks small."""
    ax.spines[["top", "right"]].set_visible(False)
    ax.spines[["bottom", "left"]].set_linewidth(0.6)
    ax.tick_params(labelsize=size, length=2, width=0.5)


def widened(low: float, high: float) -> tuple[float, float]:
    """Return limits a little wider than the values, and never empty."""
    margin = 0.05 * (high - low) or 0.5
    return low - margin, high + margin


def shortened(name: str, length: int = 14) -> str:
    """Return a name that fits beside a bar."""
    return name if len(name) <= length else f"{name[: length - 1]}…"
