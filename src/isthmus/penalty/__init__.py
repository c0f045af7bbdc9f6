"""Penalties: what is asked of the model beside a good reconstruction. One file each; the folder is the registry."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor

from isthmus.component import Component, Memory
from isthmus.records import Pass

# By the name of what a pass computed (code, output, inputs' features, a field of the posterior), or by the parameter.
Gradients = dict[str | Tensor, Tensor]


@dataclass(frozen=True)
class Apart:
    """A penalty where few units of a code are active, and what it asks of some units: none where ``units`` is None.

    ``features`` and ``atoms`` are the derivatives of its mean over rows, by these units' features and atoms.
    """

    value: Tensor
    units: Tensor | None = None
    features: Tensor | None = None
    atoms: Tensor | None = None


@dataclass(frozen=True, repr=False)
class Penalty(Component):
    """Omega: a value per row, or one number where it speaks of weights or of the batch; the objective multiplies it.

    A concrete penalty declares ``weight: float | Schedule`` first. It may declare ``pullback(p) -> Gradients``, the
    derivative of its mean over rows, where ``p.shared`` gives each row its share of the mean; without it autograd
    differentiates it alone, which only takes longer. One that can do without the silent units of a code of which few
    are active declares ``apart(p) -> Apart``; a fit with one that does not writes all of them out.
    """

    kind: ClassVar[str] = "penalty"

    def __call__(self, p: Pass) -> Tensor:
        """Return the unweighted penalty: (rows,) or one number."""
        raise NotImplementedError(f"{type(self).__name__} must define __call__")  # abstract

    def differentiates(self, model: Any) -> bool:
        """Say whether it differentiates the code of this model by the encoder's inputs, which costs a product more."""
        return "input gradient" in self.requires

    def missed(self, memory: Memory, found: dict[str, float]) -> float | None:
        """Return how far a target is missed, given the means of terms and measures; None without a target.

        The best weights of a fit are those that miss targets least, and then have the least loss; a penalty with a
        target does not count in it, since its size says how hard the target is to reach.
        """
        return None
