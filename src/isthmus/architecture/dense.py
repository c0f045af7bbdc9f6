"""Fully connected networks of any depth."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from isthmus.architecture import Architecture
from isthmus.component import choice, number
from isthmus.layers import (
    ACTIVATIONS,
    INITS,
    NORMS,
    Back,
    Chain,
    Dropout,
    Function,
    Layer,
    Linear,
    Reshape,
    Room,
    Tied,
    norm,
    words,
)
from isthmus.noise import Noise
from isthmus.records import Batch, Shape


class Parallel(Layer):
    """a(x) + b(x): a straight path beside a deep one."""

    stacks: ClassVar[bool] = True

    def __init__(self, deep: Chain, straight: Layer) -> None:
        """Keep both paths; ``straight`` is linear."""
        super().__init__()
        self.deep, self.straight = deep, straight

    def forward(self, x: Tensor, noise: Noise | None = None) -> Tensor:
        """Add the two paths."""
        straight: Tensor = self.straight(x, noise)
        deep: Tensor = self.deep(x, noise)
        return straight + deep

    def vjp(self, x: Tensor, room: Room, inputs: bool) -> tuple[Tensor, Back]:
        """Send the gradient back along both paths, and add what comes back."""
        linear: Any = self.straight
        straight, first = linear.vjp(x, room, inputs)
        deep, second = self.deep.vjp(x, room, inputs)
        y = room.empty(deep)
        room.do(partial(torch.add, straight, deep, out=y))

        def back(g: Tensor) -> Tensor | None:
            a: Tensor | None = first(g)  # a linear path leaves g as it is
            b = second(g)
            if a is not None and b is not None:
                room.do(partial(a.add_, b))
            return a

        return y, back

    def native(self) -> list[Any]:
        """Give the deep path, then the straight one, with how many products it goes past."""
        deep, straight = words(self.deep), words(self.straight)
        names, products = [name for name, *_ in deep], ("product", "tied")
        # Both read what comes before, so that both start with a product, and a straight path is one.
        starts = [*names[:1], *(name for name, *_ in straight)]
        if "beside" in names or len(starts) != 2 or not set(starts) <= set(products):
            return [("unknown",)]
        return [*deep, ("beside", sum(name in products for name in names), *straight[0])]


CHUNK = 4096


@dataclass(frozen=True, repr=False)
class Dense(Architecture):
    """Fully connected encoder and its mirror image as decoder.

    f(x) = W_n s(... s(W_1 x + b_1) ...) + b_n and g(h) the same with the widths reversed. ``hidden=()`` is one linear
    map each way, the linear autoencoder, which starts at the principal components (Baldi & Hornik, 1989).

    Args:
        hidden: widths of the encoder's hidden layers; the decoder mirrors them.
        activation: name of the hidden activation (``isthmus.layers.ACTIVATIONS``).
        dropout: share of the encoder's hidden units dropped while fitting.
        norm: ``none``, ``batch`` or ``layer``, before each hidden activation.
        tied: the decoder uses the encoder's weights transposed; biases stay its own.
        bias: whether layers have biases.
        init: rule for initial weights (``isthmus.layers.draw``).
        shortcut: add a linear path from inputs to code and from code to outputs. With squared error it starts at the
            principal components and the deep path at zero, so training starts from PCA's error and improves on it.

    >>> Dense(hidden=(164,), dropout=0.3)
    Dense(hidden=(164,), dropout=0.3)
    """

    hidden: tuple[int, ...] = (128,)
    activation: str = choice("relu", tuple(ACTIVATIONS))
    dropout: float = number(0.0, low=0.0, high=0.99)
    norm: str = choice("none", NORMS)
    tied: bool = False
    bias: bool = True
    init: str = choice("auto", INITS)
    shortcut: bool = False

    def __post_init__(self) -> None:
        """Check the widths too."""
        super().__post_init__()
        for width in self.hidden:
            if width < 1:
                raise ValueError(f"Dense: hidden={self.hidden!r} holds {width!r}; widths are whole numbers from 1 up")

    @property
    def requires(self) -> frozenset[str]:
        """Tied weights and the straight path start need outputs shaped as the inputs."""
        return frozenset({"outputs shaped as inputs"} if self.tied else ())

    @property
    def provides(self) -> frozenset[str]:
        """Dense has layers to stack, weights that read the code, and is linear without hidden layers."""
        words = {"stages", "code weights", "trainable weights", "input gradient"}
        return frozenset(words | ({"linear decoder", "linear encoder"} if not self.hidden else set()))

    def build(self, inputs: Shape, features: Shape, code: Shape, outputs: Shape) -> tuple[Chain, Chain]:
        """Build the mirror pair; every layer is a block of its own, for greedy stacking."""
        up = (math.prod(inputs), *self.hidden, math.prod(features))
        down = (math.prod(code), *reversed(self.hidden), math.prod(outputs))
        ascent = [self._block(a, b, last=i == len(up) - 2, drop=True) for i, (a, b) in enumerate(pairwise(up))]
        mirror = [block.layers[0] for block in reversed(ascent)] if self.tied else [None] * (len(down) - 1)
        descent = [
            self._block(a, b, last=i == len(down) - 2, mirror=m)
            for i, (a, b, m) in enumerate(zip(down[:-1], down[1:], mirror, strict=True))
        ]
        ahead, back = Chain(*ascent), Chain(*descent)
        if self.shortcut and self.hidden:
            into = self._linear(up[0], up[-1])
            out = Tied(into, units=down[0], bias=self.bias) if self.tied else self._linear(down[0], down[-1])
            return Chain(Reshape((up[0],)), Parallel(ahead, into), Reshape(features)), Chain(
                Reshape((down[0],)), Parallel(back, out), Reshape(outputs)
            )
        return Chain(Reshape((up[0],)), ahead, Reshape(features)), Chain(Reshape((down[0],)), back, Reshape(outputs))

    def _bias(self, last: bool) -> bool:
        """Leave a bias out where batch normalisation would take it away again."""
        return self.bias and (last or self.norm != "batch")

    def _linear(self, inputs: int, outputs: int, *, last: bool = True) -> Linear:
        follow = "identity" if last else self.activation
        return Linear(inputs, outputs, bias=self._bias(last), init=self.init, follow=follow)

    def _block(self, a: int, b: int, *, last: bool, drop: bool = False, mirror: nn.Module | None = None) -> Chain:
        layer: Layer = self._linear(a, b, last=last)
        if isinstance(mirror, Linear):
            layer = Tied(mirror, units=a, bias=self._bias(last))
        elif last and self.shortcut and self.hidden and isinstance(layer, Linear):
            layer.init = "zeros"
        if last:
            return Chain(layer)
        dropout = [Dropout(self.dropout)] if drop and self.dropout else []
        return Chain(layer, *norm(self.norm, b), Function(self.activation), *dropout)

    def stages(self, encoder: Chain, decoder: Chain) -> list[tuple[Chain, Chain]]:
        """Pair the encoder's blocks with the decoder's, from the input up."""
        if self.shortcut:
            raise ValueError("Dense(shortcut=True) has no stages: the straight path skips them; use shortcut=False")
        flat, ahead, features = encoder
        code, back, outputs = decoder
        ups = [list(block) for block in ahead]  # type: ignore[attr-defined]
        downs = [list(block) for block in reversed(list(back))]  # type: ignore[call-overload]
        ups[0].insert(0, flat)
        ups[-1].append(features)
        downs[0].append(outputs)
        downs[-1].insert(0, code)
        return [(Chain(*up), Chain(*down)) for up, down in zip(ups, downs, strict=True)]

    def _straight(self, chain: Chain) -> Any:
        core = chain.layers[1]
        return core.straight if isinstance(core, Parallel) else core.layers[0].layers[0]  # type: ignore[index,union-attr]

    def filters(self, encoder: Chain) -> Tensor:
        """Return the encoder's first weights, one row per unit that reads the input."""
        weight: Tensor = self._straight(encoder).weight
        return weight

    def atoms(self, decoder: Chain) -> Tensor:
        """Return the decoder's first weights, one row per unit."""
        weight: Tensor = self._straight(decoder).weight
        return weight.T

    def start(self, objective: Any, sample: Batch) -> None:
        """Start a linear path at the principal components, where it minimises the squared error exactly.

        W_enc = U_k^T, b_enc = -U_k^T m, W_dec = U_k, b_dec = m, with U_k the leading principal axes and m the mean.
        """
        straight = not self.hidden or self.shortcut
        if not (straight and {"squared error", "plain code", "outputs shaped as inputs"} <= objective.provides):
            return
        model = objective.model
        into, out = self._straight(model.encoder), self._straight(model.decoder)
        mean, axes = principal_axes(model.stem(sample).flatten(1), sample.weight, into.weight.shape[0], self.bias)
        with torch.no_grad():
            into.weight[: len(axes)] = axes.to(into.weight.dtype)
            into.weight[len(axes) :] = 0.0
            if not self.tied:
                out.weight.copy_(into.weight.T)
            if self.bias:
                into.bias.zero_()
                into.bias[: len(axes)] = -(axes @ mean).to(into.bias.dtype)
                out.bias.copy_(mean.to(out.bias.dtype))


