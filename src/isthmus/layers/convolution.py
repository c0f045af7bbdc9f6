"""Layers over places: convolutions with exact sizes, their adjoints, pooling, enlarging and cropping.

One implementation serves signals, images and volumes: a batch is ``(rows, units, *places)`` with one to three axes of
places. A convolution of n places with stride s gives ceil(n / s) places for every n, and its adjoint takes them back to
n, so nothing is lost at odd sizes.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from isthmus.layers.chain import Layer
from isthmus.layers.linear import draw
from isthmus.noise import Noise

Places = tuple[int, ...]

CONVOLVE = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}
SPREAD = {1: F.conv_transpose1d, 2: F.conv_transpose2d, 3: F.conv_transpose3d}
POOL = {1: F.max_pool1d, 2: F.max_pool2d, 3: F.max_pool3d}


class Convolution(Layer):
    """y = W * x + b with W of shape (out, in, *kernel), and ceil(n / stride) places out of n.

    Zeros are added around the places, kernel - 1 in all, the odd one behind; where ``padded`` is false for an axis none
    are, and n - kernel + 1 places remain (before the stride).
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int,
        padded: tuple[bool, ...],
        *,
        stride: int = 1,
        bias: bool = True,
        init: str = "auto",
        follow: str = "identity",
    ) -> None:
        """Reserve the weights; :meth:`reset` draws them."""
        super().__init__()
        axes = len(padded)
        self.weight = nn.Parameter(torch.zeros(outputs, inputs, *[kernel] * axes))
        self.bias = nn.Parameter(torch.zeros(outputs)) if bias else None
        self.kernel, self.stride, self.padded, self.init, self.follow = kernel, stride, padded, init, follow
        self.padding = tuple((kernel - 1) // 2 if wanted else 0 for wanted in padded)
        # An even kernel needs one more zero behind than before; the convolution itself pads both sides alike.
        self.behind = [n for wanted in reversed(padded) for n in (0, int(wanted and kernel % 2 == 0))]

    @property
    def atoms(self) -> Tensor:
        """What each unit of the input writes, as rows (units, numbers)."""
        return self.weight.transpose(0, 1).flatten(1)

    def forward(self, x: Tensor, noise: Noise | None = None) -> Tensor:
        """Convolve."""
        x = F.pad(x, self.behind) if any(self.behind) else x
        y: Tensor = CONVOLVE[len(self.padded)](x, self.weight, self.bias, self.stride, self.padding)
        return y

    def native(self) -> list[Any]:
        """Give weight, bias, border and stride, where the border is the same on both sides."""
        even = any(self.behind)
        return [("unknown",) if even else ("convolution", self.weight, self.bias, self.padding, self.stride)]

    def reset(self, noise: Noise) -> None:
        """Draw W by its rule, fan-in being units times kernel; b is zero, or uniform where the rule is ``torch``."""
        with torch.no_grad():
            self.weight.copy_(draw(self.weight, self.init, self.follow, noise))
            if self.bias is not None and self.init == "torch":
                self.bias.copy_((2 * noise.uniform(self.bias) - 1) / math.sqrt(self.weight[0].numel()))

    def extra_repr(self) -> str:
        """Show the sizes."""
        sizes = _sizes(self.weight.shape[1], self.weight.shape[0], self.kernel, self.stride)
        return sizes + ("" if all(self.padded) else ", unpadded")


class Transposed(Layer):
    """The adjoint of a padded :class:`Convolution`, with weights (in, out, *kernel) of its own; it gives ``places``."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int,
        places: Places,
        *,
        stride: int = 1,
        bias: bool = True,
        init: str = "auto",
        follow: str = "identity",
    ) -> None:
        """Reserve the weights; :meth:`reset` draws them."""
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(inputs, outputs, *[kernel] * len(places)))
        self.bias = nn.Parameter(torch.zeros(outputs)) if bias else None
        self.kernel, self.stride, self.places, self.init, self.follow = kernel, stride, places, init, follow

    @property
    def atoms(self) -> Tensor:
        """What each unit of the input writes, as rows (units, numbers)."""
        return self.weight.flatten(1)

    def forward(self, x: Tensor, noise: Noise | None = None) -> Tensor:
        """Spread every place over the kernel's reach."""
        return adjoint(x, self.weight, self.bias, self.stride, self.places)

    def native(self) -> list[Any]:
        """Give weight, bias, stride and the places that come out."""
        return [("transposed", self.weight, self.bias, self.stride, self.places)]

    def reset(self, noise: Noise) -> None:
        """Draw W by its rule, fan-in being units times kernel; b is zero, or uniform where the rule is ``torch``."""
        turned = self.weight.transpose(0, 1)
        with torch.no_grad():
            turned.copy_(draw(turned, self.init, self.follow, noise))
            if self.bias is not None and self.init == "torch":
                self.bias.copy_((2 * noise.uniform(self.bias) - 1) / math.sqrt(turned[0].numel()))

    def extra_repr(self) -> str:
        """Show the sizes."""
        return _sizes(self.weight.shape[0], self.weight.shape[1], self.kernel, self.stride)


class Adjoint(Layer):
    """y = W^T * x + b with the W of a :class:`Convolution`, which owns it: <W * x, y> = <x, W^T * y>.

    ``units`` takes the owner's first units only, where it has more than the code (a mean and a log-variance).
    """

    def __init__(self, layer: Convolution, places: Places, *, units: int | None = None, bias: bool = True) -> None:
        """Refer to the encoder's layer without registering it twice."""
        super().__init__()
        self._owner = (layer,)
        self.places, self.units = places, units
        self.bias = nn.Parameter(torch.zeros(layer.weight.shape[1])) if bias else None

    @property
    def weight(self) -> Tensor:
        """The owner's weight, which a transposed convolution reads as (in, out, *kernel)."""
        return self._owner[0].weight[: self.units]

    @property
    def atoms(self) -> Tensor:
        """What each unit of the input writes, as rows (units, numbers)."""
        return self.weight.flatten(1)

    def forward(self, x: Tensor, noise: Noise | None = None) -> Tensor:
        """Apply the owner's adjoint."""
        return adjoint(x, self.weight, self.bias, self._owner[0].stride, self.places)

    def extra_repr(self) -> str:
        """Show the sizes."""
        owner = self._owner[0]
        return _sizes(len(self.weight), owner.weight.shape[1], owner.kernel, owner.stride) + ", tied"


class Pool(Layer):
    """The largest of every two neighbours along each axis of places: n places become ceil(n / 2)."""

    def forward(self, x: Tensor, noise: Noise | None = None) -> Tensor:
        """Pool; at an odd size the last place stands alone."""
        y: Tensor = POOL[x.dim() - 2](x, 2, ceil_mode=True)
        return y

    def native(self) -> list[Any]:
        """Name it."""
        return [("pool",)]


class Enlarge(Layer):
    """Repeat every place twice along each axis: n places become 2 n."""

    def forward(self, x: Tensor, noise: Noise | None = None) -> Tensor:
        """Repeat."""
        return F.interpolate(x, scale_factor=2.0, mode="nearest")

    def native(self) -> list[Any]:
        """Name it."""
        return [("enlarge",)]


class Crop(Layer):
    """Keep the first ``places`` places of each axis and give every row the shape ``outputs``.

    Where the row then holds more numbers than ``outputs``, the last are dropped.
    """

    def __init__(self, places: Places, outputs: tuple[int, ...]) -> None:
        """Remember both shapes."""
        super().__init__()
        self.places, self.outputs = tuple(places), tuple(outputs)

    def forward(self, x: Tensor, noise: Noise | None = None) -> Tensor:
        """Cut and reshape."""
        x = x[(slice(None), slice(None), *(slice(n) for n in self.places))]
        return x.reshape(x.shape[0], -1)[:, : math.prod(self.outputs)].reshape(x.shape[0], *self.outputs)

    def native(self) -> list[Any]:
        """Give both shapes."""
        return [("crop", self.places, self.outputs)]

    def extra_repr(self) -> str:
        """Show the shape of a row."""
        return str(self.outputs)


def adjoint(x: Tensor, weight: Tensor, bias: Tensor | None, stride: int, places: Places) -> Tensor:
    """Return the adjoint of a padded, strided convolution of ``places`` places, plus a bias.

    >>> adjoint(torch.ones(1, 1, 2), torch.ones(1, 1, 3), None, 2, (3,))
    tensor([[[1., 2., 1.]]])
    """
    kernel = weight.shape[2]
    before = (kernel - 1) // 2
    # The strided window may end before the last place, which the plain transposed convolution would then leave out.
    rest = tuple(max(n - (m - 1) * stride + 2 * before - kernel, 0) for n, m in zip(places, x.shape[2:], strict=True))
    y: Tensor = SPREAD[len(places)](x, weight, bias, stride, before, rest)
    return y[(slice(None), slice(None), *(slice(n) for n in places))]


def _sizes(inputs: int, outputs: int, kernel: int, stride: int) -> str:
    return f"{inputs} -> {outputs}, kernel {kernel}" + (f", stride {stride}" if stride > 1 else "")
