"""What stands beside a prediction: the row itself, and what its concepts look like in the rows of the fit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.offsetbox import AnnotationBbox, OffsetImage

from isthmus.displays.anomaly import taken
from isthmus.displays.look import INKS, Array, Look, Picture, Signal, bare, look_of, shortened, widened
from isthmus.displays.viewing import PALE, centred, pixels, short
from isthmus.explain.movement import columns_of, movement
from isthmus.explain.words import brief
from isthmus.explain.writing import cells

if TYPE_CHECKING:
    from isthmus.estimators.concept_explanation import ConceptExplanation
    from isthmus.estimators.self_explaining_base import SelfExplainingEstimator

EXAMPLES, COLUMNS = 4, 2
TALL = 21.0  # points of a little picture


@dataclass(frozen=True, eq=False)
class Rows:
    """Rows to draw, as pictures or signals, or as cards of the cells of some columns.

    Attributes:
        look: how a row is drawn; of a table only its shape is asked.
        values: (rows, numbers), or of a table (rows, columns) of cells.
        columns: names of a table's columns.
        weights: (concepts, columns): how far each concept moves each column of a table.
    """

    look: Look
    values: Array
    columns: tuple[str, ...] = ()
    weights: Array | None = None

    @property
    def table(self) -> bool:
        """Whether rows are cells of columns."""
        return len(self.look.shape) == 1

    @property
    def width(self) -> float:
        """Inches that a row takes."""
        return 2.1 if self.table else 1.7 if isinstance(self.look, Signal) else 1.3

    def draw(self, ax: Axes, place: int, parts: Array, lines: int) -> None:
        """Draw a row; of a table the columns that are moved by what adds most, on so many lines."""
        if not self.table:
            self.look.draw(ax, {"": self.values[place].astype(np.float64)})
            if isinstance(self.look, Picture):
                ax.set_anchor("N")
            return
        which = self.chosen(parts, lines)
        told = [(self.columns[j], short(self.values[place, j])) for j in which]
        card(ax, told, lines, more=len(self.columns) - len(which))

    def chosen(self, parts: Array, lines: int) -> Array:
        """Return the columns that a card shows, in the table's order."""
        total = len(self.columns)
        if total <= lines or self.weights is None:
            return np.arange(min(total, lines))
        moved = np.abs(parts) @ self.weights
        return np.sort(np.argsort(-moved, kind="stable")[: lines - 1])


def card(ax: Axes, cells: Sequence[tuple[str, str]], lines: int, more: int = 0) -> None:
    """Write names and values below each other."""
    bare(ax)
    ax.set_xlim(0, 1.12)
    ax.set_ylim(lines - 0.4, -0.6)
    for k, (name, value) in enumerate(cells):
        ax.text(0.0, k, shortened(name, 20), fontsize=7, va="center", color=PALE)
        ax.text(1.0, k, shortened(value, 14), fontsize=7, va="center", ha="right")
    if more > 0:
        ax.text(0.0, len(cells), f"{more} more columns", fontsize=6, va="center", color=PALE, style="italic")


def rows_of(model: SelfExplainingEstimator, X: Any, shape: tuple[int, ...] | None, *others: Any) -> Rows:
    """Return rows of X as they are drawn, on one scale with ``others``.

    Raises:
        ValueError: a shape that does not hold a row.
    """
    shape = tuple(shape) if shape is not None else tuple(model.spec_.shape)
    values = cells(X)
    columns = columns_of(model, values.shape[1])
    if model.autoencoder_.form_.table is not None or len(shape) == 1:
        return Rows(look_of((len(columns),), np.empty(0)), values, columns, movement(model)[2])
    if np.prod(shape) != values.shape[1]:
        raise ValueError(f"shape={shape} does not hold the {values.shape[1]} numbers of a row; correct shape")
    numbers = [np.asarray(x, dtype=np.float64).reshape(len(x), -1) for x in (values, *others)]
    return Rows(look_of(shape, np.concatenate(numbers)), numbers[0])


