"""Where the explicit engine computes: buffers that every step reuses, and the products that layers ask for."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from isthmus.layers.products import Products


class Room:
    """The buffers of one batch size, handed out in the order in which a step asks for them.

    A step asks for the same shapes in the same order as the one before, so the n-th request gets the n-th buffer: what
    a step computed is overwritten by the next one. Gradients of parameters go to the parameter's ``slot``, a view of
    the optimiser's flat gradient, where it has one.

    >>> room, x = Room(), torch.ones(3, 2)
    >>> first = room.linear(x, torch.ones(4, 2), None)
    >>> room.begin()
    >>> room.linear(x, torch.ones(4, 2), None) is first
    True
    """

    def __init__(self, products: Products | None = None) -> None:
        """Start without buffers; ``products`` says how matrices are multiplied."""
        self.products = products or Products()
        self._buffers: list[Tensor] = []
        self._next = 0
        self._trains: dict[nn.Module, bool] = {}

    def begin(self) -> None:
        """Let the next step reuse every buffer."""
        self._next = 0
        self.products.begin()

    def empty(self, like: Tensor, *shape: int) -> Tensor:
        """Return a buffer of a shape (without one, that of ``like``) with the dtype and device of ``like``."""
        wanted = shape or tuple(like.shape)
        i = self._next
        self._next += 1
        if i < len(self._buffers):
            found = self._buffers[i]
            if found.shape == wanted and found.dtype == like.dtype:
                return found
            del self._buffers[i:]
        made = torch.empty(wanted, dtype=like.dtype, device=like.device)
        self._buffers.append(made)
        return made

    def trains(self, layer: nn.Module) -> bool:
        """Say whether a layer has parameters to train, so that gradients have to reach it; looked up once."""
        if layer not in self._trains:
            self._trains[layer] = any(p.requires_grad for p in layer.parameters())
        return self._trains[layer]

    def linear(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """Return x W^T + b."""
        return self.products.product(x, weight.t(), self.empty(x, x.shape[0], weight.shape[0]), bias)

    def back(self, g: Tensor, weight: Tensor) -> Tensor:
        """Return g W, the gradient of the inputs of :meth:`linear`."""
        return self.products.product(g, weight, self.empty(g, g.shape[0], weight.shape[1]))

    def outer(self, parameter: Tensor, a: Tensor, b: Tensor) -> None:
        """Add a b to a parameter's gradient."""
        if not parameter.requires_grad:
            return
        if parameter.grad is None:
            parameter.grad = self.products.product(a, b, slot(parameter))
        else:
            parameter.grad.addmm_(a, b)

    def total(self, parameter: Tensor | None, g: Tensor) -> None:
        """Add the sum of g over rows to a parameter's gradient."""
        if parameter is None or not parameter.requires_grad:
            return
        if parameter.grad is None:
            parameter.grad = torch.sum(g, 0, out=slot(parameter))
        else:
            parameter.grad.add_(g.sum(0))


def slot(parameter: Tensor) -> Tensor:
    """Return where the gradient of a parameter is wanted; a new tensor where nobody said."""
    found: Tensor | None = getattr(parameter, "slot", None)
    return torch.empty_like(parameter) if found is None else found


def add(parameter: Tensor, g: Tensor, alpha: float = 1.0) -> None:
    """Add ``alpha`` g to a parameter's gradient."""
    if not parameter.requires_grad:
        return
    if parameter.grad is None:
        parameter.grad = torch.mul(g, alpha, out=slot(parameter))
    else:
        parameter.grad.add_(g, alpha=alpha)
