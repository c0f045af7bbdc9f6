"""Architectures: the shapes of f and g. One file per family; the folder is the registry."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn

from isthmus.component import Component
from isthmus.layers import Chain, Layer
from isthmus.noise import Noise
from isthmus.records import Shape


@dataclass(frozen=True, repr=False)
class Architecture(Component):
    """A pair of networks: inputs -> features of the code, and code -> outputs of the likelihood."""

    kind: ClassVar[str] = "architecture"

    def code(self, inputs: Shape, units: int) -> Shape:
        """Return the shape of a code with ``units`` units: a vector, unless the architecture has places."""
        return (units,)

    def build(self, inputs: Shape, features: Shape, code: Shape, outputs: Shape) -> tuple[Chain, Chain]:
        """Build encoder and decoder; weights are drawn afterwards."""
        raise NotImplementedError(f"{type(self).__name__} must define build")  # abstract

    def reset(self, encoder: Chain, decoder: Chain, noise: Noise) -> None:
        """Draw initial weights of every layer."""
        for module in (*encoder.modules(), *decoder.modules()):
            if isinstance(module, Layer):
                module.reset(noise)

    def output_bias(self, decoder: Chain) -> nn.Parameter | None:
        """Return the bias of the decoder's last layer, where it has one that may be trained."""
        found = None
        for module in decoder.modules():
            bias = getattr(module, "bias", None)
            if isinstance(bias, nn.Parameter) and bias.requires_grad:
                found = bias
        return found

    def stages(self, encoder: Chain, decoder: Chain) -> list[tuple[Chain, Chain]]:
        """Return encoder and decoder of every layer for greedy stacking, from the input up.

        The first pair reads the model's inputs and writes its outputs, every pair reads what the one below encoded, and
        the last pair delivers the features of the code and reads the code.
        """
        raise ValueError(f"{type(self).__name__} has no stages; use Dense(hidden=(...)) for greedy pretraining")

    def plain(self, encoder: Chain, decoder: Chain) -> tuple[nn.Parameter, nn.Parameter, nn.Parameter]:
        """Return weights (units, inputs) and bias of an encoder of one layer, and the decoder's weights."""
        raise ValueError(f"{type(self).__name__} has no encoder and atoms of one layer each; use Dictionary()")

    def filters(self, encoder: Chain) -> Tensor:
        """Return what each feature reads in the encoder's first layer, as rows (units, numbers)."""
        raise ValueError(f"{type(self).__name__} does not say which weights read the input; use Dense")

    def atoms(self, decoder: Chain) -> Tensor:
        """Return what each unit writes in the decoder's first layer, as rows (units, numbers)."""
        raise ValueError(f"{type(self).__name__} does not say which weights read the code; use Dense or Conv")
