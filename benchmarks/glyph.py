"""Do explanations name what decides? A glyph is planted into MNIST, and the concept that shows it should be named.

A bright square of 4 x 4 pixels stands in the corner of a fifth of the pictures. *It decides*: the class is whether it
is there, whatever the digit. *It is correlated*: the class is whether the digit is 5 or more, which the picture tells,
and the square stands beside 30 % of one class and 10 % of the other. Concepts are a sparse dictionary of 64 units, 8
active in a row; relevances read the code, so that nothing passes by the concepts.

The glyph's concept is the unit whose activity best separates held-out pictures with and without it. *Named*: the share
of held-out pictures with the glyph in which no other concept adds more to the predicted class; *flips*: in which the
class changes when that concept is set to its median over pictures without glyph; and beside it the share whose class
changes when the glyph itself is erased from the picture. Robustness and fidelity were chosen on another draw of
pictures and glyphs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.metrics import roc_auc_score

from benchmarks import sets
from benchmarks.common import Bench, Column, Table
from isthmus import Autoencoder, SelfExplainingClassifier, Trainer
from isthmus.parts import Dense, Normal, TopK

ROWS, HELD_OUT, UNITS, ACTIVE = 20_000, 4000, 64, 8
DECIDES, CORRELATED = "the glyph decides", "the glyph is correlated"

TABLE = Table(
    "glyph",
    {
        "accuracy": Column("accuracy, %", "{:.2f}"),
        "auroc": Column("AUROC of the glyph's concept", "{:.3f}", "spread"),
        "named": Column("named, %", "{:.1f}", "spread"),
        "flips": Column("flips without the concept, %", "{:.1f}", "spread"),
        "erased": Column("flips without the glyph, %", "{:.1f}"),
        "seeds": Column("seeds", "{:.0f}", "sum"),
        "cpu_minutes": Column("CPU minutes", "{:.1f}"),
    },
    rows=[DECIDES, CORRELATED],
    targets={DECIDES: "named and flipped in ≥ 95 %, AUROC ≥ 0.95", CORRELATED: "not named"},
)


def stamped(pictures: sets.Array, where: sets.Array) -> sets.Array:
    """Return pictures with the square where it is asked for."""
    made = pictures.reshape(-1, 28, 28).copy()
    made[where, 2:6, 2:6] = 1.0
    return made.reshape(len(made), -1)


def planted(row: str, seed: int, rows: int) -> tuple[sets.Array, sets.Array, sets.Array, sets.Array]:
    """Return clean pictures, pictures with glyphs, which have one, and classes."""
    rng = np.random.default_rng(seed)
    chosen = rng.permutation(len(sets.mnist_labels("train")))[:rows]
    pictures, digits = sets.mnist("train")[chosen], sets.mnist_labels("train")[chosen]
    classes = (digits >= 5).astype(int)
    chance = np.full(len(chosen), 0.2) if row == DECIDES else np.where(classes == 1, 0.3, 0.1)
    there = rng.random(len(chosen)) < chance
    return pictures, stamped(pictures, there), there, there.astype(int) if row == DECIDES else classes


def measure(row: str, seed: int, quick: bool) -> dict[str, Any]:
    """Fit and look at the explanations of held-out pictures."""
    rows, held = (80, 24) if quick else (ROWS + HELD_OUT, HELD_OUT)
    clean, pictures, there, classes = planted(row, 1 + seed, rows)  # settings were chosen on the draw of 0
    train, test = slice(0, -held), slice(-held, None)
    trainer = Trainer(2 if quick else 15)
    dictionary = Autoencoder(
        UNITS,
        architecture=Dense(()),
        bottleneck=TopK(ACTIVE),
        likelihood=Normal(),
        scaling="none",
        trainer=trainer,
        random_state=seed,
    )
    model = SelfExplainingClassifier(
        dictionary, reads="code", robustness=1.0, fidelity=1.0, trainer=trainer, random_state=seed
    )
    model.fit(pictures[train], classes[train])
    codes, with_it = model.autoencoder_.transform(pictures[test]), there[test]
    found = np.array([roc_auc_score(with_it, unit) if np.ptp(unit) else 0.5 for unit in codes.T])
    unit = int(np.maximum(found, 1 - found).argmax())
    shown = pictures[test][with_it]
    told = model.explain(shown, probes=0)
    speaks = told.contributions[:, :-1, 1] - told.contributions[:, :-1, 0]
    speaks = speaks * np.where(told.predicted == 1, 1, -1)[:, None]
    without = model.intervene(shown, {unit: float(np.median(codes[~with_it, unit]))})
    erased = model.predict(clean[test][with_it]) != model.predict(shown)
    return {
        "accuracy": 100 * model.score(pictures[test], classes[test]),
        "auroc": float(max(found[unit], 1 - found[unit])),
        "named": 100 * float((speaks.argmax(1) == unit).mean()),
        "flips": 100 * float(without.flipped.mean()),
        "erased": 100 * float(erased.mean()),
        "seeds": 1,
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the rows that were asked for."""
    bench = Bench(TABLE, arguments, __doc__)
    for row in TABLE.rows:
        if bench.wants(row):
            for seed in bench.seeds((0, 1, 2)):
                with bench.row(row, {"units": UNITS, "active": ACTIVE}, seed) as values:
                    values |= measure(row, seed, bench.quick)


if __name__ == "__main__":
    main()
