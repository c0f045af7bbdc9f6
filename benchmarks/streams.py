"""Training on rows that stay on disk, beside the same rows in memory: MNIST through 784-164-10, batches of 256.

Metric: rows per second of an epoch, the median over epochs, beside that of rows in memory measured in the same round;
fits take turns, so that a busy machine slows both alike, and rows in memory beside themselves say how much is chance.
Files are read from the system's cache: the disk is not measured, the way through blocks, scaling and shuffle is.
A window is 64 MiB, so that the 179 MiB of MNIST are three windows; Parquet has row groups of 4,000 rows, as 784 columns
or as one column of vectors.
"""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks import sets
from benchmarks.common import Bench, Column, Table
from isthmus import Autoencoder, Trainer
from isthmus.data import stream
from isthmus.parts import Bernoulli, Dense

WINDOW, GROUP, ROUNDS, EPOCHS = 64 << 20, 4000, 3, 4
MEMORY, MAPPED, COLUMNS, VECTORS = "rows in memory", "npy, mapped", "Parquet, 784 columns", "Parquet, vectors"

TABLE = Table(
    name="streams",
    columns={
        "rate": Column("rows per second", "{:,.0f}"),
        "share": Column("of rows in memory", "{:.0%}"),
        "least": Column("least of the rounds", "{:.0%}"),
        "quality": Column("shuffle quality", "{:.3f}"),
        "loss": Column("loss", "{:.2f}"),
        "minutes": Column("minutes", "{:.1f}", "sum"),
    },
    rows=(MEMORY, MAPPED, COLUMNS, VECTORS),
    targets={MAPPED: "≥ 70 %", COLUMNS: "≥ 30 %", VECTORS: "≥ 30 %"},
)


def files(folder: Path, rows: sets.Array) -> dict[str, Callable[[], Any]]:
    """Write the rows in every form, and return what opens each."""
    window, group = min(WINDOW, rows.nbytes // 2), min(GROUP, len(rows) // 8)
    np.save(folder / "rows.npy", rows)
    names = [f"pixel{i}" for i in range(rows.shape[1])]
    pq.write_table(pa.table(dict(zip(names, rows.T, strict=True))), folder / "columns.parquet", row_group_size=group)
    vectors = pa.FixedSizeListArray.from_arrays(rows.ravel(), rows.shape[1])
    pq.write_table(pa.table({"pixels": vectors}), folder / "vectors.parquet", row_group_size=group)
    return {
        MEMORY: lambda: rows,
        MAPPED: lambda: stream(folder / "rows.npy", window_bytes=window),
        COLUMNS: lambda: stream(folder / "columns.parquet", window_bytes=window),
        VECTORS: lambda: stream(folder / "vectors.parquet", window_bytes=window),
    }


def fitted(rows: Any, epochs: int) -> Autoencoder:
    """Train on rows or a stream of them; nothing is held out, so that an epoch is training alone."""
    trainer = Trainer(epochs, batch_size=min(256, len(rows) // 4), validation=0.0)
    return Autoencoder(10, architecture=Dense((164,)), likelihood=Bernoulli(), trainer=trainer, random_state=0).fit(
        rows
    )


def rate(model: Autoencoder) -> float:
    """Return the median rate over epochs, the first left out where there are more."""
    return statistics.median(row["rows_per_second"] for row in list(model.history_)[1:] or list(model.history_))


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure the rows asked for."""
    bench = Bench(TABLE, arguments, __doc__)
    rows, rounds, epochs = sets.mnist("train"), 1 if bench.quick else ROUNDS, 2 if bench.quick else EPOCHS
    with tempfile.TemporaryDirectory() as folder:
        for name, opened in files(Path(folder), rows).items():
            if not bench.wants(name):
                continue
            with bench.row(name, {"rounds": rounds, "epochs": epochs, "window": WINDOW, "group": GROUP}) as found:
                pairs = [(fitted(rows, epochs), fitted(opened(), epochs)) for _ in range(rounds)]
                shares = [rate(streamed) / rate(resident) for resident, streamed in pairs]
                last = pairs[-1][1].history_[-1]
                found |= {"rate": statistics.median(rate(streamed) for _, streamed in pairs)}
                found |= {"share": statistics.median(shares), "least": min(shares)}
                found |= {"quality": last["shuffle_quality"], "loss": last["train"]["loss"]}


if __name__ == "__main__":
    main()
