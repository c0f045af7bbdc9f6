"""ONNX graphs of served models: made in another process while torch answers, and taken where they agree with it."""

from __future__ import annotations

import importlib.util
import logging
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from isthmus.data.record import Array
from isthmus.service.served import Graph, Rows, Served, beyond

LOG = logging.getLogger("isthmus.service")
NAMES = {"autoencoder": "score", "detector": "detector", "self-explaining": "prediction"}
AGREE, RANKS = 1e-5, 2.5


def available() -> bool:
    """Say whether the extra ``isthmus[onnx]`` is there."""
    return all(importlib.util.find_spec(name) is not None for name in ("onnx", "onnxruntime", "onnxscript"))


class Maker:
    """Makes graphs of saved models; tracing takes seconds, in which this process goes on answering."""

    def __init__(self) -> None:
        """Begin with nothing to do."""
        self._process: subprocess.Popen[str] | None = None

    def made(self, kind: str, path: Path) -> bytes:
        """Return the graph of a saved model.

        Raises:
            ValueError: a part of the model cannot be a graph.
        """
        with tempfile.TemporaryDirectory(prefix="isthmus-") as folder:
            command = [
                sys.executable,
                "-m",
                "isthmus.cli",
                "export",
                str(path),
                "--out",
                folder,
                "--graph",
                NAMES[kind],
            ]
            self._process = subprocess.Popen(
                command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, start_new_session=True
            )
            _, errors = self._process.communicate()
            if self._process.returncode:
                lines = errors.strip().splitlines() or ["it ended without a word"]
                raise ValueError(f"no graph of {path} could be made: {lines[-1]}")
            return (Path(folder) / f"{NAMES[kind]}.onnx").read_bytes()

    def close(self) -> None:
        """End what is being made."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()


def opened(graph: bytes, threads: int = 1) -> Graph:
    """Return what answers by a graph."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])

    def ask(cells: Array, wanted: Sequence[str]) -> dict[str, Array]:
        return dict(zip(wanted, session.run(list(wanted), {"rows": np.ascontiguousarray(cells)}), strict=True))

    return ask


def taken(served: Served, graph: Graph) -> dict[str, Any]:
    """Let a graph answer for a model, once it has said the same of the model's own rows.

    Raises:
        ValueError: it says something else; the model goes on answering by torch.
    """
    rows = Rows(served.columns, served.probes(), [])
    wanted = tuple(served.outputs)
    own = served.tensors(rows, wanted=wanted)

    def sure(cells: Array, names: Sequence[str]) -> dict[str, Array]:
        told = graph(cells, names)
        if beyond(told).any():  # for which the model would answer, so that it agreed with itself
            raise ValueError("the graph's answers are no numbers")
        return told

    served.graph = sure
    try:
        found = served.tensors(rows, wanted=wanted)
        for name in wanted:
            refuse_other(name, np.asarray(own[name]), np.asarray(found[name]), served)
    except Exception:
        served.graph = None
        raise
    served.graph = graph
    return {}


def refuse_other(name: str, own: Any, found: Any, served: Served) -> None:
    """Refuse answers that differ by more than 1e-5 of their scale, decoded cells by a step, p-values by two ranks.

    Raises:
        ValueError: they do.
    """
    if own.dtype.kind != "f":  # classes and alarms may tie
        agree = (own == found).mean() > 0.95
    else:
        slack = AGREE * max(1.0, float(np.nanmax(np.abs(own)))) * np.ones(own.shape[1:])
        if name == "reconstruction":
            spans = np.nanmax(own, 0) - np.nanmin(own, 0) + 1
            slack = AGREE * spans + [
                max(f.told.get("step", 0.0), float(f.told.get("whole", 0.0))) for f in served.columns.fields
            ]
        if name == "p_value":  # scores that tie with those that calibrate may come before or behind them
            slack = RANKS / (1 + sum(map(len, served.model.calibration_))) * np.ones(())
        agree = own.shape == found.shape and bool((np.abs(own - found) <= slack).all())
    if not agree:
        raise ValueError(f"the graph's {name!r} is not that of the model")
