"""Normalisation of units, by name."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from isthmus.layers.chain import Layer
from isthmus.noise import Noise

NORMS = ("none", "batch", "layer")


class BatchNorm(Layer):
    """(x - mean) / sqrt(var + eps) * gain + bias, per unit over rows and places (Ioffe & Szegedy, 2015).

    A forward pass only notes the batch's moments; :meth:`learn` folds them into the running ones, once per step, so a
    penalty may encode again without moving them.
    """

    mean: Tensor
    var: Tensor

    def __init__(self, units: int, momentum: float = 0.1, eps: float = 1e-5) -> None:
        """Start from mean 0 and variance 1."""
        super().__init__()
        self.gain, self.bias = nn.Parameter(torch.ones(units)), nn.Parameter(torch.zeros(units))
        self.register_buffer("mean", torch.zeros(units))
        self.register_buffer("var", torch.ones(units))
        self.momentum, self.eps = momentum, eps
        self._noted: dict[str, Tensor] = {}

    def forward(self, x: Tensor, noise: Noise | None = None) -> Tensor:
        """Normalise by the batch while fitting, by the running moments in use."""
        view = (1, -1, *[1] * (x.dim() - 2))
        # Moments of bfloat16 numbers need more digits than these have.
        x = x.to(self.mean.dtype)
        mean, var = self.mean, self.var
        places = x.numel() // x.shape[1]
        if self.training and places > 1:
            dims = [0, *range(2, x.dim())]
            mean, var = x.mean(dims), x.var(dims, unbiased=False)
            # Around the running mean, so that numbers far from zero lose no digits.
            away = x.detach() - self.mean.view(view)
            self._noted = {
                "n": x.new_full((), float(places)),
                "sum": away.sum(dims),
                "square": away.square().sum(dims),
            }
        scaled = (x - mean.view(view)) * (var.view(view) + self.eps).rsqrt()
        return scaled * self.gain.view(view) + self.bias.view(view)

    def tally(self) -> dict[str, Tensor]:
        """Return count, sum and sum of squares of the last batch."""
        return self._noted

    def learn(self, tallies: dict[str, Tensor]) -> None:
        """Move the running moments towards the batch's."""
        moved = tallies["sum"] / tallies["n"]
        var = (tallies["square"] / tallies["n"] - moved.square()) * tallies["n"] / (tallies["n"] - 1)
        self.mean.add_(moved, alpha=self.momentum)
        self.var.lerp_(var.clamp_min(0.0), self.momentum)


class LayerNorm(Layer):
    """Normalise the units of each row and place, then scale and shift per unit (Ba, Kiros & Hinton, 2016)."""

    def __init__(self, units: int, eps: float = 1e-5) -> None:
        """Start from gain 1 and bias 0."""
        super().__init__()
        self.gain, self.bias = nn.Parameter(torch.ones(units)), nn.Parameter(torch.zeros(units))
        self.eps = eps

    def forward(self, x: Tensor, noise: Noise | None = None) -> Tensor:
        """Normalise over axis 1, the units."""
        view = (1, -1, *[1] * (x.dim() - 2))
        x = x.to(self.gain.dtype)
        mean, var = x.mean(1, keepdim=True), x.var(1, unbiased=False, keepdim=True)
        return (x - mean) * (var + self.eps).rsqrt() * self.gain.view(view) + self.bias.view(view)


def norm(name: str, units: int) -> list[Layer]:
    """Return the named normalisation as a list of at most one layer."""
    kinds: dict[str, list[type[BatchNorm] | type[LayerNorm]]] = {"none": [], "batch": [BatchNorm], "layer": [LayerNorm]}
    return [kind(units) for kind in kinds[name]]
