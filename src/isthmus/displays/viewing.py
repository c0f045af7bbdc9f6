"""How concepts are shown: rows side by side, what a unit writes, and rows along its range; by the kind of rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from matplotlib.axes import Axes

from isthmus.displays.anomaly import taken
from isthmus.displays.look import INKS, Array, Look, Picture, bare, look_of, plain, shortened, widened
from isthmus.explain import Passport, Passports
from isthmus.explain.words import brief
from isthmus.explain.writing import cells

HEAT = "Reds"
BARS, CELLS, LINES = 8, 5, 3
PALE = "#8a8a8a"


class Viewer:
    """Draws rows and patterns of one kind.

    Args:
        look: how one row is drawn.
        rows: all rows, as the caller gave them.
    """

    # Inches of a band of examples, of the head of the first one, of the panels of patterns, and of the strip.
    band, head, pattern_height, strip_height = 0.85, 0.0, 1.7, 1.4
    # Where titles of patterns stand: those of narrow panels would be cut off at the edge of the page.
    align: Literal["center", "right"] = "center"

    def __init__(self, look: Look, rows: Any) -> None:
        """Keep them."""
        self.look, self.rows = look, rows

    def numbers(self, index: Array) -> Array:
        """Return some rows as numbers, (rows, columns)."""
        return np.asarray(taken(self.rows, index), dtype=np.float64).reshape(len(index), -1)

    def examples(self, ax: Axes, index: Array, count: int, passport: Passport, *, first: bool) -> None:
        """Draw up to ``count`` rows."""
        raise NotImplementedError  # abstract

    def strip(self, ax: Axes, passport: Passport) -> None:
        """Draw rows along the range of a concept."""
        raise NotImplementedError  # abstract

    def pattern(self, ax: Axes, values: Array, columns: Sequence[str]) -> None:
        """Draw an atom."""
        raise NotImplementedError  # abstract

    def heat(self, ax: Axes, values: Array, columns: Sequence[str]) -> None:
        """Draw where a concept writes."""
        raise NotImplementedError  # abstract


class PictureViewer(Viewer):
    """Pictures side by side, eight in the width of a half page."""

    @property
    def band(self) -> float:  # type: ignore[override]
        """As high as pictures are that share the width."""
        high, wide = pixels(self.look, np.zeros(self.look.shape)).shape[:2]
        return float(0.06 + 0.62 * high / wide)

    def examples(self, ax: Axes, index: Array, count: int, passport: Passport, *, first: bool) -> None:
        """Draw rows as a line of pictures."""
        pictures = [pixels(self.look, row) for row in self.numbers(index)] if len(index) else []
        line_up(ax, pictures, count, self.look)

    def strip(self, ax: Axes, passport: Passport) -> None:
        """Draw a picture for every step, with the unit's value below."""
        pictures = [pixels(self.look, row) for row in passport.traversal.astype(np.float64)]
        at = line_up(ax, pictures, len(pictures), self.look)
        ax.set_xticks(at, [f"{step:.3g}" for step in passport.steps], fontsize=7)
        ax.tick_params(length=0)

    def pattern(self, ax: Axes, values: Array, columns: Sequence[str]) -> None:
        """Draw an atom: grey is nothing, lighter is more."""
        ax.imshow(centred(self.look, values), cmap="gray", vmin=0.0, vmax=1.0, interpolation="nearest")
        bare(ax)

    def heat(self, ax: Axes, values: Array, columns: Sequence[str]) -> None:
        """Draw a map; channels of one place are added up."""
        drawn = values.reshape(self.look.shape).sum(axis=0)
        ax.imshow(drawn, cmap=HEAT, vmin=0.0, vmax=float(drawn.max()) or 1.0, interpolation="nearest")
        bare(ax)


