"""Arrays of zarr in ranges of whole chunks."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from isthmus.data.places import Place
from isthmus.data.record import Array
from isthmus.data.streams.arrays import Ranges
from isthmus.data.streams.base import READERS, Once


class Zarr(Ranges):
    """An array of zarr, whose chunks are never cut; memory holds a row of chunks at a time."""

    def __init__(self, place: Place, window_bytes: int) -> None:
        """Look at the shape, the type and the chunks."""
        self._place, self.source = place, str(place)
        self.readers = 1 if place.here is not None else READERS
        self._opened = Once(partial(opened, place))
        array = self._opened()
        chunk = array.chunks[0] if array.shape else 1
        self._lay_out(array.shape, array.dtype, window_bytes, chunk)
        if chunk > self.window and chunk < array.shape[0]:
            raise ValueError(
                f"{self.source!r} has chunks of {chunk:,} rows, {chunk * self.width * 4:,} bytes in float32, which no "
                f"window of {window_bytes:,} holds; raise window_bytes, or write it with smaller chunks"
            )

    def read(self, block: int) -> Array:
        with self._place.asking():
            found = np.asarray(self._opened()[slice(*self._span(block))])
        return self._numbers(found)


def opened(place: Place) -> Any:
    """Open an array for reading.

    Raises:
        ImportError: zarr is not installed.
        ValueError: a group, or nothing that zarr reads.
    """
    try:
        import zarr
    except ImportError:
        raise ImportError(f"{str(place)!r} is read by zarr; pip install 'isthmus[zarr]'") from None
    with place.asking():
        found = zarr.open(store_of(place), mode="r")
    if isinstance(found, zarr.Array):
        return found
    arrays = ", ".join(sorted(name for name, _ in found.arrays())) or "none"
    raise ValueError(
        f"{str(place)!r} is a group of zarr, and a stream is one array; add its name to the path: {arrays}"
    )


def store_of(place: Place) -> Any:
    """Return what zarr reads: a path, or the objects of a file system."""
    if place.here is not None:
        return place.path
    from fsspec.implementations.asyn_wrapper import AsyncFileSystemWrapper
    from zarr.storage import FsspecStore

    from isthmus.data.ranges import Wrapped

    return FsspecStore(
        AsyncFileSystemWrapper(Wrapped(place.filesystem), asynchronous=True), read_only=True, path=place.path
    )
