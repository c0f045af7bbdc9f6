"""A layer, the chain that hands noise to its layers, and layers without weights of a size."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from isthmus.component import suggest
from isthmus.noise import Noise

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "identity": lambda x: x,
    "relu": F.relu,
    "leaky_relu": F.leaky_relu,
    "elu": F.elu,
    "gelu": F.gelu,
    "silu": F.silu,
    "softplus": F.softplus,
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
}


_OPS = torch.ops.aten
# g s'(x) from g, x and y = s(x), each one kernel.
SLOPES: dict[str, Callable[[Tensor, Tensor, Tensor], Tensor]] = {
    "identity": lambda g, x, y: g,
    "relu": lambda g, x, y: _OPS.threshold_backward(g, y, 0.0),
    "leaky_relu": lambda g, x, y: _OPS.leaky_relu_backward(g, x, 0.01, False),
    "elu": lambda g, x, y: _OPS.elu_backward(g, 1.0, 1.0, 1.0, True, y),
    "gelu": lambda g, x, y: _OPS.gelu_backward(g, x),
    "silu": lambda g, x, y: _OPS.silu_backward(g, x),
    "softplus": lambda g, x, y: _OPS.softplus_backward(g, x, 1.0, 20.0),
    "sigmoid": lambda g, x, y: _OPS.sigmoid_backward(g, y),
    "tanh": lambda g, x, y: _OPS.tanh_backward(g, y),
}


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


class Function(Layer):
    """A named activation."""

    def __init__(self, name: str) -> None:
        """Look the activation up by name."""
        super().__init__()
        if name not in ACTIVATIONS:
            raise ValueError(f"unknown activation {name!r}; {suggest(name, list(ACTIVATIONS))}")
        self.name = name

    def forward(self, x: Tensor, noise: Noise | None = None) -> Tensor:
        """Apply it."""
        return ACTIVATIONS[self.name](x)

    def pullback(self, g: Tensor, x: Tensor, y: Tensor, inputs: bool) -> Tensor | None:
        """Return g s'(x)."""
        return SLOPES[self.name](g, x, y) if inputs else None

    def extra_repr(self) -> str:
        """Show the name."""
        return self.name


class Reshape(Layer):
    """Give every row another shape."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        """Remember the shape of one row."""
        super().__init__()
        self.shape = tuple(shape)

    def forward(self, x: Tensor, noise: Noise | None = None) -> Tensor:
        """Reshape rows."""
        return x.reshape(len(x), *self.shape)

    def pullback(self, g: Tensor, x: Tensor, y: Tensor, inputs: bool) -> Tensor | None:
        """Reshape back."""
        return g.reshape(x.shape) if inputs else None

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
        return x * (noise.uniform(x) >= self.rate) / (1 - self.rate)

    def extra_repr(self) -> str:
        """Show the rate."""
        return f"{self.rate:g}"
