"""An audit on one picture: the score beside its baselines, what is left of it without concepts, and the verdict."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from matplotlib.axes import Axes

from isthmus.displays.look import INKS, bare, ground, plain

if TYPE_CHECKING:
    from isthmus.estimators.audit import Audit
    from isthmus.estimators.self_explaining_base import SelfExplainingEstimator

WIDTH, LETTERS, LINE = 7.2, 104, 0.155
WARNING = "warning: "
BACK = {"facecolor": "white", "edgecolor": "none", "pad": 0.8}


class AuditDisplay:
    """The score of a self-explaining model beside baselines and leakage tests, with the verdict in words.

    Others' scores are pale, the model's with a part of it taken away hatched. A bar that reaches the dashed line does
    as well as the model.

    Args:
        audit: what ``audit`` returned.

    Attributes:
        figure_, axes_: the figure, and its axes (2,): bars, words.

    >>> from sklearn.datasets import load_iris
    >>> from isthmus import Autoencoder, SelfExplainingClassifier, Trainer
    >>> X, y = load_iris(return_X_y=True)
    >>> quick = Autoencoder(3, scaling="standard", trainer=Trainer(2), random_state=0)
    >>> model = SelfExplainingClassifier(quick, trainer=Trainer(2), random_state=0).fit(X, y)
    >>> AuditDisplay(model.audit(X, y)).plot().axes_.shape
    (2,)
    """

    def __init__(self, audit: Audit) -> None:
        """Keep what is drawn."""
        self.audit = audit

    @classmethod
    def from_estimator(
        cls,
        model: SelfExplainingEstimator,
        X: Any,
        y: Any,
        *,
        train: Any = None,
        refits: int = 0,
        ax: Axes | None = None,
    ) -> Self:
        """Audit a model on rows and labels that the fit has not seen, and draw that."""
        return cls(model.audit(X, y, train=train, refits=refits)).plot(ax=ax)

    def plot(self, ax: Axes | None = None) -> Self:
        """Draw on a new figure, or in the place of ``ax``."""
        audit, lines = self.audit, self.words()
        count = 1 + len(audit.baselines) + len(audit.leakage)
        heights = [0.45 + 0.22 * count, 0.1 + LINE * len(lines)]
        of = f" of {audit.given:,}" if audit.rows < audit.given else ""
        title = f"{audit.measure} {audit.score:.4g} on {audit.rows:,}{of} rows"
        self.figure_, grid = ground(ax, 2, 1, (WIDTH, sum(heights)), title=title if ax is None else "", heights=heights)
        bars, words = (self.figure_.add_subplot(grid[k, 0]) for k in range(2))
        self._bars(bars)
        bare(words)
        words.set_xlim(0, 1)
        words.set_ylim(len(lines), 0)
        for k, (text, bold) in enumerate(lines):
            words.text(0.0, k + 0.5, text, fontsize=7.5, va="center", fontweight="bold" if bold else None)
        self.axes_ = np.array([bars, words], dtype=object)
        return self

    def words(self) -> list[tuple[str, bool]]:
        """Return the lines below the bars, and whether each is part of a warning."""
        told = [(fact, False) for fact in self._facts()]
        for sentence in self.audit.verdict:
            bold = sentence.startswith(WARNING)
            wrapped = textwrap.wrap(sentence, LETTERS - (8 if bold else 0))
            told += [(f"{'   ' if k else '• '}{line}", bold) for k, line in enumerate(wrapped)]
        return told

    def _facts(self) -> list[str]:
        audit = self.audit
        facts = [f"{audit.conciseness:.1f} concepts make up 95 % of what speaks for a prediction"]
        if np.isfinite(audit.faithfulness):
            facts.append(f"faithfulness {audit.faithfulness:.2f}")
        if np.isfinite(audit.lipschitz[0]):
            facts.append(f"local Lipschitz number {audit.lipschitz[0]:.2g} (within {audit.eps:g} sd)")
        if audit.seeds:
            facts.append(f"concepts of other seeds correlate {np.mean(audit.seeds):.2f}")
        return facts

    def _bars(self, ax: Axes) -> None:
        audit = self.audit
        rows = [("this model", audit.score, INKS[0], "")]
        rows += [(name, score, INKS[-1], "") for name, score in audit.baselines.items()]
        rows += [(f"with {name}", score, "white", "////") for name, score in audit.leakage.items()]
        scores = np.array([score for _, score, _, _ in rows])
        low, high = min(0.0, max(-1.0, float(scores.min()))), 1.0
        for k, (_, score, ink, hatch) in enumerate(rows):
            shown = max(score, low)
            edge = INKS[2] if hatch else None
            ax.barh(k, shown, 0.7, color=ink, hatch=hatch or None, edgecolor=edge, linewidth=0.8 if hatch else 0.0)
            text = f"{score:.3f}" if score >= low else f"{score:.3g}, off the scale"
            ax.annotate(
                text, (max(shown, 0.0), k), (4, 0), textcoords="offset points", va="center", fontsize=7, bbox=BACK
            )
        ax.axvline(audit.score, color=INKS[0], linewidth=0.8, linestyle="--", zorder=0)
        ax.axvline(0.0, color=INKS[0], linewidth=0.6)
        ax.axhline(len(audit.baselines) + 0.5, color=INKS[-1], linewidth=0.6)
        ax.set_xlim(low, high + 0.1 * (high - low))
        ax.set_xticks(np.linspace(0, 1, 6))
        ax.set_yticks(range(len(rows)), [name for name, _, _, _ in rows])
        ax.set_ylim(len(rows) - 0.4, -0.6)
        plain(ax, 8)
        ax.tick_params(axis="y", length=0)
        ax.set_xlabel(audit.measure, fontsize=8)
