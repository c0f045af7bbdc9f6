"""The way between a caller's cells, one float64 per column, and the numbers that a model reads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

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
    """A table: every column by its codec, those that are alike at once.

    Args:
        codec: the table's.
    """

    order: Tensor
    written: Tensor
    firsts: Tensor
    padded: Tensor

    def __init__(self, codec: TableCodec) -> None:
        """Group the codecs, and keep where the variables of each are."""
        super().__init__()
        groups: dict[Any, list[int]] = {}
        for i, one in enumerate(codec.columns):
            groups.setdefault((type(one), one.alike), []).append(i)
        self.groups = [([codec.columns[i] for i in places], torch.tensor(places)) for places in groups.values()]
        ranges = [range(place.start, place.stop) for place in codec.slices]
        self.places = [torch.tensor([list(ranges[i]) for i in places]) for places in groups.values()]
        read = torch.cat([places.flatten() for places in self.places])
        self.register_buffer("order", read.argsort())
        self.register_buffer("written", torch.cat([columns for _, columns in self.groups]).argsort())
        self.register_buffer("firsts", torch.tensor([each.start for each in ranges]))
        # Behind the last variable is a zero, for columns that have fewer than others.
        widest, end = max(map(len, ranges)), len(read)
        padded = [[*each, *[end] * (widest - len(each))] for each in ranges]
        self.register_buffer("padded", torch.tensor(padded))

    def variables(self, rows: Tensor) -> Tensor:
        """Read every column."""
        found = [
            type(some[0]).variables_of(some, rows.index_select(1, columns)).flatten(1) for some, columns in self.groups
        ]
        return torch.cat(found, 1).index_select(1, self.order)

    def cells(self, variables: Tensor) -> Tensor:
        """Write every column."""
        pairs = zip(self.groups, self.places, strict=True)
        found = [type(some[0]).cells_of(some, chosen(variables, places)) for (some, _), places in pairs]
        return torch.cat(found, 1).index_select(1, self.written)

    def log_slopes(self, variables: Tensor) -> Tensor:
        """Ask every column."""
        pairs = zip(self.groups, self.places, strict=True)
        found = [type(some[0]).log_slopes_of(some, chosen(variables, places)).flatten(1) for (some, _), places in pairs]
        return torch.cat(found, 1).index_select(1, self.order).masked_fill(variables.isnan(), 0.0)

    def by_column(self, values: Tensor) -> Tensor:
        """Add up the variables of each column."""
        if self.padded.shape[1] == 1:
            return values
        return chosen(torch.cat([values, torch.zeros_like(values[:, :1])], 1), self.padded).sum(2)

    def first(self, values: Tensor) -> Tensor:
        """Take the first variable of each column."""
        return values.index_select(1, self.firsts)


def chosen(values: Tensor, places: Tensor) -> Tensor:
    """Return the values at places, (rows, *places.shape), of every row."""
    return values.index_select(1, places.flatten()).reshape(-1, *places.shape)
