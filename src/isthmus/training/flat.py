"""The trained parameters as one tensor, so that an optimiser's step is one kernel."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class Flat:
    """Parameters and their gradients side by side in two tensors, of which each parameter is a view.

    A parameter's ``slot`` is the view for its gradient.
    :meth:`release` gives every parameter a tensor of its own again.

    >>> w, b = nn.Parameter(torch.ones(2, 2)), nn.Parameter(torch.zeros(2))
    >>> flat = Flat([w, b])
    >>> flat.whole.data.mul_(3.0)
    tensor([3., 3., 3., 3., 0., 0.])
    >>> w.data
    tensor([[3., 3.],
            [3., 3.]])
    """

    def __init__(self, parameters: Sequence[nn.Parameter]) -> None:
        """Move the parameters into one tensor."""
        self.parameters = list(parameters)
        self.whole = nn.Parameter(torch.cat([units_last(p.detach()).reshape(-1) for p in self.parameters]))
        self.gradient = torch.zeros_like(self.whole.data)
        self.whole.grad = self.gradient
        sizes = [p.numel() for p in self.parameters]
        views = [
            [units_first(part, p) for part, p in zip(whole.split(sizes), self.parameters, strict=True)]
            for whole in (self.whole.data, self.gradient)
        ]
        self.slots: list[Tensor] = views[1]
        for p, data, slot in zip(self.parameters, *views, strict=True):
            p.data, p.grad = data, None
            p.slot = slot

    def view(self, whole: Tensor, parameter: Tensor) -> Tensor:
        """Return the part of a tensor like the whole that belongs to a parameter, shaped as it is."""
        i = next(i for i, p in enumerate(self.parameters) if p is parameter)
        start = sum(p.numel() for p in self.parameters[:i])
        return units_first(whole[start : start + parameter.numel()], parameter)

    def collect(self) -> None:
        """Move what autograd left at the parameters to their slots; a parameter without it has the gradient zero."""
        for p, slot in zip(self.parameters, self.slots, strict=True):
            if p.grad is None:
                slot.zero_()
            else:
                slot.copy_(p.grad)
            p.grad = None

    def add_up(self) -> None:
        """Add what autograd left at the parameters to their slots."""
        for p, slot in zip(self.parameters, self.slots, strict=True):
            if p.grad is not None:
                slot.add_(p.grad)
            p.grad = None

    def release(self) -> None:
        """Give each parameter a tensor of its own."""
        for p in self.parameters:
            kept = torch.preserve_format if turned(p) else torch.contiguous_format
            p.data = p.data.clone(memory_format=kept)
            p.grad = None
            del p.slot  # type: ignore[attr-defined]


def turned(weight: Tensor) -> bool:
    """Say whether a matrix lies in memory column after column, as atoms do."""
    return weight.dim() == 2 and not weight.is_contiguous() and weight.T.is_contiguous()


def units_last(weight: Tensor) -> Tensor:
    """Return a weight as it lies in memory: of a convolution over pictures with its input units last, which is faster.

    A matrix that lies column after column goes on doing so.
    """
    if turned(weight):
        return weight.T
    return weight.permute(0, 2, 3, 1) if weight.dim() == 4 else weight


def units_first(part: Tensor, like: Tensor, members: tuple[int, ...] = ()) -> Tensor:
    """Return numbers that lie as :func:`units_last` leaves them as a view of a weight's own shape."""
    shape = like.shape
    if turned(like):
        return part.view(*members, shape[1], shape[0]).mT
    if len(shape) != 4 or members:
        return part.view((*members, *shape))
    return part.view(shape[0], shape[2], shape[3], shape[1]).permute(0, 3, 1, 2)
