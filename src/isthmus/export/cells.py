"""The way between a caller's cells, one float64 per column, and the numbers that a model reads."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from isthmus.data.arrays import Scaling
    from isthmus.data.codec import TableCodec


class Cells(nn.Module):
    """Cells to variables and back, in float64; NaN is a missing one in both."""

    def variables(self, rows: Tensor) -> Tensor:
        """Return the variables of cells, (rows, variables)."""
        raise NotImplementedError  # abstract

    def cells(self, variables: Tensor) -> Tensor:
        """Return the cells of variables, (rows, columns)."""
        raise NotImplementedError  # abstract

    def log_slopes(self, variables: Tensor) -> Tensor:
        """Return log du/dx, (rows, variables) or (1, variables), 0 where a variable is missing."""
        raise NotImplementedError  # abstract

    def by_column(self, values: Tensor) -> Tensor:
        """Add up what the variables of each column have, (rows, columns)."""
        return values

    def first(self, values: Tensor) -> Tensor:
        """Return what the first variable of each column has, (rows, columns)."""
        return values


class Shifted(Cells):
    """Plain numbers: u = (x - c) / s.

    Args:
        scaling: c and s.
    """

    centre: Tensor
    factor: Tensor

    def __init__(self, scaling: Scaling) -> None:
        """Keep both in float64."""
        super().__init__()
        self.register_buffer("centre", torch.from_numpy(scaling.centre.ravel().astype("float64")))
        self.register_buffer("factor", torch.from_numpy(scaling.factor.ravel().astype("float64")))
        self.unchanged = scaling.mode == "none"

    def variables(self, rows: Tensor) -> Tensor:
        """Scale."""
        return rows if self.unchanged else (rows - self.centre) / self.factor

    def cells(self, variables: Tensor) -> Tensor:
        """Scale back."""
        return variables if self.unchanged else variables * self.factor + self.centre

    def log_slopes(self, variables: Tensor) -> Tensor:
        """Return minus the logarithm of the factors."""
        return -self.factor.log().unsqueeze(0)


class Columns(Cells):
    """A table: every column by its codec.

    Args:
        codec: the table's.
    """

    def __init__(self, codec: TableCodec) -> None:
        """Keep the codecs and where the variables of each are."""
        super().__init__()
        self.codecs, self.slices = codec.columns, codec.slices

    def variables(self, rows: Tensor) -> Tensor:
        """Read every column."""
        return torch.cat([codec.variables_of(rows[:, i]) for i, codec in enumerate(self.codecs)], 1)

    def cells(self, variables: Tensor) -> Tensor:
        """Write every column."""
        placed = zip(self.codecs, self.slices, strict=True)
        return torch.stack([codec.cells_of(variables[:, place]) for codec, place in placed], 1)

    def log_slopes(self, variables: Tensor) -> Tensor:
        """Ask every column."""
        placed = zip(self.codecs, self.slices, strict=True)
        found = torch.cat([codec.log_slopes_of(variables[:, place]) for codec, place in placed], 1)
        return found.masked_fill(variables.isnan(), 0.0)

    def by_column(self, values: Tensor) -> Tensor:
        """Add up the variables of each column."""
        return torch.stack([values[:, place].sum(1) for place in self.slices], 1)

    def first(self, values: Tensor) -> Tensor:
        """Take the first variable of each column."""
        return torch.stack([values[:, place.start] for place in self.slices], 1)
