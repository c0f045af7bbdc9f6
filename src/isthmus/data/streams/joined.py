"""Streams one after another."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from isthmus.data.record import Array
from isthmus.data.streams.base import Stream


class Joined(Stream):
    """Files of the same columns as one stream; no block reaches from one file into the next."""

    def __init__(self, source: str, parts: Sequence[Stream]) -> None:
        """Look whether they belong together."""
        first = parts[0]
        self.source, self._parts = source, parts
        self.names, self.shape, self.dtype, self.layout = first.names, first.shape, first.dtype, first.layout
        self.window, self.readers = first.window, max(part.readers for part in parts)
        self._rows = np.cumsum([0, *(len(part) for part in parts)])
        self._blocks = np.cumsum([0, *(len(part.starts) - 1 for part in parts)])
        starts = [part.starts[:-1] + before for part, before in zip(parts, self._rows, strict=False)]
        self.starts = np.append(np.concatenate(starts), self._rows[-1])

    def read(self, block: int) -> Array:
        part = int(np.searchsorted(self._blocks, block, side="right")) - 1
        return self._parts[part].read(block - int(self._blocks[part]))

    def where(self, row: int) -> str:
        """Say where in its file a row is."""
        part = int(np.searchsorted(self._rows, row, side="right")) - 1
        return self._parts[part].where(row - int(self._rows[part]))


def joined(source: str, parts: Sequence[Stream]) -> Stream:
    """Return streams as one, those without rows left out.

    Raises:
        ValueError: no file has rows, or one has other columns than the first.
    """
    for part in parts[1:]:
        refuse_other(parts[0], part)
    filled = [part for part in parts if len(part)]
    if not filled:
        raise ValueError(f"{source!r} has no rows; give at least one")
    return filled[0] if len(parts) == 1 else Joined(source, filled)


def refuse_other(first: Stream, other: Stream) -> None:
    """Refuse a file with other columns than the first.

    Raises:
        ValueError: with the first column that differs.
    """
    if other.layout == first.layout:
        return
    pairs = zip(first.layout, other.layout, strict=False)
    at = next((f"{b} where it has {a}" for a, b in pairs if a != b), None)
    counted = f"{len(other.layout)} where it has {len(first.layout)}"
    raise ValueError(f"{other.source!r} has not the columns of {first.source!r}: {at or counted}; make them agree")
