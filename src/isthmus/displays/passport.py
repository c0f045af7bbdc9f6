"""A page for one concept."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from matplotlib.axes import Axes

from isthmus.displays.look import INKS, Array, bare, ground, plain, shortened
from isthmus.displays.viewing import PALE, PictureViewer, centred, line_up, viewer_of
from isthmus.explain import BANDS, Passports, passports

if TYPE_CHECKING:
    from isthmus.estimators import Autoencoder

LABELS, NEAREST, WIDTH = 8, 5, 10.0


class PassportDisplay:
    """All that is known of one concept on a page.

    Rows of every quarter of its values, and rows in which it speaks alone; its atom, and where it writes; how often it
    takes which values; the labels that it lifts, with 95 % intervals (dashes: no lift; grey: no more than chance);
    rows along its range; and its nearest concepts.

    Args:
        passports: of the model.
        unit: which concept.
        shape: of rows as pictures or signals, where the model knows them as flat.

    Attributes:
        figure_, axes_: the figure, and its axes (panels,).

    >>> from isthmus import Trainer, data, recipes
    >>> digits = data.read("digits", limit=150)
    >>> model = recipes.k_sparse(8, k=2, trainer=Trainer(epochs=2), random_state=0).fit(digits.X)
    >>> PassportDisplay.from_estimator(model, digits.X, y=digits.y, unit=3).passport.unit
    3
    """

    def __init__(self, passports: Passports, unit: int, shape: tuple[int, ...] | None = None) -> None:
        """Keep what is drawn."""
        self.passports, self.passport, self.shape = passports, passports[unit], shape

    @classmethod
    def from_estimator(
        cls,
        model: Autoencoder,
        X: Any,
        *,
        unit: int,
        y: Any = None,
        others: Sequence[Autoencoder] = (),
        shape: tuple[int, ...] | None = None,
        ax: Axes | None = None,
    ) -> Self:
        """Issue the passports of a model on rows X and draw one."""
        return cls(passports(model, X, y, others=others), unit, shape).plot(ax=ax)

    def plot(self, ax: Axes | None = None) -> Self:
        """Draw on a new figure, or in the place of ``ax``."""
        self.viewer = viewer_of(self.passports, self.shape)
        facts = self.passport.facts()
        if isinstance(self.viewer, PictureViewer):
            facts.pop("nearest", None)  # they are drawn
        heights = [0.1 + 0.17 * len(facts), max(4.4, 5.2 * self.viewer.band + 0.3), self.viewer.strip_height]
        self.figure_, spec = ground(ax, 3, 1, (WIDTH, sum(heights) + 0.3), heights=heights)
        top, body, bottom = spec[0, 0], spec[1, 0], spec[2, 0]
        halves = body.subgridspec(1, 2, width_ratios=[1.55, 1.0])
        drawn = [self._facts(self.figure_.add_subplot(top), facts)]
        drawn += self._examples(halves[0, 0])
        drawn += self._patterns(halves[0, 1])
        drawn += self._range(bottom)
        self.axes_ = np.array(drawn, dtype=object)
        return self

    def _facts(self, ax: Axes, facts: dict[str, str]) -> Axes:
        bare(ax)
        found = self.passport
        ax.set_xlim(0, WIDTH)
        ax.set_ylim(len(facts), 0)
        flags = f"   [{', '.join(found.flags)}]" if found.flags else ""
        ax.set_title(found.title + flags, fontsize=12, loc="left", fontweight="bold")
        for line, (subject, fact) in enumerate(facts.items()):
            ax.text(0.0, line + 0.5, subject, fontsize=8, color=PALE, va="center")
            ax.text(0.8, line + 0.5, shortened(fact, 130), fontsize=8, va="center")
        return ax

    def _examples(self, place: Any) -> list[Axes]:
        found = self.passport
        bands = [*zip(reversed(BANDS), reversed(found.bands), strict=True), ("speaks alone", found.contrast)]
        heights = [self.viewer.band + (self.viewer.head if k == 0 else 0.0) for k in range(len(bands))]
        spec = place.subgridspec(len(bands), 1, height_ratios=heights)
        panels = []
        for k, (label, rows) in enumerate(bands):
            ax = self.figure_.add_subplot(spec[k, 0])
            self.viewer.examples(ax, rows, self.passports.examples, found, first=k == 0)
            ax.set_ylabel(label, fontsize=7, rotation=0, ha="right", va="center")
            panels.append(ax)
        panels[0].set_title("rows by quarter of its values", fontsize=8, loc="left")
        return panels

    def _patterns(self, place: Any) -> list[Axes]:
        found, labelled = self.passport, bool(self.passport.lifts)
        heights = [self.viewer.pattern_height, 0.8, *([1.5] if labelled else [])]
        spec = place.subgridspec(len(heights), 1, height_ratios=heights)
        two = spec[0, 0].subgridspec(1, 2)
        atom, where = (self.figure_.add_subplot(two[0, k]) for k in range(2))
        self.viewer.pattern(atom, found.atom, found.columns)
        align = self.viewer.align
        atom.set_title(f"writes\n({found.atom_units})", fontsize=8, loc=align)
        self.viewer.heat(where, found.where, found.columns)
        where.set_title(f"changes without it\n(up to {found.where.max():.2g})", fontsize=8, loc=align)
        values = self.figure_.add_subplot(spec[1, 0])
        self._values(values)
        return [atom, where, values, *([self._lifts(self.figure_.add_subplot(spec[2, 0]))] if labelled else [])]

    def _values(self, ax: Axes) -> None:
        activity, unit = self.passports.activity, self.passport.unit
        values = activity.values[:, unit]
        values = values[activity.active[:, unit]] if activity.sparse else values
        if len(values):
            ax.hist(values, 40, color=INKS[-1])
        ax.set_yticks([])
        plain(ax, 7)
        ax.spines["left"].set_visible(False)
        ax.set_title("values where it is active" if activity.sparse else "values", fontsize=8)

    def _lifts(self, ax: Axes) -> Axes:
        shown = self.passport.lifts[:LABELS]
        for k, lift in enumerate(shown):
            ax.barh(k, lift.lift, 0.7, color=INKS[1] if lift.lifted else INKS[-1])
            ax.plot([lift.low, lift.high], [k, k], color=INKS[0], linewidth=1.0)
        ax.axvline(1.0, color=INKS[0], linewidth=0.8, linestyle="--")
        sides = [" (below)" if lift.side == "below" else "" for lift in shown]
        names = [shortened(str(lift.label), 18) + side for lift, side in zip(shown, sides, strict=True)]
        ax.set_yticks(range(len(shown)), names)
        ax.set_ylim(len(shown) - 0.4, -0.6)
        ax.set_xlim(0, 1.05 * max(1.2, *(lift.high for lift in shown)))
        ax.set_title("P(label | active) / P(label)", fontsize=8)
        plain(ax, 7)
        return ax

    def _range(self, place: Any) -> list[Axes]:
        near = self.passport.nearest if isinstance(self.viewer, PictureViewer) else ()
        spec = place.subgridspec(1, 2, width_ratios=[1.55, 1.0]) if near else place.subgridspec(1, 1)
        strip = self.figure_.add_subplot(spec[0, 0])
        self.viewer.strip(strip, self.passport)
        strip.set_title("the mean row, with the concept at", fontsize=8, loc="left")
        if not near:
            return [strip]
        beside = self.figure_.add_subplot(spec[0, 1])
        atoms: list[Array] = [centred(self.viewer.look, self.passports.atoms[n.unit]) for n in near]
        at = line_up(beside, atoms, NEAREST, self.viewer.look)
        beside.set_xticks(at, [f"{shortened(n.name, 8) or n.unit}\n{n.cosine:+.2f}" for n in near], fontsize=7)
        beside.tick_params(length=0)
        beside.set_title("nearest concepts, cosine of atoms", fontsize=8, loc="left")
        return [strip, beside]