def principal_axes(x: Tensor, weight: Tensor | None, k: int, centred: bool) -> tuple[Tensor, Tensor]:
    """Return the mean and the leading ``k`` principal axes of rows as rows (k, columns), exactly, in float64.

    Without ``centred`` the mean is zero. The smaller of covariance, collected in chunks, and Gram matrix is decomposed;
    fewer axes come back where the rank is lower. The sign of an axis is fixed by its largest entry.
    """
    rows, columns = x.shape
    share = torch.ones(rows, dtype=torch.float64, device=x.device) if weight is None else weight.double()
    parts = list(zip(x.split(CHUNK), share.unsqueeze(1).split(CHUNK), strict=True))
    total = sum(((part * chunk).sum(0) for chunk, part in parts), share.new_zeros(columns))
    mean = total / share.sum() if centred else total * 0.0
    axes: Tensor
    if columns <= rows:
        pieces = ((chunk.double() - mean).mul_(part.sqrt()) for chunk, part in parts)
        covariance = sum((piece.T @ piece for piece in pieces), share.new_zeros(columns, columns))
        axes = torch.linalg.eigh(covariance).eigenvectors.flip(1)[:, :k].T
    else:
        scaled = (x.double() - mean) * share.sqrt().unsqueeze(1)
        values, vectors = torch.linalg.eigh(scaled @ scaled.T)
        keep = (values.flip(0) > values.max() * 1e-12)[:k]
        axes = F.normalize(vectors.flip(1)[:, : len(keep)][:, keep].T @ scaled)
    if not len(axes):
        return mean, axes
    signs: Tensor = axes.gather(1, axes.abs().argmax(1, keepdim=True)).sign()
    return mean, axes.mul(signs)
