"""Units with a gate that decides whether they speak, and a magnitude that says how loud."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function
from torch.nn import functional as F

from isthmus.bottleneck import Bottleneck
from isthmus.component import Memory
from isthmus.posterior import Dirac, Posterior
from isthmus.records import Shape, Spec


class _Gate(Function):
    """[a > 0], with the gradient of max(a, 0)."""

    @staticmethod
    def forward(ctx: Any, a: Tensor) -> Tensor:
        on = (a > 0).to(a.dtype)
        ctx.save_for_backward(on)
        return on

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Tensor:
        (on,) = ctx.saved_tensors
        return g * on  # type: ignore[no-any-return]


@dataclass(frozen=True, repr=False)
class Gated(Bottleneck):
    """h_j = [a_j > 0] * max(exp(r_j) a_j + b_j, 0) with a = f(x): one set of weights for whether and how much.

    The gate a holds the encoder's own bias, so that r (``scale``) and b (``shift``) are all that magnitudes add
    (Rajamanoharan et al., 2024, "Improving Dictionary Learning with Gated Sparse Autoencoders", whose b_mag is
    b + exp(r) b_gate). A gate has no derivative: it learns by :class:`L0`, for which ``d[a > 0]/da`` is that of
    max(a, 0), the paper's sum of rectified gates, and by :class:`GateLoss`, which asks the gates to reconstruct.

    >>> Gated()
    Gated()
    """

    @property
    def provides(self) -> frozenset[str]:
        """What is selected has a gradient, and penalties decide how much that is."""
        return frozenset({"selection", "silent units", "graded selection", "open sparsity", "gate"})

    def memory(self, spec: Spec, code: Shape) -> Memory:
        """Keep the scale, as its logarithm, and the shift of each magnitude."""
        return Memory({"scale": torch.zeros(code[0]), "shift": torch.zeros(code[0])})

    def __call__(self, features: Tensor, memory: Any) -> Posterior:
        """Return a point mass at the magnitudes of open gates."""
        shape = (1, -1, *[1] * (features.dim() - 2))
        scale, shift = memory.scale.reshape(shape), memory.shift.reshape(shape)
        magnitude = F.relu(scale.exp() * features + shift)
        active = _Gate.apply(features)  # type: ignore[no-untyped-call]
        return Dirac(magnitude * (features.detach() > 0), pre=features, active=active)
