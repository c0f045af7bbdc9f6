"""The two layers of a dictionary: an encoder that reads x - c, and atoms of length one around the same c."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from isthmus.layers.chain import Layer
from isthmus.layers.room import Room, slot_of
from isthmus.layers.walk import Back
from isthmus.noise import Noise
from isthmus.selected import projected


class Centred(Layer):
    """y = W (x - c) + b, with W of shape (out, in) and a centre c that the decoder adds again."""

    stacks: ClassVar[bool] = True

    def __init__(self, inputs: int, outputs: int) -> None:
        """Reserve the weights; whoever knows the atoms draws them."""
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(outputs, inputs))
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.centre = nn.Parameter(torch.zeros(inputs))

    def forward(self, x: Tensor, noise: Noise | None = None) -> Tensor:
        """Map rows."""
        return F.linear(x - self.centre, self.weight, self.bias)

    def vjp(self, x: Tensor, room: Room, inputs: bool) -> tuple[Tensor, Back]:
        """Go back by adding g^T (x - c) to W's gradient, the sum of g to b's, and the sum of -g W to c's."""
        weight, centre = room.value(self.weight), room.value(self.centre)
        moved = room.empty(x)
        room.do(lambda: torch.sub(room.rows(x), centre.unsqueeze(-2), out=room.rows(moved)))

        def back(g: Tensor) -> Tensor | None:
            room.outer(self.weight, g, moved)
            room.total(self.bias, g)
            # Summed over rows first, so that the centre costs a vector and not a product.
            add(room, self.centre, lambda: (-room.rows(g).sum(-2, keepdim=True) @ weight).squeeze(-2))
            return room.back(g, weight) if inputs else None

        return room.linear(moved, weight, self.bias), back

    def reads(self, x: Tensor) -> Tensor:
        """Return what the weight multiplies."""
        return x - self.centre

    def settle_bias(self, g: Tensor) -> None:
        """Add to the gradient of the centre what the bias' says of it."""
        slot_of(self.centre).sub_(g @ self.weight)

    def extra_repr(self) -> str:
        """Show the sizes."""
        return f"{self.weight.shape[1]} -> {self.weight.shape[0]}, centred"


class Atoms(Layer):
    """y = sum_j h_j d_j + c, with atoms d_j = v_j / ||v_j|| of length one and the c of a :class:`Centred` layer.

    The v_j are the columns of the weight. With G_j the gradient of d_j, that of v_j is (G_j - (G_j . d_j) d_j) /
    ||v_j||, the projected one: a step turns an atom and cannot lengthen it.
    """

    stacks: ClassVar[bool] = True

    def __init__(self, reader: Centred, units: int) -> None:
        """Reserve the atoms; the centre is not registered twice."""
        super().__init__()
        self._reader = (reader,)
        # An atom lies in one piece in memory: a sparse code reads few of them, and all need their lengths.
        self.weight = nn.Parameter(torch.zeros(units, reader.weight.shape[1]).T)

    @property
    def bias(self) -> nn.Parameter:
        """The centre, which is what silent units say."""
        return self._reader[0].centre

    @property
    def unit(self) -> Tensor:
        """The atoms as columns (out, units), each of length one."""
        return self.weight / length(self.weight)

    def forward(self, x: Tensor, noise: Noise | None = None) -> Tensor:
        """Add up atoms."""
        return F.linear(x, self.unit, self.bias)

    def vjp(self, x: Tensor, room: Room, inputs: bool) -> tuple[Tensor, Back]:
        """Go back by the projected gradient of the atoms and the sum of g for the centre; that of the code is g D."""
        weight = room.value(self.weight)
        unit, found = room.empty(weight), room.empty(weight)
        room.do(lambda: torch.div(weight, length(weight), out=unit))

        def back(g: Tensor) -> Tensor | None:
            room.product(room.rows(g).mT, room.rows(x), found)
            add(room, self.weight, lambda: (found - unit * (found * unit).sum(-2, keepdim=True)) / length(weight))
            room.total(self.bias, g)
            return room.back(g, unit) if inputs else None

        return room.linear(x, unit, self.bias), back

    def said(self) -> tuple[Tensor, Tensor]:
        """Return what atoms are directions of, and one over the lengths."""
        return self.weight.T.contiguous(), length(self.weight).squeeze(-2).reciprocal()

    def slope(self) -> Tensor:
        """Return where the gradient of the atoms is wanted."""
        turned = slot_of(self.weight).T
        return turned if turned.is_contiguous() else torch.empty_like(turned, memory_format=torch.contiguous_format)

    def settle(self, slope: Tensor) -> None:
        """Make it the projected gradient, (G_j - (G_j . d_j) d_j) / ||v_j||, where the weight's is wanted."""
        rows, scale = self.said()
        found = projected(slope, rows, scale)
        if found.data_ptr() != slot_of(self.weight).data_ptr():
            slot_of(self.weight).copy_(found.T)

    def reset(self, noise: Noise) -> None:
        """Draw directions at random, and let the encoder read along the same ones: W_enc = D^T."""
        with torch.no_grad():
            self.weight.copy_(noise.normal(self.weight))
            self.weight.div_(length(self.weight))
            reader = self._reader[0].weight
            # A bottleneck may ask for more numbers than units: the others start at zero.
            reader.zero_()
            reader[: self.weight.shape[1]] = self.weight.T

    def extra_repr(self) -> str:
        """Show the sizes."""
        return f"{self.weight.shape[1]} -> {self.weight.shape[0]}, atoms of length one"


def length(weight: Tensor) -> Tensor:
    """Return the lengths of columns, (..., 1, columns); those of zeros count as tiny."""
    found: Tensor = weight.norm(dim=-2, keepdim=True)
    return found.clamp_min(1e-12)


def add(room: Room, parameter: Tensor, value: Callable[[], Tensor]) -> None:
    """Set a parameter's gradient to what a call returns, or add it where others came before."""
    if not parameter.requires_grad:
        return
    slot = room.slot(parameter)
    take = slot.add_ if parameter in room.written else slot.copy_
    room.do(lambda: take(value()))
    room.note(parameter)
