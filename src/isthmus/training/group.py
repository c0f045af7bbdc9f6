"""What the processes of one fit say to each other: sums, the first one's word, and whether they agree."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, distributed, nn

from isthmus.records import Tallies, Terms

# Relative difference of weights that rounding on unequal processors explains.
DRIFT = 1e-3


class Broken(RuntimeError):
    """Another process of the fit is gone, or did not answer in time."""


@contextmanager
def speaking() -> Iterator[None]:
    """Tell what breaks while processes talk from what breaks in one of them."""
    try:
        yield
    except RuntimeError as error:
        raise Broken(f"another worker of the fit is gone or did not answer in time: {error}") from error


@dataclass(frozen=True)
class Group:
    """The processes that take the steps of a fit together; by itself a process is a group of one, which says nothing.

    ``live`` says that the others are there; of a group that is gone, what it has trained can be taken over.
    """

    rank: int = 0
    size: int = 1
    live: bool = True

    @property
    def first(self) -> bool:
        """Whether this process writes, draws and logs for all."""
        return self.rank == 0

    @property
    def talks(self) -> bool:
        """Whether there are others to talk to."""
        return self.size > 1 and self.live

    def told(self, value: Any) -> Any:
        """Return the first one's value."""
        if not self.talks:
            return value
        box = [value]
        with speaking():
            distributed.broadcast_object_list(box, src=0)
        return box[0]

    def gathered(self, value: Any) -> list[Any]:
        """Return everybody's value, by rank."""
        if not self.talks:
            return [value]
        found: list[Any] = [None] * self.size
        with speaking():
            distributed.all_gather_object(found, value)
        return found

    def start_alike(self, module: nn.Module) -> None:
        """Give all of them the first one's numbers."""
        if self.talks:
            with speaking(), torch.no_grad():
                for tensor in module.state_dict().values():
                    same = tensor.contiguous()
                    distributed.broadcast(same, src=0)
                    tensor.copy_(same)

    def add_up(self, gradient: Tensor | None, terms: Terms, tallies: Tallies, share: float) -> tuple[Terms, Tallies]:
        """Make means over all rows of a gradient, in place, and of terms, and sums of tallies.

        ``share`` is that of the rows that are here. All of it is one message: that costs more than the numbers in it.
        """
        own = [] if gradient is None else [gradient.mul_(share)]
        names = sorted(terms)
        places = [(name, key) for name in sorted(tallies) for key in sorted(tallies[name])]
        sent = [*own, *(terms[name].detach() * share for name in names), *(tallies[n][k] for n, k in places)]
        back = iter(self.summed(sent))
        if gradient is not None:
            gradient.copy_(next(back))
        means = {name: next(back) for name in names}
        found: Tallies = {name: {} for name in tallies}
        for name, key in places:
            found[name][key] = next(back)
        return means, found

    def summed(self, tensors: list[Tensor]) -> list[Tensor]:
        """Return the sums of tensors over all processes, in one message and in the dtype of the first of them."""
        if not tensors:
            return []
        flat = tensors[0] if len(tensors) == 1 else torch.cat([t.to(tensors[0].dtype).reshape(-1) for t in tensors])
        with speaking():
            distributed.all_reduce(flat)
        parts = flat.split([t.numel() for t in tensors]) if len(tensors) > 1 else (flat,)
        return [part.view(t.shape).to(t.dtype) for part, t in zip(parts, tensors, strict=True)]

    def either(self, flag: bool, like: Tensor) -> bool:
        """Say whether anybody says so; numbers are sent from the device of a tensor."""
        if not self.talks:
            return flag
        told = torch.full((1,), float(flag), device=like.device)
        with speaking():
            distributed.all_reduce(told, distributed.ReduceOp.MAX)
        return bool(told)

    def ends(self, stop: bool, length: Tensor) -> bool:
        """Say whether anybody asks for the end, and check that all hold the same weights, by their length.

        Raises:
            RuntimeError: they do not.
        """
        if not self.talks:
            return stop
        length = length.to(torch.float32)
        told = torch.stack([torch.full_like(length, float(stop)), length, -length])
        with speaking():
            distributed.all_reduce(told, distributed.ReduceOp.MAX)
        ends, most, least = told.tolist()
        if most + least > DRIFT * most:
            raise RuntimeError(
                "the workers of a fit came to different weights; a callback that changes weights or moments is called "
                "on all workers where its class has everywhere = True"
            )
        return bool(ends)
