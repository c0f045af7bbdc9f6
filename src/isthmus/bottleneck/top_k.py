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
        k = self.k or max(1, features.shape[1] // 8)
        k = k if memory.training or not self.k_use else self.k_use
        kept = features.detach().topk(k, dim=1).indices
        active = torch.zeros_like(features).scatter_(1, kept, 1.0)
        if self.rectified:
            active = active * (features.detach() > 0)
        return Dirac(features * active, pre=features, active=active)

    def pullback(self, gradients: Gradients, features: Tensor, posterior: Posterior) -> Tensor:
        """Return the gradient of the features: that of the selected units, and nothing for the rest."""
        active: Any = posterior.active
        g: Tensor = gradients["mean"] * active
        return g.add_(gradients["pre"]) if "pre" in gradients else g
