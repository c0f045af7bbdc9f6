"""One door for what is streamed."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import numpy as np

from isthmus.data import parquetfiles, places
from isthmus.data.parquetfiles import PARQUET
from isthmus.data.places import Place, Source
from isthmus.data.record import Array
from isthmus.data.streams.arrays import Fetched, Mapped
from isthmus.data.streams.base import WINDOW, Stream
from isthmus.data.streams.joined import joined
from isthmus.data.streams.parquet import Parquet
from isthmus.data.streams.zarrs import Zarr

# Files whose heads are read at once.
AT_ONCE = 16


def stream(
    source: Source | Place | Array, *, drop: Sequence[str] = (), window_bytes: int = WINDOW, filesystem: Any = None
) -> Stream:
    """Open rows that are larger than memory, to be read in blocks while a model is fitted.

    Args:
        source: a Parquet file, an npy file, an array of zarr, or a folder of Parquet files, also in folders below; a
            pattern of files (``rows/*.parquet``, ``rows/**/*.npy``); the URL of any of these (``s3://bucket/rows``,
            ``https://...``, what pyarrow and fsspec speak); or an array, mapped or not.
        drop: columns of a table to leave out.
        window_bytes: size in float32 of the rows that are shuffled together. The more blocks in a window, the better
            the shuffle: ``history_[-1]["shuffle_quality"]`` has what was achieved. Rows that fit into one window are
            read at once and fitted as rows in memory.
        filesystem: a file system of pyarrow or fsspec, to which ``source`` is a path.

    Raises:
        ValueError: the source is missing, damaged, of another kind or empty, or does not hold numbers; files that are
            streamed together differ in their columns; or a store says no.
        ImportError: what reads the source is not installed.

    >>> opened = stream(np.zeros((1000, 8), np.float32), window_bytes=8192)
    >>> opened
    <stream of 1,000 rows of (8,) in 250 blocks, 256 rows in a window: array>
    """
    if isinstance(source, np.ndarray):
        _no_columns(drop, "array")
        return Mapped(source, window_bytes)
    place = places.located(source, filesystem)
    files = places.found(place, PARQUET)
    if not files:
        raise ValueError(
            f"{str(place)!r} has no Parquet file; give a folder of these, a Parquet file, an npy file or a pattern"
        )
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return joined(str(place), list(pool.map(partial(_one, drop=drop, window_bytes=window_bytes), files)))


def _one(place: Place, drop: Sequence[str], window_bytes: int) -> Stream:
    if place.suffix in PARQUET:
        return Parquet(place, drop, window_bytes)
    if place.suffix == ".npy":
        _no_columns(drop, str(place))
        return Mapped(place, window_bytes) if place.here is not None else Fetched(place, window_bytes)
    if place.suffix == ".zarr" or place.zarr():
        _no_columns(drop, str(place))
        return Zarr(place, window_bytes)
    kind = repr(place.suffix) if place.suffix else "nothing"
    raise ValueError(f"{str(place)!r} ends in {kind}, which is not streamed; write it as npy or Parquet")


def size(source: Source) -> int:
    """Return the bytes of the rows of what can be streamed; 0 for anything else."""
    try:
        files = places.found(places.located(source), PARQUET)
    except ValueError:
        return 0
    return sum(_size(place) for place in files)


def _size(place: Place) -> int:
    if place.suffix in PARQUET:
        return parquetfiles.size(place)
    if place.suffix == ".npy":
        return int(place.info().size)
    if place.suffix == ".zarr" or place.zarr():
        return int(Zarr(place, WINDOW)._opened().nbytes)
    return 0


def _no_columns(drop: Sequence[str], source: str) -> None:
    if drop:
        raise ValueError(f"drop is for tables with columns, which {source!r} is not; leave it out")
