"""Weight decay."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from isthmus.component import Schedule, number
from isthmus.layers import weights
from isthmus.penalty import Gradients, Penalty
from isthmus.records import Pass


@dataclass(frozen=True, repr=False)
class L2(Penalty):
    """1/2 sum ||W||^2 over the weight matrices of encoder and decoder; biases are free.

    The weight is the lambda of lambda/2 ||W||^2 beside a loss that is summed over variables and averaged over rows. A
    tied matrix counts once.

    >>> L2(weight=2e-4)
    L2(weight=0.0002)
    """

    native: ClassVar[str] = "squares"
    weight: float | Schedule = number(1e-4, low=0.0)

    @property
    def requires(self) -> frozenset[str]:
        """Frozen networks have no weights to shrink."""
        return frozenset({"trainable weights"})

    def __call__(self, p: Pass) -> Tensor:
        """Return half the sum of squares of all weights."""
        total = p.code.new_zeros(())
        for module in (p.model.encoder, p.model.decoder):
            for weight in weights(module):
                total = total + weight.square().sum() / 2
        return total

    def pullback(self, p: Pass) -> Gradients:
        """Return the weights themselves."""
        return {weight: weight for module in (p.model.encoder, p.model.decoder) for weight in weights(module)}
