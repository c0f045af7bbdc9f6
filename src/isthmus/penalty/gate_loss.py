"""What teaches the gates of a gated dictionary."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor
from torch.nn import functional as F

from isthmus.component import Schedule, number
from isthmus.penalty import Penalty
from isthmus.penalty.atoms import clean, half_square, spoken
from isthmus.records import Pass, repeated


@dataclass(frozen=True, repr=False)
class GateLoss(Penalty):
    """``1/2 ||x - (D max(a, 0) + c)||^2`` per row, with a the gates and decoder D, c held fixed.

    A gate has no derivative, so gates that open are asked to reconstruct by themselves, without a say in the atoms
    (Rajamanoharan et al., 2024, "Improving Dictionary Learning with Gated Sparse Autoencoders").

    >>> GateLoss()
    GateLoss()
    """

    weight: float | Schedule = number(1.0, low=0.0)

    @property
    def requires(self) -> frozenset[str]:
        """Gates, and atoms that can be held fixed."""
        return frozenset({"gate", "linear decoder", "squared error"})

    def __call__(self, p: Pass) -> Tensor:
        """Return half the squared error of what the gates alone say."""
        atoms = p.model.architecture.atoms(p.model.decoder).detach()
        silent = p.output.detach() - spoken(p, p.code.detach(), atoms)
        gates: Any = p.posterior.pre
        return half_square(p, clean(p) - silent - spoken(p, repeated(F.relu(gates), p.draws), atoms))
