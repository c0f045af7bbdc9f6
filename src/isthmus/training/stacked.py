"""Several models as one: their parameters in blocks, their rows one after another, their noise side by side."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import fields, replace
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn

from isthmus.layers import Products, Room
from isthmus.noise import Noise, Several, Standing
from isthmus.objective import Objective
from isthmus.records import Batch, Corrupted, Pass, Rows
from isthmus.training.flat import Flat, units_first


def interleaved(members: Sequence[Objective]) -> list[nn.Parameter]:
    """Return the trained parameters so that those which correspond lie next to each other."""
    return [p for alike in zip(*(member.trained() for member in members), strict=True) for p in alike]


class Blocks:
    """The corresponding parameters of all members as one tensor, (members, *shape), by that of the first member.

    Attributes:
        values, slots: parameters and their gradients, views of the flat ones.
        peers: the corresponding parameters of all members.
    """

    def __init__(self, flat: Flat, members: int) -> None:
        """Take views of flat tensors whose parameters are :func:`interleaved`."""
        self.values: dict[Tensor, Tensor] = {}
        self.slots: dict[Tensor, Tensor] = {}
        self.peers: dict[Tensor, list[nn.Parameter]] = {}
        at = 0
        for i in range(0, len(flat.parameters), members):
            first = flat.parameters[i]
            part = slice(at, at + members * first.numel())
            self.values[first] = units_first(flat.whole.data[part], first, (members,))
            self.slots[first] = units_first(flat.gradient[part], first, (members,))
            self.peers[first] = flat.parameters[i : i + members]
            at = part.stop


class Stacked(Room):
    """A room for several models: rows are (members * rows, ...), and a product is one per member.

    Only products tell members apart; every layer that treats rows alike works as it does for one model.
    """

    def __init__(self, products: Products, members: int, blocks: Blocks) -> None:
        """Start without buffers."""
        super().__init__(products)
        self.members, self.blocks = members, blocks

    def value(self, parameter: Tensor) -> Tensor:
        """Return the parameter of every member."""
        return self.blocks.values[parameter]

    def slot(self, parameter: Tensor) -> Tensor:
        """Return the gradient of every member."""
        return self.blocks.slots[parameter]

    def rows(self, t: Tensor) -> Tensor:
        """Return (members, rows, numbers)."""
        return t.view(self.members, -1, t.shape[-1])

    def note(self, parameter: Tensor) -> None:
        """Remember that the gradients of every member are set."""
        self.written.update(self.blocks.peers[parameter])


class Noises(Several):
    """The noises of several models: each draws the numbers for its own rows."""

    def __init__(self, branches: Sequence[Noise], step: int = 0) -> None:
        """Keep one noise per model; their streams at this step are made when something is drawn."""
        super().__init__(branches[0].seed, step)
        self._branches = branches

    @cached_property
    def members(self) -> list[Noise]:
        """The noise of each model."""
        return [noise.at(self.step) for noise in self._branches]

    @staticmethod
    def of(noise: Noise | None) -> list[Noise]:
        """Return the members of a noise that has some."""
        if not isinstance(noise, Noises):
            raise TypeError(f"{noise!r} is the noise of one model; give Noises")
        return noise.members

    def standing(self, device: torch.device) -> tuple[Noise, list[Standing]]:
        """Return the same streams on one device from generators that stay, and these."""
        own = [Standing(noise, device) for noise in self.members]
        return Noises(own, self.step), own

    def at(self, step: int) -> Noises:
        """Return the streams of another step."""
        return Noises(self._branches, step)

    def branch(self, tag: int) -> Noises:
        """Return independent streams for another purpose."""
        return Noises([noise.branch(tag) for noise in self._branches], self.step)

    def parts(self, like: Tensor) -> list[tuple[Noise, Tensor]]:
        """Return every model's noise with as many rows as any other's."""
        return list(zip(self.members, like.chunk(len(self.members)), strict=True))


class Pool:
    """The rows of several models, (models * rows, ...): those of the first, then those of the second, and so on.

    Models that were given the very same rows share them.
    """

    def __init__(self, rows: Sequence[Rows]) -> None:
        """Put the rows together, where they are not the same."""
        first, n = rows[0], len(rows[0])
        self.models, self.same = len(rows), all(same(first, other) for other in rows[1:])
        self.rows = first if self.same else Rows(*side_by_side(rows))
        self.device = first.x.device
        self.starts = torch.arange(len(rows), device=self.device).unsqueeze(1) * (0 if self.same else n)
        self.n = n

    def batches(self, noises: Sequence[Noise], steps: int) -> Iterator[Batch]:
        """Give every row of every model once, each in the order that its noise draws, as :class:`Rows` does."""
        orders = [torch.arange(self.n) if steps == 1 else noise.permutation(self.n) for noise in noises]
        return self._cut(torch.stack(orders).to(self.device).tensor_split(steps, dim=1))

    def chunks(self, size: int) -> Iterator[Batch]:
        """Give the rows of every model in their own order, up to ``size`` of each at once."""
        return self._cut(torch.arange(self.n, device=self.device).expand(self.models, -1).split(size, dim=1))

    def _cut(self, parts: Sequence[Tensor]) -> Iterator[Batch]:
        for part in parts:
            yield self.rows.take((part + self.starts).reshape(-1))


def tensors_of(record: Any) -> list[Any]:
    """Return the fields of a record that hold tensors."""
    return [f for f in fields(record) if str(f.type).startswith("Tensor")]


def same(a: Rows, b: Rows) -> bool:
    """Say whether two lots of rows are the very same tensors."""
    return all(getattr(a, f.name) is getattr(b, f.name) for f in tensors_of(a))


def joined(parts: Sequence[Corrupted]) -> Corrupted:
    """Return corrupted batches as one: the rows of the first, then those of the second, and so on."""
    return Corrupted(*side_by_side(parts))


def side_by_side(records: Sequence[Any]) -> list[Any]:
    """Join the fields of records by rows; one that some lack is lacking."""
    columns = [[getattr(record, f.name) for record in records] for f in tensors_of(records[0])]
    return [None if any(t is None for t in column) else torch.cat(column) for column in columns]


def pieces(record: Any, n: int) -> list[Any]:
    """Return n records, each with one of n equal pieces of every tensor."""
    found = {f.name: getattr(record, f.name) for f in tensors_of(record)}
    cut = {name: t.chunk(n) for name, t in found.items() if isinstance(t, Tensor)}
    return [replace(record, **{name: parts[m] for name, parts in cut.items()}) for m in range(n)]


def apart(p: Pass, members: Sequence[Objective]) -> list[Pass]:
    """Return the pass of each member as it sees it by itself."""
    n = len(members)
    inside = [pieces(record, n) for record in (p.batch, p.corrupted, p.posterior)]
    own = zip(pieces(p, n), members, Noises.of(p.noise), *inside, strict=True)
    return [
        replace(
            piece,
            model=task.model,
            memory=task.model.memory,
            noise=noise,
            batch=batch,
            corrupted=corrupted,
            posterior=posterior,
            members=1,
        )
        for piece, task, noise, batch, corrupted, posterior in own
    ]
