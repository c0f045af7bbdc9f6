"""What do 200,000 bodies and models do that are not what they should be?

Bodies are mutations of the requests that the service describes itself, by its examples: of their bytes (cut, doubled,
flipped, other characters, deep nesting) and of their values (other types, other names, huge and tiny numbers, NaN,
surrogates, shapes that do not fit, fields too many and too few). They go to the application itself, of models of every
kind. Models are saved ones whose ``model.json`` or ``weights.safetensors`` was mutated, half of them with digests made
anew, so that what looks at digests does not save what reads. Every answer has to come within ten seconds, to be no
failure of the server (5xx) and to show no trace of the code; loading has to raise ``ValueError`` or to work.

Before, schemathesis makes requests of the description of a running server, right and wrong ones, and looks whether
answers are as it says; it is in an environment of its own, the folder ``schemathesis`` in ``ISTHMUS_ENVIRONMENTS``,
which ``--install`` makes. What is right and refused, or wrong and taken, counts as failed, too.
"""

from __future__ import annotations

import asyncio
import copy
import faulthandler
import hashlib
import json
import re
import shutil
import subprocess
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from benchmarks import peers
from benchmarks.common import Bench, Column, Table
from isthmus import AnomalyDetector, Autoencoder, SelfExplainingClassifier, Trainer, load
from isthmus.bench import environments
from isthmus.parts import Dense
from isthmus.persistence import MANIFEST, WEIGHTS, checksum

BODIES, MODELS, LATE = 200_000, 10_000, 10.0
DESCRIBED = "requests made of the description (schemathesis)"
REQUESTS, LOADED = "bodies of requests", "saved models"
TABLE = Table(
    name="malformed",
    columns={
        "tried": Column("tried", "{:,.0f}", "sum"),
        "answered": Column("taken, as nothing was wrong", "{:,.0f}", "sum"),
        "refused": Column("refused, with a reason", "{:,.0f}", "sum"),
        "failed": Column("5xx, or another error", "{:,.0f}", "sum"),
        "traces": Column("traces of the code", "{:,.0f}", "sum"),
        "hung": Column("later than 10 s", "{:,.0f}", "sum"),
        "slowest": Column("slowest, s", "{:.2f}", "worst"),
    },
    rows=(DESCRIBED, REQUESTS, LOADED),
    targets={DESCRIBED: "0 5xx, 0 violations"}
    | {REQUESTS: "0 5xx, 0 traces, 0 hung", LOADED: "0 other errors, 0 hung"},
)
WORDS = ("rows", "model", "reasons", "inputs", "outputs", "name", "shape", "datatype", "data", "n", "seed", "__proto__")
STRANGE: tuple[Any, ...] = (
    *(
        None,
        True,
        False,
        0,
        -1,
        1,
        0.5,
        -0.0,
        1e-320,
        1e150,
        1.1e150,
        1e308,
        2**31,
        2**53 + 1,
        -(2**63),
        2**64,
        10**400,
    ),
    *("", "x", "0", "NaN", "\ud800", "\x00", "é" * 40, "a" * 5000, "2020-02-30", "2020-01-01", "9999-12-31", "yes"),
    *([], {}, [[]], [None], [[[[[[[[1]]]]]]]], {"": 0}, {"rows": []}, [0] * 300, {"a": {"b": {"c": []}}}),
)
RAW = (
    b"NaN",
    b"Infinity",
    b"-Infinity",
    b"1e999",
    b"\xff\xfe",
    b"\x00",
    b"[" * 3000,
    b'{"a":' * 3000,
    b"//",
    b"'",
    b"\\u",
)


def models() -> dict[str, Any]:
    """Fit a small model of every kind."""
    rng, few = np.random.default_rng(0), Trainer(epochs=2)
    x = rng.normal(size=(80, 4))
    days = np.datetime64("2020-01-01") + rng.integers(0, 900, 80).astype("timedelta64[D]")
    town = np.array(["Bern", "Oslo", "Rome"])[rng.integers(0, 3, 80)]
    holes = pa.array(np.where(rng.random(80) < 0.1, np.nan, x[:, 0]), from_pandas=True)
    mixed = pa.table({"age": holes, "town": town, "since": pa.array(days), "ok": pa.array(x[:, 1] > 0)})
    settings: dict[str, Any] = {"trainer": few, "random_state": 0}
    small: dict[str, Any] = settings | {"architecture": Dense((8,))}
    return {
        "plain": Autoencoder(2, **small).fit(x),
        "people": Autoencoder(2, **small).fit(mixed),
        "pictures": Autoencoder(2, shape=(1, 4, 4), **small).fit(rng.random((60, 16))),
        "odd": AnomalyDetector(members=2, **small).fit(mixed),
        "series": AnomalyDetector(members=2, window=8, **small).fit(rng.normal(size=(120, 3))),
        "classes": SelfExplainingClassifier(Autoencoder(2, **small), **settings).fit(mixed, town == "Oslo"),
    }


