"""Deterministic codes without a constraint on their values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from isthmus.bottleneck import Bottleneck
from isthmus.component import Memory
from isthmus.posterior import Dirac, Gradients, Posterior


@dataclass(frozen=True, repr=False)
class Undercomplete(Bottleneck):
    """h = f(x), with no more units than the data has variables: the width is the constraint.

    >>> Undercomplete()
    Undercomplete()
    """

    native: ClassVar[str] = "identity"
    by_row: ClassVar[bool] = True

    @property
    def requires(self) -> frozenset[str]:
        """A wider code could copy the input; Overcomplete says that this is meant."""
        return frozenset({"narrow code"})

    @property
    def provides(self) -> frozenset[str]:
        """A code that is the features themselves."""
        return frozenset({"plain code", "elementwise code"})

    def __call__(self, features: Tensor, memory: Memory) -> Posterior:
        """Return a point mass at the features."""
        return Dirac(features)

    def pullback(self, gradients: Gradients, features: Tensor, posterior: Posterior) -> Tensor:
        """Return the gradient of the features, which are the code."""
        return gradients["mean"]


@dataclass(frozen=True, repr=False)
class Overcomplete(Bottleneck):
    """h = f(x) with any number of units: something else (corruption, a penalty) must keep it from copying the input.

    >>> Overcomplete()
    Overcomplete()
    """

    native: ClassVar[str] = "identity"
    by_row: ClassVar[bool] = True

    @property
    def provides(self) -> frozenset[str]:
        """A code that is the features themselves."""
        return frozenset({"plain code", "elementwise code"})

    def __call__(self, features: Tensor, memory: Memory) -> Posterior:
        """Return a point mass at the features."""
        return Dirac(features)

    def pullback(self, gradients: Gradients, features: Tensor, posterior: Posterior) -> Tensor:
        """Return the gradient of the features, which are the code."""
        return gradients["mean"]