@dataclass(frozen=True, eq=False)
class Beside:
    """What concepts look like: little rows of the fit, or atoms, or of tables words.

    Attributes:
        title: what is shown.
        words: by (row, concept), for tables.
        pictures: by (row, concept): (examples, numbers), and whether it is the high side, None of atoms.
        look: how these are drawn.
    """

    title: str
    words: dict[tuple[int, int], str]
    pictures: dict[tuple[int, int], tuple[Array, bool | None]]
    look: Look

    @property
    def width(self) -> float:
        """Inches that are needed."""
        if self.words:
            return 3.2
        count = max((len(rows) for rows, _ in self.pictures.values()), default=1)
        high, wide = self.look.panel[1], self.look.panel[0]
        ratio = 1.6 if isinstance(self.look, Signal) else wide / high
        return max(1.0, 0.4 + count * (TALL / 72) * ratio * 1.12)

    def draw(self, ax: Axes, place: int, concepts: Sequence[int | None]) -> None:
        """Draw beside bars at 0, 1, ..., whose concepts are given."""
        bare(ax)
        count = max((len(rows) for rows, _ in self.pictures.values()), default=1)
        ax.set_xlim(-0.3, count)
        for k, concept in enumerate(concepts):
            if concept is None:
                continue
            if (place, concept) in self.words:
                ax.text(-0.3, k, self.words[place, concept], fontsize=6.5, va="center")
            elif (place, concept) in self.pictures:
                rows, side = self.pictures[place, concept]
                if side is not None:
                    ax.text(-0.05, k, "high" if side else "low", fontsize=6, va="center", ha="right", color=PALE)
                self._little(ax, k, rows, atom=side is None)

    def _little(self, ax: Axes, k: int, rows: Array, *, atom: bool) -> None:
        for i, row in enumerate(rows):
            if isinstance(self.look, Picture):
                picture = centred(self.look, row) if atom else pixels(self.look, row)
                drawn = OffsetImage(picture, zoom=TALL / picture.shape[0], cmap="gray", interpolation="nearest")
                drawn.image.set_clim(0.0, 1.0)
                ax.add_artist(AnnotationBbox(drawn, (i + 0.5, k), frameon=False, pad=0.0))
                continue
            top = float(np.abs(row).max()) or 1.0
            low, high = (-top, top) if atom else widened(self.look.low, self.look.high)
            for c, line in enumerate(row.reshape(self.look.shape)):
                at = i + np.linspace(0.06, 0.94, len(line))
                ax.plot(at, k + 0.4 - 0.8 * (line - low) / (high - low), "-" if c == 0 else "--", color=INKS[0], lw=0.7)


def beside_of(
    model: SelfExplainingEstimator, told: ConceptExplanation, rows: Rows, shown: Sequence[Sequence[int]], train: Any
) -> Beside:
    """Return what the concepts in ``shown``, those of each row, look like.

    Of pictures and signals these are training rows in which each is strongest, on the side of its mean on which it is
    in the row; without training rows the decoder's atoms. Of tables words say which columns it moves.
    """
    pairs = [(place, concept) for place, concepts in enumerate(shown) for concept in concepts]
    if rows.table:
        low, high, far = movement(model)
        words = {pair: moves(low[pair[1]], high[pair[1]], far[pair[1]], rows.columns) for pair in pairs}
        return Beside("decoded, from little of it to much", words, {}, rows.look)
    if train is None or not len(model.known_):  # as where the model was shared without its rows
        low, high, _ = movement(model)
        differ = np.asarray(high - low, dtype=np.float64)
        return Beside("what it writes", {}, {pair: (differ[[pair[1]]], None) for pair in pairs}, rows.look)
    known, mean = model.known_concepts_, model.known_concepts_.mean(0)
    found: dict[tuple[int, int], tuple[Array, bool | None]] = {}
    for place, concept in pairs:
        high_side = bool(told.concepts[place, concept] >= mean[concept])
        order = np.argsort(-known[:, concept] if high_side else known[:, concept], kind="stable")[:EXAMPLES]
        examples = np.asarray(taken(train, model.known_[order]), dtype=np.float64).reshape(len(order), -1)
        found[place, concept] = examples, high_side
    return Beside("extreme training rows", {}, found, rows.look)


def moves(low: Array, high: Array, far: Array, columns: Sequence[str]) -> str:
    """Say which columns a concept moves, those that move furthest first."""
    order = [j for j in np.argsort(-far, kind="stable")[:COLUMNS] if far[j] > 0]
    return shortened(", ".join(f"{shortened(columns[j], 18)} {short(low[j])} to {short(high[j])}" for j in order), 68)


def named_value(name: str, value: float) -> str:
    """Write a concept with its value."""
    return f"{shortened(name, 22)} ({brief(float(np.float32(f'{value:.3g}')))})"