class Mutations:
    """Requests and files that are almost right, by a seed."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)

    def one(self, choices: Sequence[Any]) -> Any:
        """Choose."""
        return choices[int(self.rng.integers(len(choices)))]

    def value(self, value: Any, times: int) -> Any:
        """Change values somewhere within a value."""
        value = json.loads(json.dumps(value))
        for _ in range(times):
            value = self._changed(value)
        return value

    def _changed(self, value: Any) -> Any:
        if isinstance(value, dict) and value and self.rng.random() < 0.9:
            name = self.one(list(value))
            what = self.rng.random()
            if what < 0.1:
                value.pop(name)
            elif what < 0.2:
                value[self.one(WORDS)] = value.pop(name)
            elif what < 0.25:
                value[self.one(WORDS)] = copy.deepcopy(self.one(STRANGE))
            else:
                value[name] = self._changed(value[name])
            return value
        if isinstance(value, list) and value and self.rng.random() < 0.9:
            place, what = int(self.rng.integers(len(value))), self.rng.random()
            if what < 0.1:
                value.pop(place)
            elif what < 0.2:
                value *= int(self.rng.integers(1, 4))
            elif what < 0.25:
                value.insert(place, copy.deepcopy(self.one(STRANGE)))
            else:
                value[place] = self._changed(value[place])
            return value
        return copy.deepcopy(self.one(STRANGE))

    def data(self, data: bytes, times: int) -> bytes:
        """Change bytes."""
        for _ in range(times):
            place, end = sorted(int(at) for at in self.rng.integers(0, len(data) + 1, 2))
            what = self.rng.random()
            if what < 0.2:
                data = data[:place]
            elif what < 0.4:
                data = data[:place] + data[end:]
            elif what < 0.5:
                data = data[:end] + data[place:end] + data[end:]
            elif what < 0.8:
                data = (
                    data[:place]
                    + bytes(self.rng.integers(0, 256, int(self.rng.integers(1, 5))).tolist())
                    + data[place:]
                )
            else:
                data = data[:place] + self.one(RAW) + data[place:]
        return data


def examples(app: Any) -> list[tuple[str, Any]]:
    """Return the requests that the service gives as examples: paths and bodies."""
    spec = json.loads(asyncio.run(asked(app, "/openapi.json", b"", "GET"))[1])
    found = []
    for path, methods in spec["paths"].items():
        for name, example in (
            methods.get("post", {})
            .get("requestBody", {})
            .get("content", {})
            .get("application/json", {})
            .get("examples", {})
            .items()
        ):
            found.append((path.replace("{name}", name), example["value"]))
    return found


async def asked(app: Any, path: str, body: bytes, method: str = "POST") -> tuple[int, bytes]:
    """Ask the application itself."""
    got: dict[str, Any] = {"status": 0, "body": b""}
    sent = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> dict[str, Any]:
        return sent.pop() if sent else {"type": "http.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        got["status"] = message.get("status", got["status"])
        got["body"] += message.get("body", b"")

    scope = {"type": "http", "method": method, "path": path, "query_string": b"", "headers": [], "http_version": "1.1"}
    await app(
        scope | {"raw_path": path.encode(), "root_path": "", "scheme": "http", "server": ("x", 80)}, receive, send
    )
    return got["status"], got["body"]


def traced(text: bytes) -> bool:
    """Say whether an answer shows the code."""
    return b"Traceback" in text or b"site-packages" in text or b".py" in text


def bodies(folder: Path, count: int, seed: int) -> dict[str, Any]:
    """Send mutated bodies."""
    from isthmus.service.api import api
    from isthmus.service.guard import Limits
    from isthmus.service.logs import Metrics
    from isthmus.service.registry import Registry
    from isthmus.service.worker import Worker

    registry, worker = Registry({path.name: path for path in sorted(folder.iterdir())}, alpha=0.01), Worker()
    app, change = api(registry, worker, Limits(rows=200), Metrics()), Mutations(seed)
    known, statuses, found = examples(app), Counter[int](), Counter[str]()
    slowest = 0.0

    async def one() -> None:
        nonlocal slowest
        path, value = change.one(known)
        times, text = int(change.rng.geometric(0.6)), change.rng.random() < 0.3
        body = json.dumps(value if text else change.value(value, times)).encode()
        body = change.data(body, times) if text else body
        begun = time.perf_counter()
        status, said = await asked(app, path, body)
        took = time.perf_counter() - begun
        slowest, statuses[status] = max(slowest, took), statuses[status] + 1
        found["hung"] += took > LATE
        found["failed"] += status >= 500 or status == 0
        found["traces"] += traced(said)
        if status >= 500 or traced(said):
            print(status, path, body[:300], said[:300], flush=True)

    async def run() -> None:
        """Ask eight at a time, so that some are answered together."""
        for done in range(0, count, 8):
            if done % 10_000 == 0:
                # What hangs within the interpreter ends with a trace; nothing else could end it.
                faulthandler.dump_traceback_later(600, exit=True, file=sys.__stderr__)
                print(f"{done:,} bodies", dict(statuses), flush=True)
            await asyncio.gather(*(one() for _ in range(min(8, count - done))))

    asyncio.run(run())
    faulthandler.cancel_dump_traceback_later()
    worker.close()
    registry.close()
    taken = statuses[200]
    told = {"tried": count, "answered": taken, "refused": count - taken - found["failed"]}
    return (
        told
        | {name: found[name] for name in ("failed", "traces", "hung")}
        | {
            "slowest": slowest,
            "statuses": {str(status): many for status, many in sorted(statuses.items())},
        }
    )


def described(folder: Path, count: int, seed: int) -> dict[str, Any]:
    """Let schemathesis ask a running server."""
    three = [str(folder / name) for name in ("plain", "odd", "classes")]
    command = [sys.executable, "-m", "isthmus.cli", "serve", *three, "--port", "0", "--no-graphs"]
    python = environments.interpreter(peers.folder(), "schemathesis")
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            assert process.stdout is not None
            url = process.stdout.readline().split()[0]
            asked = [
                python.parent / "schemathesis",
                "run",
                f"{url}openapi.json",
                "--checks",
                "all",
                "--seed",
                str(seed),
            ]
            done = subprocess.run([*asked, "--max-examples", str(count)], capture_output=True, text=True)
        finally:
            process.terminate()
    told = re.search(r"(\d+) generated(?:, (?:\d+ passed, )?(\d+) found (\d+) unique failure)?", done.stdout)
    if told is None or (done.returncode and told[3] is None):
        raise RuntimeError(f"schemathesis: {done.stdout[-500:]} {done.stderr[-500:]}")
    if told[3]:
        print(done.stdout)
    return {"tried": int(told[1]), "failed": int(told[3] or 0)}


def tampered(model: Path, change: Mutations) -> None:
    """Change a saved model somewhere; half of the time as somebody would who knows its digests."""
    manifest, weights = json.loads((model / MANIFEST).read_text()), (model / WEIGHTS).read_bytes()
    times, digests = int(change.rng.geometric(0.6)), change.rng.random() < 0.5
    what = change.rng.random()
    if what < 0.4:
        manifest = change.value(manifest, times)
    elif what < 0.6:
        (model / MANIFEST).write_bytes(change.data(json.dumps(manifest).encode(), times))
        return
    elif what < 0.8:
        weights = change.data(weights, times)
    else:  # the header of the weights, which says where they are
        size = int.from_bytes(weights[:8], "little")
        header = json.dumps(change.value(json.loads(weights[8 : 8 + size]), times)).encode()
        weights = len(header).to_bytes(8, "little") + header + weights[8 + size :]
    (model / WEIGHTS).write_bytes(weights)
    if digests and isinstance(manifest, dict):
        manifest["weights"] = hashlib.sha256(weights).hexdigest()
        manifest["checksum"] = checksum(manifest)
    (model / MANIFEST).write_text(json.dumps(manifest))


def saved(folder: Path, count: int, seed: int) -> dict[str, Any]:
    """Load mutated models."""
    change, found, slowest = Mutations(seed), Counter[str](), 0.0
    names = sorted(path.name for path in folder.iterdir())
    for done in range(count):
        if done % 1000 == 0:
            faulthandler.dump_traceback_later(600, exit=True, file=sys.__stderr__)
            print(f"{done:,} models", dict(found), flush=True)
        with tempfile.TemporaryDirectory() as place:
            model = Path(place) / "m"
            shutil.copytree(folder / change.one(names), model)
            tampered(model, change)
            begun = time.perf_counter()
            try:
                load(model)
                found["answered"] += 1
            except ValueError:
                found["refused"] += 1
            except Exception as error:
                found["failed"] += 1
                print(f"{type(error).__name__}: {error}"[:300], flush=True)
            took = time.perf_counter() - begun
            slowest, found["hung"] = max(slowest, took), found["hung"] + (took > LATE)
    faulthandler.cancel_dump_traceback_later()
    told = {name: found[name] for name in ("answered", "refused", "failed", "hung")}
    return {"tried": count, "traces": 0, "slowest": slowest} | told


def main(arguments: Sequence[str] | None = None) -> None:
    """Try all three."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    if "--install" in arguments:
        arguments.remove("--install")
        environments.install(peers.folder(), "schemathesis")
    bench = Bench(TABLE, arguments, __doc__)
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for kind, model in models().items():
            model.save(folder / kind)
        work: dict[str, tuple[Any, int]] = {
            DESCRIBED: (described, 100),
            REQUESTS: (bodies, BODIES),
            LOADED: (saved, MODELS),
        }
        for row, (measure, count) in work.items():
            if bench.wants(row):
                if row == DESCRIBED and not environments.interpreter(peers.folder(), "schemathesis").is_file():
                    print("schemathesis is not here; make its environment with --install")
                    continue
                for seed in bench.seeds((0,)):
                    with bench.row(row, {"count": count}, seed) as values:
                        values |= measure(folder, max(5, count // 100) if bench.quick else count, seed)


if __name__ == "__main__":
    main()
