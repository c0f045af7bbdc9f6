"""Numbers in [0, 1]: the cross-entropy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from isthmus.component import Memory
from isthmus.likelihood import Likelihood
from isthmus.native import Loss
from isthmus.noise import Noise


@dataclass(frozen=True, repr=False)
class Bernoulli(Likelihood):
    """x ~ Bernoulli(p), p = 1 / (1 + exp(-output)): logistic output units with cross-entropy.

    -log p(x) = -x log p - (1 - x) log(1 - p). Grey values in [0, 1] are read as probabilities of being on, as the
    textbooks do; the score is then a cross-entropy rather than a density.

    >>> Bernoulli()
    Bernoulli()
    """

    by_row: ClassVar[bool] = True
    support: ClassVar[str] = "numbers in [0, 1]"
    remedy: ClassVar[str] = "scale the data into [0, 1] or use Normal()"
    native: ClassVar[Loss] = Loss("cross-entropy")

    @property
    def requires(self) -> frozenset[str]:
        """Data must be probabilities."""
        return frozenset({"unit interval"})

    def supports(self, x: Tensor) -> Tensor:
        """Say which entries are in [0, 1]."""
        return (x >= 0) & (x <= 1)

    def admits(self, x: Tensor) -> bool:
        """Look at the least and the greatest entry."""
        low, high = x.aminmax()
        return bool(low >= 0) and bool(high <= 1)

    def nll(self, output: Tensor, x: Tensor, memory: Memory) -> Tensor:
        """Return the cross-entropy, from logits."""
        return F.binary_cross_entropy_with_logits(output, x, reduction="none")

    def pullback(self, output: Tensor, x: Tensor, memory: Memory, out: Tensor | None = None) -> Tensor:
        """Return the derivative of the nll by the output, p - x."""
        return torch.sigmoid(output, out=out).sub_(x)

    def mean(self, output: Tensor, memory: Memory) -> Tensor:
        """Return the probability of 1."""
        return torch.sigmoid(output)

    def sample(self, output: Tensor, noise: Noise, memory: Memory) -> Tensor:
        """Draw zeros and ones."""
        return (noise.uniform(output) < torch.sigmoid(output)).to(output.dtype)

    def resting(self, mean: Tensor) -> Tensor:
        """Return the logit of the mean."""
        return torch.logit(mean.clamp(1e-3, 1 - 1e-3))
