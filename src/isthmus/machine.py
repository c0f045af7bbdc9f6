"""What the package reads of the machine: the processor's own words, and the folder for what can be made again."""

from __future__ import annotations

import os
import platform
import sys
from pathlib import Path

CPUINFO = Path("/proc/cpuinfo")


def cache() -> Path:
    """Return the folder ``isthmus`` in the user's cache, where the system has it.

    >>> cache().name
    'isthmus'
    """
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or "~/AppData/Local"
    elif sys.platform == "darwin":
        base = "~/Library/Caches"
    else:
        base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser() / "isthmus"


def cpuinfo() -> list[tuple[str, str]]:
    """Return names and values as Linux tells them of its processors; nothing elsewhere."""
    lines = CPUINFO.read_text(encoding="utf-8").splitlines() if CPUINFO.exists() else []
    return [(name.strip(), value.strip()) for name, _, value in (line.partition(":") for line in lines)]


def processor() -> str:
    """Return the processor's name."""
    names = [value for name, value in cpuinfo() if name == "model name"]
    return names[0] if names else platform.processor() or platform.machine()
