"""Bottlenecks: from features to a posterior over codes. One file per family; the folder is the registry."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from isthmus.component import Component, Memory
from isthmus.posterior import Posterior
from isthmus.records import Batch, Shape

# Rows by which thresholds start.
ROWS = 4096


@dataclass(frozen=True, repr=False)
class Bottleneck(Component):
    """The narrow place: what a code may be."""

    kind: ClassVar[str] = "bottleneck"

    @property
    def draws(self) -> int:
        """How many codes a row has while fitting."""
        return 1

    def features(self, code: Shape) -> Shape:
        """Return the shape that the encoder must deliver for codes of shape ``code``."""
        return code

    def __call__(self, features: Tensor, memory: Memory) -> Posterior:
        """Return the posterior over codes of each row."""
        raise NotImplementedError(f"{type(self).__name__} must define __call__")  # abstract


@torch.no_grad()
def first_features(objective: Any, sample: Batch) -> Tensor:
    """Return the features that the encoder has for some rows before a fit."""
    found: Tensor = objective.model.encoder(objective.model.stem(sample.spaced(ROWS)), None)
    return found
