"""Codes of which few units are active, without the silent ones: which are, and products that read nothing else."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional as F

from isthmus import native

# Numbers that are looked at to guess a limit, and active units whose rows are gathered at once.
LOOKED_AT, AT_ONCE = 2**16, 2**12
# Multiplications of a dense layer from which on the sparse way is worth its calls, and units for each active one from
# which on it is faster, with the kernel and without; measured on two cores.
LARGE, SHARES = 2**24, (16, 32)


@dataclass(frozen=True)
class Selected:
    """The active units of each row, row after row: ``values`` of ``units``, a row from one of ``starts`` to the next.

    ``width`` is the number of units that there are, and ``left`` the largest number that was left out, where it counts.

    >>> code = largest(torch.tensor([[3.0, 1.0, 2.0], [0.0, 5.0, -1.0]]), 2, positive=True)
    >>> code.starts.tolist(), code.dense().tolist()
    ([0, 2, 3], [[3.0, 0.0, 2.0], [0.0, 5.0, 0.0]])
    >>> code.product(torch.tensor([[1.0], [10.0], [100.0]])).tolist()
    [[203.0], [50.0]]
    """

    starts: Tensor
    units: Tensor
    values: Tensor
    width: int
    left: Tensor | None = None

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.starts) - 1

    @property
    def rows(self) -> Tensor:
        """The row of each active unit."""
        return torch.arange(len(self), device=self.starts.device).repeat_interleave(self.starts.diff())

    def dense(self) -> Tensor:
        """Return the code with its silent units, (rows, units)."""
        found = self.values.new_zeros(len(self) * self.width)
        return found.index_put_((self.rows * self.width + self.units,), self.values).view(len(self), self.width)

    def of(self, values: Tensor) -> Selected:
        """Return a code of other values."""
        return replace(self, values=values)

    def where(self, on: Tensor) -> Selected:
        """Return the code with some of its active units only."""
        before = F.pad(on.cumsum(0), (1, 0))
        return replace(self, starts=before[self.starts], units=self.units[on], values=self.values[on])

    def positive(self) -> Selected:
        """Return the code without what is not above zero; what is not a number stays, to be found out."""
        off = self.values <= 0
        return self.where(~off) if off.any() else self

    def turned(self) -> tuple[Selected, Tensor]:
        """Return the code with units for rows, and where each of its values stands in this one."""
        if native.knows(self.values):
            starts, rows, places = native.turn(self.starts, self.units, self.width)
        else:
            places = self.units.argsort(stable=True)
            starts = F.pad(torch.bincount(self.units, minlength=self.width).cumsum(0), (1, 0))
            rows = self.rows[places]
        return Selected(starts, rows, self.values[places], len(self)), places

    def product(self, matrix: Tensor, out: Tensor | None = None, *, add: bool = False) -> Tensor:
        """Return the code times a matrix, sum_j h_j matrix[j]; in ``out`` where given, or added to it."""
        out = self.values.new_empty(len(self), matrix.shape[1]) if out is None else out
        if native.knows(self.values, matrix, out):
            at = {"starts": self.starts, "units": self.units, "values": self.values, "dense": matrix, "out": out}
            native.few("sums", out.shape, at, work=len(self.units) * matrix.shape[1], add=add)
            return out
        found = F.embedding_bag(self.units, matrix, self.starts[:-1], per_sample_weights=self.values, mode="sum")
        return out.add_(found) if add else out.copy_(found)

    def dots(self, left: Tensor, matrix: Tensor) -> Tensor:
        """Return left[i] . matrix[j] for every active unit j of every row i."""
        if native.knows(self.values, left, matrix):
            found = torch.empty_like(self.values)
            at = {"starts": self.starts, "units": self.units, "dense": matrix, "left": left, "out": found}
            native.few("dots", left.shape, at, work=len(self.units) * left.shape[1])
            return found
        pairs = zip(self.rows.split(AT_ONCE), self.units.split(AT_ONCE), strict=True)
        return torch.cat([torch.einsum("ic,ic->i", left[i], matrix[j]) for i, j in pairs])


def share(t: Tensor) -> int:
    """Return how many units there have to be for each active one, for numbers like these."""
    return SHARES[0] if native.knows(t.new_empty(0)) else SHARES[1]


def largest(features: Tensor, k: int, *, positive: bool) -> Selected:
    """Return the ``k`` largest units of each row, without those that are not positive where that is asked for."""
    rows, width = features.shape
    if native.knows(features):
        units, values = torch.empty(rows * k, dtype=torch.int64, device="cpu"), features.new_empty(rows * k)
        native.few(
            "largest", features.shape, {"units": units, "values": values, "dense": features}, work=features.numel(), k=k
        )
    else:
        values, units = (t.flatten() for t in features.topk(k, dim=1, sorted=False))
    starts = torch.arange(0, rows * k + 1, k, device=features.device)
    found = Selected(starts, units, values, width)
    return found.positive() if positive else found


def above(features: Tensor, limit: float) -> Selected:
    """Return the units that are not under a limit."""
    rows, width = features.shape
    if native.knows(features):
        starts = torch.zeros(rows + 1, dtype=torch.int64, device="cpu")
        native.few("count", features.shape, {"starts": starts, "dense": features}, work=features.numel(), limit=limit)
        starts = starts.cumsum(0)
        units, values = features.new_empty(int(starts[-1]), dtype=torch.int64), features.new_empty(int(starts[-1]))
        at = {"starts": starts, "units": units, "values": values, "dense": features}
        native.few("above", features.shape, at, work=features.numel(), limit=limit)
        return Selected(starts, units, values, width)
    on = ~(features < limit)
    return Selected(F.pad(on.sum(1).cumsum(0), (1, 0)), on.nonzero()[:, 1], features[on], width)


def active(code: Tensor, most: int) -> Selected | None:
    """Return the units of a code (rows, units) that are not zero; None where there are more than ``most``."""
    if int(code.count_nonzero()) > most:
        return None
    if native.knows(code) and float(code.min()) >= 0:
        return above(code, _after_zero(code.dtype))
    on = code != 0
    return Selected(F.pad(on.sum(1).cumsum(0), (1, 0)), on.nonzero()[:, 1], code[on], code.shape[1])


def largest_of_all(features: Tensor, total: int) -> Selected:
    """Return the ``total`` largest units among those of all rows that are positive.

    A limit guessed from some of the numbers leaves few to choose among; where it was too high, it is lowered.
    """
    some = features.flatten()[:: max(1, features.numel() // LOOKED_AT) | 1]
    expected, least = total / features.numel() * len(some), _after_zero(features.dtype)
    rank = min(len(some), math.ceil(1.25 * expected + 4 * math.sqrt(expected) + 4))
    limit = max(float(some.topk(rank).values[-1]), least)
    found = above(features, limit)
    if len(found.values) < total and limit > least:
        found = above(features, least)
    if len(found.values) <= total:
        return replace(found, left=features.new_zeros(()))
    values, kept = found.values.topk(total + 1)
    on = torch.zeros_like(found.values, dtype=torch.bool).index_fill_(0, kept[:-1], True)
    return replace(found.where(on), left=values[-1])


def projected(slope: Tensor, rows: Tensor, scale: Tensor) -> Tensor:
    """Return, in the place of each g of ``slope``, (g - (g . d) d) scale, for d = scale * row, of length one."""
    if native.knows(slope, rows, scale):
        native.few("project", rows.shape, {"values": scale, "dense": rows, "out": slope}, work=rows.numel())
        return slope
    along = torch.einsum("uc,uc->u", slope, rows) * scale.square()
    return slope.addcmul_(rows, along.unsqueeze(1), value=-1).mul_(scale.unsqueeze(1))


def _after_zero(dtype: torch.dtype) -> float:
    """Return the smallest number above zero."""
    zero = torch.zeros((), dtype=dtype)
    return float(torch.nextafter(zero, zero + 1))
