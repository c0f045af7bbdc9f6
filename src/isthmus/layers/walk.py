"""Layers forward and back by the derivatives that they declare: vector-Jacobian products without autograd.

A layer declares its derivative as ``vjp(x, room, inputs) -> (y, back)``: y is what ``forward`` returns, and ``back(g)``
sets the gradients of the layer's parameters and returns that of its inputs, None unless ``inputs`` asks for it. ``vjp``
and ``back`` are called once per batch size; what they compute they let the room do, on tensors that stay where they
are, so that every step does it again. ``back`` may use g up. Random numbers come from ``room.noise``. A network with a
layer that declares none is differentiated by autograd, on a leaf.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from isthmus.layers.room import Room

Back = Callable[[Tensor], Tensor | None]


def declares(network: nn.Module) -> bool:
    """Say whether every layer of a network declares its derivative."""
    return all(hasattr(layer, "vjp") for layer in network.modules() if not isinstance(layer, nn.ModuleList))


def stacks(network: nn.Module) -> bool:
    """Say whether a network works on the rows and parameters of several models at once."""
    return all(getattr(layer, "stacks", False) for layer in network.modules() if not isinstance(layer, nn.ModuleList))


class ByAutograd(nn.Module):
    """A network that autograd differentiates, in the place of one that declares its derivative."""

    def __init__(self, network: nn.Module) -> None:
        """Keep the network."""
        super().__init__()
        self.network = network

    def vjp(self, x: Tensor, room: Room, inputs: bool) -> tuple[Tensor, Back]:
        """Record a graph on a leaf, in every step anew."""
        graph: dict[str, Any] = {}

        def ahead() -> Tensor:
            # Nodes of the last step belong to the stream on which they were made.
            graph.clear()
            leaf = x.detach().requires_grad_(inputs)
            with torch.enable_grad(), torch.autocast(x.device.type, torch.bfloat16, enabled=room.products.half):
                graph.update(x=leaf, y=self.network(leaf, room.noise).to(x.dtype))
            found: Tensor = graph["y"].detach()
            return found

        y = ahead().clone()
        room.later(lambda: y.copy_(ahead()))

        def back(g: Tensor) -> Tensor | None:
            found = room.empty(x) if inputs else None

            def go() -> None:
                if graph["y"].requires_grad:
                    torch.autograd.backward(graph["y"], g)
                if found is not None:
                    found.zero_() if graph["x"].grad is None else found.copy_(graph["x"].grad)

            room.do(go)
            return found

        return y, back


def bindable(network: nn.Module) -> Any:
    """Return a network with a derivative, its own or autograd's."""
    return network if declares(network) else ByAutograd(network)
