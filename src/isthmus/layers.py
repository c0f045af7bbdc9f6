"""Layers and the chain that hands them noise. A layer draws its weights when told to, never from a global generator."""

from __future__ import annotations

import math
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
INITS = ("auto", "torch", "glorot", "he", "lecun", "orthogonal", "normal", "small", "zeros")
NORMS = ("none", "batch", "layer")


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

    def extra_repr(self) -> str:
        """Show the shape."""
        return str(self.shape)


def draw(weight: Tensor, init: str, follow: str, noise: Noise) -> Tensor:
    """Draw weights of shape ``(out, in, *kernel)`` by a named rule; ``follow`` is the activation behind the layer.

    ``auto`` is he for the rectifier family and glorot for the rest; ``torch`` is U(-1/sqrt(in), 1/sqrt(in));
    ``normal`` is N(0, 0.1^2), ``small`` N(0, 0.01^2).
    """
    fan_in = weight[0].numel()
    fan_out = weight.shape[0] * weight[0, 0].numel()
    if init == "auto":
        init = "he" if follow in ("relu", "leaky_relu", "elu", "gelu", "silu", "softplus") else "glorot"
    if init == "zeros":
        return torch.zeros_like(weight)
    if init in ("torch", "glorot"):
        bound = 1 / math.sqrt(fan_in) if init == "torch" else math.sqrt(6 / (fan_in + fan_out))
        return (2 * noise.uniform(weight) - 1) * bound
    if init == "orthogonal":
        flat = noise.normal(weight.flatten(1))
        q, r = torch.linalg.qr(flat.T if flat.shape[0] < flat.shape[1] else flat)
        q = q * r.diagonal().sign()
        return (q.T if flat.shape[0] < flat.shape[1] else q).reshape(weight.shape)
    scale = {"he": math.sqrt(2 / fan_in), "lecun": math.sqrt(1 / fan_in), "normal": 0.1, "small": 0.01}[init]
    return noise.normal(weight) * scale


class Linear(Layer):
    """y = W x + b, with W of shape (out, in)."""

    def __init__(self, inputs: int, outputs: int, *, bias: bool = True, init: str = "auto", follow: str = "identity") -> None:
        """Reserve the weights; :meth:`reset` draws them."""
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(outputs, inputs))
        self.bias = nn.Parameter(torch.zeros(outputs)) if bias else None
        self.init, self.follow = init, follow

    def forward(self, x: Tensor, noise: Noise | None = None) -> Tensor:
        """Map rows."""
        return F.linear(x, self.weight, self.bias)

    def reset(self, noise: Noise) -> None:
        """Draw W by its rule; b is zero, or uniform as W where the rule is ``torch``."""
        with torch.no_grad():
            self.weight.copy_(draw(self.weight, self.init, self.follow, noise))
            if self.bias is not None and self.init == "torch":
                self.bias.copy_((2 * noise.uniform(self.bias) - 1) / math.sqrt(self.weight.shape[1]))

    def extra_repr(self) -> str:
        """Show the sizes."""
        return f"{self.weight.shape[1]} -> {self.weight.shape[0]}"


class Tied(Layer):
    """y = W^T x + b with the W of another layer, which owns it: one tensor, gradients from both uses."""

    def __init__(self, layer: Linear, *, bias: bool = True) -> None:
        """Refer to the encoder's layer without registering it twice."""
        super().__init__()
        self._owner = (layer,)
        self.bias = nn.Parameter(torch.zeros(layer.weight.shape[1])) if bias else None

    @property
    def weight(self) -> Tensor:
        """The owner's weight, transposed: (out, in)."""
        return self._owner[0].weight.T

    def forward(self, x: Tensor, noise: Noise | None = None) -> Tensor:
        """Map rows with the transposed weight."""
        return F.linear(x, self.weight, self.bias)

    def extra_repr(self) -> str:
        """Show the sizes."""
        return f"{self.weight.shape[1]} -> {self.weight.shape[0]}, tied"


class Dropout(Layer):
    """Zero each entry with probability ``rate`` while fitting and scale the rest by 1 / (1 - rate) (Srivastava, 2014)."""

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


class BatchNorm(Layer):
    """(x - mean) / sqrt(var + eps) * gain + bias, per unit over rows and places (Ioffe & Szegedy, 2015).

    A forward pass only notes the batch's moments; :meth:`learn` folds them into the running ones, once per step, so a
    penalty may encode again without moving them.
    """

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
        mean, var = self.mean, self.var
        places = x.numel() // x.shape[1]
        if self.training and places > 1:
            dims = [0, *range(2, x.dim())]
            mean, var = x.mean(dims), x.var(dims, unbiased=False)
            self._noted = {
                "n": x.new_tensor(float(places)),
                "sum": x.detach().sum(dims),
                "square": x.detach().square().sum(dims),
            }
        scaled = (x - mean.view(view)) * (var.view(view) + self.eps).rsqrt()
        return scaled * self.gain.view(view) + self.bias.view(view)

    def tally(self) -> dict[str, Tensor]:
        """Return count, sum and sum of squares of the last batch."""
        return self._noted

    def learn(self, tallies: dict[str, Tensor]) -> None:
        """Move the running moments towards the batch's."""
        mean = tallies["sum"] / tallies["n"]
        var = (tallies["square"] / tallies["n"] - mean.square()) * tallies["n"] / (tallies["n"] - 1)
        self.mean.lerp_(mean, self.momentum)
        self.var.lerp_(var, self.momentum)


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
        mean, var = x.mean(1, keepdim=True), x.var(1, unbiased=False, keepdim=True)
        return (x - mean) * (var + self.eps).rsqrt() * self.gain.view(view) + self.bias.view(view)


def norm(name: str, units: int) -> list[Layer]:
    """Return the named normalisation as a list of at most one layer."""
    return {"none": [], "batch": [BatchNorm(units)], "layer": [LayerNorm(units)]}[name]


def weights(module: nn.Module) -> list[nn.Parameter]:
    """Return the trainable weight tensors of a module, without biases, gains and memories' vectors."""
    return [p for p in module.parameters() if p.requires_grad and p.dim() > 1]
