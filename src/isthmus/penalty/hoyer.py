"""Sparsity without a scale."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from isthmus.component import Schedule, number
from isthmus.penalty import Penalty
from isthmus.records import Pass


@dataclass(frozen=True, repr=False)
class Hoyer(Penalty):
    """``||h||_1 / (sqrt(units) ||h||_2)`` per row: 1 / sqrt(units) for one active unit, 1 for all equal (Hoyer, 2004).

    Unlike L1 it does not change when the code shrinks, so that the decoder cannot undo it by growing.

    >>> Hoyer(weight=0.1)
    Hoyer(weight=0.1)
    """

    weight: float | Schedule = number(1e-2, low=0.0)

    def __call__(self, p: Pass) -> Tensor:
        """Return the ratio of norms over units and places; a code of zeros has the value 0."""
        code = p.code.flatten(1)
        length = (code.shape[1] * code.square().sum(1)).clamp_min(1e-12).sqrt()
        return code.abs().sum(1) / length
