"""Sparsity by the sum of absolute code values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from isthmus.component import Schedule, number
from isthmus.penalty import Gradients, Penalty
from isthmus.records import Pass


@dataclass(frozen=True, repr=False)
class L1(Penalty):
    """``sum_j |h_j|`` per row: most units fall silent, few speak.

    The weight counts per row in nats. Keras' ``l1(2.5e-6)`` beside a cross-entropy that is averaged over 784 pixels is
    2.5e-6 * 784 = 1.96e-3 here.

    >>> L1(weight=1.96e-3)
    L1(weight=0.00196)
    """

    by_row: ClassVar[bool] = True
    native: ClassVar[str] = "absolute values"
    weight: float | Schedule = number(1e-3, low=0.0)

    def __call__(self, p: Pass) -> Tensor:
        """Return the sum of absolute values over units and places."""
        return p.code.abs().flatten(1).sum(1)

    def pullback(self, p: Pass) -> Gradients:
        """Return the signs of the code."""
        return {"code": p.shared(p.code.sign())}
