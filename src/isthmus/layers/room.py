"""Where the explicit engine computes: buffers and calls that every step repeats."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from isthmus.layers.products import Products
from isthmus.noise import Noise

Call = Callable[[], Any]


class Room:
    """The buffers of one batch size, and the calls on them, which a step repeats without a look at the layers.

    A layer describes its work once, by :meth:`do`: a call on tensors that stay where they are. It is made at once,
    noted, and made again by every later step. Gradients of parameters go to the parameter's ``slot``, a view of the
    optimiser's flat gradient.

    Attributes:
        noise: the noise of the current step.
        written: parameters whose gradient the noted calls set; whoever comes later adds to it.

    >>> room, x, w = Room(), torch.ones(3, 2), nn.Parameter(torch.ones(4, 2))
    >>> with torch.no_grad():
    ...     y, calls = room.noting(lambda: room.linear(x, w, None))
    ...     _ = x.fill_(5.0)
    ...     for call in calls:
    ...         _ = call()
    >>> float(y[0, 0])
    10.0
    """

    def __init__(self, products: Products | None = None) -> None:
        """Start without buffers; ``products`` says how matrices are multiplied."""
        self.products = products or Products()
        self.noise: Noise | None = None
        self.written: set[Tensor] = set()
        self._calls: list[Call] = []

    def noting(self, work: Callable[[], Any]) -> tuple[Any, list[Call]]:
        """Return what ``work`` returns, and the calls that it made."""
        self._calls = []
        return work(), self._calls

    def do(self, call: Call) -> None:
        """Make a call, now and in every later step."""
        call()
        self._calls.append(call)

    def later(self, call: Call) -> None:
        """Make a call in every later step."""
        self._calls.append(call)

    def empty(self, like: Tensor, *shape: int) -> Tensor:
        """Return a buffer of a shape (without one, that of ``like``) with the dtype and device of ``like``."""
        return torch.empty(shape or like.shape, dtype=like.dtype, device=like.device)

    def value(self, parameter: Tensor) -> Tensor:
        """Return what products take for a parameter: itself; more than one matrix where there are several models."""
        return parameter

    def slot(self, parameter: Tensor) -> Tensor:
        """Return where the gradient of :meth:`value` is wanted."""
        return slot_of(parameter)

    def rows(self, t: Tensor) -> Tensor:
        """Return rows as products take them: as they are; one block per model where there are several."""
        return t

    def note(self, parameter: Tensor) -> None:
        """Remember that a parameter's gradient is set."""
        self.written.add(parameter)

    def product(self, a: Tensor, b: Tensor, out: Tensor, bias: Tensor | None = None) -> None:
        """Put a b (+ bias) into ``out``."""
        for call in self.products.calls(a, b, out, bias):
            self.do(call)

    def linear(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """Return x W^T + b, where W is what :meth:`value` returned, or a view of it, and b a parameter."""
        y = self.empty(x, x.shape[0], weight.shape[-2])
        self.product(self.rows(x), weight.mT, self.rows(y), None if bias is None else self.value(bias))
        return y

    def back(self, g: Tensor, weight: Tensor) -> Tensor:
        """Return g W, the gradient of the inputs of :meth:`linear`."""
        found = self.empty(g, g.shape[0], weight.shape[-1])
        self.product(self.rows(g), weight, self.rows(found))
        return found

    def outer(self, parameter: Tensor, a: Tensor, b: Tensor, units: int | None = None) -> None:
        """Add a^T b, summed over rows, to a parameter's gradient, or to that of its first ``units``."""
        if not parameter.requires_grad:
            return
        slot, a, b = self.slot(parameter), self.rows(a).mT, self.rows(b)
        if parameter not in self.written and units is None:
            self.product(a, b, slot)
        else:
            if parameter not in self.written:
                self.do(slot.zero_)
            part = slot[..., :units, :]
            self.do(partial(part.addmm_ if part.dim() == 2 else part.baddbmm_, a, b))
        self.note(parameter)

    def total(self, parameter: Tensor | None, g: Tensor) -> None:
        """Add the sum of g over rows to a parameter's gradient."""
        if parameter is None or not parameter.requires_grad:
            return
        slot, g = self.slot(parameter), self.rows(g)
        if parameter in self.written:
            self.do(lambda: slot.add_(g.sum(-2)))
        else:
            self.do(partial(torch.sum, g, -2, out=slot))
        self.note(parameter)


def slot_of(parameter: Any) -> Tensor:
    """Return where the gradient of a parameter is wanted: ``slot``, made where nobody gave one."""
    if getattr(parameter, "slot", None) is None:
        parameter.slot = torch.zeros_like(parameter, requires_grad=False)
    slot: Tensor = parameter.slot
    return slot


class Path:
    """A network bound to its inputs: run ahead and back, by its own description first, by the noted calls afterwards.

    Gradients of inputs come back where ``inputs`` says so.
    """

    def __init__(self, network: Any, x: Tensor, room: Room, *, inputs: bool) -> None:
        """Bind; nothing is computed yet."""
        self.network, self.x, self.room, self.inputs = network, x, room, inputs
        self.output: Tensor | None = None
        self._ahead: list[Call] = []
        self._back: list[Call] = []
        self._returned: tuple[Tensor | None] | None = None

    def ahead(self) -> Tensor:
        """Return the output for what the inputs hold now."""
        if self.output is None:
            (self.output, self._return), self._ahead = self.room.noting(
                lambda: self.network.vjp(self.x, self.room, self.inputs)
            )
        else:
            for call in self._ahead:
                call()
        return self.output

    def back(self, g: Tensor) -> Tensor | None:
        """Set the parameters' gradients, given that of the output, always in the same tensor, which is used up."""
        if self._returned is None:
            found, self._back = self.room.noting(lambda: self._return(g))
            self._returned = (found,)
        else:
            for call in self._back:
                call()
        return self._returned[0]


def trains(layer: nn.Module) -> bool:
    """Say whether a layer has parameters to train, so that gradients have to reach it."""
    return any(p.requires_grad for p in layer.parameters())
