"""What parts see: the data's description, a batch, its corruption, and everything that one forward pass computed."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import torch
from torch import Tensor

from isthmus.component import Memory
from isthmus.noise import Noise

if TYPE_CHECKING:
    from isthmus.posterior import Posterior

Shape = tuple[int, ...]
Terms = dict[str, Tensor]
Tallies = dict[str, dict[str, Tensor]]


@dataclass(frozen=True)
class Column:
    """One variable: its name, what it holds, how many levels a category has, and how likely a new one is.

    Kinds are ``number``, ``category`` (a level 0, 1, ..., and ``levels`` for one that the fit did not see), ``binary``
    (two levels, 2 for a new one), ``count`` and ``angle`` (radians). ``width`` is that of a learnt embedding of levels;
    0 shows them as indicators.
    """

    name: str
    kind: str = "number"
    levels: int = 0
    unseen: float = 0.0
    width: int = 0


@dataclass(frozen=True)
class Spec:
    """The data as parts see it: shape of one row, columns, and words that it provides.

    ``shape`` is ``(columns,)``, ``(channels, length)`` or ``(channels, height, width)``; ``missing`` says that entries
    may be missing, so that the encoder is told which were seen; ``rows`` is the number of training rows; a ``table``
    has columns of different kinds; ``level`` is the least noise level that the encoder is told of, 0 where there are
    none. A code has shape ``(units, *places)``: axis 1 of a batch is always the unit.
    """

    shape: Shape
    columns: tuple[Column, ...] = ()
    missing: bool = False
    rows: int = 0
    provides: frozenset[str] = frozenset({"continuous"})
    table: bool = False
    level: float = 0.0

    @property
    def levels(self) -> int:
        """The number of levels that every column has, 0 where columns are numbers or of different kinds."""
        if self.table:
            return 0
        return max((column.levels for column in self.columns), default=0)

    @property
    def groups(self) -> dict[tuple[str, int, int], list[int]]:
        """The places of a table's columns by kind, levels and width: what is read and answered in one step."""
        found: dict[tuple[str, int, int], list[int]] = {}
        for i, column in enumerate(self.columns):
            same = (column.kind, column.levels, column.width) if column.kind == "category" else (column.kind, 0, 0)
            found.setdefault(same, []).append(i)
        return found

    @property
    def size(self) -> int:
        """The number of variables of one row."""
        return int(torch.Size(self.shape).numel())


@dataclass(frozen=True)
class Batch:
    """Some rows: values, which of them were seen, row weights, labels. A category is its level, as a number.

    ``fixed`` says that every batch of so many rows comes in the same tensor ``x``, which the next one overwrites. Of a
    batch that several processes share, or that is passed through in parts, ``among`` is the place of the first row that
    is here and the number of all rows.
    """

    x: Tensor
    seen: Tensor | None = None
    weight: Tensor | None = None
    y: Tensor | None = None
    fixed: bool = False
    among: tuple[int, int] | None = None

    def parts(self, most: int) -> list[Batch]:
        """Return the batch in even parts of at most so many rows, each a share of it; 0 leaves it whole."""
        n = len(self.x)
        if not most or n <= most:
            return [self]
        (before, whole), found, first = self.among or (0, n), [], 0
        for x in self.x.tensor_split(math.ceil(n / most)):
            some = slice(first, first + len(x))
            seen, weight, y = (None if t is None else t[some] for t in (self.seen, self.weight, self.y))
            found.append(Batch(x, seen, weight, y, among=(before + first, whole)))
            first = some.stop
        return found

    def spaced(self, most: int) -> Batch:
        """Return at most so many rows, evenly spaced from the first to the last."""
        n = len(self.x)
        if n <= most:
            return self
        some = torch.arange(most, device=self.x.device) * (n - 1) // max(1, most - 1)
        return Batch(*(None if t is None else t[some] for t in (self.x, self.seen, self.weight, self.y)))  # type: ignore[arg-type]

    def own(self, noise: Noise) -> Noise:
        """Return a batch's noise as the rows see it that are here."""
        return noise if self.among is None else noise.share(self.among[0], len(self.x), self.among[1])


@dataclass(frozen=True)
class Corrupted:
    """A corrupted batch: values, entries still seen, emphasis per entry, noise level per row, entries touched."""

    x: Tensor
    seen: Tensor | None = None
    emphasis: Tensor | None = None
    level: Tensor | None = None
    touched: Tensor | None = None


