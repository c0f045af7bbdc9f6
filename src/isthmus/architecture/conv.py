"""Convolutional networks for signals, images and volumes of any size."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, cast

from torch import Tensor

from isthmus.architecture import Architecture
from isthmus.component import choice, count, number
from isthmus.layers import (
    ACTIVATIONS,
    INITS,
    NORMS,
    Adjoint,
    Chain,
    Convolution,
    Crop,
    Dropout,
    Enlarge,
    Function,
    Layer,
    Linear,
    Pool,
    Reshape,
    Shift,
    Tied,
    Transposed,
    norm,
)
from isthmus.records import Shape

DOWN = ("pool", "stride")
HEADS = ("vector", "map", "direct")


@dataclass(frozen=True, repr=False)
class Conv(Architecture):
    """Convolutions that halve the places level by level, and a mirror image that doubles them again.

    Rows are images (channels, height, width), signals (channels, length) or volumes; a plain row of d numbers is read
    as a signal (1, d), with an output bias for each column. Every size is exact: n places become ceil(n / 2) and come
    back to n.

    With ``down="pool"`` a level is a convolution and the largest of every two neighbours; the decoder repeats each
    place twice and convolves. What an odd size gained by rounding up is carried upwards until it pays for a convolution
    without padding (28, 14, 7, 4 comes back as 4, 8, 16, unpadded 14, 28) or is cropped at the end. With
    ``down="stride"`` a level is a convolution of stride 2 and the decoder has its transposes (Masci et al., 2011,
    "Stacked Convolutional Auto-Encoders"; Dumoulin & Visin, 2016, "A guide to convolution arithmetic").

    Args:
        channels: channels of each level of the encoder; the decoder mirrors them.
        kernel: width of the kernel along each axis.
        head: what the code is. ``vector``: a linear map of the last level, units in all. ``map``: a code of ``units``
            at every place of the last level, by a convolution of width 1. ``direct``: the last level itself, which then
            has ``units`` channels and no activation: that is the bottleneck's.
        down: how places are halved, ``pool`` or ``stride``.
        activation: name of the hidden activation (``isthmus.layers.ACTIVATIONS``).
        dropout: share of the encoder's hidden numbers dropped while fitting.
        norm: ``none``, ``batch`` or ``layer``, before each hidden activation.
        tied: the decoder is the encoder's exact adjoint, with biases of its own; needs ``down="stride"``.
        bias: whether layers have biases.
        init: rule for initial weights (``isthmus.layers.draw``).

    Raises:
        ValueError: tied weights with pooling, which is not linear and so has no adjoint.

    >>> Conv(channels=(16, 8, 8), head="map").code((1, 28, 28), units=10)
    (10, 4, 4)
    """

    channels: tuple[int, ...] = (16, 8, 8)
    kernel: int = count(3)
    head: str = choice("vector", HEADS)
    down: str = choice("pool", DOWN)
    activation: str = choice("relu", tuple(ACTIVATIONS))
    dropout: float = number(0.0, low=0.0, high=0.99)
    norm: str = choice("none", NORMS)
    tied: bool = False
    bias: bool = True
    init: str = choice("auto", INITS)

    def __post_init__(self) -> None:
        """Check the channels, and that tied weights have an adjoint."""
        super().__post_init__()
        if not self.channels:
            raise ValueError("Conv: channels=() has no level to convolve; give some, or use Dense()")
        for width in self.channels:
            if width < 1:
                raise ValueError(f"Conv: channels={self.channels!r} holds {width!r}; give whole numbers from 1 up")
        if self.tied and self.down != "stride":
            raise ValueError("Conv: tied=True needs an adjoint, which pooling lacks; use down='stride'")

    @property
    def requires(self) -> frozenset[str]:
        """An adjoint leads back to the inputs' shape."""
        return frozenset({"outputs shaped as inputs"} if self.tied else ())

    @property
    def provides(self) -> frozenset[str]:
        """Conv says which weights read the code; strided levels mirror one by one, so they can be stacked."""
        words = {"code weights", "trainable weights", "input gradient"}
        return frozenset(words | ({"stages"} if self.down == "stride" else set()))

    def code(self, inputs: Shape, units: int) -> Shape:
        """Return ``(units,)`` for a vector, else ``(units, *places)`` of the last level."""
        return (units,) if self.head == "vector" else (units, *self._sizes(inputs)[-1])

    def build(self, inputs: Shape, features: Shape, code: Shape, outputs: Shape) -> tuple[Chain, Chain]:
        """Build the levels and the head, each a block of its own; outputs get as many channels as they need."""
        sizes = self._sizes(inputs)
        entry = (1, *inputs) if len(inputs) == 1 else inputs
        ascent = self._ascent(entry[0], features, sizes)
        widths = [math.ceil(math.prod(outputs) / math.prod(sizes[0])), *self.channels]
        descend = self._pooled if self.down == "pool" else self._strided
        descent = descend(widths, code[0], sizes, ascent)
        ascent[0] = Chain(Reshape(entry), *ascent[0])
        descent[-1] = Chain(*descent[-1], Crop(sizes[0], outputs), *self._columns(descent[-1], outputs))
        return Chain(*ascent), Chain(*descent)

    def stages(self, encoder: Chain, decoder: Chain) -> list[tuple[Chain, Chain]]:
        """Pair the encoder's blocks with the decoder's, from the input up."""
        if self.down != "stride":
            raise ValueError(
                "Conv(down='pool') has no stages: its decoder carries places from level to level; use down='stride'"
            )
        return list(zip(encoder.layers, reversed(list(decoder.layers)), strict=True))  # type: ignore[arg-type]

    def atoms(self, decoder: Chain) -> Tensor:
        """Return the decoder's first weights, one row (numbers of all channels and places written) per unit."""
        rows: Any = next(layer.atoms for layer in decoder.modules() if hasattr(layer, "atoms"))
        return cast("Tensor", rows)

    # -- sizes ------------------------------------------------------------------------------------------------------

    def _sizes(self, inputs: Shape) -> list[Shape]:
        """Return the places of the inputs and of every level."""
        sizes = [inputs[1:] if len(inputs) > 1 else inputs]
        if len(sizes[0]) > 3:
            raise ValueError(f"Conv reads rows with one to three axes of places, not shape {inputs}; merge some axes")
        for _ in self.channels:
            sizes.append(tuple(-(-n // 2) for n in sizes[-1]))
        return sizes

    # -- blocks -----------------------------------------------------------------------------------------------------

    def _follow(self, last: bool) -> str:
        return "identity" if last else self.activation

    def _bias(self, last: bool) -> bool:
        """Leave a bias out where batch normalisation would take it away again."""
        return self.bias and (last or self.norm != "batch")

    def _behind(self, units: int, last: bool) -> list[Layer]:
        return [] if last else [*norm(self.norm, units), Function(self.activation)]

    def _convolution(
        self, a: int, b: int, kernel: int, padded: tuple[bool, ...], *, last: bool, stride: int = 1
    ) -> Layer:
        follow = self._follow(last)
        return Convolution(a, b, kernel, padded, stride=stride, bias=self._bias(last), init=self.init, follow=follow)

    def _ascent(self, channels: int, features: Shape, sizes: list[Shape]) -> list[Chain]:
        direct = self.head == "direct"
        widths = [channels, *self.channels[:-1], features[0] if direct else self.channels[-1]]
        axes, top = len(sizes[0]), len(self.channels)
        steps = enumerate(pairwise(widths), start=1)
        blocks = [self._level(a, b, axes=axes, last=direct and level == top) for level, (a, b) in steps]
        return blocks if direct else [*blocks, self._into_code(widths[-1], features, sizes[-1])]

    def _level(self, a: int, b: int, *, axes: int, last: bool) -> Chain:
        """Convolve and halve; the last level of a direct code leaves the activation to the bottleneck."""
        stride = 2 if self.down == "stride" else 1
        layer = self._convolution(a, b, self.kernel, (True,) * axes, last=last, stride=stride)
        pool = [Pool()] if self.down == "pool" else []
        dropout = [Dropout(self.dropout)] if self.dropout and not last else []
        return Chain(layer, *self._behind(b, last), *pool, *dropout)

    def _into_code(self, width: int, features: Shape, places: Shape) -> Chain:
        if self.head == "map":
            return Chain(self._convolution(width, features[0], 1, (True,) * len(places), last=True))
        flat = width * math.prod(places)
        return Chain(Reshape((flat,)), Linear(flat, features[0], bias=self.bias, init=self.init))

    def _out_of_vector(self, units: int, width: int, places: Shape, mirror: Linear | None) -> Chain:
        flat = width * math.prod(places)
        layer: Layer = Linear(units, flat, bias=self._bias(False), init=self.init, follow=self.activation)
        if mirror is not None:
            layer = Tied(mirror, units=units, bias=self._bias(False))
        return Chain(layer, Reshape((width, *places)), *self._behind(width, False))

    def _pooled(self, widths: list[int], units: int, sizes: list[Shape], ascent: list[Chain]) -> list[Chain]:
        """Enlarge and convolve; an axis is not padded where what it carries pays for the convolution."""
        places = sizes[-1]
        blocks = []
        if self.head == "vector":
            blocks.append(self._out_of_vector(units, widths[-1], places, None))
            units = widths[-1]
        padded = (True,) * len(places)
        first = self._convolution(units, widths[-1], self.kernel, padded, last=False)
        blocks.append(Chain(first, *self._behind(widths[-1], False)))
        for level in range(len(widths) - 1, 0, -1):
            a, b, last = widths[level], widths[level - 1], level == 1
            grown = tuple(2 * n for n in places)
            padded = tuple(n - wanted < self.kernel - 1 for n, wanted in zip(grown, sizes[level - 1], strict=True))
            places = tuple(n if kept else n - self.kernel + 1 for n, kept in zip(grown, padded, strict=True))
            layer = self._convolution(a, b, self.kernel, padded, last=last)
            blocks.append(Chain(Enlarge(), layer, *self._behind(b, last)))
        return blocks

    def _columns(self, top: Chain, outputs: Shape) -> list[Layer]:
        """Give each column of a plain row a bias of its own in place of the shared one: its mean is its own."""
        if len(outputs) > 1 or not self.bias:
            return []
        top.layers[-1].register_parameter("bias", None)
        return [Shift(outputs)]

    def _strided(self, widths: list[int], units: int, sizes: list[Shape], ascent: list[Chain]) -> list[Chain]:
        """Mirror the encoder's blocks, each by a transposed convolution to the places that it came from."""
        blocks = []
        if self.head == "vector":
            mirror = ascent[-1].layers[1] if self.tied else None
            blocks.append(self._out_of_vector(units, widths[-1], sizes[-1], mirror))  # type: ignore[arg-type]
        elif self.head == "map":
            layer = self._transposed(units, widths[-1], 1, 1, sizes[-1], ascent[-1], last=False)
            blocks.append(Chain(layer, *self._behind(widths[-1], False)))
        else:
            widths = [*widths[:-1], units]
        for level in range(len(widths) - 1, 0, -1):
            a, b, last = widths[level], widths[level - 1], level == 1
            layer = self._transposed(a, b, self.kernel, 2, sizes[level - 1], ascent[level - 1], last=last)
            blocks.append(Chain(layer, *self._behind(b, last)))
        return blocks

    def _transposed(
        self, a: int, b: int, kernel: int, stride: int, places: Shape, block: Chain, *, last: bool
    ) -> Layer:
        if self.tied:
            return Adjoint(block.layers[0], places, units=a, bias=self._bias(last))  # type: ignore[arg-type]
        follow = self._follow(last)
        return Transposed(a, b, kernel, places, stride=stride, bias=self._bias(last), init=self.init, follow=follow)
