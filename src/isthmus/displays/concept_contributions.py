"""What every concept adds to a prediction, as signed bars, with the row and its concepts beside them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from matplotlib.axes import Axes

from isthmus.displays.anomaly import taken
from isthmus.displays.beside import Beside, Rows, beside_of, named_value, rows_of
from isthmus.displays.look import INKS, Array, ground, plain, shortened

if TYPE_CHECKING:
    from isthmus.estimators.concept_explanation import ConceptExplanation
    from isthmus.estimators.self_explaining_base import SelfExplainingEstimator

MOST, FEW, ACROSS = 10, 5, 2
BAR, BARS_WIDTH, LETTERS, ENOUGH = 0.3, 3.6, 64, 14
FOR, AGAINST, TOTAL = INKS[1], INKS[2], INKS[0]


@dataclass(frozen=True)
class Bar:
    """A name, what it adds, and the concept, if it is one."""

    name: str
    adds: float
    concept: int | None = None


class ConceptContributionsDisplay:
    """What each concept adds to a prediction: bars by size, the rest as one, and what they add up to.

    Beside the bars of one row stand the row and what its strongest concepts look like; of several rows each has a panel
    with its largest contributions. Bars are drawn from the numbers of the explanation: they add up to the total below.

    Args:
        explanation: of the rows that are drawn.
        rows: the rows, to be drawn beside the bars.
        beside: what concepts look like.
        called: what the rows are called; their labels, else their positions from 0, if None.
        labels: what the rows really are, where that is known.

    Attributes:
        figure_, axes_: the figure, and its axes with bars (rows,).

    >>> from sklearn.datasets import load_iris
    >>> from isthmus import Autoencoder, SelfExplainingClassifier, Trainer
    >>> X, y = load_iris(return_X_y=True)
    >>> quick = Autoencoder(3, scaling="standard", trainer=Trainer(2), random_state=0)
    >>> model = SelfExplainingClassifier(quick, trainer=Trainer(2), random_state=0).fit(X, y)
    >>> shown = ConceptContributionsDisplay.from_estimator(model, X[:1])
    >>> shown.axes_.shape, bool(shown.explanation.against)
    ((1,), True)
    """

    def __init__(
        self,
        explanation: ConceptExplanation,
        rows: Rows | None = None,
        beside: Beside | None = None,
        *,
        called: Sequence[Any] | None = None,
        labels: Sequence[Any] | None = None,
    ) -> None:
        """Keep what is drawn."""
        self.explanation, self.rows, self.beside, self.labels = explanation, rows, beside, labels
        called = explanation.labels if called is None else called
        self.called = list(range(len(explanation.logits))) if called is None else list(called)

    @classmethod
    def from_estimator(
        cls,
        model: SelfExplainingEstimator,
        X: Any,
        *,
        y: Any = None,
        against: Any = None,
        train: Any = None,
        n_rows: int | None = None,
        rows: Sequence[Any] | None = None,
        shape: tuple[int, ...] | None = None,
        ax: Axes | None = None,
    ) -> Self:
        """Explain rows of X and draw that.

        Args:
            model: a fitted self-explaining model.
            X: rows.
            y: their labels, to be named in the titles.
            against: the class to explain against, or one per row; None is the class that comes next.
            train: X of the fit: its rows show what concepts stand for; without it the decoder's atoms do.
            n_rows: draw the first so many; 6 if None.
            rows: what the rows are called.
            shape: draw flat rows as pictures, (channels, height, width).
            ax: draw in its place.
        """
        X = taken(X, np.arange(min(len(X), 6 if n_rows is None else n_rows)))
        told = model.explain(X, against, probes=0).gap()
        drawn = rows_of(model, X, shape)
        made = cls(told, drawn, called=rows, labels=None if y is None else np.asarray(y)[: len(X)].tolist())
        if len(X) == 1:
            shown = [[bar.concept for bar in made.bars(0, MOST) if bar.concept is not None]]
            made.beside = beside_of(model, told, drawn, shown, train)
        return made.plot(ax=ax)

    def plot(self, ax: Axes | None = None) -> Self:
        """Draw on a new figure, or in the place of ``ax``."""
        n, one = len(self.explanation.logits), len(self.explanation.logits) == 1
        bars = [self.bars(place, MOST if one else FEW) for place in range(n)]
        across, tall = min(ACROSS, n), max(map(len, bars)) + 1
        widths = [*([] if self.rows is None else [self.rows.width]), BARS_WIDTH]
        widths += [self.beside.width] if one and self.beside is not None else []
        down, headed = -(-n // across), one and ax is None
        size = (0.2 + across * sum(widths), down * (0.55 + (BAR if one else 0.2) * tall))
        self.figure_, grid = ground(ax, down, across, size, title=self.title(0) if headed else "")
        drawn = []
        for place in range(n):
            spec = grid[place // across, place % across].subgridspec(1, len(widths), width_ratios=widths)
            panels = [self.figure_.add_subplot(spec[0, k]) for k in range(len(widths))]
            if self.rows is not None:
                self.rows.draw(panels.pop(0), place, self.explanation.of(place)[:-1], tall)
            self._bars(panels[0], place, bars[place], tall)
            if not headed:
                panels[0].set_title(self.title(place, LETTERS), fontsize=8, loc="left", x=-0.35)
            drawn.append(panels[0])
            if len(panels) > 1 and self.beside is not None:
                panels[1].set_ylim(*panels[0].get_ylim())
                self.beside.draw(panels[1], place, [bar.concept for bar in bars[place]])
                panels[1].set_title(self.beside.title, fontsize=7, loc="left")
        self.axes_ = np.array(drawn, dtype=object)
        return self

    def bars(self, place: int, most: int) -> list[Bar]:
        """Return the bars of a row, largest first: concepts that add something, the constant one, and the others."""
        told, parts = self.explanation, self.explanation.of(place)
        order = np.argsort(-np.abs(parts[:-1]), kind="stable")
        count = len(order) if len(order) <= most + 1 else most
        kept = [int(i) for i in order[:count] if parts[i] != 0 or i == order[0]]
        found = [Bar(named_value(told.names[i], told.concepts[place, i]), float(parts[i]), i) for i in kept]
        found.append(Bar(told.names[-1], float(parts[-1])))
        found.sort(key=lambda bar: -abs(bar.adds))
        others = [i for i in order if i not in set(kept)]
        if others:
            told_of = f"{len(others)} others" if len(others) > 1 else "1 other"
            found.append(Bar(told_of, float(parts[others].sum())))
        return found

    def title(self, place: int, room: int = 110) -> str:
        """Say in so many letters what is predicted of a row, and whether that is right where it is known."""
        # Long names of classes often begin alike, and are better broken than shortened; then so are all titles.
        every = range(len(self.called))
        one = all(len(self._title(k, ENOUGH)) <= room for k in every)
        titles = (self._title(place, letters) for letters in range(40, 4, -1))
        titles = titles if one else (title.replace(" rather", "\nrather") for title in titles)
        fits = (title for title in titles if max(map(len, title.split("\n"))) <= room)
        return next(fits, self._title(place, 4))

    def _title(self, place: int, letters: int) -> str:
        """Say it with names of classes of up to so many letters."""
        told, head = self.explanation, f"row {self.called[place]}: predicted"
        named, other = (str(told.outputs[at[place]]) for at in (told.predicted, told.counter))
        really = None if self.labels is None else self.labels[place]
        if not told.classes:
            said = f"{head} {told.logits[place, 0]:.4g}"
            return said if really is None or np.ndim(really) else f"{said}, it is {really:.4g}"
        said = f"{head} {shortened(named, letters)}"
        if told.itself(place):
            said += ", the class to explain against"
        elif told.against:
            said += f" rather than {shortened(other, letters)} by {told.logits[place]:.3g}"
        else:
            said += f" with logit {told.logits[place, told.predicted[place]]:.3g}"
        if really is None:
            return said
        return f"{said}, right" if str(really) == named else f"{said}, but it is {shortened(str(really), letters)}"

    def _total(self, place: int) -> str:
        told = self.explanation
        named = shortened(str(told.outputs[told.predicted[place]]), 14)
        return "gap" if told.against else f"logit of {named}" if told.classes else named

    def _bars(self, ax: Axes, place: int, bars: Sequence[Bar], tall: int) -> None:
        every = [*bars, Bar(self._total(place), sum(bar.adds for bar in bars))]
        heights = np.array([bar.adds for bar in every])
        inks = [*(FOR if bar.adds >= 0 else AGAINST for bar in bars), TOTAL]
        ax.barh(range(len(every)), heights, 0.7, color=inks)
        low, high = min(0.0, float(heights.min())), max(0.0, float(heights.max()))
        room, digits = 0.24 * (high - low or 1.0), decimals(heights)
        ax.set_xlim(low - (room if low < 0 else 0.0), high + room)
        ax.set_ylim(tall - 0.4, -0.6)
        for k, bar in enumerate(every):
            text = f"{bar.adds:+.{digits}f}" if round(bar.adds, digits) else "0"
            side = 1 if bar.adds >= 0 else -1
            ax.annotate(
                text,
                (bar.adds, k),
                (3 * side, 0),
                textcoords="offset points",
                va="center",
                ha="left" if side > 0 else "right",
                fontsize=7,
                fontweight="bold" if k == len(bars) else None,
            )
        ax.axvline(0.0, color=INKS[0], linewidth=0.6)
        ax.axhline(len(bars) - 0.5, color=INKS[-1], linewidth=0.6)
        ax.set_yticks(range(len(every)), [bar.name for bar in every])
        plain(ax, 7)
        ax.tick_params(axis="y", length=0)


def decimals(heights: Array) -> int:
    """Return so many decimals that the largest number has three digits."""
    top = float(np.abs(heights).max())
    return int(np.clip(2 - np.floor(np.log10(top)), 0, 12)) if top > 0 else 0
