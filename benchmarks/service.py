"""How fast is ``isthmus serve``, beside LitServe with the same model and ONNX Runtime without a server?

A model of 20 numbers in one process, asked by another on the same machine over loopback: eight connections that are
never idle; a fixed rate of requests, whose times count from when they were to be sent; and rows in thousands. LitServe
0.2.19 runs in an environment of its own (the folder ``litserve`` in ``ISTHMUS_ENVIRONMENTS``, which ``--install``
makes), with the same ONNX graph and with the saved model in torch, one worker each. What is left to chance is the
machine: rows of one seed are measured one after another, and seeds in turn.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import peers
from benchmarks.common import ROOT, Bench, Column, Table
from isthmus import Autoencoder, Trainer
from isthmus.bench import environments
from isthmus.parts import Dense

WIDTH, CONNECTIONS, SECONDS, RATE, BATCH = 20, 8, 20.0, 1000, 1000
SCORES, REASONS = "one row a request: isthmus serve", "one row a request: isthmus serve, with reasons"
TENSORS = "one row a request: isthmus serve, tensors"
GRAPH, TORCH = "one row a request: LitServe, the same graph", "one row a request: LitServe, the model in torch"
OPEN, OPEN_LIT = "1,000 requests a second: isthmus serve", "1,000 requests a second: LitServe, the same graph"
MANY, MANY_TENSORS = "1,000 rows a request: isthmus serve", "1,000 rows a request: isthmus serve, tensors"
MANY_LIT, DIRECT = "1,000 rows a request: LitServe, the same graph", "1,000 rows a call: ONNX Runtime, no server"
ROWS = (SCORES, REASONS, TENSORS, GRAPH, TORCH, OPEN, OPEN_LIT, MANY, MANY_TENSORS, MANY_LIT, DIRECT)
TABLE = Table(
    name="service",
    columns={
        "per_second": Column("requests/s", "{:,.0f}", "spread"),
        "rows_per_second": Column("rows/s", "{:,.0f}"),
        "p50": Column("ms, median", "{:.2f}"),
        "p99": Column("99 % below", "{:.2f}", "worst"),
        "slowest": Column("slowest", "{:.1f}", "worst"),
        "failed": Column("failed", "{:,.0f}", "sum"),
    },
    rows=ROWS,
    targets={SCORES: "1.4 x LitServe", OPEN: "99 % below 20 ms, none failed"},
)


def drawn(rows: int, seed: int = 0) -> Any:
    """Draw rows of twenty numbers that hang together."""
    mix = np.random.default_rng(0).normal(size=(WIDTH // 2, WIDTH))
    rng = np.random.default_rng(seed)
    return (rng.normal(size=(rows, WIDTH // 2)) @ mix + 0.3 * rng.normal(size=(rows, WIDTH))).round(4)


def records(rows: Any, reasons: int = 0) -> str:
    """Return rows as a request for scores."""
    return json.dumps({"rows": rows.tolist(), "reasons": reasons})


def tensors(rows: Any) -> str:
    """Return rows as a request of the Open Inference Protocol."""
    one = {"name": "rows", "datatype": "FP64", "shape": list(rows.shape), "data": rows.ravel().tolist()}
    return json.dumps({"inputs": [one], "outputs": [{"name": "score"}]})


def plain(rows: Any) -> str:
    """Return rows as LitServe's handler takes them."""
    return json.dumps({"rows": rows.tolist()})


def free_port() -> int:
    """Return a port that nobody has."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@contextmanager
def isthmus_serve(folder: Path) -> Iterator[int]:
    """Serve the model until its graph answers, and yield the port."""
    log, port = folder / "log", free_port()
    command = [sys.executable, "-m", "isthmus.cli", "serve", str(folder / "model"), "--port", str(port)]
    with log.open("w") as errors, started(command, errors, os.environ) as process:
        wait(lambda: "graph taken" in log.read_text() or "graph refused" in log.read_text(), process)
        if "graph taken" not in log.read_text():
            raise RuntimeError(f"no graph was made: {log.read_text()[-500:]}")
        yield port


def litserve(model: Path) -> Any:
    """Return what serves a model by LitServe."""

    @contextmanager
    def serve(folder: Path) -> Iterator[int]:
        port, python = free_port(), environments.interpreter(peers.folder(), "litserve")
        outside = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        outside |= {"PYTHONPATH": str(ROOT / "src"), "OMP_NUM_THREADS": "1"}
        command = [str(python), str(Path(peers.__file__).parent / "with_litserve.py"), str(folder / model), str(port)]
        with (folder / "litserve").open("w") as errors, started(command, errors, outside) as process:
            wait(lambda: answers(port), process)
            time.sleep(2)  # its worker begins after its door is open
            yield port

    return serve


@contextmanager
def started(command: Sequence[str], errors: Any, outside: Any) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server, and end it with all that it started."""
    process = subprocess.Popen(command, env=outside, stdout=errors, stderr=errors, start_new_session=True)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(10)
        finally:
            if process.poll() is None:
                process.kill()


