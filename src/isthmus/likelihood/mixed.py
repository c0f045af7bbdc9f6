"""Tables whose columns are of different kinds: each has the likelihood of its kind, so that all are scored in nats."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch
from torch import Tensor

from isthmus.component import Memory, declaration
from isthmus.likelihood import Likelihood, average, calm
from isthmus.likelihood.bernoulli import Bernoulli
from isthmus.likelihood.categorical import Categorical
from isthmus.likelihood.normal import Normal
from isthmus.likelihood.poisson import Poisson
from isthmus.likelihood.von_mises import VonMises
from isthmus.noise import Noise
from isthmus.records import Batch, Column, Shape, Spec

DISCRETE = ("binary", "category")


@dataclass(frozen=True)
class Group:
    """Columns that one likelihood speaks of: their places in a row, and those of their outputs."""

    likelihood: Likelihood
    columns: tuple[int, ...]
    outputs: slice
    kind: str


class MixedMemory(Memory):
    """The memories of all groups, with what a table's description says about where each column is."""

    def __init__(self, groups: list[Group], spec: Spec, code: Shape) -> None:
        """Build a memory per group; places are no state, as they follow from the description."""
        super().__init__()
        self.groups = groups
        there = [i for group in groups for i in group.columns]
        order = sorted(range(len(there)), key=there.__getitem__)
        self.register_buffer("order", torch.tensor(order, dtype=torch.int64), persistent=False)
        for i, group in enumerate(groups):
            inside = replace(spec, shape=(len(group.columns),), columns=tuple(spec.columns[j] for j in group.columns))
            self.add_module(str(i), group.likelihood.memory(inside, code))
            self.register_buffer(f"columns_{i}", torch.tensor(group.columns), persistent=False)
            chance = torch.tensor([min(max(spec.columns[j].unseen, 1e-9), 0.5) for j in group.columns])
            self.register_buffer(f"unseen_{i}", chance, persistent=False)

    def __iter__(self) -> Iterator[tuple[Group, Tensor, Tensor, Any]]:
        """Give each group, the places of its columns, their chance of an unseen level, and its memory."""
        for i, group in enumerate(self.groups):
            yield group, getattr(self, f"columns_{i}"), getattr(self, f"unseen_{i}"), getattr(self, str(i))

    def joined(self, pieces: list[Tensor]) -> Tensor:
        """Bring columns of all groups into the order of the table."""
        return torch.cat(pieces, 1).index_select(1, self.order)  # type: ignore[arg-type]


