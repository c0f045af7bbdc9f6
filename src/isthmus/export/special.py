"""Functions that ONNX lacks, or that runtimes compute badly, by ones that they have."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

# Abramowitz & Stegun (1964), "Handbook of Mathematical Functions", 9.8.1 and 9.8.2: right to 2e-7.
_KNEE = 3.75
_NEAR = (1.0, 3.5156229, 3.0899424, 1.2067492, 0.2659732, 0.0360768, 0.0045813)
_FAR = (0.39894228, 0.01328592, 0.00225319, -0.00157565, 0.00916281, -0.02057706, 0.02635537, -0.01647633, 0.00392377)
# Stirling's series from 8 on, where three terms are right to 1e-12.
_SHIFT, _STIRLING = 8, (1 / 12, -1 / 360, 1 / 1260)


class Replaced(TorchFunctionMode):
    """While it is on, what graphs cannot say well is computed by what they can."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Call what stands for a function; what that calls is not looked at."""
        return _INSTEAD.get(func, func)(*args, **(kwargs or {}))


def log_sigmoid(x: Tensor) -> Tensor:
    """Return ``-log(1 + exp(-x))``; runtimes take the logarithm of a logistic function that they cut off at 18.

    >>> log_sigmoid(torch.tensor([-50.0, 0.0]))
    tensor([-50.0000,  -0.6931])
    """
    return x.clamp_max(0) - (-x.abs()).exp().log1p()


def cross_entropy(x: Tensor, target: Tensor, reduction: str = "mean", **others: Any) -> Tensor:
    """Return the cross-entropy of logits; any but that of each entry alone is left to torch."""
    if reduction != "none" or any(given is not None for given in others.values()):
        return F.binary_cross_entropy_with_logits(x, target, reduction=reduction, **others)
    return (1 - target) * x - log_sigmoid(x)


def i0e(x: Tensor) -> Tensor:
    """Return ``exp(-|x|) I_0(x)``, the scaled Bessel function of order 0.

    >>> bool(torch.allclose(i0e(torch.arange(30.0)), torch.special.i0e(torch.arange(30.0)), atol=3e-7))
    True
    """
    far = x.abs()
    near = _polynomial(_NEAR, (far.clamp_max(_KNEE) / _KNEE).square()) * (-far).exp()
    beyond = far.clamp_min(_KNEE)
    return torch.where(far < _KNEE, near, _polynomial(_FAR, _KNEE / beyond) / beyond.sqrt())


def lgamma(x: Tensor) -> Tensor:
    """Return ``log |Gamma(x)|``, in double precision inside.

    >>> x = torch.tensor([-2.5, 0.1, 1.0, 2.0, 171.0, 1e6])
    >>> bool(torch.allclose(lgamma(x), torch.lgamma(x)))
    True
    """
    given, low = x.double(), x < 0.5
    one = torch.where(low, 1 - given, given)
    shifted = one + _SHIFT
    inverse = 1 / shifted
    stirling = (shifted - 0.5) * shifted.log() - shifted + math.log(2 * math.pi) / 2
    found = stirling + inverse * _polynomial(_STIRLING, inverse.square())
    found = found - (one.unsqueeze(-1) + torch.arange(_SHIFT)).log().sum(-1)
    # The sine is taken of what is left of a whole number, which it does not depend on but for its sign.
    part = given - given.round()
    reflected = math.log(math.pi) - (part * math.pi).sin().abs().log() - found
    return torch.where(low, reflected, found).to(x.dtype)


def _polynomial(coefficients: tuple[float, ...], x: Tensor) -> Tensor:
    # By powers, which are few nodes of a graph where Horner's rule is many.
    powers = x.unsqueeze(-1) ** torch.arange(len(coefficients), dtype=x.dtype)
    return (powers * torch.tensor(coefficients, dtype=x.dtype)).sum(-1)


_INSTEAD: dict[Any, Callable[..., Tensor]] = {
    torch.lgamma: lgamma,
    Tensor.lgamma: lgamma,
    torch.special.gammaln: lgamma,
    torch.special.i0e: i0e,
    F.logsigmoid: log_sigmoid,
    F.binary_cross_entropy_with_logits: cross_entropy,
}
