"""Randomness as an argument: a function of (seed, step, process), so that there is no state to save."""

from __future__ import annotations

import torch
from torch import Tensor

_MASK = (1 << 64) - 1


def _mix(*keys: int) -> int:
    """Hash whole numbers to 63 bits (SplitMix64 finaliser; Steele, Lea & Flood, 2014)."""
    z = 0
    for key in keys:
        z = (z + (key & _MASK) + 0x9E3779B97F4A7C15) & _MASK
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _MASK
        z ^= z >> 31
    return z >> 1


class Noise:
    """A stream of random numbers that starts anew at every step.

    >>> noise = Noise(seed=0)
    >>> a, b = noise.at(3).normal(torch.zeros(2)), noise.at(3).normal(torch.zeros(2))
    >>> bool((a == b).all())
    True
    """

    def __init__(self, seed: int, step: int = 0, process: int = 0) -> None:
        """Start the stream of (seed, step, process)."""
        self.seed, self.step, self.process = int(seed), int(step), int(process)
        self._generators: dict[torch.device, torch.Generator] = {}

    def at(self, step: int) -> Noise:
        """Return the stream of another step."""
        return Noise(self.seed, step, self.process)

    def branch(self, tag: int) -> Noise:
        """Return an independent stream for another purpose."""
        return Noise(_mix(self.seed, tag, 0x5EED), self.step, self.process)

    def _generator(self, device: torch.device) -> torch.Generator:
        if device not in self._generators:
            generator = torch.Generator(device)
            generator.manual_seed(_mix(self.seed, self.step, self.process))
            self._generators[device] = generator
        return self._generators[device]

    def uniform(self, like: Tensor) -> Tensor:
        """Draw from U[0, 1), shaped as ``like``."""
        return torch.rand(like.shape, dtype=like.dtype, device=like.device, generator=self._generator(like.device))

    def normal(self, like: Tensor) -> Tensor:
        """Draw from N(0, 1), shaped as ``like``."""
        return torch.randn(like.shape, dtype=like.dtype, device=like.device, generator=self._generator(like.device))

    def poisson(self, rate: Tensor) -> Tensor:
        """Draw counts from Poisson(rate), shaped as ``rate``."""
        return torch.poisson(rate, generator=self._generator(rate.device))

    def permutation(self, n: int, device: torch.device | str = "cpu") -> Tensor:
        """Draw an order of n rows; the same one on every device."""
        return torch.randperm(n, generator=self._generator(torch.device("cpu"))).to(device)
