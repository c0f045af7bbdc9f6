"""Kinds of a table's columns. One file per family; the folder is the registry of what a schema may name."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

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

    def decode(self, U: Array) -> Any:
        """Return the values of variables, (rows, variables), as a masked array of numbers or a list with None."""
        raise NotImplementedError(f"{type(self).__name__} must define decode")  # abstract

    def within(self, values: Any) -> Any:
        """Return decoded values, those beyond all that the fit saw moved to its ends, where there are ends."""
        return values

    def log_slope(self, U: Array) -> Array | float:
        """Return the logarithm of the slope du/dx, which turns nats of variables into nats of the column's own unit."""
        return 0.0

    def spread(self, U: Array, deviations: Array) -> Array:
        """Return the deviation of the column, in its unit, where its variables deviate by so much: NaN for levels."""
        return np.full(len(U), np.nan)

    def cells(self, values: Any) -> Array:
        """Return an Arrow or numpy column as cells, (rows,): one float64 each, NaN where one is missing.

        A cell is a number as it is, the place of a level among its column's, or the seconds of a date since 1970.

        Raises:
            ValueError: values that this column cannot hold.
        """
        out = np.empty((len(values), len(self.variables)))
        self.encode(values, out)
        return out[:, 0]

    @property
    def alike(self) -> Hashable:
        """What codecs of one class have in common that are computed together: all of them are, unless one says more."""
        return ()

    @classmethod
    def variables_of(cls, codecs: Sequence[Any], cells: Tensor) -> Tensor:
        """Return the variables, (rows, columns, variables), of cells, (rows, columns), of codecs that are alike.

        In torch, so that it can be a part of a graph; what :meth:`encode` does is the same. Here cells are variables.
        """
        return cells.unsqueeze(2)

    @classmethod
    def cells_of(cls, codecs: Sequence[Any], variables: Tensor) -> Tensor:
        """Return the cells, (rows, columns), of variables: what :meth:`decode` does before it writes them."""
        return variables[:, :, 0]

    @classmethod
    def log_slopes_of(cls, codecs: Sequence[Any], variables: Tensor) -> Tensor:
        """Return what :meth:`log_slope` does, of every variable."""
        return torch.zeros_like(variables)

    def described(self) -> dict[str, Any]:
        """Return, for JSON, what it takes to make cells of what a person writes, and back."""
        return {}

    def told(self, value: Any) -> str:
        """Write a value for a person."""
        return f"{value:.6g}" if isinstance(value, (float, np.floating)) else str(value)


def each(codecs: Sequence[Codec], name: str) -> Tensor:
    """Return a number of every codec, (columns,)."""
    return torch.tensor([float(getattr(codec, name)) for codec in codecs], dtype=torch.float64)


def typical(codec: Codec) -> list[float]:
    """Return a low, a middle and a high cell: of variables of -2, 0 and 2."""
    some = torch.tensor([-2.0, 0.0, 2.0], dtype=torch.float64).reshape(3, 1, 1)
    return codec.cells_of([codec], some.expand(-1, -1, len(codec.variables)))[:, 0].tolist()
