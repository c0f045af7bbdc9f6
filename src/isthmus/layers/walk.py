"""A chain run forward and back by the derivatives that its layers declare, as one node of autograd's graph.

A layer declares its derivative as ``pullback(g, x, y, inputs)``: it adds the gradients of its parameters in place and
returns that of its inputs where ``inputs`` asks for it. A layer that declares none is differentiated by autograd alone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from isthmus.layers.chain import Chain
from isthmus.noise import Noise

Pull = Callable[[Tensor], Tensor | None]


def walked(chain: Chain, x: Tensor, noise: Noise | None) -> Tensor:
    """Return ``chain(x, noise)``; its gradient comes from the layers, and cannot be differentiated once more."""
    if not torch.is_grad_enabled():
        return chain(x, noise)  # type: ignore[no-any-return]
    anchor = x if x.requires_grad else torch.zeros((), requires_grad=True)
    return _Walk.apply(x, anchor, chain, noise)  # type: ignore[no-any-return,no-untyped-call]


class _Walk(torch.autograd.Function):
    """The whole chain as one node; the anchor keeps it in the graph where the inputs have no gradient."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, anchor: Tensor, chain: Chain, noise: Noise | None) -> Tensor:
        y, ctx.pull = trace(chain, x.detach(), noise, inputs=ctx.needs_input_grad[0])
        return y

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor | None, None, None, None]:
        return ctx.pull(g), None, None, None


def declared(output: Tensor, slope: Tensor, value: Tensor) -> Tensor:
    """Return ``value``, one number per row, whose derivative by ``output`` is ``slope``; uses ``slope`` up."""
    return _Declared.apply(output, slope, value)  # type: ignore[no-any-return,no-untyped-call]


class _Declared(torch.autograd.Function):
    """A number per row with a derivative that is known already."""

    @staticmethod
    def forward(ctx: Any, output: Tensor, slope: Tensor, value: Tensor) -> Tensor:
        ctx.slope = slope
        return value.clone()

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor, None, None]:
        return ctx.slope.mul_(g.reshape(-1, *[1] * (ctx.slope.dim() - 1))), None, None


def trace(layer: nn.Module, x: Tensor, noise: Noise | None, *, inputs: bool) -> tuple[Tensor, Pull]:
    """Run a layer and return its output and how gradients come back through it."""
    if isinstance(layer, Chain):
        return _in_a_row(layer, x, noise, inputs)
    if hasattr(layer, "branches"):
        return _side_by_side(layer.branches, x, noise, inputs)  # type: ignore[arg-type]
    if hasattr(layer, "pullback"):
        y = layer(x, noise)
        pullback: Any = layer.pullback
        return y, lambda g: pullback(g, x, y, inputs)
    return _by_autograd(layer, x, noise, inputs)


def _in_a_row(chain: Chain, x: Tensor, noise: Noise | None, inputs: bool) -> tuple[Tensor, Pull]:
    pulls: list[Pull] = []
    for layer in chain:
        x, pull = trace(layer, x, noise, inputs=inputs)
        pulls.append(pull)
        inputs = inputs or any(p.requires_grad for p in layer.parameters())

    def back(g: Tensor | None) -> Tensor | None:
        for pull in reversed(pulls):
            if g is None:
                return None
            g = pull(g)
        return g

    return x, back


def _side_by_side(branches: list[nn.Module], x: Tensor, noise: Noise | None, inputs: bool) -> tuple[Tensor, Pull]:
    traced = [trace(branch, x, noise, inputs=inputs) for branch in branches]
    y = torch.stack([y for y, _ in traced]).sum(0)

    def back(g: Tensor) -> Tensor | None:
        found = [pull(g) for _, pull in traced]
        return torch.stack([g for g in found if g is not None]).sum(0) if inputs else None

    return y, back


def _by_autograd(layer: nn.Module, x: Tensor, noise: Noise | None, inputs: bool) -> tuple[Tensor, Pull]:
    leaf = x.detach().requires_grad_(inputs)
    with torch.enable_grad():
        y = layer(leaf, noise)

    def back(g: Tensor) -> Tensor | None:
        if y.requires_grad:
            torch.autograd.backward(y, g)
        return leaf.grad

    return y.detach(), back
