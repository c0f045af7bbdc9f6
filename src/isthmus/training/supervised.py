"""Supervised fine-tuning: a linear classifier on the code, trained through the encoder."""

from __future__ import annotations

import math
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from isthmus.catalogue import to_dict
from isthmus.corruption import Clean, Corruption
from isthmus.layers import Linear, weights
from isthmus.model import Autoencoder
from isthmus.noise import Noise
from isthmus.objective import Objective, Task, noting
from isthmus.records import Batch, Corrupted, Tallies, Terms


class FineTuning(Task):
    """``-log softmax(W h + b)_y`` with h the mean code of the row: a classifier that starts from an autoencoder.

    Labels are ``batch.y``, whole numbers from 0 to ``classes - 1``. The weights are chosen by the held-out error rate,
    which the history has as ``measured``, and among equal ones by the loss. With a trainer that pretrains, the layers
    are pretrained first: stacked autoencoders in one fit (Bengio et al., 2007; Vincent et al., 2010).

    Args:
        objective: the autoencoder; its encoder is trained in place, its decoder is not used.
        classes: number of classes.
        corruption: how inputs are damaged while fitting; None is Clean().
        l2: weight of ``1/2 ||W||^2`` over the encoder's weights and the classifier's.
        frozen: leave the encoder as it is, in use and not in training, and fit the classifier only.

    Terms, in nats: ``cross_entropy`` (rows,), and ``l2`` where it has a weight.

    Raises:
        ValueError: fewer than two classes, or rows without labels from 0 to ``classes - 1``.
    """

    def __init__(
        self,
        objective: Objective,
        classes: int,
        *,
        corruption: Corruption | None = None,
        l2: float = 0.0,
        frozen: bool = False,
    ) -> None:
        """Put a classifier of zero weights on the code."""
        super().__init__()
        if classes < 2:
            raise ValueError(f"classes={classes} leaves nothing to tell apart; give two or more")
        self.objective, self.classes, self.l2, self.frozen = objective, classes, l2, frozen
        self.corruption = corruption if corruption is not None else Clean()
        self.memories = nn.ModuleDict({"corruption": self.corruption.memory(self.model.spec, self.model.code_shape)})
        self.head = Linear(math.prod(self.model.code_shape), classes, init="zeros")

    @property
    def model(self) -> Autoencoder:
        """The autoencoder whose encoder is trained."""
        return self.objective.model

    def _trained(self) -> list[nn.Module]:
        return [self.head] if self.frozen else [self.model.encoder, self.model.memory, self.head]

    def trained(self) -> list[nn.Parameter]:
        """Return the parameters of the encoder and the classifier."""
        return [p for module in self._trained() for p in module.parameters() if p.requires_grad]

    def train(self, mode: bool = True) -> Self:
        """Switch to fitting; a frozen encoder stays in use."""
        super().train(mode)
        if self.frozen:
            self.objective.eval()
        return self

    def start(self, sample: Batch) -> None:
        """Check the labels and let the corruption look at the rows."""
        y = _labels(sample)
        low, high = int(y.min()), int(y.max())
        if low < 0 or high >= self.classes:
            raise ValueError(f"labels run from {low} to {high}, but classes={self.classes}; number them from 0 up")
        self.corruption.start(self, sample)

    def logits(self, batch: Batch | Corrupted, noise: Noise | None = None) -> Tensor:
        """Return the logarithm of each class's probability up to a constant, (rows, classes)."""
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.frozen):
            code = self.model.encode(self.model.stem(batch), noise).mean.flatten(1)
        scores: Tensor = self.head(code)
        return scores.to(self.head.weight.dtype)

    def forward(self, batch: Batch, noise: Noise | None, epoch: float) -> tuple[Terms, Tallies]:
        """Return the cross-entropy and the penalty on weights."""
        y = _labels(batch)
        seen: Batch | Corrupted = batch
        if noise is not None and self.training:
            corruption = self.corruption.over(self.epochs).at(epoch)
            seen = corruption(batch, noise, self.memories["corruption"])  # type: ignore[arg-type]
        terms = {"cross_entropy": F.cross_entropy(self.logits(seen, noise), y, reduction="none")}
        if self.l2:
            squares = [w.square().sum() for module in self._trained() for w in weights(module)]
            terms["l2"] = self.l2 / 2 * torch.stack(squares).sum()
        layers = {} if self.frozen else noting(self.model.encoder)
        return terms, {name: sums for name, layer in layers.items() if (sums := layer.tally())}

    @torch.no_grad()
    def learn(self, tallies: Tallies) -> None:
        """Fold the sums into the encoder's layers."""
        layers = noting(self.model.encoder)
        for name, sums in tallies.items():
            layers[name].learn(sums)

    def measure(self, batch: Batch) -> Terms:
        """Return whether each row is put into a wrong class."""
        wrong = self.logits(batch).argmax(1) != _labels(batch)
        return {"error": wrong.to(batch.x.dtype)}

    def verdict(self, found: dict[str, float]) -> list[float]:
        """Judge by the error rate, then by the loss."""
        return [found["error"], found["loss"]]

    def describe(self) -> dict[str, Any]:
        """Return the autoencoder's parts and the settings."""
        own = {
            "corruption": to_dict(self.corruption.over(self.epochs)),
            "l2": self.l2,
            "frozen": self.frozen,
            "classes": self.classes,
        }
        return self.objective.describe() | {"fine_tuning": own}

    def unsupervised(self) -> Objective:
        """Return the autoencoder's objective."""
        return self.objective


def _labels(batch: Batch) -> Tensor:
    if batch.y is None:
        raise ValueError("fine-tuning needs labels; give them as y, whole numbers from 0 up")
    return batch.y
