"""Sparse autoencoders of natural patches: is our optimiser as good as the one that trained the public nets?

Data: 5,000 grey patches of 10 x 10 pixels from the R package ``autoencoder`` (Dubossarsky & Tyshetskiy, 2015),
rescaled to [0.001, 0.999] as there. Model: one layer of logistic units each way, 25 or 100 of them (Ng, 2011,
CS294A). Objective, over all rows at once:

    J = 1/2 mean_i ||x_i - x^_i||^2 + lambda/2 (||W1||^2 + ||W2||^2) + beta sum_j KL(rho || mean_i h_ij)

with lambda 2e-4, beta 6 and rho 0.01. The package's own nets have J = 2.2457 (25 units) and 2.0265 (100 units).

Nothing is chosen on other rows, as J itself is the question: L-BFGS runs until its iterations are spent. J is
measured on the fitted model's codes, reconstructions and weights in float64, and not read from the training loss;
that loss is larger by the constant 100 log(2 pi) / 2 of the normal density.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks import sets
from benchmarks.common import Bench, Column, Table
from isthmus import Autoencoder, Trainer
from isthmus.parts import L2, LBFGS, ActivationRate, Dense, Normal, Sigmoid

BETA, RHO, DECAY = 6.0, 0.01, 2e-4
REFERENCE = {25: 2.2457, 100: 2.0265}
SEEDS = (0, 1, 2)

TABLE = Table(
    name="sparse_patches",
    columns={
        "objective": Column("J", "{:.4f}", "spread"),
        "error": Column("1/2 squared error", "{:.4f}"),
        "decay": Column("decay", "{:.4f}"),
        "sparsity": Column("sparsity", "{:.4f}"),
        "iterations": Column("iterations", "{:.0f}"),
        "cpu_minutes": Column("minutes per net", "{:.1f}"),
    },
    rows=("25 units", "100 units"),
    targets={"25 units": "≤ 2.2457", "100 units": "≤ 2.0265"},
)


def objective(model: Autoencoder, X: sets.Array) -> dict[str, float]:
    """Measure J and its three terms from codes, reconstructions and weights."""
    error = np.square(X - model.reconstruct(X)).sum(1).mean() / 2
    net = model.objective_.model
    weights = (net.architecture.filters(net.encoder), net.architecture.atoms(net.decoder))
    decay = DECAY / 2 * sum(float(w.detach().double().square().sum()) for w in weights)
    rate = model.transform(X).mean(0)
    divergence = RHO * np.log(RHO / rate) + (1 - RHO) * np.log((1 - RHO) / (1 - rate))
    sparsity = BETA * float(divergence.sum())
    return {"objective": float(error) + decay + sparsity, "error": float(error), "decay": decay, "sparsity": sparsity}


def fitted(X: sets.Array, units: int, epochs: int, seed: int) -> Autoencoder:
    """Fit one net: an epoch is 100 iterations of L-BFGS over all rows."""
    trainer = Trainer(
        epochs=epochs, validation=0, optimiser=LBFGS(iterations=100, history=50), precision="float64", device="cpu"
    )
    return Autoencoder(
        units,
        architecture=Dense(hidden=()),
        bottleneck=Sigmoid(),
        likelihood=Normal(link="logistic"),
        penalties=(ActivationRate(BETA, rho=RHO), L2(DECAY)),
        trainer=trainer,
        scaling="none",
        random_state=seed,
    ).fit(X)


def draw(model: Autoencoder, path: Path) -> None:
    """Draw what each unit looks for, w / ||w|| (Ng, 2011), as a square of squares."""
    import matplotlib.pyplot as plt

    net = model.objective_.model
    filters = net.architecture.filters(net.encoder).detach().numpy()
    side = round(len(filters) ** 0.5)
    figure, axes = plt.subplots(side, side, figsize=(4, 4), dpi=110)
    for axis, filter_ in zip(axes.flat, filters, strict=True):
        reach = np.abs(filter_).max()
        axis.imshow(filter_.reshape(10, 10), cmap="gray", vmin=-reach, vmax=reach)
        axis.set_axis_off()
    figure.subplots_adjust(0.01, 0.01, 0.99, 0.99, 0.08, 0.08)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)
    plt.close(figure)


def main(arguments: Sequence[str] | None = None) -> None:
    """Fit every net, write its row, and draw the filters of the first seed."""
    bench = Bench(TABLE, arguments, __doc__)
    patches = sets.natural_patches().astype(np.float64)
    X = 0.001 + 0.998 * (patches - patches.min()) / (patches.max() - patches.min())
    epochs = 6 if bench.quick else 40
    for seed in bench.seeds(SEEDS):
        for row, units in [pair for pair in zip(TABLE.rows, REFERENCE, strict=True) if bench.wants(pair[0])]:
            setup = {"rho": RHO, "beta": BETA, "lambda": DECAY, "iterations": 100 * epochs, "rows": len(X)}
            with bench.row(row, setup, seed) as values:
                model = fitted(X, units, epochs, seed)
                values |= objective(model, X) | {"iterations": 100 * epochs, "reference": REFERENCE[units]}
            if seed == SEEDS[0]:
                draw(model, bench.pictures / f"sparse-patches-{units}.png")


if __name__ == "__main__":
    main()
