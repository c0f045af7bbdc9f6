"""Steps as CUDA graphs: recorded once for each kind of batch, and replayed without the Python of a step.

A step of a small net is some thirty kernels of a few microseconds each; to launch them one by one from Python takes
several times as long. What differs between two steps of a kind stands in tensors that stay where they are: the rows,
the numbers that schedules have at the moment, the learning rate, and the seed that noise is drawn from.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from isthmus.component import Moment, Schedule
from isthmus.noise import Noise, Standing, Unrecordable
from isthmus.records import Batch, Terms
from isthmus.training.fused import Fused

if TYPE_CHECKING:
    from isthmus.training.engine import Engine

log = logging.getLogger("isthmus")
# A step is taken as it is before it is recorded: libraries make their plans, and engines their buffers.
WARM = 2
# Kinds of steps that are recorded; each keeps the memory of a step.
MOST = 16

Work = Callable[[], Terms]
# Records work, with the noise drawn by these generators; returns what does it again, and where the results lie.
Recorder = Callable[[Work, Sequence[torch.Generator]], tuple[Callable[[], None], Terms]]


def recorded(work: Work, generators: Sequence[torch.Generator]) -> tuple[Callable[[], None], Terms]:
    """Record what work asks of the device as a CUDA graph; nothing is computed meanwhile."""
    graph = torch.cuda.CUDAGraph()
    for generator in generators:
        graph.register_generator_state(generator)
    with torch.cuda.graph(graph, capture_error_mode="thread_local"):
        found = work()
    return graph.replay, found


class Now(Moment):
    """A moment of a fit whose schedules have their values in tensors, to be moved to another moment."""

    values: dict[Schedule, Tensor]

    def __new__(cls, epoch: float, like: Tensor) -> Now:
        """Start at an epoch; values have the dtype and device of a tensor."""
        made = super().__new__(cls, epoch)
        made.values, made.like = {}, like.new_empty(0)
        return made

    like: Tensor

    def of(self, schedule: Schedule) -> Any:
        """Return the tensor that holds a schedule's value."""
        if schedule not in self.values:
            self.values[schedule] = self.like.new_full((), schedule.value(float(self)))
        return self.values[schedule]

    def move(self, epoch: float) -> None:
        """Give every tensor its value at another moment."""
        for schedule, value in self.values.items():
            value.fill_(schedule.value(epoch))


@dataclass
class Recording:
    """One kind of step, recorded: where it reads what differs, what replays it, and where it leaves the terms."""

    batch: Batch
    noises: list[Standing]
    now: Now
    rate: Tensor
    replay: Callable[[], None]
    terms: Terms

    def take(self, batch: Batch, noise: Noise, epoch: float, rate: float) -> Terms:
        """Take the step with another batch, noise, moment and learning rate."""
        for name in ("x", "seen", "weight", "y"):
            here, there = getattr(self.batch, name), getattr(batch, name)
            if here is not there:
                here.copy_(there)
        for standing, other in zip(self.noises, noise.members, strict=True):
            standing.move(other)
        self.now.move(epoch)
        self.rate.fill_(rate)
        self.replay()
        return self.terms


class Graphs:
    """The recordings of one engine's steps.

    A kind of step is what decides which kernels it runs: the shapes of the batch, whether terms are valued, whether it
    trims, and the optimiser's numbers but the learning rate. A kind that cannot be recorded, such as one with a module
    that the host has to wait for, is taken as it is.

    Attributes:
        refused: why a kind of step could not be recorded, empty where all could.
    """

    def __init__(self, engine: Engine, record: Recorder = recorded) -> None:
        """Record nothing yet."""
        self.engine, self.record = engine, record
        self.known: dict[Any, Recording | None] = {}
        self.met: Counter[Any] = Counter()
        self.refused = ""

    def step(self, batch: Batch, noise: Noise, epoch: float, valued: bool) -> Terms:
        """Take a step as a replay, where its kind is recorded."""
        kind = self._kind(batch, epoch, valued)
        recording = self.known.get(kind)
        if recording is not None:
            return recording.take(batch, noise, epoch, self.engine.optimiser.param_groups[0]["lr"])
        self.met[kind] += 1
        if kind in self.known or self.met[kind] < WARM or len(self.known) >= MOST:
            return self.engine.descend(batch, noise, epoch, valued)
        return self._record(kind, batch, noise, epoch, valued)

    def _kind(self, batch: Batch, epoch: float, valued: bool) -> Any:
        tensors = (batch.x, batch.seen, batch.weight, batch.y)
        shapes = tuple(None if t is None else (t.shape, t.dtype) for t in tensors)
        settings = {name: value for name, value in self.engine.optimiser.param_groups[0].items() if name != "lr"}
        place = batch.x.data_ptr() if batch.fixed else 0
        return shapes, place, valued, self.engine.task.trims(epoch), *settings.items()

    def _record(self, kind: Any, batch: Batch, noise: Noise, epoch: float, valued: bool) -> Terms:
        """Take a step with everything where it will stand, and record it without taking another."""
        standing, noises = noise.standing(batch.x.device)
        held, now = kept(batch), Now(epoch, batch.x)
        self.known[kind] = None
        try:
            taken = self.engine.descend(held, standing, now, valued)
        except Unrecordable as error:
            self._refuse(error)
            return self.engine.descend(batch, noise, epoch, valued)
        (group,) = self.engine.optimiser.param_groups
        given, rate = group["lr"], batch.x.new_full((), group["lr"], dtype=torch.float32)
        group["lr"] = rate
        try:
            work = partial(self.engine.descend, held, standing, now, valued)
            replay, terms = self.record(work, [one.generator for one in noises])
            self.known[kind] = Recording(held, noises, now, rate, replay, terms)
        except RuntimeError as error:
            self._refuse(error)
        finally:
            group["lr"] = given
        return taken

    def _refuse(self, error: RuntimeError) -> None:
        self.refused = str(error).splitlines()[0]
        log.info("steps are taken one kernel at a time, since they cannot be recorded: %s", self.refused)


def kept(batch: Batch) -> Batch:
    """Return a batch in tensors that stay: those that the next batch of its kind comes in, or copies."""
    x = batch.x if batch.fixed else batch.x.clone()
    seen, weight, y = (None if t is None else t.clone() for t in (batch.seen, batch.weight, batch.y))
    return replace(batch, x=x, seen=seen, weight=weight, y=y, fixed=True)


def graphs_of(engine: Engine) -> Graphs | None:
    """Return what records an engine's steps, where it is on a CUDA device and its optimiser never asks the host."""
    return Graphs(engine) if engine.flat.whole.is_cuda and isinstance(engine.optimiser, Fused) else None
