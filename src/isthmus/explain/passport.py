"""The passport of one concept: everything that is known of a unit of the code, as numbers and as a short text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from isthmus.explain.activity import BANDS, Array
from isthmus.explain.labels import Lift

TOLD = 3


@dataclass(frozen=True)
class Neighbour:
    """Another concept of the same code: how alike their atoms are, and how they speak together."""

    unit: int
    name: str
    cosine: float
    correlation: float


@dataclass(frozen=True, eq=False)
class Passport:
    """One concept; ``print`` shows it as a card.

    Attributes:
        unit: its number in the code.
        name: what the user calls it; ``""`` where it has no name.
        rate: the share of rows in which it is active.
        active, rows: how many rows it is active in, of how many.
        range: the least value, the 5, 25, 50, 75 and 95 % quantiles, and the largest; in sparse codes of active rows.
        bands: numbers of rows from each quarter of its values, weakest first.
        contrast: numbers of rows in which it speaks and others do not.
        atom: (columns,): what it writes, in nats of the logit or log rate or in the caller's units (see
            ``atom_units``); of tables in standard deviations, the share of a level that changes among them.
        steps: (steps,): values along its range.
        traversal: (steps, columns): the mean code with the unit at each step, decoded, in the caller's units.
        where: (columns,): how much each place or column changes when it is taken away, mean over rows in which it is
            active; in the caller's units, of tables in standard deviations and shares of rows whose level changes.
        columns: names of the columns.
        shape: of atom and where as pictures or signals; (columns,) for tables.
        lifts: labels that it lifts, the strongest first, then the others; empty without labels.
        nearest: concepts whose atoms are most alike.
        dead, dense: whether it never speaks, or too often.
        duplicate: the earlier unit that it repeats, else None.
        absorbed: the share of its label's rows in which others speak for it, NaN where that has no meaning; and
            ``absorber``, the unit that mostly does, else None.
        stability: absolute cosine of its atom, and absolute correlation of its values, with its partner in other fits.
    """

    unit: int
    name: str
    rate: float
    active: int
    rows: int
    range: tuple[float, ...]
    bands: tuple[Array, ...]
    contrast: Array
    atom: Array
    atom_units: str
    steps: Array
    traversal: Array
    where: Array
    columns: tuple[str, ...]
    shape: tuple[int, ...]
    lifts: tuple[Lift, ...]
    nearest: tuple[Neighbour, ...]
    dead: bool
    dense: bool
    duplicate: int | None
    absorbed: float
    absorber: int | None
    stability: tuple[float, float] | None

    @property
    def title(self) -> str:
        """Its name with its number."""
        return f"{self.name} (unit {self.unit})" if self.name else f"unit {self.unit}"

    @property
    def flags(self) -> tuple[str, ...]:
        """What is wrong with it, in words."""
        found = ["dead"] if self.dead else []
        found += ["dense"] if self.dense else []
        found += [] if self.duplicate is None else [f"duplicate of {self.duplicate}"]
        return (*found, *([] if self.absorber is None else [f"absorbed by {self.absorber}"]))

    @property
    def lifted(self) -> tuple[Lift, ...]:
        """The labels that it lifts beyond chance, the strongest first."""
        return tuple(lift for lift in self.lifts if lift.lifted)

    @property
    def strongest(self) -> Array:
        """Rows of its highest quarter, the very highest first."""
        return self.bands[-1]

    def movers(self, count: int = TOLD) -> list[tuple[str, float]]:
        """Return the columns that change most when it is taken away, with how much."""
        order = np.argsort(-self.where, kind="stable")[:count]
        return [(self.columns[j], float(self.where[j])) for j in order if self.where[j] > 0]

    def facts(self) -> dict[str, str]:
        """Return what is worth saying, by subject, in a few words each."""
        told = {"active": f"{100 * self.rate:.3g} % of {self.rows:,} rows"}
        if not self.dead:
            low, middle, high = self.range[0], self.range[3], self.range[-1]
            told["range"] = f"{low:.3g} to {high:.3g}, median {middle:.3g}"
        if self.lifts:
            told["labels"] = ", ".join(map(str, self.lifted[:TOLD])) or "none beyond chance"
        if len(self.shape) == 1:
            told["moves"] = ", ".join(f"{name} {much:.2g}" for name, much in self.movers()) or "nothing"
        if self.nearest:
            told["nearest"] = ", ".join(f"{n.name or n.unit} ({n.cosine:+.2f})" for n in self.nearest[:TOLD])
        if self.stability is not None:
            told["other fits"] = f"cosine {self.stability[0]:.2f}, correlation {self.stability[1]:.2f}"
        return told

    def __str__(self) -> str:
        """Return a card: a line per fact."""
        head = self.title + (f" [{', '.join(self.flags)}]" if self.flags else "")
        lines = [f"  {subject:<11}{fact}" for subject, fact in self.facts().items()]
        rows = ", ".join(map(str, self.strongest[:TOLD]))
        return "\n".join([head, *lines, *([f"  {'rows':<11}{rows}"] if rows else [])])

    __repr__ = __str__

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON; NaN becomes None."""
        plain = {name: _plain(value) for name, value in vars(self).items() if name not in ("bands", "lifts", "nearest")}
        return plain | {
            "bands": {band: rows.tolist() for band, rows in zip(BANDS, self.bands, strict=True)},
            "lifts": [lift.to_dict() for lift in self.lifts],
            "nearest": [vars(neighbour) for neighbour in self.nearest],
            "flags": list(self.flags),
        }


def _plain(value: Any) -> Any:
    """Return what JSON holds; other objects, as dates, as text."""
    if isinstance(value, (np.ndarray, list, tuple)):
        return [_plain(item) for item in value]
    value = value.item() if isinstance(value, np.generic) else value
    if isinstance(value, float):
        # More digits than single precision has would only fill the file.
        return float(f"{value:.7g}") if np.isfinite(value) else None
    return value if isinstance(value, (str, int, bool, type(None))) else str(value)