class SignalViewer(Viewer):
    """Signals as lines over each other, channels below each other in lightness."""

    band, pattern_height = 0.8, 1.5

    def examples(self, ax: Axes, index: Array, count: int, passport: Passport, *, first: bool) -> None:
        """Draw rows over each other."""
        lines(ax, self.look, self.numbers(index) if len(index) else np.empty((0, 1)), ["#2f7fc1"] * len(index), 0.55)
        ax.tick_params(labelbottom=False)

    def strip(self, ax: Axes, passport: Passport) -> None:
        """Draw rows over each other, from pale (least) to dark (most)."""
        inks = [str(0.85 - 0.8 * k / (len(passport.steps) - 1)) for k in range(len(passport.steps))]
        rows = passport.traversal.astype(np.float64)
        lines(ax, look_of(self.look.shape, rows), rows, inks, 1.0)
        ax.set_xlabel(f"place (pale: {passport.steps[0]:.3g}, dark: {passport.steps[-1]:.3g})", fontsize=7)

    def pattern(self, ax: Axes, values: Array, columns: Sequence[str]) -> None:
        """Draw an atom as lines around zero."""
        ax.axhline(0.0, color=PALE, linewidth=0.5)
        lines(ax, look_of(self.look.shape, values), values[None], [INKS[0]], 1.0)

    def heat(self, ax: Axes, values: Array, columns: Sequence[str]) -> None:
        """Draw a filled line; channels of one place are added up."""
        ax.fill_between(range(self.look.shape[-1]), values.reshape(self.look.shape).sum(0), color=INKS[2], linewidth=0)
        ax.set_ylim(bottom=0)
        plain(ax)


class TableViewer(Viewer):
    """Rows of tables as cells of the columns that the concept moves most, patterns as bars by column."""

    band, head, pattern_height = 0.62, 0.2, 1.9
    align = "right"

    def examples(self, ax: Axes, index: Array, count: int, passport: Passport, *, first: bool) -> None:
        """Write cells of a few rows, below the names of the columns."""
        which = movers(passport)
        index = index[np.unique(np.linspace(0, len(index) - 1, min(LINES, len(index))).round().astype(int))]
        found = cells(taken(self.rows, index))[:, which] if len(index) else np.empty((0, len(which)))
        heads = [passport.columns[j] for j in which] if first else []
        grid(ax, [[brief(value) for value in row] for row in found], heads, LINES)

    def strip(self, ax: Axes, passport: Passport) -> None:
        """Write a line per column that moves, with a cell for every step."""
        which = movers(passport)
        told = [[passport.columns[j], *(short(v) for v in passport.traversal[:, j])] for j in which]
        grid(ax, told, ["", *(f"{step:.3g}" for step in passport.steps)], CELLS, first=2.2)

    def pattern(self, ax: Axes, values: Array, columns: Sequence[str]) -> None:
        """Draw the largest numbers of an atom as bars."""
        bars(ax, values, columns, INKS[1])

    def heat(self, ax: Axes, values: Array, columns: Sequence[str]) -> None:
        """Draw the columns that move most as bars."""
        bars(ax, values, columns, INKS[2])


def viewer_of(passports: Passports, shape: tuple[int, ...] | None = None) -> Viewer:
    """Return what draws the rows of a model; ``shape`` says how, where the model knows its rows as flat.

    Raises:
        ValueError: a shape that does not hold a row.
    """
    shape = tuple(shape) if shape is not None else passports.shape
    if np.prod(shape) != len(passports.columns):
        raise ValueError(f"shape={shape} does not hold the {len(passports.columns)} numbers of a row; correct shape")
    if len(shape) == 1:
        return TableViewer(look_of(shape, np.empty(0), passports.columns), passports.X)
    drawn = np.unique(passports.contrast[passports.contrast >= 0])[:500]
    made = Viewer(look_of(shape, np.empty(0)), passports.X)
    look = look_of(shape, made.numbers(drawn) if len(drawn) else np.empty(0))
    return (PictureViewer if isinstance(look, Picture) else SignalViewer)(look, passports.X)


