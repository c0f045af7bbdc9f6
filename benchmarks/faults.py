"""Fits on two workers, one of which is killed or stopped at a random moment, beside the same fit left alone.

Each run is one fit without ``checkpoint=``, as a user would start it, and gets one SIGKILL or SIGSTOP, sent to a worker
drawn at random, at a moment drawn between its first step and the time at which the undisturbed fit took its last one;
where it comes after the last step of a fit that was faster, another moment is drawn.
``apart`` is the largest difference of a final weight from the undisturbed fit, ``noise`` the difference of held-out
losses over the spread (largest less least) of those of other seeds. Workers write down the rows of every epoch;
``lost`` and ``doubled`` count rows that a finished epoch does not have once. ``pause`` is the longest time in which no
worker took a step: to notice, to start anew and to read the checkpoint, on a machine that did other work as well. A run
that takes longer than five minutes is given up, and counts as not completed.
"""

from __future__ import annotations

import os
import signal
import struct
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.common import Bench, Column, Table
from benchmarks.watching import Ledger
from isthmus import Autoencoder, Trainer
from isthmus.data import stream
from isthmus.parts import Dense, GaussianNoise, Normal
from isthmus.training.distributed import Devices

ROWS, WIDTH, EPOCHS, LIMIT, TIMEOUT = 20_000, 16, 10, 300, 60.0
KILLED, STOPPED = "SIGKILL", "SIGSTOP"
MEMORY, STREAM, DIVIDED = "rows in memory", "a stream", "divided weights"
RUNS = {
    MEMORY: {KILLED: 10, STOPPED: 5},
    STREAM: {KILLED: 10, STOPPED: 5},
    DIVIDED: {KILLED: 5, STOPPED: 3},
}
Array = np.ndarray[Any, Any]

TABLE = Table(
    name="faults",
    columns={
        "completed": Column("completed", over_seeds="count"),
        "same": Column("same bits", over_seeds="count"),
        "apart": Column("apart", "{:.1e}", "worst"),
        "noise": Column("loss, of seed noise", "{:.1e}", "worst"),
        "lost": Column("rows lost", "{}", "sum"),
        "doubled": Column("rows doubled", "{}", "sum"),
        "epochs": Column("epochs checked", "{}", "sum"),
        "pause": Column("longest pause, s", "{:.1f}", "worst"),
        "minutes": Column("minutes", "{:.1f}", "sum"),
    },
    rows=tuple(f"{fault}, {kind}" for kind, faults in RUNS.items() for fault in faults),
)


