"""What the kernel is given beside rows: what the net reads of them, and what their entries count in the loss."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from isthmus.component import declaration
from isthmus.corruption import Clean
from isthmus.noise import Noise, Several
from isthmus.objective import Objective
from isthmus.records import Batch, Corrupted, Rows

# Numbers that are damaged at once: what is made on the way stays in the cache.
AT_ONCE = 2**18
# What units that may be dropped are multiplied by, given numbers of their shape and noise.
Kept = Callable[[Tensor, Noise], Tensor]


class Given(NamedTuple):
    """For rows of some batches, one after another; None where the net reads rows, entries count 1, nothing is drawn.

    ``targets`` are what outputs are compared with, where that is not rows; ``kept`` is what units that may be dropped
    are multiplied by, those of one layer after those of another; ``drawn`` what codes are drawn by; ``whole`` what all
    entries of a row count together, before noise levels.
    """

    inputs: Tensor | None = None
    targets: Tensor | None = None
    counts: Tensor | None = None
    kept: Tensor | None = None
    drawn: Tensor | None = None
    whole: Tensor | None = None


class Steps(Several):
    """The noise of steps in succession: each draws for the rows of its own batch, as if it were alone.

    >>> steps, x = Steps([Noise(seed=0), Noise(seed=0).at(1)], [2, 1]), torch.zeros(3, 4)
    >>> alone = [Noise(seed=0).uniform(x[:2]), Noise(seed=0).at(1).uniform(x[2:])]
    >>> bool((steps.uniform(x) == torch.cat(alone)).all())
    True
    """

    def __init__(self, each: Sequence[Noise], sizes: Sequence[int]) -> None:
        """Keep the noise of every step, and how many rows its batch has."""
        super().__init__(each[0].seed, each[0].step, each[0].process)
        self.each, self.sizes = list(each), list(sizes)

    def at(self, step: int) -> Noise:
        """Return the stream of another step."""
        return self.each[0].at(step)

    def branch(self, tag: int) -> Steps:
        """Return independent streams for another purpose."""
        return Steps([noise.branch(tag) for noise in self.each], self.sizes)

    def permutation(self, n: int, device: torch.device | str = "cpu") -> Tensor:
        """Refuse: an order is of one step's rows."""
        raise TypeError("steps in succession have no common order of rows; a part that draws one is not by_row")

    def some(self, n: int, k: int) -> Tensor:
        """Refuse: rows are drawn among one step's."""
        return self.permutation(n)[:k]

    def parts(self, like: Tensor) -> list[tuple[Noise, Tensor]]:
        """Return every step's noise with the rows of its batch."""
        return list(zip(self.each, like.split(self.sizes), strict=True))


class Inputs:
    """What becomes of rows before the net reads them, and what is drawn on their way, in the order of other engines.

    Attributes:
        apart: whether the net reads anything else than rows.
    """

    def __init__(self, task: Objective, dropping: Sequence[tuple[int, Kept]], drawn: int) -> None:
        """Take widths and rules of layers that drop units, and how many numbers a code is drawn by."""
        self.task, corruption = task, task.corruption.over(task.epochs)
        self.corruption, self.stem = corruption, task.model.stem
        self.dropping, self.drawn = dropping, drawn
        self.apart = corruption != Clean() or task.model.spec.missing or task.model.spec.level > 0
        # A corruption that treats rows alike damages several batches at once.
        self.at_once = declaration(corruption, "by_row") and corruption.at(0.0) is corruption

    def room(self, rows: Rows) -> int:
        """Return how many numbers a row takes, of which most are there twice while they are put together."""
        taken = rows.x[0].numel() + math.prod(self.task.model.reader.shape) if self.takes(rows) else 0
        return self.drawn + 2 * (taken + sum(width for width, _ in self.dropping))

    def takes(self, rows: Rows) -> bool:
        """Say whether more is given of rows than what is drawn for them."""
        return self.apart or rows.seen is not None or rows.weight is not None

    def asks(self, rows: Rows) -> bool:
        """Say whether anything is given beside rows."""
        return self.takes(rows) or bool(self.dropping) or self.drawn > 0

    def given(self, rows: Rows, index: Tensor, steps: Steps, moments: list[float]) -> Given:
        """Return what is given of the rows at ``index``, batches of some steps at these moments."""
        each = AT_ONCE // (steps.sizes[0] * rows.x[0].numel()) if self.at_once else 1
        found, left = [], index
        for first in range(0, len(steps.sizes), max(1, each)):
            some = slice(first, first + max(1, each))
            noise = Steps(steps.each[some], steps.sizes[some])
            own, left = left[: sum(noise.sizes)], left[sum(noise.sizes) :]
            batch = rows.take(own) if self.takes(rows) else None
            found.append(self._given(batch, len(own), noise, moments[first]))
        return Given(*(None if parts[0] is None else torch.cat(parts) for parts in zip(*found, strict=True)))

    def _given(self, batch: Batch | None, rows: int, noise: Steps, epoch: float) -> Given:
        own = noise if len(noise.each) > 1 else noise.each[0]
        read = Given() if batch is None else self._read(batch, own, epoch)
        like = torch.empty(0, dtype=torch.float32, device="cpu")
        kept = [keep(like.new_empty(rows, width), own) for width, keep in self.dropping]
        drawn = own.normal(like.new_empty(rows, self.drawn)) if self.drawn else None
        return read._replace(kept=torch.cat(kept, 1) if kept else None, drawn=drawn)

    def _read(self, batch: Batch, noise: Noise, epoch: float) -> Given:
        """Return what the net reads of a batch, what its outputs are compared with, and what its entries count."""
        corrupted: Corrupted = self.corruption.at(epoch)(batch, noise, self.task.memory_of("corruption"))
        counts = batch.seen
        for more in (corrupted.emphasis, batch.weight):
            if more is not None:
                wide = more.reshape(len(more), *[1] * (batch.x.dim() - more.dim()), *more.shape[1:])
                counts = wide.expand_as(batch.x) if counts is None else counts * wide
        whole = None if counts is None else counts.flatten(1).sum(1, dtype=torch.float64)
        targets, beside = None, self.task.model.reader.beside(corrupted)
        if beside is not None:
            # Of carried + gain output, squared errors are gain^2 times those of the output.
            carried, gain = beside
            targets = ((batch.x - carried) / gain).to(batch.x.dtype).contiguous()
            counts = gain.square().expand_as(batch.x) if counts is None else counts * gain.square()
        return Given(
            self.stem(corrupted).to(batch.x.dtype).contiguous() if self.apart else None,
            targets,
            None if counts is None else counts.to(batch.x.dtype).contiguous(),
            whole=whole,
        )
