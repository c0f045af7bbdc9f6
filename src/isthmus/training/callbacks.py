"""Callbacks: what else happens around the epochs of a fit."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from isthmus.importing import unnoticed

if TYPE_CHECKING:
    from rich.console import Console

    from isthmus.training.history import Row
    from isthmus.training.loop import Loop


class Callback:
    """Four moments of a phase, each doing nothing; set ``loop.stop = True`` to end the phase after the epoch.

    A fit is one phase, called ``loop.phase``, or several where layers are pretrained one by one. In a fit on several
    processes the first one calls it; where it changes weights or moments, ``everywhere`` has all of them call it.
    """

    everywhere: ClassVar[bool] = False

    def fit_start(self, loop: Loop) -> None:
        """Called before the first epoch."""

    def epoch_start(self, loop: Loop) -> None:
        """Called before every epoch, also before one that is taken again after a roll-back or resumed.

        What it does to weights and moments is a part of the epoch, if it depends on these, ``loop.epoch`` and
        ``loop.noise`` alone.
        """

    def epoch_end(self, loop: Loop, row: Row) -> None:
        """Called after every epoch with its history row."""

    def fit_end(self, loop: Loop) -> None:
        """Called once when the phase has ended, however it ended; the task holds its best weights."""


class Progress(Callback):
    """A rich progress bar: phase, epochs, losses, rows per second, remaining time."""

    def __init__(self, console: Console | None = None) -> None:
        """Remember where to draw; None is the terminal."""
        self.console = console

    def fit_start(self, loop: Loop) -> None:
        """Open the bar."""
        with unnoticed():
            from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
            from rich.progress import Progress as Bar

        columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[note]}")
        self.bar = Bar(*columns, TimeRemainingColumn(), transient=True, console=self.console)
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
        """Open the writer.

        Raises:
            ImportError: the extra is not installed.
        """
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            raise ImportError("TensorBoard() needs tensorboard; pip install 'isthmus[tensorboard]'") from None
        self.writer: Any = SummaryWriter(str(self.folder))

    def epoch_end(self, loop: Loop, row: Row) -> None:
        """Write the row."""
        for part in ("train", "held_out", "measured"):
            for name, value in row[part].items():
                self.writer.add_scalar(f"{row['phase']}/{part}/{name}", value, row["epoch"])
        self.writer.add_scalar(f"{row['phase']}/learning_rate", row["learning_rate"], row["epoch"])

    def fit_end(self, loop: Loop) -> None:
        """Close the writer."""
        self.writer.close()


class MLflow(Callback):
    """Log every term of every epoch as metrics of an MLflow run (extra: ``isthmus[mlflow]``).

    It is the active run, or a new one that ends with the fit; ``run_id`` says which.
    """

    def __init__(self) -> None:
        """Begin without a run."""
        self.run_id: str | None = None
        self._own = False

    def fit_start(self, loop: Loop) -> None:
        """Find a run, or begin one.

        Raises:
            ImportError: the extra is not installed.
        """
        try:
            import mlflow
        except ImportError:
            raise ImportError("MLflow() needs mlflow; pip install 'isthmus[mlflow]'") from None
        active = mlflow.active_run()
        self._own = active is None
        # A later phase goes on with the run of the first.
        run = mlflow.start_run(run_id=self.run_id) if active is None else active
        self.run_id = run.info.run_id

    def epoch_end(self, loop: Loop, row: Row) -> None:
        """Log the row."""
        import mlflow

        parts = ("train", "held_out", "measured")
        metrics = {f"{row['phase']}/{part}/{name}": value for part in parts for name, value in row[part].items()}
        metrics[f"{row['phase']}/learning_rate"] = row["learning_rate"]
        mlflow.log_metrics(metrics, step=row["epoch"], run_id=self.run_id)

    def fit_end(self, loop: Loop) -> None:
        """End the run, where it is its own."""
        import mlflow

        if self._own:
            mlflow.end_run("KILLED" if loop.interrupted else "FINISHED")
