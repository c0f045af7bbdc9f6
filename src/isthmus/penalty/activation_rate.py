"""Sparsity by a target for how often each unit is on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from isthmus.catalogue import name_of
from isthmus.component import Memory, Schedule, count, number, settled
from isthmus.penalty import Gradients, Penalty
from isthmus.records import Batch, Pass, Shape, Spec


@dataclass(frozen=True, repr=False)
class ActivationRate(Penalty):
    """``sum_j KL(rho || rho_j)``: unit j should be on in a share ``rho`` of the rows (Ng, 2011, "Sparse autoencoder").

    ``KL(rho || r) = rho log(rho / r) + (1 - rho) log((1 - rho) / (1 - r))``, where rho_j is the unit's mean over rows
    (and places of a code map) of codes brought to [0, 1] by their bounds. So that the value does not depend on the
    batch, rho_j is a running mean over the last ``window`` rows, or over all rows where there are fewer; its gradient
    is that of the batch's own mean, at full strength. With full batches both are exact.

    The weight is the beta of ``J = 1/2 squared error + lambda/2 ||W||^2 + beta sum KL``. One number per batch, in nats.

    >>> ActivationRate(weight=3.0, rho=0.01)
    ActivationRate(weight=3.0, rho=0.01)
    """

    weight: float | Schedule = number(1.0, low=0.0)
    rho: float | Schedule = number(0.05, low=1e-6, high=1 - 1e-6)
    window: int = count(5000)

    @property
    def requires(self) -> frozenset[str]:
        """A rate needs to know when a unit is off and when it is on."""
        return frozenset({"bounded code"})

    def memory(self, spec: Spec, code: Shape) -> Memory:
        """Keep the decaying sum of rates, the sum of its weights, and how many rows there are."""
        rates = {"rates": torch.zeros(code[0]), "weight": torch.zeros(())}
        return Memory(buffers={**rates, "rows": torch.tensor(float(spec.rows))})

    def start(self, objective: Any, sample: Batch) -> None:
        """Count the training rows."""
        objective.memories[name_of(self)].rows.fill_(len(sample.x))

    def __call__(self, p: Pass) -> Tensor:
        """Return the divergence at the running rates, with the gradient of the batch's rates."""
        rate, rho = self._rate(p), settled(self.rho)
        eps = torch.finfo(rate.dtype).eps
        rate = rate.clamp(eps, 1 - eps)
        divergence: Tensor = rho * (rho / rate).log() + (1 - rho) * ((1 - rho) / (1 - rate)).log()
        return divergence.sum()

    def _rate(self, p: Pass) -> Tensor:
        """Return the running rates, which move with the batch's at full strength."""
        memory: Any = p.memory
        batch = rates(p, memory.rates.dtype)
        share = self._share(memory, len(p.batch.x)) if memory.training else memory.weight.eq(0).to(batch.dtype)
        running = (1 - share) * memory.rates + share * batch.detach()
        running = running / ((1 - share) * memory.weight + share)
        rate: Tensor = running + (batch - batch.detach())
        return rate

    def pullback(self, p: Pass) -> Gradients:
        """Return (1 - rho) / (1 - rate) - rho / rate per unit, times what a row and place adds to the rate."""
        rate, (low, high), rho = self._rate(p), bounds(p), settled(self.rho)
        eps = torch.finfo(rate.dtype).eps
        slope = ((1 - rho) / (1 - rate) - rho / rate) * ((rate >= eps) & (rate <= 1 - eps))
        slope = slope / ((high - low) * p.code[0, 0].numel() * len(p.code))
        g = slope.to(p.code.dtype).reshape(1, -1, *[1] * (p.code.dim() - 2)).expand_as(p.code)
        if p.batch.weight is None:
            return {"code": g}
        return {"code": g * p.batch.weight.repeat(p.draws).reshape(-1, *[1] * (p.code.dim() - 1))}

    def tally(self, p: Pass) -> dict[str, Tensor]:
        """Return the sum of rates over rows, and the number of rows."""
        memory: Any = p.memory
        rows = memory.rows.new_full((), float(len(p.batch.x)))
        return {"sum": rates(p, rows.dtype).detach() * rows, "rows": rows}

    def learn(self, memory: Any, tallies: dict[str, Tensor]) -> None:
        """Let older rows decay by the share of new ones; the weights of the sum decay too, so nothing biases it."""
        share = self._share(memory, tallies["rows"])
        memory.rates.lerp_(tallies["sum"] / tallies["rows"], share)
        memory.weight.lerp_(torch.ones_like(memory.weight), share)

    def _share(self, memory: Any, rows: Any) -> Tensor:
        share: Tensor = rows / memory.rows.clamp(max=self.window)
        return share.clamp(max=1.0)


def rates(p: Pass, dtype: torch.dtype) -> Tensor:
    """Return each unit's mean over rows and places, on a scale from 0 (off) to 1 (on)."""
    low, high = bounds(p)
    on = ((p.code.to(dtype) - low) / (high - low)).reshape(*p.code.shape[:2], -1).mean(2)
    if p.batch.weight is not None:
        on = on * p.batch.weight.repeat(p.draws).unsqueeze(1)
    return on.mean(0)


def bounds(p: Pass) -> tuple[float, float]:
    """Return the code values at which a unit is off and on."""
    if p.posterior.bounds is None:
        raise ValueError("ActivationRate needs codes with bounds, which this posterior lacks; use Sigmoid() or Tanh()")
    return p.posterior.bounds
