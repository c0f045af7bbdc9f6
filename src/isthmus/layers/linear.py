"""Linear layers, and how weights are drawn."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from isthmus.layers.chain import Layer
from isthmus.layers.room import Room, slot_of
from isthmus.layers.walk import Back
from isthmus.noise import Noise

INITS = ("auto", "torch", "glorot", "he", "lecun", "orthogonal", "normal", "small", "zeros")


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
        wide = flat.shape[0] < flat.shape[1]
        q, r = torch.linalg.qr(flat.T if wide else flat)
        signed: Tensor = q * r.diagonal().sign()
        return (signed.T if wide else signed).reshape(weight.shape)
    scale = {"he": math.sqrt(2 / fan_in), "lecun": math.sqrt(1 / fan_in), "normal": 0.1, "small": 0.01}[init]
    return noise.normal(weight) * scale


class Linear(Layer):
    """y = W x + b, with W of shape (out, in)."""

    stacks: ClassVar[bool] = True

    def __init__(
        self, inputs: int, outputs: int, *, bias: bool = True, init: str = "auto", follow: str = "identity"
    ) -> None:
        """Reserve the weights; :meth:`reset` draws them."""
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(outputs, inputs))
        self.bias = nn.Parameter(torch.zeros(outputs)) if bias else None
        self.init, self.follow = init, follow

    @property
    def atoms(self) -> Tensor:
        """What each unit of the input writes, as rows (units, numbers)."""
        return self.weight.T

    def forward(self, x: Tensor, noise: Noise | None = None) -> Tensor:
        """Map rows."""
        return F.linear(x, self.weight, self.bias)

    def vjp(self, x: Tensor, room: Room, inputs: bool) -> tuple[Tensor, Back]:
        """Go back by adding g^T x to W's gradient and the sum of g to b's; the gradient of the inputs is g W."""
        weight, bias = self.weight, self.bias

        def back(g: Tensor) -> Tensor | None:
            room.outer(weight, g, x)
            room.total(bias, g)
            return room.back(g, room.value(weight)) if inputs else None

        return room.linear(x, room.value(weight), bias), back

    def said(self) -> tuple[Tensor, None]:
        """Return the atoms."""
        return self.weight.T.contiguous(), None

    def slope(self) -> Tensor:
        """Return where the gradient of the atoms is wanted."""
        return torch.empty_like(self.weight.T, memory_format=torch.contiguous_format)

    def settle(self, slope: Tensor) -> None:
        """Bring the gradient of the atoms to the weight."""
        slot_of(self.weight).copy_(slope.T)

    def reads(self, x: Tensor) -> Tensor:
        """Return what the weight multiplies."""
        return x

    def settle_bias(self, g: Tensor) -> None:
        """Do nothing: no other parameter moves with the bias."""

    def native(self) -> list[Any]:
        """Give weight and bias."""
        return [("product", self.weight, self.bias)]

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
    """y = W^T x + b with the W of another layer, which owns it: one tensor, gradients from both uses.

    ``units`` takes the owner's first units only, where it has more than the code (a mean and a log-variance).
    """

    stacks: ClassVar[bool] = True

    def __init__(self, layer: Linear, *, units: int | None = None, bias: bool = True) -> None:
        """Refer to the encoder's layer without registering it twice."""
        super().__init__()
        self._owner, self.units = (layer,), units
        self.bias = nn.Parameter(torch.zeros(layer.weight.shape[1])) if bias else None

    @property
    def weight(self) -> Tensor:
        """The owner's weight, transposed: (out, in)."""
        return self._owner[0].weight[: self.units].T

    @property
    def atoms(self) -> Tensor:
        """What each unit of the input writes, as rows (units, numbers)."""
        return self.weight.T

    def forward(self, x: Tensor, noise: Noise | None = None) -> Tensor:
        """Map rows with the transposed weight."""
        return F.linear(x, self.weight, self.bias)

    def vjp(self, x: Tensor, room: Room, inputs: bool) -> tuple[Tensor, Back]:
        """Go back by adding x^T g to the owner's gradient and the sum of g to b's; that of the inputs is g W."""
        owner, bias = self._owner[0].weight, self.bias
        used = room.value(owner)[..., : self.units, :]
        units = None if used.shape[-2] == len(owner) else self.units

        def back(g: Tensor) -> Tensor | None:
            room.outer(owner, x, g, units)
            room.total(bias, g)
            return room.back(g, used.mT) if inputs else None

        return room.linear(x, used.mT, bias), back

    def native(self) -> list[Any]:
        """Give the owner's weight and the bias, where all of the weight is used."""
        owner = self._owner[0].weight
        return [("tied", owner, self.bias) if self.units in (None, len(owner)) else ("unknown",)]

    def said(self) -> tuple[Tensor, None]:
        """Return the atoms."""
        return self.atoms, None

    def slope(self) -> Tensor:
        """Return where the gradient of the atoms is wanted: at the owner, which adds its own."""
        slot = slot_of(self._owner[0].weight)
        slot[self.atoms.shape[0] :].zero_()
        return slot[: self.atoms.shape[0]]

    def settle(self, slope: Tensor) -> None:
        """Do nothing: the gradient is where it belongs."""

    def extra_repr(self) -> str:
        """Show the sizes."""
        return f"{self.weight.shape[1]} -> {self.weight.shape[0]}, tied"


class Shift(Layer):
    """y = x + b, with one b for every number of a row."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        """Start from zero."""
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(shape))

    def forward(self, x: Tensor, noise: Noise | None = None) -> Tensor:
        """Shift rows."""
        return x + self.bias

    def extra_repr(self) -> str:
        """Show the shape of a row."""
        return str(tuple(self.bias.shape))


def weights(module: nn.Module) -> list[nn.Parameter]:
    """Return the trainable weight tensors of a module, without biases, gains and memories' vectors."""
    return [p for p in module.parameters() if p.requires_grad and p.dim() > 1]
