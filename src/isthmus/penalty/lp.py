"""Sparsity by a power below one, reached slowly."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from isthmus.component import Memory, Schedule, number, settled
from isthmus.penalty import Penalty
from isthmus.records import Pass, Shape, Spec
from isthmus.schedule import Cosine

NEAR = 1e-3


@dataclass(frozen=True, repr=False)
class Lp(Penalty):
    """``alpha sum_j |h_j|^p`` per row with p falling from 1: the convex L1 first, at last nearly a number of units.

    Whenever p changes, alpha becomes alpha * mean(L_p) / mean(L_p'), so that the penalty keeps its size (Karvonen et
    al., 2024, "Measuring Progress in Dictionary Learning", p-annealing). ``|h|^p`` is ``(|h| + 0.001)^p - 0.001^p``,
    which has a finite slope at zero. In use, alpha and p are those of the last step. For batches whose rows count
    alike.

    >>> Lp(power=0.5)
    Lp(power=0.5)
    """

    weight: float | Schedule = number(1e-3, low=0.0)
    power: float | Schedule = number(Cosine(1.0, 0.2), low=1e-3, high=2.0)

    def memory(self, spec: Spec, code: Shape) -> Memory:
        """Keep alpha and the power of the last step, 0 before the first."""
        return Memory(buffers={"alpha": torch.ones(()), "power": torch.zeros(())})

    def __call__(self, p: Pass) -> Tensor:
        """Return the sum over units and places."""
        memory: Any = p.memory
        known = memory.power > 0
        now = settled(self.power)
        power = now if memory.training else torch.where(known, memory.power, now)
        found: Tensor = memory.alpha.to(p.code.dtype) * raised(p.code, power)
        return found

    def tally(self, p: Pass) -> dict[str, Tensor]:
        """Return the sums over rows at the last power and at the present one."""
        memory: Any = p.memory
        now = settled(self.power) + torch.zeros_like(memory.power)
        code = p.code.detach()
        before = torch.where(memory.power > 0, memory.power, now)
        rows = now.new_full((), float(len(code)))
        found = {"before": raised(code, before).sum(), "now": raised(code, now).sum(), "power": rows * now}
        return found | {"rows": rows}

    def learn(self, memory: Any, tallies: dict[str, Tensor]) -> None:
        """Change alpha by as much as the change of the power has changed the penalty."""
        ratio = tallies["before"] / tallies["now"].clamp_min(1e-12)
        memory.alpha.mul_(torch.where(tallies["now"] > 1e-12, ratio, 1.0).to(memory.alpha.dtype))
        memory.power.copy_(tallies["power"] / tallies["rows"])


def raised(code: Tensor, power: Any) -> Tensor:
    """Return the sum of powers of absolute values per row."""
    total: Tensor = ((code.abs() + NEAR) ** power - NEAR**power).flatten(1).sum(1)
    return total
