"""Optimisers as parts: a description that binds what takes the steps to parameters."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import nn

from isthmus.component import Part, Schedule, count, number
from isthmus.training.fused import Bound, fused


@dataclass(frozen=True, repr=False)
class Optimiser(Part):
    """How a gradient becomes a step. A concrete optimiser declares ``learning_rate: float | Schedule`` first.

    ``elementwise`` says that a number moves by its own gradients alone, so that several models may share a step.
    """

    kind: ClassVar[str] = "optimiser"
    full_batch: ClassVar[bool] = False
    native: ClassVar[bool] = False
    elementwise: ClassVar[bool] = False

    def settings(self) -> dict[str, Any]:
        """Return the numbers of a step under torch's names, ``lr`` among them; the engine sets them at every step."""
        raise NotImplementedError(f"{type(self).__name__} must define settings")  # abstract

    def bind(self, parameters: Iterable[nn.Parameter]) -> Bound:
        """Return what takes the steps: one of torch's optimisers, or :class:`Fused`."""
        raise NotImplementedError(f"{type(self).__name__} must define bind")  # abstract


@dataclass(frozen=True, repr=False)
class Adam(Optimiser):
    """Adam (Kingma & Ba, 2015, "Adam: A Method for Stochastic Optimization").

    >>> Adam(learning_rate=3e-4)
    Adam(learning_rate=0.0003)
    """

    native: ClassVar[bool] = True
    elementwise: ClassVar[bool] = True
    learning_rate: float | Schedule = number(1e-3, low=0.0)
    beta1: float | Schedule = number(0.9, low=0.0, high=1.0)
    beta2: float | Schedule = number(0.999, low=0.0, high=1.0)
    eps: float | Schedule = number(1e-8, low=0.0)

    def settings(self) -> dict[str, Any]:
        """Return the rate, the decay of both moments and the floor of the second one's root."""
        return {"lr": self.learning_rate, "betas": (self.beta1, self.beta2), "eps": self.eps}

    def bind(self, parameters: Iterable[nn.Parameter]) -> Bound:
        """Bind torch's fused kernel of Adam."""
        return fused("_fused_adam_", torch.optim.Adam, parameters, self.at(0.0).settings())


@dataclass(frozen=True, repr=False)
class AdamW(Optimiser):
    """Adam with decoupled weight decay (Loshchilov & Hutter, 2019, "Decoupled Weight Decay Regularization").

    >>> AdamW(weight_decay=0.05)
    AdamW(weight_decay=0.05)
    """

    native: ClassVar[bool] = True
    elementwise: ClassVar[bool] = True
    learning_rate: float | Schedule = number(1e-3, low=0.0)
    weight_decay: float | Schedule = number(1e-2, low=0.0)
    beta1: float | Schedule = number(0.9, low=0.0, high=1.0)
    beta2: float | Schedule = number(0.999, low=0.0, high=1.0)
    eps: float | Schedule = number(1e-8, low=0.0)

    def settings(self) -> dict[str, Any]:
        """Return Adam's numbers and the share of the weights that a step of rate 1 takes away."""
        adam = {"lr": self.learning_rate, "betas": (self.beta1, self.beta2), "eps": self.eps}
        return adam | {"weight_decay": self.weight_decay}

    def bind(self, parameters: Iterable[nn.Parameter]) -> Bound:
        """Bind torch's fused kernel of AdamW."""
        return fused("_fused_adamw_", torch.optim.AdamW, parameters, self.at(0.0).settings())


@dataclass(frozen=True, repr=False)
class SGD(Optimiser):
    """Stochastic gradient descent with momentum (Polyak, 1964), Nesterov's on request.

    >>> SGD(learning_rate=0.1, nesterov=True)
    SGD(learning_rate=0.1, nesterov=True)
    """

    elementwise: ClassVar[bool] = True
    learning_rate: float | Schedule = number(1e-2, low=0.0)
    momentum: float | Schedule = number(0.9, low=0.0, high=1.0)
    nesterov: bool = False

    def __post_init__(self) -> None:
        """Check that Nesterov's step has a momentum to look ahead along."""
        super().__post_init__()
        if self.nesterov and self.momentum == 0:
            raise ValueError("SGD: nesterov=True looks ahead along the momentum, which is 0; raise momentum")

    def settings(self) -> dict[str, Any]:
        """Return the rate and the momentum."""
        return {"lr": self.learning_rate, "momentum": self.momentum}

    def bind(self, parameters: Iterable[nn.Parameter]) -> Bound:
        """Bind torch's fused SGD."""
        return torch.optim.SGD(parameters, **self.at(0.0).settings(), nesterov=self.nesterov, fused=True)


@dataclass(frozen=True, repr=False)
class Adadelta(Optimiser):
    """Adadelta (Zeiler, 2012, "ADADELTA: An Adaptive Learning Rate Method").

    The paper's learning rate is 1; Keras used 1.0 until 2.3 and 0.001 afterwards.

    >>> Adadelta(rho=0.9)
    Adadelta(rho=0.9)
    """

    elementwise: ClassVar[bool] = True
    learning_rate: float | Schedule = number(1.0, low=0.0)
    rho: float | Schedule = number(0.95, low=0.0, high=1.0)
    eps: float | Schedule = number(1e-6, low=0.0)

    def settings(self) -> dict[str, Any]:
        """Return the rate, the decay of both averages and the floor of their roots."""
        return {"lr": self.learning_rate, "rho": self.rho, "eps": self.eps}

    def bind(self, parameters: Iterable[nn.Parameter]) -> Bound:
        """Bind torch's Adadelta."""
        return torch.optim.Adadelta(parameters, **self.at(0.0).settings())


@dataclass(frozen=True, repr=False)
class LBFGS(Optimiser):
    """Limited-memory BFGS with a strong Wolfe line search over all rows (Liu & Nocedal, 1989).

    One epoch is up to ``iterations`` iterations, with the same noise in all of them; use it with ``validation=0`` for
    small, smooth problems. The host reads the loss at every point of the line search.

    >>> LBFGS(iterations=50)
    LBFGS(iterations=50)
    """

    full_batch: ClassVar[bool] = True
    learning_rate: float | Schedule = number(1.0, low=0.0)
    iterations: int = count(20)
    history: int = count(20)

    def settings(self) -> dict[str, Any]:
        """Return the first length that a line search tries."""
        return {"lr": self.learning_rate}

    def bind(self, parameters: Iterable[nn.Parameter]) -> Bound:
        """Bind torch's L-BFGS."""
        return torch.optim.LBFGS(
            parameters,
            **self.at(0.0).settings(),
            max_iter=self.iterations,
            history_size=self.history,
            tolerance_grad=1e-12,
            tolerance_change=1e-14,
            line_search_fn="strong_wolfe",
        )
