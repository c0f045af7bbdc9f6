"""A linear autoencoder is PCA: from the exact start, after more training, from random starts, and under weight decay.

Data: scikit-learn's digits (1,797 x 64) and MNIST's training rows (60,000 x 784), pixels in [0, 1], k = 30 units,
all rows fitted (``validation=0``). The yardstick is the exact PCA of the same rows in float64; errors are summed
over pixels and averaged over rows.

* exact start: the weights that ``fit`` starts from, no step taken (Baldi & Hornik, 1989).
* 20 steps on: gradient descent over all rows from there. If the start were not the minimum, it would move.
* Adam, an epoch on: the same in mini-batches at the default rate, whose noise keeps the weights near the minimum
  only.
* random start: five seeds, weights drawn at random. ``Rectified(slope=1.0)`` is the identity written as an
  activation, which keeps ``Dense`` from starting at the principal axes. Digits: L-BFGS over all rows; MNIST: Adam in
  mini-batches of 256, rate 3e-3 falling to 0 along a cosine.
* weight decay: lambda/2 (||W1||^2 + ||W2||^2) beside half the squared error. Kunin et al. (2019, "Loss Landscapes of
  Regularized Linear Autoencoders"): the decoder's squared singular values are max(0, 1 - lambda / v_i) with v_i the
  i-th variance along PCA's axes; tied weights are counted once, so that lambda/2 stands in lambda's place. Here
  lambda is half the variance of the 30th axis (twice that where tied), so that the thirty directions are shortened
  by one half and less.

No choice was made on test rows: the statements are about the training rows themselves. On MNIST the 10,000 test
pictures are measured as well, because Hinton & Salakhutdinov (2006) print 13.87 for PCA there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from benchmarks import sets
from benchmarks.common import Bench, Column, Table
from isthmus import Autoencoder, Trainer
from isthmus.measures import PrincipalAxes, principal_axes
from isthmus.parts import L2, LBFGS, SGD, Adam, Cosine, Dense, Normal, Rectified, Undercomplete

UNITS = 30
SEEDS = (0, 1, 2, 3, 4)
CASES = ("exact start", "20 steps on", "Adam, an epoch on", "random start", "weight decay")

TABLE = Table(
    name="linear_pca",
    columns={
        "relative": Column("error / PCA's - 1", "{:.1e}", "worst"),
        "angle": Column("largest principal angle", "{:.1e}", "worst"),
        "law": Column("largest deviation from Kunin's law", "{:.1e}", "worst"),
        "error": Column("error per row", "{:.4f}"),
        "test": Column("on test rows", "{:.3f}"),
        "seeds": Column("seeds", "{:.0f}", "sum"),
        "cpu_minutes": Column("minutes", "{:.2f}", "sum"),
    },
    rows=tuple(f"{data}, {case}{tied}" for data in ("digits", "MNIST") for case in CASES for tied in ("", ", tied")),
    targets={
        f"{data}, {case}{tied}": text
        for data in ("digits", "MNIST")
        for tied in ("", ", tied")
        for case, text in {
            "exact start": "≤ 1e-6, angle < 1e-3",
            "20 steps on": "in place",
            "random start": "≤ 1e-4, five seeds",
            "weight decay": "Kunin's law",
        }.items()
    },
)


def trainer(data: str, case: str, quick: bool) -> Trainer:
    """Return how a case is trained."""
    large = data == "MNIST"
    if case == "exact start":
        return Trainer(epochs=0, validation=0, device="cpu")
    if case == "20 steps on":
        return Trainer(epochs=20, validation=0, batch_size=60_000, optimiser=SGD(1e-3), device="cpu")
    if case == "Adam, an epoch on":
        return Trainer(epochs=1, validation=0, device="cpu")
    if case == "random start" and large:
        epochs = 3 if quick else 30
        return Trainer(epochs=epochs, validation=0, batch_size=256, optimiser=Adam(Cosine(3e-3)), device="cpu")
    epochs = {(False, False): 40, (True, False): 3}.get((large, quick), 1 if large else 5)
    # In single precision the line search ends while the law is still a hundredth off.
    return Trainer(epochs=epochs, validation=0, optimiser=LBFGS(iterations=100), precision="float64", device="cpu")


def shrinkage(axes: PrincipalAxes) -> float:
    """Return the lambda of Kunin's law: half the variance along the last axis of the code."""
    return float(axes.variances[UNITS - 1]) / 2


def fitted(X: sets.Array, axes: PrincipalAxes, data: str, case: str, tied: bool, quick: bool, seed: int) -> Autoencoder:
    """Fit the linear autoencoder of one case."""
    return Autoencoder(
        UNITS,
        architecture=Dense(hidden=(), tied=tied),
        bottleneck=Rectified(slope=1.0) if case == "random start" else Undercomplete(),
        likelihood=Normal(),
        penalties=(L2((2 if tied else 1) * shrinkage(axes)),) if case == "weight decay" else (),
        trainer=trainer(data, case, quick),
        scaling="none",
        random_state=seed,
    ).fit(X)


def measured(model: Autoencoder, X: sets.Array, axes: PrincipalAxes, case: str) -> dict[str, Any]:
    """Compare a fitted model with PCA: error, subspace, and under weight decay the singular values."""
    from scipy.linalg import subspace_angles

    error = float(np.square(X - model.reconstruct(X)).sum(1).mean())
    net = model.objective_.model
    atoms = net.architecture.atoms(net.decoder).detach().double().numpy()
    if case == "weight decay":
        law = np.clip(1 - shrinkage(axes) / axes.variances[:UNITS], 0, None)
        return {"error": error, "law": float(np.abs(np.linalg.svd(atoms)[1] ** 2 - law).max())}
    angle = float(subspace_angles(atoms.T, axes.axes[:UNITS].T).max())
    return {"error": error, "relative": error / float(axes.errors(X, UNITS).mean()) - 1, "angle": angle}


def main(arguments: Sequence[str] | None = None) -> None:
    """Fit every case on both sets; weight decay and starts at random write a row per seed."""
    bench = Bench(TABLE, arguments, __doc__)
    for data in ("digits", "MNIST"):
        cases = [(case, tied) for case in CASES for tied in (False, True) if bench.wants(label(data, case, tied))]
        if not cases:
            continue
        X, test = load(data)
        axes = principal_axes(X)
        for case, tied in cases:
            for seed in bench.seeds(SEEDS if case == "random start" else SEEDS[:1]):
                setup = {"units": UNITS, "rows": len(X), "tied": tied, "trainer": trainer(data, case, bench.quick)}
                if case == "weight decay":
                    setup["lambda"] = shrinkage(axes)
                with bench.row(label(data, case, tied), setup, seed) as values:
                    model = fitted(X, axes, data, case, tied, bench.quick, seed)
                    values |= measured(model, X, axes, case) | {"seeds": 1}
                    if test is not None:
                        values["test"] = float(np.square(test - model.reconstruct(test)).sum(1).mean())


def label(data: str, case: str, tied: bool) -> str:
    """Return the name of a row."""
    return f"{data}, {case}{', tied' if tied else ''}"


def load(data: str) -> tuple[sets.Array, sets.Array | None]:
    """Return training and, where there are any, test rows in float64, so that all is measured in float64."""
    if data == "digits":
        return sets.digits().astype(np.float64), None
    return sets.mnist("train").astype(np.float64), sets.mnist("test").astype(np.float64)


if __name__ == "__main__":
    main()
