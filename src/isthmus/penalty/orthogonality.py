"""Atoms at right angles."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from isthmus.component import Schedule, number
from isthmus.penalty import Penalty
from isthmus.records import Pass


@dataclass(frozen=True, repr=False)
class Orthogonality(Penalty):
    """``||A A^T - I||_F^2`` over the atoms A, what each unit writes in the decoder's first layer (rows are units).

    It is zero where the atoms are orthonormal. With more units than an atom has numbers it cannot be zero, and asks for
    atoms as different as possible.

    >>> Orthogonality(weight=0.1)
    Orthogonality(weight=0.1)
    """

    weight: float | Schedule = number(1e-2, low=0.0)

    @property
    def requires(self) -> frozenset[str]:
        """Angles between atoms need weights that read the code."""
        return frozenset({"code weights"})

    def __call__(self, p: Pass) -> Tensor:
        """Return the squared distance of the atoms' Gram matrix from the identity."""
        atoms = p.model.architecture.atoms(p.model.decoder)
        gram: Tensor = atoms @ atoms.T
        return (gram - torch.eye(len(atoms), dtype=atoms.dtype, device=atoms.device)).square().sum()
