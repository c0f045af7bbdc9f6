"""Units with a threshold of their own, learnt by surrogate gradients."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function

from isthmus.bottleneck import Bottleneck, first_features
from isthmus.component import Memory, number
from isthmus.posterior import Dirac, Posterior
from isthmus.records import Batch, Shape, Spec


class _Jump(Function):
    """z = a [a > t], with the surrogate dz/dt = -(t / eps) K((a - t) / eps)."""

    @staticmethod
    def forward(ctx: Any, a: Tensor, t: Tensor, eps: float) -> Tensor:
        ctx.save_for_backward(a, t)
        ctx.eps = eps
        return a * (a > t)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        a, t = ctx.saved_tensors
        return g * (a > t), -(g * t * kernel(a, t, ctx.eps)).sum_to_size(t.shape), None


class _Active(Function):
    """[a > t], with the surrogate d/dt = -(1 / eps) K((a - t) / eps)."""

    @staticmethod
    def forward(ctx: Any, a: Tensor, t: Tensor, eps: float) -> Tensor:
        ctx.save_for_backward(a, t)
        ctx.eps = eps
        return (a > t).to(a.dtype)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        a, t = ctx.saved_tensors
        return None, -(g * kernel(a, t, ctx.eps)).sum_to_size(t.shape), None


def kernel(a: Tensor, t: Tensor, eps: float) -> Tensor:
    """Return K((a - t) / eps) / eps, with ``K(u) = [|u| < 1/2]``: what stands for the derivative of a step."""
    return ((a - t).abs() < eps / 2).to(a.dtype) / eps


@dataclass(frozen=True, repr=False)
class JumpReLU(Bottleneck):
    """h_j = a_j * [a_j > t_j] with a = f(x) and a learnt threshold t_j >= 0 per unit.

    A step has no derivative, so thresholds learn by surrogates (Rajamanoharan et al., 2024, "Jumping Ahead"): with
    ``K(u) = [|u| < 1/2]``, ``dh/dt = -(t / eps) K((a - t) / eps)`` for the reconstruction and
    ``d[a > t]/dt = -(1 / eps) K((a - t) / eps)`` for the number of active units, which the penalty L0 counts.

    Args:
        bandwidth: eps, for rows with E ||x||^2 = d; a wider one hears of more rows, a narrower one is less biased.
        rate: how often a unit is active at the start, which sets the first thresholds from the rows; 0 starts them at
            zero, where half of the units are active.

    >>> JumpReLU(rate=0.05)
    JumpReLU(rate=0.05)
    """

    bandwidth: float = number(0.1, low=1e-9)
    rate: float = number(0.0, low=0.0, high=1.0)

    @property
    def provides(self) -> frozenset[str]:
        """What is selected has a gradient, and penalties decide how much that is."""
        return frozenset({"selection", "silent units", "graded selection", "open sparsity"})

    def memory(self, spec: Spec, code: Shape) -> Memory:
        """Keep a tenth of each unit's threshold."""
        # Adam's steps are as long for every number, and thresholds have ten times as far to go as weights.
        return Memory({"tenth": torch.zeros(code[0])})

    def thresholds(self, memory: Any) -> Tensor:
        """Return the threshold of each unit; one that was pushed below zero counts as zero, and can come back."""
        free = 10 * memory.tenth
        found: Tensor = free + (free.clamp_min(0) - free).detach()
        return found

    def start(self, objective: Any, sample: Batch) -> None:
        """Set each threshold to what a unit exceeds in a share ``rate`` of the rows."""
        if self.rate == 0:
            return
        values = first_features(objective, sample).movedim(1, -1).flatten(0, -2).sort(0).values
        at = min(len(values) - 1, int((1 - self.rate) * len(values)))
        # Between two rows: on one of them rounding would say whether it is above.
        between = (values[at] + values[min(at + 1, len(values) - 1)]) / 2
        with torch.no_grad():
            objective.model.memory.tenth.copy_(between.clamp_min(0) / 10)

    def __call__(self, features: Tensor, memory: Any) -> Posterior:
        """Return a point mass at the features above their thresholds."""
        threshold = self.thresholds(memory).to(features.dtype)
        threshold = threshold.reshape(1, -1, *[1] * (features.dim() - 2))
        jump: Any = (features, threshold, self.bandwidth)
        active = _Active.apply(*jump)  # type: ignore[no-untyped-call]
        return Dirac(_Jump.apply(*jump), pre=features, active=active)  # type: ignore[no-untyped-call]
