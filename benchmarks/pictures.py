"""Dense, convolutional and denoising autoencoders on MNIST, beside the numbers that public tutorials print.

Data: 60,000 training pictures of 28 x 28 pixels in [0, 1]; the number is the cross-entropy per pixel on the 10,000
test pictures (nats per picture / 784), as Keras prints it. Tutorials: the Keras blog ("Building Autoencoders in
Keras": dense 784-32 about 0.09 to 0.093, convolutional 16-8-8 with a code of 128 numbers 0.094, 50 epochs) and
keras.io's "Convolutional autoencoder for image denoising" (32-32 channels, noise of sigma 0.4 clipped to [0, 1], 100
epochs, 0.0839 against the clean picture).

Every net has a rectified code, as there, and Adam with a rate of 3e-3 that falls to 0 along a cosine; of the dense
one 1e-3, since held-out pictures cost less so (2 or 3 of its units fall silent else). Levels are pooled in the
tutorial, and halved by strides where the row does not say so. Epochs are what the budget allows, and the weights are
those of the epoch with the least held-out loss: a tenth of the training pictures, the same noise at every look. Test
pictures are looked at once, after the fit; the denoising row draws its test noise from a fixed seed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks import sets
from benchmarks.common import Bench, Column, Table
from isthmus import Autoencoder, Trainer
from isthmus.parts import Adam, Bernoulli, Clean, Clipped, Conv, Cosine, Dense, GaussianNoise, Rectified

SIGMA = 0.4


@dataclass(frozen=True)
class Net:
    """One row: a network, its number of units, its epochs, and whether it removes noise."""

    architecture: Dense | Conv
    units: int
    epochs: int
    quick: int
    target: str
    noisy: bool = False
    rate: float = 3e-3


NETS = {
    "dense 784-32": Net(Dense(hidden=()), 32, 60, 10, "≤ 0.093", rate=1e-3),
    "convolutional 16-8-8": Net(Conv((16, 8, 8), head="direct", down="stride"), 8, 50, 4, "≤ 0.094"),
    "convolutional 16-8-8, pooled": Net(Conv((16, 8, 8), head="direct"), 8, 50, 2, "≤ 0.094"),
    "denoising 32-32": Net(Conv((32, 32), kernel=5, head="direct", down="stride"), 32, 30, 2, "≤ 0.0839", noisy=True),
}

TABLE = Table(
    name="pictures",
    columns={
        "test": Column("cross-entropy per pixel, test", "{:.4f}"),
        "held_out": Column("held-out", "{:.4f}"),
        "code": Column("numbers per code", "{:.0f}"),
        "parameters": Column("parameters", "{:,.0f}"),
        "epochs": Column("epochs", "{:.0f}"),
        "cpu_minutes": Column("minutes", "{:.1f}"),
    },
    rows=tuple(NETS),
    targets={name: net.target for name, net in NETS.items()},
)


def fitted(X: sets.Array, net: Net, epochs: int, seed: int = 0) -> Autoencoder:
    """Fit one network."""
    trainer = Trainer(epochs=epochs, batch_size=128, patience=0, optimiser=Adam(Cosine(net.rate)), device="cpu")
    return Autoencoder(
        net.units,
        architecture=net.architecture,
        bottleneck=Rectified(),
        corruption=Clipped(GaussianNoise(SIGMA)) if net.noisy else Clean(),
        likelihood=Bernoulli(),
        trainer=trainer,
        shape=(1, 28, 28),
        random_state=seed,
    ).fit(X)


def noisy(X: sets.Array) -> sets.Array:
    """Add the tutorial's noise, from a fixed seed."""
    noise = np.random.default_rng(0).normal(size=X.shape).astype(X.dtype)
    return np.clip(X + np.float32(SIGMA) * noise, 0, 1)


def cross_entropy(model: Autoencoder, seen: sets.Array, clean: sets.Array) -> float:
    """Return the mean over rows and pixels of the cross-entropy between clean pictures and what comes back of ``seen``.

    Probabilities are kept 1e-7 away from 0 and 1, as Keras does.
    """
    p = np.clip(model.reconstruct(seen).astype(np.float64), 1e-7, 1 - 1e-7)
    return float(-(clean * np.log(p) + (1 - clean) * np.log1p(-p)).mean())


def draw(model: Autoencoder, seen: sets.Array, clean: sets.Array, path: Path) -> None:
    """Draw what the model saw, what it made of it, and the clean picture, below each other."""
    import matplotlib.pyplot as plt

    rows = [part.reshape(-1, 28, 28) for part in (seen, model.reconstruct(seen), clean)]
    figure, axes = plt.subplots(3, len(seen), figsize=(len(seen) * 0.6, 1.9), dpi=110)
    for line, pictures in zip(axes, rows, strict=True):
        for axis, picture in zip(line, pictures, strict=True):
            axis.imshow(picture, cmap="gray", vmin=0, vmax=1)
            axis.set_axis_off()
    figure.subplots_adjust(0.005, 0.01, 0.995, 0.99, 0.05, 0.05)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)
    plt.close(figure)


def main(arguments: Sequence[str] | None = None) -> None:
    """Fit every network, write its row, and draw some test pictures."""
    bench = Bench(TABLE, arguments, __doc__)
    X, test = sets.mnist("train"), sets.mnist("test")
    for name, net in NETS.items():
        for seed in bench.seeds((0,)) if bench.wants(name) else ():
            epochs = net.quick if bench.quick else net.epochs
            setup = {"architecture": net.architecture, "epochs": epochs, "batch": 128, "noisy": net.noisy}
            setup["rate"] = net.rate
            with bench.row(name, setup, seed) as values:
                model = fitted(X, net, epochs, seed)
                seen = noisy(test) if net.noisy else test
                values["test"] = cross_entropy(model, seen, test)
                values["held_out"] = min(model.history_.curve(part="held_out")) / X.shape[1]
                values |= {"code": model.transform(test[:1]).shape[1], "epochs": model.n_iter_}
                values["parameters"] = sum(p.numel() for p in model.objective_.model.parameters())
            draw(model, seen[:12], test[:12], bench.pictures / f"{name.replace(' ', '-').replace(',', '')}.png")


if __name__ == "__main__":
    main()