def wait(ready: Any, process: subprocess.Popen[bytes]) -> None:
    """Wait until a server is ready.

    Raises:
        RuntimeError: it ended, or took more than two minutes.
    """
    for _ in range(1200):
        if process.poll() is not None:
            raise RuntimeError(f"the server ended with {process.returncode}")
        if ready():
            return
        time.sleep(0.1)
    raise RuntimeError("the server did not start within two minutes")


def answers(port: int) -> bool:
    """Say whether somebody listens."""
    with socket.socket() as tried:
        return tried.connect_ex(("127.0.0.1", port)) == 0


def asked(folder: Path, port: int, path: str, bodies: list[str], seconds: float, **more: Any) -> dict[str, Any]:
    """Let the client ask, and return what it found."""
    job = {"port": port, "path": path, "bodies": bodies, "connections": CONNECTIONS, "seconds": seconds} | more
    (folder / "job.json").write_text(json.dumps(job))
    client = Path(__file__).parent / "load.py"
    done = subprocess.run([sys.executable, str(client), str(folder / "job.json")], capture_output=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def direct(graph: Path, seconds: float) -> dict[str, Any]:
    """Ask the graph itself, a thousand rows at a time."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(graph), options, providers=["CPUExecutionProvider"])
    rows, took, end = drawn(BATCH, 1), [], time.perf_counter() + seconds
    while time.perf_counter() < end:
        begun = time.perf_counter()
        session.run(["score"], {"rows": rows})
        took.append(time.perf_counter() - begun)
    times = {"p50": 1000 * np.median(took), "p99": 1000 * np.quantile(took, 0.99), "slowest": 1000 * max(took)}
    return {"requests": len(took), "per_second": len(took) / sum(took), "failed": 0} | times


def measures(folder: Path, quick: bool) -> dict[str, Any]:
    """Return what each row does."""
    seconds, long = (3.0, 5.0) if quick else (SECONDS, 60.0)
    some, many = [drawn(1, seed) for seed in range(256)], [drawn(BATCH, seed) for seed in range(4)]
    lit, torch = litserve(Path("score.onnx")), litserve(Path("model"))
    at_rate = {"rate": RATE, "connections": 64}

    def over(serve: Any, path: str, write: Any, rows: list[Any], lasts: float, **more: Any) -> Any:
        def measure() -> dict[str, Any]:
            with serve(folder) as port:
                found = asked(folder, port, path, [write(each) for each in rows], lasts, **more)
            return found | {"rows_per_second": found["per_second"] * len(rows[0])}

        return measure

    own, infer = "/v1/score", "/v2/models/model/infer"
    return {
        SCORES: over(isthmus_serve, own, records, some, seconds),
        GRAPH: over(lit, "/predict", plain, some, seconds),
        REASONS: over(isthmus_serve, own, lambda rows: records(rows, 3), some, seconds),
        TENSORS: over(isthmus_serve, infer, tensors, some, seconds),
        TORCH: over(torch, "/predict", plain, some, seconds),
        OPEN: over(isthmus_serve, own, records, some, long, **at_rate),
        OPEN_LIT: over(lit, "/predict", plain, some, long, **at_rate),
        MANY: over(isthmus_serve, own, records, many, seconds, connections=2),
        MANY_TENSORS: over(isthmus_serve, infer, tensors, many, seconds, connections=2),
        MANY_LIT: over(lit, "/predict", plain, many, seconds, connections=2),
        DIRECT: lambda: (
            (found := direct(folder / "score.onnx", seconds)) | {"rows_per_second": found["per_second"] * BATCH}
        ),
    }


def details(lines: Sequence[Any]) -> str:
    """Say how the servers compare."""
    best: dict[str, list[float]] = {}
    for line in lines:
        best.setdefault(line["row"], []).append(line["values"]["per_second"])
    if SCORES not in best or GRAPH not in best:
        return ""
    ratio = np.mean(best[SCORES]) / np.mean(best[GRAPH])
    return f"One row a request, `isthmus serve` answers {ratio:.2f} times as many as LitServe with the same graph."


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure the rows asked for, one after another, seed by seed."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    if "--install" in arguments:
        arguments.remove("--install")
        environments.install(peers.folder(), "litserve")
    bench = Bench(TABLE, arguments, __doc__)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        trainer = Trainer(epochs=5)
        model = Autoencoder(8, architecture=Dense((64,)), trainer=trainer, random_state=0).fit(drawn(5000))
        model.save(folder / "model")
        model.to_onnx("score", folder / "score.onnx")
        for seed in bench.seeds((0, 1, 2)):
            for row, measure in measures(folder, bench.quick).items():
                if bench.wants(row):
                    with bench.row(row, {"connections": CONNECTIONS, "columns": WIDTH}, seed) as values:
                        values |= measure()


if __name__ == "__main__":
    main()
