"""Memory of a fit of rows on disk does not grow with the rows."""

import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="asks Linux for the peak of a process")

SCRIPT = """
import re, sys
from pathlib import Path
import numpy as np
from isthmus import Autoencoder, Trainer
from isthmus.data import stream
from isthmus.data.tables import named
from isthmus.parts import Dense

def peak():
    # Not getrusage: that begins with what the process had that started this one.
    return int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) // 1024

def fit(path):
    trainer = Trainer(epochs=1, batch_size=4096, engine="explicit")
    model = Autoencoder(3, architecture=Dense((8,)), trainer=trainer, random_state=0)
    rows = stream(path, window_bytes=1 << 20)
    model.fit(rows)
    for block in rows:
        model.score_samples(named(block, rows.names))
    return peak()

peaks = [fit(path) for path in sys.argv[1:]]
everything = stream(sys.argv[2]).take(np.arange(600_000))
print(*peaks, peak())
"""


def test_ten_times_the_rows_take_no_more_memory(tmp_path):
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    X = np.random.default_rng(0).normal(size=(60_000, 25)).astype(np.float32)
    rows = pa.table({f"x{i}": X[:, i] for i in range(25)})
    for name, times in (("small", 1), ("large", 10)):
        with pq.ParquetWriter(tmp_path / f"{name}.parquet", rows.schema, compression="none") as writer:
            for _ in range(times):
                writer.write_table(rows, row_group_size=5000)
    paths = [tmp_path / "small.parquet", tmp_path / "large.parquet"]
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", SCRIPT, *paths],
        capture_output=True,
        text=True,
        timeout=300,
        env=os.environ | {"OMP_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "2"},
    )
    assert done.returncode == 0, done.stderr
    small, large, held = map(int, done.stdout.split())
    # The large file's rows are 57 MiB, which are seen where they are in memory.
    assert large - small < 28 and held - small > 40, done.stdout
