"""Names that people give to concepts, which are saved with the model."""

from __future__ import annotations

import re
from typing import Self

import numpy as np
from sklearn.utils.validation import check_is_fitted

LONGEST = 60
# What explanations call concepts without a name, and the one that is always 1.
DEFAULT, CONSTANT = "concept", "constant"


class Named:
    """What adds names of concepts to an autoencoder.

    Names belong to the fitted units, so that a new fit and a clone know none. They are for people: the columns of
    ``transform`` keep their names, since what was fitted to these columns would not know them any more.
    """

    @property
    def concept_names_(self) -> dict[int, str]:
        """Names that were given to units of the code, by number."""
        return dict(sorted(getattr(self, "_names", {}).items()))

    def name_concept(self, unit: int, name: str | None) -> Self:
        """Call a unit of the code by a name, which is saved with the model; None takes its name away.

        Args:
            unit: its number, from 0.
            name: one line of up to 60 characters.

        Raises:
            ValueError: a unit that the code does not have, no name, or one that another unit has or has by default.

        >>> from isthmus import data, recipes
        >>> model = recipes.pca(4).fit(data.read("digits", limit=60).X)
        >>> model.name_concept(2, "loop").concept_names_
        {2: 'loop'}
        """
        check_is_fitted(self, "objective_")
        units = self.objective_.model.code_shape[0]  # type: ignore[attr-defined]
        if not isinstance(unit, (int, np.integer)) or not 0 <= unit < units:
            raise ValueError(f"unit={unit!r} is not in the code, whose units are 0 to {units - 1}; correct unit")
        names = {other: known for other, known in self.concept_names_.items() if other != unit}
        if name is not None:
            names[int(unit)] = _usable(name, names, int(unit))
        self._names = names
        return self


def _usable(name: str, taken: dict[int, str], own: int) -> str:
    """Return a name without blanks around it, for the unit ``own``."""
    told = name.strip() if isinstance(name, str) else ""
    if not told or len(told) > LONGEST or not told.isprintable():
        raise ValueError(
            f"name={name!r} is no name; give one line of 1 to {LONGEST} characters, or None to take it away"
        )
    if told == CONSTANT or (re.fullmatch(rf"{DEFAULT} \d+", told) and told != f"{DEFAULT} {own}"):
        raise ValueError(f"explanations call something else {told!r} where it has no name; choose another name")
    for unit, known in taken.items():
        if known == told:
            raise ValueError(f"unit {unit} is called {told!r} already; choose another name, or rename that unit first")
    return told
