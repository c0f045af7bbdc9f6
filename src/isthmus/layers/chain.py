"""A layer, the chain that hands noise to its layers, and layers without weights."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from isthmus.layers.room import Room
from isthmus.layers.walk import Back, vjp
from isthmus.noise import Noise


class Layer(nn.Module):
    """A module that may use noise, and may draw its weights."""

    def forward(self, x: Tensor, noise: Noise | None = None) -> Tensor:
        """Map a batch."""
        raise NotImplementedError  # abstract

    def reset(self, noise: Noise) -> None:
        """Draw initial weights."""

    def tally(self) -> dict[str, Tensor]:
        """Return sums of the last forward pass that :meth:`learn` folds into buffers."""
        return {}

    def learn(self, tallies: dict[str, Tensor]) -> None:
        """Fold sums into buffers, once per optimiser step."""


class Chain(nn.Module):
    """Layers in a row."""

    def __init__(self, *layers: nn.Module) -> None:
        """Keep the layers in order."""
        super().__init__()
        self.layers = nn.ModuleList(layers)

    def __iter__(self) -> Iterator[nn.Module]:
        """Walk through the layers."""
        return iter(self.layers)

    def forward(self, x: Tensor, noise: Noise | None = None) -> Tensor:
        """Apply the layers in order."""
        for layer in self.layers:
            x = layer(x, noise)
        return x

    def vjp(self, x: Tensor, noise: Noise | None, room: Room, inputs: bool) -> tuple[Tensor, Back]:
        """Go through the layers and back."""
        backs: list[Back] = []
        for layer in self.layers:
            x, back = vjp(layer, x, noise, room, inputs=inputs)
            backs.append(back)
            inputs = inputs or room.trains(layer)

        def return_(g: Tensor) -> Tensor | None:
            found: Tensor | None = g
            for back in reversed(backs):
                if found is None:
                    return None
                found = back(found)
            return found

        return x, return_


class Reshape(Layer):
    """Give every row another shape."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        """Remember the shape of one row."""
        super().__init__()
        self.shape = tuple(shape)

    def forward(self, x: Tensor, noise: Noise | None = None) -> Tensor:
        """Reshape rows."""
        return x.reshape(len(x), *self.shape)

    def vjp(self, x: Tensor, noise: Noise | None, room: Room, inputs: bool) -> tuple[Tensor, Back]:
        """Reshape there and back."""
        shape = x.shape
        if shape[1:] == self.shape:
            return x, lambda g: g
        return x.reshape(shape[0], *self.shape), lambda g: g.reshape(shape) if inputs else None

    def extra_repr(self) -> str:
        """Show the shape."""
        return str(self.shape)


class Dropout(Layer):
    """While fitting, zero entries with probability ``rate`` and scale the rest by 1 / (1 - rate) (Srivastava, 2014)."""

    def __init__(self, rate: float) -> None:
        """Remember the rate."""
        super().__init__()
        self.rate = rate

    def forward(self, x: Tensor, noise: Noise | None = None) -> Tensor:
        """Drop entries by the noise given; torch's own layer would use the global generator."""
        if noise is None or not self.training:
            return x
        return x * self._kept(x, noise)

    def _kept(self, x: Tensor, noise: Noise) -> Tensor:
        """Return 1 / (1 - rate) for entries that stay, zero for the others."""
        return (noise.uniform(x) >= self.rate).to(x.dtype).mul_(1 / (1 - self.rate))

    def vjp(self, x: Tensor, noise: Noise | None, room: Room, inputs: bool) -> tuple[Tensor, Back]:
        """Drop the same entries of the gradient."""
        if noise is None or not self.training:
            return x, lambda g: g
        kept = self._kept(x, noise)
        return torch.mul(x, kept, out=room.empty(x)), lambda g: g.mul_(kept) if inputs else None

    def extra_repr(self) -> str:
        """Show the rate."""
        return f"{self.rate:g}"
