"""Steps as CUDA graphs: a run of steps is recorded once, and replayed without the Python of a step.

A step of a small net is some thirty kernels of a few microseconds each; to launch them one by one from Python takes
several times as long. What differs between two runs of a kind stands in tensors that stay where they are: the rows or
their places, the numbers that schedules have at the moment, the learning rate, and the seeds that noise is drawn from.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from isthmus.component import Moment, Schedule
from isthmus.noise import Noise, Standing
from isthmus.records import Batch, Rows, Terms
from isthmus.training.cuda import RECORDING, aside, recorded
from isthmus.training.fused import Fused

if TYPE_CHECKING:
    from isthmus.training.engine import Engine

log = logging.getLogger("isthmus")
# The longest run, and the kinds of runs that are recorded, each of which keeps the memory of a step.
LENGTH, MOST = 16, 16
# A kind is taken as it is before it is recorded: libraries make their plans, and engines their buffers.
WARM = 2
# By how much, of the way that steps went, their replay may end elsewhere: sums by atomic additions have no fixed order.
CLOSE = 1e-3

Work = Callable[[], list[Terms]]
# Records work, with the noise drawn by these generators; returns what does it again, and where the results lie.
Recorder = Callable[[Work, Sequence[torch.Generator], Any], tuple[Callable[[], None], list[Terms]]]
# Makes the batches of a run of what differs between two runs.
Batches = Callable[[Sequence[Tensor]], Iterable[Batch]]


class Places:
    """Where the steps of a run read what schedules are worth, and the learning rate.

    Steps that are not recorded read the same places, so that a replay has the same bits.
    """

    def __init__(self, like: Tensor) -> None:
        """Lie on the device of a tensor; values have its dtype."""
        self.rates, self.values = like.new_zeros(LENGTH, dtype=torch.float32), dict[Schedule, Tensor]()
        self.like, self.epochs = like.new_empty(0), [0.0] * LENGTH

    def move(self, epochs: Sequence[float], rates: Sequence[float]) -> None:
        """Write what the next steps read."""
        self.epochs = [*epochs]
        write(self.rates, rates)
        for schedule, values in self.values.items():
            write(values, [schedule.value(epoch) for epoch in epochs])

    def of(self, schedule: Schedule, step: int) -> Tensor:
        """Return the place of a schedule's value in a step of the run."""
        if schedule not in self.values:
            self.values[schedule] = self.like.new_zeros(LENGTH)
            write(self.values[schedule], [schedule.value(epoch) for epoch in self.epochs])
        return self.values[schedule][step]


def write(to: Tensor, numbers: Sequence[float]) -> None:
    """Write numbers without waiting for the device."""
    to[: len(numbers)].copy_(torch.tensor(numbers, dtype=to.dtype), non_blocking=True)


class Now(Moment):
    """The moment of a step, whose schedules are tensors."""

    places: Places
    step: int

    def __new__(cls, epoch: float, places: Places, step: int) -> Now:
        """Be an epoch, in which a step of a run reads its places."""
        made = super().__new__(cls, epoch)
        made.places, made.step = places, step
        return made

    def of(self, schedule: Schedule) -> Any:
        """Return the place of a schedule's value."""
        return self.places.of(schedule, self.step)


@dataclass(frozen=True)
class Step:
    """What a step is told beside its batch: noise, moment, the optimiser's numbers, whether terms are valued."""

    noise: Noise
    epoch: float
    settings: dict[str, Any]
    valued: bool

    def kind(self, trims: bool) -> Any:
        """Return what decides which kernels it runs."""
        return self.valued, trims, *(value for name, value in self.settings.items() if name != "lr")


@dataclass
class Recording:
    """A run of steps, recorded: where it reads what differs, what replays it, and where it leaves the terms."""

    given: Sequence[Tensor]
    noises: list[list[Standing]]
    replay: Callable[[], None]
    terms: list[Terms]

    def take(self, given: Sequence[Tensor], steps: Sequence[Step]) -> list[Terms]:
        """Take the steps."""
        for here, there in zip(self.given, given, strict=True):
            if here is not there:
                here.copy_(there)
        for standing, step in zip(self.noises, steps, strict=True):
            for own, other in zip(standing, step.noise.members, strict=True):
                if own.drawn:
                    own.move(other)
        self.replay()
        return self.terms


