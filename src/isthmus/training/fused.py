"""Adam's step as one kernel, without the Python of ``torch.optim`` around it.

The first optimiser of ``torch.optim`` imports torch's compiler, over a second, and every step of it spends more time on
groups, hooks and checks than a small net spends on its products.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor, nn

# The smallest piece of a long tensor, and about how many there are at most.
PIECE, PIECES = 8192, 144


class Bound(Protocol):
    """What takes steps: the part of ``torch.optim.Optimizer`` that an engine needs."""

    param_groups: list[dict[str, Any]]

    @property
    def step(self) -> Callable[..., Any]:
        """Move the parameters by their gradients."""

    def zero_grad(self) -> None:
        """Forget the gradients."""

    def state_dict(self) -> dict[str, Any]:
        """Return the moments."""

    def load_state_dict(self, state_dict: dict[str, Any], /) -> None:
        """Take the moments back."""


class Fused:
    """Adam or AdamW over parameters, by torch's fused kernel.

    m = beta1 m + (1 - beta1) g, v = beta2 v + (1 - beta2) g^2, and a step of -lr m^ / (sqrt(v^) + eps), where m^ and v^
    are m / (1 - beta1^t) and v / (1 - beta2^t).
    """

    def __init__(self, kernel: Callable[..., Any], parameters: Iterable[Tensor], settings: dict[str, Any]) -> None:
        """Start from moments of zero."""
        self.kernel, self.parameters = kernel, list(parameters)
        self.param_groups: list[dict[str, Any]] = [dict(settings)]
        self.moments = {name: [torch.zeros_like(p) for p in self.parameters] for name in ("exp_avg", "exp_avg_sq")}
        self.steps = [torch.zeros((), device=p.device) for p in self.parameters]

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        """Take one step; parameters without a gradient stay."""
        if closure is not None:
            with torch.enable_grad():
                closure()
        now = self.param_groups[0]
        lists: list[list[Tensor]] = [[], [], [], [], []]
        for p, m, v, step in zip(self.parameters, *self.moments.values(), self.steps, strict=True):
            if p.grad is not None:
                step += 1
                for every, some in zip(lists, pieces(p, p.grad, m, v), strict=False):
                    every.extend(some)
                lists[-1].extend([step] * (len(lists[0]) - len(lists[-1])))
        parameters, gradients, means, squares, steps = lists
        self.kernel(
            parameters,
            gradients,
            means,
            squares,
            [],
            steps,
            lr=now["lr"],
            beta1=now["betas"][0],
            beta2=now["betas"][1],
            weight_decay=now.get("weight_decay", 0.0),
            eps=now["eps"],
            amsgrad=False,
            maximize=False,
        )

    def zero_grad(self) -> None:
        """Forget the gradients."""
        for p in self.parameters:
            p.grad = None

    def state_dict(self) -> dict[str, Any]:
        """Return moments and steps, not copied."""
        return {**self.moments, "step": self.steps}

    def load_state_dict(self, state_dict: dict[str, Any], /) -> None:
        """Copy moments and steps from a state."""
        for mine, theirs in zip(self.state_dict().values(), state_dict.values(), strict=True):
            for a, b in zip(mine, theirs, strict=True):
                a.copy_(b)


def pieces(*tensors: Tensor) -> Sequence[Sequence[Tensor]]:
    """Return tensors of one shape in pieces, on a CUDA device, where the kernel gives each a block of threads."""
    first = tensors[0]
    if not first.is_cuda or first.dim() != 1:
        return [[t] for t in tensors]
    # A multiple of four numbers, which the kernel reads at once.
    size = max(PIECE, -(-len(first) // (4 * PIECES)) * 4)
    return [t.split(size) for t in tensors]


def fused(kernel: str, fallback: Any, parameters: Iterable[nn.Parameter], settings: dict[str, Any]) -> Bound:
    """Return :class:`Fused` where torch has the (private) kernel for the parameters' device, else torch's optimiser."""
    parameters = list(parameters)
    found = getattr(torch, kernel, None)
    known = {p.device.type for p in parameters} <= {"cpu", "cuda", "mps"}
    if found is None or not known or any(p.is_complex() for p in parameters):
        return fallback(parameters, **settings)  # type: ignore[no-any-return]
    return Fused(found, parameters, settings)
