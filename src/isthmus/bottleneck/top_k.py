"""Codes of which a fixed number of units is active."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from isthmus.bottleneck import Bottleneck
from isthmus.component import Memory, count
from isthmus.posterior import Dirac, Gradients, Posterior
from isthmus.records import Shape, Spec
from isthmus.selected import Selected, largest


@dataclass(frozen=True, repr=False)
class TopK(Bottleneck):
    """Keep the ``k`` largest units of each row (of each place, in a code map) and set the rest to zero.

    h = f(x) * [f(x) among its k largest] (Makhzani & Frey, 2014, "k-Sparse Autoencoders"). Units that were not selected
    get no gradient from the reconstruction. ``k_use`` is the number kept when the fitted model is used; the paper
    encodes with about three times the training k. For ``k``, 0 is an eighth of the units, at least one; for ``k_use``,
    0 is the same as ``k``. ``rectified`` leaves out values that are not positive, so that a row may have fewer than k
    units (Gao et al., 2024, "Scaling and evaluating sparse autoencoders").

    >>> TopK(k=25, k_use=75)
    TopK(k=25, k_use=75)
    """

    by_row: ClassVar[bool] = True
    k: int = count(0, low=0)
    k_use: int = count(0, low=0)
    rectified: bool = False

    @property
    def provides(self) -> frozenset[str]:
        """The code is sparse by construction."""
        return frozenset({"selection", "silent units", "elementwise code"})

    def memory(self, spec: Spec, code: Shape) -> Memory:
        """Keep nothing, but refuse to select more units than there are."""
        if max(self.k, self.k_use) > code[0]:
            raise ValueError(
                f"{self!r} selects more units than the {code[0]} of the code; lower k or raise n_components"
            )
        return Memory()

    def __call__(self, features: Tensor, memory: Memory) -> Posterior:
        """Return a point mass at the selected features."""
        k = self._kept(features, memory)
        kept = features.detach().topk(k, dim=1).indices
        active = torch.zeros_like(features).scatter_(1, kept, 1.0)
        if self.rectified:
            active = active * (features.detach() > 0)
        return Dirac(features * active, pre=features, active=active)

    def _kept(self, features: Tensor, memory: Memory) -> int:
        k = self.active(features.shape[1])
        return k if memory.training or not self.k_use else self.k_use

    def active(self, units: int) -> int:
        """Return how many of so many units are active in a row while fitting."""
        return self.k or max(1, units // 8)

    def selected(self, features: Tensor, memory: Memory) -> Selected:
        """Return the active units of each row alone, of features (rows, units)."""
        return largest(features, self._kept(features, memory), positive=self.rectified)

    def pullback(self, gradients: Gradients, features: Tensor, posterior: Posterior) -> Tensor:
        """Return the gradient of the features: that of the selected units, and nothing for the rest."""
        active: Any = posterior.active
        g: Tensor = gradients["mean"] * active
        return g.add_(gradients["pre"]) if "pre" in gradients else g
