"""The one loop: epochs of steps, held-out terms, best weights, roll-back, checkpoints."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from isthmus.noise import Noise
from isthmus.objective import Task, averaged
from isthmus.records import Rows
from isthmus.training import checkpoint
from isthmus.training.callbacks import Callback
from isthmus.training.engine import AutogradEngine
from isthmus.training.history import History, Row

if TYPE_CHECKING:
    from isthmus.training.trainer import Trainer

log = logging.getLogger("isthmus")
ORDER, STEP, HELD_OUT = 1, 2, 3
MAX_ROLLBACKS = 8
CHUNK = 1024


def snapshot(module: nn.Module) -> dict[str, Tensor]:
    """Copy every parameter and buffer."""
    return {name: tensor.detach().clone() for name, tensor in module.state_dict().items()}


class Loop:
    """One fit in progress. Order and noise are functions of seed and step, so an epoch boundary is a full state."""

    def __init__(
        self,
        trainer: Trainer,
        task: Task,
        rows: Rows,
        held_out: Rows | None,
        noise: Noise,
        *,
        phase: str = "fit",
        callbacks: Sequence[Callback] = (),
        history: History | None = None,
        save_to: Path | None = None,
    ) -> None:
        """Set the starting state."""
        self.trainer, self.task, self.rows, self.held_out, self.noise = trainer, task, rows, held_out, noise
        self.phase, self.callbacks, self.save_to = phase, callbacks, save_to
        self.history = history if history is not None else History()
        self.batch_size = len(rows) if trainer.optimiser.full_batch else trainer.rows_per_step(len(rows))
        self.epoch = self.step = self.stale = self.rollbacks = self.best_epoch = 0
        self.rate, self.best_loss = 1.0, math.inf
        self.best: dict[str, Tensor] | None = None
        self.stop = self.interrupted = False
        self._saved_at = time.monotonic()

    def run(self, resume: dict[str, Any] | None = None) -> History:
        """Train until the epochs are over, patience ends, a callback stops it or the user interrupts."""
        self.engine = self.trainer.engine(self.task) if self.trainer.epochs else None
        if resume is not None:
            self._restore(resume)
        elif self.held_out is not None:
            self._judge(self.evaluate(self.held_out)["loss"])
        for callback in self.callbacks:
            callback.fit_start(self)
        try:
            while self.epoch < self.trainer.epochs and not self.stop:
                self._one_epoch()
        except KeyboardInterrupt:
            self.interrupted = True
            log.warning("interrupted after %d epochs; the best weights so far are kept", self.epoch)
        finally:
            for callback in self.callbacks:
                callback.fit_end(self)
        if self.best is not None:
            self.task.load_state_dict(self.best)
        self.task.eval()
        return self.history

    def _one_epoch(self) -> None:
        good = snapshot(self.task), self._moments()
        began = time.perf_counter()
        train = self._train()
        held = self.evaluate(self.held_out) if self.held_out is not None else {}
        judged = held.get("loss", train["loss"])
        if not (math.isfinite(train["loss"]) and math.isfinite(judged) and self._engine().finite()):
            self._roll_back(*good)
            return
        self.epoch += 1
        seconds = time.perf_counter() - began
        row: Row = {"phase": self.phase, "epoch": self.epoch, "train": train, "held_out": held, "seconds": seconds}
        row["learning_rate"] = self._engine().optimiser.param_groups[0]["lr"]
        row["rows_per_second"] = len(self.rows) / seconds
        self.history.add(row)
        if self.held_out is not None:
            self._judge(judged)
        for callback in self.callbacks:
            callback.epoch_end(self, row)
        self._maybe_save()

    def _train(self) -> dict[str, float]:
        self.task.train()
        engine, n = self._engine(), len(self.rows)
        order = self.noise.branch(ORDER).at(self.epoch).permutation(n, self.rows.x.device)
        steps = math.ceil(n / self.batch_size)
        # Even batches: the last one is not a crumb whose gradient is mostly noise.
        for i, index in enumerate(order.tensor_split(steps)):
            batch = self.rows.all() if steps == 1 else self.rows.take(index)
            engine.step(batch, self.noise.branch(STEP).at(self.step), self.epoch + i / steps, self.rate)
            self.step += 1
        values = engine.values()
        return values | {"loss": math.fsum(values.values())}

    @torch.no_grad()
    def evaluate(self, rows: Rows) -> dict[str, float]:
        """Return the mean of every term over rows: schedules at their end, the same noise each time."""
        self.task.eval()
        sums: dict[str, float] = {}
        index = torch.arange(len(rows), device=rows.x.device)
        for i, part in enumerate(index.split(CHUNK)):
            batch = rows.take(part)
            terms, _ = self.task(batch, self.noise.branch(HELD_OUT).at(i), math.inf)
            for name, value in averaged(terms, batch.weight).items():
                sums[name] = sums.get(name, 0.0) + float(value) * len(part) / len(rows)
        return sums | {"loss": math.fsum(sums.values())}

    def _judge(self, loss: float) -> None:
        if loss < self.best_loss:
            self.best_loss, self.best_epoch, self.stale = loss, self.epoch, 0
            self.best = snapshot(self.task)
            return
        self.stale += 1
        if self.trainer.patience and self.stale >= self.trainer.patience:
            self.stop = True

    def _roll_back(self, weights: dict[str, Tensor], moments: dict[str, Any]) -> None:
        self.rollbacks += 1
        self.rate /= 2
        self.task.load_state_dict(weights)
        self._engine().load_state_dict(moments)
        log.warning("the loss became non-finite in epoch %d; back to its start, learning rate halved", self.epoch + 1)
        if self.rollbacks >= MAX_ROLLBACKS:
            log.warning("the loss stayed non-finite %d times; training ends with the last good weights", self.rollbacks)
            self.stop = True

    def _engine(self) -> AutogradEngine:
        if self.engine is None:
            raise ValueError("no engine: epochs=0 trains nothing; raise epochs")
        return self.engine

    def _moments(self) -> dict[str, Any]:
        tensors: dict[str, Tensor] = {}
        tree = checkpoint.flatten(self._engine().state_dict(), tensors)
        state: dict[str, Any] = checkpoint.unflatten(tree, tensors)
        return state

    # -- checkpoints ------------------------------------------------------------------------------------------------

    def state(self) -> dict[str, Any]:
        """Return everything that a fit needs to go on to the same weights."""
        numbers = ("phase", "epoch", "step", "stale", "rollbacks", "best_epoch", "rate", "best_loss", "stop")
        return {
            "task": self.task.state_dict(),
            "engine": self._engine().state_dict(),
            "best": self.best,
            "history": self.history.rows,
        } | {name: getattr(self, name) for name in numbers}

    def _restore(self, state: dict[str, Any]) -> None:
        self.task.load_state_dict(state["task"])
        self._engine().load_state_dict(state["engine"])
        device = checkpoint.device_of(self.task)
        self.best = None if state["best"] is None else {k: v.to(device) for k, v in state["best"].items()}
        self.history.rows[:] = state["history"]
        for name in ("epoch", "step", "stale", "rollbacks", "best_epoch", "rate", "best_loss", "stop"):
            setattr(self, name, state[name])

    def _maybe_save(self) -> None:
        due = time.monotonic() - self._saved_at >= self.trainer.checkpoint_seconds
        if self.save_to is not None and (due or self.epoch == self.trainer.epochs or self.stop):
            checkpoint.save(self.save_to, self.state())
            self._saved_at = time.monotonic()
