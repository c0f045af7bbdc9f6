"""Sparsity by the number of active units."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from isthmus.component import Schedule, number
from isthmus.penalty import Gradients, Penalty
from isthmus.records import Pass


@dataclass(frozen=True, repr=False)
class L0(Penalty):
    """``sum_j [unit j is active]`` per row, with the surrogate gradient that the bottleneck gives to what it selects.

    For JumpReLU that is the penalty of Rajamanoharan et al. (2024), "Jumping Ahead"; for Gated it moves gates as the
    sum of rectified gates does. In nats per active unit.

    >>> L0(weight=0.01)
    L0()
    """

    weight: float | Schedule = number(1e-2, low=0.0)

    @property
    def requires(self) -> frozenset[str]:
        """A number of units has no derivative of its own."""
        return frozenset({"graded selection"})

    def __call__(self, p: Pass) -> Tensor:
        """Return the number of active units, over places too."""
        active: Any = p.posterior.active
        found: Tensor = active.flatten(1).sum(1)
        return found.repeat(p.draws)

    def pullback(self, p: Pass) -> Gradients:
        """Return ones."""
        active: Any = p.posterior.active
        return {"active": p.shared(torch.ones_like(active))}
