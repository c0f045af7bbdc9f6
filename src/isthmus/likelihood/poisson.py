"""Counts: the Poisson distribution with a logarithmic link."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from isthmus.component import Memory
from isthmus.likelihood import Likelihood, calm
from isthmus.noise import Noise
from isthmus.records import Batch


@dataclass(frozen=True, repr=False)
class Poisson(Likelihood):
    """x ~ Poisson(rate), rate = exp(output): counts of events.

    -log p(x) = exp(output) - x output + log x!.

    >>> Poisson().mean(torch.tensor([0.0, 1.0]), Memory())
    tensor([1.0000, 2.7183])
    """

    by_row: ClassVar[bool] = True
    support: ClassVar[str] = "counts 0, 1, 2, ..."
    remedy: ClassVar[str] = "give counts that were not scaled, or use Normal()"

    @property
    def requires(self) -> frozenset[str]:
        """Data must be whole numbers from 0 up."""
        return frozenset({"counts"})

    def supports(self, x: Tensor) -> Tensor:
        """Say which entries are counts."""
        return (x >= 0) & (x == x.floor()) & x.isfinite()

    def nll(self, output: Tensor, x: Tensor, memory: Memory) -> Tensor:
        """Return minus the logarithm of the probability of a count."""
        return output.exp() - x * output + torch.lgamma(x + 1.0)

    def pullback(self, output: Tensor, x: Tensor, memory: Memory, out: Tensor | None = None) -> Tensor:
        """Return the derivative of the nll by the output, the rate - x."""
        return torch.exp(output, out=out).sub_(x)

    def peak(self, output: Tensor, memory: Memory) -> Tensor:
        """Return the nll of the rate, rounded down."""
        return self.nll(output, output.exp().floor(), memory)

    def mean(self, output: Tensor, memory: Memory) -> Tensor:
        """Return the rate."""
        return output.exp()

    def sample(self, output: Tensor, noise: Noise, memory: Memory) -> Tensor:
        """Draw counts."""
        return noise.poisson(output.exp())

    def resting(self, mean: Tensor) -> Tensor:
        """Return the logarithm of the mean."""
        return mean.clamp_min(1e-3).log()

    def start(self, objective: Any, sample: Batch) -> None:
        """Start at the mean, and near it: rates are exponentials, so that random outputs would be off by powers."""
        super().start(objective, sample)
        calm(objective, sample, torch.ones((), device=sample.x.device))
