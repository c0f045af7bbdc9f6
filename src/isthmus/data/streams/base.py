"""Rows that stay where they lie and are read in blocks."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Lock
from typing import Any

import numpy as np

from isthmus.data.record import Array

WINDOW = 256 << 20
WIDTH = 4
SHARE = 4
# Blocks that are asked of a store at once: it answers late, and many at a time.
READERS = 4
OPENING = Lock()


class Once:
    """What is opened when it is first used, once in every process; the way to it can be pickled."""

    def __init__(self, way: Callable[[], Any]) -> None:
        """Remember the way."""
        self._way, self._found = way, None

    def __call__(self) -> Any:
        """Return what was opened."""
        if self._found is None:
            with OPENING:
                self._found = self._way() if self._found is None else self._found
        return self._found

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what is open here."""
        return {"_way": self._way, "_found": None}


class Stream(ABC):
    """Rows in blocks that are read one after another or in any order; no more than a window of them is in memory.

    A fit holds two windows (the one in use and the next), and a quarter of one each for held-out rows and for the
    sample of rows that is looked at beforehand. ``window_bytes`` is the size of a window in float32.

    Attributes:
        source: where the rows are, for messages.
        names: one name per column, or None where the source has none.
        shape: shape of one row.
        dtype: float32 or float64, what rows come in.
        layout: what a column of the source is, each in words; files that are streamed together agree in it.
        starts: first row of every block, and the number of rows at the end.
        window: rows in a window.
        readers: blocks that are read at once.
    """

    source: str
    names: tuple[str, ...] | None = None
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    layout: tuple[str, ...]
    starts: Array
    window: int
    readers: int = 1

    @abstractmethod
    def read(self, block: int) -> Array:
        """Return the rows of a block, (rows, *shape).

        Raises:
            ValueError: they cannot be read; the message names the file.
        """

    def take(self, rows: Array) -> Array:
        """Return the rows at these places, which ascend, reading each block once."""
        found = np.empty((len(rows), *self.shape), self.dtype)
        ends = np.searchsorted(rows, self.starts)
        wanted = np.flatnonzero(np.diff(ends))
        for block, read in zip(wanted, self.several(wanted), strict=True):
            here = slice(ends[block], ends[block + 1])
            found[here] = read[rows[here] - self.starts[block]]
        return found

    def several(self, blocks: Iterable[int]) -> Iterator[Array]:
        """Give the rows of blocks in this order; where a store answers late, the next ones are asked for meanwhile."""
        if self.readers == 1:
            yield from (self.read(int(block)) for block in blocks)
            return
        pool = ThreadPoolExecutor(self.readers, "isthmus-prefetch")
        waiting: deque[Future[Array]] = deque()
        try:
            for block in blocks:
                waiting.append(pool.submit(self.read, int(block)))
                if len(waiting) == self.readers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)

    def sample(self) -> Array:
        """Return a quarter of a window, drawn at random: always the same rows, in the order of the file."""
        return self.take(drawn(len(self), self.window // SHARE))

    def where(self, row: int) -> str:
        """Say where a row is, counted from 1 in its file."""
        return f"row {row + 1} of {self.source!r}"

    def __len__(self) -> int:
        """Return the number of rows."""
        return int(self.starts[-1])

    @property
    def width(self) -> int:
        """The number of numbers in a row."""
        return int(np.prod(self.shape))

    def __iter__(self) -> Iterator[Array]:
        """Give the blocks in their order."""
        return self.several(range(len(self.starts) - 1))

    def __repr__(self) -> str:
        """Say what is streamed, and how."""
        parts = f"{len(self):,} rows of {self.shape} in {len(self.starts) - 1:,} blocks"
        return f"<stream of {parts}, {self.window:,} rows in a window: {self.source}>"


def drawn(n: int, some: int) -> Array:
    """Draw some places of n at random, the same ones each time, in ascending order."""
    return np.sort(np.random.default_rng(0).choice(n, max(1, min(n, some)), replace=False))


def rows_in(window_bytes: int, width: int) -> int:
    """Return how many rows of float32 a window holds.

    Raises:
        ValueError: a size that holds no two rows.
    """
    rows = int(window_bytes) // (width * WIDTH)
    if rows < 2:
        raise ValueError(f"window_bytes={window_bytes!r} does not hold two rows of {width} numbers; raise it")
    return rows
