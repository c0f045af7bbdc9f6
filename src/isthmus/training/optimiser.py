"""Optimisers as parts: a description that binds torch's own implementation to parameters."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import nn

from isthmus.component import Part, Schedule, count, number


@dataclass(frozen=True, repr=False)
class Optimiser(Part):
    """How a gradient becomes a step. A concrete optimiser declares ``learning_rate: float | Schedule`` first."""

    kind: ClassVar[str] = "optimiser"
    full_batch: ClassVar[bool] = False

    def bind(self, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
        """Return torch's optimiser over ``parameters``."""
        raise NotImplementedError(f"{type(self).__name__} must define bind")  # abstract


@dataclass(frozen=True, repr=False)
class Adam(Optimiser):
    """Adam (Kingma & Ba, 2015).

    >>> Adam(learning_rate=3e-4)
    Adam(learning_rate=0.0003)
    """

    learning_rate: float | Schedule = number(1e-3, low=0.0)
    beta1: float = number(0.9, low=0.0, high=1.0)
    beta2: float = number(0.999, low=0.0, high=1.0)
    eps: float = number(1e-8, low=0.0)

    def bind(self, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
        """Bind torch's fused Adam."""
        rate = self.at(0.0).learning_rate
        return torch.optim.Adam(parameters, lr=rate, betas=(self.beta1, self.beta2), eps=self.eps, fused=True)  # type: ignore[arg-type]


@dataclass(frozen=True, repr=False)
class AdamW(Optimiser):
    """Adam with decoupled weight decay (Loshchilov & Hutter, 2019).

    >>> AdamW(weight_decay=0.05)
    AdamW(weight_decay=0.05)
    """

    learning_rate: float | Schedule = number(1e-3, low=0.0)
    weight_decay: float = number(1e-2, low=0.0)
    beta1: float = number(0.9, low=0.0, high=1.0)
    beta2: float = number(0.999, low=0.0, high=1.0)
    eps: float = number(1e-8, low=0.0)

    def bind(self, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
        """Bind torch's fused AdamW."""
        return torch.optim.AdamW(
            parameters,
            lr=self.at(0.0).learning_rate,  # type: ignore[arg-type]
            betas=(self.beta1, self.beta2),
            eps=self.eps,
            weight_decay=self.weight_decay,
            fused=True,
        )


@dataclass(frozen=True, repr=False)
class SGD(Optimiser):
    """Stochastic gradient descent with momentum (Polyak, 1964), Nesterov's on request.

    >>> SGD(learning_rate=0.01, momentum=0.9)
    SGD(learning_rate=0.01)
    """

    learning_rate: float | Schedule = number(1e-2, low=0.0)
    momentum: float = number(0.9, low=0.0, high=1.0)
    nesterov: bool = False

    def bind(self, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
        """Bind torch's SGD."""
        rate = self.at(0.0).learning_rate
        return torch.optim.SGD(parameters, lr=rate, momentum=self.momentum, nesterov=self.nesterov)  # type: ignore[arg-type]


@dataclass(frozen=True, repr=False)
class Adadelta(Optimiser):
    """Adadelta (Zeiler, 2012). The paper's learning rate is 1; Keras used 1.0 until 2.3 and 0.001 afterwards.

    >>> Adadelta()
    Adadelta()
    """

    learning_rate: float | Schedule = number(1.0, low=0.0)
    rho: float = number(0.95, low=0.0, high=1.0)
    eps: float = number(1e-6, low=0.0)

    def bind(self, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
        """Bind torch's Adadelta."""
        rate = self.at(0.0).learning_rate
        return torch.optim.Adadelta(parameters, lr=rate, rho=self.rho, eps=self.eps)  # type: ignore[arg-type]


@dataclass(frozen=True, repr=False)
class LBFGS(Optimiser):
    """Limited-memory BFGS with a strong Wolfe line search over all rows (Liu & Nocedal, 1989).

    One epoch is up to ``iterations`` iterations; use it with ``validation=0`` for small, smooth problems.

    >>> LBFGS(iterations=50)
    LBFGS(iterations=50)
    """

    full_batch: ClassVar[bool] = True
    learning_rate: float | Schedule = number(1.0, low=0.0)
    iterations: int = count(20)
    history: int = count(20)

    def bind(self, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
        """Bind torch's L-BFGS."""
        return torch.optim.LBFGS(
            parameters,
            lr=self.at(0.0).learning_rate,  # type: ignore[arg-type]
            max_iter=self.iterations,
            history_size=self.history,
            tolerance_grad=1e-12,
            tolerance_change=1e-14,
            line_search_fn="strong_wolfe",
        )
