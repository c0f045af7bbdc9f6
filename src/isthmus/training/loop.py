"""The one loop: epochs of steps, held-out terms, best weights, roll-back, checkpoints."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from isthmus.objective import averaged
from isthmus.records import Rows
from isthmus.training.callbacks import Callback
from isthmus.training.checkpoint import Checkpoint
from isthmus.training.engine import Engine, Means
from isthmus.training.group import Group
from isthmus.training.held import Held, Weights, snapshot
from isthmus.training.history import History, Row
from isthmus.training.phase import Phase
from isthmus.training.sharded import Sharded, deferred
from isthmus.training.threads import threads_for

log = logging.getLogger("isthmus")
ORDER, STEP, HELD_OUT = 1, 2, 3
MAX_ROLLBACKS = 8
# Rows of one look at those held out: a chunk in the cache, or enough of them to keep a GPU at work, which also holds
# what layers make of so many numbers.
CHUNK, LARGE_CHUNK, AT_ONCE = 1024, 16_384, 2**24
VALUED = 16
NUMBERS = ("epoch", "step", "rate", "rollbacks", "stale", "best_epoch", "best_verdict")


def summed(terms: dict[str, float]) -> dict[str, float]:
    """Return terms with their sum, the loss."""
    return terms | {"loss": math.fsum(terms.values())}


def chunk_for(x: Tensor) -> int:
    """Return how many of these rows one look takes."""
    if x.device.type == "cpu":
        return CHUNK
    return min(LARGE_CHUNK, max(CHUNK, AT_ONCE // max(1, x[0].numel())))


class Loop:
    """One phase of a fit in progress.

    Order and noise are functions of the seed and the step, so what :meth:`state` returns between two epochs is all that
    a fit needs to go on to the same weights: roll-back, interruption, checkpoint and the next partial fit
    :meth:`restore` it.

    Attributes:
        epoch, step: how many of each are done.
        best_epoch: the epoch whose weights are kept: chosen by held-out rows, else the last; 0 is the start.
        rate: factor of the learning rate, halved by every roll-back; rollbacks: how many there were.
        stop: set by a callback to end after this epoch; interrupted: whether the user ended it.
        refused: why steps were not replayed as CUDA graphs, where they could have been.
    """

    def __init__(
        self,
        phase: Phase,
        *,
        callbacks: Sequence[Callback] = (),
        history: History | None = None,
        checkpoint: Checkpoint | None = None,
        group: Group | None = None,
    ) -> None:
        """Set the starting state."""
        self.group = group or Group()
        self.trainer, self.task, self.rows, self.held_out = phase.trainer, phase.task, phase.rows, phase.held_out
        self.phase, self.noise, self.start = phase.name, phase.noise, phase.start
        self.callbacks, self.checkpoint = callbacks, checkpoint
        self.history = history if history is not None else History()
        self.batch_size = self.trainer.rows_per_step(len(self.rows))
        self.epoch = self.step = self.rollbacks = self.stale = self.best_epoch = 0
        self.rate = 1.0
        self.best_verdict = [math.inf]
        self.best: Weights | None = None
        # What a group that is gone has trained is taken over as it is.
        self.stop, self.interrupted = not self.group.live, False
        self.refused = ""
        self._asked, self._held = threading.Event(), Held(self.task)
        self._good: dict[str, Any] | None = None
        self._moments: dict[str, Any] | None = None

    @cached_property
    def engine(self) -> Engine:
        """What executes the steps; made at the first one, so that a fit of no epochs needs nothing to train."""
        engine = self.trainer.bound(self.task, self.rows, shared=self.group.size > 1)
        engine.group = self.group
        if self._moments is not None:
            engine.load_state_dict(self._moments)
        if self.best is not None:
            self.best = engine.part(self.best)
        return engine

    def run(self, state: dict[str, Any] | None = None) -> History:
        """Train until the epochs are over, patience ends, a callback stops it or the user interrupts.

        However it ends, the task holds the best weights so far.
        """
        told: list[Callback] = []
        try:
            with self._threads(), deferred(self._asked) if self.divides else nullcontext():
                self.begin(state)
                for callback in self.callbacks:
                    callback.fit_start(self)
                    told.append(callback)
                self.stop = self.group.told(self.stop)
                while not self.over:
                    self.one_epoch()
        except BaseException as error:
            if self.divides and "engine" in self.__dict__:
                # The others are elsewhere, and do not answer.
                self.engine.group = Group()
            if self.divides or not isinstance(error, KeyboardInterrupt):
                raise
            self._interrupt()
        finally:
            self.close()
            for callback in told:
                callback.fit_end(self)
        return self.history

    @property
    def divides(self) -> bool:
        """Whether each process keeps a part of the weights only."""
        return self.group.talks and self.trainer.engine == Sharded.name

    def close(self) -> None:
        """Give the task its best weights so far, in tensors of its own."""
        if self.best is not None:
            (self.engine.take if "engine" in self.__dict__ else self.task.load_state_dict)(self.best)
        self.release()
        self.task.eval()

    def _threads(self) -> AbstractContextManager[None]:
        return threads_for(self.batch_size // self.group.size * sum(p.numel() for p in self.task.trained()))

    def once(self) -> dict[str, Any]:
        """Pass once over the rows and return the state behind it, for a stream that goes on later."""
        with self._threads():
            self.one_epoch()
        state = self.state()
        self.release()
        return state

    @property
    def over(self) -> bool:
        """Whether there is nothing left to do."""
        tired = 0 < self.trainer.patience <= self.stale
        return self.stop or tired or self.epoch >= self.trainer.epochs or self.rollbacks >= MAX_ROLLBACKS

    def begin(self, state: dict[str, Any] | None = None) -> None:
        """Go on from a state, or look at the held-out rows before the first step."""
        if state is not None:
            self.restore(self.engine.divided(state) if self.group.live else state)
            return
        if self.start:
            self.task.start(self.rows.sample())
        if self.held_out is not None:
            self._judge(*self.evaluate(self.held_out))

    def one_epoch(self) -> None:
        """Take the steps of one epoch and look where they led."""
        if self._good is None:
            self._good = self.state()
        for callback in self.callbacks:
            callback.epoch_start(self)
        began = time.perf_counter()
        train = self._train()
        if not self.look(train, time.perf_counter() - began):
            self._roll_back(self._good)
            return
        self._good = self.state()
        self.tell()
        self.stop = self.group.ends(self.stop, self.engine.length())
        if self.divides:
            self.interrupted = self.group.either(self._asked.is_set(), self.engine.length())
            self.stop |= self.interrupted
        self._keep(now=self.over)

    def look(self, train: dict[str, float], seconds: float, held: dict[str, float] | None = None) -> bool:
        """Judge and write down an epoch whose steps took so many seconds, unless something is not finite.

        Held-out terms may be given, of a task that measures nothing besides.
        """
        began = time.perf_counter()
        measured: dict[str, float] = {}
        if held is None:
            held, measured = self.evaluate(self.held_out) if self.held_out is not None else ({}, {})
        if not (math.isfinite(train["loss"]) and math.isfinite(held.get("loss", 0.0)) and self.engine.finite()):
            return False
        self.epoch += 1
        row: Row = {"phase": self.phase, "epoch": self.epoch, "train": train, "held_out": held, "measured": measured}
        row |= {"learning_rate": self.engine.learning_rate, "rollbacks": self.rollbacks}
        whole = seconds + time.perf_counter() - began
        row |= {"seconds": whole, "rows_per_second": len(self.rows) / seconds}
        row |= {"shuffle_quality": self.rows.quality}
        self.history.add(row)
        if self.held_out is None:
            self.best_epoch = self.epoch
        else:
            self._judge(held, measured)
            self.task.told(held | measured)
        return True

    def tell(self) -> None:
        """Tell the callbacks of the epoch that was written down."""
        for callback in self.callbacks:
            callback.epoch_end(self, self.history[-1])

    @property
    def steps(self) -> int:
        """The number of steps of an epoch."""
        return math.ceil(len(self.rows) / self.batch_size)

    @property
    def every(self) -> int:
        """In which of its steps an epoch looks at the loss: in every so many, from the first on."""
        return max(1, min(VALUED, self.steps // 4))

    def _train(self) -> dict[str, float]:
        self._held.train(True)
        steps = self.steps
        order, noise = self.noise.branch(ORDER).at(self.epoch), self.noise.branch(STEP).at(self.step)
        self.engine.epoch(self.rows, order, noise, steps=steps, every=self.every, epoch=self.epoch, rate=self.rate)
        self.step += steps
        return summed(self.engine.means.read())

    @torch.no_grad()
    def evaluate(self, rows: Rows) -> tuple[dict[str, float], dict[str, float]]:
        """Return the mean of every term over rows, their sum as ``loss``, and what the task measures besides.

        Schedules stand at their end, so that no warm-up looks best, and the noise is the same each time.
        """
        self._held.train(False)
        terms, measures = Means(), Means()
        size = chunk_for(rows.x)
        chunks = list(enumerate(torch.arange(len(rows), device=rows.x.device).split(size)))
        # Every process has to have a part, so that it knows the names of what is summed.
        shared = self.group.talks and len(chunks) >= self.group.size
        for i, index in chunks[self.group.rank :: self.group.size] if shared else chunks:
            for batch in rows.take(index).parts(self.trainer.micro_batch):
                found, _ = self.task(batch, batch.own(self.noise.branch(HELD_OUT).at(i)), math.inf)
                terms.add(averaged(found, batch.weight), len(batch.x))
                measures.add(averaged(self.task.measure(batch), batch.weight), len(batch.x))
        if shared:
            terms.join(self.group)
            measures.join(self.group)
        return summed(terms.read()), measures.read()

    def _judge(self, held: dict[str, float], measured: dict[str, float]) -> None:
        verdict = self.task.verdict(held | measured)
        if verdict < self.best_verdict:
            self.best_verdict, self.best_epoch, self.stale = verdict, self.epoch, 0
            self.best = self.engine.weights() if "engine" in self.__dict__ else snapshot(self.task)
        elif self.epoch:
            self.stale += 1

    def _roll_back(self, good: dict[str, Any]) -> None:
        good |= {"rollbacks": self.rollbacks + 1, "rate": self.rate / 2}
        self.restore(good)
        if not self.group.first:
            return
        log.warning(
            "the loss became non-finite in epoch %d of %s; back to its start, learning rate halved",
            self.epoch + 1,
            self.phase,
        )
        if self.rollbacks >= MAX_ROLLBACKS:
            log.warning("that happened %d times; training ends with the last good weights", self.rollbacks)

    def _interrupt(self) -> None:
        """Keep the last whole epoch for a later fit; without held-out rows, keep the weights of this moment in use."""
        self.interrupted = True
        log.warning("interrupted after %d epochs of %s; the best weights so far are kept", self.epoch, self.phase)
        if self._good is None:
            return
        reached = snapshot(self.task) if self.held_out is None and self.engine.finite() else None
        self.restore(self._good)
        self._keep(now=True)
        if reached is not None:
            self.task.load_state_dict(reached)

    def state(self) -> dict[str, Any]:
        """Return a copy of everything that the fit needs to go on to the same weights."""
        return {name: getattr(self, name) for name in NUMBERS} | {
            "task": self.engine.weights(),
            "engine": self.engine.state_dict(),
            "best": self.best,
            "history": list(self.history.rows),
        }

    def release(self) -> None:
        """Let go of the engine, so that parameters get tensors of their own; another step makes a new one."""
        if "engine" in self.__dict__:
            self._moments = self.engine.state_dict()
            self.refused = self.engine.graphs.refused if self.engine.graphs is not None else ""
            self.engine.release()
            del self.engine

    def restore(self, state: dict[str, Any]) -> None:
        """Go back to a state."""
        if self.group.live:
            self.engine.take(state["task"])
            self.engine.load_state_dict(state["engine"])
            self.engine.means = Means()
        else:
            self.task.load_state_dict(state["task"])
        self.best = state["best"]
        self.history.rows[:] = state["history"]
        for name in NUMBERS:
            setattr(self, name, state[name])

    def _keep(self, now: bool) -> None:
        if self.checkpoint is None or self._good is None:
            return
        due = self.checkpoint.due(now=now)
        if self.engine.group.told(due) if self.divides else due:
            self.checkpoint.keep(self.task, self.engine.gathered(self._good))
