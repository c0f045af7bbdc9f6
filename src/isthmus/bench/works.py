"""The rows of the benchmark: what is trained or scored, and by whom."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any


@dataclass(frozen=True)
class Work:
    """A net, its data, and what is done with it.

    Args:
        net: ``dense``, ``variational`` or ``convolutional``; the decoder mirrors the encoder.
        hidden: widths of the encoder's hidden layers, with ReLU; the code is linear.
        code: units of the code.
        loss: ``cross-entropy`` (from logits) or ``squared error``.
        data: ``pictures`` (784 numbers in [0, 1]) or ``table`` (30 standardised columns).
        rows: how many rows.
        batch: rows per step of Adam with rate 1e-3.
        epochs: passes per fit.
        kind: ``fit``, ``score`` (a number per row, after a fit of one epoch) or ``start``.
        precision: ``float32`` or ``bf16``, of the products.
        dtype: what rows to be scored arrive in.
        models: how many models are trained.
        threads: the most threads that the work is worth; 0 for as many as there are.
        device: ``cpu`` or ``cuda``.
    """

    net: str = "dense"
    hidden: tuple[int, ...] = ()
    code: int = 10
    loss: str = "cross-entropy"
    data: str = "pictures"
    rows: int = 60_000
    batch: int = 256
    epochs: int = 1
    kind: str = "fit"
    precision: str = "float32"
    dtype: str = "float32"
    models: int = 1
    threads: int = 0
    device: str = "cpu"

    def described(self) -> dict[str, Any]:
        """Return the fields as JSON holds them."""
        return asdict(self) | {"hidden": list(self.hidden)}


@dataclass(frozen=True)
class Entrant:
    """Who does a work: a script of ``contestants/``, what it needs, and what is another work for it.

    Args:
        script: name of the script; empty for what does not exist yet.
        environment: name of the environment of its own; empty for the one that runs isthmus.
        module: what must be importable where there is no such environment.
        option: what the script is told, for example a backend.
        changes: fields of the work that differ for it.
    """

    script: str
    environment: str = ""
    module: str = ""
    option: str = ""
    changes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Row:
    """One row of the table; ``quick`` holds the fields of the work that a quick run changes."""

    work: Work
    entrants: Mapping[str, Entrant]
    quick: Mapping[str, Any] = field(default_factory=dict)
    asked: str = ""

    def job(self, name: str, quick: bool) -> Work:
        """Return the work as one entrant is given it."""
        work = replace(self.work, **self.quick) if quick else self.work
        changes = dict(self.entrants[name].changes)
        rows = changes.pop("times the rows", 1)
        return replace(work, rows=work.rows * rows, **changes)


OURS, FLOOR = "isthmus", "floor"
ALL = {
    OURS: Entrant("with_isthmus"),
    "naive PyTorch": Entrant("with_torch", option="naive"),
    "tuned PyTorch": Entrant("with_torch", option="tuned"),
    "PyTorch in a CUDA graph": Entrant("with_torch", option="recorded"),
    "Pythae": Entrant("with_pythae", "torch", "pythae"),
    "PyOD": Entrant("with_pyod", "torch", "pyod"),
    "Lightning": Entrant("with_lightning", "torch", "lightning"),
    "skorch": Entrant("with_skorch", "torch", "skorch"),
    "Keras torch": Entrant("with_keras", "torch", "keras", option="torch"),
    "Keras TensorFlow": Entrant("with_keras", "tensorflow", "tensorflow", option="tensorflow"),
    "Keras JAX": Entrant("with_keras", "jax", "keras", option="jax"),
    "JAX": Entrant("with_jax", "jax", "jax"),
    "JAX, scan": Entrant("with_jax", "jax", "jax", option="scan"),
    "scikit-learn": Entrant("with_sklearn"),
    "ONNX Runtime": Entrant("with_onnx", "torch", "onnxruntime"),
    FLOOR: Entrant("floor"),
}


def some(*names: str) -> dict[str, Entrant]:
    """Return entrants by name."""
    return {name: ALL[name] for name in names}


ON_CUDA = some(
    OURS, "naive PyTorch", "tuned PyTorch", "PyTorch in a CUDA graph", "Lightning", "JAX", "JAX, scan", FLOOR
)
TRAINERS = {
    name: entrant
    for name, entrant in ALL.items()
    if name not in ("ONNX Runtime", "PyTorch in a CUDA graph", "JAX, scan")
}
IN_BF16 = some("naive PyTorch", "tuned PyTorch", "Lightning", "Keras torch", "Keras TensorFlow", "Keras JAX", "JAX")
IN_BF16 = {OURS: ALL[OURS], "isthmus float32": Entrant("with_isthmus", changes={"precision": "float32"})} | IN_BF16
SCORERS = some(OURS, "naive PyTorch", "tuned PyTorch", "PyOD", "scikit-learn", "ONNX Runtime")
SMALL = Work(hidden=(164,), epochs=5)
DEEP = Work(hidden=(1000, 500, 250), code=30, epochs=2, rows=20_000)
TABLE = Work(hidden=(32,), code=8, loss="squared error", data="table", rows=5000, epochs=50, threads=1)
SCORED = replace(TABLE, kind="score", rows=1_000_000, epochs=1, threads=0)
FEW, SHORT = {"rows": 10_000, "epochs": 2}, {"rows": 2560, "epochs": 1}


def on_cuda(work: Work, **changes: Any) -> Row:
    """Return a row of fits on a CUDA device, with more epochs, since these are short there."""
    return Row(replace(work, device="cuda", **changes), ON_CUDA, SHORT)


def growing(**changes: Any) -> Entrant:
    """Return isthmus on a work that grew."""
    return Entrant("with_isthmus", changes=changes)


def starting(code: str, environment: str = "", module: str = "") -> Entrant:
    """Return a process that runs one line of Python."""
    return Entrant("start", environment, module, option=code)


FIRST_FIT = (
    "import numpy as np; from isthmus import Autoencoder, Trainer; "
    "Autoencoder(8, trainer=Trainer(epochs=10)).fit(np.random.default_rng(0).normal(size=(500, 30)).astype('f4'))"
)
STARTS = {
    "import isthmus": starting("import isthmus"),
    "import torch": starting("import torch"),
    "import torch and scikit-learn": starting("import torch, sklearn.base"),
    "from isthmus import Autoencoder": starting("from isthmus import Autoencoder"),
    "isthmus --help": starting("from isthmus.cli import main; main(['--help'])"),
    "import and first fit, 500 rows, 10 epochs": starting(FIRST_FIT),
    "import lightning": starting("import lightning", "torch", "lightning"),
    "import pyod": starting("import pyod.models.auto_encoder", "torch", "pyod"),
    "import pythae": starting("import pythae.models, pythae.trainers", "torch", "pythae"),
    "import keras (JAX)": starting("import os; os.environ['KERAS_BACKEND'] = 'jax'; import keras", "jax", "keras"),
}

ROWS = {
    "784-164-10": Row(
        SMALL,
        TRAINERS,
        FEW,
        "≥ 3.5 naive, Pythae, Lightning, skorch, Keras torch; ≥ 2.5 scikit-learn; ≥ 1.4 Keras JAX; ≥ 1.1 JAX; ≥ 80 %",
    ),
    "784-1000-500-250-30": Row(
        DEEP,
        TRAINERS,
        SHORT,
        "≥ 2.4 naive, Pythae, Lightning, skorch, Keras torch; ≥ 3 scikit-learn; ≥ 1.1 Keras JAX; ≥ 1.05 JAX; ≥ 85 %",
    ),
    "784-164-10, bf16": Row(
        replace(SMALL, precision="bf16"), IN_BF16 | some(FLOOR), FEW, "≥ 1.4 isthmus float32, where there is bf16"
    ),
    "784-1000-500-250-30, bf16": Row(
        replace(DEEP, precision="bf16"), IN_BF16 | some(FLOOR), SHORT, "≥ 1.4 isthmus float32, where there is bf16"
    ),
    "5,000 x 30, 30-32-8": Row(TABLE, TRAINERS, {"epochs": 10}, "≥ 15 PyOD, ≥ 10 naive, ≥ 3 scikit-learn, ≥ 1.15 JAX"),
    "VAE 784-400-40": Row(
        Work("variational", (400,), 40, epochs=2),
        some(OURS, "naive PyTorch", "tuned PyTorch", "Pythae", "Lightning", "JAX", FLOOR),
        SHORT,
        "≥ 3.5 Pythae, ≥ 70 %",
    ),
    "convolutional 16-8-8": Row(
        Work("convolutional", code=8, batch=128, rows=20_000),
        {name: entrant for name, entrant in TRAINERS.items() if name not in ("Pythae", "PyOD", "scikit-learn", "JAX")},
        {"rows": 1280},
        "≥ 2.2 naive, ≥ 1.6 Keras",
    ),
    "10 models, 30-32-8": Row(
        replace(TABLE, models=10, epochs=20, threads=0),
        {
            OURS: Entrant("with_isthmus", option="together"),
            "isthmus, one after another": Entrant("with_isthmus"),
            "isthmus by torch's calls": Entrant("with_isthmus", option="explicit"),
            "PyOD": ALL["PyOD"],
        },
        {"epochs": 2},
        "≥ 1.5 explicit fits one after another (by torch's calls), ≥ 20 PyOD",
    ),
    "784-164-10, CUDA": on_cuda(SMALL, epochs=10),
    "784-1000-500-250-30, CUDA": on_cuda(DEEP, epochs=10, rows=60_000),
    "5,000 x 30, 30-32-8, CUDA": on_cuda(TABLE),
    "VAE 784-400-40, CUDA": on_cuda(Work("variational", (400,), 40, epochs=10)),
    "score 1,000,000 x 30": Row(SCORED, SCORERS, {"rows": 50_000}, "≥ 40 PyOD, ≥ 4 scikit-learn, ≥ 1.2 ONNX Runtime"),
    "score 1,000,000 x 30, float64": Row(replace(SCORED, dtype="float64"), SCORERS, {"rows": 50_000}),
    "score 60,000 x 784": Row(
        replace(SMALL, kind="score", epochs=1),
        SCORERS,
        {"rows": 5000},
        "≥ 8 PyOD, ≥ 1.8 scikit-learn, ≥ 0.95 ONNX Runtime",
    ),
    "score 60,000 x 784, float64": Row(
        replace(SMALL, kind="score", epochs=1, dtype="float64"), SCORERS, {"rows": 5000}
    ),
    "growth": Row(
        replace(SMALL, rows=6000, hidden=(256,), code=256),
        {
            OURS: ALL[OURS],
            "rows x 10": growing(**{"times the rows": 10}),
            "width x 4": growing(hidden=(1024,), code=256),
            "depth x 4": growing(hidden=(256,) * 4, code=256),
        },
        {"rows": 2560},
        "linear",
    ),
    "start-up": Row(
        Work(kind="start"),
        STARTS,
        asked="import isthmus ≤ 1.3 torch's; --help < 0.5 s; first fit ≤ both imports + 0.3 s",
    ),
}
