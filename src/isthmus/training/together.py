"""Fits that run at once: one engine takes the steps, every loop judges by itself."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from isthmus.noise import Noise
from isthmus.objective import Task
from isthmus.records import Rows, Source
from isthmus.training.backend import Probed
from isthmus.training.callbacks import Callback
from isthmus.training.engine import Means
from isthmus.training.ensemble import Ensemble
from isthmus.training.graphs import graphs_of
from isthmus.training.held import Weights, snapshot
from isthmus.training.loop import HELD_OUT, ORDER, STEP, Loop, chunk_for, summed
from isthmus.training.native import ALONE
from isthmus.training.stacked import Noises, Pool
from isthmus.training.structure import groups, shape
from isthmus.training.threads import given_threads, join, threads_for

if TYPE_CHECKING:
    from isthmus.training.history import Row
    from isthmus.training.trainer import Trainer

log = logging.getLogger("isthmus")


def own(means: dict[str, list[float]], m: int) -> dict[str, float]:
    """Return the means of one member, with their sum."""
    return summed({name: values[m] for name, values in means.items()})


class Share:
    """What a member's loop sees of the engine that all share."""

    def __init__(self, engine: Ensemble, member: int) -> None:
        """Remember which member it is."""
        self.engine, self.member = engine, member

    @property
    def learning_rate(self) -> float:
        """The learning rate of the last step."""
        return self.engine.learning_rate

    def weights(self) -> Weights:
        """Copy every number of this member."""
        return snapshot(self.engine.members[self.member])

    def finite(self) -> bool:
        """Say whether every number of this member is finite."""
        return self.engine.finite() or self.engine.finite_member(self.member)


class Together:
    """Loops of one structure that take their steps at once; each judges, stops and keeps weights by itself.

    Attributes:
        failed: loops that met numbers that are not finite, whose fits have to be done alone.
    """

    def __init__(self, loops: Sequence[Loop], callback: Callback | None = None) -> None:
        """Keep the loops; the callback is told of one that is still running."""
        self.loops, self.callback = list(loops), callback
        self.live = list(loops)
        self.failed: list[Loop] = []
        self.engine: Ensemble | None = None
        self._stacked: list[Loop] = []

    def run(self) -> None:
        """Train until every loop is over; however it ends, each task holds its best weights so far."""
        first = self.loops[0]
        if self.callback is not None:
            self.callback.fit_start(first)
        try:
            # As many threads as one of them takes alone: every call waits for all threads, whatever it serves.
            with threads_for(first.batch_size * sum(p.numel() for p in first.task.trained())):
                for loop in self.loops:
                    loop.begin()
                self._part()
                while self.live:
                    self._epoch()
        except KeyboardInterrupt:
            for loop in self.live:
                loop.interrupted = True
                if loop.best is None and not loop.engine.finite():
                    self.failed.append(loop)
            log.warning("interrupted with %d fits at work; the best weights so far are kept", len(self.live))
        finally:
            self._release()
            for loop in self.loops:
                loop.close()
            if self.callback is not None:
                self.callback.fit_end(first)

    def _part(self) -> None:
        """Let loops that are over go, with the weights of this moment where none are better."""
        for loop in [loop for loop in self.live if loop.over]:
            loop.best = snapshot(loop.task) if loop.best is None else loop.best
            self.live.remove(loop)

    def _epoch(self) -> None:
        engine, began = self._bound(), time.perf_counter()
        means = self._train(engine)
        seconds = (time.perf_counter() - began) / len(self.live)
        held = self._judge(engine)
        for loop in list(self.live):
            m = self._stacked.index(loop)
            if loop.look(own(means, m), seconds, own(held, m) if held else None):
                continue
            self.live.remove(loop)
            self.failed.append(loop)
        if self.live and self.callback is not None:
            self.callback.epoch_end(self.live[0], self.live[0].history[-1])
        self._part()

    def _train(self, engine: Ensemble) -> dict[str, list[float]]:
        lead = self.live[0]
        engine.mode(True)
        noise = Noises([loop.noise.branch(STEP) for loop in self._stacked])
        orders = [loop.noise.branch(ORDER).at(lead.epoch) for loop in self._stacked]
        for i, batch in enumerate(self._pool.batches(orders, lead.steps)):
            engine.step(batch, noise.at(lead.step + i), lead.epoch + i / lead.steps, valued=i % lead.every == 0)
        for loop in self.live:
            loop.step += lead.steps
        return engine.means.read()  # type: ignore[return-value]

    def _judge(self, engine: Ensemble) -> dict[str, list[float]]:
        """Return the means on held-out rows; nothing where there are none, or not equally many."""
        if self._held is None:
            return {}
        engine.mode(False)
        means, noise = Means(), Noises([loop.noise.branch(HELD_OUT) for loop in self._stacked])
        for i, batch in enumerate(self._held.chunks(chunk_for(self._held.rows.x))):
            means.add(engine.judge(batch, noise.at(i)), len(batch.x))
        return means.read()  # type: ignore[return-value]

    def _bound(self) -> Ensemble:
        """Return the engine of the loops at work; once half of its members are done, one without them."""
        if self.engine is not None and 2 * len(self.live) > len(self._stacked):
            return self.engine
        state = None
        if self.engine is not None:
            kept = [self._stacked.index(loop) for loop in self.live]
            state = self.engine.kept(kept)
            self._release()
        trainer, self._stacked = self.live[0].trainer, list(self.live)
        optimiser = trainer.optimiser.over(trainer.epochs)
        tasks = [loop.task for loop in self._stacked]
        self.engine = Ensemble(tasks, optimiser, clip=trainer.clip, products=Probed())  # type: ignore[arg-type]
        self.engine.graphs = graphs_of(self.engine)
        self._pool = Pool([loop.rows for loop in self._stacked])  # type: ignore[misc]
        held = [loop.held_out for loop in self._stacked if loop.held_out is not None]
        alike = len({shape(rows) for rows in held}) == 1 and len(held) == len(self._stacked)
        self._held = Pool(held) if alike else None
        if state is not None:
            self.engine.load_state_dict(state)
        for m, loop in enumerate(self._stacked):
            loop.engine = Share(self.engine, m)  # type: ignore[assignment]
        return self.engine

    def _release(self) -> None:
        if self.engine is not None:
            self.engine.release()
            self.engine = None
            for loop in self._stacked:
                del loop.engine


