"""The order in which a stream is trained on: blocks at random, several of them in a window, shuffled together."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from itertools import zip_longest
from typing import Any

import numpy as np
import torch
from torch import Tensor

from isthmus.data.record import Array
from isthmus.data.streams import SHARE, Stream, drawn
from isthmus.noise import Noise
from isthmus.records import Batch, Rows

BLOCKS = 1
# Rows that are converted at once stay in the processor's cache.
PIECE = 1 << 20
NONE = np.empty(0, np.int64)


def windows(noise: Noise, rows: Array, window: int, rank: int = 0, size: int = 1) -> list[Array]:
    """Draw which blocks are in memory together: as many as fit, in a random order, evenly spread over the windows.

    ``rows`` has the number of rows of each block. The blocks of a window ascend. Of ``size`` processes each has blocks
    of its own, drawn anew every time, and its share of the window.
    """
    order = noise.branch(BLOCKS).permutation(len(rows)).numpy()[rank::size]
    window = window // size
    most = len(order) if rows[order].sum() <= window else max(1, window // int(rows.max()))
    return [np.sort(blocks) for blocks in np.array_split(order, math.ceil(len(order) / most))]


def quality(rows: Array, together: Sequence[Array]) -> float:
    r"""Return how far two rows of a window are apart in the file, relative to a full shuffle, on average.

    :math:`E|i - j| / ((n + 1) / 3)` over pairs of different rows :math:`i, j` of one window, which is what consecutive
    rows of the order are; exactly, from the sizes of the blocks. It is 1 for one window. For windows of k of many equal
    blocks it is about :math:`1 - 1/k`: once in k times the next row is from the same block.

    >>> rows = np.full(100, 10)
    >>> round(quality(rows, [np.arange(100)]), 12), round(quality(rows, np.split(np.arange(100), 100)), 3)
    (1.0, 0.011)
    """
    starts, total, distance, pairs = np.cumsum(rows) - rows, float(rows.sum()), 0.0, 0.0
    for blocks in together:
        m, centre = rows[blocks].astype(float), starts[blocks] + (rows[blocks] - 1) / 2
        before, weighed = np.cumsum(m) - m, np.cumsum(m * centre) - m * centre
        # Pairs within a block, and pairs of one of its rows with one of an earlier block, whose centres tell.
        distance += float((m * (m**2 - 1) / 6 + m * (centre * before - weighed)).sum())
        pairs += float(m.sum() * (m.sum() - 1) / 2)
    return distance / pairs / ((total + 1) / 3) if pairs else 1.0


def even(rows: int, steps: int) -> list[int]:
    """Return the sizes of so many batches."""
    large = rows % steps
    return [rows // steps + 1] * large + [rows // steps] * (steps - large)


@dataclass
class Shuffled:
    """A stream as the rows of a fit: a :class:`isthmus.records.Source` that holds two windows at a time.

    Every epoch visits every row once. The order is a function of the noise, so that a fit that was interrupted goes on
    to the same weights. One thread reads, converts and shuffles the next window while the current one is in use.

    Args:
        stream: the rows in their own units.
        convert: what turns some of them, (rows, numbers), into the model's units in a dtype.
        shape: shape of a row for the model.
        held: rows that are left out, in ascending order.
        device, dtype: where batches go and what they come in.
    """

    stream: Stream
    convert: Callable[[Array, Any], Array]
    shape: tuple[int, ...]
    held: Array = field(default_factory=lambda: np.empty(0, np.int64))
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    dtype: torch.dtype = torch.float32
    quality: float = 1.0
    weight: Tensor | None = None

    def __len__(self) -> int:
        """Return the number of rows that are not left out."""
        return len(self.stream) - len(self.held)

    @property
    def room(self) -> int:
        """Held-out rows may fill a quarter of a window."""
        return max(1, self.stream.window // SHARE)

    def to(self, device: torch.device, dtype: torch.dtype) -> Shuffled:
        """Give rows on a device."""
        return replace(self, device=device, dtype=dtype)

    def balanced(self) -> Shuffled:
        """Rows of a stream have no weights."""
        return self

    def split(self, held: Tensor) -> tuple[Shuffled, Rows]:
        """Return the stream without some rows, and these in memory."""
        places = np.sort(np.concatenate([self.held, self._places(held)]))
        return replace(self, held=places), self.pick(held)

    def pick(self, index: Tensor) -> Rows:
        """Return the rows at ``index``, which ascends, in memory."""
        found = self._converted(self.stream.take(self._places(index)))
        return Rows(found.reshape(-1, *self.shape).to(self.device))

    def sample(self) -> Batch:
        """Return a quarter of a window, drawn at random: the same rows whatever the seed of the fit."""
        return self.pick(torch.from_numpy(drawn(len(self), self.stream.window // SHARE))).all()

    def batches(self, noise: Noise, steps: int) -> Iterator[Batch]:
        """Give every row once, in even batches; a batch is overwritten when the window after the next is read.

        Raises:
            ValueError: a batch that is larger than a window, or rows that cannot be read.
        """
        sizes = even(len(self), steps)
        self._refuse_large(sizes[0])
        noise = noise.at(noise.step)
        return self._cut(self._windows(noise, [self._together(noise, 0, 1)]), iter(sizes))

    def shares(self, noise: Noise, steps: int, rank: int, size: int) -> Iterator[Batch]:
        """Give even batches of the rows in one process' blocks, which are drawn anew every epoch.

        Raises:
            ValueError: a batch that is larger than a window, rows that cannot be read, or fewer blocks than processes.
        """
        noise = noise.at(noise.step)
        if len(self.stream.starts) - 1 < size:
            raise ValueError(
                f"{self.stream.source!r} has {len(self.stream.starts) - 1} blocks, too few for {size} workers; write "
                "it with smaller row groups (row_group_size), lower window_bytes, or use fewer devices"
            )
        rows, together = self._rows(), [self._together(noise, r, size) for r in range(size)]
        sizes = [even(int(sum(rows[blocks].sum() for blocks in own)), steps) for own in together]
        if min(of[-1] for of in sizes) < 1:
            raise ValueError(f"{steps} steps leave some of {size} workers without a row; raise batch_size")
        whole = [sum(step) for step in zip(*sizes, strict=True)]
        self._refuse_large(whole[0])
        batches = self._cut(self._windows(noise.for_process(rank), together, rank), iter(sizes[rank]))
        for i, batch in enumerate(batches):
            yield replace(batch, among=(sum(of[i] for of in sizes[:rank]), whole[i]))

    def _refuse_large(self, rows: int) -> None:
        if rows > self.stream.window:
            raise ValueError(
                f"a step takes {rows:,} rows and a window of the stream holds {self.stream.window:,}; lower "
                "batch_size, raise window_bytes, or use an optimiser that does not look at all rows at once"
            )

    def _rows(self) -> Array:
        """Return how many rows of each block are not left out."""
        found: Array = np.diff(self.stream.starts - np.searchsorted(self.held, self.stream.starts))
        return found

    def _together(self, noise: Noise, rank: int, size: int) -> list[Array]:
        return windows(noise, np.diff(self.stream.starts), self.stream.window, rank, size)

    def _cut(self, shuffled: Iterator[Tensor], sizes: Iterator[int]) -> Iterator[Batch]:
        """Cut windows into batches; one at a border is made of the rest of a window and the beginning of the next."""
        size, rest = next(sizes), torch.empty(0, *self.shape, dtype=self.dtype, device=self.device)
        for window in shuffled:
            at = size - len(rest)
            if at > len(window):
                rest = torch.cat([rest, window])
                continue
            yield Batch(torch.cat([rest, window[:at]]) if len(rest) else window[:at])
            while at + (size := next(sizes, len(window) + 1)) <= len(window):
                yield Batch(window[at : at + size])
                at += size
            rest = window[at:].clone()

    def _windows(self, noise: Noise, of_all: Sequence[list[Array]], rank: int = 0) -> Iterator[Tensor]:
        """Give the rows of each of a process' windows in a random order while the next one is prepared."""
        rows, together = self._rows(), of_all[rank]
        # What all processes hold at once is shuffled together.
        self.quality = quality(rows, [np.sort(np.concatenate(some)) for some in zip_longest(*of_all, fillvalue=NONE)])
        most = max(int(rows[blocks].sum()) for blocks in together)
        # The row beyond the last takes what is left out.
        buffers = [torch.empty(most + 1, *self.shape, dtype=self.dtype) for _ in range(min(2, len(together)))]

        def load(i: int, order: Tensor) -> Tensor:
            return self._fill(buffers[i % 2], together[i], order)

        with ThreadPoolExecutor(1, "isthmus-prefetch") as pool:
            orders = (noise.permutation(int(rows[blocks].sum())) for blocks in together)
            ahead = pool.submit(load, 0, next(orders))
            for i in range(1, len(together) + 1):
                window = ahead.result()
                if i < len(together):
                    ahead = pool.submit(load, i, next(orders))
                yield window

    def _fill(self, buffer: Tensor, blocks: Array, order: Tensor) -> Tensor:
        """Write the rows of some blocks to where the order has them."""
        out = buffer.numpy().reshape(len(buffer), -1)
        places = np.empty(len(order), np.int32)
        places[order.numpy()] = np.arange(len(order))
        done = 0
        for block, read in zip(blocks, self.stream.several(blocks), strict=True):
            start, end = self.stream.starts[block : block + 2]
            left_out = self.held[slice(*np.searchsorted(self.held, (start, end)))] - start
            to = np.full(end - start, len(order), np.int32)
            kept = np.delete(np.arange(end - start), left_out)
            to[kept] = places[done : done + len(kept)]
            done += len(kept)
            self._scatter(read, out, to)
        return buffer[: len(order)].to(self.device)

    def _scatter(self, rows: Array, out: Array, to: Array) -> None:
        rows = rows.reshape(len(rows), -1)
        step = max(1, PIECE // (rows.shape[1] * rows.itemsize))
        for i in range(0, len(rows), step):
            out[to[i : i + step]] = self.convert(rows[i : i + step], out.dtype)

    def _converted(self, rows: Array) -> Tensor:
        found = torch.empty(len(rows), self.stream.width, dtype=self.dtype)
        self._scatter(rows, found.numpy(), np.arange(len(rows)))
        return found

    def _places(self, index: Tensor) -> Array:
        """Return where rows are in the stream, counted with those that are left out."""
        places = index.cpu().numpy()
        return places + np.searchsorted(self.held - np.arange(len(self.held)), places, side="right")
