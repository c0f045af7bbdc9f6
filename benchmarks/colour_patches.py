"""Colour patches of photographs: a convolutional autoencoder and the default one beside PCA at equal code size.

Data: patches of 3 x 16 x 16 from the two photographs that scikit-learn carries (427 x 640 pixels, values in [0, 1]).
20,000 training patches come from the left two thirds of both, 5,000 test patches from the right third, so that no
pixel is in both. A code has 48 numbers for 768. Errors are squared, summed over a patch and averaged over patches;
PCA is fitted on all training patches. Nothing was tuned: the default net is ``Autoencoder(48)``, the convolutional
one has 32 and 64 channels, halved by strides. Held-out training patches choose the epoch.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks import sets
from benchmarks.common import Bench, Column, Table
from isthmus import Autoencoder, Trainer
from isthmus.measures import principal_axes, squared_error
from isthmus.parts import Adam, Conv, Cosine, Normal

UNITS, SIDE = 48, 16
ROWS = ("convolutional 32-64", "default net")

TABLE = Table(
    name="colour_patches",
    columns={
        "error": Column("squared error per patch", "{:.3f}"),
        "pca": Column("PCA", "{:.3f}"),
        "gain": Column("below PCA by", "{:+.1f} %"),
        "better": Column("seeds that beat PCA", over_seeds="count"),
        "epochs": Column("epochs", "{:.0f}"),
        "cpu_minutes": Column("minutes", "{:.1f}"),
    },
    rows=ROWS,
)


def patches(photographs: Sequence[sets.Array], rows: int, left: bool, generator: np.random.Generator) -> sets.Array:
    """Cut patches at random places of the left two thirds, or of the right third, of every photograph."""
    found = []
    for i in range(rows):
        photograph = photographs[i % len(photographs)]
        _, height, width = photograph.shape
        border = 2 * width // 3
        low, high = (0, border - SIDE) if left else (border, width - SIDE)
        y, x = generator.integers(0, height - SIDE + 1), generator.integers(low, high + 1)
        found.append(photograph[:, y : y + SIDE, x : x + SIDE])
    return np.stack(found)


def fitted(X: sets.Array, row: str, quick: bool, seed: int) -> Autoencoder:
    """Fit the net of one row."""
    if row == "default net":
        return Autoencoder(UNITS, trainer=Trainer(epochs=3) if quick else None, random_state=seed).fit(X)
    epochs = 3 if quick else 40
    trainer = Trainer(epochs=epochs, patience=0, batch_size=128, optimiser=Adam(Cosine(2e-3)))
    net = Conv((32, 64), down="stride", activation="gelu")
    return Autoencoder(UNITS, architecture=net, likelihood=Normal(), trainer=trainer, random_state=seed).fit(X)


def draw(test: sets.Array, versions: Sequence[sets.Array], path: Path) -> None:
    """Draw test patches above what came back from each model."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1 + len(versions), len(test), figsize=(len(test) * 0.6, 0.62 * (1 + len(versions))))
    for line, pictures in zip(axes, (test, *versions), strict=True):
        for axis, picture in zip(line, pictures, strict=True):
            axis.imshow(np.clip(picture, 0, 1).transpose(1, 2, 0))
            axis.set_axis_off()
    figure.subplots_adjust(0.005, 0.01, 0.995, 0.99, 0.05, 0.05)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def main(arguments: Sequence[str] | None = None) -> None:
    """Fit both nets, write their rows, and draw some test patches with PCA's version and theirs."""
    bench = Bench(TABLE, arguments, __doc__)
    photographs, generator = sets.photographs(), np.random.default_rng(0)
    count = (500, 100) if bench.quick else (20_000, 5_000)
    X, test = (patches(photographs, n, left, generator) for n, left in zip(count, (True, False), strict=True))
    axes = principal_axes(X)
    pca = float(axes.errors(test, UNITS).mean())
    centred = test[:12].reshape(12, -1) - axes.centre
    versions = [(centred @ axes.axes[:UNITS].T @ axes.axes[:UNITS] + axes.centre).reshape(12, 3, SIDE, SIDE)]
    for row in filter(bench.wants, ROWS):
        for seed in bench.seeds((0,)):
            with bench.row(row, {"units": UNITS, "rows": count[0]}, seed) as values:
                model = fitted(X, row, bench.quick, seed)
                error = float(squared_error(test, model.reconstruct(test)).mean())
                values |= {"error": error, "pca": pca, "gain": 100 * (1 - error / pca), "better": error < pca}
                values["epochs"] = model.n_iter_
        versions.append(model.reconstruct(test[:12]))
    if len(versions) == 1 + len(ROWS):
        draw(test[:12], versions, bench.pictures / "colour-patches.png")


if __name__ == "__main__":
    main()
