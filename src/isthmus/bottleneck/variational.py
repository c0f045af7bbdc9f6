"""Codes with a density."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from isthmus.bottleneck import Bottleneck
from isthmus.component import Memory, count
from isthmus.posterior import Gaussian, Gradients, Posterior
from isthmus.records import Shape


@dataclass(frozen=True, repr=False)
class Variational(Bottleneck):
    """q(h | x) = N(mean(x), var(x)) with prior N(0, 1) (Kingma & Welling, 2014, "Auto-Encoding Variational Bayes").

    The encoder delivers mean and log-variance. With the penalty KL() the objective is the negative evidence lower
    bound; in use, the code is the mean. With more than one of ``draws`` per row, fitting tightens it to the
    importance-weighted bound (Burda, Grosse & Salakhutdinov, 2016), -log mean_s p(x | h_s) p(h_s) / q(h_s | x).

    >>> Variational(draws=5).features((8,))
    (16,)
    """

    by_row: ClassVar[bool] = True
    native: ClassVar[str] = "gaussian"
    draws: int = count(1)

    @property
    def provides(self) -> frozenset[str]:
        """A posterior and a prior with densities."""
        return frozenset({"density", "elementwise code"})

    def features(self, code: Shape) -> Shape:
        """Ask for two numbers per unit."""
        return (2 * code[0], *code[1:])

    def __call__(self, features: Tensor, memory: Memory) -> Posterior:
        """Split the features into mean and log-variance."""
        mean, log_var = features.chunk(2, dim=1)
        return Gaussian(mean, log_var=log_var)

    def pullback(self, gradients: Gradients, features: Tensor, posterior: Posterior) -> Tensor:
        """Return the gradient of the features, that of the means beside that of the log-variances."""
        return torch.cat((gradients["mean"], gradients["log_var"]), dim=1)
