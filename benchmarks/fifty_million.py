"""Fifty million rows of thirty numbers: is memory flat, and how fast are rows read beside other libraries?

Rows are made (six hidden numbers, noise) and written as Parquet, a million to a file, in row groups of 50,000, into a
folder that is deleted at the end whatever happens. ``isthmus fit --stream`` and ``isthmus score`` then run as processes
of their own on the first five million and on all: the peak of resident memory is the one that the system counted for
the process (``ru_maxrss``), and the share is that of all rows over that of the first tenth. These rows do not depend on
how busy the machine is, but for their rates.

Rates are rows per second of one epoch of reading and training (30-64-8-64-30, Adam, batches of 1,024, one thread of
linear algebra) on the first million rows in ten files, the median of rounds in which all take turns: isthmus as it
fits; the stream of isthmus in the plain loop of torch that all others have too; Hugging Face's datasets (Parquet as it
is), webdataset and litdata (after their conversion, which is told apart) behind their own or torch's loader, with as
many workers as the row says. An epoch that takes more than two minutes is left then, and the rate so far is taken.
Shuffle buffers hold 10,000 rows. The others live in the environment ``streaming``
(``--install``).
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import peers
from benchmarks.common import Bench, Column, Table
from isthmus.bench.environments import install, interpreter

FILE, GROUP, WIDTH, UNITS, HIDDEN = 1_000_000, 50_000, 30, 8, 64
SMALL, LARGE, ROUNDS, BATCH = 5, 50, 3, 1024
# The first million rows are so many files, for readers that give each worker files of its own.
FILES = 10
# Two windows and more of the first million rows.
WINDOW = 48 << 20
SIZES = {f"{verb}, {files * FILE:,} rows": (verb, files) for verb in ("fit", "score") for files in (SMALL, LARGE)}
OURS = {"isthmus": "fit", "isthmus' stream, torch's loop": "stream"}
OTHERS = {
    f"{told}, {workers} workers": (name, workers)
    for told, name in (
        ("HF datasets", "datasets"),
        ("HF datasets in batches", "batches"),
        ("webdataset", "webdataset"),
        ("litdata", "litdata"),
    )
    for workers in (0, 2)
    if (name, workers) != ("batches", 2)
}
SCRIPT = Path(peers.__file__).parent / "streaming.py"

TABLE = Table(
    name="fifty_million",
    columns={
        "rate": Column("rows per second", "{:,.0f}"),
        "peak": Column("peak MiB", "{:,.0f}"),
        "share": Column("of the first tenth's", "{:.3f}"),
        "before": Column("seconds before the first epoch", "{:.1f}"),
        "minutes": Column("minutes", "{:.1f}", "sum"),
    },
    rows=(*SIZES, *OURS, *OTHERS),
    targets={f"{verb}, {LARGE * FILE:,} rows": "memory ≤ 1.2" for verb in ("fit", "score")},
)


def write(folder: Path, files: int, rows: int) -> None:
    """Write so many files of so many rows."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    rng = np.random.default_rng(0)
    mixing = rng.normal(size=(6, WIDTH)).astype(np.float32)
    schema = pa.schema([(f"x{i}", pa.float32()) for i in range(WIDTH)])
    for number in range(files):
        path = folder / f"part-{number:03}.parquet"
        with pq.ParquetWriter(path, schema, compression="none", use_dictionary=False) as writer:
            for start in range(0, rows, GROUP):
                count = min(GROUP, rows - start)
                X = rng.standard_normal((count, 6), np.float32) @ mixing
                X += 0.3 * rng.standard_normal(X.shape, np.float32)
                writer.write_table(pa.table(list(np.ascontiguousarray(X.T)), schema=schema), row_group_size=GROUP)


def watched(command: Sequence[str], **environment: str) -> tuple[str, float, float]:
    """Run a process; return what it said, its seconds, and the peak of its resident memory in MiB.

    Raises:
        RuntimeError: it failed.
    """
    began = time.perf_counter()
    threads = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    with tempfile.TemporaryFile("w+") as said:
        process = subprocess.Popen(
            command, stdout=said, stderr=subprocess.STDOUT, env=os.environ | threads | environment
        )
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        seconds = time.perf_counter() - began
        said.seek(0)
        text = said.read()
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}: {text[-2000:]}")
    return text, seconds, usage.ru_maxrss / (1 << 10 if sys.platform != "darwin" else 1 << 20)


