"""Corruptions: how inputs are damaged before encoding. One file per family; the folder is the registry."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from isthmus.component import Component, Memory
from isthmus.noise import Noise
from isthmus.records import Batch, Corrupted


@dataclass(frozen=True, repr=False)
class Corruption(Component):
    """C(x~ | x): the encoder sees x~, the loss compares with the clean x."""

    kind: ClassVar[str] = "corruption"

    def __call__(self, batch: Batch, noise: Noise, memory: Memory) -> Corrupted:
        """Corrupt a batch."""
        raise NotImplementedError(f"{type(self).__name__} must define __call__")  # abstract


@dataclass(frozen=True, repr=False)
class Clean(Corruption):
    """x~ = x: no corruption.

    >>> Clean()
    Clean()
    """

    def __call__(self, batch: Batch, noise: Noise, memory: Memory) -> Corrupted:
        """Pass the batch through."""
        return Corrupted(batch.x, batch.seen)
