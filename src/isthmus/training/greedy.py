"""Greedy layer-wise pretraining: every layer is a small autoencoder of what the layers below it encode."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, cast

import torch
from torch import Tensor, nn

from isthmus.architecture import Architecture
from isthmus.bottleneck import Bottleneck
from isthmus.bottleneck.activated import Rectified, Sigmoid, Tanh
from isthmus.bottleneck.plain import Overcomplete
from isthmus.component import Part, count
from isthmus.corruption import Clean, Corruption
from isthmus.layers import Chain, Dropout, Linear, Reshape
from isthmus.likelihood import Likelihood
from isthmus.likelihood.bernoulli import Bernoulli
from isthmus.likelihood.normal import Normal
from isthmus.model import Autoencoder
from isthmus.noise import Noise
from isthmus.objective import Objective
from isthmus.penalty import Penalty
from isthmus.records import Batch, Rows, Shape, Source, Spec
from isthmus.training.optimiser import Optimiser
from isthmus.training.phase import Phase

if TYPE_CHECKING:
    from isthmus.training.trainer import Trainer

LAYER = 100
CHUNK = 1024
CODES: dict[str, Bottleneck] = {
    "sigmoid": Sigmoid(),
    "tanh": Tanh(),
    "relu": Rectified(),
    "leaky_relu": Rectified(slope=0.01),
}


@dataclass(frozen=True, repr=False)
class Greedy(Part):
    """Train the layers one by one, from the input up, each to reconstruct its own inputs (Bengio et al., 2007).

    Layer i and its mirror image in the decoder are an autoencoder of the codes below, which are computed once and
    without noise; its objective has this corruption and these penalties. The lowest layer has the data's likelihood;
    above it the codes are the data: cross-entropy between 0 and 1 (Vincent et al., 2010) behind logistic units, squared
    error behind others. An activation that ends a layer is its bottleneck, so that penalties see what they need: rates
    of logistic units, the closed form of the contraction. The top layer has the model's own bottleneck.

    The rows that the trainer holds out choose the weights of every layer. All else is as the trainer says.

    Args:
        epochs: passes over the rows for every layer.
        optimiser: how a gradient becomes a step; None is the trainer's.
        corruption: how the inputs of every layer are damaged.
        penalties: what is asked of every layer beside a good reconstruction.

    References:
        Bengio, Lamblin, Popovici & Larochelle (2007), "Greedy layer-wise training of deep networks"; Vincent et al.
        (2010), "Stacked denoising autoencoders".

    >>> from isthmus.corruption.noise import Masking
    >>> Greedy(epochs=15, corruption=Masking(rate=0.1))
    Greedy(epochs=15, corruption=Masking(rate=0.1))
    """

    kind: ClassVar[str] = "pretraining"
    epochs: int = count(20)
    optimiser: Optimiser | None = None
    corruption: Corruption = Clean()  # noqa: RUF009  (frozen)
    penalties: tuple[Penalty, ...] = ()

    def phases(
        self, trainer: Trainer, whole: Objective, rows: Source, held_out: Rows | None, noise: Noise
    ) -> Iterator[Phase]:
        """Give one phase per layer; the next one finds the layers below it trained.

        Raises:
            ValueError: an architecture without stages, parts that do not fit a layer, or rows that are streamed.
        """
        if not isinstance(rows, Rows):
            raise ValueError(
                "pretraining keeps the codes of all rows in memory, and these rows are streamed, as a window does not "
                "hold them; raise window_bytes until it does, or train without pretraining"
            )
        trainer = replace(trainer, pretraining=None, epochs=self.epochs, optimiser=self.optimiser or trainer.optimiser)
        tasks = self.layers(whole, rows)
        for i, task in enumerate(tasks):
            task.epochs = self.epochs
            if i:
                below = tasks[i - 1].model
                rows, held_out = codes(below, rows), codes(below, held_out) if held_out is not None else None
            yield Phase(f"layer {i + 1}", trainer, task, rows, held_out, noise.branch(LAYER + i))

    @torch.no_grad()
    def layers(self, whole: Objective, rows: Rows) -> list[Objective]:
        """Return the objective of every layer, so that one that cannot be is refused before any is trained."""
        stages = whole.model.architecture.stages(whole.model.encoder, whole.model.decoder)
        inputs = whole.model.stem(Batch(rows.x[:1]))
        found: list[Objective] = []
        for i, (encoder, decoder) in enumerate(stages):
            below = found[-1].model.bottleneck if found else None
            model, likelihood = layer(whole, encoder, decoder, below, inputs, top=i == len(stages) - 1)
            task = Objective(model, likelihood, self.penalties, self.corruption).to(rows.x.device, rows.x.dtype)
            found.append(task)
            inputs = model.eval().encode(inputs).mean
        return found


def layer(
    whole: Objective, encoder: Chain, decoder: Chain, below: Bottleneck | None, inputs: Tensor, *, top: bool
) -> tuple[Autoencoder, Likelihood]:
    """Return one layer and its mirror image as an autoencoder over the same modules, and the law of its inputs."""
    spec, outputs, likelihood = whole.model.spec, whole.model.outputs, whole.likelihood
    if below is not None:
        decoder, likelihood = law(decoder, below)
        outputs = tuple(inputs.shape[1:])
        spec = Spec(outputs, rows=spec.rows, provides=likelihood.requires | {"numbers", "continuous"})
    # Whether a code is narrow was judged by the whole, where its width is compared with the data's.
    spec = replace(spec, provides=spec.provides | {"narrow code"})
    if top:
        bottleneck, shape = whole.model.bottleneck, whole.model.code_shape
    else:
        encoder, bottleneck, behind = folded(encoder)
        decoder = Chain(*behind, *decoder)
        shape = tuple(encoder.eval()(inputs).shape[1:])
    model = Autoencoder(spec, _Pair(encoder, decoder, shape), bottleneck, shape[0], outputs, Noise(0))
    if top:
        model.memory = whole.model.memory
    return model, likelihood


def folded(encoder: Chain) -> tuple[Chain, Bottleneck, list[nn.Module]]:
    """Split a layer into what comes before its activation, the activation as a bottleneck, and dropout behind it."""
    layers = list(encoder)
    last = len(layers) - 1
    while last >= 0 and isinstance(layers[last], Dropout):
        last -= 1
    name = getattr(layers[last], "name", "") if last >= 0 else ""
    if name not in CODES:
        return encoder, Overcomplete(), []
    return Chain(*layers[:last]), CODES[name], layers[last + 1 :]


def law(decoder: Chain, below: Bottleneck) -> tuple[Chain, Likelihood]:
    """Return the likelihood of the codes below; where it has the logistic function itself, the decoder loses it."""
    if below != CODES["sigmoid"]:
        return decoder, Normal()
    layers = list(decoder)
    return (Chain(*layers[:-1]) if getattr(layers[-1], "name", "") == "sigmoid" else decoder), Bernoulli()


@torch.no_grad()
def codes(model: Autoencoder, rows: Rows) -> Rows:
    """Return the codes of rows as rows, without noise, with their weights and labels."""
    model.eval()
    index = torch.arange(len(rows), device=rows.x.device).split(CHUNK)
    found = [model.encode(model.stem(rows.take(part))).mean for part in index]
    return Rows(torch.cat(found), weight=rows.weight, y=rows.y)


@dataclass(frozen=True, repr=False)
class _Pair(Architecture):
    """Networks that exist already, in use in another model: nothing is built and no weight is drawn."""

    encoder: Chain
    decoder: Chain
    shape: Shape

    @property
    def provides(self) -> frozenset[str]:
        """One linear map is what the closed form of the contraction needs."""
        words = {"trainable weights", "input gradient", "code weights"}
        return frozenset(words | ({"linear encoder"} if self._linear() else set()))

    def code(self, inputs: Shape, units: int) -> Shape:
        return self.shape

    def build(self, inputs: Shape, features: Shape, code: Shape, outputs: Shape) -> tuple[Chain, Chain]:
        return self.encoder, self.decoder

    def reset(self, encoder: Chain, decoder: Chain, noise: Noise) -> None:
        """Keep the weights."""

    def filters(self, encoder: Chain) -> Tensor:
        return self._linear()[0].weight

    def atoms(self, decoder: Chain) -> Tensor:
        rows: Any = next(layer.atoms for layer in decoder.modules() if hasattr(layer, "atoms"))
        return cast("Tensor", rows)

    def _linear(self) -> list[Linear]:
        """Return the encoder's linear layer, if there is only that."""
        layers = [layer for layer in self.encoder if not isinstance(layer, (Reshape, Dropout))]
        return [layer for layer in layers if isinstance(layer, Linear)] if len(layers) == 1 else []