@dataclass(frozen=True)
class Pass:
    """Everything that one forward pass computed; a penalty needs nothing else.

    ``inputs`` is what the encoder saw (corrupted, after the stem); ``memory`` is that of the part that looks at it;
    with several draws, ``code`` and ``output`` hold ``draws`` blocks of rows, and ``share`` is what each of them counts
    in the mean over rows, where a step has weighed them. The rows may be those of several ``members``, models that are
    trained together, one block after another.
    """

    model: Any
    batch: Batch
    corrupted: Corrupted
    inputs: Tensor
    features: Tensor
    posterior: Posterior
    code: Tensor
    output: Tensor
    draws: int
    memory: Memory
    noise: Noise | None
    share: Tensor | None = None
    members: int = 1

    def of(self, memory: Memory) -> Pass:
        """Return the same pass as another part's memory owner sees it."""
        return replace(self, memory=memory)

    def shared(self, g: Tensor, out: Tensor | None = None) -> Tensor:
        """Return a derivative, (rows, ...) or (drawn rows, ...), times what each row counts in the mean over rows."""
        rows = len(self.batch.x) // self.members
        if self.share is not None and len(g) == len(self.share):
            share = self.share
        elif self.batch.weight is None:
            return torch.mul(g, 1 / rows, out=out)
        else:
            share = self.batch.weight / rows
        return torch.mul(g, share.reshape(-1, *[1] * (g.dim() - 1)), out=out)


class Source(Protocol):
    """Where a fit takes its rows from: :class:`Rows` in memory, or a stream of blocks that are read as they come.

    ``quality`` is how well the order of the last epoch was shuffled: 1 is a full shuffle, in which the next row may be
    any other. ``room`` is the largest number of rows that may be held out, since those stay in memory.
    """

    @property
    def quality(self) -> float: ...
    @property
    def room(self) -> int: ...
    @property
    def weight(self) -> Tensor | None: ...
    def __len__(self) -> int: ...

    def batches(self, noise: Noise, steps: int) -> Iterator[Batch]:
        """Give every row once, in so many even batches, in the order that the noise draws.

        A batch may be overwritten when the next one is asked for.
        """
        ...

    def shares(self, noise: Noise, steps: int, rank: int, size: int) -> Iterator[Batch]:
        """Give what one of so many processes takes of every batch, at least a row, so that all rows are taken once."""
        ...

    def pick(self, index: Tensor) -> Rows:
        """Return the rows at ``index``, in ascending order, in memory."""
        ...

    def sample(self) -> Batch:
        """Return the rows that a task starts from: all, or as many drawn at random as memory is meant for."""
        ...

    def split(self, held: Tensor) -> tuple[Source, Rows]:
        """Return the source without the rows at ``held``, in ascending order, and these rows."""
        ...

    def to(self, device: torch.device, dtype: torch.dtype) -> Source:
        """Give rows on a device; values and weights get ``dtype``."""
        ...

    def balanced(self) -> Source:
        """Give the same rows with weights of mean one, so that means divide by the number of rows."""
        ...


