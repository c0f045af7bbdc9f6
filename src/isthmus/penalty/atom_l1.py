"""Sparsity by what units add to the output."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from isthmus.component import Schedule, number
from isthmus.penalty import Penalty
from isthmus.records import Pass


@dataclass(frozen=True, repr=False)
class AtomL1(Penalty):
    """``sum_j |h_j| ||d_j||`` per row, with d_j what unit j writes: a longer atom does not make a code cheaper.

    As in Anthropic's April 2024 update on dictionary learning. Where atoms have length one, as in Dictionary, it is
    :class:`L1`. In nats per row.

    >>> AtomL1(weight=0.1)
    AtomL1(weight=0.1)
    """

    weight: float | Schedule = number(1e-3, low=0.0)

    @property
    def requires(self) -> frozenset[str]:
        """An atom says how much its unit adds only behind a linear decoder; a further layer could undo its length."""
        return frozenset({"linear decoder"})

    def __call__(self, p: Pass) -> Tensor:
        """Return the sum over units and places."""
        length: Tensor = p.model.architecture.atoms(p.model.decoder).norm(dim=1)
        size: Tensor = p.code.abs().flatten(1)
        total: Tensor = size @ length.repeat_interleave(size.shape[1] // len(length))
        return total