@dataclass(frozen=True, repr=False)
class Mixed(Likelihood):
    """One likelihood per kind of column: numbers, counts, angles, and levels of two or more.

    Levels are scored by a softmax (two by a logistic unit) that leaves a share e for levels that the training rows do
    not have, -log p(x) = -log softmax_x - log(1 - e) for a known one and -log e for any other. The share is what the
    levels seen only once make of the rows (Good, 1953, "The population frequencies of species"), so that a new level
    in a column of many rare ones surprises less than a third answer to a yes or no.

    Args:
        number: likelihood of numbers, which a table scales to mean 0 and standard deviation 1.
        count: of counts.
        angle: of angles, such as the hour of a date.

    >>> spec = Spec((2,), (Column("age"), Column("city", "category", levels=5)), table=True)
    >>> Mixed().outputs(spec)
    (6,)

    Raises:
        ValueError: data that are no table.
    """

    by_row: ClassVar[bool] = True
    number: Likelihood = Normal()  # noqa: RUF009  (frozen)
    count: Likelihood = Poisson()  # noqa: RUF009
    angle: Likelihood = VonMises()  # noqa: RUF009

    @property
    def requires(self) -> frozenset[str]:
        """Data must say of which kind each column is."""
        return frozenset({"kinds"})

    @property
    def provides(self) -> frozenset[str]:
        """What the likelihood of numbers says of their outputs."""
        return self.number.provides & {"values out"}

    def groups(self, spec: Spec) -> list[Group]:
        """Return the columns of each likelihood, in the order in which the encoder reads them."""
        groups, start = [], 0
        for (kind, levels, _), columns in spec.groups.items():
            likelihood = self._of(kind, levels)
            width = likelihood.outputs(Spec((len(columns),)))[0]
            groups.append(Group(likelihood, tuple(columns), slice(start, start + width), kind))
            start += width
        return groups

    def _of(self, kind: str, levels: int) -> Likelihood:
        known = {"number": self.number, "count": self.count, "angle": self.angle, "binary": Bernoulli()}
        return Categorical(levels) if kind == "category" else known[kind]

    def column(self, name: str) -> Column:
        """Describe a variable: the table does so itself."""
        return Column(name)

    def outputs(self, spec: Spec) -> Shape:
        """Ask for the outputs of all groups, one after another."""
        return (self.groups(spec)[-1].outputs.stop,) if spec.table else spec.shape

    def supports(self, x: Tensor) -> Tensor:
        """Say which entries may occur: the table's codec makes no other; what is missing is not a number."""
        return ~x.isinf()

    def memory(self, spec: Spec, code: Shape) -> Memory:
        """Hold one memory for each group."""
        return MixedMemory(self.groups(spec) if spec.table else [], spec, code)

    def nll(self, output: Tensor, x: Tensor, memory: Any) -> Tensor:
        """Return -log p(x) of every entry by the likelihood of its column."""
        pieces = []
        for group, columns, unseen, own in memory:
            values = x.index_select(1, columns)
            known = _known(group, values)
            found = group.likelihood.nll(output[:, group.outputs], values if known is None else values * known, own)
            if known is not None:
                chance = unseen.to(found.dtype)
                found = torch.where(known, found - torch.log1p(-chance), -chance.log())
            pieces.append(found)
        return memory.joined(pieces)  # type: ignore[no-any-return]

    def peak(self, output: Tensor, memory: Any) -> Tensor:
        """Return those of the likelihoods of columns."""
        pieces = []
        for group, columns, _, own in memory:
            found = group.likelihood.peak(output[:, group.outputs], own)
            like = output.new_zeros(len(output), len(columns))
            pieces.append(like + found)
        return memory.joined(pieces)  # type: ignore[no-any-return]

    def pullback(self, output: Tensor, x: Tensor, memory: Any, out: Tensor | None = None) -> Tensor:
        """Return the derivative of the nll by the output, group by group; a new level has none."""
        found = torch.empty_like(output) if out is None else out
        for group, columns, _, own in memory:
            values = x.index_select(1, columns)
            known = _known(group, values)
            ahead = output[:, group.outputs].contiguous()
            g = _slope(group.likelihood, ahead, values if known is None else values * known, own)
            if known is not None:
                g = g * known.repeat_interleave(g.shape[1] // known.shape[1], 1)
            found[:, group.outputs] = g
        return found

    def per_output(self, entries: Tensor, memory: Any) -> Tensor:
        """Spread one value per entry over the outputs of its column."""
        pieces = []
        for group, columns, _, _ in memory:
            times = (group.outputs.stop - group.outputs.start) // len(group.columns)
            pieces.append(entries.index_select(1, columns).repeat_interleave(times, 1))
        return torch.cat(pieces, 1)

    def mean(self, output: Tensor, memory: Any) -> Tensor:
        """Return the expected number, the most probable level, the mean direction."""
        pieces = []
        for group, _, _, own in memory:
            found = group.likelihood.mean(output[:, group.outputs], own)
            pieces.append((found > 0.5).to(found.dtype) if group.kind == "binary" else found)
        return memory.joined(pieces)  # type: ignore[no-any-return]

    def doubt(self, output: Tensor, memory: Any) -> Tensor:
        """Return what is left to other levels, of two ones too."""
        pieces = []
        for group, _, _, own in memory:
            ahead = output[:, group.outputs]
            p = torch.sigmoid(ahead)
            pieces.append(torch.minimum(p, 1 - p) if group.kind == "binary" else group.likelihood.doubt(ahead, own))
        return memory.joined(pieces)  # type: ignore[no-any-return]

    def sample(self, output: Tensor, noise: Noise, memory: Any) -> Tensor:
        """Draw every entry from the likelihood of its column."""
        draws = [group.likelihood.sample(output[:, group.outputs], noise, own) for group, _, _, own in memory]
        return memory.joined(draws)  # type: ignore[no-any-return]

    def start(self, objective: Any, sample: Batch) -> None:
        """Let the last bias say what is seen on average: means, rates and shares of levels."""
        bias, memory = objective.model.output_bias(), objective.memories["likelihood"]
        if bias is None or bias.numel() != objective.model.outputs[0]:
            return
        with torch.no_grad():
            for group, columns, _, _ in memory:
                values = _averaged(group, sample, columns)
                bias[group.outputs].copy_(group.likelihood.resting(values).flatten().to(bias.dtype))
            if any(group.kind == "count" for group in memory.groups):
                spread = torch.full_like(bias, torch.inf)
                for group, _, _, _ in memory:
                    spread[group.outputs] = 1.0 if group.kind == "count" else torch.inf
                calm(objective, sample, spread)


def _known(group: Group, values: Tensor) -> Tensor | None:
    """Say which levels the training rows had; None for what has no levels."""
    if group.kind not in DISCRETE:
        return None
    return values < (2 if group.kind == "binary" else getattr(group.likelihood, "levels", 2))


def _slope(likelihood: Likelihood, output: Tensor, x: Tensor, memory: Any) -> Tensor:
    """Return what a likelihood declares as its derivative, else what autograd finds."""
    declared = declaration(likelihood, "pullback", "nll")
    if declared is not None:
        return declared(output, x, memory)  # type: ignore[no-any-return]
    leaf = output.detach().requires_grad_()
    with torch.enable_grad():
        likelihood.nll(leaf, x, memory).sum().backward()
    return leaf.grad  # type: ignore[return-value]


def _averaged(group: Group, sample: Batch, columns: Tensor) -> Tensor:
    """Average a group's columns over the rows where they were seen; levels as their shares."""
    values = sample.x.index_select(1, columns).double()
    seen = None if sample.seen is None else sample.seen.index_select(1, columns)
    if group.kind == "category":
        levels = torch.arange(getattr(group.likelihood, "levels", 2), device=values.device)
        values = (values.unsqueeze(2) == levels).double().flatten(1)
    return average(values, Batch(values, seen, sample.weight))
