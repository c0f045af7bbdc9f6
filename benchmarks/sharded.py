"""What a fit holds in memory, per process: on processes that each hold the whole model, and divided among them.

Metric: resident memory of the fit in multiples of the bytes of the weights, as the system counts it: ``rest`` at the
start of a step, the median over steps, of the process that holds most; ``peak`` the most that it ever was, of the first
process, which writes the checkpoint, and of the others. The net is 784-4096-2048-64 and back (23 million weights,
90 MiB), a step takes 128 rows, and Adam keeps two moments. Beside weights, gradient and moments a fit keeps the state
of the last good epoch and the best weights. Workers are told to give freed memory back to the system at once
(``MALLOC_MMAP_THRESHOLD_``), so that what is counted is what is held.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from unittest.mock import patch

import numpy as np

from benchmarks.common import Bench, Column, Table
from benchmarks.watching import Weighed
from isthmus import Autoencoder, Trainer
from isthmus.parts import Dense, Normal
from isthmus.training.distributed import Devices

HIDDEN, WIDTH, EPOCHS, ROWS = (4096, 2048), 784, 3, 1024
WAYS = {
    "2 processes": (2, "explicit"),
    "2 processes, by autograd": (2, "autograd"),
    "2 processes, divided": (2, "sharded"),
    "4 processes, divided": (4, "sharded"),
}

TABLE = Table(
    name="sharded",
    columns={
        "rest": Column("at rest, × weights", "{:.1f}"),
        "others": Column("peak, × weights", "{:.1f}"),
        "first": Column("peak of the first, × weights", "{:.1f}"),
        "loss": Column("loss", "{:.4f}"),
        "minutes": Column("minutes", "{:.1f}", "sum"),
    },
    rows=tuple(WAYS),
)


def measured(count: int, engine: str, rows: int, epochs: int, hidden: tuple[int, ...]) -> dict[str, float]:
    """Fit in one way and return what was held."""
    x = np.random.default_rng(0).normal(size=(rows, WIDTH)).astype(np.float32)
    trainer = Trainer(epochs, batch_size=128, engine=engine, device="cpu")
    model = Autoencoder(64, architecture=Dense(hidden), likelihood=Normal(), trainer=trainer, random_state=0)
    at_once = {"MALLOC_MMAP_THRESHOLD_": str(1 << 20)}
    with tempfile.TemporaryDirectory() as name, patch.dict(os.environ, at_once):
        model.fit(x, devices=Devices(count, threads=1), callbacks=[Weighed(Path(name))])
        found = {int(path.name.split(".")[0]): [*map(float, path.read_text().split())] for path in Path(name).iterdir()}
    weights = sum(p.numel() * p.element_size() for p in model.objective_.parameters())
    others = max(peak for rank, (_, peak) in found.items() if rank or len(found) == 1)
    rest = max(rest for rest, _ in found.values())
    loss = model.history_[-1]["train"]["loss"]
    return {"rest": rest / weights, "others": others / weights, "first": found[0][1] / weights, "loss": loss}


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure the rows asked for."""
    bench = Bench(TABLE, arguments, __doc__)
    hidden, epochs = ((1024, 512), 2) if bench.quick else (HIDDEN, EPOCHS)
    for name, (count, engine) in WAYS.items():
        if bench.wants(name):
            with bench.row(name, {"rows": ROWS, "epochs": epochs, "hidden": hidden}) as found:
                found |= measured(count, engine, ROWS, epochs, hidden)


if __name__ == "__main__":
    main()
