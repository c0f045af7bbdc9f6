"""The trainer: how a task is trained, as a description."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import torch

from isthmus.component import Component, choice, count, number
from isthmus.noise import Noise
from isthmus.objective import Task
from isthmus.records import Rows
from isthmus.training import checkpoint
from isthmus.training.callbacks import Callback
from isthmus.training.engine import AutogradEngine
from isthmus.training.history import History
from isthmus.training.loop import Loop
from isthmus.training.optimiser import Adam, Optimiser

SPLIT = 4


@dataclass(frozen=True, repr=False)
class Trainer(Component):
    """Epochs of optimiser steps with held-out rows that choose the weights.

    Args:
        epochs: passes over the training rows; 0 keeps the starting values.
        batch_size: rows per step; 0 picks 256, fewer below 5,120 rows so that an epoch has about twenty steps.
        optimiser: how a gradient becomes a step.
        validation: share of rows held out to choose the best weights and to stop; 0 trains on all rows and keeps the
            last weights.
        patience: epochs without a better held-out loss before stopping; 0 never stops early.
        clip: largest norm of the gradient; 0 leaves it alone.
        precision: ``float32``, ``float64``, or ``bf16`` (bfloat16 products with float32 weights: faster on recent
            hardware, about three significant digits in activations).
        device: ``auto`` takes CUDA, then Apple's MPS, then the CPU; or a torch device name.
        checkpoint_seconds: shortest time between two checkpoints, where a checkpoint file is asked for.

    >>> Trainer(epochs=20, optimiser=Adam(learning_rate=3e-4))
    Trainer(epochs=20, optimiser=Adam(learning_rate=0.0003))
    """

    kind: ClassVar[str] = "trainer"
    epochs: int = count(100, low=0)
    batch_size: int = count(0, low=0)
    optimiser: Optimiser = Adam()
    validation: float = number(0.1, low=0.0, high=0.9)
    patience: int = count(10, low=0)
    clip: float = number(0.0, low=0.0)
    precision: str = choice("float32", ("float32", "float64", "bf16"))
    device: str = "auto"
    checkpoint_seconds: float = number(30.0, low=0.0)

    def rows_per_step(self, rows: int) -> int:
        """Return the batch size for so many training rows."""
        return min(rows, self.batch_size or min(256, max(16, rows // 20)))

    def place(self) -> tuple[torch.device, torch.dtype]:
        """Return the device and the dtype of weights and data.

        Raises:
            ValueError: a device name that torch does not know or that is not here.
        """
        dtype = torch.float64 if self.precision == "float64" else torch.float32
        if self.device == "auto":
            mps = torch.backends.mps.is_available() and dtype == torch.float32
            return torch.device("cuda" if torch.cuda.is_available() else "mps" if mps else "cpu"), dtype
        try:
            device = torch.device(self.device)
            torch.empty(0, device=device)
        except (RuntimeError, AssertionError, NotImplementedError) as error:
            reason = str(error).splitlines()[0]
            raise ValueError(f"device={self.device!r} cannot be used ({reason}); use device='auto'") from None
        return device, dtype

    def engine(self, task: Task) -> AutogradEngine:
        """Return the engine that executes this trainer's steps on a task."""
        return AutogradEngine(task, self.optimiser, clip=self.clip, precision=self.precision)

    def split(self, rows: Rows, noise: Noise) -> tuple[Rows, Rows | None]:
        """Hold out a share of the rows, drawn by the noise; none where fewer than ten rows could be split."""
        held = round(len(rows) * self.validation)
        if not held or len(rows) < 10:
            return rows, None
        order = noise.branch(SPLIT).permutation(len(rows), rows.x.device)
        kept, out = rows.take(order[held:].sort().values), rows.take(order[:held].sort().values)
        return Rows(kept.x, kept.seen, kept.weight, kept.y), Rows(out.x, out.seen, out.weight, out.y)

    def fit(
        self,
        task: Task,
        rows: Rows,
        noise: Noise,
        *,
        held_out: Rows | None = None,
        callbacks: Sequence[Callback] = (),
        phase: str = "fit",
        history: History | None = None,
        save_to: Path | None = None,
        start: bool = True,
    ) -> Loop:
        """Train a task and return the finished loop, with its history.

        Where ``save_to`` names a checkpoint of the same phase, the fit goes on from there to the same weights.
        """
        device, dtype = self.place()
        task.to(device, dtype)
        rows = rows.to(device, dtype)
        held_out = held_out.to(device, dtype) if held_out is not None else None
        if held_out is None:
            rows, held_out = self.split(rows, noise)
        if start:
            task.start(rows.all())
        loop = Loop(
            self, task, rows, held_out, noise, phase=phase, callbacks=callbacks, history=history, save_to=save_to
        )
        saved = checkpoint.load(save_to) if save_to is not None and save_to.exists() else None
        loop.run(saved if saved is not None and saved["phase"] == phase else None)
        return loop
