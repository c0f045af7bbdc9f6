"""Why rows are strange, column by column; and how their scores compare with those of calibration rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, NullFormatter

from isthmus.atrow import labels_of
from isthmus.displays.curves import wide
from isthmus.displays.folder import write
from isthmus.displays.look import INKS, Array, Look, Picture, look_of, panels, plain, shortened

if TYPE_CHECKING:
    from isthmus.estimators import AnomalyDetector
    from isthmus.estimators.explanation import Explanation

SHOWN, PICTURES, BARS = 4, 8, 6
HEAT = "Reds"


class ContributionsDisplay:
    """What each column adds to the scores of some rows, with what is there and what was expected.

    Of a table every row is a panel of bars, the largest first. Pictures stand above a heat map of what each place adds;
    signals have it below them along the same axis.

    Args:
        explanation: of the rows that are drawn.
        look: how a row of pictures or signals is drawn; None for a table.
        rows: what the rows are called; their positions from 0 if None.

    Attributes:
        figure_, axes_: the figure, and its axes: (rows, 1) for tables, (2, rows) else.

    >>> from isthmus import AnomalyDetector, Trainer
    >>> X = np.random.default_rng(0).normal(size=(60, 3))
    >>> detector = AnomalyDetector(trainer=Trainer(epochs=1), members=2, random_state=0).fit(X)
    >>> ContributionsDisplay.from_estimator(detector, X, n_rows=2).axes_.shape
    (2, 1)
    """

    def __init__(self, explanation: Explanation, look: Look | None = None, rows: Sequence[int] | None = None) -> None:
        """Keep what is drawn."""
        self.explanation, self.look = explanation, look
        self.rows = list(range(len(explanation.score)) if rows is None else rows)

    @classmethod
    def from_estimator(
        cls,
        detector: AnomalyDetector,
        X: Any,
        *,
        n_rows: int | None = None,
        rows: Sequence[int] | None = None,
        ax: Axes | None = None,
    ) -> Self:
        """Explain the ``n_rows`` rows of X that score highest (as many as fit, if None); ``rows`` has their numbers."""
        shape = shape_of(detector)
        count = n_rows if n_rows is not None else PICTURES if len(shape) == 3 else SHOWN
        order = np.argsort(-detector.anomaly_score(X), kind="stable")[:count]
        some = taken(X, order)
        look = None if len(shape) == 1 else look_of(shape, np.asarray(some, dtype=np.float64))
        known = labels_of(X) if rows is None else rows
        called = order if known is None else np.asarray(known)[order]
        told = detector.explain(some) if detector.window is None else _at(detector.explain(X), order)
        return cls(told, look, called.tolist()).plot(ax=ax)

    def plot(self, ax: Axes | None = None) -> Self:
        """Draw on a new figure, or in the place of ``ax``."""
        if self.look is not None:
            return self._maps(ax, self.look)
        n, bars = len(self.rows), min(BARS, len(self.explanation.columns))
        size = (7.2, 0.2 + n * (0.55 + 0.2 * bars))
        self.figure_, self.axes_ = panels(ax, n, 1, size, title="What each column adds to the score")
        for place, panel in enumerate(self.axes_[:, 0]):
            self._bars(panel, place, bars)
        self.axes_[-1, 0].set_xlabel("contribution to the score", fontsize=8)
        return self

    def _title(self, place: int) -> str:
        score, p = self.explanation.score[place], self.explanation.p_value[place]
        return f"row {self.rows[place]}: score {score:.3g}, p {p:.2g}"

    def _bars(self, ax: Axes, place: int, bars: int) -> None:
        found = self.explanation
        order = np.argsort(-found.contributions[place], kind="stable")[:bars]
        heights = found.contributions[place][order]
        ax.barh(range(bars), heights, 0.7, color=INKS[1])
        for k, column in enumerate(order):
            _, _, told = found.cell(place, int(column)).partition(" is ")
            ax.annotate(
                shortened(told, 70), (heights[k], k), (4, 0), textcoords="offset points", va="center", fontsize=7
            )
        ax.set_yticks(range(bars), [shortened(found.columns[column], 24) for column in order])
        ax.invert_yaxis()
        # Room for the words behind the longest bar.
        ax.set_xlim(0, 2.0 * max(float(heights.max()), 1e-12))
        ax.set_title(self._title(place), fontsize=8, loc="left")
        plain(ax, 7)

    def _maps(self, ax: Axes | None, look: Look) -> Self:
        n, (across, high) = len(self.rows), look.panel
        picture = isinstance(look, Picture)
        size = (max(3.0, 1.0 + n * max(across, 1.1)), 0.6 + 2 * high)
        self.figure_, self.axes_ = panels(ax, 2, n, size, title="What each place adds to the score")
        # Channels of one place are added up.
        maps = self.explanation.contributions.reshape(n, *look.shape).sum(1)
        top = float(maps.max()) or 1.0
        for place, added in enumerate(maps):
            above, below = self.axes_[:, place]
            look.draw(above, {"": self.explanation.values[place].astype(np.float64)})
            above.set_title(self._title(place).replace(": ", "\n").replace(", ", "\n"), fontsize=7)
            if picture:
                drawn = below.imshow(added, cmap=HEAT, vmin=0.0, vmax=top, interpolation="nearest")
                below.set_xticks([])
                below.set_yticks([])
            else:
                below.fill_between(range(look.shape[-1]), added, step="mid", color=INKS[2], linewidth=0)
                below.set_ylim(0, 1.05 * top)
                plain(below)
        if picture:
            bar = self.figure_.colorbar(drawn, ax=list(self.axes_.flat), shrink=0.5, aspect=12)
            bar.ax.tick_params(labelsize=6)
        else:
            look.caption(self.axes_[1])
        self.axes_[0, 0].set_ylabel("row", fontsize=8)
        self.axes_[1, 0].set_ylabel("contribution", fontsize=8)
        return self


class ScoresDisplay:
    """How often each score occurs, of calibration rows and of others, with the threshold of alarms.

    Args:
        calibration: scores of rows that were held out of the fit.
        scores: scores of other rows.
        threshold: the score above which a row is an anomaly.
        alarm_rate: share of normal rows above the threshold; None where it was placed otherwise.

    Attributes:
        figure_, axes_: the figure, and its axes (1,).

    >>> shown = ScoresDisplay(np.arange(1.0, 100.0), np.array([5.0, 98.0]), threshold=95.0, alarm_rate=0.05).plot()
    >>> shown.axes_[0].get_title()
    '1 of 2 rows above the threshold; 0.1 expected if all were normal'
    """

    def __init__(self, calibration: Array, scores: Array, threshold: float, alarm_rate: float | None = None) -> None:
        """Keep the scores."""
        self.calibration, self.scores = np.asarray(calibration), np.asarray(scores)
        self.threshold, self.alarm_rate = float(threshold), alarm_rate

    @classmethod
    def from_estimator(cls, detector: AnomalyDetector, X: Any, *, ax: Axes | None = None) -> Self:
        """Score rows X beside the detector's calibration rows."""
        rate = detector.alarm_rate if detector.contamination in ("unknown", 0) else None
        calibration = np.concatenate(detector.calibration_)
        return cls(calibration, detector.anomaly_score(X), -detector.offset_, rate).plot(ax=ax)

    def plot(self, ax: Axes | None = None) -> Self:
        """Draw on a new figure, or in the place of ``ax``."""
        self.figure_, axes = panels(ax, 1, 1, (6.4, 3.2), title="Scores")
        self.axes_ = axes[0]
        panel = self.axes_[0]
        both = np.concatenate([self.calibration, self.scores])
        bins = self._bins(both)
        for values, label, ink, filled in (
            (self.calibration, f"{len(self.calibration):,} calibration rows", INKS[-1], True),
            (self.scores, f"{len(self.scores):,} rows", INKS[1], False),
        ):
            kind = "stepfilled" if filled else "step"
            weights = np.full(len(values), 100 / max(1, len(values)))
            panel.hist(values, bins, weights=weights, histtype=kind, color=ink, linewidth=1.3, label=label)
        panel.axvline(
            self.threshold, color=INKS[0], linestyle="--", linewidth=1.0, label=f"threshold {self.threshold:.3g}"
        )
        panel.set_title(self._told(), fontsize=8)
        panel.set_xlabel("anomaly score", fontsize=9)
        panel.set_ylabel("% of the rows", fontsize=9)
        panel.legend(fontsize=8, frameon=False)
        plain(panel, 8)
        return self

    def _bins(self, both: Array) -> Array:
        """Return the ends of the bars: evenly spaced, on a logarithmic scale where scores span much."""
        low, high = float(both.min()), max(float(both.max()), self.threshold)
        count = int(np.clip(np.sqrt(len(both)), 10, 60)) + 1
        if low > 0 and wide([low, high]):
            axis = self.axes_[0].xaxis
            self.axes_[0].set_xscale("log")
            axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axis.set_major_formatter("{x:g}")
            axis.set_minor_formatter(NullFormatter())
            return np.geomspace(low, high * (1 + 1e-9), count)
        return np.linspace(low, high if high > low else low + 1.0, count)

    def _told(self) -> str:
        above = int((self.scores > self.threshold).sum())
        told = f"{above:,} of {len(self.scores):,} rows above the threshold"
        if self.alarm_rate is None:
            return told
        return f"{told}; {self.alarm_rate * len(self.scores):,.3g} expected if all were normal"


