"""The explicit engine for several models at once: members are rows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from isthmus.component import declaration
from isthmus.layers import Products, Room
from isthmus.noise import Noise
from isthmus.objective import Objective, Task
from isthmus.records import Batch, Corrupted, Pass, Tallies, Terms, mean_over_rows
from isthmus.training.engine import all_finite
from isthmus.training.explicit import Bound, Explicit, Gradients, merge
from isthmus.training.optimiser import Optimiser
from isthmus.training.stacked import Blocks, Noises, Stacked, apart, interleaved, joined, pieces


class Ensemble(Explicit):
    """Steps of several objectives of one structure, each as it would be alone.

    A batch holds the rows of all members, one member after another. Networks, bottleneck, likelihood, and what is
    ``by_row``, are gone through once for all of them, as the first member describes them; corruptions and penalties
    that look further are asked member by member.
    """

    def __init__(
        self, members: Sequence[Objective], optimiser: Optimiser, *, clip: float = 0.0, products: Products | None = None
    ) -> None:
        """Bind an optimiser to the parameters of all members."""
        self.members = list(members)
        super().__init__(members[0], optimiser, clip=clip, products=products)
        self.blocks = Blocks(self.flat, len(members))
        self.each: list[dict[str, Any]] = [
            {name: part.over(task.epochs) for name, part in task.parts().items()} for task in members
        ]
        self.changing = any(part.at(0.0) is not part for own in self.each for part in own.values())
        penalties = self.objective.penalties
        self.joint = [
            name for name, part in penalties.items() if declaration(part, "by_row") and declaration(part, "pullback")
        ]
        self.others = [name for name in penalties if name not in self.joint]
        self.parts = self.each
        self.modules = [module for task in self.members for module in task.modules()]
        self.used: dict[int, Bound] = {}
        self.remembered = [b for task in self.members for b in task.buffers()]
        self._alone_passes: list[Pass] | None = None

    def moved(self, task: Task) -> list[nn.Parameter]:
        """Return the parameters of all members."""
        return interleaved(self.members)

    def room(self) -> Room:
        """Return a room for all members."""
        return Stacked(self.products, len(self.members), self.blocks)

    def kept(self, members: Sequence[int]) -> dict[str, Any]:
        """Return the state of some members, for an engine of these alone."""
        size, all_members = self.flat.whole.numel(), len(self.members)

        def of(tree: Any) -> Any:
            if isinstance(tree, Tensor) and tree.numel() == size:
                sizes = [p.numel() for p in self.flat.parameters]
                parts = tree.split(sizes)
                return torch.cat([parts[i + m] for i in range(0, len(parts), all_members) for m in members])
            if isinstance(tree, dict):
                return {key: of(value) for key, value in tree.items()}
            return [of(value) for value in tree] if isinstance(tree, list) else tree

        return of(self.state_dict())  # type: ignore[no-any-return]

    def buffers(self) -> list[Tensor]:
        """Return what every member remembers."""
        return self.remembered

    def finite_member(self, m: int) -> bool:
        """Say whether every number of one member is finite."""
        task = self.members[m]
        return all_finite([*(p.detach() for p in task.trained()), *task.buffers()])

    def shorten(self, length: float) -> None:
        """Scale each member's gradient down to a length, where it is longer."""
        slots = list(self.blocks.slots.values())
        norm = torch.stack([slot.flatten(1).square().sum(1) for slot in slots]).sum(0).sqrt()
        factor = (length / (norm + 1e-6)).clamp_(max=1.0)
        for slot in slots:
            slot.mul_(factor.reshape(-1, *[1] * (slot.dim() - 1)))

    def mode(self, training: bool) -> None:
        """Set all members to training or to use, several times faster than each module does for those inside it."""
        for module in self.modules:
            module.training = training

    @torch.no_grad()
    def judge(self, batch: Batch, noise: Noises) -> Terms:
        """Return the mean of every term for each member as it is in use, with schedules at their end."""
        bound = self.used.setdefault(len(batch.x), Bound(self.room()))
        bound.room.noise = noise
        self.products.begin()
        try:
            p = self._ahead(batch, noise, math.inf, bound)
            return self._valued(p, self._penalties(math.inf), True)[1]
        finally:
            self.products.end()

    # -- there ------------------------------------------------------------------------------------------------------

    def _ahead(self, batch: Batch, noise: Noise, epoch: float, bound: Bound) -> Pass:
        if self.changing:
            self.parts = [{name: part.at(epoch) for name, part in own.items()} for own in self.each]
        self._alone_passes = None
        return replace(super()._ahead(batch, noise, epoch, bound), members=len(self.members))

    def _corrupted(self, batch: Batch, noise: Noise, epoch: float) -> Corrupted:
        if declaration(self.parts[0]["corruption"], "by_row"):
            return super()._corrupted(batch, noise, epoch)
        own = zip(self.members, self.parts, pieces(batch, len(self.members)), Noises.of(noise), strict=True)
        return joined([parts["corruption"](x, drawn, task.memories["corruption"]) for task, parts, x, drawn in own])

    def _valued(self, p: Pass, penalties: dict[str, Any], valued: bool) -> tuple[Pass, Terms]:
        """Return the mean of every term for each member, (members,), where they are asked for."""
        if not valued:
            return p, {}
        means = {"reconstruction": self._mean(self.objective.reconstruction(p), p)}
        for name, penalty in penalties.items():
            if name in self.joint:
                means[name] = self._mean(self._weight(name, p) * penalty(p), p)
            else:
                means[name] = torch.stack([self._term(m, name, own) for m, own in enumerate(self._apart(p))])
        return p, means

    def _mean(self, values: Tensor, p: Pass) -> Tensor:
        weighed = values if p.batch.weight is None else values * p.batch.weight
        return weighed.view(len(self.members), -1).mean(1)

    def _term(self, m: int, name: str, p: Pass) -> Tensor:
        penalty = self.parts[m][name]
        return mean_over_rows(penalty.weight * penalty(p.of(self.members[m].memory_of(name))), p.batch.weight)

    def _weight(self, name: str, p: Pass) -> float | Tensor:
        """Return the weight of a penalty: one number where all members agree, else one per row."""
        weights = [own[name].weight for own in self.parts]
        if all(agree(weight, weights[0]) for weight in weights):
            return weights[0]  # type: ignore[no-any-return]
        each = torch.stack([w if isinstance(w, Tensor) else p.code.new_full((), w) for w in weights])
        return each.repeat_interleave(len(p.code) // len(weights))

    def _apart(self, p: Pass) -> list[Pass]:
        """Return the pass of each member, as it sees it alone."""
        if self._alone_passes is None:
            self._alone_passes = apart(p, self.members)
        return self._alone_passes

    # -- and back ---------------------------------------------------------------------------------------------------

    def _ask(self, found: Gradients, p: Pass, penalties: dict[str, Any], of: Objective) -> None:
        """Merge in the derivatives of penalties; those that look further than a row are asked member by member."""
        for name in self.joint:
            merge(found, penalties[name].pullback(p), p, self._weight(name, p))
        if not self.others:
            return
        each: list[Gradients] = [{} for _ in self.members]
        for m, own in enumerate(self._apart(p)):
            asked = {name: self.parts[m][name] for name in self.others}
            super()._ask(each[m], own, asked, self.members[m])
        for name in [key for key in each[0] if isinstance(key, str)]:
            merge(found, {name: torch.cat([one.pop(name) for one in each])}, p, 1.0)
        for left in each:
            found |= left

    def _tallies(self, p: Pass, epoch: float) -> Tallies:
        """Let every member learn from its own sums."""
        for name in self.tallying:
            for task, parts, own in zip(self.members, self.parts, self._apart(p), strict=True):
                if sums := parts[name].tally(own.of(task.memory_of(name))):
                    parts[name].learn(task.memory_of(name), sums)
        return {}


def agree(a: float | Tensor, b: float | Tensor) -> bool:
    """Say whether two numbers are known to be the same, without a look at one that a device holds."""
    return a is b or not (isinstance(a, Tensor) or isinstance(b, Tensor) or a != b)
