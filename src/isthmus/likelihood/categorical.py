"""Levels of categories: a softmax for each variable."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Self

import torch
from torch import Tensor

from isthmus.component import Memory, count
from isthmus.likelihood import Likelihood
from isthmus.noise import Noise
from isthmus.records import Column, Shape, Spec


@dataclass(frozen=True, repr=False)
class Categorical(Likelihood):
    """x ~ Categorical(softmax(output)), one softmax for each variable over its ``levels`` 0, 1, ..., levels - 1.

    -log p(x) = log sum_l exp(o_l) - o_x. The outputs of a variable's levels lie next to each other along axis 1, as the
    indicators that the encoder reads: ``(columns * levels, *places)``. ``levels=0`` leaves the number to the data,
    that of the column with most levels (:meth:`suited`).

    >>> Categorical(levels=3).outputs(Spec((4,)))
    (12,)

    Raises:
        ValueError: another number of levels than the data has.
    """

    by_row: ClassVar[bool] = True
    levels: int = count(0, low=0)
    support: ClassVar[str] = "levels 0, 1, 2, ..."
    remedy: ClassVar[str] = "number the categories from 0 up, or raise levels"

    @property
    def requires(self) -> frozenset[str]:
        """Data must be levels."""
        return frozenset({"levels"})

    def column(self, name: str) -> Column:
        """Describe a variable with this many levels."""
        return Column(name, "category", self.levels)

    def suited(self, x: Tensor) -> Self:
        """Count the levels where no number was given."""
        return self if self.levels else replace(self, levels=int(x.max()) + 1)

    def outputs(self, spec: Spec) -> Shape:
        """Ask for one number per level of every variable."""
        if not self.levels or spec.levels not in (0, self.levels):
            raise ValueError(f"{self!r} does not say how many levels the data has; give levels={spec.levels or 2}")
        return (spec.shape[0] * self.levels, *spec.shape[1:])

    def supports(self, x: Tensor) -> Tensor:
        """Say which entries are levels."""
        return (x >= 0) & (x == x.floor()) & ((x < self.levels) if self.levels else x.isfinite())

    def nll(self, output: Tensor, x: Tensor, memory: Memory) -> Tensor:
        """Return the cross-entropy of each variable's softmax."""
        log_p: Tensor = torch.log_softmax(by_variable(output, x.shape[1]), dim=2)
        return -log_p.gather(2, x.long().unsqueeze(2)).squeeze(2)

    def pullback(self, output: Tensor, x: Tensor, memory: Memory, out: Tensor | None = None) -> Tensor:
        """Return the derivative of the nll by the output, each level's probability less its indicator."""
        found = torch.empty_like(output) if out is None else out
        g = by_variable(found, x.shape[1])
        torch.softmax(by_variable(output, x.shape[1]), dim=2, out=g)
        g.scatter_add_(2, x.long().unsqueeze(2), g.new_full((), -1.0).expand_as(x).unsqueeze(2))
        return found

    def mean(self, output: Tensor, memory: Memory) -> Tensor:
        """Return the most probable level, since levels have no mean."""
        return by_variable(output, output.shape[1] // self.levels).argmax(2).to(output.dtype)

    def sample(self, output: Tensor, noise: Noise, memory: Memory) -> Tensor:
        """Draw levels: the largest of output plus Gumbel noise (Gumbel, 1954)."""
        uniform = noise.uniform(output).clamp_min(torch.finfo(output.dtype).tiny)
        return self.mean(output - (-uniform.log()).log(), memory)

    def doubt(self, output: Tensor, memory: Memory) -> Tensor:
        """Return what the softmax leaves to other levels."""
        doubt: Tensor = 1 - torch.softmax(by_variable(output, output.shape[1] // self.levels), 2).amax(2)
        return doubt

    def per_output(self, entries: Tensor, memory: Memory) -> Tensor:
        """Give every level what its variable has."""
        return entries.repeat_interleave(self.levels, 1)

    def resting(self, mean: Tensor) -> Tensor:
        """Return the logarithm of each level's share."""
        return mean.clamp_min(1e-3).log()


def by_variable(output: Tensor, variables: int) -> Tensor:
    """Give levels an axis of their own: ``(rows, variables, levels, *places)``."""
    return output.reshape(output.shape[0], variables, -1, *output.shape[2:])
