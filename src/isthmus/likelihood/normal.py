"""Real numbers: the squared error as a likelihood."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from isthmus.component import Memory, choice, number
from isthmus.likelihood import Likelihood
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

    scale: float = number(1.0, low=1e-12)
    link: str = choice("identity", ("identity", "logistic"))

    @property
    def requires(self) -> frozenset[str]:
        """Levels of a category have no distance."""
        return frozenset({"numbers"})

    @property
    def provides(self) -> frozenset[str]:
        """The squared error, in which PCA is exact."""
        return frozenset({"squared error"} if self.link == "identity" else ())

    def nll(self, output: Tensor, x: Tensor, memory: Memory) -> Tensor:
        """Return the scaled squared error plus the constant that makes it nats."""
        return ((x - _link(self.link, output)) / self.scale).square() / 2 + (math.log(self.scale) + _LOG_ROOT)

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
    """x ~ N(mean, scale^2) with a learnt scale: one per column, or one shared by all (probabilistic PCA's).

    -log p = (x - mean)^2 / (2 scale^2) + log scale + log(2 pi) / 2; log scale is a parameter in the memory.

    >>> ScaledNormal(shared=True)
    ScaledNormal(shared=True)
    """

    shared: bool = False

    @property
    def requires(self) -> frozenset[str]:
        """Levels of a category have no distance."""
        return frozenset({"numbers"})

    def memory(self, spec: Spec, code: Shape) -> Memory:
        """Keep the logarithm of the scales."""
        return Memory(parameters={"log_scale": torch.zeros((1,) * len(spec.shape) if self.shared else spec.shape)})

    def nll(self, output: Tensor, x: Tensor, memory: Any) -> Tensor:
        """Return the squared error in units of the learnt scale, plus log scale."""
        log_scale = memory.log_scale
        return ((x - output) * (-log_scale).exp()).square() / 2 + log_scale + _LOG_ROOT

    def mean(self, output: Tensor, memory: Memory) -> Tensor:
        """Return the mean."""
        return output

    def sample(self, output: Tensor, noise: Noise, memory: Any) -> Tensor:
        """Draw from N(mean, scale^2)."""
        drawn: Tensor = output + memory.log_scale.exp() * noise.normal(output)
        return drawn

    def start(self, objective: Any, sample: Batch) -> None:
        """Start the scales at the data's own standard deviations."""
        Likelihood.start(self, objective, sample)
        log_scale = objective.memories["likelihood"].log_scale
        deviation = (sample.x - sample.x.mean(0)).square().mean(0)
        with torch.no_grad():
            spread = deviation.mean() if self.shared else deviation
            log_scale.copy_((spread.clamp_min(1e-12).log() / 2).expand_as(log_scale))
