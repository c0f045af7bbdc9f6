"""The trainer: how a task is trained, as a description."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import torch

from isthmus.component import Component, choice, count, number
from isthmus.noise import Noise
from isthmus.objective import Task
from isthmus.records import Rows, Source
from isthmus.schedule import Cosine
from isthmus.training import engines
from isthmus.training.callbacks import Callback
from isthmus.training.checkpoint import Checkpoint, fingerprint, refuse_unlike
from isthmus.training.engine import Engine
from isthmus.training.greedy import Greedy
from isthmus.training.group import Group
from isthmus.training.history import History
from isthmus.training.loop import Loop
from isthmus.training.optimiser import Adam, Optimiser
from isthmus.training.phase import Phase
from isthmus.training.together import fit_many

SPLIT = 4


@dataclass(frozen=True)
class Progressed:
    """Where a task stands after some partial fits: what the next one goes on from."""

    history: History
    state: dict[str, Any]


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
        trim: share of the rows of each batch, those whose values are least expected, that a step leaves out, after the
            first tenth of the fit: for rows that may hold anomalies, which are then not learnt.
        clip: largest norm of the gradient; 0 leaves it alone.
        precision: ``float32``, ``float64``, or ``bf16`` (bfloat16 products with float32 weights: about one and a half
            times as fast on processors that have them, and about three significant digits in activations).
        device: ``auto`` takes CUDA, then Apple's MPS, then the CPU; or a torch device name.
        engine: how a step is executed: ``native`` by a kernel for plain dense nets, where it was built; ``sparse``
            without the silent units of a code of which few are active; ``explicit`` by the derivatives that parts
            declare; ``autograd`` by torch's; ``auto`` is the first of these that knows every part and is not slower.
            ``compiled`` is autograd through ``torch.compile``, on request: seconds at the first steps, and a C++
            compiler. ``sharded``, on request, divides weights and moments among the processes of a fit. All look at the
            value of the loss in some steps of an epoch only.
        checkpoint_seconds: shortest time between two checkpoints, where a checkpoint file is asked for.
        pretraining: how the layers are trained one by one before the whole; None trains the whole from the start.
        micro_batch: the most rows that one pass holds in memory; a step adds up the gradients of as many passes as its
            rows need, and comes to the same weights. 0 passes all rows of a step at once.

    Raises:
        ValueError: a setting out of its range.

    >>> Trainer(epochs=20, optimiser=Adam(learning_rate=3e-4))
    Trainer(epochs=20, optimiser=Adam(learning_rate=0.0003))
    """

    kind: ClassVar[str] = "trainer"
    epochs: int = count(100, low=0)
    batch_size: int = count(0, low=0)
    optimiser: Optimiser = Adam(Cosine(1e-3))  # noqa: RUF009  (frozen)
    validation: float = number(0.1, low=0.0, high=0.9)
    patience: int = count(10, low=0)
    trim: float = number(0.0, low=0.0, high=0.9)
    clip: float = number(0.0, low=0.0)
    precision: str = choice("float32", ("float32", "float64", "bf16"))
    device: str = "auto"
    engine: str = choice("auto", ("auto", "native", "sparse", "explicit", "autograd", "compiled", "sharded"))
    checkpoint_seconds: float = number(30.0, low=0.0)
    pretraining: Greedy | None = None
    micro_batch: int = count(0, low=0)

    def rows_per_step(self, rows: int) -> int:
        """Return the batch size for so many training rows."""
        if self.optimiser.full_batch:
            return rows
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

    def bound(self, task: Task, rows: Source | None = None, *, shared: bool = False) -> Engine:
        """Return the engine that executes this trainer's steps on a task, where its rows are as the given ones.

        ``shared`` says that several processes take the steps together.
        """
        return engines.bound(self, task, rows, shared=shared)

    def replays(self, task: Task, *, shared: bool = False) -> bool:
        """Say whether steps on a task are CUDA graphs: of one process, all rows at once, with Adam."""
        on_device = any(p.is_cuda for p in task.trained())
        return on_device and self.optimiser.native and not (shared or self.micro_batch)

    def runs(self, task: Task, rows: Source | None = None, *, shared: bool = False) -> str:
        """Say which engine executes the steps of a task: ``explicit``, or ``autograd`` and why.

        Raises:
            ValueError: the explicit engine was asked for and cannot be.
        """
        named = engines.chosen(self, task, rows, shared=shared)
        return f"{named}, as CUDA graphs" if self.replays(task, shared=shared) else named

    def split(self, rows: Source, noise: Noise) -> tuple[Source, Rows | None]:
        """Hold out a share of the rows, drawn by the noise; none where fewer than ten rows could be split.

        Of a stream no more rows are held out than it has room for in memory.
        """
        held = min(round(len(rows) * self.validation), rows.room)
        if not held or len(rows) < 10:
            return rows, None
        return rows.split(noise.branch(SPLIT).some(len(rows), held))

    def phases(self, task: Task, rows: Source, held_out: Rows | None, noise: Noise, name: str) -> Iterator[Phase]:
        """Give what is trained, in order: where layers are pretrained, each one when those below it are done."""
        if self.pretraining is not None:
            yield from self.pretraining.phases(self, task.unsupervised(), rows, held_out, noise)
        yield Phase(name, self, task, rows, held_out, noise, start=False)

    def fit(
        self,
        task: Task,
        rows: Source,
        noise: Noise,
        *,
        held_out: Rows | None = None,
        callbacks: Sequence[Callback] = (),
        phase: str = "fit",
        history: History | None = None,
        save_to: Path | None = None,
        start: bool = True,
        group: Group | None = None,
    ) -> Loop:
        """Train a task in place and return its finished loop, with the history of all phases.

        Rows are held out by the trainer where ``held_out`` is not given; ``phase`` names the task's own epochs in the
        history; without ``start`` the task keeps its values instead of setting initial ones from the rows. Where the
        checkpoint file ``save_to`` exists, the fit goes on from there to the same weights. An interrupted pretraining
        gives back the loop of its layer, with ``interrupted`` set. The processes of a ``group`` take a share of every
        batch each, of the same rows; the first one calls the callbacks and writes the file.

        Raises:
            ValueError: labels or weights that cannot be used, a checkpoint that is unreadable or of another fit, or
                processes of a group with unlike fits.
        """
        refuse_trimmed_draws(self, task)
        group = group or Group()
        callbacks = [callback for callback in callbacks if group.first or callback.everywhere]
        task.epochs, task.trim = self.epochs, self.trim
        everything, own = rows, held_out is None
        rows, held_out = self.place_rows(task, rows, held_out, noise)
        marks = fingerprint(self, task, rows, held_out, noise) if save_to is not None or group.talks else {}
        refuse_unlike(group.gathered(marks))
        checkpoint = Checkpoint(save_to, task, marks, self.checkpoint_seconds, group)
        if start and checkpoint.saved is None:
            task.start(rows.sample())
        group.start_alike(task)
        phases = self.phases(task, rows, held_out, noise, phase)
        loop = self._run(phases, callbacks, history if history is not None else History(), checkpoint, group)
        self.end(loop, everything if start and own and self.pretraining is None else None)
        task.eval()
        return loop

    def end(self, loop: Loop, everything: Source | None) -> None:
        """Make a start that no epoch beat anew of all rows, where these are given."""
        if everything is not None and loop.held_out is not None and loop.best_epoch == 0:
            # What it is made of need not go without the rows held out for choosing.
            loop.task.start(everything.to(*self.place()).balanced().sample())

    def phase_of(self, task: Task, rows: Source, noise: Noise, held_out: Rows | None, name: str = "fit") -> Phase:
        """Return a fit's one phase, with its rows on the device."""
        task.epochs, task.trim = self.epochs, self.trim
        placed, held_out = self.place_rows(task, rows, held_out, noise)
        return Phase(name, self, task, placed, held_out, noise, start=False)

    def fit_many(
        self,
        tasks: Sequence[Task],
        rows: Sequence[Source],
        noises: Sequence[Noise],
        *,
        held_out: Sequence[Rows | None] | None = None,
        callback: Callback | None = None,
    ) -> list[Loop]:
        """Train every task in place as :meth:`fit` would, at once where that is possible; return the finished loops.

        Tasks of one structure, with equally many rows, take their steps together: one product for all of them, one step
        of the optimiser. Each has its own order, noise, held-out rows, patience and best weights. Tasks that cannot be
        joined, and those whose numbers stop being finite, are trained alone.
        """
        held_out = held_out if held_out is not None else [None] * len(tasks)
        return fit_many(self, tasks, rows, noises, held_out, callback)

    def _run(
        self,
        phases: Iterator[Phase],
        callbacks: Sequence[Callback],
        history: History,
        checkpoint: Checkpoint,
        group: Group,
    ) -> Loop:
        """Run one loop per phase; an interruption, between two of them too, ends the fit with the last one."""
        loop = Loop(next(phases), callbacks=callbacks, history=history, checkpoint=checkpoint, group=group)
        try:
            while True:
                if not checkpoint.finished(loop.phase):
                    loop.run(checkpoint.enter(loop.phase))
                following = None if loop.interrupted else next(phases, None)
                if following is None:
                    break
                loop = Loop(following, callbacks=callbacks, history=history, checkpoint=checkpoint, group=group)
        except KeyboardInterrupt:
            loop.interrupted = True
        return loop

    def partial(
        self, task: Task, rows: Rows, noise: Noise, previous: Progressed | None = None, *, start: bool = True
    ) -> Progressed:
        """Pass once over rows, going on from the moments, step and epoch at which the previous pass ended.

        Without ``start`` a first pass keeps the values of the task. Nothing is held out, and schedules count the passes
        as epochs; one that spans the fit stays at its start, since a stream has no last pass.
        """
        task.epochs, task.trim = math.inf, self.trim
        placed, _ = replace(self, validation=0.0).place_rows(task, rows, None, noise)
        history = previous.history if previous is not None else History()
        loop = Loop(Phase("fit", self, task, placed, None, noise), history=history)
        if previous is not None:
            loop.restore(previous.state)
        elif start:
            task.start(placed.sample())
        state = loop.once()
        task.eval()
        return Progressed(history, state)

    def place_rows(self, task: Task, rows: Source, held_out: Rows | None, noise: Noise) -> tuple[Source, Rows | None]:
        """Move the task and the rows to the device, hold rows out, and give row weights the mean one."""
        device, dtype = self.place()
        task.to(device, dtype)
        rows = rows.to(device, dtype)
        if held_out is None:
            rows, held_out = self.split(rows, noise)
        else:
            held_out = held_out.to(device, dtype)
        if rows.weight is not None and not rows.weight.any():
            raise ValueError("no training row has a weight above zero; weigh more rows or lower validation")
        if held_out is not None and held_out.weight is not None and not held_out.weight.any():
            held_out = None
        return rows.balanced(), held_out.balanced() if held_out is not None else None


def refuse_trimmed_draws(trainer: Trainer, task: Task) -> None:
    """Refuse to leave rows out where several draws of their codes say different things of them.

    Raises:
        ValueError: with both settings.
    """
    if trainer.trim and task.draws > 1:
        raise ValueError(
            f"trim={trainer.trim:g} orders rows by one look at each, and this bottleneck takes {task.draws} draws; use "
            "draws=1, or trim=0"
        )
