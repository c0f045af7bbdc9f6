"""The network: stem, encoder, bottleneck with its memory, decoder."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from isthmus.architecture import Architecture
from isthmus.bottleneck import Bottleneck
from isthmus.component import Memory
from isthmus.layers import spoken_by, writes
from isthmus.noise import Noise
from isthmus.posterior import Posterior
from isthmus.records import Batch, Corrupted, Pass, Shape, Spec, repeated
from isthmus.selected import LARGE, Selected, active, share
from isthmus.stem import stem_of

STEM = 9


class Autoencoder(nn.Module):
    """An encoder and a decoder joined by a bottleneck; one forward pass gives a :class:`Pass`.

    Args:
        spec: the data.
        architecture: networks to build.
        bottleneck: what a code may be.
        units: number of units of the code.
        outputs: shape of the decoder's output, as the likelihood asks for it.
        noise: where initial weights come from.
    """

    def __init__(
        self, spec: Spec, architecture: Architecture, bottleneck: Bottleneck, units: int, outputs: Shape, noise: Noise
    ) -> None:
        """Build the networks and draw their weights."""
        super().__init__()
        self.spec, self.architecture, self.bottleneck, self.outputs = spec, architecture, bottleneck, outputs
        self.reader = stem_of(spec)
        self.inputs = self.reader.shape
        self.code_shape = architecture.code(self.inputs, units)
        self.memory: Memory = bottleneck.memory(spec, self.code_shape)
        features = bottleneck.features(self.code_shape)
        self.encoder, self.decoder = architecture.build(self.inputs, features, self.code_shape, outputs)
        if not any(p.is_meta for p in self.parameters()):  # of shapes alone nothing is drawn
            architecture.reset(self.encoder, self.decoder, noise)
            self.reader.reset(noise.branch(STEM))

    def present(self, x: Tensor) -> Tensor:
        """Turn values into numbers: levels become indicators along axis 1."""
        return self.reader.present(x)

    def stem(self, batch: Batch | Corrupted) -> Tensor:
        """Return the encoder's inputs; entries that were not seen are zero."""
        return self.reader(batch)  # type: ignore[no-any-return]

    def encode(self, inputs: Tensor, noise: Noise | None = None) -> Posterior:
        """Return the posterior over codes of presented inputs."""
        return self.bottleneck(self._features(inputs, noise), self.memory)

    def _features(self, inputs: Tensor, noise: Noise | None) -> Tensor:
        # Only products are taken in bfloat16: codes, outputs and terms have the precision of the data.
        return self.encoder(inputs, noise).to(inputs.dtype)  # type: ignore[no-any-return]

    def decode(self, code: Tensor, noise: Noise | None = None) -> Tensor:
        """Return the likelihood's parameters for codes; where few units are active, by their atoms alone."""
        few = None if torch.is_grad_enabled() else self._few(code)
        if few is not None:
            return spoken_by(writes(self.decoder), few).view(len(code), *self.outputs).to(code.dtype)
        return self.decoder(code, noise).to(code.dtype)  # type: ignore[no-any-return]

    def _few(self, code: Tensor) -> Selected | None:
        """Return the active units of a code, where one linear layer decodes them sooner than all."""
        layer: Any = writes(self.decoder) if code.dim() == 2 and code.device.type == "cpu" else None
        if layer is None or code.numel() * math.prod(self.outputs) < LARGE or code.dtype != layer.weight.dtype:
            return None
        return active(code, code.numel() // share(code))

    def forward(
        self,
        batch: Batch,
        corrupted: Corrupted | None = None,
        noise: Noise | None = None,
        draws: int = 1,
        *,
        differentiable: bool = False,
    ) -> Pass:
        """Encode, draw codes, decode. Without noise nothing is sampled: the code is the posterior's mean.

        With ``differentiable``, the pass can be differentiated by the encoder's inputs.
        """
        corrupted = corrupted or Corrupted(batch.x, batch.seen)
        inputs = self.stem(corrupted)
        if differentiable and torch.is_grad_enabled() and not inputs.requires_grad:
            inputs = inputs.detach().requires_grad_()
        features = self._features(inputs, noise)
        posterior = self.bottleneck(features, self.memory)
        code = posterior.rsample(noise, draws)
        output = self.past(self.decode(code, noise), corrupted, draws)
        return Pass(self, batch, corrupted, inputs, features, posterior, code, output, draws, self.memory, noise)

    def past(self, output: Tensor, corrupted: Batch | Corrupted, draws: int = 1) -> Tensor:
        """Add what is carried past the code to what was decoded."""
        beside = self.reader.beside(corrupted)
        return output if beside is None else repeated(beside[0], draws) + repeated(beside[1], draws) * output

    def output_bias(self) -> nn.Parameter | None:
        """Return the bias of the decoder's last layer, where it has one that may be trained."""
        return self.architecture.output_bias(self.decoder)


def parameter_count(module: nn.Module) -> int:
    """Count the trained numbers of a module."""
    return sum(math.prod(p.shape) for p in module.parameters() if p.requires_grad)
