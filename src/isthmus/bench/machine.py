"""What a number depends on besides the code: processor, versions, revision, and what else the machine does."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from isthmus.machine import cpuinfo, processor

PACKAGES = ("isthmus", "torch", "numpy", "scikit-learn")
STAT = Path("/proc/stat")


def circumstances(folder: Path) -> dict[str, Any]:
    """Return what may change a number besides the set-up: versions, processor, the revision of a folder."""
    versions = {name: importlib.metadata.version(name) for name in PACKAGES}
    return {"python": platform.python_version(), "versions": versions, "cpu": processor(), "git": revision(folder)}


def multiplies_bf16() -> bool:
    """Say whether the processor names products of bfloat16 numbers among its abilities."""
    words = {word for name, value in cpuinfo() if name in ("flags", "Features") for word in value.split()}
    return bool(words & {"avx512_bf16", "amx_bf16", "avx_ne_convert", "bf16"})


def has_cuda() -> bool:
    """Say whether there is a CUDA device."""
    import torch

    return bool(torch.cuda.is_available())


def revision(folder: Path) -> str | None:
    """Return ``git describe`` of the sources in a folder, None outside a repository."""
    command = ["git", "describe", "--always", "--dirty", "--tags"]
    try:
        found = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    except OSError:
        return None
    return found.stdout.strip() or None


class Load(NamedTuple):
    """What a stretch of time saw: its seconds, and how many cores others kept busy; None where it cannot be told."""

    seconds: float
    foreign: float | None


def watched() -> Callable[[], Load]:
    """Begin to watch; the function returned says what happened since, less what our own processes used.

    >>> watched()().seconds < 1
    True
    """
    begun, busy, own = time.perf_counter(), _busy(), _own()

    def ended() -> Load:
        seconds, now = time.perf_counter() - begun, _busy()
        if busy is None or now is None:
            return Load(seconds, None)
        return Load(seconds, round(max(0.0, now - busy - (_own() - own)) / max(seconds, 1e-9), 2))

    return ended


def _busy() -> float | None:
    """Return the seconds that all cores together have worked since the machine started."""
    if not STAT.exists():
        return None
    user, nice, system, _idle, _waiting, irq, soft, *_ = map(int, STAT.read_text().split("\n", 1)[0].split()[1:])
    return (user + nice + system + irq + soft) / float(os.sysconf("SC_CLK_TCK"))


def _own() -> float:
    """Return the seconds of the processor that this process and its ended children have used."""
    used = os.times()
    return used.user + used.system + used.children_user + used.children_system
