"""Angles: the normal distribution of the circle."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from isthmus.component import Memory
from isthmus.likelihood import Likelihood
from isthmus.noise import Noise
from isthmus.records import Shape, Spec

_LOG_TURN = math.log(2 * math.pi)
_GRID = 512


@dataclass(frozen=True, repr=False)
class VonMises(Likelihood):
    r"""x ~ VonMises(direction, k): an angle in radians, whose two outputs (a, b) point to it; k is their length.

    -log p(x) = log(2 pi I_0(k)) - a cos x - b sin x, k = sqrt(a^2 + b^2). Outputs of zero say that every angle is
    equally likely (von Mises, 1918; Mardia & Jupp, 2000, "Directional Statistics"). The two outputs of a variable lie
    next to each other along axis 1.

    >>> VonMises().mean(torch.tensor([[0.0, 3.0]]), Memory())
    tensor([[1.5708]])
    """

    by_row: ClassVar[bool] = True

    @property
    def requires(self) -> frozenset[str]:
        """Levels of a category are no angles."""
        return frozenset({"numbers"})

    def outputs(self, spec: Spec) -> Shape:
        """Ask for two numbers per variable."""
        return (2 * spec.shape[0], *spec.shape[1:])

    def nll(self, output: Tensor, x: Tensor, memory: Memory) -> Tensor:
        """Return minus the logarithm of the density on the circle."""
        a, b, k = _pointed(output)
        found: Tensor = _LOG_TURN + torch.special.i0e(k).log() + k - a * x.cos() - b * x.sin()
        return found

    def pullback(self, output: Tensor, x: Tensor, memory: Memory, out: Tensor | None = None) -> Tensor:
        """Return the derivative of the nll by the output, I_1(k) / I_0(k) of its direction less that of x."""
        a, b, k = _pointed(output)
        ratio = torch.special.i1e(k) / (torch.special.i0e(k) * k)
        g = torch.stack([ratio * a - x.cos(), ratio * b - x.sin()], 2).reshape(output.shape)
        return g if out is None else out.copy_(g)

    def peak(self, output: Tensor, memory: Memory) -> Tensor:
        """Return the nll of the mean direction."""
        *_, k = _pointed(output)
        found: Tensor = _LOG_TURN + torch.special.i0e(k).log()
        return found

    def mean(self, output: Tensor, memory: Memory) -> Tensor:
        """Return the mean direction, between -pi and pi."""
        a, b, _ = _pointed(output)
        return torch.atan2(b, a)

    def sample(self, output: Tensor, noise: Noise, memory: Memory) -> Tensor:
        """Draw angles by the inverse of the distribution function, on a grid of 512 places."""
        a, b, k = _pointed(output)
        places = torch.arange(_GRID, device=output.device, dtype=output.dtype)
        grid = -math.pi + (places + 0.5) * (2 * math.pi / _GRID)
        ends = torch.exp(k.unsqueeze(-1) * (grid.cos() - 1)).cumsum(-1)
        drawn = noise.uniform(a).unsqueeze(-1) * ends[..., -1:]
        at = torch.searchsorted(ends, drawn).clamp_max(_GRID - 1).squeeze(-1)
        angle = torch.atan2(b, a) + grid[at] + (noise.uniform(a) - 0.5) * (2 * math.pi / _GRID)
        return torch.atan2(angle.sin(), angle.cos())

    def per_output(self, entries: Tensor, memory: Memory) -> Tensor:
        """Give both outputs what their variable has."""
        return entries.repeat_interleave(2, 1)

    def resting(self, mean: Tensor) -> Tensor:
        """Return outputs without a direction."""
        return mean.new_zeros((2 * mean.shape[0], *mean.shape[1:]))


def _pointed(output: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return both outputs of every variable, and their length, which is never quite zero so that it has a slope."""
    pairs = output.reshape(output.shape[0], -1, 2, *output.shape[2:])
    a, b = pairs[:, :, 0], pairs[:, :, 1]
    return a, b, (a.square() + b.square() + 1e-12).sqrt()
