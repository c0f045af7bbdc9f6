"""Arrays in ranges of their rows: in memory, in npy files that are mapped, or in such files of a store."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from isthmus.data import npfiles
from isthmus.data.places import Place
from isthmus.data.record import Array
from isthmus.data.streams.base import READERS, Once, Stream, rows_in
from isthmus.data.streams.unchanged import Unchanged

# Blocks of an array in a window; a batch-mate comes from the same block once in so many times.
BLOCKS = 64


class Ranges(Stream):
    """Rows of an array, of whose ranges 64 fill a window, or fewer where they are made of whole chunks.

    Bytes of a file with three or four axes are pictures, as for :func:`isthmus.data.read`.
    """

    # What an array in memory has counts as given; what is read from a file is pictures where it looks like them.
    filed = True

    def _lay_out(self, shape: tuple[int, ...], kind: np.dtype[Any], window_bytes: int, chunk: int = 1) -> None:
        """Note the shapes of the array, of its rows, and of the blocks."""
        if 0 in shape:
            raise ValueError(f"{self.source!r} has no rows or no columns (shape {shape}); give at least one")
        self._kind, self._stored = kind, shape[1:]
        # One row stands for all; what has no columns is refused by its whole shape.
        first = self._numbers(np.broadcast_to(np.zeros((), kind), (1, *shape[1:]) if len(shape) > 1 else shape))
        self.shape, self.dtype = first.shape[1:], first.dtype
        self.layout = (f"{kind} of the shape {shape[1:]}",)
        self.window = rows_in(window_bytes, self.width)
        step = max(1, self.window // BLOCKS // chunk) * chunk
        self.starts = np.append(np.arange(0, shape[0], step), shape[0])

    def _numbers(self, rows: Array) -> Array:
        if rows.dtype in (np.float32, np.float64) and rows.ndim > 1:
            return np.asarray(rows)
        if not self.filed and rows.dtype.kind in "biu" and rows.ndim > 1:
            return np.asarray(rows, np.float64)
        return npfiles.as_rows(rows, self.source)

    def _span(self, block: int) -> tuple[int, int]:
        start, end = self.starts[block : block + 2]
        return int(start), int(end)


class Mapped(Ranges):
    """An array in memory, or an npy file of this machine."""

    def __init__(self, array: Array | Place, window_bytes: int) -> None:
        """Look at the shape and the type."""
        self.filed = isinstance(array, Place)
        self._array = array
        self._unchanged = Unchanged(array) if isinstance(array, Place) else None
        self.source = str(array) if isinstance(array, Place) else str(getattr(array, "filename", None) or "array")
        found: Any = self._open()
        # To read what lies in order costs half of mapping it page by page, and nothing of it stays in memory.
        self._offset = found.offset if self.filed and found.flags.c_contiguous else None
        self._lay_out(found.shape, found.dtype, window_bytes)

    def _open(self) -> Array:
        if not isinstance(self._array, Place):
            return self._array
        assert self._array.here is not None
        return npfiles.mapped(self._array.here)

    def read(self, block: int) -> Array:
        self._check()
        start, end = self._span(block)
        if self._offset is None or not isinstance(self._array, Place):
            return self._numbers(self._open()[start:end])
        width = math.prod(self._stored)
        count, offset = (end - start) * width, self._offset + start * width * self._kind.itemsize
        found = np.fromfile(self._array.path, self._kind, count, offset=offset)
        if len(found) < count:
            raise ValueError(f"{self.source!r} became shorter while it was read; write it again")
        return self._numbers(found.reshape(-1, *self._stored))

    def take(self, rows: Array) -> Array:
        self._check()
        return self._numbers(self._open()[rows])

    def _check(self) -> None:
        if self._unchanged is not None:
            self._unchanged.check()


class Fetched(Ranges):
    """An npy file of a store, of which ranges of bytes are asked for."""

    readers = READERS

    def __init__(self, place: Place, window_bytes: int) -> None:
        """Read the header."""
        self._place, self.source = place, str(place)
        self._opened = Once(place.source)
        shape, kind, self._offset = npfiles.header(self._opened(), self.source)
        self._lay_out(shape, kind, window_bytes)

    def read(self, block: int) -> Array:
        start, end = self._span(block)
        size = math.prod(self._stored) * self._kind.itemsize
        with self._place.asking():
            found = self._opened().read_at((end - start) * size, self._offset + start * size)
        if len(found) < (end - start) * size:
            raise ValueError(f"{self.source!r} became shorter while it was read; write it again")
        return self._numbers(np.frombuffer(found, self._kind).reshape(-1, *self._stored))
