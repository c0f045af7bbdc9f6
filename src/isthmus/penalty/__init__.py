"""Penalties: what is asked of the model beside a good reconstruction. One file each; the folder is the registry."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor

from isthmus.component import Component
from isthmus.records import Pass


@dataclass(frozen=True, repr=False)
class Penalty(Component):
    """Omega: a value per row, or one number where it speaks of weights or of the batch; the objective multiplies it.

    A concrete penalty declares ``weight: float | Schedule`` first.
    """

    kind: ClassVar[str] = "penalty"

    def __call__(self, p: Pass) -> Tensor:
        """Return the unweighted penalty: (rows,) or one number."""
        raise NotImplementedError(f"{type(self).__name__} must define __call__")  # abstract

    def differentiates(self, model: Any) -> bool:
        """Say whether it differentiates the code of this model by the encoder's inputs, which costs a product more."""
        return "input gradient" in self.requires