def fit_many(
    trainer: Trainer,
    tasks: Sequence[Task],
    rows: Sequence[Source],
    noises: Sequence[Noise],
    held_out: Sequence[Rows | None],
    callback: Callback | None,
) -> list[Loop]:
    """Train every task as :meth:`Trainer.fit` would, those of one structure together."""
    fits = list(zip(tasks, rows, noises, held_out, strict=True))
    done: dict[int, Loop] = {}

    def now() -> Trainer:
        """Return the trainer; once the user has interrupted a fit, one that leaves the others where they start."""
        return replace(trainer, epochs=0) if any(loop.interrupted for loop in done.values()) else trainer

    for group in groups([trainer.phase_of(*fit) for fit in fits]):
        if len(group) > 1:
            done |= _together(now(), {i: fits[i] for i in group}, callback)
    alone = [i for i in range(len(fits)) if i not in done and by_kernel(trainer, *fits[i][:2])]
    done |= _side_by_side(now(), {i: fits[i] for i in alone}, callback, Halt())
    for i, (task, own, noise, held) in enumerate(fits):
        if i not in done:
            told = [callback] if callback is not None else []
            done[i] = now().fit(task, own, noise, held_out=held, callbacks=told)
    return [done[i] for i in range(len(fits))]


class Halt(Callback):
    """Ends fits of other threads, since an interruption reaches the main thread alone."""

    def __init__(self) -> None:
        """Let them go on."""
        self.now = False

    def epoch_end(self, loop: Loop, row: Row) -> None:
        """End the fit, if that was asked for."""
        loop.stop = loop.interrupted = loop.stop or self.now


def by_kernel(trainer: Trainer, task: Task, rows: Source) -> bool:
    """Say whether a fit is the kernel's, on one thread: such fits run side by side, which no stack of them reaches."""
    work = trainer.rows_per_step(len(rows)) * sum(p.numel() for p in task.trained())
    return trainer.runs(task, rows).startswith("native") and work <= ALONE and trainer.pretraining is None


def _side_by_side(trainer: Trainer, fits: dict[int, Any], callback: Callback | None, halt: Halt) -> dict[int, Loop]:
    """Run fits on a thread each; the callback is told of the first."""
    first = next(iter(fits), None)

    def fit(i: int) -> Loop:
        task, rows, noise, held = fits[i]
        told = [halt, callback] if callback is not None and i == first else [halt]
        return trainer.fit(task, rows, noise, held_out=held, callbacks=told)

    with threads_for(0), ThreadPoolExecutor(given_threads(), "isthmus-fit", join) as pool:
        futures = {i: pool.submit(fit, i) for i in fits}
        try:
            return {i: future.result() for i, future in futures.items()}
        except KeyboardInterrupt:
            halt.now = True
            return {i: future.result() for i, future in futures.items()}


def _together(trainer: Trainer, fits: dict[int, Any], callback: Callback | None) -> dict[int, Loop]:
    """Run fits at once; return the loops of those that went well."""
    drawn = {i: snapshot(task) for i, (task, *_) in fits.items()}
    loops: dict[int, Loop] = {}
    for i, fit in fits.items():
        phase = trainer.phase_of(*fit)
        phase.task.start(phase.rows.sample())
        loops[i] = Loop(phase)
    together = Together(list(loops.values()), callback)
    together.run()
    for i, (task, rows, _, held) in fits.items():
        if loops[i] in together.failed:
            task.load_state_dict(drawn[i])
            del loops[i]
        else:
            trainer.end(loops[i], rows if held is None else None)
    return loops