@dataclass(frozen=True)
class Rows:
    """The rows of a fit, resident on one device: the plain :class:`Source`.

    ``own`` says that the tensors belong to the fit alone, so that rows may change places instead of being copied.
    """

    x: Tensor
    seen: Tensor | None = None
    weight: Tensor | None = None
    y: Tensor | None = None
    own: bool = False
    buffers: dict[int, Tensor] = field(default_factory=dict, repr=False, compare=False)
    quality: ClassVar[float] = 1.0

    @property
    def room(self) -> int:
        """Any number of rows may be held out."""
        return len(self)

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.x)

    def take(self, index: Tensor) -> Batch:
        """Return the rows at ``index`` as one batch."""
        return replace(self._others(index), x=self.x.index_select(0, index))

    def _others(self, index: Tensor) -> Batch:
        seen, weight, y = (None if t is None else t.index_select(0, index) for t in (self.seen, self.weight, self.y))
        return Batch(self.x, seen, weight, y)

    def batches(self, noise: Noise, steps: int) -> Iterator[Batch]:
        """Give every row once, in so many even batches, in the order that the noise draws; one batch is all rows."""
        # Even batches: the last one is not a crumb whose gradient is mostly noise.
        for index in self.order(noise, steps).tensor_split(steps):
            yield self.all() if steps == 1 else self.taken(index)

    def shares(self, noise: Noise, steps: int, rank: int, size: int) -> Iterator[Batch]:
        """Give an even share of the batches that one process would see, rows in the same order.

        Raises:
            ValueError: batches of fewer rows than there are processes.
        """
        if len(self) // steps < size:
            raise ValueError(
                f"{len(self)} rows in {steps} steps leave some of {size} workers without a row; raise batch_size, or "
                "use fewer devices"
            )
        for index in self.order(noise, steps).tensor_split(steps):
            parts = index.tensor_split(size)
            first = sum(len(part) for part in parts[:rank])
            yield replace(self.taken(parts[rank]), among=(first, len(index)))

    def order(self, noise: Noise, steps: int) -> Tensor:
        """Draw the order of an epoch's rows; one batch is all rows as they are."""
        n = len(self)
        return torch.arange(n, device=self.x.device) if steps == 1 else noise.permutation(n, self.x.device)

    @property
    def plain(self) -> bool:
        """Whether values are one block of numbers, without labels."""
        return self.x.is_contiguous() and self.y is None

    def taken(self, index: Tensor) -> Batch:
        """Return the rows at ``index`` in a buffer that batches of this size share."""
        n = index.shape[0]
        if n not in self.buffers:
            self.buffers[n] = self.x.new_empty((n, *self.x.shape[1:]))
        x = torch.index_select(self.x, 0, index, out=self.buffers[n])
        if self.seen is None and self.weight is None and self.y is None:
            return Batch(x, fixed=True)
        return replace(self._others(index), x=x, fixed=True)

    def pick(self, index: Tensor) -> Rows:
        """Return the rows at ``index`` as rows."""
        batch = self.take(index.to(self.x.device))
        return Rows(batch.x, batch.seen, batch.weight, batch.y)

    def sample(self) -> Batch:
        """Return every row as one batch."""
        return self.all()

    def split(self, held: Tensor) -> tuple[Rows, Rows]:
        """Return all rows but those at ``held``, and these: copies, or the two ends of rows that are our own.

        Held-out rows change places with the last ones, so that both ways come to the same order.
        """
        kept = torch.ones(len(self), dtype=torch.bool)
        kept[held] = False
        front = len(self) - len(held)
        early, late = held[held < front].to(self.x.device), (front + kept[front:].nonzero()[:, 0]).to(self.x.device)
        if not self.own:
            order = torch.arange(len(self), device=self.x.device)
            order[early], order[late] = late, early
            return self.pick(order[:front]), self.pick(order[front:])
        tensors = [t for t in (self.x, self.seen, self.weight, self.y) if t is not None]
        for t in tensors:
            t[early], t[late] = t[late], t[early]
        ends = [(None, None) if t is None else (t[:front], t[front:]) for t in (self.x, self.seen, self.weight, self.y)]
        first, last = zip(*ends, strict=True)
        return Rows(*first), Rows(*last)

    def balanced(self) -> Rows:
        """Return the same rows with weights of mean one, so that means divide by the number of rows."""
        return self if self.weight is None else replace(self, weight=self.weight / self.weight.mean(), buffers={})

    def all(self) -> Batch:
        """Return every row as one batch."""
        return Batch(self.x, self.seen, self.weight, self.y)

    def to(self, device: torch.device, dtype: torch.dtype) -> Rows:
        """Move the rows to a device; values and weights get ``dtype``."""

        def cast(t: Tensor | None) -> Tensor | None:
            return None if t is None else t.to(device, dtype if t.is_floating_point() else None)

        x: Any = cast(self.x)
        return Rows(x, cast(self.seen), cast(self.weight), cast(self.y), own=self.own)


def repeated(t: Tensor, draws: int) -> Tensor:
    """Return one block of rows per draw."""
    return t if draws == 1 else t.repeat(draws, *[1] * (t.dim() - 1))


def mean_over_rows(values: Tensor, weight: Tensor | None) -> Tensor:
    """Average a term over rows: the one function that does, so weights need no second path.

    Row weights are normalised to mean one over the data when rows are made, so dividing by the number of rows keeps
    mini-batches unbiased, and a batch whose weights are all zero has the value zero.
    """
    if values.dim() == 0:
        return values
    if weight is None:
        return values.mean()
    return (values * weight.repeat(len(values) // len(weight))).mean()
