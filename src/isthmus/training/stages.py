"""What nets do, in the words of the native kernel: products of dense ones, stages of convolutional ones."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from isthmus import native
from isthmus.component import declaration
from isthmus.layers import words
from isthmus.objective import Objective

# Numbers of all stages of a row, each in 64 bytes per thread, from which on memory is better left to torch.
ROOM = 2**20


def gaussian(task: Objective) -> bool:
    """Say whether codes are drawn from normal distributions, whose divergence the kernel knows."""
    return bool(declaration(task.model.bottleneck, "native") == "gaussian")


def said(task: Objective) -> list[tuple[Any, ...]] | None:
    """Return what a network does from rows to outputs, word by word; None where that is more than its layers.

    A code is read as it is: what a decoder does to it before its first layer would be done to the encoder's last one.
    """
    model = task.model
    code, back = declaration(model.bottleneck, "native"), words(model.decoder)
    first = next((name for name, *given in back if name != "shape" and given != ["identity"]), "unknown")
    if code is None or task.draws > 1 or model.spec.levels or list(model.memory.parameters()):
        return None
    if first in ("activation", "dropout", "pool"):
        return None
    return [*words(model.encoder), ("activation", "identity" if gaussian(task) else code), *back]


def whole(task: Objective, weights: list[Tensor]) -> bool:
    """Say whether these are all parameters of the network that are trained, each of them once."""
    networks = (task.model.encoder, task.model.decoder)
    trained = {id(p) for network in networks for p in network.parameters() if p.requires_grad}
    return {id(p) for p in weights} == trained and len(weights) == len(trained)


def coding(task: Objective) -> int:
    """Return how many products and convolutions the encoder is."""
    steps = ("product", "tied", "beside", "convolution", "transposed")
    return sum(name in steps for name, *_ in words(task.model.encoder))


def products(task: Objective) -> list[native.Product] | None:
    """Return the products that a network is, None where it is anything else."""
    found: list[native.Product] = []
    for name, *given in said(task) or []:
        last = found[-1] if found else None
        plain = last is None or (last.activation == "identity" and last.kept is None)
        past = 0
        if name == "beside" and plain:
            past, name, *given = given
        owner = [i for i, p in enumerate(found) if name == "tied" and p.weight is given[0]]
        if name == "product" or len(owner) == 1:  # of two that are tied to one, the other would not be moved
            weight, bias = given
            found.append(native.Product(weight, bias, len(found) - 1 - past, tied=owner[0] if owner else -1))
        elif last is not None and name == "activation" and (plain or given == ["identity"]):
            last.activation = given[0] if plain else last.activation
        elif last is not None and name == "dropout" and last.kept is None:
            (last.kept,) = given
        elif name != "shape":
            return None
    known = all(p.activation in native.ACTIVATIONS for p in found) and 0 < len(found) <= native.DEEPEST
    own = [t for p in found for t in (p.weight if p.tied < 0 else None, p.bias) if t is not None]
    return found if known and whole(task, own) else None


@dataclass
class Stage:
    """A convolution, or a product as one of a single place, with what stands before and behind it.

    Sizes are (channels, height, width); signals are of height 1. Inputs are repeated as often as ``enlarged``
    says; where ``transposed``, they are moved as far apart, and the weights are (inputs, units, ...) and turned.
    """

    weight: Tensor
    bias: Tensor | None
    inputs: tuple[int, int, int]
    convolved: tuple[int, int, int]
    enlarged: tuple[int, int] = (1, 1)
    border: tuple[int, int] = (0, 0)
    kernel: tuple[int, int] = (1, 1)
    stride: tuple[int, int] = (1, 1)
    transposed: bool = False
    activation: str = "identity"
    pooled: tuple[int, int] = (1, 1)

    @property
    def outputs(self) -> tuple[int, int, int]:
        """The sizes behind the pooling."""
        units, *places = self.convolved
        height, width = (-(-n // by) for n, by in zip(places, self.pooled, strict=True))
        return units, height, width

    def place(self, offset: Callable[[Tensor | None], int]) -> native.Place:
        """Return the stage as the kernel reads it, given where parameters start."""
        unit, other, step = self.weight.stride(0), self.weight.stride(1), self.weight.stride(-1)
        # A turned kernel is read from its last place on.
        start = (math.prod(self.kernel) - 1) * step if self.transposed else 0
        return native.Place(
            *(*self.inputs, *self.enlarged, int(self.transposed), *self.border, *self.kernel, *self.stride),
            *(*self.convolved, *self.pooled, *self.outputs[1:], native.ACTIVATIONS.index(self.activation)),
            *((other, unit, -step) if self.transposed else (unit, other, step)),
            *(0, offset(self.weight) + start, offset(self.bias)),
        )

    @property
    def work(self) -> int:
        """How many products a row takes."""
        return self.weight.numel() * math.prod(self.convolved[1:])

    @property
    def room(self) -> int:
        """How many numbers of a row are written."""
        places = [n * by for n, by in zip(self.convolved[1:], self.stride, strict=True)]
        return math.prod(self.convolved) + self.inputs[0] * math.prod(places)


class Reader:
    """Stages of a network, word by word; ``known`` turns false at what is none."""

    def __init__(self, sizes: tuple[int, ...]) -> None:
        """Start at the inputs: (channels, *places), or numbers without places."""
        self.found: list[Stage] = []
        self.sizes, self.enlarged, self.known = sizes, 1, True

    def shape(self, sizes: tuple[int, ...]) -> None:
        """Go on with other axes of the same numbers."""
        self.sizes = tuple(sizes)

    def enlarge(self) -> None:
        """Repeat every place of what comes next."""
        self.known &= self.enlarged == 1 and len(self.sizes) in (2, 3)
        self.enlarged = 2

    def convolution(self, weight: Tensor, bias: Tensor | None, border: tuple[int, ...], stride: int) -> None:
        """Convolve pictures, or signals as pictures of height 1."""
        each = zip(self.sizes[1:], border, weight.shape[2:], strict=False)
        places = [(n * self.enlarged + 2 * more - kernel) // stride + 1 for n, more, kernel in each]
        self.known &= self.enlarged == 1 or stride == 1
        self._places(weight, bias, (len(weight), *places), enlarged=self.enlarged, border=border, stride=stride)

    def transposed(self, weight: Tensor, bias: Tensor | None, stride: int, places: tuple[int, ...]) -> None:
        """Spread every place over the kernel's reach: convolve places that stand apart with the turned kernel."""
        border = [kernel - 1 - (kernel - 1) // 2 for kernel in weight.shape[2:]]
        self.known &= self.enlarged == 1
        self._places(weight, bias, (weight.shape[1], *places), enlarged=stride, border=border, transposed=True)

    def _places(
        self,
        weight: Tensor,
        bias: Tensor | None,
        convolved: tuple[int, ...],
        *,
        enlarged: int,
        border: Sequence[int],
        stride: int = 1,
        transposed: bool = False,
    ) -> None:
        axes = len(convolved) - 1
        self.known &= axes in (1, 2) and len(self.sizes) == axes + 1
        if not self.known:
            return

        def both(numbers: Sequence[int], none: int = 1) -> tuple[int, int]:
            tall, wide = [none] * (2 - axes) + [*numbers]
            return tall, wide

        self.found.append(
            Stage(
                weight,
                bias,
                (self.sizes[0], *both(self.sizes[1:])),
                (convolved[0], *both(convolved[1:])),
                enlarged=both([enlarged] * axes),
                border=both(border, 0),
                kernel=both(weight.shape[2:]),
                stride=both([stride] * axes),
                transposed=transposed,
            )
        )
        self.sizes, self.enlarged = convolved, 1

    def product(self, weight: Tensor, bias: Tensor | None) -> None:
        """Multiply numbers, wherever they stand."""
        self.known &= self.enlarged == 1
        self.found.append(Stage(weight, bias, (weight.shape[1], 1, 1), (len(weight), 1, 1)))
        self.sizes = (len(weight),)

    def pool(self) -> None:
        """Take the largest of neighbours, once per stage."""
        self.known &= bool(self.found) and self.found[-1].pooled == (1, 1) and self.enlarged == 1
        if self.known:
            self.found[-1].pooled = (2 if len(self.sizes) == 3 else 1, 2)
            self.sizes = (self.sizes[0], *self.found[-1].outputs[4 - len(self.sizes) :])

    def activation(self, name: str) -> None:
        """Activate: what never falls may as well stand behind the largest of neighbours."""
        if name == "identity":
            return
        self.known &= bool(self.found) and self.found[-1].activation == "identity" and self.enlarged == 1
        if self.known:
            self.found[-1].activation = name

    def crop(self, places: tuple[int, ...], outputs: tuple[int, ...]) -> None:
        """Leave nothing out."""
        self.known &= (places, outputs) == (self.sizes[1:], self.sizes)


def stages(task: Objective) -> list[Stage] | None:
    """Return the stages of a convolutional network, None where it is anything else."""
    spoken = said(task)
    if spoken is None or gaussian(task):
        return None
    reader = Reader(task.model.reader.shape)
    for name, *given in spoken:
        if name in ("unknown", "beside", "dropout", "tied") or not reader.known:
            return None
        getattr(reader, name)(*given)
    return reader.found if reader.known and _whole_net(task, reader.found) else None


def _whole_net(task: Objective, found: list[Stage]) -> bool:
    """Say whether stages are all there is, of sizes that follow from each other, and stay in the cache."""
    sizes = [math.prod(task.model.reader.shape), *(math.prod(stage.outputs) for stage in found)]
    return (
        0 < len(found) <= native.DEEPEST
        and any(stage.weight.dim() > 2 for stage in found)
        and all(math.prod(stage.inputs) == size for stage, size in zip(found, sizes, strict=False))
        and sizes[-1] == task.model.spec.size
        and min(min(stage.convolved) for stage in found) > 0
        and all(stage.activation in native.RISING for stage in found)
        and sum(stage.room for stage in found) <= ROOM
        and whole(task, [p for stage in found for p in (stage.weight, stage.bias) if p is not None])
    )