def memory(verb: str, rows: str, folder: Path) -> tuple[float, float]:
    """Fit or score as a user's shell does; return seconds and the peak in MiB."""
    isthmus, model = [sys.executable, "-m", "isthmus"], str(folder / "model")
    net = ["--units", str(UNITS), "--architecture", f"dense:hidden=({HIDDEN})", "--batch-size", str(BATCH)]
    commands = {
        "fit": ["fit", rows, "-o", model, "--stream", "--epochs", "1", *net],
        "score": ["score", model, rows, "-o", str(folder / "scores.parquet")],
    }
    _, seconds, peak = watched([*isthmus, *commands[verb]])
    return seconds, peak


def measure_memory(bench: Bench, folder: Path, rows: int) -> None:
    """Measure the rows of memory that are asked for, of files of so many rows."""
    peaks: dict[tuple[str, int], float] = {}
    for name, (verb, size) in SIZES.items():
        if not bench.wants(name):
            continue
        pattern = str(folder / ("part-*.parquet" if size == LARGE else f"part-00[0-{SMALL - 1}].parquet"))
        total = size * rows
        with bench.row(name, {"rows": total, "width": WIDTH, "group": GROUP, "batch": BATCH}) as found:
            seconds, peak = memory(verb, pattern, folder)
            peaks[verb, size] = peak
            found |= {"rate": total / seconds, "peak": peak}
            if (verb, SMALL) in peaks and size == LARGE:
                found["share"] = peak / peaks[verb, SMALL]


def rate(name: str, folder: Path, python: Path) -> dict[str, Any]:
    """Read and train for an epoch in a process of its own."""
    kind, workers = OTHERS.get(name, (OURS.get(name), 0))
    outside = (
        {} if name in OURS else {"PYTHONPATH": "", "HF_DATASETS_CACHE": str(folder / "cache"), "HF_HUB_OFFLINE": "1"}
    )
    job = {"kind": kind, "folder": str(folder), "workers": workers, "batch": BATCH, "window": WINDOW}
    job |= {"width": WIDTH, "hidden": HIDDEN, "units": UNITS}
    who = sys.executable if name in OURS else str(python)
    said, _, peak = watched([who, str(SCRIPT), json.dumps(job)], **outside)
    return json.loads(said.splitlines()[-1]) | {"peak": peak}


def measure_rates(bench: Bench, folder: Path, environments: Path, rows: int) -> None:
    """Measure rates in rounds in which all take turns; others that are not installed are left out."""
    python = interpreter(environments, "streaming")
    names = [name for name in (*OURS, *OTHERS) if bench.wants(name) and (name in OURS or python.exists())]
    rounds = 1 if bench.quick else ROUNDS
    measured: dict[str, list[dict[str, Any]]] = {name: [] for name in names}
    for _ in range(rounds):
        for name in names:
            measured[name].append(rate(name, folder, python))
            print(f"{name}: {measured[name][-1]}", flush=True)
    for name, found in measured.items():
        with bench.row(
            name, {"rows": FILES * (rows // FILES), "batch": BATCH, "rounds": rounds, "window": WINDOW}
        ) as row:
            row |= {key: statistics.median(one[key] for one in found) for key in ("rate", "peak", "before")}


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure the rows asked for."""
    own = argparse.ArgumentParser(add_help=False)
    own.add_argument("--folder", type=Path, help="where the rows are written for the while (6 GB)")
    own.add_argument("--part", choices=("memory", "rates", "both"), default="both")
    own.add_argument("--install", action="store_true", help="make the environment of the other libraries")
    given, rest = own.parse_known_args(sys.argv[1:] if arguments is None else arguments)
    bench = Bench(TABLE, rest, __doc__)
    environments = Path(os.environ.get("ISTHMUS_ENVIRONMENTS", peers.cache()))
    if given.install:
        install(environments, "streaming")
    rows = 20_000 if bench.quick else FILE
    if given.folder is not None:
        given.folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="rows-", dir=given.folder) as name:
        whole, first = Path(name) / "whole", Path(name) / "first"
        if given.part != "rates":
            whole.mkdir()
            write(whole, LARGE, rows)
            measure_memory(bench, whole, rows)
        if given.part != "memory":
            first.mkdir()
            write(first, FILES, rows // FILES)
            measure_rates(bench, first, environments, rows)


if __name__ == "__main__":
    main()