def anomaly_figures(
    detector: AnomalyDetector, X: Any, folder: str | Path, *, rows: Sequence[int] | None = None
) -> list[Path]:
    """Draw a detector's scores of rows X and the reasons of the strangest, and write that to a folder.

    ``rows`` are the numbers of the rows, those from 0 on if None.

    Raises:
        ValueError: the folder cannot be written.
    """
    scores = write(ScoresDisplay.from_estimator(detector, X), Path(folder) / "scores.png")
    reasons = ContributionsDisplay.from_estimator(detector, X, rows=rows)
    return [scores, write(reasons, Path(folder) / "contributions.png")]


def _at(explanation: Explanation, rows: Array) -> Explanation:
    """Return the reasons of some rows: points of a series are explained by those around them."""
    names = ("score", "contributions", "values", "expected", "low", "high", "neighbours", "p_value")
    found = {name: getattr(explanation, name)[rows] for name in names}
    return replace(explanation, **found, labels=None if explanation.labels is None else explanation.labels[rows])


def shape_of(detector: AnomalyDetector) -> tuple[int, ...]:
    """Return the shape of a row as figures draw it: a picture that came without channels has one."""
    given = tuple(detector.reading_.given)
    return (1, *given) if len(given) == 2 and detector.shape is None else given


def taken(X: Any, rows: Array) -> Any:
    """Return some rows of a frame or array."""
    if isinstance(X, np.ndarray):
        return X[rows]
    import narwhals.stable.v2 as nw

    frame = nw.from_native(X, eager_only=True, pass_through=True)
    return frame[rows.tolist()].to_native() if isinstance(frame, nw.DataFrame) else np.asarray(X)[rows]
