"""Deterministic codes behind an activation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from isthmus.bottleneck import Bottleneck
from isthmus.component import Memory, number
from isthmus.posterior import Dirac, Gradients, Posterior


@dataclass(frozen=True, repr=False)
class Sigmoid(Bottleneck):
    """h = 1 / (1 + exp(-f(x))): units between 0 (off) and 1 (on), with a rate that ActivationRate can steer.

    >>> Sigmoid()
    Sigmoid()
    """

    native: ClassVar[str] = "sigmoid"
    by_row: ClassVar[bool] = True

    @property
    def provides(self) -> frozenset[str]:
        """A code with a lowest and a highest value."""
        return frozenset({"bounded code", "elementwise code"})

    def __call__(self, features: Tensor, memory: Memory) -> Posterior:
        """Return a point mass at the logistic of the features."""
        return Dirac(torch.sigmoid(features), pre=features, bounds=(0.0, 1.0))

    def pullback(self, gradients: Gradients, features: Tensor, posterior: Posterior) -> Tensor:
        """Return the gradient of the features, g h (1 - h)."""
        return with_pre(torch.ops.aten.sigmoid_backward(gradients["mean"], posterior.mean), gradients)


@dataclass(frozen=True, repr=False)
class Tanh(Bottleneck):
    """h = tanh(f(x)): units between -1 (off) and 1 (on).

    >>> Tanh()
    Tanh()
    """

    native: ClassVar[str] = "tanh"
    by_row: ClassVar[bool] = True

    @property
    def provides(self) -> frozenset[str]:
        """A code with a lowest and a highest value."""
        return frozenset({"bounded code", "elementwise code"})

    def __call__(self, features: Tensor, memory: Memory) -> Posterior:
        """Return a point mass at the hyperbolic tangent of the features."""
        return Dirac(torch.tanh(features), pre=features, bounds=(-1.0, 1.0))

    def pullback(self, gradients: Gradients, features: Tensor, posterior: Posterior) -> Tensor:
        """Return the gradient of the features, g (1 - h^2)."""
        return with_pre(torch.ops.aten.tanh_backward(gradients["mean"], posterior.mean), gradients)


@dataclass(frozen=True, repr=False)
class Rectified(Bottleneck):
    """h = max(f(x), slope * f(x)): a ReLU code, or a leaky one with ``slope`` > 0.

    >>> Rectified(slope=0.01)
    Rectified(slope=0.01)
    """

    by_row: ClassVar[bool] = True
    slope: float = number(0.0, low=0.0, high=1.0)

    @property
    def native(self) -> str | None:
        """The name of these units in the native kernel, which knows two slopes."""
        return {0.0: "relu", 0.01: "leaky_relu"}.get(self.slope)

    @property
    def provides(self) -> frozenset[str]:
        """Each unit depends on one feature; without a slope it can be silent, as often as penalties ask."""
        return frozenset({"elementwise code"} | ({"silent units", "open sparsity"} if self.slope == 0 else set()))

    def __call__(self, features: Tensor, memory: Memory) -> Posterior:
        """Return a point mass at the rectified features."""
        return Dirac(F.relu(features) - self.slope * F.relu(-features), pre=features)

    def pullback(self, gradients: Gradients, features: Tensor, posterior: Posterior) -> Tensor:
        """Return the gradient of the features, times the slope where they are not positive."""
        g = gradients["mean"]
        return with_pre(torch.where(features > 0, g, self.slope * g), gradients)


@dataclass(frozen=True, repr=False)
class UnitNorm(Bottleneck):
    """h = f(x) / ||f(x)||: codes on the unit sphere (of each place, in a code map); only their direction counts.

    >>> UnitNorm()
    UnitNorm()
    """

    by_row: ClassVar[bool] = True

    def __call__(self, features: Tensor, memory: Memory) -> Posterior:
        """Return a point mass at the normalised features; zero features stay zero."""
        return Dirac(F.normalize(features, dim=1, eps=1e-12), pre=features)


def with_pre(g: Tensor, gradients: Gradients) -> Tensor:
    """Add the gradient of the code before its activation, where some penalty has one."""
    return g + gradients["pre"] if "pre" in gradients else g