def data(rows: int) -> Array:
    """Return rows around a plane; the first number of each is its own number, as a share of all."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(rows, 4)) @ rng.normal(size=(4, WIDTH)) + 0.1 * rng.normal(size=(rows, WIDTH))
    x[:, 0] = np.arange(rows) / rows
    return x.astype(np.float32)


def opened(x: Array, folder: Path) -> dict[str, Callable[[], Any]]:
    """Return what opens the rows in memory, and as a stream of 40 blocks with an eighth of them in memory."""
    pq.write_table(pa.table({f"x{i}": x[:, i] for i in range(WIDTH)}), folder / "rows.parquet", row_group_size=500)
    blockwise = partial(stream, folder / "rows.parquet", window_bytes=x.nbytes // 8)
    return {MEMORY: lambda: x, STREAM: blockwise, DIVIDED: lambda: x}


def fitted(rows: Any, seed: int, epochs: int, folder: Path | None, engine: str = "auto") -> Autoencoder:
    """Fit on two workers that write down what they do in a folder, or without one in this process."""
    trainer = Trainer(epochs, batch_size=64, precision="float64", patience=0, engine=engine)
    settings: dict[str, Any] = {"corruption": GaussianNoise(0.1), "likelihood": Normal(), "scaling": "none"}
    model = Autoencoder(4, architecture=Dense((32,)), trainer=trainer, random_state=seed, **settings)
    if folder is None:
        return model.fit(rows)
    devices = Devices(2, timeout=TIMEOUT, restarts=5, threads=1)
    return model.fit(rows, devices=devices, callbacks=[Ledger(folder, ROWS)])


def held(model: Autoencoder) -> float:
    """Return the held-out loss of the weights that were kept."""
    return min(row["held_out"]["loss"] for row in model.history_)


def steps(folder: Path) -> list[float]:
    """Return when a worker took a step, in order; a number that a kill has cut short ends its file."""
    found = []
    for path in folder.glob("times.*"):
        raw = path.read_bytes()
        found += [t for (t,) in struct.iter_unpack("d", raw[: len(raw) // 8 * 8])]
    return sorted(found)


def epochs_of(folder: Path) -> dict[int, list[int]]:
    """Return the rows that all workers together took in every epoch."""
    found: dict[int, list[int]] = {}
    for path in folder.glob("rows.*"):
        found.setdefault(int(path.name.split(".")[1]), []).extend(map(int, path.read_text().split()))
    return found


@contextmanager
def faulted(folder: Path, number: int, after: float, rank: int) -> Iterator[dict[str, float]]:
    """Send a signal to a worker so many seconds after the first step; the body finds when it was sent, if it was."""
    sent: dict[str, float] = {}
    over = threading.Event()

    def watch() -> None:
        while not over.is_set():
            begun = steps(folder)
            if begun and time.time() >= begun[0] + after:
                try:
                    os.kill(int((folder / f"pid.{rank}").read_text()), number)
                except ProcessLookupError:
                    return
                sent["at"] = time.time()
                return
            over.wait(0.01)

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield sent
    finally:
        over.set()
        thread.join()


@contextmanager
def limited(seconds: int) -> Iterator[None]:
    """Give up after some seconds.

    Raises:
        TimeoutError: then.
    """

    def late(*_: Any) -> None:
        raise TimeoutError(f"no end after {seconds} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


class Undisturbed:
    """The fit that nothing happens to: weights, rows of an epoch, seconds of its steps, and what a seed changes."""

    def __init__(self, rows: Callable[[], Any], epochs: int, seeds: int, engine: str) -> None:
        """Fit once on two workers, and with other seeds in this process."""
        self.engine = engine
        with tempfile.TemporaryDirectory() as name:
            self.model = fitted(rows(), 0, epochs, Path(name), engine)
            times = steps(Path(name))
            (self.rows, *others) = [sorted(taken) for _, taken in sorted(epochs_of(Path(name)).items())]
        if any(other != self.rows for other in others) or len(set(self.rows)) < len(self.rows):
            raise RuntimeError("the undisturbed fit took some rows twice, or not at all")
        self.seconds = times[-1] - times[0]
        losses = [held(self.model), *(held(fitted(rows(), seed, epochs, None)) for seed in range(1, seeds + 1))]
        self.spread = max(losses) - min(losses)

    def beside(self, model: Autoencoder, folder: Path, epochs: int) -> dict[str, Any]:
        """Return how far another fit came from this one, and what its epochs took."""
        mine, theirs = self.model.objective_.state_dict(), model.objective_.state_dict()
        apart = max(float((mine[name] - theirs[name]).abs().max()) for name in mine)
        lost = doubled = 0
        taken = epochs_of(folder)
        for epoch in range(1, epochs + 1):
            rows = taken.get(epoch, [])
            lost += len(set(self.rows) - set(rows))
            doubled += len(rows) - len(set(rows)) + len(set(rows) - set(self.rows))
        times = steps(folder)
        return {
            "completed": len(model.history_) == epochs,
            "same": apart == 0.0,
            "apart": apart,
            "noise": abs(held(model) - held(self.model)) / self.spread,
            "lost": lost,
            "doubled": doubled,
            "changed": len(list(folder.glob("changed.*"))),
            "epochs": len(taken),
            "pause": max(b - a for a, b in pairwise(times)),
            "loss": held(model),
            "spread": self.spread,
        }


def disturbed(calm: Undisturbed, rows: Callable[[], Any], fault: str, seed: int, epochs: int) -> dict[str, Any]:
    """Fit with one fault, drawn from the seed, and say what became of it."""
    rng = np.random.default_rng([seed, len(fault), int(getattr(signal, fault))])
    for _ in range(5):
        after, rank = float(rng.uniform(0.0, 0.95)) * calm.seconds, int(rng.integers(2))
        with tempfile.TemporaryDirectory() as name, faulted(Path(name), getattr(signal, fault), after, rank) as sent:
            try:
                with limited(LIMIT):
                    model = fitted(rows(), 0, epochs, Path(name), calm.engine)
            except (RuntimeError, TimeoutError) as error:
                return {"completed": False, "error": str(error), "after": after, "rank": rank}
            if sent and sent["at"] < steps(Path(name))[-1]:
                return calm.beside(model, Path(name), epochs) | {"after": after, "rank": rank}
    raise RuntimeError("five fits in a row ended before their fault came")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the fits asked for."""
    bench = Bench(TABLE, arguments, __doc__)
    epochs, seeds = (4, 2) if bench.quick else (EPOCHS, 4)
    with tempfile.TemporaryDirectory() as name:
        for kind, rows in opened(data(ROWS), Path(name)).items():
            asked = [fault for fault in RUNS[kind] if bench.wants(f"{fault}, {kind}")]
            engine = "sharded" if kind == DIVIDED else "auto"
            calm = Undisturbed(rows, epochs, seeds, engine) if asked else None
            for fault in asked:
                for seed in bench.seeds(range(RUNS[kind][fault])):
                    with bench.row(f"{fault}, {kind}", {"rows": ROWS, "epochs": epochs}, seed) as found:
                        found |= disturbed(calm, rows, fault, seed, epochs)  # type: ignore[arg-type]


if __name__ == "__main__":
    main()
