"""Corruptions: how inputs are damaged before encoding. One file per family; the folder is the registry."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from isthmus.component import Component, Memory
from isthmus.noise import Noise
from isthmus.records import Batch, Corrupted


@dataclass(frozen=True, repr=False)
class Corruption(Component):
    """C(x~ | x): the encoder sees x~, the loss compares with the clean x."""

    kind: ClassVar[str] = "corruption"

    def __call__(self, batch: Batch, noise: Noise, memory: Memory) -> Corrupted:
        """Return a corrupted copy of a batch; the batch itself stays clean."""
        raise NotImplementedError(f"{type(self).__name__} must define __call__")  # abstract

    @property
    def level(self) -> float:
        """The least noise level that rows come with, 0 where they come with none."""
        return 0.0

    def remember(self, memory: Memory, sample: Batch) -> None:
        """Keep in the memory what this corruption needs to know of the data."""
        return

    def start(self, objective: Any, sample: Batch) -> None:
        """Remember the data, before the first step."""
        self.remember(objective.memories["corruption"], sample)


@dataclass(frozen=True, repr=False)
class Clean(Corruption):
    """x~ = x: no corruption.

    >>> Clean()
    Clean()
    """

    by_row: ClassVar[bool] = True

    def __call__(self, batch: Batch, noise: Noise, memory: Memory) -> Corrupted:
        """Pass the batch through."""
        return Corrupted(batch.x, batch.seen)
