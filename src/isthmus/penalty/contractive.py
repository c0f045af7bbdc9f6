"""Codes that hardly move when the input does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.autograd import grad

from isthmus.component import Schedule, count, number
from isthmus.noise import Noise
from isthmus.penalty import Penalty
from isthmus.records import Pass


@dataclass(frozen=True, repr=False)
class Contractive(Penalty):
    """``||J||_F^2`` per row, J the Jacobian of the posterior's mean by the inputs (Rifai et al., 2011).

    Behind one linear layer W and a bottleneck that acts on each unit it is exact: ``sum_j s'(a_j)^2 ||W_j||^2``, for
    logistic units ``sum_j (h_j (1 - h_j))^2 ||W_j||^2``, for linear ones ``||W||_F^2``. For deep encoders it is an
    unbiased estimate by probes v of random signs, ``E ||v^T J||^2 = ||J||_F^2`` (Hutchinson, 1990), of one backward
    pass each; without noise it is exact there too, by one backward pass per number of the code.

    >>> Contractive(weight=0.1, probes=2)
    Contractive(probes=2)
    """

    native: ClassVar[str] = "contraction"
    weight: float | Schedule = number(0.1, low=0.0)
    probes: int = count(1)

    @property
    def requires(self) -> frozenset[str]:
        """The encoder is differentiated by its inputs."""
        return frozenset({"input gradient"})

    def __call__(self, p: Pass) -> Tensor:
        """Return the squared norm, in closed form where there is one; evaluation needs no gradient mode."""
        return probed(p, self.probes) if self.differentiates(p.model) else closed_form(p)

    def differentiates(self, model: Any) -> bool:
        """Say whether there is no closed form for this model."""
        linear = "linear encoder" in model.architecture.provides
        return not (linear and "elementwise code" in model.bottleneck.provides)


def closed_form(p: Pass) -> Tensor:
    """Return ``sum_j s'(a_j)^2 ||W_j||^2`` per row: the slope of each unit times the weights that it reads."""
    onward = torch.is_grad_enabled()
    with torch.enable_grad():
        features = p.features if p.features.requires_grad else p.features.detach().requires_grad_()
        mean = p.model.bottleneck(features, p.model.memory).mean
        (slope,) = grad(mean.sum(), features, create_graph=onward)
    reach = p.model.architecture.filters(p.model.encoder).square().sum(1)
    value: Tensor = slope.flatten(1).square() @ reach
    return value


def probed(p: Pass, probes: int) -> Tensor:
    """Return the mean over probes of ``||v^T J||^2`` per row; without noise the sum over all units, which is exact."""
    onward = torch.is_grad_enabled()
    with torch.enable_grad():
        inputs, mean = p.inputs, p.posterior.mean
        if not (inputs.requires_grad and mean.requires_grad):
            inputs = inputs.detach().requires_grad_()
            mean = p.model.encode(inputs).mean
        total = mean.new_zeros(len(mean))
        vectors = directions(mean, p.noise, probes)
        for v in vectors:
            (reached,) = grad(mean, inputs, v, create_graph=onward, retain_graph=True)
            total = total + reached.flatten(1).square().sum(1)
    total = total if p.noise is None else total / probes
    return total if onward else total.detach()


def directions(mean: Tensor, noise: Noise | None, probes: int) -> list[Tensor]:
    """Return random signs shaped as the code, or one indicator per number of the code where there is no noise."""
    if noise is not None:
        return [2.0 * (noise.uniform(mean) < 0.5) - 1.0 for _ in range(probes)]
    one_hot = torch.eye(mean[0].numel(), dtype=mean.dtype, device=mean.device)
    return [row.reshape(mean[0].shape).expand_as(mean) for row in one_hot]
