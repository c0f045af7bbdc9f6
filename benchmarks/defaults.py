"""Default settings, no tuning: is the held-out error below PCA's at equal code size?

``Autoencoder(k, random_state=seed)`` and nothing else, beside PCA of the same size. Digits, Olivetti faces, natural
patches and breast cancer are split 80/20 (Olivetti 300/100) at random, anew for every seed; MNIST has its own 10,000
test pictures. Errors are squared, summed over variables, averaged over test rows, in the data's own units (pixels in
[0, 1]). PCA is fitted on all training rows, those too that our fit holds out to choose its weights. Breast cancer is
measured raw, where three wide columns are nearly all of the variance, and standardised by the training rows' means
and deviations.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks import sets
from benchmarks.common import Bench, Column, Table
from isthmus import Autoencoder, Trainer
from isthmus.measures import pca_error, squared_error


@dataclass(frozen=True)
class Case:
    """A set, the size of its codes, and how many seeds are run."""

    load: Callable[[], sets.Array]
    units: int
    seeds: int = 5
    held: float = 0.2
    standardised: bool = False
    test: Callable[[], sets.Array] | None = None


CASES = {
    "digits": Case(sets.digits, 10),
    "MNIST": Case(lambda: sets.mnist("train"), 32, seeds=3, test=lambda: sets.mnist("test")),
    "Olivetti faces": Case(sets.olivetti, 30, held=0.25),
    "natural patches": Case(sets.natural_patches, 25),
    "breast cancer": Case(sets.breast_cancer, 5),
    "breast cancer, standardised": Case(sets.breast_cancer, 5, standardised=True),
}

TABLE = Table(
    name="defaults",
    columns={
        "units": Column("k", "{:.0f}"),
        "error": Column("held-out squared error", "{:.4g}"),
        "pca": Column("PCA's", "{:.4g}"),
        "gain": Column("below PCA by", "{:+.1f} %", "spread"),
        "better": Column("seeds that beat PCA", over_seeds="count"),
        "epochs": Column("epochs", "{:.0f}"),
        "cpu_minutes": Column("minutes per fit", "{:.2f}"),
    },
    rows=tuple(CASES),
    targets=dict.fromkeys(CASES, "below PCA"),
)


def split(case: Case, seed: int) -> tuple[sets.Array, sets.Array]:
    """Return training and test rows of one seed."""
    X = case.load()
    if case.test is not None:
        return X, case.test()
    order = np.random.default_rng(seed).permutation(len(X))
    held = round(case.held * len(X))
    train, test = X[order[held:]], X[order[:held]]
    if case.standardised:
        mean, deviation = train.mean(0), train.std(0)
        train, test = (train - mean) / deviation, (test - mean) / deviation
    return train, test


def main(arguments: Sequence[str] | None = None) -> None:
    """Fit the default autoencoder on every set and seed."""
    bench = Bench(TABLE, arguments, __doc__)
    trainer = Trainer(epochs=10) if bench.quick else None
    for name, case in CASES.items():
        for seed in bench.seeds(range(case.seeds)) if bench.wants(name) else ():
            train, test = split(case, seed)
            with bench.row(name, {"units": case.units, "rows": len(train), "test rows": len(test)}, seed) as values:
                model = Autoencoder(case.units, trainer=trainer, random_state=seed).fit(train)
                error = float(squared_error(test, model.reconstruct(test)).mean())
                pca = pca_error(train, test, case.units)
                values |= {"units": case.units, "error": error, "pca": pca, "gain": 100 * (1 - error / pca)}
                values |= {"better": error < pca * (1 - 1e-4), "epochs": model.n_iter_, "parts": model.parts_}


if __name__ == "__main__":
    main()
