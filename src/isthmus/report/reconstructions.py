"""Rows and what comes back: the best, some typical ones and the worst."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch

from isthmus.corruption import Clean
from isthmus.estimators.inference import batch_of
from isthmus.noise import Noise
from isthmus.report.contract import Reconstructions
from isthmus.report.packing import Array, Blobs
from isthmus.report.rows import Given, Shown

EACH = 6


def usual(errors: Array, cells: Array) -> list[float]:
    """Return the median surprise of each column: that of a date counts its seconds, and says nothing by itself.

    >>> usual(np.array([[20.0, 0.0], [22.0, 1.0], [27.0, 5.0]]), np.array([[1.0, np.nan], [2.0, 3.0], [3.0, 4.0]]))
    [22.0, 3.0]
    """
    columns = zip(errors.T, ~np.isnan(cells).T, strict=True)
    return [float(np.median(column[known])) if known.any() else 0.0 for column, known in columns]


class ReconstructionsWriter:
    """Finds rows to look at by how well they come back."""

    def __init__(self, found: Given) -> None:
        """Measure every row."""
        self.found = found
        self.nats = found.codec is not None
        self.error = found.surprise.sum(1)
        self.usual = usual(found.surprise, found.cells) if self.nats else []
        order = np.argsort(self.error, kind="stable")
        middle = order[len(order) // 2 - EACH // 2 :] if len(order) > EACH else order
        picks = {"best": order[:EACH], "typical": middle[:EACH], "worst": order[::-1][:EACH]}
        self.rows = np.concatenate(list(picks.values()))
        self.groups = [name for name, rows in picks.items() for _ in rows]

    @property
    def wanted(self) -> Array:
        """The rows that the page has to show."""
        return self.rows

    def write(self, shown: Shown, blobs: Blobs) -> Reconstructions:
        """Return the section."""
        corruption = self.found.autoencoder.parts_.corruption
        damaged = None if corruption == Clean() else self._damaged(self.found.some(self.rows))
        back, surprise = self.found.back[self.rows], self.found.surprise[self.rows]
        return Reconstructions(
            rows=shown.place(self.rows),
            groups=self.groups,
            corrupted=None if damaged is None else blobs.cells("reconstructions/corrupted", damaged),
            corruption="" if damaged is None else repr(corruption),
            reconstruction=blobs.looked_at("reconstructions/back", back, self.found.kind),
            surprise=blobs.single("reconstructions/surprise", surprise),
            unit="nats" if self.nats else "squared error",
            usual=self.usual,
            error=blobs.single("reconstructions/error", shown.take(self.error)),
            error_unit="nats per row" if self.nats else "squared error per row",
        )

    @torch.no_grad()
    def _damaged(self, some: Any) -> Array:
        """Return rows as the encoder saw such at the end of the fit: damaged, in the caller's units."""
        model = self.found.autoencoder
        objective = model.answers.objective(torch.float64)
        x = model.scaling_.forward(model._checked(some).astype(np.float64))
        batch = batch_of(model.spec_, torch.from_numpy(x).reshape(-1, *model.spec_.shape))
        memory = objective.memory_of("corruption")
        damaged = objective.corruption.at(math.inf)(batch, Noise(0), memory)
        flat = damaged.x.flatten(1)
        if damaged.seen is not None:
            flat = flat.masked_fill(damaged.seen.flatten(1) == 0, torch.nan)
        return self.found.cells_of(model.form_.restore(model.scaling_.inverse(flat.numpy())))
