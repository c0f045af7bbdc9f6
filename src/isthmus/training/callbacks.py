"""Callbacks: what else happens around the epochs of a fit."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from isthmus.training.history import Row
    from isthmus.training.loop import Loop


class Callback:
    """Three moments of a fit, each doing nothing; set ``loop.stop = True`` to end the fit after the epoch."""

    def fit_start(self, loop: Loop) -> None:
        """Called before the first epoch."""

    def epoch_end(self, loop: Loop, row: Row) -> None:
        """Called after every epoch with its history row."""

    def fit_end(self, loop: Loop) -> None:
        """Called once when the fit has ended, however it ended."""


class Progress(Callback):
    """A rich progress bar: epochs, losses, rows per second, remaining time."""

    def fit_start(self, loop: Loop) -> None:
        """Open the bar."""
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[note]}")
        self.bar = Progress(*columns, TimeRemainingColumn(), transient=True)
        self.bar.start()
        self.task: Any = self.bar.add_task(loop.phase, total=loop.trainer.epochs, completed=loop.epoch, note="")

    def epoch_end(self, loop: Loop, row: Row) -> None:
        """Move the bar."""
        held = f", held out {row['held_out']['loss']:.4g}" if row["held_out"] else ""
        note = f"loss {row['train']['loss']:.4g}{held}, {row['rows_per_second']:,.0f} rows/s"
        self.bar.update(self.task, completed=loop.epoch, note=note)

    def fit_end(self, loop: Loop) -> None:
        """Close the bar."""
        self.bar.stop()


class TensorBoard(Callback):
    """Write every term of every epoch for TensorBoard (extra: ``isthmus[tensorboard]``)."""

    def __init__(self, folder: str | Path) -> None:
        """Remember where to write."""
        self.folder = Path(folder)

    def fit_start(self, loop: Loop) -> None:
        """Open the writer."""
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            raise ImportError("TensorBoard() needs the package tensorboard; pip install 'isthmus[tensorboard]'") from None
        self.writer: Any = SummaryWriter(str(self.folder))  # type: ignore[no-untyped-call]

    def epoch_end(self, loop: Loop, row: Row) -> None:
        """Write the row."""
        for part in ("train", "held_out"):
            for name, value in row[part].items():
                self.writer.add_scalar(f"{row['phase']}/{part}/{name}", value, row["epoch"])

    def fit_end(self, loop: Loop) -> None:
        """Close the writer."""
        self.writer.close()
