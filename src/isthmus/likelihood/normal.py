"""Real numbers: the squared error as a likelihood."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from isthmus.component import Memory, choice, number
from isthmus.likelihood import Likelihood, average, calm, silent
from isthmus.native import Loss
from isthmus.noise import Noise
from isthmus.records import Batch, Shape, Spec

_LOG_ROOT = math.log(2 * math.pi) / 2


def _link(name: str, output: Tensor) -> Tensor:
    return torch.sigmoid(output) if name == "logistic" else output


def _unlink(name: str, mean: Tensor) -> Tensor:
    return torch.logit(mean.clamp(1e-3, 1 - 1e-3)) if name == "logistic" else mean


@dataclass(frozen=True, repr=False)
class Normal(Likelihood):
    """x ~ N(mean, scale^2) with a fixed scale: squared error in nats.

    -log p = (x - mean)^2 / (2 scale^2) + log scale + log(2 pi) / 2. ``link="logistic"`` puts the mean between 0 and 1,
    as sparse autoencoders with logistic output units do.

    >>> Normal(scale=0.5)
    Normal(scale=0.5)
    """

    by_row: ClassVar[bool] = True
    scale: float = number(1.0, low=1e-12)
    link: str = choice("identity", ("identity", "logistic"))

    @property
    def requires(self) -> frozenset[str]:
        """Levels of a category have no distance, and a logistic mean lies between 0 and 1."""
        return frozenset({"numbers", "unit interval"} if self.link == "logistic" else {"numbers"})

    @property
    def provides(self) -> frozenset[str]:
        """The squared error, in which PCA is exact, and outputs in units of the data."""
        return frozenset({"squared error", "values out"} if self.link == "identity" else ())

    @property
    def native(self) -> Loss | None:
        """The loss in the native kernel, which knows the identity as link."""
        if self.link != "identity":
            return None
        return Loss("squared error", 1 / self.scale**2, 0.5 / self.scale**2, math.log(self.scale) + _LOG_ROOT)

    def nll(self, output: Tensor, x: Tensor, memory: Memory) -> Tensor:
        """Return the scaled squared error plus the constant that makes it nats."""
        return ((x - _link(self.link, output)) / self.scale).square() / 2 + (math.log(self.scale) + _LOG_ROOT)

    def peak(self, output: Tensor, memory: Memory) -> float:
        """Return the constant."""
        return math.log(self.scale) + _LOG_ROOT

    def pullback(self, output: Tensor, x: Tensor, memory: Memory, out: Tensor | None = None) -> Tensor:
        """Return the derivative of the nll by the output, (mean - x) / scale^2, times the link's slope."""
        mean = _link(self.link, output)
        g = torch.sub(mean, x, out=out)
        if self.scale != 1.0:
            g = g.div_(self.scale**2)
        return g.mul_(mean).mul_(1 - mean) if self.link == "logistic" else g

    def mean(self, output: Tensor, memory: Memory) -> Tensor:
        """Return the mean."""
        return _link(self.link, output)

    def sample(self, output: Tensor, noise: Noise, memory: Memory) -> Tensor:
        """Draw from N(mean, scale^2)."""
        return _link(self.link, output) + self.scale * noise.normal(output)

    def resting(self, mean: Tensor) -> Tensor:
        """Return the mean behind the link."""
        return _unlink(self.link, mean)


@dataclass(frozen=True, repr=False)
class ScaledNormal(Likelihood):
    """x ~ N(mean, scale^2) with a learnt scale: one per variable, or one shared by all (probabilistic PCA's).

    -log p = (x - mean)^2 / (2 scale^2) + log scale + log(2 pi) / 2, where scale^2 = exp(2 s) + floor^2 and s is a
    parameter in the memory. ``floor`` is a share of the variable's own standard deviation (of that of all variables,
    where it is constant): without one, a variable that can be copied exactly would have an infinite density.

    >>> ScaledNormal(shared=True)
    ScaledNormal(shared=True)
    """

    shared: bool = False
    floor: float = number(1e-3, low=1e-12, high=0.5)

    @property
    def requires(self) -> frozenset[str]:
        """Levels of a category have no distance."""
        return frozenset({"numbers"})

    @property
    def provides(self) -> frozenset[str]:
        """Outputs in units of the data."""
        return frozenset({"values out"})

    def memory(self, spec: Spec, code: Shape) -> Memory:
        """Keep the logarithm of the scales, and the least variance."""
        shape = (1,) * len(spec.shape) if self.shared else spec.shape
        return Memory({"log_scale": torch.zeros(shape)}, {"least": torch.full(shape, self.floor**2)})

    def nll(self, output: Tensor, x: Tensor, memory: Memory) -> Tensor:
        """Return the squared error in units of the learnt scale, plus log scale."""
        var = variance(memory)
        return (x - output).square() / (2 * var) + var.log() / 2 + _LOG_ROOT

    def peak(self, output: Tensor, memory: Memory) -> Tensor:
        """Return what the scale costs."""
        return variance(memory).log() / 2 + _LOG_ROOT

    def mean(self, output: Tensor, memory: Memory) -> Tensor:
        """Return the mean."""
        return output

    def sample(self, output: Tensor, noise: Noise, memory: Memory) -> Tensor:
        """Draw from N(mean, scale^2)."""
        return output + variance(memory).sqrt() * noise.normal(output)

    def start(self, objective: Any, sample: Batch) -> None:
        """Start at the mean, and near it in units of the scales, which start at the errors that the mean makes."""
        Likelihood.start(self, objective, sample)
        memory = objective.memories["likelihood"]
        x = sample.x.double()
        spread = average((x - silent(objective, sample)).square(), sample)
        constant = spread <= 1e-12 * average(x.square(), sample)
        overall = torch.ones_like(spread.mean()) if bool(constant.all()) else spread.mean()
        start = overall if self.shared else torch.where(constant, overall, spread)
        with torch.no_grad():
            memory.least.copy_((self.floor**2 * start).expand_as(memory.least))
            memory.log_scale.copy_((((1 - self.floor**2) * start).log() / 2).expand_as(memory.log_scale))
            calm(objective, sample, variance(memory).sqrt())


def variance(memory: Any) -> Tensor:
    """Return the learnt variances."""
    var: Tensor = (2 * memory.log_scale).exp() + memory.least
    return var
