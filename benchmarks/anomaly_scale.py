"""How long do a million rows take, and how much memory?

1,000,000 rows of 30 generated numbers (8 factors, a third of the columns bent, noise) are fitted and then scored, each
detector with its own defaults and in a process of its own, one after another, PyOD's in an environment of their own
(:mod:`benchmarks.peers`). Memory is the largest of the process, and what it had before the fit: imports and rows. One
that takes more than 15 minutes is measured on 100,000 rows. Nothing else should run meanwhile.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks import peers
from benchmarks.common import Bench, Column, Table

ROWS, FEWER, QUICK, PATIENCE = 1_000_000, 100_000, 5_000, 15 * 60
SCRIPT = Path(peers.__file__).parent / "scale.py"
DETECTORS = {"isthmus": "isthmus"} | {f"PyOD {name}": name for name in ("AutoEncoder", "ECOD", "IForest")}
TABLE = Table(
    name="anomaly_scale",
    columns={
        "rows": Column("rows", "{:,.0f}", "first"),
        "fit": Column("seconds to fit", "{:.1f}"),
        "score": Column("to score", "{:.1f}"),
        "cpu_seconds": Column("CPU seconds of both", "{:.1f}"),
        "peak": Column("peak MiB", "{:,.0f}"),
        "before": Column("MiB before the fit", "{:,.0f}"),
    },
    rows=tuple(DETECTORS),
)


def measure(name: str, rows: int, threads: int) -> dict[str, Any]:
    """Run a detector in its own process; one that is too slow has fewer rows.

    Raises:
        RuntimeError: the process failed.
    """
    outside = dict(os.environ)
    if name == "isthmus":
        python = Path(sys.executable)
    else:
        outside.pop("PYTHONPATH", None)
        python = peers.python() or Path(sys.executable)
    outside |= dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), str(threads))
    command = [str(python), str(SCRIPT), name, str(rows), str(threads)]
    try:
        done = subprocess.run(command, env=outside, stdout=subprocess.PIPE, text=True, timeout=PATIENCE, check=False)
    except subprocess.TimeoutExpired:
        if rows <= FEWER:
            raise
        return measure(name, FEWER, threads)
    if done.returncode:
        raise RuntimeError(f"{name} failed on {rows:,} rows; its process says why above")
    return {"rows": rows} | json.loads(done.stdout)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure the rows asked for, one after another."""
    bench = Bench(TABLE, arguments, __doc__)
    for row, name in DETECTORS.items():
        if bench.wants(row) and (name == "isthmus" or peers.python()):
            rows = QUICK if bench.quick else ROWS
            with bench.row(row, {"asked": rows}) as values:
                values |= measure(name, rows, bench.threads)


if __name__ == "__main__":
    main()
