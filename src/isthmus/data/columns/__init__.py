"""Kinds of a table's columns. One file per family; the folder is the registry of what a schema may name."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from isthmus.component import Part
from isthmus.data.columns.facts import Facts
from isthmus.data.record import Array
from isthmus.records import Column


@dataclass(frozen=True, repr=False)
class Kind(Part):
    """What a column of a table holds: how its facts become a codec."""

    kind: ClassVar[str] = "column"

    def facts(self, name: str, values: Any) -> Facts:
        """Look at a column of rows, an Arrow or numpy one, for all that the codec needs to know of it.

        Raises:
            ValueError: values that this kind cannot read.
        """
        return Facts.of(name, values)

    @abstractmethod
    def codec(self, name: str, facts: Facts) -> Codec:
        """Return the codec for a column with these facts.

        Raises:
            ValueError: the column does not hold what this kind says.
        """


@dataclass(frozen=True)
class Codec:
    """One column's way to variables of the model and back.

    Attributes:
        name: the column's.
    """

    name: str

    @property
    def variables(self) -> tuple[Column, ...]:
        """The variables that the column becomes."""
        raise NotImplementedError(f"{type(self).__name__} must define variables")  # abstract

    def encode(self, values: Any, out: Array) -> None:
        """Write the variables of an Arrow or numpy column to ``out``, (rows, variables); NaN where one is missing.

        Raises:
            ValueError: values that this column cannot hold.
        """
        raise NotImplementedError(f"{type(self).__name__} must define encode")  # abstract

    def read(self, values: Any) -> Array:
        """Return one number per cell of a column, (rows,): a level's place among the levels; NaN where one is missing.

        Raises:
            ValueError: values that this column cannot hold.
        """
        out = np.empty((len(values), len(self.variables)))
        self.encode(values, out)
        first: Array = out[:, 0]
        return first

    def decode(self, U: Array) -> Any:
        """Return the values of variables, (rows, variables), as a masked array of numbers or a list with None."""
        raise NotImplementedError(f"{type(self).__name__} must define decode")  # abstract

    def log_slope(self, U: Array) -> Array | float:
        """Return the logarithm of the slope du/dx, which turns nats of variables into nats of the column's own unit."""
        return 0.0

    def spread(self, U: Array, deviations: Array) -> Array:
        """Return the deviation of the column, in its unit, where its variables deviate by so much: NaN for levels."""
        return np.full(len(U), np.nan)

    def told(self, value: Any) -> str:
        """Write a value for a person."""
        return f"{value:.6g}" if isinstance(value, (float, np.floating)) else str(value)
