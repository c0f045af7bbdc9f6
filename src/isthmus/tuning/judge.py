"""What a trial is judged by after every epoch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np
import torch

from isthmus.training.callbacks import Callback

if TYPE_CHECKING:
    from optuna import Trial

    from isthmus.estimators.autoencoder import Autoencoder
    from isthmus.training.history import Row
    from isthmus.training.loop import Loop

CHUNK = 4096


class Judge(Callback):
    """Reports -log p(x | code) + KL of held-out rows, nats per row in the caller's units, and ends what is pruned.

    Attributes:
        pruned: whether the trial was ended since others were better at that epoch.
        interrupted: whether the user ended it.
    """

    def __init__(self, trial: Trial, held: Any) -> None:
        """Remember the trial, and the rows as the caller gave them."""
        self.trial, self.held = trial, held
        self.pruned = self.interrupted = False

    def of(self, model: Autoencoder) -> Self:
        """Judge this model."""
        self.model = model
        return self

    def fit_start(self, loop: Loop) -> None:
        """Find what the scale of the model adds to every row's loss."""
        if loop.phase == "fit":
            x = self.model._checked(self.held)
            self.offset = float(self.model.form_.scores(x, np.zeros(len(x))).mean()) - self.model.scaling_.log_factor

    def epoch_end(self, loop: Loop, row: Row) -> None:
        """Report, and ask."""
        if loop.phase != "fit":
            return
        self.trial.report(self.loss(loop) - self.offset, loop.epoch)
        if self.trial.should_prune():
            self.pruned = loop.stop = True

    def fit_end(self, loop: Loop) -> None:
        """Look at how it ended."""
        self.interrupted |= loop.interrupted

    @torch.no_grad()
    def loss(self, loop: Loop) -> float:
        """Return the mean loss of clean held-out rows as the model is now, in the model's units."""
        task: Any = loop.task
        rows, total = loop.held_out, 0.0
        assert rows is not None  # they were given
        task.eval()
        density = "density" in task.model.bottleneck.provides
        for index in torch.arange(len(rows), device=rows.x.device).split(CHUNK):
            p = task.model.forward(rows.take(index))
            each = task.nll(p).flatten(1).sum(1)
            total += float((each + p.posterior.kl() if density else each).double().sum())
        return total / len(rows)
