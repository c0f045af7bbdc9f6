"""The relevance network: how much every concept counts for every output, as a function of the row."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from isthmus.architecture import Architecture
from isthmus.layers import Linear
from isthmus.noise import Noise
from isthmus.records import Shape


class Relevances(nn.Module):
    """theta(x) = (level + delta(x)) / unit, (rows, concepts, outputs), with delta the encoder of an architecture.

    The last layer of delta starts at zero, so that training starts from relevances that are the same for every row,
    which the task sets: a linear model on the concepts. ``unit`` is the size of each concept, as it was at the start,
    so that neither training nor its pace depend on the scale that an autoencoder chose for its code. The last concept
    is the constant 1.
    """

    def __init__(self, architecture: Architecture, inputs: Shape, concepts: int, outputs: int, noise: Noise) -> None:
        """Build the network and draw its weights."""
        super().__init__()
        self.shape = (concepts, outputs)
        wanted = ((concepts - 1) * outputs,)
        self.network, mirror = architecture.build(inputs, wanted, wanted, inputs)
        if not any(p.is_meta for p in self.network.parameters()):  # of shapes alone nothing is drawn
            architecture.reset(self.network, mirror, noise)
            silence(self.network)
        self.level = nn.Parameter(torch.zeros(self.shape))
        self.unit = nn.Buffer(torch.ones(concepts))

    def forward(self, x: Tensor, noise: Noise | None = None) -> Tensor:
        """Return the relevances of rows."""
        concepts, outputs = self.shape
        delta = self.network(x, noise).to(self.level.dtype).reshape(-1, concepts - 1, outputs)
        found: Tensor = (self.level + F.pad(delta, (0, 0, 0, 1))) / self.unit.unsqueeze(1)
        return found

    def length(self, relevances: Tensor) -> Tensor:
        """Return ``sum_i ||theta_i unit_i||`` per row, over outputs, of all concepts but the constant one."""
        sized = (relevances * self.unit.unsqueeze(1))[:, :-1]
        # The root has no slope at zero, where training starts.
        return (sized.square().sum(2) + 1e-12).sqrt().sum(1)

    @torch.no_grad()
    def measure(self, concepts: Tensor) -> None:
        """Take the size of each concept from rows: the root of its mean square, 1 where it is silent."""
        size = concepts.square().mean(0).sqrt()
        self.unit.copy_(torch.where(size > 0, size, torch.ones_like(size)))


def silence(network: nn.Module) -> None:
    """Set the last linear layer of a network to zero.

    Raises:
        ValueError: it has none.
    """
    last = [layer for layer in network.modules() if isinstance(layer, (Linear, nn.Linear))]
    if not last:
        raise ValueError("the relevance network ends in no linear layer; use Dense(...) or Conv(..., head='vector')")
    with torch.no_grad():
        last[-1].weight.zero_()
        if last[-1].bias is not None:
            last[-1].bias.zero_()
