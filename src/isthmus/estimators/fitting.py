"""How an estimator is fitted: in this process, in a group of processes that are there, or on workers."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from isthmus.estimators.assembly import SizeWarning
from isthmus.estimators.beginning import begin_fit, rows_of_fit
from isthmus.estimators.parameters import seed_of
from isthmus.training import distributed
from isthmus.training.callbacks import Callback, Progress
from isthmus.training.checkpoint import seed_in
from isthmus.training.loop import Loop
from isthmus.training.threads import threads_for
from isthmus.training.workers import Workers

# Epochs from which on a target should be reached, and by how much it is missed, as a logarithm, to be told.
ENOUGH, FAR = 50, 0.1


def fit(
    model: Any,
    X: Any,
    sample_weight: Any,
    held_out: Any,
    checkpoint: str | Path | None,
    callbacks: Sequence[Callback],
    devices: int | Workers | None,
) -> None:
    """Build an autoencoder's model and train it on rows X."""
    asked = distributed.workers_of(devices)
    group = distributed.group_for(asked)
    save_to = None if checkpoint is None else Path(checkpoint)
    seed = group.told(_seed(model, save_to))
    rows, x, weight = begin_fit(model, X, sample_weight, seed)
    held = None if held_out is None else rows_of_fit(model, model._checked(held_out), None)
    callbacks = [*callbacks, *([Progress()] if model.verbose else [])]
    settings: dict[str, Any] = {"held_out": held, "callbacks": callbacks, "save_to": save_to}
    # Small data are small around the epochs too: the start at PCA, the baseline, the sample of codes.
    with threads_for(len(rows) * sum(p.numel() for p in model.objective_.parameters())):
        work = (model.objective_, rows, model._noise)
        loop: Loop
        if asked is not None and asked.elsewhere:
            loop = distributed.fit(asked, model.trainer_, *work, **settings)
        else:
            loop = model.trainer_.fit(*work, group=group, **settings)
        model._ended(loop, x, weight)
    _warn_of_missed(model.objective_, loop)


def _warn_of_missed(objective: Any, loop: Loop) -> None:
    """Say so where a penalty has not reached its target, although it had time to."""
    if loop.epoch < ENOUGH or not 0 < loop.best_epoch <= len(loop.history):
        return
    found = loop.history[loop.best_epoch - 1]["measured"] or {}
    for name, penalty in objective.penalties.items():
        missed = penalty.missed(objective.memory_of(name), found) if found else None
        if missed is not None and missed > FAR:
            warnings.warn(
                f"{penalty!r} is a factor of {math.exp(missed):.1f} from its target on held-out rows; "
                "give more rows or epochs, or choose another mechanism",
                SizeWarning,
                stacklevel=4,
            )


def _seed(model: Any, save_to: Path | None) -> int:
    """Return the seed of a fit: without a ``random_state`` that of the fit to go on from, or a new one."""
    begun = None if save_to is None else seed_in(save_to)
    return seed_of(model.random_state) if begun is None or model.random_state is not None else begun
