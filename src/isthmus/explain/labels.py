"""Labels that a unit lifts: how much more frequent they are where it is active, and whether that may be chance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from isthmus.explain.activity import Activity, Array
from isthmus.measures import q_values
from isthmus.measures.checks import missing

FDR = 0.05
Z = 1.959964
MOST = 1000
# A side of a unit with fewer active rows is not tested: two rows of one label prove nothing about a unit.
FEWEST = 5
# A unit that speaks in nearly every row may lift a label beyond chance by a hundredth, which tells nobody anything.
LEAST = 1.1


@dataclass(frozen=True)
class Lift:
    r"""One label where one unit is active: :math:`\text{lift} = P(\text{label} \mid \text{active}) / P(\text{label})`.

    Attributes:
        label: as in y.
        lift: 1 where the unit says nothing about the label.
        low, high: ends of the 95 % interval (Wilson's of P(label | active), over P(label)).
        both, active, rows: numbers of rows: active with the label, active, with the label.
        side: ``above`` or ``below``: on which side of its typical value the unit is active.
        q: the least rate of false discoveries at which the label counts as lifted, among all units and labels.
    """

    label: Any
    lift: float
    low: float
    high: float
    both: int
    active: int
    rows: int
    side: str
    q: float

    @property
    def precision(self) -> float:
        """P(label | active)."""
        return self.both / self.active

    @property
    def recall(self) -> float:
        """P(active | label)."""
        return self.both / self.rows

    @property
    def lifted(self) -> bool:
        """Whether the label is more frequent by a tenth or more, and than chance explains (q <= 0.05)."""
        return self.lift >= LEAST and self.q <= FDR

    @property
    def brief(self) -> str:
        """The label and how much it is lifted."""
        return f"{self.label}{' (below)' if self.side == 'below' else ''} ×{self.lift:.3g}"

    def __str__(self) -> str:
        """Say it in a few words."""
        return f"{self.brief} ({100 * self.precision:.0f} % of {self.active:,})"

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        label = self.label.item() if isinstance(self.label, np.generic) else self.label
        found = dict(vars(self), precision=self.precision, recall=self.recall, lifted=self.lifted)
        return found | {"label": label if isinstance(label, (str, int, float, bool)) else str(label)}


def checked(y: Any, rows: int) -> Array:
    """Return labels, (rows,).

    Raises:
        ValueError: not one label per row, labels that are missing, numbers that are no labels, or different labels that
            read alike, as 1 and "1".
    """
    labels = np.asarray(y)
    if labels.shape != (rows,):
        raise ValueError(f"y has the shape {labels.shape}, X has {rows} rows; give one label per row")
    if missing(labels).any():
        raise ValueError("y has missing labels; leave those rows of X and y out")
    labels = written(labels) if labels.dtype.kind == "O" else labels
    distinct = np.unique(labels)
    if labels.dtype.kind == "f" and not np.isfinite(distinct).all():
        raise ValueError("y has labels that are infinite; leave those rows of X and y out")
    if len(distinct) > MOST or (labels.dtype.kind == "f" and not (distinct == distinct.round()).all()):
        raise ValueError(
            f"y holds {len(distinct):,} different values, which are no labels; cut numbers into classes first: "
            "numpy.digitize(y, numpy.quantile(y, [0.25, 0.5, 0.75]))"
        )
    return labels


def written(labels: Array) -> Array:
    """Return labels of any types as text.

    Raises:
        ValueError: two that differ are the same text.
    """
    known: dict[str, Any] = {}
    texts = [str(label) for label in labels]
    for text, label in zip(texts, labels, strict=True):
        if known.setdefault(text, label) != label:
            raise ValueError(f"y holds {known[text]!r} and {label!r}, which read alike; give labels of one type")
    return np.array(texts)


def lifts(found: Activity, labels: Array) -> list[list[Lift]]:
    r"""Return the lift of every label by every unit, the most certain first.

    The test is Fisher's, one-sided: the probability that as many active rows or more had the label, if it were dealt to
    the rows at random. Its p-values become q-values over all units and labels (Benjamini & Hochberg, 1995).
    """
    from scipy.stats import hypergeom

    names, index = np.unique(labels, return_inverse=True)
    member = np.zeros((len(labels), len(names)))
    member[np.arange(len(labels)), index] = 1.0
    rows = member.sum(axis=0).astype(int)
    sides = [1, -1] if (found.side(-1).any()) else [1]
    both = np.stack([found.side(side).astype(float).T @ member for side in sides], axis=1).astype(int)
    active = np.stack([found.side(side).sum(axis=0) for side in sides], axis=1)
    p = hypergeom.sf(both - 1, len(labels), rows, active[:, :, None]).clip(0, 1)
    # What has no test may not make those of others weaker.
    tested, q = np.broadcast_to(active[:, :, None] >= FEWEST, p.shape), np.ones(p.shape)
    if tested.any():
        q[tested] = q_values(p[tested])
    low, high = wilson(both, np.maximum(active, 1)[:, :, None])
    made: list[list[Lift]] = [[] for _ in found.typical]
    for unit, side, label in np.argwhere(tested):
        base = rows[label] / len(labels)
        n, k = int(active[unit, side]), int(both[unit, side, label])
        ends = low[unit, side, label] / base, high[unit, side, label] / base
        word, least = ("above", "below")[side], float(q[unit, side, label])
        made[unit].append(
            Lift(names[label], float(k / n / base), float(ends[0]), float(ends[1]), k, n, int(rows[label]), word, least)
        )
    return [sorted(unit, key=lambda lift: (not lift.lifted, -lift.low)) for unit in made]


def wilson(k: Array, n: Array) -> tuple[Array, Array]:
    """Return the ends of Wilson's 95 % interval of a share k / n (Wilson, 1927, "Probable inference")."""
    share, square = k / n, Z * Z / n
    centre = (share + square / 2) / (1 + square)
    half = Z / (1 + square) * np.sqrt(share * (1 - share) / n + square / (4 * n))
    return np.maximum(centre - half, 0.0), np.minimum(centre + half, 1.0)
