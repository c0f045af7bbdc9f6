"""Callbacks of the scripts that run in workers, which import them from here."""

from __future__ import annotations

import os
import statistics
import struct
import time
from pathlib import Path
from typing import Any

from isthmus.training.callbacks import Callback


def memory(name: str) -> int:
    """Return this process' memory in bytes: VmRSS, what is resident, or VmHWM, the most that was."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(name))
    return int(line.split()[1]) * 1024


class Weighed(Callback):
    """Write down what each process holds."""

    everywhere = True

    def __init__(self, folder: Path) -> None:
        """Write into a folder."""
        self.folder, self.before = folder, 0
        self.rest: list[int] = []

    def fit_start(self, loop: Any) -> None:
        """Look at the memory before anything is bound: the weights are there, and their copy as the best so far."""
        self.before = memory("VmRSS") - 2 * sum(p.nbytes for p in loop.task.parameters())
        # The most that was starts anew.
        Path("/proc/self/clear_refs").write_text("5")

    def epoch_start(self, loop: Any) -> None:
        """Look at the memory at every step."""
        inner = type(loop.engine).step

        def step(*arguments: Any, **settings: Any) -> None:
            self.rest.append(memory("VmRSS"))
            inner(loop.engine, *arguments, **settings)

        loop.engine.step = step

    def epoch_end(self, loop: Any, row: Any) -> None:
        """Write down what was seen, without the first epoch's steps, which make the buffers."""
        steps = loop.steps
        rest = statistics.median(self.rest[steps:] or self.rest) - self.before
        text = f"{rest} {memory('VmHWM') - self.before}"
        (self.folder / f"{loop.group.rank}.{os.getpid()}").write_text(text)


class Ledger(Callback):
    """Write down which process is which, when it takes a step, and which rows it takes in an epoch.

    The first number of a row is its own number, as a share of all. An epoch that is taken anew replaces the one before;
    ``changed`` files say that it took other rows.
    """

    everywhere = True

    def __init__(self, folder: Path, rows: int) -> None:
        """Write into a folder."""
        self.folder, self.rows = folder, rows
        self.taken: list[int] = []

    def fit_start(self, loop: Any) -> None:
        """Leave a file with the process' number, for who looks for it."""
        replaced(self.folder / f"pid.{loop.group.rank}", str(os.getpid()))

    def epoch_start(self, loop: Any) -> None:
        """Look at every step."""
        inner, self.taken = type(loop.engine).step, []
        times = (self.folder / f"times.{loop.group.rank}").open("ab", buffering=0)

        def step(batch: Any, *arguments: Any, **settings: Any) -> None:
            numbers = (batch.x[:, 0] * self.rows).round().long().tolist()
            inner(loop.engine, batch, *arguments, **settings)
            self.taken += numbers
            times.write(struct.pack("d", time.time()))

        loop.engine.step = step

    def epoch_end(self, loop: Any, row: Any) -> None:
        """Write down the rows of the epoch."""
        path, text = self.folder / f"rows.{loop.epoch}.{loop.group.rank}", " ".join(map(str, self.taken))
        if path.exists() and path.read_text() != text:
            path.with_name(f"changed.{loop.epoch}.{loop.group.rank}").touch()
        replaced(path, text)


def replaced(path: Path, text: str) -> None:
    """Write a file so that a reader finds the old text or the new one."""
    beside = path.with_name(f"part.{path.name}")
    beside.write_text(text)
    beside.replace(path)
