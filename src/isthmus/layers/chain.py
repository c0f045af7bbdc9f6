"""A layer, the chain that hands noise to its layers, and layers without weights."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from isthmus.component import declaration
from isthmus.layers.room import Room, trains
from isthmus.layers.walk import Back
from isthmus.noise import Noise


class Layer(nn.Module):
    """A module that may use noise, and may draw its weights.

    ``stacks`` says that its ``vjp`` asks the room for what it does with parameters, and treats rows alike, so that it
    works on the rows and parameters of several models at once.
    """

    stacks: ClassVar[bool] = False

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

    stacks: ClassVar[bool] = True

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

    def vjp(self, x: Tensor, room: Room, inputs: bool) -> tuple[Tensor, Back]:
        """Go through the layers and back."""
        backs: list[Back] = []
        for layer in self.layers:
            x, back = layer.vjp(x, room, inputs)  # type: ignore[operator]
            backs.append(back)
            inputs = inputs or trains(layer)

        def whole(g: Tensor) -> Tensor | None:
            found: Tensor | None = g
            for back in reversed(backs):
                if found is None:
                    return None
                found = back(found)
            return found

        return x, whole

    def native(self) -> list[Any]:
        """Say what the layers do in the words of the native kernel."""
        return [word for layer in self.layers for word in words(layer)]


class Reshape(Layer):
    """Give every row another shape."""

    stacks: ClassVar[bool] = True

    def __init__(self, shape: tuple[int, ...]) -> None:
        """Remember the shape of one row."""
        super().__init__()
        self.shape = tuple(shape)

    def forward(self, x: Tensor, noise: Noise | None = None) -> Tensor:
        """Reshape rows."""
        return x.reshape(x.shape[0], *self.shape)

    def vjp(self, x: Tensor, room: Room, inputs: bool) -> tuple[Tensor, Back]:
        """Reshape there and back; rows of a buffer lie in one piece, so nothing is copied."""
        return x.view(x.shape[0], *self.shape), lambda g: g.view(x.shape) if inputs else None

    def native(self) -> list[Any]:
        """Give the shape; the numbers of a row stay as they are."""
        return [("shape", self.shape)]

    def extra_repr(self) -> str:
        """Show the shape."""
        return str(self.shape)


class Dropout(Layer):
    """While fitting, zero entries with probability ``rate`` and scale the rest by 1 / (1 - rate) (Srivastava, 2014)."""

    stacks: ClassVar[bool] = True

    def __init__(self, rate: float) -> None:
        """Remember the rate."""
        super().__init__()
        self.rate = rate

    def forward(self, x: Tensor, noise: Noise | None = None) -> Tensor:
        """Drop entries by the noise given; torch's own layer would use the global generator."""
        if noise is None or not self.training:
            return x
        return x * self.kept(x, noise)

    def kept(self, x: Tensor, noise: Noise) -> Tensor:
        """Return 1 / (1 - rate) for entries that stay, zero for the others."""
        return (noise.uniform(x) >= self.rate).to(x.dtype).mul_(1 / (1 - self.rate))

    def vjp(self, x: Tensor, room: Room, inputs: bool) -> tuple[Tensor, Back]:
        """Drop the same entries of the gradient."""
        if not self.training:
            return x, lambda g: g
        kept, y = room.empty(x), room.empty(x)

        def ahead() -> None:
            if room.noise is not None:
                torch.mul(x, kept.copy_(self.kept(x, room.noise)), out=y)

        def back(g: Tensor) -> Tensor | None:
            room.do(lambda: g.mul_(kept))
            return g if inputs else None

        room.do(ahead)
        return y, back

    def native(self) -> list[Any]:
        """Give what draws the entries that stay."""
        return [("dropout", self.kept)]

    def extra_repr(self) -> str:
        """Show the rate."""
        return f"{self.rate:g}"


def words(layer: nn.Module) -> list[Any]:
    """Return what a layer does in the words of the native kernel, ``unknown`` where it does not say."""
    found = declaration(layer, "native", "forward")
    return [("unknown",)] if found is None else found()
