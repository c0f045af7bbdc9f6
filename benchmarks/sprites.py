"""Codes of sprites beside the factors that drew them: plain and variational autoencoders, PCA and FastICA.

Data: dSprites-like pictures, halved to 32 x 32: shape, scale, angle, and place in two directions. Ten units, means of
the posterior; MIG, SAP, D and C as ``isthmus.measures`` defines them, on rows held out. Nothing is tuned: beta
is given, the networks are the recipes'. Medians over seeds are what can be compared, and the spread says how little.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from benchmarks import sets
from benchmarks.common import Bench, Column, Table
from isthmus import Trainer, measures, recipes
from isthmus.bench.dictionaries import METHODS, unfinished
from isthmus.bench.pictures import sprites
from isthmus.bench.planted import Known
from isthmus.parts import Bernoulli

SEEDS = (0, 1, 2)
UNITS = 10
BETAS = {"variational": 1.0, "beta 4": 4.0, "beta 16": 16.0}

TABLE = Table(
    name="sprites",
    columns={
        "mig": Column("MIG", "{:.3f}", "spread"),
        "sap": Column("SAP", "{:.3f}", "spread"),
        "disentanglement": Column("D", "{:.3f}"),
        "completeness": Column("C", "{:.3f}"),
        "informativeness": Column("informativeness", "{:.3f}"),
        "explained": Column("explained variance", "{:.3f}"),
        "active": Column("active units", "{:.1f}"),
        "minutes": Column("minutes", "{:.1f}"),
    },
    rows=("PCA", "FastICA", "plain", *BETAS),
    targets={"variational": "MIG above plain's", "beta 4": "MIG above variational's"},
)


def coded(row: str, known: Known, epochs: int, seed: int) -> tuple[sets.Array, sets.Array]:
    """Return the codes of the rows held out, and these rows as they came back."""
    if row in METHODS:
        with unfinished():
            fitted = METHODS[row](known.X, UNITS, UNITS, seed)
        codes = fitted.encode(known.held_out)
        return codes, fitted.decode(codes)
    trainer = Trainer(epochs=epochs)
    if row == "plain":
        model = recipes.plain(UNITS, trainer=trainer, random_state=seed).set_params(likelihood=Bernoulli())
    else:
        beta = BETAS[row]
        model = recipes.variational(UNITS, beta=beta, likelihood=Bernoulli(), trainer=trainer, random_state=seed)
    model.fit(known.X)
    return model.transform(known.held_out), model.reconstruct(known.held_out)


def main(arguments: Sequence[str] | None = None) -> None:
    """Fit every model on every seed's rows, and measure its code."""
    bench = Bench(TABLE, arguments, __doc__)
    rows, epochs = ((240, 120), 2) if bench.quick else ((40_000, 10_000), 30)
    for seed in bench.seeds(SEEDS):
        known = sprites(seed, path=sets.sprites(), rows=rows)
        for row in filter(bench.wants, TABLE.rows):
            setup = {"units": UNITS, "rows": rows, "epochs": epochs, "beta": BETAS.get(row)}
            with bench.row(row, setup, seed) as values:
                codes, back = coded(row, known, epochs, seed)
                dci = measures.dci(codes, known.factors)
                values |= {"disentanglement": dci.disentanglement, "completeness": dci.completeness}
                values["informativeness"] = dci.informativeness
                values["mig"] = measures.mig(codes, known.factors)
                values["sap"] = measures.sap(codes, known.factors, known.categorical)
                values["explained"] = measures.explained_variance(known.held_out, back)
                values["active"] = int(np.sum(measures.active_units(codes)))


if __name__ == "__main__":
    main()
