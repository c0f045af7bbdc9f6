"""Sparse dictionaries: rows as sums of few atoms of length one."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from isthmus.architecture import Architecture
from isthmus.layers import Atoms, Centred, Chain, Reshape
from isthmus.records import Batch, Shape

ROWS, STEPS, NEAR = 32_768, 100, 1e-5


@dataclass(frozen=True, repr=False)
class Dictionary(Architecture):
    """f(x) = W (x - c) + b and g(h) = c + sum_j h_j d_j with ||d_j|| = 1, the networks of a sparse dictionary.

    Atoms start in random directions, the encoder at W = D^T, and c at the geometric median of the rows, which a few
    loud rows do not move (Gao et al., 2024, "Scaling and evaluating sparse autoencoders"). Atoms of length one keep a
    penalty on the code from being undone by a longer atom; their gradient is the projected one. Numbers such as
    thresholds are quoted for rows with E ||x||^2 = d, as ``scaling="common"`` makes them.

    >>> Dictionary()
    Dictionary()
    """

    @property
    def requires(self) -> frozenset[str]:
        """The centre is taken from the inputs and added to the outputs: both are numbers in units of the data."""
        return frozenset({"numbers", "outputs shaped as inputs", "values out"})

    @property
    def provides(self) -> frozenset[str]:
        """Both networks are linear, and their weights can be named."""
        words = {"code weights", "trainable weights", "input gradient", "linear decoder", "linear encoder"}
        return frozenset(words)

    def build(self, inputs: Shape, features: Shape, code: Shape, outputs: Shape) -> tuple[Chain, Chain]:
        """Build a centred linear layer, and the atoms."""
        into = Centred(math.prod(inputs), math.prod(features))
        flat = Reshape((math.prod(inputs),)), Reshape((math.prod(code),))
        return Chain(flat[0], into, Reshape(features)), Chain(flat[1], Atoms(into, math.prod(code)), Reshape(outputs))

    def filters(self, encoder: Chain) -> Tensor:
        """Return the encoder's weights, one row per unit."""
        into: Any = encoder.layers[1]
        weight: Tensor = into.weight
        return weight

    def plain(self, encoder: Chain, decoder: Chain) -> tuple[nn.Parameter, nn.Parameter, nn.Parameter]:
        """Return the encoder's weights and bias, and what atoms are directions of."""
        into, out = encoder.layers[1], decoder.layers[1]
        return into.weight, into.bias, out.weight  # type: ignore[return-value]

    def atoms(self, decoder: Chain) -> Tensor:
        """Return the atoms, one row of length one per unit."""
        out: Any = decoder.layers[1]
        found: Tensor = out.unit
        return found.T

    def start(self, objective: Any, sample: Batch) -> None:
        """Put the centre at the geometric median of up to 32,768 rows."""
        few = sample.spaced(ROWS)
        inputs = objective.model.stem(few).flatten(1)
        centre = objective.model.encoder.layers[1].centre
        with torch.no_grad():
            centre.copy_(geometric_median(inputs.double(), few.weight).to(centre.dtype))


def geometric_median(x: Tensor, weight: Tensor | None = None) -> Tensor:
    """Return the point with the least sum of distances to the rows of x.

    Rows are averaged with weights 1 / distance again and again (Weiszfeld, 1937), until a step is shorter than 1e-5 of
    the rows' mean distance.

    >>> geometric_median(torch.tensor([[0.0], [1.0], [50.0]])).round(decimals=3)
    tensor([1.])
    """
    share = torch.ones(len(x), 1, dtype=x.dtype, device=x.device) if weight is None else weight.to(x.dtype).unsqueeze(1)
    median = (x * share).sum(0) / share.sum()
    for _ in range(STEPS):
        distance = (x - median).norm(dim=1, keepdim=True)
        pull = share / distance.clamp_min(1e-12)
        before, median = median, (x * pull).sum(0) / pull.sum()
        if (median - before).norm() <= NEAR * distance.mean():
            break
    return median
