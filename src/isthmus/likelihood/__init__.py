"""Likelihoods: the decoder's output as a distribution over data. One file per family; the folder is the registry."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn

from isthmus.component import Component, Memory
from isthmus.layers import weights
from isthmus.noise import Noise
from isthmus.records import Batch, Column, Shape, Spec


@dataclass(frozen=True, repr=False)
class Likelihood(Component):
    """p(x | g(h)), one distribution per variable; it owns the output activation and scores in nats."""

    kind: ClassVar[str] = "likelihood"
    support: ClassVar[str] = "real numbers"
    remedy: ClassVar[str] = "remove or fill them"

    def column(self, name: str) -> Column:
        """Describe a variable of this likelihood."""
        return Column(name)

    def suited(self, x: Tensor) -> Self:
        """Return this likelihood with what it takes from data filled in."""
        return self

    def outputs(self, spec: Spec) -> Shape:
        """Return the shape of the decoder's output for data like ``spec``."""
        return spec.shape

    def supports(self, x: Tensor) -> Tensor:
        """Say for each entry whether it can occur under this likelihood."""
        return x.isfinite()

    def admits(self, x: Tensor) -> bool:
        """Say whether every entry can occur under this likelihood; a shorter way than :meth:`supports`, if any."""
        plain = type(self).supports is Likelihood.supports
        return all_finite(x) if plain else bool(self.supports(x).all())

    def nll(self, output: Tensor, x: Tensor, memory: Memory) -> Tensor:
        """Return -log p(x | output) per entry, in nats, shaped as ``x``."""
        raise NotImplementedError(f"{type(self).__name__} must define nll")  # abstract

    def peak(self, output: Tensor, memory: Memory) -> Tensor | float:
        """Return the nll of the most probable value of each entry; 0 where that may be certain, as levels are.

        A density has a height: what an entry costs above it says how odd the value is, whatever the scale.
        """
        return 0.0

    def mean(self, output: Tensor, memory: Memory) -> Tensor:
        """Return the expected value of each entry."""
        raise NotImplementedError(f"{type(self).__name__} must define mean")  # abstract

    def sample(self, output: Tensor, noise: Noise, memory: Memory) -> Tensor:
        """Draw data."""
        raise NotImplementedError(f"{type(self).__name__} must define sample")  # abstract

    def doubt(self, output: Tensor, memory: Memory) -> Tensor:
        """Return the chance that an entry has another level than the most probable one; 0 for what has no levels."""
        return torch.zeros_like(self.mean(output, memory))

    def per_output(self, entries: Tensor, memory: Memory) -> Tensor:
        """Spread one value per entry over the outputs that speak of it."""
        return entries

    def resting(self, mean: Tensor) -> Tensor:
        """Return the output under which ``mean`` (rows of data averaged) is expected: where the output bias starts."""
        return mean

    def start(self, objective: Any, sample: Batch) -> None:
        """Let the decoder's last bias say the data's mean before anything is learnt."""
        bias = objective.model.output_bias()
        if bias is None:
            return
        shape = objective.model.outputs
        mean = _mean(objective.model.present, sample)
        if bias.numel() == shape[0]:
            mean = mean.flatten(1).mean(1) if mean.dim() > 1 else mean
        resting = self.resting(mean)
        if bias.numel() == resting.numel():
            with torch.no_grad():
                bias.copy_(resting.flatten().to(bias.dtype))


def all_finite(x: Tensor) -> bool:
    """Say whether no entry is NaN or infinite: a sum is finite only where every term is, and takes no mask."""
    return bool(x.sum().isfinite()) or bool(x.isfinite().all())


def carriers(objective: Any) -> list[nn.Parameter]:
    """Return the weights that carry codes to outputs: the decoder's last, or all of the encoder's where they are tied.

    There are none in a user's own network, whose weights are not to be touched.
    """
    model = objective.model
    if model.architecture.output_bias(model.decoder) is None:
        return []
    return weights(model.decoder)[-1:] or weights(model.encoder)


def silent(objective: Any, sample: Batch) -> Tensor:
    """Return the outputs (1, ...) that the biases alone give; the data's mean in a user's own network."""
    carrying = carriers(objective)
    if not carrying:
        return average(sample.x, sample).unsqueeze(0)
    with torch.no_grad():
        drawn = [weight.clone() for weight in carrying]
        for weight in carrying:
            weight.zero_()
        output: Tensor = objective.model(Batch(sample.x[:1])).output
        for weight, value in zip(carrying, drawn, strict=True):
            weight.copy_(value)
    return output


def calm(objective: Any, sample: Batch, spread: Tensor) -> None:
    """Shrink the weights that carry codes until first outputs are about a tenth of ``spread`` from the silent ones.

    Where an error of one counts exponentially, or in units of a small scale, random weights are far from any solution.
    """
    carrying = carriers(objective)
    few = sample.spaced(1000)
    with torch.no_grad():
        away = (objective.model(few).output - silent(objective, few)) / spread
        squared = average(away.square(), Batch(few.x, weight=few.weight)).flatten()
        if not weights(objective.model.decoder):
            # Tied weights are passed twice each, so that their factors multiply.
            shared = (0.1 / squared.mean().sqrt().clamp_min(0.1)) ** (0.5 / max(1, len(carrying)))
            for weight in carrying:
                weight.mul_(shared)
            return
        for last in carrying:
            each = squared if len(last) == len(squared) else squared.mean()
            last.mul_((0.1 / each.sqrt().clamp_min(0.1)).reshape(-1, *[1] * (last.dim() - 1)))


def _mean(present: Callable[[Tensor], Tensor], sample: Batch) -> Tensor:
    """Average what the encoder reads in float64; block by block where rows count alike, without a copy of them all."""
    if sample.weight is None and sample.seen is None:
        # Sums of few rows keep the digits of the rows; those sums are added in float64.
        sums = torch.stack([present(part).sum(0) for part in sample.x.split(256)])
        return sums.double().sum(0) / len(sample.x)
    return average(present(sample.x).double(), sample)


def average(values: Tensor, sample: Batch) -> Tensor:
    """Average each variable over the rows of a sample, by their weights and only where it was seen."""
    if sample.weight is None and sample.seen is None:
        return values.mean(0)
    share = torch.ones_like(values)
    if sample.weight is not None:
        share = share * sample.weight.reshape(-1, *[1] * (values.dim() - 1))
    if sample.seen is not None:
        share = share * sample.seen.repeat_interleave(values.shape[1] // sample.seen.shape[1], dim=1)
    return (values * share).sum(0) / share.sum(0).clamp_min(1e-12)
