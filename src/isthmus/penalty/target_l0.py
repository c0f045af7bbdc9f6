"""A penalty whose weight is found, so that a wanted number of units is active."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from isthmus.component import Memory, Schedule, declaration, number, settled
from isthmus.penalty import Penalty
from isthmus.penalty.l1 import L1
from isthmus.records import Pass, Shape, Spec, Terms

# How fast the logarithm of the coefficient follows the logarithm of the error: of the running count, and of each step.
AT_ONCE, EACH_STEP, WINDOW = 1.0, 0.02, 20
CLOSE, UNTOLD = 0.02, 100.0


@dataclass(frozen=True, repr=False)
class TargetL0(Penalty):
    """Another penalty times a coefficient that is found, so that ``l0`` units of a row are active on average.

    The coefficient is c = w sinh(1 + i + e) / sinh(1), with w the weight of the wrapped penalty, e the logarithm of the
    running number of active units over ``l0``, and i the sum of 0.02 e over steps: a proportional-integral controller
    on a scale that is logarithmic for large coefficients and lets a penalty become a reward where too few units are
    active. Rows that were not fitted have a few per cent more active units: where a fit holds rows out, e counts those.

    The coefficient is kept in the memory, saved with the model, and shown in the history beside the count on held-out
    rows. The best weights are those of the best reconstruction among epochs that meet the target within 2 %. Give a fit
    time to find it: ``Trainer(patience=0)``. For ``l0``, 0 is an eighth of the units, at least one.

    >>> TargetL0(L1(0.2), l0=32)
    TargetL0(penalty=L1(weight=0.2), l0=32)
    """

    penalty: Penalty = L1(0.1)  # noqa: RUF009  (frozen)
    l0: float = number(0.0, low=0.0)
    weight: float | Schedule = number(1.0, low=0.0)

    @property
    def requires(self) -> frozenset[str]:
        """Units that penalties can silence, and what the wrapped penalty requires."""
        return self.penalty.requires | {"open sparsity"}

    def memory(self, spec: Spec, code: Shape) -> Memory:
        """Keep the two parts of the coefficient's logarithm, and the wrapped penalty's own memory."""
        units = math.prod(code)
        if self.l0 > units:
            raise ValueError(f"{self!r} asks for more active units than the {units} of the code; lower l0")
        names = ("integral", "count", "steps", "gap")
        memory = Memory(buffers={name: torch.zeros(()) for name in names})
        memory.register_buffer("target", torch.tensor(float(self.l0 or max(1, units // 8))))
        memory.inner = self.penalty.memory(spec, code)
        return memory

    def coefficient(self, memory: Any) -> Tensor:
        """Return what multiplies the wrapped penalty, its own weight included."""
        weight = settled(self.penalty.weight)  # type: ignore[attr-defined]
        found: Tensor = weight * (1.0 + memory.integral + AT_ONCE * self._error(memory)).sinh() / math.sinh(1.0)
        return found

    def _error(self, memory: Any) -> Tensor:
        error = ((memory.count.clamp_min(1e-3) / memory.target).log() + memory.gap).clamp(-1.0, 1.0)
        return torch.where(memory.steps > 0, error, 0.0)

    def __call__(self, p: Pass) -> Tensor:
        """Return the wrapped penalty times the coefficient."""
        memory: Any = p.memory
        value = self.penalty(p.of(memory.inner))
        return self.coefficient(memory).to(value.dtype) * value

    @property
    def pullback(self) -> Any:
        """What the wrapped penalty declares, times the coefficient; nothing where it declares nothing."""
        back = declaration(self.penalty, "pullback")
        if back is None:
            return None

        def scaled(p: Pass) -> Any:
            memory: Any = p.memory
            c = self.coefficient(memory)
            return {name: g * c.to(g.dtype) for name, g in back(p.of(memory.inner)).items()}

        return scaled

    def differentiates(self, model: Any) -> bool:
        """Say whether the wrapped penalty does."""
        return self.penalty.differentiates(model)

    def tally(self, p: Pass) -> dict[str, Tensor]:
        """Return the number of active units over all rows, and what the wrapped penalty tallies."""
        memory: Any = p.memory
        own = {"active": active(p).sum(), "rows": p.code.new_full((), float(len(p.code)))}
        return own | {f"inner.{name}": t for name, t in self.penalty.tally(p.of(memory.inner)).items()}

    def learn(self, memory: Any, tallies: dict[str, Tensor]) -> None:
        """Follow the running count, and move the coefficient by its error."""
        inner = {name.removeprefix("inner."): t for name, t in tallies.items() if name.startswith("inner.")}
        if inner:
            self.penalty.learn(memory.inner, inner)
        memory.steps.add_(1.0)
        now = (tallies["active"] / tallies["rows"]).to(memory.count.dtype)
        memory.count.lerp_(now, 1 / memory.steps.clamp(max=float(WINDOW)))
        memory.integral.add_(EACH_STEP * self._error(memory))

    def measure(self, p: Pass) -> Terms:
        """Return the number of active units per row, and the coefficient."""
        return {"l0": active(p), "coefficient": self.coefficient(p.memory)}

    def missed(self, memory: Any, found: dict[str, float]) -> float:
        """Return by how much the target is missed on held-out rows, on a logarithmic scale; 0 within 2 %.

        Weights that hardly a step has changed may have that many active units by the way they start, and meet nothing.
        """
        if float(memory.steps) < WINDOW:
            return UNTOLD
        error = (memory.count.clamp_min(1e-3) / memory.target).log() + self._gap(memory, found)
        return max(0.0, abs(float(error)) - CLOSE)

    def told(self, memory: Any, found: dict[str, float]) -> None:
        """Note how much more units are active on held-out rows than on those of the last steps."""
        memory.gap.lerp_(self._gap(memory, found), 0.3)

    @staticmethod
    def _gap(memory: Any, found: dict[str, float]) -> Tensor:
        """Return the logarithm of active units on held-out rows over those of the last steps.

        Few rows are learnt by heart, and others have several times as many: no more than 1.6 times as many are made up
        for, as the rows that were fitted would else keep next to none.
        """
        gap: Tensor = memory.count.new_tensor(max(found["l0"], 1e-3)).log() - memory.count.clamp_min(1e-3).log()
        return gap.clamp(-0.5, 0.5)


def active(p: Pass) -> Tensor:
    """Return how many units are active in each (drawn) row, over all places."""
    on = p.posterior.active if p.posterior.active is not None else p.posterior.mean != 0
    return on.detach().to(p.code.dtype).flatten(1).sum(1)