def pixels(look: Look, row: Array) -> Array:
    """Return a picture, (height, width) or (height, width, 3), from 0 to 1."""
    return Picture(look.shape, look.low, look.high).pixels(row)


def centred(look: Look, values: Array) -> Array:
    """Return a pattern as a picture in which nothing is mid-grey."""
    top = float(np.abs(values).max()) or 1.0
    return Picture(look.shape, -top, top).pixels(values)


def line_up(ax: Axes, pictures: Sequence[Array], count: int, look: Look) -> Array:
    """Draw pictures side by side, room for ``count``, and return where their middles are."""
    high, wide = pixels(look, np.zeros(look.shape)).shape[:2]
    step = 1.08
    for k, picture in enumerate(pictures):
        extent = (k * step, k * step + 1, 0.0, high / wide)
        ax.imshow(picture, cmap="gray", vmin=0.0, vmax=1.0, interpolation="nearest", extent=extent)
    ax.set_xlim(-0.02, count * step - 0.06)
    ax.set_ylim(-0.02, high / wide + 0.02)
    ax.set_aspect("equal")
    ax.set_anchor("W")
    bare(ax)
    return np.arange(len(pictures)) * step + 0.5


def lines(ax: Axes, look: Look, rows: Array, inks: Sequence[str], alpha: float) -> None:
    """Draw signals over each other; later channels are dashed."""
    for row, ink in zip(rows, inks, strict=True):
        for k, line in enumerate(row.reshape(look.shape)):
            ax.plot(line, color=ink, alpha=alpha, linewidth=0.9, linestyle=("-", "--", ":", "-.")[k % 4])
    ax.set_ylim(*widened(look.low, look.high))
    plain(ax)


def bars(ax: Axes, values: Array, columns: Sequence[str], ink: str) -> None:
    """Draw the largest of some values as horizontal bars with their columns' names."""
    order = np.argsort(-np.abs(values), kind="stable")[:BARS]
    ax.barh(range(len(order)), values[order], 0.7, color=ink)
    ax.set_yticks(range(len(order)), [shortened(columns[j], 16) for j in order])
    ax.invert_yaxis()
    ax.axvline(0.0, color=INKS[0], linewidth=0.4)
    plain(ax, 7)


def movers(passport: Passport) -> Array:
    """Return the columns that a concept moves most, in the table's order."""
    order: Array = np.sort(np.argsort(-passport.where, kind="stable")[:CELLS])
    return order


def short(value: Any) -> str:
    """Write a cell in few signs: numbers in three digits."""
    if not isinstance(value, (float, np.floating)):
        return brief(value)
    if np.isnan(value):
        return "missing"
    return f"{float(value):,.0f}" if 1000 <= abs(float(value)) < 1e9 else f"{float(value):.3g}"


def grid(ax: Axes, rows: Sequence[Sequence[str]], heads: Sequence[str], count: int, *, first: float = 0.0) -> None:
    """Write cells on ``count`` lines of equal height, below heads in bold.

    With ``first`` the first cell of a line is its name, in bold, and so many times as wide as the others.
    """
    bare(ax)
    columns = len(heads) or (len(rows[0]) if rows else 1)
    starts = np.concatenate([[0.0], np.arange(columns - 1) + (first or 1.0)])
    total = columns - 1 + (first or 1.0)
    ax.set_xlim(-0.01 * total, total)
    ax.set_ylim(count + bool(heads), 0)
    room = (150 if first else 78) / total  # letters
    for i, line in enumerate([heads, *rows] if heads else rows):
        for j, cell in enumerate(line):
            letters = int(room * (first if first and j == 0 else 1.0))
            bold = (heads and i == 0) or (first and j == 0)
            ax.text(
                starts[j],
                i + 0.5,
                shortened(cell, letters),
                fontsize=7,
                va="center",
                fontweight="bold" if bold else None,
            )
