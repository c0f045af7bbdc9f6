"""Other libraries' detectors, which run in environments of their own.

``isthmus bench speed --install`` makes the environment with PyOD; the variable ``ISTHMUS_ENVIRONMENTS`` names the
folder of the environments, if it is not the one that this command uses.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from isthmus.bench.environments import cache, python_for
from isthmus.bench.works import Entrant

Array = NDArray[Any]
SCRIPT = Path(__file__).parent / "with_pyod.py"


@dataclass(frozen=True)
class Answer:
    """What a detector says of test rows.

    Attributes:
        scores: (rows,), high for anomalies.
        labels: (rows,), true for anomalies at the contamination asked for.
        dimensions: (rows, columns), what each column adds, or None.
        fit: seconds of the clock.
        seconds, cpu: of fit and score, on the clock and of the processor.
    """

    scores: Array
    labels: Array
    dimensions: Array | None
    fit: float
    seconds: float
    cpu: float


def folder() -> Path:
    """Return the folder of the environments."""
    return Path(os.environ.get("ISTHMUS_ENVIRONMENTS", cache()))


def python() -> Path | None:
    """Return the Python that has PyOD; None where there is none."""
    return python_for(Entrant("with_pyod", "torch", "pyod"), folder())


class PyOD:
    """A process with PyOD, which is started once and asked again and again; use it in a ``with`` block."""

    def __enter__(self) -> Self:
        """Start nothing yet: a run of our own rows needs no peer."""
        self._folder = tempfile.TemporaryDirectory()
        self._process: subprocess.Popen[str] | None = None
        return self

    def __exit__(self, *_: object) -> None:
        """End the process and remove its files."""
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()
            self._process.wait()
        self._folder.cleanup()

    def _started(self) -> subprocess.Popen[str]:
        if self._process is None:
            there = python()
            if there is None:
                raise RuntimeError("PyOD is not here; make its environment with: isthmus bench speed --install")
            outside = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
            threads = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
            pipe = subprocess.PIPE
            self._process = subprocess.Popen(
                [str(there), str(SCRIPT)], stdin=pipe, stdout=pipe, text=True, env=outside | threads
            )
        return self._process

    def ask(self, detector: str, train: Array, test: Array, *, seed: int = 0, contamination: float = 0.1) -> Answer:
        """Fit a detector and score rows.

        Raises:
            RuntimeError: there is no PyOD, or the detector failed.
        """
        process = self._started()
        assert process.stdin is not None and process.stdout is not None
        data, out = Path(self._folder.name) / "rows.npz", Path(self._folder.name) / "answer.npz"
        np.savez(data, train=train, test=test)
        job = {"detector": detector, "data": str(data), "out": str(out), "seed": seed, "contamination": contamination}
        process.stdin.write(json.dumps(job) + "\n")
        process.stdin.flush()
        line = process.stdout.readline()
        if not line:
            raise RuntimeError(f"PyOD's process ended during {detector}")
        said = json.loads(line)
        if "failed" in said:
            raise RuntimeError(f"PyOD's {detector}: {said['failed']}")
        with np.load(out) as stored:
            arrays = {name: stored[name] for name in stored.files}
        return Answer(arrays["scores"], arrays["labels"], arrays.get("dimensions"), **said)
