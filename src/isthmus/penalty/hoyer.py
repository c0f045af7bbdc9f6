"""Sparsity without a scale."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from isthmus.component import Schedule, number
from isthmus.penalty import Gradients, Penalty
from isthmus.records import Pass


@dataclass(frozen=True, repr=False)
class Hoyer(Penalty):
    """``||h||_1 / (sqrt(units) ||h||_2)`` per row: 1 / sqrt(units) for one active unit, 1 for all equal (Hoyer, 2004).

    Unlike L1 it does not change when the code shrinks, so that the decoder cannot undo it by growing.

    >>> Hoyer(weight=0.1)
    Hoyer(weight=0.1)
    """

    by_row: ClassVar[bool] = True
    weight: float | Schedule = number(1e-2, low=0.0)

    def __call__(self, p: Pass) -> Tensor:
        """Return the ratio of norms over units and places; a code of zeros has the value 0."""
        code = p.code.flatten(1)
        length = (code.shape[1] * code.square().sum(1)).clamp_min(1e-12).sqrt()
        return code.abs().sum(1) / length

    def pullback(self, p: Pass) -> Gradients:
        """Return sign(h) / length - h ||h||_1 units / length^3."""
        code = p.code.flatten(1)
        squared = code.shape[1] * code.square().sum(1, keepdim=True)
        length = squared.clamp_min(1e-12).sqrt()
        pull = (squared >= 1e-12) * code.abs().sum(1, keepdim=True) * code.shape[1] / length**3
        return {"code": p.shared((code.sign() / length - code * pull).reshape(p.code.shape))}
