"""Work for dead units."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from isthmus.catalogue import name_of
from isthmus.component import Memory, Schedule, count, number
from isthmus.penalty import Apart, Penalty
from isthmus.penalty.atoms import clean, half_square, spoken
from isthmus.posterior import Few
from isthmus.records import Batch, Pass, Shape, Spec

FIRES = 1e-3


@dataclass(frozen=True, repr=False)
class Auxiliary(Penalty):
    """``s/2 ||e - D z||^2`` per row, where dead units try to say the error e = x - x_hat, which is held fixed.

    z are the ``k`` largest of the dead units' features before selection, rectified, decoded without bias, and s =
    min(dead / k, 1) (Gao et al., 2024, "Scaling and evaluating sparse autoencoders", AuxK; they divide both squared
    errors by their variances, and the weight is theirs). A unit is dead when it was not above 0.001 in the last
    ``after`` rows. The rectifier passes gradients where it is zero, so that a unit that never fires is heard too.

    Args:
        k: 0 is half the variables of a row.
        after: 0 is five times the training rows.

    >>> Auxiliary(k=32)
    Auxiliary(k=32)
    """

    weight: float | Schedule = number(1 / 32, low=0.0)
    k: int = count(0, low=0)
    after: int = count(0, low=0)

    @property
    def requires(self) -> frozenset[str]:
        """Features before selection, and atoms that add up to the error."""
        return frozenset({"silent units", "linear decoder", "squared error"})

    def memory(self, spec: Spec, code: Shape) -> Memory:
        """Keep for how many rows each unit was silent, and how many training rows there are."""
        return Memory(buffers={"idle": torch.zeros(code[0]), "rows": torch.tensor(float(spec.rows))})

    def start(self, objective: Any, sample: Batch) -> None:
        """Count the training rows, of which a stream gives some."""
        objective.memories[name_of(self)].rows.fill_(max(len(sample.x), objective.model.spec.rows))

    def dead(self, memory: Any) -> Tensor:
        """Say which units are dead."""
        found: Tensor = memory.idle > (float(self.after) if self.after else 5 * memory.rows)
        return found

    def __call__(self, p: Pass) -> Tensor:
        """Return half the squared difference between the error and what dead units make of it."""
        atoms = p.model.architecture.atoms(p.model.decoder)
        dead, pre = self.dead(p.memory), p.posterior.pre
        k = min(self.k or max(1, p.batch.x[0].numel() // 2), len(dead))
        kept = pre.masked_fill(~dead, -torch.inf).topk(k, dim=1)  # type: ignore[union-attr]
        values = heard(kept.values.masked_fill(kept.values == -torch.inf, 0.0))
        code = torch.zeros_like(p.code).scatter(1, kept.indices, values)
        error = (clean(p) - p.output).detach()
        share = (dead.sum().to(error.dtype) / k).clamp(max=1.0)
        return share * half_square(p, error - spoken(p, code, atoms))

    def apart(self, p: Pass) -> Apart:
        """Return the same, and its derivatives, without a look at units that are alive."""
        dead, rows = self.dead(p.memory).nonzero().flatten(), len(p.batch.x)
        if not len(dead):
            return Apart(p.output.new_zeros(rows))
        k = min(self.k or max(1, p.batch.x[0].numel() // 2), p.features.shape[1])
        pre, atoms = p.features[:, dead], p.model.architecture.atoms(p.model.decoder)[dead]
        on = torch.ones_like(pre)
        if len(dead) > k:
            on = torch.zeros_like(pre).scatter_(1, pre.topk(k, dim=1).indices, 1.0)
        code = F.relu(pre) * on
        away, share = clean(p) - p.output - spoken(p, code, atoms), min(len(dead) / k, 1.0)
        said = -share * (away if p.batch.seen is None else away * p.batch.seen)
        beside = p.model.reader.beside(p.corrupted)
        said = p.shared(said if beside is None else said * beside[1]).flatten(1)
        return Apart(share * half_square(p, away), dead, (said @ atoms.T) * on, code.T @ said)

    def tally(self, p: Pass) -> dict[str, Tensor]:
        """Return how often each unit fired, and the number of rows."""
        memory: Any = p.memory
        if isinstance(p.posterior, Few):
            loud = p.posterior.selected.units[p.code > FIRES]
            fired = torch.bincount(loud, minlength=len(memory.idle)).to(memory.idle.dtype)
        else:
            fired = (p.code.detach() > FIRES).reshape(len(p.code), -1).sum(0).to(memory.idle.dtype)
        return {"fired": fired, "rows": memory.idle.new_full((), float(len(p.batch.x)))}

    def learn(self, memory: Any, tallies: dict[str, Tensor]) -> None:
        """Count on for units that were silent."""
        memory.idle.copy_(torch.where(tallies["fired"] > 0, 0.0, memory.idle + tallies["rows"]))


def heard(values: Tensor) -> Tensor:
    """Return max(values, 0) with the gradient of the values themselves."""
    return values + (F.relu(values) - values).detach()