class Graphs:
    """The recordings of one engine's steps.

    A kind of run is what decides which kernels it runs: the shapes of batches, which terms are valued, whether steps
    trim, and the optimiser's numbers but the learning rate. A kind that cannot be recorded, such as one with a module
    that the host has to wait for, is taken as it is; so is one whose replay does not come to the same weights.

    Attributes:
        refused: why a kind could not be recorded, empty where all could.
    """

    def __init__(self, engine: Engine, record: Recorder = recorded) -> None:
        """Record nothing yet."""
        self.engine, self.record = engine, record
        self.known: dict[Any, Recording | None] = {}
        self.met: Counter[Any] = Counter()
        self.refused = ""
        self.places = Places(engine.flat.whole.detach())
        device = self.places.rates.device
        self.stream = torch.cuda.Stream(device) if device.type == "cuda" else None

    def epoch(self, rows: Rows, index: Tensor, steps: Sequence[Step]) -> None:
        """Take an epoch's steps over rows in the order of an index, as even batches."""

        def batches(given: Sequence[Tensor]) -> Iterable[Batch]:
            return map(rows.taken, given[0])

        first = 0
        sizes = [len(part) for part in index.tensor_split(len(steps))]
        for run in runs(sizes):
            n, some = sizes[run.start], steps[run]
            picked = index[first : first + n * len(some)].view(len(some), n)
            first += picked.numel()
            for step, terms in zip(some, self._run(n, [picked], batches, some), strict=True):
                if step.valued:
                    self.engine.means.add(terms, n)

    def step(self, batch: Batch, step: Step) -> Terms:
        """Take one step with a batch."""
        names = [name for name in ("x", "seen", "weight", "y") if getattr(batch, name) is not None]
        place = batch.x.data_ptr() if batch.fixed else 0
        given = [getattr(batch, name) for name in names]

        def batches(found: Sequence[Tensor]) -> Iterable[Batch]:
            if found is given:
                return [batch]
            own = dict(zip(names, found, strict=True))
            return [Batch(own["x"], own.get("seen"), own.get("weight"), own.get("y"), fixed=True)]

        shapes = tuple((name, t.shape, t.dtype) for name, t in zip(names, given, strict=True))
        return self._run((place, *shapes), given, batches, [step], fixed=batch.fixed)[0]

    def _run(
        self, kind: Any, given: Sequence[Tensor], batches: Batches, steps: Sequence[Step], *, fixed: bool = False
    ) -> list[Terms]:
        """Take a run, as a replay where its kind is recorded; what is ``fixed`` is the first of what is given."""
        kind = kind, *(step.kind(self.engine.task.trims(step.epoch)) for step in steps)
        self.places.move([step.epoch for step in steps], [step.settings["lr"] for step in steps])
        recording = self.known.get(kind)
        if recording is not None:
            terms = recording.take(given, steps)
            self._settle(steps[-1])
            return terms
        self.met[kind] += 1
        plain = partial(self._take, batches, given, steps, [step.noise for step in steps])
        if kind in self.known or self.met[kind] < WARM or len(self.known) >= MOST:
            return aside(self.stream, plain)  # type: ignore[no-any-return]
        own = [t if fixed and t is given[0] else t.clone() for t in given]
        with RECORDING:
            found = self._recorded(kind, own, batches, steps)
        return aside(self.stream, plain) if found is None else found

    def _take(
        self, batches: Batches, given: Sequence[Tensor], steps: Sequence[Step], noises: Sequence[Noise]
    ) -> list[Terms]:
        """Take steps one after another."""
        (group,), found = self.engine.optimiser.param_groups, []
        for i, (batch, step, noise) in enumerate(zip(batches(given), steps, noises, strict=True)):
            group.update(step.settings | {"lr": self.places.rates[i]})
            found.append(self.engine.descend(batch, noise, Now(step.epoch, self.places, i), step.valued))
        self._settle(steps[-1])
        return found

    def _settle(self, last: Step) -> None:
        """Leave the optimiser's numbers as plain ones."""
        self.engine.optimiser.param_groups[0].update(last.settings)

    def _recorded(self, kind: Any, given: list[Tensor], batches: Batches, steps: Sequence[Step]) -> list[Terms] | None:
        """Take a run with everything where it will stand, and record it without taking another.

        None, with nothing changed, where the run itself cannot be taken so.
        """
        standing = [step.noise.standing(self.places.rates.device) for step in steps]
        work = partial(self._take, batches, given, steps, [noise for noise, _ in standing])
        numbers = self._numbers()
        before = copies(numbers)
        self.known[kind] = None
        try:
            found: list[Terms] = aside(self.stream, work, unwaited=True)
        except RuntimeError as error:
            restore(numbers, before)
            self._refuse(error)
            return None
        after = copies(numbers)
        try:
            drawn = [one.generator for _, own in standing for one in own if one.drawn]
            replay, terms = self.record(work, drawn, self.stream)
            recording = Recording(given, [own for _, own in standing], replay, terms)
            self._refuse_others(recording, steps, before, after)
            self.known[kind] = recording
        except RuntimeError as error:
            self._refuse(error)
        finally:
            restore(numbers, after)
            self._settle(steps[-1])
        return found

    def _refuse_others(
        self, recording: Recording, steps: Sequence[Step], before: list[Tensor], after: list[Tensor]
    ) -> None:
        """Refuse a recording whose replay does not go from the numbers before the steps to where they led.

        Raises:
            RuntimeError: it does not.
        """
        numbers = self._numbers()
        restore(numbers, before)
        recording.take(recording.given, steps)
        same = [led_there(t, led, old) for t, led, old in zip(numbers, after, before, strict=True)]
        if not bool(torch.stack(same).all()):
            raise RuntimeError("a replay does not come to the numbers of the steps that were recorded")

    def _numbers(self) -> list[Tensor]:
        """Return all that steps change, the weights first."""
        moments = self.engine.optimiser.state_dict().values()
        found = [self.engine.flat.whole.detach(), *self.engine.buffers(), *(t for some in moments for t in some)]
        return [t for t in found if t.is_floating_point()]

    def _refuse(self, error: RuntimeError) -> None:
        self.refused = (str(error).splitlines() or [type(error).__name__])[0]
        log.info("steps are taken one kernel at a time, since they cannot be recorded: %s", self.refused)


