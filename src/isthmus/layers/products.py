"""How matrices are multiplied: by torch's own choice of library, by the faster of two, or in bfloat16."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar

import torch
from torch import Tensor

Call = Callable[[], Any]


class Products:
    """Products by torch's own choice of library, in the precision of the factors.

    A step stands between :meth:`begin` and :meth:`end`, so that what is remembered of the factors and what is changed
    in torch's settings lasts no longer.

    Attributes:
        half: whether layers that multiply by themselves do so in bfloat16.
    """

    half: ClassVar[bool] = False

    def begin(self) -> None:
        """Begin a step."""

    def end(self) -> None:
        """End a step."""

    def calls(self, a: Tensor, b: Tensor, out: Tensor, bias: Tensor | None = None) -> list[Call]:
        """Return the calls that put a b (+ bias) into ``out``; with three axes, the products of one model each."""
        if a.dim() == 3:
            return [
                partial(torch.bmm, a, b, out=out)
                if bias is None
                else partial(torch.baddbmm, bias.unsqueeze(1), a, b, out=out)
            ]
        return [partial(torch.mm, a, b, out=out) if bias is None else partial(torch.addmm, bias, a, b, out=out)]

    def state(self) -> dict[str, Any]:
        """Return what was chosen by measuring, which a resumed fit has to choose again."""
        return {}

    def restore(self, state: dict[str, Any]) -> None:
        """Choose as the state says."""


class HalfProducts(Products):
    """Products of factors rounded to bfloat16 (about three digits), summed in float32, rounded once more, then float32.

    Everything between products stays in float32, the weights that the optimiser moves too. Each factor is rounded once
    per step.
    """

    half: ClassVar[bool] = True

    def __init__(self) -> None:
        """Start with nothing rounded."""
        self._rounded: dict[tuple[int, torch.Size], Tensor] = {}

    def begin(self) -> None:
        """Forget the rounded factors of the step before."""
        self._rounded.clear()

    def calls(self, a: Tensor, b: Tensor, out: Tensor, bias: Tensor | None = None) -> list[Call]:
        """Return the call that puts a b (+ bias) into ``out``, which is not rounded before the bias is added."""
        found = torch.empty_like(out, dtype=torch.bfloat16)

        def call() -> None:
            torch.mm(self._half(a), self._half(b), out=found)
            out.copy_(found) if bias is None else torch.add(found, bias, out=out)

        return [call]

    def _half(self, t: Tensor) -> Tensor:
        turned = t.stride(0) == 1 and t.shape[0] > 1
        whole = t.t() if turned else t
        key = whole.data_ptr(), whole.shape
        if key not in self._rounded:
            self._rounded[key] = whole.to(torch.bfloat16)
        return self._rounded[key].t() if turned else self._rounded[key]
