"""Matryoshka dictionaries: the first units alone must say most."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from isthmus.component import Schedule, number, settled
from isthmus.penalty import Penalty
from isthmus.penalty.atoms import clean, half_square, spoken
from isthmus.records import Pass


@dataclass(frozen=True, repr=False)
class Nested(Penalty):
    """``mean_g s_g^power 1/2 ||x - x_hat_g||^2`` per row, with x_hat_g said by a share s_g of the units, the first.

    General concepts come first and special ones later, without a special one taking over rows of a general one
    (Bussmann et al., 2025, "Learning Multi-Level Features with Matryoshka Sparse Autoencoders"). The reconstruction of
    all units is a term already, so with as many shares below one as the weight says, the loss is the sum over all
    groups, of which the whole has weight one; shares that are the same number of units are one group, and one term of
    that sum. Half the squared error is the reconstruction of Normal(), less its constant.

    A group that is too small for the concepts mixes them, the more the less room they have (Chanin et al., 2025,
    "Feature Hedging: Correlated Features Break Narrow Sparse Autoencoders", who let inner groups count less).

    Args:
        shares: The s_g, rising to at most 1.
        power: 0 lets all groups count the same; the more, the less small ones count.

    >>> Nested(weight=2.0, shares=(0.25, 0.5))
    Nested(weight=2.0, shares=(0.25, 0.5))
    """

    weight: float | Schedule = number(1.0, low=0.0)
    shares: tuple[float, ...] = (0.0625, 0.125, 0.25, 0.5)
    power: float | Schedule = number(0.0, low=0.0)

    def __post_init__(self) -> None:
        """Check the shares too."""
        super().__post_init__()
        rising = all(a < b for a, b in pairwise((0.0, *self.shares)))
        if not self.shares or not rising or self.shares[-1] > 1:
            raise ValueError(
                f"Nested: shares={self.shares!r} do not rise from above 0 to at most 1; give them in order"
            )

    @property
    def requires(self) -> frozenset[str]:
        """What the first units say is a sum of their atoms only behind a linear decoder."""
        return frozenset({"linear decoder", "squared error"})

    def sizes(self, units: int) -> list[int]:
        """Return how many units each group has; shares that are the same number of units are one group."""
        return sorted({max(1, round(share * units)) for share in self.shares})

    def __call__(self, p: Pass) -> Tensor:
        """Return the mean over groups; their outputs are added up group by group, so that all cost one decoding."""
        atoms = p.model.architecture.atoms(p.model.decoder)
        sizes, power, silent = self.sizes(len(atoms)), settled(self.power), p.output - spoken(p, p.code, atoms)
        output, total = silent, torch.zeros_like(silent.flatten(1)[:, 0])
        for begin, end in pairwise((0, *sizes)):
            output = output + spoken(p, p.code[:, begin:end], atoms[begin:end])
            total = total + (end / len(atoms)) ** power * half_square(p, clean(p) - output)
        # By the shares that were given: where few units have fewer groups, each still counts by its own share.
        return total / len(self.shares)
