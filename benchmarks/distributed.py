"""Scaling on this machine: one fit on one process of one and of two threads, and on two processes of one thread each.

Metric: rows per second of an epoch, the median over epochs, beside one process with one thread in the same round; the
kinds of fit take turns, so that a busy machine slows all alike. A step sends one message, the gradient, whatever the
batch: what it costs is told by the small nets, what a second process brings by the wide one in large batches, whose
products take ten times as long as the message. ``start`` is what workers cost before the first
epoch and after the last one: the whole call without the seconds of its epochs. ``apart`` is the relative difference of
the last loss from that of one process with one thread.

Strong scaling shares batches of 256 rows, or as many as are told, between the processes; weak scaling gives each
process as many, so that the ideal is 2 for both, and its losses are those of another batch size. One picture has the
loss curves of the wide net.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.common import Bench, Column, Table
from isthmus import Autoencoder, Trainer
from isthmus.parts import Dense, GaussianNoise, Normal
from isthmus.training.distributed import Devices

ROUNDS, EPOCHS, ROWS = 3, 5, 20_000
# Width, hidden layers, units and batch.
WIDE = (784, (1024, 512), 32)
NETS = {
    "narrow": (64, (64,), 8, 256),
    "middle": (256, (512,), 32, 256),
    "wide": (*WIDE, 256),
    "wide, batches of 2,048": (*WIDE, 2048),
}
ONE, THREADS, TWO = "1 process, 1 thread", "1 process, 2 threads", "2 processes, 1 thread each"
WEAK = "2 processes, twice the batch"
WAYS = (ONE, THREADS, TWO, WEAK)

TABLE = Table(
    name="distributed",
    columns={
        "rate": Column("rows per second", "{:,.0f}"),
        "gain": Column("of one thread", "{:.2f} x"),
        "least": Column("least of the rounds", "{:.2f} x"),
        "start": Column("start, s", "{:.1f}"),
        "apart": Column("apart", "{:.1e}", "worst"),
        "minutes": Column("minutes", "{:.1f}", "sum"),
    },
    rows=tuple(f"{net}: {how}" for net in NETS for how in WAYS),
)


def data(rows: int, width: int) -> np.ndarray[Any, Any]:
    """Return rows around a plane of eight dimensions."""
    rng = np.random.default_rng(0)
    plane = rng.normal(size=(rows, 8)) @ rng.normal(size=(8, width))
    return (plane + 0.1 * rng.normal(size=(rows, width))).astype(np.float32)


def fitted(net: str, x: np.ndarray[Any, Any], epochs: int, how: str) -> tuple[Autoencoder, float]:
    """Train in one of the ways; return the model and the seconds of the whole call."""
    _, hidden, units, batch = NETS[net]
    trainer = Trainer(epochs, batch_size=2 * batch if how == WEAK else batch, validation=0.0, engine="explicit")
    model = Autoencoder(
        units,
        architecture=Dense(hidden),
        corruption=GaussianNoise(0.1),
        likelihood=Normal(),
        trainer=trainer,
        random_state=0,
    )
    before, began = torch.get_num_threads(), time.perf_counter()
    torch.set_num_threads(2 if how == THREADS else 1)
    try:
        model.fit(x, devices=Devices(2, threads=1) if how in (TWO, WEAK) else 1)
    finally:
        torch.set_num_threads(before)
    return model, time.perf_counter() - began


def rate(model: Autoencoder) -> float:
    """Return the median rate over epochs, the first left out where there are more."""
    return statistics.median(row["rows_per_second"] for row in list(model.history_)[1:] or list(model.history_))


def measured(
    runs: Callable[[str], tuple[Autoencoder, float]], how: str, rounds: int
) -> tuple[dict[str, float], list[float]]:
    """Return rates and times of one way beside those of one thread, and the loss after every epoch."""
    pairs = [(runs(ONE), runs(how)) for _ in range(rounds)]
    gains = [rate(model) / rate(alone) for (alone, _), (model, _) in pairs]
    (alone, _), (model, seconds) = pairs[-1]
    lost = abs(model.history_[-1]["train"]["loss"] - alone.history_[-1]["train"]["loss"])
    values = {
        "rate": statistics.median(rate(model) for _, (model, _) in pairs),
        "gain": statistics.median(gains),
        "least": min(gains),
        "start": seconds - sum(row["seconds"] for row in model.history_),
        "apart": lost / abs(alone.history_[-1]["train"]["loss"]),
    }
    return values, [row["train"]["loss"] for row in model.history_]


def draw(curves: Mapping[str, Sequence[float]], folder: Path) -> None:
    """Draw the loss of every epoch, of all ways on one plot."""
    import matplotlib.pyplot as plt

    figure, ax = plt.subplots(figsize=(5.2, 3.2), layout="constrained")
    for (how, losses), style in zip(curves.items(), ("-", "--", ":", "-."), strict=True):
        ax.plot(range(1, len(losses) + 1), losses, style, label=how, lw=2.4 if style == "-" else 1.6)
    ax.set(xlabel="epoch", ylabel="training loss, nats per row", yscale="log")
    ax.legend(frameon=False)
    folder.mkdir(parents=True, exist_ok=True)
    figure.savefig(folder / "distributed.png", dpi=110)
    plt.close(figure)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure the rows asked for."""
    bench = Bench(TABLE, arguments, __doc__)
    rounds, epochs, rows = (1, 2, 2000) if bench.quick else (ROUNDS, EPOCHS, ROWS)
    for net, (width, *_) in NETS.items():
        x = data(rows, width)
        curves: dict[str, list[float]] = {}
        for how in WAYS:
            if not bench.wants(f"{net}: {how}"):
                continue
            with bench.row(f"{net}: {how}", {"rounds": rounds, "epochs": epochs, "rows": rows}) as found:
                values, curves[how] = measured(lambda way, net=net, x=x: fitted(net, x, epochs, way), how, rounds)
                found |= values
        if net == "wide" and len(curves) == len(WAYS):
            draw(curves, bench.pictures)


if __name__ == "__main__":
    main()
