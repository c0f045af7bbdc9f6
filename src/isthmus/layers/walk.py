"""Layers forward and back by the derivatives that they declare: vector-Jacobian products without autograd.

A layer declares its derivative as ``vjp(x, noise, room, inputs) -> (y, back)``: y is what ``forward`` returns, and
``back(g)`` adds the gradients of the layer's parameters and returns that of its inputs, None unless ``inputs`` asks for
it. y and what ``back`` returns may lie in buffers of the room. A layer that declares none is differentiated by autograd
alone, on a leaf.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from isthmus.noise import Noise

if TYPE_CHECKING:
    from isthmus.layers.room import Room

Back = Callable[[Tensor], Tensor | None]


def vjp(layer: nn.Module, x: Tensor, noise: Noise | None, room: Room, *, inputs: bool) -> tuple[Tensor, Back]:
    """Run a layer and return its output and how gradients come back through it."""
    declared: Any = getattr(layer, "vjp", None)
    return by_autograd(layer, x, noise, room, inputs) if declared is None else declared(x, noise, room, inputs)


def by_autograd(layer: nn.Module, x: Tensor, noise: Noise | None, room: Room, inputs: bool) -> tuple[Tensor, Back]:
    """Run a layer that declares no derivative."""
    leaf = x.detach().requires_grad_(inputs)
    with torch.enable_grad(), torch.autocast(x.device.type, torch.bfloat16, enabled=room.products.half):
        y = layer(leaf, noise).to(x.dtype)

    def back(g: Tensor) -> Tensor | None:
        if y.requires_grad:
            torch.autograd.backward(y, g)
        return leaf.grad

    return y.detach(), back
