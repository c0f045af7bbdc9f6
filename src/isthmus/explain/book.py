"""The passports of all concepts of a code: a sequence of them, and arrays over all units."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from isthmus.explain.activity import Activity, Array, bands
from isthmus.explain.labels import Lift
from isthmus.explain.likeness import Stability, nearest
from isthmus.explain.passport import Neighbour, Passport
from isthmus.explain.writing import Writer, cells

if TYPE_CHECKING:
    from isthmus.estimators import Autoencoder

NEIGHBOURS = 5
QUANTILES = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0)


@dataclass(frozen=True, eq=False, repr=False)
class Passports(Sequence[Passport]):
    """A passport for every concept, and arrays over concepts; ``print`` shows a table.

    Attributes:
        model: the autoencoder; names that are given to it later show up here.
        X: the rows that numbers of rows refer to.
        activity: values, typical values and activity of every unit in every row.
        atoms, where: (units, columns), see :class:`Passport`.
        cosine, correlation: (units, units), of atoms and of values.
        dead, dense: (units,); duplicate: (units,), the earlier unit that is repeated, or -1.
        absorbed, absorber: (units,), NaN and -1 where there is nothing to say.
        stability: over other fits, or None.
    """

    model: Autoencoder
    X: Any
    writer: Writer
    activity: Activity
    atoms: Array
    atom_units: str
    steps: Array
    where: Array
    columns: tuple[str, ...]
    shape: tuple[int, ...]
    cosine: Array
    correlation: Array
    dead: Array
    dense: Array
    duplicate: Array
    contrast: Array
    lifts: Sequence[Sequence[Lift]]
    absorbed: Array
    absorber: Array
    stability: Stability | None
    examples: int

    def __len__(self) -> int:
        """Return the number of units."""
        return len(self.activity.typical)

    @overload
    def __getitem__(self, unit: int) -> Passport: ...
    @overload
    def __getitem__(self, unit: slice) -> Sequence[Passport]: ...
    def __getitem__(self, unit: int | slice) -> Passport | Sequence[Passport]:
        """Return the passport of a unit."""
        if isinstance(unit, slice):
            return [self._issue(i) for i in range(*unit.indices(len(self)))]
        if not -len(self) <= unit < len(self):
            raise IndexError(f"the code has no unit {unit}; its units are 0 to {len(self) - 1}")
        return self._issue(unit % len(self))

    def _issue(self, unit: int) -> Passport:
        found = self.activity
        values = found.values[found.active[:, unit], unit] if found.sparse else found.values[:, unit]
        near = nearest(self.cosine, unit, NEIGHBOURS)
        stable = self.stability
        return Passport(
            unit=unit,
            name=self.name(unit),
            rate=float(found.rate[unit]),
            active=int(found.active[:, unit].sum()),
            rows=len(found.values),
            range=tuple(np.quantile(values, QUANTILES).tolist()) if len(values) else (0.0,) * len(QUANTILES),
            bands=bands(found, unit, self.examples),
            contrast=self.contrast[unit][self.contrast[unit] >= 0],
            atom=self.atoms[unit],
            atom_units=self.atom_units,
            steps=self.steps[unit],
            traversal=self.traversal(unit),
            where=self.where[unit],
            columns=self.columns,
            shape=self.shape,
            lifts=tuple(self.lifts[unit]) if self.lifts else (),
            nearest=tuple(
                Neighbour(int(j), self.name(j), float(self.cosine[unit, j]), float(self.correlation[unit, j]))
                for j in near
            ),
            dead=bool(self.dead[unit]),
            dense=bool(self.dense[unit]),
            duplicate=int(self.duplicate[unit]) if self.duplicate[unit] >= 0 else None,
            absorbed=float(self.absorbed[unit]),
            absorber=int(self.absorber[unit]) if self.absorber[unit] >= 0 else None,
            stability=None if stable is None else (float(stable.cosine[unit]), float(stable.correlation[unit])),
        )

    @property
    def rate(self) -> Array:
        """The share of rows in which each unit is active, (units,)."""
        return self.activity.rate

    def name(self, unit: int) -> str:
        """Return what the user calls a unit, or nothing."""
        return self.model.concept_names_.get(int(unit), "")

    def title(self, unit: int) -> str:
        """Return a unit's name, or its number."""
        return self.name(unit) or str(unit)

    def traversal(self, unit: int) -> Array:
        """Return the mean code with a unit at each of its steps, decoded, (steps, columns), in the caller's units."""
        return cells(self.model.inverse_transform(self.writer.along(unit, self.steps[unit])))

    def best(self, unit: int) -> Lift | None:
        """Return the label that a unit lifts most beyond chance."""
        return next((lift for lift in (self.lifts[unit] if self.lifts else ()) if lift.lifted), None)

    def order(self, by: str = "rate") -> list[int]:
        """Return the units in an order; the dead ones come last.

        ``rate``: the most frequent first; ``unit``: by number; ``name``: those with names, alphabetically, then by
        number; ``lift``: those that lift a label most; ``stability``: the most stable; ``likeness``: each beside those
        that write alike.

        Raises:
            ValueError: another word, or an order that needs what was not given.
        """
        alike = self._alike() if by == "likeness" else []
        keys: dict[str, Any] = {
            "unit": lambda unit: unit,
            "rate": lambda unit: -self.rate[unit],
            "name": lambda unit: (not self.name(unit), self.name(unit)),
            "lift": lambda unit: -(found.lift if (found := self.best(unit)) else 0.0),
            "stability": lambda unit: -self.stability.cosine[unit] if self.stability else 0.0,
            "likeness": lambda unit: alike[unit],
        }
        if by not in keys:
            raise ValueError(f"by={by!r} is unknown; give one of {', '.join(keys)}")
        missing = {"lift": ("labels y", not self.lifts), "stability": ("other fits", self.stability is None)}
        what, absent = missing.get(by, ("", False))
        if absent:
            raise ValueError(f"by={by!r} needs {what}; give them to passports()")
        key = keys[by]
        return sorted(range(len(self)), key=lambda unit: (bool(self.dead[unit]), key(unit)))

    def _alike(self) -> list[int]:
        """Return the place of each unit in a chain from every unit to the most similar one that is left."""
        place, here = np.full(len(self), -1), int(self.rate.argmax())
        for step in range(len(self)):
            place[here] = step
            here = int(np.where(place < 0, np.abs(self.cosine[here]), -1.0).argmax())
        return [int(step) for step in place]

    def table(self) -> dict[str, list[Any]]:
        """Return one number or text per unit and subject, as columns: ``pandas.DataFrame(passports.table())``."""
        units = range(len(self))
        best = [self.best(unit) for unit in units]
        columns: dict[str, list[Any]] = {
            "unit": list(units),
            "name": [self.name(unit) for unit in units],
            "rate": self.rate.tolist(),
            "dead": self.dead.tolist(),
            "dense": self.dense.tolist(),
            "duplicate": [int(j) if j >= 0 else None for j in self.duplicate],
            "absorber": [int(j) if j >= 0 else None for j in self.absorber],
            "nearest": [int(nearest(self.cosine, unit, 1)[0]) if len(self) > 1 else None for unit in units],
        }
        if self.lifts:
            columns |= {
                "label": [None if lift is None else lift.to_dict()["label"] for lift in best],
                "lift": [None if lift is None else lift.lift for lift in best],
                "precision": [None if lift is None else lift.precision for lift in best],
                "recall": [None if lift is None else lift.recall for lift in best],
            }
        if self.stability is not None:
            columns |= {"stability": self.stability.cosine.tolist(), "agreement": self.stability.correlation.tolist()}
        return columns

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON: ``concepts`` holds every passport."""
        facts = {"rows": len(self.activity.values), "sparse": self.activity.sparse, "units": len(self)}
        return facts | {"shape": list(self.shape), "concepts": [passport.to_dict() for passport in self]}

    def __repr__(self) -> str:
        """Print a line per concept, the most frequent first."""
        alive = len(self) - int(self.dead.sum())
        lines = [f"{len(self)} concepts, {alive} of them alive, over {len(self.activity.values):,} rows"]
        for unit in self.order()[:SHOWN]:
            found = self.best(unit)
            flags = ", ".join(flag for flag, on in (("dead", self.dead[unit]), ("dense", self.dense[unit])) if on)
            told = "  ".join(filter(None, [str(found) if found else "", f"[{flags}]" if flags else ""]))
            lines.append(f"  {self.title(unit):>12}  {100 * self.rate[unit]:6.3g} %  {told}".rstrip())
        return "\n".join([*lines, *([f"  and {len(self) - SHOWN} more"] if len(self) > SHOWN else [])])


SHOWN = 20
