"""What does robustness cost in a step? Whole epochs with the penalty and without, interleaved, on made-up pictures.

The penalty is one more backward pass through the relevance network, and a second derivative, whatever the number of
classes and concepts; a Jacobian written out takes a pass for each of them (``passes``). Twenty concepts, ten classes,
batches of 128; the ratio is that of the medians of five rounds.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np

from benchmarks.common import Bench, Column, Table
from isthmus import Autoencoder, SelfExplainingClassifier, Trainer
from isthmus.architecture import Architecture
from isthmus.parts import Conv, Dense, Normal

CONCEPTS, CLASSES, BATCH, STEPS = 20, 10, 128, 20
NETS: dict[str, tuple[Architecture, Architecture]] = {
    "dense, 784-512-256-20": (Dense((512, 256), "silu"), Dense((128, 64), "silu")),
    "dense, both nets alike": (Dense((512, 256), "silu"), Dense((512, 256), "silu")),
    "strided convolutions, 32 and 64": (
        Conv((32, 64), kernel=5, down="stride", activation="silu"),
        Conv((16, 32), down="stride", activation="silu"),
    ),
    "pooled convolutions, both nets alike": (Conv((8, 16), activation="silu"), Conv((8, 16), activation="silu")),
}

TABLE = Table(
    "self_explaining_step",
    {
        "without": Column("ms without", "{:.1f}"),
        "with": Column("ms with", "{:.1f}"),
        "ratio": Column("ratio", "{:.2f}"),
        "passes": Column("passes that it saves", "{:.0f}"),
    },
    rows=list(NETS),
    targets=dict.fromkeys(NETS, "≤ 2"),
)


def seconds(nets: tuple[Architecture, Architecture], weight: float, steps: int) -> float:
    """Return the seconds of a step, of an epoch behind the first."""
    rng = np.random.default_rng(0)
    X, y = rng.random((BATCH * steps, 28, 28), np.float32), np.arange(BATCH * steps) % CLASSES
    concepts = Autoencoder(
        CONCEPTS,
        architecture=nets[0],
        likelihood=Normal(),
        scaling="none",
        trainer=Trainer(epochs=0),
        random_state=0,
    )
    trainer = Trainer(2, batch_size=BATCH, validation=0.0)
    model = SelfExplainingClassifier(
        concepts, relevances=nets[1], robustness=weight, trainer=trainer, random_state=0
    ).fit(X, y)
    return float(model.history_[-1]["seconds"]) / steps


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the rows that were asked for."""
    bench = Bench(TABLE, arguments, __doc__)
    rounds, steps = (1, 2) if bench.quick else (5, STEPS)
    for name, nets in NETS.items():
        if not bench.wants(name):
            continue
        with bench.row(name, {"rounds": rounds, "steps": steps}) as values, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = np.array([[seconds(nets, weight, steps) for weight in (0.0, 1.0)] for _ in range(rounds)])
            without, with_it = np.median(found, axis=0)
            values |= {
                "without": 1e3 * without,
                "with": 1e3 * with_it,
                "ratio": with_it / without,
                "passes": CLASSES + CONCEPTS - 1,
            }


if __name__ == "__main__":
    main()
