"""All concepts of a code on one picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from matplotlib.axes import Axes

from isthmus.displays.folder import write
from isthmus.displays.look import INKS, bare, ground, plain, shortened
from isthmus.displays.passport import PassportDisplay
from isthmus.displays.viewing import PALE, PictureViewer, Viewer, centred, pixels, viewer_of
from isthmus.explain import Passports, passports

if TYPE_CHECKING:
    from isthmus.estimators import Autoencoder

# Up to so many concepts have examples beside their atom.
FEW, EXAMPLES = 40, 5
FEW_ACROSS, MANY_ACROSS = 3, 6
WIDTH = 10.0


class ConceptsDisplay:
    """Every concept as a tile: its atom, rows of its highest quarter where concepts are few, rate, and label.

    Concepts of tables are lines of a map of columns, with bars for their rates.

    Args:
        passports: of the model.
        by: the order, see :meth:`isthmus.explain.Passports.order`.
        most: show so many at most; None shows all.
        shape: of rows as pictures or signals, where the model knows them as flat.

    Attributes:
        figure_, axes_: the figure, and its axes (panels,).

    >>> from isthmus import Trainer, data, recipes
    >>> digits = data.read("digits", limit=150)
    >>> model = recipes.k_sparse(8, k=2, trainer=Trainer(epochs=2), random_state=0).fit(digits.X)
    >>> len(ConceptsDisplay.from_estimator(model, digits.X, by="unit").units)
    8
    """

    def __init__(
        self, passports: Passports, by: str = "rate", most: int | None = None, shape: tuple[int, ...] | None = None
    ) -> None:
        """Keep what is drawn."""
        self.passports, self.shape, self.by = passports, shape, by
        self.units = passports.order(by)[:most]

    @classmethod
    def from_estimator(
        cls,
        model: Autoencoder,
        X: Any,
        *,
        y: Any = None,
        by: str = "rate",
        most: int | None = None,
        others: Sequence[Autoencoder] = (),
        shape: tuple[int, ...] | None = None,
        ax: Axes | None = None,
    ) -> Self:
        """Issue the passports of a model on rows X and draw all."""
        return cls(passports(model, X, y, others=others), by, most, shape).plot(ax=ax)

    def plot(self, ax: Axes | None = None) -> Self:
        """Draw on a new figure, or in the place of ``ax``."""
        viewer = viewer_of(self.passports, self.shape)
        if len(viewer.look.shape) == 1:
            return self._map(ax)
        few = len(self.units) <= FEW
        return self._tiles(ax, viewer, EXAMPLES if few else 0)

    @property
    def title(self) -> str:
        """How many there are, and in which order."""
        shown, total = len(self.units), len(self.passports)
        dead = int(self.passports.dead.sum())
        some = f"{shown} of {total}" if shown < total else f"{total}"
        return f"{some} concepts by {self.by}" + (f", {dead} dead" if dead else "")

    def told(self, unit: int, room: int) -> list[str]:
        """Return two short lines on a unit: name and rate, and the label that it lifts."""
        found = self.passports.best(unit)
        rate = "dead" if self.passports.dead[unit] else percent(self.passports.rate[unit])
        label = "" if found is None else found.brief
        head = f"{shortened(self.passports.title(unit), max(3, room - len(rate) - 3))} · {rate}"
        return [head, shortened(label, room)]

    def _tiles(self, ax: Axes | None, viewer: Viewer, examples: int) -> Self:
        ratio = 0.6
        if isinstance(viewer, PictureViewer):
            high, wide = pixels(viewer.look, np.zeros(viewer.look.shape)).shape[:2]
            ratio = high / wide
        examples = examples if isinstance(viewer, PictureViewer) else 0
        across = 1.06 * (1 + examples) if examples else 1.0
        columns = FEW_ACROSS if examples else int(np.clip(np.sqrt(2.0 * len(self.units)), MANY_ACROSS, 16))
        # Everything is placed in units of one picture, so that letters can be counted against the room they have.
        inch = WIDTH / (columns * (across + 0.22))
        words = (0.14 if examples else 0.24) / inch + 0.06
        lines = -(-len(self.units) // columns)
        step, fall = across + 0.22, ratio + words
        size = (WIDTH, lines * fall * inch + 0.15)
        self.figure_, spec = ground(ax, 1, 1, size, title=self.title)
        panel = self.figure_.add_subplot(spec[0, 0])
        room = int(across * inch * 72 / 3.5)
        for k, unit in enumerate(self.units):
            x, y = (k % columns) * step, -(k // columns) * fall
            self._tile(panel, viewer, unit, x, y, ratio, examples)
            one, two = self.told(unit, room)
            told = f"{one} · {two}" if two and len(one) + len(two) + 3 <= room else f"{one}\n{two}".rstrip()
            panel.text(x, y + 0.02, told, fontsize=6, va="bottom", color=PALE if self.passports.dead[unit] else "black")
        panel.set_xlim(-0.02, columns * step - 0.2)
        panel.set_ylim(-(lines - 1) * fall - ratio - 0.04, words)
        panel.set_aspect("equal")
        bare(panel)
        self.axes_ = np.array([panel], dtype=object)
        return self

    def _tile(self, ax: Axes, viewer: Viewer, unit: int, x: float, y: float, ratio: float, examples: int) -> None:
        atom = self.passports.atoms[unit]
        if not isinstance(viewer, PictureViewer):
            top = float(np.abs(atom).max()) or 1.0
            for k, line in enumerate(atom.reshape(viewer.look.shape)):
                at = x + np.linspace(0, 1, len(line))
                ax.plot(at, y - ratio / 2 + 0.45 * ratio * line / top, "-" if k == 0 else "--", color=INKS[0], lw=0.8)
            ax.plot([x, x + 1], [y - ratio / 2] * 2, color=INKS[-1], linewidth=0.4)
            return
        rows = self.passports[unit].strongest[:examples] if examples else np.empty(0, int)
        pictures = [centred(viewer.look, atom)]
        pictures += [pixels(viewer.look, row) for row in viewer.numbers(rows)] if len(rows) else []
        for k, picture in enumerate(pictures):
            left = x + 1.06 * k + (0.04 if k else 0.0)
            extent = (left, left + 1, y - ratio, y)
            ax.imshow(picture, cmap="gray", vmin=0.0, vmax=1.0, interpolation="nearest", extent=extent)

    def _map(self, ax: Axes | None) -> Self:
        count, names = len(self.units), self.passports.columns
        line, letters = (0.19, 7) if count <= FEW else (0.12, 5)
        size = (min(WIDTH, 3.6 + 0.24 * len(names)), 1.3 + line * count)
        self.figure_, spec = ground(ax, 1, 2, size, title=self.title, widths=[0.9, 0.24 * len(names) + 0.3])
        rates, panel = (self.figure_.add_subplot(spec[0, k]) for k in range(2))
        rates.barh(range(count), 100 * self.passports.rate[self.units], 0.75, color=INKS[-1])
        rates.set_yticks(range(count), [shortened(self.passports.title(unit), 18) for unit in self.units])
        rates.set_ylim(count - 0.5, -0.5)
        rates.set_xlabel("% of rows", fontsize=7)
        plain(rates, letters)
        shown = self.passports.atoms[self.units]
        # One scale for all, which a single wild number may not flatten.
        top = float(np.quantile(np.abs(shown), 0.99)) or 1.0
        drawn = panel.imshow(shown, cmap="gray", vmin=-top, vmax=top, aspect="auto", interpolation="nearest")
        plain(panel, letters)
        panel.set_xticks(range(len(names)), [shortened(name) for name in names], rotation=90, fontsize=7)
        panel.set_yticks(range(count), [self._label(unit) for unit in self.units])
        panel.yaxis.tick_right()
        panel.tick_params(length=0)
        bar = self.figure_.colorbar(drawn, ax=[rates, panel], location="bottom", shrink=0.5, aspect=40)
        bar.set_label(f"writes, {self.passports.atom_units}", fontsize=7)
        bar.ax.tick_params(labelsize=6)
        self.axes_ = np.array([rates, panel], dtype=object)
        return self

    def _label(self, unit: int) -> str:
        found = self.passports.best(unit)
        return "dead" if self.passports.dead[unit] else "" if found is None else found.brief


def percent(share: float) -> str:
    """Write a share in few signs."""
    return f"{100 * share:.2g} %" if share < 0.1 else f"{100 * share:.0f} %"


def concept_figures(
    book: Passports, folder: str | Path, *, by: str = "rate", pages: int = 50, shape: tuple[int, ...] | None = None
) -> list[Path]:
    """Write the gallery of all concepts to a folder, and pages of the first living ones in an order.

    Raises:
        ValueError: an unknown order, or a folder that cannot be written.
    """
    folder = Path(folder)
    drawn = [write(ConceptsDisplay(book, by, shape=shape).plot(), folder / "gallery.png")]
    living = [unit for unit in book.order(by) if not book.dead[unit]]
    for unit in living[:pages]:
        drawn.append(write(PassportDisplay(book, unit, shape).plot(), folder / f"concept-{unit:04d}.png"))
    return drawn
