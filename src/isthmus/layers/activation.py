"""Activations by name, each with its slope."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from isthmus.component import suggest
from isthmus.layers.chain import Layer
from isthmus.layers.room import Room
from isthmus.layers.walk import Back
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
# y = s(x) written into y, and g s'(x) written into g; each is one kernel.
INTO: dict[str, Callable[[Tensor, Tensor], Any]] = {
    "relu": lambda x, y: torch.clamp_min(x, 0.0, out=y),
    "leaky_relu": lambda x, y: _OPS.leaky_relu.out(x, out=y),
    "elu": lambda x, y: _OPS.elu.out(x, out=y),
    "gelu": lambda x, y: _OPS.gelu.out(x, out=y),
    "silu": lambda x, y: _OPS.silu.out(x, out=y),
    "softplus": lambda x, y: _OPS.softplus.out(x, out=y),
    "sigmoid": lambda x, y: torch.sigmoid(x, out=y),
    "tanh": lambda x, y: torch.tanh(x, out=y),
}
SLOPES: dict[str, Callable[[Tensor, Tensor, Tensor], Any]] = {
    "relu": lambda g, x, y: _OPS.threshold_backward.grad_input(g, y, 0.0, grad_input=g),
    "leaky_relu": lambda g, x, y: _OPS.leaky_relu_backward.grad_input(g, x, 0.01, False, grad_input=g),
    "elu": lambda g, x, y: _OPS.elu_backward.grad_input(g, 1.0, 1.0, 1.0, True, y, grad_input=g),
    "gelu": lambda g, x, y: _OPS.gelu_backward.grad_input(g, x, grad_input=g),
    "silu": lambda g, x, y: _OPS.silu_backward.grad_input(g, x, grad_input=g),
    "softplus": lambda g, x, y: _OPS.softplus_backward.grad_input(g, x, 1.0, 20.0, grad_input=g),
    "sigmoid": lambda g, x, y: _OPS.sigmoid_backward.grad_input(g, y, grad_input=g),
    "tanh": lambda g, x, y: _OPS.tanh_backward.grad_input(g, y, grad_input=g),
}


class Function(Layer):
    """A named activation."""

    stacks: ClassVar[bool] = True

    def __init__(self, name: str) -> None:
        """Look the activation up by name."""
        super().__init__()
        if name not in ACTIVATIONS:
            raise ValueError(f"unknown activation {name!r}; {suggest(name, list(ACTIVATIONS))}")
        self.name = name

    def forward(self, x: Tensor, noise: Noise | None = None) -> Tensor:
        """Apply it."""
        return ACTIVATIONS[self.name](x)

    def vjp(self, x: Tensor, room: Room, inputs: bool) -> tuple[Tensor, Back]:
        """Multiply the gradient, in place, by the slope s'(x)."""
        if self.name == "identity":
            return x, lambda g: g
        y = room.empty(x)
        room.do(partial(INTO[self.name], x, y))

        def back(g: Tensor) -> Tensor | None:
            if not inputs:
                return None
            room.do(partial(SLOPES[self.name], g, x, y))
            return g

        return y, back

    def native(self) -> list[Any]:
        """Name it."""
        return [("activation", self.name)]

    def extra_repr(self) -> str:
        """Show the name."""
        return self.name
