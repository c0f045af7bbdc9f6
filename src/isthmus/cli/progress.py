"""How far a long command is: a bar on a terminal, plain lines elsewhere, always on stderr."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any, Self

from isthmus.training.callbacks import Callback, Progress

if TYPE_CHECKING:
    from rich.console import Console

    from isthmus.training.history import Row
    from isthmus.training.loop import Loop

SECONDS = 10.0
"""Longest silence between two plain lines while epochs end."""


class Watch(Callback):
    """Remember whether the user interrupted the fit, after which the model is still good."""

    interrupted = False

    def fit_end(self, loop: Loop) -> None:
        """Look at how the fit ended."""
        self.interrupted |= loop.interrupted


class Lines(Callback):
    """About ten lines per fit: epoch, losses, rate, remaining time."""

    def fit_start(self, loop: Loop) -> None:
        """Start the clock."""
        self.began = self.said = time.monotonic()
        self.first, self.phase = loop.epoch, loop.phase

    def epoch_end(self, loop: Loop, row: Row) -> None:
        """Say something every tenth of the epochs, and every ten seconds."""
        now, epochs = time.monotonic(), loop.trainer.epochs
        if loop.epoch % max(1, epochs // 10) and loop.epoch != epochs and now - self.said < SECONDS:
            return
        self.said = now
        held = f", held out {row['held_out']['loss']:.5g}" if row["held_out"] else ""
        left = (epochs - loop.epoch) * (now - self.began) / max(loop.epoch - self.first, 1)
        print(
            f"{self.phase}: epoch {loop.epoch}/{epochs}, loss {row['train']['loss']:.5g}{held}, "
            f"{row['rows_per_second']:,.0f} rows/s, at most {left:.0f} s left",
            file=sys.stderr,
        )


def callbacks(watch: Watch, *, quiet: bool, plain: bool = False) -> list[Callback]:
    """Return what accompanies a fit; ``plain`` lines also where there is a terminal."""
    if quiet:
        return [watch]
    return [watch, Progress(_console()) if sys.stderr.isatty() and not plain else Lines()]


class Members(Callback):
    """The progress of a detector: its denoisers are fitted at once, then what fills its cells."""

    def __init__(self, watch: Watch, *, quiet: bool) -> None:
        """Tell the watch too, and show nothing where ``quiet``."""
        self.told = callbacks(watch, quiet=quiet)

    def fit_start(self, loop: Loop) -> None:
        """Begin with some of the nets."""
        corruption = getattr(loop.task, "corruption", None)
        hides = corruption is not None and "hidden entries" in corruption.provides
        self.phase = "fillers" if hides else "denoisers"
        for callback in self.told:
            callback.fit_start(loop)
            if isinstance(callback, Progress):
                callback.bar.update(callback.task, description=self.phase)
            if isinstance(callback, Lines):
                callback.phase = self.phase

    def epoch_end(self, loop: Loop, row: Row) -> None:
        """Tell all."""
        for callback in self.told:
            callback.epoch_end(loop, row)

    def fit_end(self, loop: Loop) -> None:
        """Tell all."""
        for callback in self.told:
            callback.fit_end(loop)


class Download:
    """The progress of downloads, by file; silent until the first byte arrives."""

    def __init__(self, *, quiet: bool) -> None:
        """Show nothing where ``quiet``."""
        self.quiet = quiet
        self._bar: Any = None
        self._tasks: dict[str, Any] = {}

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(self, *exc: object) -> None:
        """Close the bar, if there is one."""
        if self._bar is not None:
            self._bar.stop()

    def step(self, name: str, done: int, total: int | None) -> None:
        """Take note of the bytes that have arrived."""
        if self.quiet:
            return
        if not sys.stderr.isatty():
            if done == total:
                print(f"downloaded {name}, {done:,} bytes", file=sys.stderr)
            return
        if self._bar is None:
            self._bar = _bar()
        if name not in self._tasks:
            self._tasks[name] = self._bar.add_task(name, total=total)
        self._bar.update(self._tasks[name], completed=done)


class Counted:
    """The progress of what is done row by row: a bar on a terminal, else a line every ten seconds."""

    def __init__(self, what: str, total: int | None) -> None:
        """Say what is done, and for how many rows where that is known."""
        self.what, self.total, self.done = what, total, 0
        self.began = self.said = time.monotonic()
        self._bar: Any = None

    def __enter__(self) -> Self:
        """Begin."""
        if sys.stderr.isatty():
            from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

            columns = TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed:,.0f} rows")
            self._bar = Progress(*columns, TimeRemainingColumn(), console=_console(), transient=True)
            self._bar.start()
            self._task = self._bar.add_task(self.what, total=self.total)
        return self

    def __exit__(self, *exc: object) -> None:
        """Close the bar, if there is one."""
        if self._bar is not None:
            self._bar.stop()

    def step(self, rows: int) -> None:
        """Take note of rows that are done."""
        self.done += rows
        if self._bar is not None:
            self._bar.update(self._task, completed=self.done)
        elif (now := time.monotonic()) - self.said > SECONDS:
            self.said = now
            of = f" of {self.total:,}" if self.total else ""
            rate = self.done / (now - self.began)
            print(f"{self.what}: {self.done:,}{of} rows, {rate:,.0f} rows/s", file=sys.stderr)


def _console() -> Console:
    from rich.console import Console

    return Console(stderr=True)


def _bar() -> Any:
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    columns = TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn()
    bar = Progress(*columns, TimeRemainingColumn(), console=_console(), transient=True)
    bar.start()
    return bar
