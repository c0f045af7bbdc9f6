"""The nets of the works as torch modules, for everybody who trains torch modules."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional as F


def widths(work: dict, inputs: int) -> tuple[list[int], list[int]]:
    """Return the widths of the encoder and of the decoder, its mirror image."""
    up = [inputs, *work["hidden"], work["code"]]
    return up, up[::-1]


def chain(sizes: list[int], double: bool = False) -> nn.Sequential:
    """Return linear layers with ReLU between them; ``double`` for a mean and a log-variance."""
    layers: list[nn.Module] = []
    for place, (a, b) in enumerate(pairwise(sizes)):
        last = place == len(sizes) - 2
        layers += [nn.Linear(a, 2 * b if last and double else b), *([] if last else [nn.ReLU()])]
    return nn.Sequential(*layers)


class Dense(nn.Module):
    """A dense autoencoder; what comes out is a logit, or a mean."""

    def __init__(self, work: dict, inputs: int) -> None:
        super().__init__()
        up, down = widths(work, inputs)
        self.encoder, self.decoder = chain(up), chain(down)

    def forward(self, x):
        return self.decoder(self.encoder(x))


class Variational(nn.Module):
    """A dense variational autoencoder; its loss is the bound, drawn once per row."""

    def __init__(self, work: dict, inputs: int) -> None:
        super().__init__()
        up, down = widths(work, inputs)
        self.encoder, self.decoder = chain(up, double=True), chain(down)

    def forward(self, x):
        return self.decoder(self.encoder(x).chunk(2, 1)[0])

    def bound(self, x):
        """Return the negative bound, summed over pixels and averaged over rows."""
        mean, log = self.encoder(x).chunk(2, 1)
        output = self.decoder(mean + torch.randn_like(mean) * (0.5 * log).exp())
        kl = -0.5 * (1 + log - mean.square() - log.exp()).sum()
        return (F.binary_cross_entropy_with_logits(output, x, reduction="sum") + kl) / len(x)


class Convolutional(nn.Module):
    """16-8-8 with pooling: 28, 14, 7, 4 and back, 128 numbers per code; rows are flat."""

    def __init__(self, work: dict, inputs: int) -> None:
        super().__init__()

        def down(a: int, b: int) -> list[nn.Module]:
            return [nn.Conv2d(a, b, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2, ceil_mode=True)]

        def up(a: int, b: int, padding: int = 1) -> list[nn.Module]:
            return [nn.Conv2d(a, b, 3, padding=padding), nn.ReLU(), nn.Upsample(scale_factor=2)]

        last = nn.Conv2d(16, 1, 3, padding=1)
        self.net = nn.Sequential(*down(1, 16), *down(16, 8), *down(8, 8), *up(8, 8), *up(8, 8), *up(8, 16, 0), last)

    def forward(self, x):
        return self.net(x.reshape(-1, 1, 28, 28)).flatten(1)


def net(work: dict, inputs: int) -> nn.Module:
    """Return the net of a work."""
    return {"dense": Dense, "variational": Variational, "convolutional": Convolutional}[work["net"]](work, inputs)


def cost(work: dict):
    """Return the loss of (output, x): the mean over entries, whose gradient Adam does not tell from the sum's."""
    return F.mse_loss if work["loss"] == "squared error" else F.binary_cross_entropy_with_logits


def step_loss(work: dict, model: nn.Module, x):
    """Return the loss of one batch."""
    return model.bound(x) if work["net"] == "variational" else cost(work)(model(x), x)


@torch.no_grad()
def expected(work: dict, model: nn.Module, x):
    """Return expected values of rows, as an array."""
    output = model(torch.from_numpy(x).to(next(model.parameters()).device))
    return (output if work["loss"] == "squared error" else output.sigmoid()).cpu().numpy()
