"""Which library multiplies matrices, chosen per shape by a probe of time and error, once per machine.

torch has two on a processor: its default (MKL on x86) and oneDNN, which it takes for float32 when products in bfloat16
are allowed. Which is faster depends on processor and shape: MKL uses half of what an AMD processor can do, oneDNN costs
more per call. Where the processor really has bfloat16 matrix units, oneDNN would round to three digits: the probe
measures the error too, and refuses it.
"""

from __future__ import annotations

import json
import math
import platform
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from isthmus.layers.products import Call, Products
from isthmus.machine import cache, processor

# Multiplications under which a call of oneDNN costs more than it saves.
SMALL = 4_000_000
# The same where one call multiplies for several models, for each of them.
SMALL_EACH = 50_000
# oneDNN has to be this much faster, so that noise does not choose.
GAIN = 1.05
ROUNDS = 5
# Seconds of both products after which one round says enough: a wide dictionary would be probed for minutes.
LONG = 0.2
TOLERANCE = 1e-5
_MATMUL: Any = getattr(torch.backends.mkldnn, "matmul", None) if torch.backends.mkldnn.is_available() else None
_known: dict[str, bool] = {}


class Probed(Products):
    """Products by the faster library for their shape.

    Attributes:
        chosen: for every shape that was met, as ``rows x inner x columns``, whether oneDNN multiplies it.
    """

    def __init__(self) -> None:
        """Start without choices; what other fits on this machine chose is taken over."""
        self.chosen: dict[str, bool] = {}
        self._setting = self._now = precision()

    def begin(self) -> None:
        """Note the caller's setting."""
        self._setting = self._now = precision()

    def end(self) -> None:
        """Put the caller's setting back."""
        self._switch(False)

    def calls(self, a: Tensor, b: Tensor, out: Tensor, bias: Tensor | None = None) -> list[Call]:
        """Return the calls that put a b (+ bias) into ``out``: a switch of libraries first, where one is needed."""
        plain = super().calls(a, b, out, bias)
        return [partial(self._switch, self._choose(a, b)), *plain] if probes(a) else plain

    def _switch(self, other: bool) -> None:
        setting = "bf16" if other else self._setting
        if setting != self._now:
            allow(setting)
            self._now = setting

    def _choose(self, a: Tensor, b: Tensor) -> bool:
        shape = (*a.shape, b.shape[-1])
        if math.prod(shape) < (SMALL if a.dim() == 2 else SMALL_EACH * len(a)):
            return False
        name = "x".join(map(str, shape))
        if name not in self.chosen:
            self.chosen[name] = remembered(name, a, b)
        return self.chosen[name]

    def state(self) -> dict[str, Any]:
        """Return the choices."""
        return dict(self.chosen)

    def restore(self, state: dict[str, Any]) -> None:
        """Take choices over, in place of those of this machine."""
        self.chosen = dict(state)


def precision() -> str:
    """Return torch's setting for products of float32 by oneDNN."""
    return str(getattr(_MATMUL, "fp32_precision", "none"))


def allow(setting: str) -> None:
    """Set it."""
    _MATMUL.fp32_precision = setting


def probes(a: Tensor) -> bool:
    """Say whether there is a choice: float32 on a processor, and a torch with both libraries."""
    return a.dtype == torch.float32 and a.device.type == "cpu" and _MATMUL is not None


def remembered(name: str, a: Tensor, b: Tensor) -> bool:
    """Return the choice for a shape and number of threads: this process', else this machine's, else a new one."""
    key = f"{name} {torch.get_num_threads()}"
    if key not in _known:
        _known.update({k: v for k, v in read().items() if k not in _known})
    if key not in _known:
        _known[key] = faster(a, b)
        write()
    return _known[key]


def faster(a: Tensor, b: Tensor) -> bool:
    """Say whether oneDNN multiplies a and b faster than torch's default, without a larger error."""
    before, times = precision(), (math.inf, math.inf)
    out = a.new_empty(*a.shape[:-1], b.shape[-1])
    try:
        for _ in range(ROUNDS):
            times = min(times[0], timed("none", a, b, out)), min(times[1], timed("bf16", a, b, out))
            if sum(times) > LONG:
                break
        some, b = a[..., :8, :].double(), b.double()
        scale = (some.abs() @ b.abs()).clamp_min(1e-30)
        error = float(((out[..., :8, :].double() - some @ b).abs() / scale).max())
    finally:
        allow(before)
    return error < TOLERANCE and times[1] * GAIN < times[0]


def timed(setting: str, a: Tensor, b: Tensor, out: Tensor) -> float:
    """Return the seconds of one product, after one that a switch of libraries slows down."""
    multiply = torch.mm if a.dim() == 2 else torch.bmm
    allow(setting)
    multiply(a, b, out=out)
    began = time.perf_counter()
    multiply(a, b, out=out)
    return time.perf_counter() - began


# -- the machine's memory ----------------------------------------------------------------------------------------------


def path() -> Path:
    """Return the file of this machine's choices, in the user's cache."""
    return cache() / "products.json"


def machine() -> str:
    """Return what a choice depends on besides shape and threads: processor and torch."""
    return f"{platform.machine()} {torch.backends.cpu.get_cpu_capability()} {processor()} torch {torch.__version__}"


def read() -> dict[str, bool]:
    """Return the choices of this machine; none where the file is missing or damaged."""
    try:
        found = json.loads(path().read_text()).get(machine(), {})
        return {str(k): bool(v) for k, v in found.items()}
    except (OSError, ValueError, AttributeError):
        return {}


def write() -> None:
    """Keep this process' choices with those of others; a folder that cannot be written keeps nothing."""
    try:
        path().parent.mkdir(parents=True, exist_ok=True)
        whole = json.loads(path().read_text()) if path().exists() else {}
        whole[machine()] = {**whole.get(machine(), {}), **_known}
        with tempfile.NamedTemporaryFile("w", dir=path().parent, delete=False) as beside:
            json.dump(whole, beside, indent=1)
        Path(beside.name).replace(path())
    except (OSError, ValueError, AttributeError):
        return