def copies(tensors: Sequence[Tensor]) -> list[Tensor]:
    """Return a copy of each."""
    return [t.clone() for t in tensors]


def led_there(t: Tensor, led: Tensor, old: Tensor) -> Tensor:
    """Say whether numbers are where steps led from the old ones, but for rounding; infinite ones stand still."""
    away, way = (a.nan_to_num(0.0, 0.0, 0.0).norm() for a in (t - led, led - old))
    return away <= CLOSE * way  # type: ignore[no-any-return]


def restore(tensors: Sequence[Tensor], to: Sequence[Tensor]) -> None:
    """Give each the numbers of its copy."""
    for t, old in zip(tensors, to, strict=True):
        t.copy_(old)


def runs(sizes: Sequence[int]) -> Iterable[slice]:
    """Cut steps into runs of equal batches.

    >>> [(run.start, run.stop) for run in runs([9] * 20 + [8] * 3)]
    [(0, 16), (16, 20), (20, 23)]
    """
    start = 0
    for stop in range(1, len(sizes) + 1):
        if stop == len(sizes) or stop - start == LENGTH or sizes[stop] != sizes[start]:
            yield slice(start, stop)
            start = stop


def graphs_of(engine: Engine) -> Graphs | None:
    """Return what records an engine's steps, where it is on a CUDA device and its optimiser never asks the host."""
    return Graphs(engine) if engine.flat.whole.is_cuda and isinstance(engine.optimiser, Fused) else None
